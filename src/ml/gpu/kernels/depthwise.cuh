// Depthwise convolution with SAME padding, and its gradients. There is a filter a channel, or one for all.

TYPED(depthwise)(const REAL* x, const float* weights, const REAL* mask, REAL* out, int filters, int channels, int height,
                 int width, int kh, int kw, int top, int left, int rotated, int n) {
  const int i = item();
  if (i >= n) return;
  const Place at = place(i, channels, height, width);
  const REAL* source = x + static_cast<long long>(at.image) * height * width * channels + at.channel;
  const float* filter = weights + at.channel % filters * kh * kw;
  float sum = 0.0f;
  for (int tap = 0; tap < kh * kw; tap++) {
    const int down = rotated ? kh - 1 - tap / kw : tap / kw, across = rotated ? kw - 1 - tap % kw : tap % kw;
    const int y = at.row + down - top, z = at.column + across - left;
    if (y >= 0 && y < height && z >= 0 && z < width) sum += filter[tap] * source[(y * width + z) * channels];
  }
  if (mask && !(mask[i] > 0.0f)) sum = 0.0f;
  out[i] = REAL(sum);
}

// A block takes some channels of `pixels` pixels of an image: the products of the gradient with what each tap reads.
TYPED(depthwise_products)(const REAL* x, const REAL* g, double* parts, int channels, int height, int width, int kh,
                          int kw, int top, int left, int pixels) {
  const int groups = (channels + CHANNELS - 1) / CHANNELS, area = height * width, pieces = (area + pixels - 1) / pixels;
  const int part = blockIdx.x / groups, image = part / pieces, first = part % pieces * pixels;
  const int channel = blockIdx.x % groups * CHANNELS + threadIdx.x % CHANNELS, end = least(first + pixels, area);
  const long long start = static_cast<long long>(image) * area * channels + channel;
  const REAL *source = x + start, *gradient = g + start;
  const int taps = kh * kw;
  for (int tap = 0; tap < taps; tap++) {
    const int down = tap / kw - top, across = tap % kw - left;
    double sum = 0.0;
    for (int p = first + threadIdx.x / CHANNELS; channel < channels && p < end; p += LANES) {
      const int y = p / width + down, z = p % width + across;
      if (y < 0 || y >= height || z < 0 || z >= width) continue;
      sum += static_cast<float>(gradient[p * channels]) * static_cast<float>(source[(y * width + z) * channels]);
    }
    sum = block_sum(sum, CHANNELS);
    if (threadIdx.x < CHANNELS && channel < channels) {
      parts[(static_cast<long long>(part) * channels + channel) * taps + tap] = sum;
    }
  }
}
