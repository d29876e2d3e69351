// Depthwise convolution with SAME padding, and its gradients. A plane is an image's channel; planes take the filters
// in turn.
#pragma once
#include "common.cuh"

KERNEL depthwise(const float* x, const float* weights, const float* mask, float* out, int filters, int height,
                 int width, int kh, int kw, int top, int left, int turned, int n) {
  const int at = item();
  if (at >= n) return;
  const int column = at % width, row = at / width % height, plane = at / width / height;
  const float* source = x + static_cast<long long>(plane) * height * width;
  const float* filter = weights + plane % filters * kh * kw;
  float sum = 0.0f;
  for (int tap = 0; tap < kh * kw; tap++) {
    const int i = turned ? kh - 1 - tap / kw : tap / kw, j = turned ? kw - 1 - tap % kw : tap % kw;
    const int y = row + i - top, z = column + j - left;
    if (y >= 0 && y < height && z >= 0 && z < width) sum += filter[tap] * source[y * width + z];
  }
  if (mask && !(mask[at] > 0.0f)) sum = 0.0f;
  out[at] = sum;
}

// A block a plane: the products of the gradient with what each tap reads.
KERNEL depthwise_products(const float* x, const float* g, double* parts, int height, int width, int kh, int kw,
                          int top, int left) {
  const long long start = static_cast<long long>(blockIdx.x) * height * width;
  const float *source = x + start, *gradient = g + start;
  const int taps = kh * kw;
  for (int tap = 0; tap < taps; tap++) {
    const int i = tap / kw - top, j = tap % kw - left;
    double sum = 0.0;
    for (int p = threadIdx.x; p < height * width; p += THREADS) {
      const int y = p / width + i, z = p % width + j;
      if (y >= 0 && y < height && z >= 0 && z < width) sum += gradient[p] * source[y * width + z];
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) parts[static_cast<long long>(blockIdx.x) * taps + tap] = sum;
  }
}
