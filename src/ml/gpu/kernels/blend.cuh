// The small filters of pre-filters and their gradients, in 64-bit arithmetic: see the module `ml::ops::blend`.
#pragma once
#include "common.cuh"

// What a filter is made from. `learned` stands for `sigma`, and without `factors` the one that is `only` there is 1.
struct Blend {
  const float *factors, *means, *separable, *offset, *learned;
  float sigma;
  int bell, only, average, gaussian, inner, outer;

  __device__ double factor(int which) const { return factors ? factors[which] : which == only ? 1.0 : 0.0; }
  __device__ int taps() const { return outer * outer; }
  __device__ int centre() const { return taps() / 2; }

  // The squared distance of a tap of Gaussian and average from their centre.
  __device__ double square(int tap) const {
    const int y = tap / inner - (inner - 1) / 2, x = tap % inner - (inner - 1) / 2;
    return y * y + x * x;
  }
  __device__ double deviation() const { return learned ? *learned : sigma; }
  __device__ double height(int tap) const {
    if (offset) return exp(-square(tap)) + offset[tap];
    return exp(-square(tap) / (2.0 * deviation() * deviation()));
  }
  __device__ double heights() const {
    double sum = 0.0;
    for (int tap = 0; tap < inner * inner; tap++) sum += height(tap);
    return sum;
  }
  __device__ double weight(int tap) const { return height(tap) / heights(); }
  // The derivative of the weight by the deviation.
  __device__ double slope(int tap) const {
    if (offset) return 0.0;
    double mean = 0.0;
    for (int other = 0; other < inner * inner; other++) mean += square(other) * weight(other);
    return weight(tap) * (square(tap) - mean) / pow(deviation(), 3.0);
  }

  // The tap of Gaussian and average that is the filter's `tap`, or -1.
  __device__ int inside(int tap) const {
    const int first = (outer - 1) / 2 - (inner - 1) / 2, y = tap / outer - first, x = tap % outer - first;
    return y >= 0 && y < inner && x >= 0 && x < inner ? y * inner + x : -1;
  }
  __device__ int outside(int tap) const {
    const int first = (outer - 1) / 2 - (inner - 1) / 2;
    return (first + tap / inner) * outer + first + tap % inner;
  }
};

#define BLEND                                                                                                   \
  const float *factors, const float *means, const float *separable, const float *offset, const float *learned,  \
      float sigma, int bell, int only, int average, int gaussian, int inner, int outer
#define GIVEN \
  { factors, means, separable, offset, learned, sigma, bell, only, average, gaussian, inner, outer }

KERNEL blend(BLEND, float* out, int n) {
  const int i = item();
  if (i >= n) return;
  const Blend of GIVEN;
  const int tap = i % of.taps(), at = of.inside(tap);
  double value = separable ? of.factor(3) * separable[tap] : 0.0;
  if (tap == of.centre()) value += of.factor(0) + of.factor(3);
  if (bell && at >= 0) value += of.factor(gaussian) * of.weight(at);
  if (means && at >= 0) value += of.factor(average) * means[i / of.taps() * inner * inner + at];
  out[i] = static_cast<float>(value);
}

// A block a tap.
KERNEL blend_by_separable(BLEND, const float* g, float* out, int filters) {
  const Blend of GIVEN;
  double sum = 0.0;
  for (int filter = threadIdx.x; filter < filters; filter += THREADS) sum += g[filter * of.taps() + blockIdx.x];
  sum = block_sum(sum);
  if (threadIdx.x == 0) out[blockIdx.x] = static_cast<float>(of.factor(3) * sum);
}

KERNEL blend_by_means(BLEND, const float* g, float* out, int n) {
  const int i = item();
  if (i >= n) return;
  const Blend of GIVEN;
  const int size = inner * inner;
  out[i] = static_cast<float>(of.factor(average) * g[i / size * of.taps() + of.outside(i % size)]);
}

// A block a factor, whose gradient is added.
KERNEL blend_by_factors(BLEND, const float* g, float* out, int filters) {
  const Blend of GIVEN;
  const int which = blockIdx.x, size = inner * inner;
  double sum = 0.0;
  for (int i = threadIdx.x; i < filters * of.taps(); i += THREADS) {
    const int tap = i % of.taps(), at = of.inside(tap);
    double weight = (which == 0 || which == 3) && tap == of.centre() ? 1.0 : 0.0;
    if (which == 3) weight += separable[tap];
    if (which == average && at >= 0) weight = means[i / of.taps() * size + at];
    if (which == gaussian && at >= 0) weight = of.weight(at);
    sum += weight * g[i];
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) out[which] += static_cast<float>(sum);
}

// One block.
KERNEL blend_by_sigma(BLEND, const float* g, float* out, int add, int filters) {
  const Blend of GIVEN;
  const int size = inner * inner;
  double sum = 0.0;
  for (int i = threadIdx.x; i < filters * size; i += THREADS) {
    sum += of.slope(i % size) * (of.factor(gaussian) * g[i / size * of.taps() + of.outside(i % size)]);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) *out = static_cast<float>(sum) + (add ? *out : 0.0f);
}

// The matrix that mixes phases, as the reference's code has it, from its parameter: the first row multiplies each phase
// itself.
KERNEL interaction(const float* w, float* out, int phases, int n) {
  const int at = item();
  if (at >= n) return;
  const int row = at / phases, column = at % phases;
  double value = row == 0 && column > 0 ? 0.0 : w[at];
  if (row == column && row > 0) value += w[column];
  out[at] = static_cast<float>(value);
}

// The gradient by the parameter from the one by the matrix.
KERNEL interaction_gradient(const float* matrix, float* out, int phases, int n) {
  const int at = item();
  if (at < n) out[at] = matrix[at < phases ? at * phases + at : at];
}
