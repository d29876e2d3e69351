// cuDNN's convolutions as far as this program calls them: a part of `driver.cpp`.
enum { FLOAT = 0, BFLOAT16 = 9, CHANNELS_LAST = 1 };
struct Sizes { int n, c, h, w, type; };
struct Conv { int pad[2], stride[2], dilation[2], math; };
struct Perf { int algorithm, status; float time; std::size_t memory; int determinism, math, reserved[3]; };
API cudnnCreate(void** handle) { return library(current ? given(handle) : BAD_PARAM, EXECUTION_FAILED); }
API cudnnSetStream(void*, void*) { return library(OK, EXECUTION_FAILED); }
API cudnnGetProperty(int part, int* value) { return cudnn_version(part, value); }
API cudnnCreateTensorDescriptor(Sizes** made) { return *made = new Sizes{}, OK; }
API cudnnCreateFilterDescriptor(Sizes** made) { return *made = new Sizes{}, OK; }
API cudnnCreateConvolutionDescriptor(Conv** made) { return *made = new Conv{}, OK; }
static int described(Sizes* at, const Sizes& sizes, int format) {
  *at = sizes;
  return format == CHANNELS_LAST && (sizes.type == FLOAT || sizes.type == BFLOAT16) ? OK : BAD_PARAM;
}
API cudnnSetTensor4dDescriptor(Sizes* at, int format, int type, int n, int c, int h, int w) {
  return described(at, {n, c, h, w, type}, format);
}
API cudnnSetFilter4dDescriptor(Sizes* at, int type, int format, int n, int c, int h, int w) {
  return described(at, {n, c, h, w, type}, format);
}
API cudnnSetConvolution2dDescriptor(Conv* at, int ph, int pw, int sh, int sw, int dh, int dw, int mode, int type) {
  return *at = {{ph, pw}, {sh, sw}, {dh, dw}, 0}, mode == 1 && type == FLOAT ? OK : BAD_PARAM;
}
API cudnnSetConvolutionMathType(Conv* at, int math) { return at->math = math, OK; }

// One that does not work, a fast one that sums in any order, and one that does not.
static int found(const Conv* conv, int* count, Perf* perf) {
  perf[0] = {2, NOT_SUPPORTED, -1, 0, 1, conv->math, {}};
  perf[1] = {0, OK, 1, 100, 0, conv->math, {}};
  perf[2] = {1, OK, 2, 1 << 21, 1, conv->math, {}};
  return *count = 3, library(OK, EXECUTION_FAILED);
}
API cudnnGetConvolutionForwardAlgorithm_v7(void*, void*, void*, Conv* conv, void*, int, int* count, Perf* perf) {
  return found(conv, count, perf);
}
API cudnnGetConvolutionBackwardDataAlgorithm_v7(void*, void*, void*, Conv* conv, void*, int, int* count, Perf* perf) {
  return found(conv, count, perf);
}
API cudnnGetConvolutionBackwardFilterAlgorithm_v7(void*, void*, void*, Conv* conv, void*, int, int* count, Perf* perf) {
  return found(conv, count, perf);
}
API cudnnFindConvolutionForwardAlgorithmEx(void*, void*, void*, void*, void*, Conv* conv, void*, void*, int, int* count,
                                           Perf* perf, void*, std::size_t) {
  return found(conv, count, perf);
}
API cudnnFindConvolutionBackwardDataAlgorithmEx(void*, void*, void*, void*, void*, Conv* conv, void*, void*, int,
                                                int* count, Perf* perf, void*, std::size_t) {
  return found(conv, count, perf);
}
API cudnnFindConvolutionBackwardFilterAlgorithmEx(void*, void*, void*, void*, void*, Conv* conv, void*, void*, int,
                                                  int* count, Perf* perf, void*, std::size_t) {
  return found(conv, count, perf);
}

