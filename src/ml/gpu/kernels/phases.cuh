// Mixing of the d * d phases of an image: out_i = sum_j m[j, i] in_j, over cells of d by d pixels.

// A channel's value at a pixel of an image, or zero beyond its borders.
__device__ inline float pixel_at(const REAL* channel, int channels, int height, int width, int y, int x) {
  return y < height && x < width ? static_cast<float>(channel[(y * width + x) * channels]) : 0.0f;
}

TYPED(mix)(const REAL* x, const float* matrix, const float* scale, const float* shift, REAL* out, int relu, int transposed,
           int d, int channels, int h, int w, int height, int width, int n) {
  const int item_number = item();
  if (item_number >= n) return;
  const Place at = place(item_number, channels, height, width);
  const REAL* source = x + static_cast<long long>(at.image) * h * w * channels + at.channel;
  const int phases = d * d, i = at.row % d * d + at.column % d, top = at.row - at.row % d, left = at.column - at.column % d;
  float sum = 0.0f;
  for (int j = 0; j < phases; j++) {
    const float weight = transposed ? matrix[i * phases + j] : matrix[j * phases + i];
    sum += weight * pixel_at(source, channels, h, w, top + j / d, left + j % d);
  }
  if (scale) sum *= scale[at.channel];
  if (shift) sum += shift[at.channel];
  out[item_number] = REAL(relu ? rectified(sum) : sum);
}

// A block a cell of an image: parts[j, i] = the sum over channels of x_j g_i scale. At most 64 phases.
TYPED(mix_products)(const REAL* x, const REAL* g, const float* scale, double* parts, int d, int channels, int h, int w,
                    int height, int width, int rows, int columns) {
  constexpr int MOST = 64;
  // A column more, so that phases lie in different banks of memory.
  __shared__ float xs[MOST][CHANNELS + 1], gs[MOST][CHANNELS + 1];
  const int image = blockIdx.x / (rows * columns), cell = blockIdx.x % (rows * columns);
  const int top = cell / columns * d, left = cell % columns * d, phases = d * d, pairs = phases * phases;
  const REAL* source = x + static_cast<long long>(image) * h * w * channels;
  const REAL* gradient = g + static_cast<long long>(image) * height * width * channels;
  float sums[MOST * MOST / THREADS] = {};
  for (int first = 0; first < channels; first += CHANNELS) {
    for (int at = threadIdx.x; at < phases * CHANNELS; at += THREADS) {
      const int phase = at / CHANNELS, channel = first + at % CHANNELS, y = top + phase / d, z = left + phase % d;
      const bool there = channel < channels;
      const float factor = scale && there ? scale[channel] : 1.0f;
      xs[phase][at % CHANNELS] = there ? pixel_at(source + channel, channels, h, w, y, z) : 0.0f;
      gs[phase][at % CHANNELS] = there ? pixel_at(gradient + channel, channels, height, width, y, z) * factor : 0.0f;
    }
    __syncthreads();
    for (int k = 0, pair = threadIdx.x; pair < pairs; k++, pair += THREADS) {
      float sum = 0.0f;
      for (int c = 0; c < CHANNELS; c++) sum += xs[pair / phases][c] * gs[pair % phases][c];
      sums[k] += sum;
    }
    __syncthreads();
  }
  for (int k = 0, pair = threadIdx.x; pair < pairs; k++, pair += THREADS) {
    parts[static_cast<long long>(blockIdx.x) * pairs + pair] = sums[k];
  }
}
