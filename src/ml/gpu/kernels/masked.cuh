// Copies, masks and sums of activations, sums over them, and their way from one type to another.

TYPED(copy)(const REAL* from, REAL* to, int n) {
  const int i = item();
  if (i < n) to[i] = from[i];
}

TYPED(masked)(const REAL* g, const REAL* by, REAL* out, int n) {
  const int i = item();
  if (i < n) out[i] = by[i] > 0.0f ? g[i] : REAL(0.0f);
}

TYPED(added)(const REAL* a, const REAL* b, REAL* out, int n) {
  const int i = item();
  if (i >= n) return;
  const float left = a[i], right = b[i];
  out[i] = REAL(left + right);
}

TYPED(rounded)(const float* x, REAL* out, int n) {
  const int i = item();
  if (i < n) out[i] = REAL(x[i]);
}

TYPED(widened)(const REAL* x, float* out, int n) {
  const int i = item();
  if (i < n) out[i] = x[i];
}

// A block takes some channels of `pixels` pixels of all images.
TYPED(channel_sums)(const REAL* g, double* parts, int channels, int pixels, int area) {
  const int groups = (channels + CHANNELS - 1) / CHANNELS, part = blockIdx.x / groups, first = part * pixels;
  const int channel = blockIdx.x % groups * CHANNELS + threadIdx.x % CHANNELS, end = least(first + pixels, area);
  double sum = 0.0;
  for (int p = first + threadIdx.x / CHANNELS; channel < channels && p < end; p += LANES) sum += g[p * channels + channel];
  sum = block_sum(sum, CHANNELS);
  if (threadIdx.x < CHANNELS && channel < channels) parts[static_cast<long long>(part) * channels + channel] = sum;
}

// Each block sums its share of the terms: 0 values, 1 squares, 2 ones for what is not finite.
TYPED(sum)(const REAL* x, double* parts, int term, int n) {
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
