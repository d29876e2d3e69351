// What brings several predictions of the same pixels together.
#pragma once
#include "common.cuh"

KERNEL maximum(const float* x, float* y, int n) {
  const int i = item();
  if (i < n) y[i] = fmaxf(y[i], x[i]);
}

KERNEL winners(const float* x, const float* y, float* count, int n) {
  const int i = item();
  if (i < n && x[i] == y[i]) count[i] += 1.0f;
}

KERNEL share(const float* member, const float* y, const float* g, const float* winners, float* out, int n) {
  const int i = item();
  if (i < n) out[i] = member[i] == y[i] ? g[i] / winners[i] : 0.0f;
}

KERNEL log_add(const float* x, float* y, int n) {
  const int i = item();
  if (i < n) y[i] = fmaxf(y[i], x[i]) + log1pf(expf(-fabsf(y[i] - x[i])));
}

KERNEL mirror(const float* x, float* out, int channels, int width, int n) {
  const int i = item();
  if (i < n) out[i] = x[i + (width - 1 - 2 * (i / channels % width)) * channels];
}