enum Pass { FORWARD, INPUT, WEIGHTS };
template <class T>
static void summed(Pass pass, const Sizes& xs, T* x, const Sizes& ws, T* w, const Conv& conv, const Sizes& ys, T* y) {
  const long lengths[] = {long(ys.n) * ys.c * ys.h * ys.w, long(xs.n) * xs.c * xs.h * xs.w, long(ws.n) * ws.c * ws.h * ws.w};
  std::vector<double> sums(lengths[pass]);
  for (int n = 0; n < xs.n; n++)
    for (int oy = 0; oy < ys.h; oy++)
      for (int ox = 0; ox < ys.w; ox++)
        for (int i = 0; i < ws.h; i++)
          for (int j = 0; j < ws.w; j++) {
            const int row = oy * conv.stride[0] + i * conv.dilation[0] - conv.pad[0];
            const int column = ox * conv.stride[1] + j * conv.dilation[1] - conv.pad[1];
            if (row < 0 || row >= xs.h || column < 0 || column >= xs.w) continue;
            const long source = ((long(n) * xs.h + row) * xs.w + column) * xs.c;
            for (int o = 0; o < ys.c; o++) {
              const long tap = ((long(o) * ws.h + i) * ws.w + j) * ws.c, p = ((long(n) * ys.h + oy) * ys.w + ox) * ys.c + o;
              for (int c = 0; c < xs.c; c++) {
                if (pass == FORWARD) sums[p] += double(x[source + c]) * w[tap + c];
                if (pass == INPUT) sums[source + c] += double(y[p]) * w[tap + c];
                if (pass == WEIGHTS) sums[tap + c] += double(y[p]) * x[source + c];
              }
            }
          }
  T* out = pass == FORWARD ? y : pass == INPUT ? x : w;
  for (long i = 0; i < lengths[pass]; i++) out[i] = T(static_cast<float>(sums[i]));
}
static int convolved(Pass pass, const Sizes& xs, void* x, const Sizes& ws, void* w, const Conv& conv, int algorithm,
                     void* space, std::size_t bytes, const Sizes& ys, void* y, const float* alpha, const float* beta) {
  const std::lock_guard<std::mutex> lock(working);
  for (const void* operand : {x, w, y}) {
    if (reinterpret_cast<std::uintptr_t>(operand) % 16 != 0) return BAD_PARAM;
  }
  const int reach[2] = {(ws.h - 1) * conv.dilation[0] + 1, (ws.w - 1) * conv.dilation[1] + 1};
  const bool fits = ys.h == (xs.h + 2 * conv.pad[0] - reach[0]) / conv.stride[0] + 1 &&
                    ys.w == (xs.w + 2 * conv.pad[1] - reach[1]) / conv.stride[1] + 1 && xs.n == ys.n && xs.c == ws.c &&
                    ws.n == ys.c && xs.type == ys.type && xs.type == ws.type;
  if (!current || !fits || *alpha != 1.0f || *beta != 0.0f || bytes < (algorithm == 1 ? 1u << 21 : 100u)) return BAD_PARAM;
  const int status = done([=] {
    if (const int status = planted("convolution")) return status;
    std::memset(space, 0xff, bytes);
    if (xs.type == FLOAT) {
      summed(pass, xs, static_cast<float*>(x), ws, static_cast<float*>(w), conv, ys, static_cast<float*>(y));
    } else {
      summed(pass, xs, static_cast<bf16*>(x), ws, static_cast<bf16*>(w), conv, ys, static_cast<bf16*>(y));
    }
    return static_cast<int>(OK);
  });
  if (status == OK) counts.algorithm(pass, algorithm, conv.math);
  return status == OK ? counted(counts.convolutions, OK) : EXECUTION_FAILED;
}
API cudnnConvolutionForward(void*, const float* alpha, Sizes* xs, void* x, Sizes* ws, void* w, Conv* conv, int algorithm,
                            void* space, std::size_t bytes, const float* beta, Sizes* ys, void* y) {
  return convolved(FORWARD, *xs, x, *ws, w, *conv, algorithm, space, bytes, *ys, y, alpha, beta);
}
API cudnnConvolutionBackwardData(void*, const float* alpha, Sizes* ws, void* w, Sizes* ys, void* y, Conv* conv,
                                 int algorithm, void* space, std::size_t bytes, const float* beta, Sizes* xs, void* x) {
  return convolved(INPUT, *xs, x, *ws, w, *conv, algorithm, space, bytes, *ys, y, alpha, beta);
}
API cudnnConvolutionBackwardFilter(void*, const float* alpha, Sizes* xs, void* x, Sizes* ys, void* y, Conv* conv,
                                   int algorithm, void* space, std::size_t bytes, const float* beta, Sizes* ws, void* w) {
  return convolved(WEIGHTS, *xs, x, *ws, w, *conv, algorithm, space, bytes, *ys, y, alpha, beta);
}
