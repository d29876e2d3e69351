// Masks, copies, sums over whole tensors, and the steps of the optimiser.
#pragma once
#include "common.cuh"

KERNEL masked(const float* g, const float* by, float* out, int n) {
  const int i = item();
  if (i < n) out[i] = by[i] > 0.0f ? g[i] : 0.0f;
}

KERNEL copy(const float* from, float* to, int n) {
  const int i = item();
  if (i < n) to[i] = from[i];
}

// A block a channel: the sum over images and pixels.
KERNEL channel_sums(const float* g, float* sums, int channels, int area, int images) {
  double sum = 0.0;
  for (int image = 0; image < images; image++) {
    const float* plane = g + (static_cast<long long>(image) * channels + blockIdx.x) * area;
    for (int p = threadIdx.x; p < area; p += THREADS) sum += plane[p];
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = static_cast<float>(sum);
}

// Each block sums its share of the terms: 0 values, 1 squares, 2 ones for what is not finite.
KERNEL sum(const float* x, double* parts, int term, int n) {
  double sum = 0.0;
  for (long long i = item(); i < n; i += static_cast<long long>(gridDim.x) * THREADS) {
    const double value = x[i];
    if (term == 0) sum += value;
    if (term == 1) sum += value * value;
    if (term == 2 && !(value - value == 0.0)) sum += 1.0;
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

// out[o] of `width` entries a filter: the sum of the parts of planes o / width, o / width + step, ... A block an output.
KERNEL sum_planes(const double* parts, float* out, int width, int step, int planes) {
  const int first = blockIdx.x / width, entry = blockIdx.x % width;
  double sum = 0.0;
  for (long long plane = first + static_cast<long long>(threadIdx.x) * step; plane < planes;
       plane += static_cast<long long>(THREADS) * step) {
    sum += parts[plane * width + entry];
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) out[blockIdx.x] = static_cast<float>(sum);
}

KERNEL add_part(const float* part, float* sum, float divisor, int n) {
  const int i = item();
  if (i < n) sum[i] += part[i] / divisor;
}

KERNEL accumulate(const float* g, const float* w, float* v, float momentum, float decay, int n) {
  const int i = item();
  if (i < n) v[i] = momentum * v[i] + (g[i] + decay * w[i]);
}

KERNEL descend(const float* v, float* w, float rate, int n) {
  const int i = item();
  if (i < n) w[i] -= rate * v[i];
}
