// Maximum over 3 by 3 windows at stride 2, padded by what never wins.

// The place of the first maximum of the window of output (oy, ox) of a channel; one that is not a number wins.
__device__ inline int first_maximum(const REAL* channel, int channels, int h, int w, int top, int left, int oy, int ox) {
  const int y0 = greatest(oy * 2 - top, 0), y1 = least(oy * 2 - top + 3, h);
  const int x0 = greatest(ox * 2 - left, 0), x1 = least(ox * 2 - left + 3, w);
  int best = y0 * w + x0;
  for (int y = y0; y < y1; y++) {
    for (int x = x0; x < x1; x++) {
      const float value = channel[(y * w + x) * channels], most = channel[best * channels];
      if (value > most || (value != value && most == most)) best = y * w + x;
    }
  }
  return best;
}

TYPED(max_pool)(const REAL* x, REAL* out, int channels, int h, int w, int height, int width, int top, int left, int n) {
  const int i = item();
  if (i >= n) return;
  const Place at = place(i, channels, height, width);
  const REAL* channel = x + static_cast<long long>(at.image) * h * w * channels + at.channel;
  out[i] = channel[first_maximum(channel, channels, h, w, top, left, at.row, at.column) * channels];
}

// A thread an input: it takes the gradients of the windows that it wins.
TYPED(max_pool_gradient)(const REAL* x, const REAL* g, REAL* out, int mask, int channels, int h, int w, int height,
                         int width, int top, int left, int n) {
  const int i = item();
  if (i >= n) return;
  const Place at = place(i, channels, h, w);
  const REAL* channel = x + static_cast<long long>(at.image) * h * w * channels + at.channel;
  const REAL* gradient = g + static_cast<long long>(at.image) * height * width * channels + at.channel;
  float sum = 0.0f;
  if (!mask || x[i] > 0.0f) {
    for (int oy = greatest(at.row + top - 1, 0) / 2; oy <= least((at.row + top) / 2, height - 1); oy++) {
      for (int ox = greatest(at.column + left - 1, 0) / 2; ox <= least((at.column + left) / 2, width - 1); ox++) {
        const int winner = first_maximum(channel, channels, h, w, top, left, oy, ox);
        if (winner == at.row * w + at.column) sum += gradient[(oy * width + ox) * channels];
      }
    }
  }
  out[i] = REAL(sum);
}
