// Sums of parts, and the steps of the optimiser.
#pragma once
#include "common.cuh"

// Images as the processor has them, channel by channel, to channels last.
KERNEL channels_last(const float* x, float* out, int channels, int area, int n) {
  const int i = item();
  if (i < n) out[i] = x[(i / channels / area * channels + i % channels) * area + i / channels % area];
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
