// Bilinear resizing: output i stands at (i + centre) * scale - centre, at least 0, where `scale` is the distance between outputs
// in pixels of the source. With a centre of 0 these are the bits of i * scale.
#pragma once
#include "common.cuh"

struct Tap {
  int low, high;
  float weight;
};

__device__ inline Tap tap(int i, int from, float scale, float centre) {
  const float place = (static_cast<float>(i) + centre) * scale - centre, at = place < 0.0f ? 0.0f : place;
  const int low = least(static_cast<int>(at), from - 1);
  return {low, least(low + 1, from - 1), at - static_cast<float>(low)};
}

KERNEL bilinear(const float* x, float* out, int channels, int h, int w, int height, int width, float down, float across,
                float centre, int n) {
  const int i = item();
  if (i >= n) return;
  const Place at = place(i, channels, height, width);
  const Tap row = tap(at.row, h, down, centre), column = tap(at.column, w, across, centre);
  const float* source = x + static_cast<long long>(at.image) * h * w * channels + at.channel;
  const float *top = source + row.low * w * channels, *bottom = source + row.high * w * channels;
  const int low = column.low * channels, high = column.high * channels;
  const float upper = top[low] + (top[high] - top[low]) * column.weight;
  const float lower = bottom[low] + (bottom[high] - bottom[low]) * column.weight;
  out[i] = upper + (lower - upper) * row.weight;
}

// The outputs that may read source element `at`: those that stand less than 1 away, and one more on each side, since positions are
// rounded. At the ends they are all up to there, and where all stand on one place they are all.
__device__ inline int first_reader(int at, float scale, float centre) {
  return at == 0 || scale == 0.0f ? 0 : greatest(static_cast<int>((at - 1 + centre) / scale - centre) - 1, 0);
}
__device__ inline int last_reader(int at, int from, int to, float scale, float centre) {
  if (at + 1 >= from || scale == 0.0f) return to - 1;
  return least(static_cast<int>((at + 1 + centre) / scale - centre) + 1, to - 1);
}

// A thread a source element: it takes from the outputs that read it, in their order.
KERNEL bilinear_gradient(const float* g, float* out, int channels, int h, int w, int height, int width, float down,
                         float across, float centre, int n) {
  const int i = item();
  if (i >= n) return;
  const Place at = place(i, channels, h, w);
  const int y = at.row, x = at.column;
  const float* gradient = g + static_cast<long long>(at.image) * height * width * channels + at.channel;
  const int bottom = last_reader(y, h, height, down, centre), right = last_reader(x, w, width, across, centre);
  float sum = 0.0f;
  for (int oy = first_reader(y, down, centre); oy <= bottom; oy++) {
    const Tap row = tap(oy, h, down, centre);
    if (row.low != y && row.high != y) continue;
    for (int ox = first_reader(x, across, centre); ox <= right; ox++) {
      const Tap column = tap(ox, w, across, centre);
      const float value = gradient[(oy * width + ox) * channels];
      if (row.low == y && column.low == x) sum += (1.0f - row.weight) * (1.0f - column.weight) * value;
      if (row.low == y && column.high == x) sum += (1.0f - row.weight) * column.weight * value;
      if (row.high == y && column.low == x) sum += row.weight * (1.0f - column.weight) * value;
      if (row.high == y && column.high == x) sum += row.weight * column.weight * value;
    }
  }
  out[i] = sum;
}
