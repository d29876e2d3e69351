// What surrounds a convolution: a frame of zeros, factors of filters, and what happens to the sums.
#pragma once
#include "common.cuh"

// Planes of h by w in the middle of planes of height by width, or cut where those are smaller; zeros around.
KERNEL frame(const float* x, float* out, int h, int w, int height, int width, int top, int left, int n) {
  const int i = item();
  if (i >= n) return;
  const int column = i % width - left, row = i / width % height - top, plane = i / width / height;
  const bool inside = row >= 0 && row < h && column >= 0 && column < w;
  out[i] = inside ? x[(plane * h + row) * w + column] : 0.0f;
}

// The planes of h by w from within those of height by width; zeros where they were cut.
KERNEL unframe(const float* x, float* out, int h, int w, int height, int width, int top, int left, int n) {
  const int i = item();
  if (i >= n) return;
  const int column = i % w + left, row = i / w % h + top, plane = i / w / h;
  const bool inside = row < height && column < width;
  out[i] = inside ? x[(plane * height + row) * width + column] : 0.0f;
}

// Each row of `row` elements times its factor; `out` may be `w`.
KERNEL scale_rows(const float* w, const float* scale, float* out, int row, int n) {
  const int i = item();
  if (i < n) out[i] = w[i] * scale[i / row];
}

KERNEL epilogue(const float* scale, const float* shift, const float* add, const float* mask, float* y, int relu,
                int channels, int area, int n) {
  const int i = item();
  if (i >= n) return;
  const int channel = i / area % channels;
  float value = y[i];
  if (scale) value *= scale[channel];
  if (shift) value += shift[channel];
  if (add) value += add[i];
  if (relu) value = rectified(value);
  if (mask && !(mask[i] > 0.0f)) value = 0.0f;
  y[i] = value;
}
