// cuDNN's convolutions as far as this program calls them: a part of `driver.cpp`. Products are summed in 32-bit floats in a
// shuffled order, as a GPU has an order of its own: one for a shape and an algorithm, so that the same call has the same bits, and
// a new one in each call of the algorithm that is not deterministic. EMULATED_ORDER=one lets all algorithms sum in one order.
//
// It is strict where a GPU would be wrong silently. Where the descriptor's math, as it was set last, lets it round 32-bit operands
// to TF32, it does. A trial overwrites the output, and is refused while work is recorded.
#include <random>

enum { FLOAT = 0, BFLOAT16 = 9, CHANNELS_LAST = 1 };
enum { DEFAULT_MATH = 0, TENSOR_OP_MATH = 1, FMA_MATH = 3 };
enum Pass { FORWARD, INPUT, WEIGHTS };
struct Sizes {
  int n, c, h, w, type;
  long pixels() const { return long(n) * h * w; }
  long length() const { return pixels() * c; }
};
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
  *at = {{ph, pw}, {sh, sw}, {dh, dw}, DEFAULT_MATH};
  return mode == 1 && type == FLOAT ? OK : BAD_PARAM;
}
API cudnnSetConvolutionMathType(Conv* at, int math) { return at->math = math, OK; }

// The algorithms of each pass. Two of them run.
static const int UNSUPPORTED[] = {4, 2, 2}, REFUSED[] = {2, 5, 5}, ANY_ORDER = 0, ONE_ORDER = 1;
static std::size_t workspace(int algorithm) { return algorithm == ONE_ORDER ? 1 << 21 : 100; }

// What the lists say, the fastest first: one that is not supported, one that is found to be so when it is run, one that sums in
// any order, one that may round to TF32, and a good one.
static int found(Pass pass, const Conv* conv, const Sizes* sizes, int room, int* count, Perf* perf) {
  const int quick = sizes->type == BFLOAT16 ? TENSOR_OP_MATH : DEFAULT_MATH;
  const Perf all[] = {{UNSUPPORTED[pass], NOT_SUPPORTED, -1, 0, 1, conv->math, {}},
                      {REFUSED[pass], OK, 1, 100, 1, conv->math, {}},
                      {ANY_ORDER, OK, 2, workspace(ANY_ORDER), 0, conv->math, {}},
                      {ONE_ORDER, OK, 3, workspace(ONE_ORDER), 1, quick, {}},
                      {ONE_ORDER, OK, 4, workspace(ONE_ORDER), 1, conv->math, {}}};
  *count = std::min(room, 5);
  std::copy_n(all, *count, perf);
  return library(OK, EXECUTION_FAILED);
}
API cudnnGetConvolutionForwardAlgorithm_v7(void*, Sizes* xs, void*, Conv* conv, void*, int room, int* count, Perf* perf) {
  return found(FORWARD, conv, xs, room, count, perf);
}
API cudnnGetConvolutionBackwardDataAlgorithm_v7(void*, Sizes* ws, void*, Conv* conv, void*, int room, int* count, Perf* perf) {
  return found(INPUT, conv, ws, room, count, perf);
}
API cudnnGetConvolutionBackwardFilterAlgorithm_v7(void*, Sizes* xs, void*, Conv* conv, void*, int room, int* count, Perf* perf) {
  return found(WEIGHTS, conv, xs, room, count, perf);
}
static int tried(Pass pass, const Conv* conv, const Sizes* sizes, void* output, int room, int* count, Perf* perf) {
  if (recording || !current) return EXECUTION_FAILED;
  std::memset(output, 0xff, sizes->length() * (sizes->type == FLOAT ? sizeof(float) : sizeof(bf16)));
  return found(pass, conv, sizes, room, count, perf);
}
API cudnnFindConvolutionForwardAlgorithmEx(void*, void*, void*, void*, void*, Conv* conv, Sizes* ys, void* y, int room, int* count,
                                           Perf* perf, void*, std::size_t) {
  return tried(FORWARD, conv, ys, y, room, count, perf);
}
API cudnnFindConvolutionBackwardDataAlgorithmEx(void*, void*, void*, void*, void*, Conv* conv, Sizes* xs, void* x, int room,
                                                int* count, Perf* perf, void*, std::size_t) {
  return tried(INPUT, conv, xs, x, room, count, perf);
}
API cudnnFindConvolutionBackwardFilterAlgorithmEx(void*, void*, void*, void*, void*, Conv* conv, Sizes* ws, void* w, int room,
                                                  int* count, Perf* perf, void*, std::size_t) {
  return tried(WEIGHTS, conv, ws, w, room, count, perf);
}

