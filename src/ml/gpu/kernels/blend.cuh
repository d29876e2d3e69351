// The small filters of pre-filters and their gradients, in 64-bit arithmetic: see the module `ml::ops::blend`.
#pragma once
#include "common.cuh"

// A term: a part times the sum of the factors whose bits `mask` has, or times 1 where it has none. The part is 1 at the
// centre (`kind` 0), one of `count` filters (1), or a Gaussian (2), whose deviation is `learned` or `sigma`.
struct Term {
  const float *factors, *values, *offset, *learned;
  float sigma;
  int kind, mask, count, inner, outer;

  __device__ double factor() const {
    if (mask == 0) return 1.0;
    double sum = 0.0;
    for (int place = 0; mask >> place; place++) {
      if (mask >> place & 1) sum += factors[place];
    }
    return sum;
  }
  __device__ int taps() const { return outer * outer; }
  __device__ int size() const { return inner * inner; }

  // The squared distance of a tap from the centre.
  __device__ double square(int tap) const {
    const int y = tap / inner - (inner - 1) / 2, x = tap % inner - (inner - 1) / 2;
    return y * y + x * x;
  }
  __device__ double deviation() const { return learned ? *learned : sigma; }
  __device__ double height(int tap) const {
    if (offset) return exp(-square(tap)) + offset[tap];
    return exp(-square(tap) / (2.0 * deviation() * deviation()));
  }
  __device__ double weight(int tap) const {
    double sum = 0.0;
    for (int other = 0; other < size(); other++) sum += height(other);
    return height(tap) / sum;
  }
  // The derivative of the weight by the deviation.
  __device__ double slope(int tap) const {
    if (offset) return 0.0;
    double mean = 0.0;
    for (int other = 0; other < size(); other++) mean += square(other) * weight(other);
    return weight(tap) * (square(tap) - mean) / pow(deviation(), 3.0);
  }
  // The part's value at one of its taps.
  __device__ double value(int filter, int tap) const {
    if (kind == 0) return 1.0;
    if (kind == 1) return values[(count > 1 ? filter * size() : 0) + tap];
    return weight(tap);
  }

  // The part's tap that is the filter's `tap`, or -1.
  __device__ int inside(int tap) const {
    const int first = (outer - 1) / 2 - (inner - 1) / 2, y = tap / outer - first, x = tap % outer - first;
    return y >= 0 && y < inner && x >= 0 && x < inner ? y * inner + x : -1;
  }
  __device__ int outside(int tap) const {
    const int first = (outer - 1) / 2 - (inner - 1) / 2;
    return (first + tap / inner) * outer + first + tap % inner;
  }
};

#define TERM                                                                                                   \
  const float *factors, const float *values, const float *offset, const float *learned, float sigma, int kind, \
      int mask, int count, int inner, int outer
#define GIVEN \
  { factors, values, offset, learned, sigma, kind, mask, count, inner, outer }

// Adds a term to the sums, which the first one starts.
KERNEL blend_term(TERM, double* sums, int first, int n) {
  const int i = item();
  if (i >= n) return;
  const Term of GIVEN;
  const int at = of.inside(i % of.taps());
  const double value = at >= 0 ? of.factor() * of.value(i / of.taps(), at) : 0.0;
  sums[i] = (first ? 0.0 : sums[i]) + value;
}

KERNEL blend_filter(const double* sums, float* out, int n) {
  const int i = item();
  if (i < n) out[i] = static_cast<float>(sums[i]);
}

// A block a tap of the part: the sum over the filters that it is in.
KERNEL blend_by_part(TERM, const float* g, float* out, int filters) {
  const Term of GIVEN;
  const int tap = of.outside(blockIdx.x % of.size()), own = blockIdx.x / of.size();
  double sum = 0.0;
  for (int filter = threadIdx.x; filter < filters; filter += THREADS) {
    if (count == 1 || filter == own) sum += g[filter * of.taps() + tap];
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) out[blockIdx.x] = static_cast<float>(of.factor() * sum);
}

// A block a factor: adds the part of the gradient that is this term's to the sums, which the first one starts.
KERNEL blend_by_term(TERM, const float* g, double* sums, int first, int filters) {
  const Term of GIVEN;
  double sum = 0.0;
  for (int i = threadIdx.x; (mask >> blockIdx.x & 1) && i < filters * of.size(); i += THREADS) {
    const int filter = i / of.size(), tap = i % of.size();
    sum += of.value(filter, tap) * g[filter * of.taps() + of.outside(tap)];
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = (first ? 0.0 : sums[blockIdx.x]) + sum;
}

KERNEL blend_by_factors(const double* sums, float* out, int n) {
  const int i = item();
  if (i < n) out[i] += static_cast<float>(sums[i]);
}

// One block.
KERNEL blend_by_sigma(TERM, const float* g, float* out, int add, int filters) {
  const Term of GIVEN;
  double sum = 0.0;
  for (int i = threadIdx.x; i < filters * of.size(); i += THREADS) {
    const int tap = i % of.size();
    sum += of.slope(tap) * (of.factor() * g[i / of.size() * of.taps() + of.outside(tap)]);
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
