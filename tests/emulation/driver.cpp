// NVIDIA's libraries as far as this program calls them, on the processor: what `.ci/cuda` runs the program built for
// CUDA over, where there is no GPU. Kernels are the program's own sources (`kernels.cpp`), found under the names in the
// compiled ones; convolutions go by their definition. It is strict where a GPU would be wrong silently: memory is not a
// number before it is written and after it is freed, calls need the context, operands their alignment.
#include "kernels.cpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <malloc.h>
#include <mutex>
#include <string>
#include <tuple>

#define API extern "C" __attribute__((visibility("default"))) int

enum { OK = 0, INVALID = 1, NO_DEVICE = 101, NO_CONTEXT = 201, NOT_FOUND = 500, NOT_READY = 600, BAD_PARAM = 2000, NOT_SUPPORTED = 3000 };
static thread_local void* current;
static int token;
static std::mutex working;

// EMULATED_GPUS says how many there are, one if nothing does. The context of each is its place here.
static int gpus[64];
static int gpu_count() {
  const char* count = std::getenv("EMULATED_GPUS");
  return count ? std::atoi(count) : 1;
}
static int device_of(void* context) { return static_cast<int>(static_cast<int*>(context) - gpus); }
#include "nccl.cpp"

static int with_context() { return current ? OK : NO_CONTEXT; }
static int given(void** handle) { return *handle = &token, OK; }
// Of a great workspace only the start is made no number: the rest costs minutes.
static void spoil(void* memory) { std::memset(memory, 0xff, std::min<std::size_t>(malloc_usable_size(memory), 1 << 24)); }
#include "graph.cpp"
static int allocated(void** memory, std::size_t bytes) {
  if (bytes == 0) return INVALID;
  *memory = aligned_alloc(256, (bytes + 256) / 256 * 256);
  spoil(*memory);
  return recording ? graph_allocated(*memory) : OK;
}
static int freed(void* memory) {
  if (recording || graph_memory.count(memory)) return graph_freed(memory);
  if (!settled()) return OK;
  spoil(memory);
  std::free(memory);
  return OK;
}

// The driver.
API cuInit(unsigned) { return OK; }
API cuDriverGetVersion(int* version) { return *version = 13000, OK; }
API cuDeviceGetCount(int* count) { return *count = gpu_count(), OK; }
API cuDeviceGet(int* device, int number) { return *device = number, number < gpu_count() ? OK : NO_DEVICE; }
// EMULATED_CAPABILITY, EMULATED_MULTIPROCESSORS and EMULATED_NAME have what each GPU is, the last of all that follow: `8.0,9.0`.
static std::string of_gpu(const char* variable, const char* otherwise, int device) {
  const char* text = std::getenv(variable);
  std::string all = text ? text : otherwise;
  for (std::size_t comma; device > 0 && (comma = all.find(',')) != std::string::npos; device--) all.erase(0, comma + 1);
  return all.substr(0, all.find(','));
}
API cuDeviceGetAttribute(int* value, int attribute, int device) {
  const std::string capability = of_gpu("EMULATED_CAPABILITY", "8.0", device);
  const int major = std::stoi(capability), minor = std::stoi(capability.substr(capability.find('.') + 1));
  const int multiprocessors = std::stoi(of_gpu("EMULATED_MULTIPROCESSORS", "108", device));
  return *value = attribute == 75 ? major : attribute == 76 ? minor : attribute == 16 ? multiprocessors : 1, OK;
}
API cuDeviceGetName(char* name, int bytes, int device) {
  return std::snprintf(name, bytes, "%s", of_gpu("EMULATED_NAME", "An emulated GPU", device).c_str()), OK;
}
API cuDevicePrimaryCtxRetain(void** context, int device) { return *context = gpus + device, OK; }
API cuDevicePrimaryCtxRelease_v2(int) { return OK; }
API cuCtxGetCurrent(void** context) { return *context = current, OK; }
API cuCtxSetCurrent(void* context) { return current = context, OK; }
API cuCtxSynchronize() { return with_context(); }
API cuDeviceGetDefaultMemPool(void** pool, int) { return given(pool); }
API cuMemPoolSetAttribute(void*, int attribute, std::uint64_t* value) { return attribute == 4 && *value > 0 ? OK : INVALID; }
API cuGetErrorName(int, const char** name) { return *name = "AN_ERROR", OK; }
API cuGetErrorString(int, const char** text) { return *text = "an emulated error", OK; }
API cuStreamCreate(void** stream, unsigned) { return given(stream); }
API cuStreamDestroy_v2(void*) { return OK; }
API cuStreamSynchronize(void*) {
  if (recording) return NOT_RECORDABLE;
  return settled() ? with_context() : (forever(), OK);
}
API cuStreamWaitEvent(void*, void*, unsigned) { return OK; }
API cuEventCreate(void** event, unsigned) { return given(event); }
API cuEventRecord(void*, void*) { return with_context(); }
API cuEventSynchronize(void*) { return OK; }
API cuEventDestroy_v2(void*) { return OK; }
API cuMemAllocAsync(void** memory, std::size_t bytes, void*) { return current ? allocated(memory, bytes) : NO_CONTEXT; }
API cuMemFreeAsync(void* memory, void*) { return freed(memory); }
API cuMemHostAlloc(void** memory, std::size_t bytes, unsigned) { return current ? allocated(memory, bytes) : NO_CONTEXT; }
API cuMemFreeHost(void* memory) { return freed(memory); }
static int copied(void* to, const void* from, std::size_t bytes) {
  return done([=] { return std::memcpy(to, from, bytes), with_context(); });
}
static int copied_with_host(void* to, const void* from, std::size_t bytes) {
  return recording ? NOT_RECORDABLE : copied(to, from, bytes);
}
API cuMemcpyHtoDAsync_v2(void* to, const void* from, std::size_t bytes, void*) { return copied_with_host(to, from, bytes); }
// How often the processor reads what a GPU has, for which it waits, and how many bytes. At its end a program adds each number to a
// file.
static struct Reads {
  long count = 0, bytes = 0;
  ~Reads() {
    append("EMULATED_READS", count);
    append("EMULATED_READ_BYTES", bytes);
  }
  static void append(const char* variable, long number) {
    const char* path = std::getenv(variable);
    std::FILE* file = path ? std::fopen(path, "a") : nullptr;
    if (!file) return;
    std::fprintf(file, "%ld\n", number);
    std::fclose(file);
  }
} reads;
API cuMemcpyDtoHAsync_v2(void* to, const void* from, std::size_t bytes, void*) {
  reads.count++;
  reads.bytes += static_cast<long>(bytes);
  return copied_with_host(to, from, bytes);
}
API cuMemcpyDtoDAsync_v2(void* to, const void* from, std::size_t bytes, void*) { return copied(to, from, bytes); }
API cuMemsetD8Async(void* to, unsigned char value, std::size_t bytes, void*) {
  return done([=] { return std::memset(to, value, bytes), with_context(); });
}

