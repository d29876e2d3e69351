// Maximum over 3 by 3 windows at stride 2, padded by what never wins.
#pragma once
#include "common.cuh"

// The place of the first maximum of the window of output (oy, ox); one that is not a number wins.
__device__ inline int first_maximum(const float* plane, int h, int w, int top, int left, int oy, int ox) {
  const int y0 = greatest(oy * 2 - top, 0), y1 = least(oy * 2 - top + 3, h);
  const int x0 = greatest(ox * 2 - left, 0), x1 = least(ox * 2 - left + 3, w);
  int best = y0 * w + x0;
  for (int y = y0; y < y1; y++) {
    for (int x = x0; x < x1; x++) {
      const float value = plane[y * w + x], most = plane[best];
      if (value > most || (value != value && most == most)) best = y * w + x;
    }
  }
  return best;
}

KERNEL max_pool(const float* x, float* out, int h, int w, int height, int width, int top, int left, int n) {
  const int i = item();
  if (i >= n) return;
  const float* plane = x + static_cast<long long>(i / width / height) * h * w;
  out[i] = plane[first_maximum(plane, h, w, top, left, i / width % height, i % width)];
}

// A thread an input: it takes the gradients of the windows that it wins.
KERNEL max_pool_gradient(const float* x, const float* g, float* out, int mask, int h, int w, int height, int width,
                         int top, int left, int n) {
  const int i = item();
  if (i >= n) return;
  const int column = i % w, row = i / w % h;
  const float* plane = x + static_cast<long long>(i / w / h) * h * w;
  const float* gradient = g + static_cast<long long>(i / w / h) * height * width;
  float sum = 0.0f;
  if (!mask || x[i] > 0.0f) {
    for (int oy = greatest(row + top - 1, 0) / 2; oy <= least((row + top) / 2, height - 1); oy++) {
      for (int ox = greatest(column + left - 1, 0) / 2; ox <= least((column + left) / 2, width - 1); ox++) {
        if (first_maximum(plane, h, w, top, left, oy, ox) == row * w + column) sum += gradient[oy * width + ox];
      }
    }
  }
  out[i] = sum;
}