// One that a list names may still refuse to run, so that its size is told.
API cudnnGetConvolutionForwardWorkspaceSize(void*, void*, void*, void*, void*, int algorithm, std::size_t* bytes) {
  return *bytes = workspace(algorithm), library(OK, EXECUTION_FAILED);
}
API cudnnGetConvolutionBackwardDataWorkspaceSize(void*, void*, void*, void*, void*, int algorithm, std::size_t* bytes) {
  return *bytes = workspace(algorithm), library(OK, EXECUTION_FAILED);
}
API cudnnGetConvolutionBackwardFilterWorkspaceSize(void*, void*, void*, void*, void*, int algorithm, std::size_t* bytes) {
  return *bytes = workspace(algorithm), library(OK, EXECUTION_FAILED);
}

// Random numbers from a seed (splitmix64).
static std::uint64_t next(std::uint64_t& state) {
  std::uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}
static std::vector<long> shuffled(long length, std::uint64_t seed) {
  std::vector<long> order(length);
  for (long i = 0; i < length; i++) order[i] = i;
  for (long i = length; i > 1; i--) std::swap(order[i - 1], order[next(seed) % i]);
  return order;
}
static std::uint64_t seed(Pass pass, int algorithm, const Sizes& xs, const Sizes& ws, const Sizes& ys, const Conv& conv) {
  static std::uint64_t calls = std::uint64_t{std::random_device{}()} << 32;
  const char* order = std::getenv("EMULATED_ORDER");
  const bool one = order && std::string(order) == "one";
  std::uint64_t state = algorithm == ANY_ORDER && !one ? ++calls : 0;
  for (int part : {static_cast<int>(pass), one ? 0 : algorithm, xs.n, xs.c, xs.h, xs.w, ws.n, ws.h, ws.w, ys.h, ys.w, conv.pad[0],
                   conv.pad[1], conv.stride[0], conv.stride[1], conv.dilation[0], conv.dilation[1]}) {
    state = next(state) + part;
  }
  return state;
}

