// Frozen batch norm whose gamma and beta training changes.
#pragma once
#include "common.cuh"

// The factors of the channels, then their summands; a factor of exactly zero becomes `nothing`.
KERNEL norm_fold(const float* gamma, const float* beta, const float* mean, const float* rate, float* out, float nothing, int n) {
  const int i = item();
  if (i >= n) return;
  const float product = rate[i] * gamma[i], scale = product == 0.0f ? nothing : product;
  out[i] = scale;
  out[n + i] = beta[i] - mean[i] * scale;
}

// A block a channel: the inner product of its filter, of `row` elements, and the gradient by that.
KERNEL norm_by_gamma(const float* w, const float* dw, const float* scale, const float* by_beta, const float* mean,
                     const float* rate, float* out, int row) {
  const int channel = blockIdx.x;
  const long long first = static_cast<long long>(channel) * row;
  double sum = 0.0;
  for (int i = threadIdx.x; i < row; i += THREADS) sum += static_cast<double>(w[first + i]) * dw[first + i];
  sum = block_sum(sum);
  if (threadIdx.x != 0) return;
  const double by_scale = sum / scale[channel] - static_cast<double>(mean[channel]) * by_beta[channel];
  out[channel] = static_cast<float>(by_scale * rate[channel]);
}
