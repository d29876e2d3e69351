// What surrounds a convolution: a frame of zeros, filters in the order that it wants, and what happens to its sums.

// Images of h by w in the middle of images of height by width, or cut where those are smaller; zeros around.
TYPED(frame)(const REAL* x, REAL* out, int channels, int h, int w, int height, int width, int top, int left, int n) {
  const int i = item();
  if (i >= n) return;
  const Place at = place(i, channels, height, width);
  const int row = at.row - top, column = at.column - left;
  const bool inside = row >= 0 && row < h && column >= 0 && column < w;
  out[i] = inside ? x[((at.image * h + row) * w + column) * channels + at.channel] : REAL(0.0f);
}

// The images of h by w from within those of height by width; zeros where they were cut.
TYPED(unframe)(const REAL* x, REAL* out, int channels, int h, int w, int height, int width, int top, int left, int n) {
  const int i = item();
  if (i >= n) return;
  const Place at = place(i, channels, h, w);
  const int row = at.row + top, column = at.column + left;
  const bool inside = row < height && column < width;
  out[i] = inside ? x[((at.image * height + row) * width + column) * channels + at.channel] : REAL(0.0f);
}

// A filter in the order output, tap, channel from one in the order output, channel, tap; each output times its factor.
TYPED(arranged)(const float* w, const float* scale, REAL* out, int channels, int taps, int n) {
  const int i = item();
  if (i >= n) return;
  const int channel = i % channels, tap = i / channels % taps, output = i / channels / taps;
  const float value = w[(output * channels + channel) * taps + tap];
  out[i] = REAL(scale ? value * scale[output] : value);
}

// The way back. With one tap, `out` may be `w`.
TYPED(restored)(const REAL* w, const float* scale, float* out, int channels, int taps, int n) {
  const int i = item();
  if (i >= n) return;
  const int tap = i % taps, channel = i / taps % channels, output = i / taps / channels;
  const float value = w[(output * taps + tap) * channels + channel];
  out[i] = scale ? value * scale[output] : value;
}

// In place, `pack` elements a thread: one, or as many as are read at once, and then they divide the channels.
TYPED(epilogue)(const float* scale, const float* shift, const REAL* add, const REAL* mask, REAL* y, int relu,
                int channels, int pack, int n) {
  const int i = item();
  if (i >= n) return;
  const bool packed = pack > 1;
  const int first = i * pack % channels;
  Pack<REAL> values, added, masks;
  const auto read = [&](const REAL* from, Pack<REAL>& to) {
    if (packed) to = reinterpret_cast<const Pack<REAL>*>(from)[i];
    else to.of[0] = from[i];
  };
  read(y, values);
  if (add) read(add, added);
  if (mask) read(mask, masks);
  for (int k = 0; k < static_cast<int>(16 / sizeof(REAL)); k++) {
    if (k >= pack) break;
    float value = values.of[k];
    if (scale) value *= scale[first + k];
    if (shift) value += shift[first + k];
    if (add) value += added.of[k];
    if (relu) value = rectified(value);
    if (mask && !(masks.of[k] > 0.0f)) value = 0.0f;
    values.of[k] = REAL(value);
  }
  if (packed) reinterpret_cast<Pack<REAL>*>(y)[i] = values;
  else y[i] = values.of[0];
}