// 10 bits of mantissa, to the nearest, to the even one of two.
static float tf32(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7f800000) == 0x7f800000) return value;
  bits = (bits + 0xfff + (bits >> 13 & 1)) & ~std::uint32_t{0x1fff};
  std::memcpy(&value, &bits, sizeof bits);
  return value;
}
template <class T>
static std::vector<float> factors(const void* operand, const Sizes& sizes, bool narrow) {
  const T* from = static_cast<const T*>(operand);
  std::vector<float> values(sizes.length());
  for (long i = 0; i < sizes.length(); i++) values[i] = narrow ? tf32(float(from[i])) : float(from[i]);
  return values;
}
static void add_multiple(float* sums, float factor, const float* values, int length) {
  for (int i = 0; i < length; i++) sums[i] += factor * values[i];
}
// The sums of a pass. `x`, `w` and `y` are the operands, of which the pass reads two.
template <class T>
static void summed(Pass pass, const Sizes& xs, void* x, const Sizes& ws, void* w, const Conv& conv, const Sizes& ys, void* y,
                   std::uint64_t seed) {
  const bool narrow = sizeof(T) == sizeof(float) && conv.math != FMA_MATH;
  const Sizes& sizes = pass == FORWARD ? ys : pass == INPUT ? xs : ws;
  const std::vector<float> a = pass == INPUT ? factors<T>(y, ys, narrow) : factors<T>(x, xs, narrow);
  const std::vector<float> b = pass == WEIGHTS ? factors<T>(y, ys, narrow) : factors<T>(w, ws, narrow);
  std::vector<float> sums(sizes.length());
  // For each pixel of the output and each tap of the filter, the pixel of the source, or none; where it is the source's gradient
  // that is summed, for each pixel of the source the one of the output.
  const long taps = long(ws.h) * ws.w;
  std::vector<long> pixels(sizes.pixels() * taps, -1);
  if (pass == WEIGHTS) pixels.assign(ys.pixels() * taps, -1);
  for (long p = 0; p < ys.pixels(); p++) {
    for (long tap = 0; tap < taps; tap++) {
      const long row = p / ys.w % ys.h * conv.stride[0] + tap / ws.w * conv.dilation[0] - conv.pad[0];
      const long column = p % ys.w * conv.stride[1] + tap % ws.w * conv.dilation[1] - conv.pad[1];
      if (row < 0 || row >= xs.h || column < 0 || column >= xs.w) continue;
      const long source = (p / ys.w / ys.h * xs.h + row) * xs.w + column;
      if (pass == INPUT) {
        pixels[source * taps + tap] = p;
      } else {
        pixels[p * taps + tap] = source;
      }
    }
  }
  if (pass == WEIGHTS) {
    for (long p : shuffled(ys.pixels(), seed)) {
      for (long tap = 0; tap < taps; tap++) {
        if (const long source = pixels[p * taps + tap]; source >= 0) {
          for (int o = 0; o < ys.c; o++) add_multiple(&sums[(o * taps + tap) * xs.c], b[p * ys.c + o], &a[source * xs.c], xs.c);
        }
      }
    }
  } else {
    // Behind each tap and channel that is summed over stand the factors of all channels of the sums.
    const int inner = pass == FORWARD ? xs.c : ys.c;
    std::vector<float> filter(ws.length());
    for (long i = 0; i < ws.length(); i++) {
      const long c = i % ws.c, tap = i / ws.c % taps, o = i / ws.c / taps;
      filter[pass == FORWARD ? (tap * xs.c + c) * ys.c + o : (tap * ys.c + o) * xs.c + c] = b[i];
    }
    const std::vector<long> order = shuffled(taps * inner, seed);
    for (long p = 0; p < sizes.pixels(); p++) {
      for (long term : order) {
        if (const long from = pixels[p * taps + term / inner]; from >= 0) {
          add_multiple(&sums[p * sizes.c], a[from * inner + term % inner], &filter[term * sizes.c], sizes.c);
        }
      }
    }
  }
  T* out = static_cast<T*>(pass == FORWARD ? y : pass == INPUT ? x : w);
  for (long i = 0; i < sizes.length(); i++) out[i] = T(sums[i]);
}
static int convolved(Pass pass, const Sizes& xs, void* x, const Sizes& ws, void* w, const Conv& conv, int algorithm,
                     void* space, std::size_t bytes, const Sizes& ys, void* y, const float* alpha, const float* beta) {
  const std::lock_guard<std::mutex> lock(working);
  if (broken) return EXECUTION_FAILED;
  for (const void* operand : {x, w, y}) {
    if (reinterpret_cast<std::uintptr_t>(operand) % 16 != 0) return BAD_PARAM;
  }
  const int reach[2] = {(ws.h - 1) * conv.dilation[0] + 1, (ws.w - 1) * conv.dilation[1] + 1};
  const bool fits = ys.h == (xs.h + 2 * conv.pad[0] - reach[0]) / conv.stride[0] + 1 &&
                    ys.w == (xs.w + 2 * conv.pad[1] - reach[1]) / conv.stride[1] + 1 && xs.n == ys.n && xs.c == ws.c &&
                    ws.n == ys.c && xs.type == ys.type && xs.type == ws.type;
  if (!current || !fits || *alpha != 1.0f || *beta != 0.0f || bytes < workspace(algorithm)) return BAD_PARAM;
  const bool multiplies = xs.type == FLOAT || conv.math == TENSOR_OP_MATH;
  if (!multiplies || (algorithm != ANY_ORDER && algorithm != ONE_ORDER)) return counts.refused++, NOT_SUPPORTED;
  const int status = done([=] {
    if (const int status = planted("convolution")) return status;
    if (dry) return static_cast<int>(OK);
    std::memset(space, 0xff, bytes);
    const std::uint64_t number = seed(pass, algorithm, xs, ws, ys, conv);
    if (xs.type == FLOAT) {
      summed<float>(pass, xs, x, ws, w, conv, ys, y, number);
    } else {
      summed<bf16>(pass, xs, x, ws, w, conv, ys, y, number);
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