// Kernels: this program's, and the few of candle's that it uses. `kernels.inc` has a line for each of this program's; the build
// script writes it from the list of kernels.
using Launched = Work (*)(unsigned blocks, void** arguments);
template <class... A, std::size_t... I>
static Work prepared(void (*kernel)(A...), unsigned blocks, void** arguments, std::index_sequence<I...>) {
  return [=, values = std::tuple<A...>(*static_cast<A*>(arguments[I])...)] {
    auto with = [&] { std::apply(kernel, values); };
    run_blocks(blocks, [](void* given) { (*static_cast<decltype(with)*>(given))(); }, &with);
    return OK;
  };
}
template <class... A>
static Work prepared(void (*kernel)(A...), unsigned blocks, void** arguments) {
  return prepared(kernel, blocks, arguments, std::index_sequence_for<A...>{});
}
#define DEVICE(name) \
  extern "C" Work device_##name(unsigned blocks, void** arguments) { return prepared(name, blocks, arguments); }
#include "kernels.inc"
template <class T>
static T argument(void** arguments, int number) { return *static_cast<T*>(arguments[number]); }
extern "C" Work device_const_set_f32(unsigned, void** a) {
  return [n = argument<std::size_t>(a, 0), value = argument<float>(a, 3), to = argument<float*>(a, 4)] {
    return std::fill_n(to, n, value), OK;
  };
}

API cuModuleLoadData(void** module, const char* text) { return *module = new std::string(text), with_context(); }
API cuModuleUnload(std::string* module) { return delete module, OK; }
API cuModuleGetFunction(void** function, const std::string* module, const char* name) {
  const bool compiled = module->find(std::string(".entry ") + name + "(") != std::string::npos;
  *function = dlsym(RTLD_DEFAULT, (std::string("device_") + name).c_str());
  if (!*function) {
    Dl_info here;
    dladdr(&token, &here);
    *function = dlsym(dlopen(here.dli_fname, RTLD_NOW), (std::string("device_") + name).c_str());
  }
  if (!compiled || !*function) std::fprintf(stderr, "no kernel %s\n", name);
  return compiled && *function ? OK : NOT_FOUND;
}
API cuLaunchKernel(Launched function, unsigned blocks, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*,
                   void** arguments, void**) {
  const std::lock_guard<std::mutex> lock(working);
  if (!current) return NO_CONTEXT;
  if (blocks == 0 || unsettled) return INVALID;
  return done(function(blocks, arguments));
}

// Libraries that are opened and not called.
static int version(int part, int* value) { return *value = part == 0 ? 9 : 0, OK; }
// EMULATED_CUDNN has the minor version.
static int cudnn_version(int part, int* value) {
  const char* minor = std::getenv("EMULATED_CUDNN");
  return part == 1 && minor ? (*value = std::atoi(minor), OK) : version(part, value);
}
API cublasCreate_v2(void** handle) { return given(handle); }
API cublasDestroy_v2(void*) { return OK; }
API cublasSetStream_v2(void*, void*) { return OK; }
API cublasGetProperty(int part, int* value) { return version(part, value); }
API curandCreateGenerator(void** handle, int) { return given(handle); }
API curandDestroyGenerator(void*) { return OK; }
API curandSetStream(void*, void*) { return OK; }
API curandSetPseudoRandomGeneratorSeed(void*, unsigned long long) { return OK; }
API curandGetProperty(int part, int* value) { return version(part, value); }

// Convolutions.
enum { FLOAT = 0, BFLOAT16 = 9, CHANNELS_LAST = 1 };
struct Sizes { int n, c, h, w, type; };
struct Conv { int pad[2], stride[2], dilation[2], math; };
struct Perf { int algorithm, status; float time; std::size_t memory; int determinism, math, reserved[3]; };
API cudnnCreate(void** handle) { return current ? given(handle) : BAD_PARAM; }
API cudnnSetStream(void*, void*) { return OK; }
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
  return *count = 3, OK;
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
  return done([=] {
    std::memset(space, 0xff, bytes);
    if (xs.type == FLOAT) {
      summed(pass, xs, static_cast<float*>(x), ws, static_cast<float*>(w), conv, ys, static_cast<float*>(y));
    } else {
      summed(pass, xs, static_cast<bf16*>(x), ws, static_cast<bf16*>(w), conv, ys, static_cast<bf16*>(y));
    }
    return OK;
  });
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
