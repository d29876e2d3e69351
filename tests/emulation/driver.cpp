// NVIDIA's libraries as far as this program calls them, on the processor: what `.ci/cuda` runs the program built for
// CUDA over, where there is no GPU. Kernels are the program's own sources (`kernels.cpp`), found under the names in the
// compiled ones; convolutions are sums by their definition (`convolutions.cpp`). It is strict where a GPU would be wrong silently:
// memory is not a number before it is written and after it is freed, calls need the context, operands their alignment. Failures can
// be planted (`planted.cpp`), and what is asked is counted (`counts.cpp`).
#include "kernels.cpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <malloc.h>
#include <mutex>
#include <set>
#include <string>
#include <tuple>

#define API extern "C" __attribute__((visibility("default"))) int

enum { OK = 0, INVALID = 1, NOT_STARTED = 3, NO_DEVICE = 101, NO_CONTEXT = 201, NOT_FOUND = 500, NOT_READY = 600, BAD_PARAM = 2000, NOT_SUPPORTED = 3000 };
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
#include "planted.cpp"
#include "counts.cpp"
#include "nccl.cpp"

static int with_context() { return driver(current ? OK : NO_CONTEXT); }
static int given(void** handle) { return *handle = &token, OK; }
// With EMULATED_DRY, kernels and convolutions do nothing, so that the steps of great networks can be counted. Memory that is
// allocated is then of zeros, so that all that is read is finite.
static const bool dry = std::getenv("EMULATED_DRY");
// Of a great workspace only the start is made no number: the rest costs minutes.
static void spoil(void* memory) {
  std::memset(memory, dry ? 0 : 0xff, std::min<std::size_t>(malloc_usable_size(memory), 1 << 24));
}
#include "graph.cpp"
// Counts a call that did not fail.
static int counted(std::atomic<long>& count, int status) {
  if (status != OK) return status;
  count++, counts.recorded += recording ? 1 : 0;
  return OK;
}
static int counted(Copies& copies, std::size_t bytes, int status) {
  if (status == OK) copies.bytes += static_cast<long>(bytes);
  return counted(copies.count, status);
}
static int allocated(void** memory, std::size_t bytes) {
  if (!current || broken) return with_context();
  if (bytes == 0) return INVALID;
  *memory = aligned_alloc(256, (bytes + 256) / 256 * 256);
  spoil(*memory);
  return counted(counts.allocations, recording ? graph_allocated(*memory) : OK);
}
static int freed(void* memory) {
  if (broken) return broken;
  if (recording || graph_memory.count(memory)) return graph_freed(memory);
  if (!settled()) return OK;
  spoil(memory);
  std::free(memory);
  return OK;
}

// The driver.
static std::atomic<bool> started{false};
API cuDriverGetVersion(int* version) { return *version = 13000, OK; }
API cuDeviceGetCount(int* count) { return *count = gpu_count(), started ? OK : NOT_STARTED; }
API cuDeviceGet(int* device, int number) {
  return *device = number, !started ? NOT_STARTED : number < gpu_count() ? OK : NO_DEVICE;
}
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
API cuDevicePrimaryCtxRetain(void** context, int device) { return *context = gpus + device, counts.opened = true, driver(OK); }
API cuDevicePrimaryCtxRelease_v2(int) { return OK; }
API cuCtxGetCurrent(void** context) { return *context = current, driver(OK); }
API cuCtxSetCurrent(void* context) { return current = context, driver(OK); }
API cuCtxSynchronize() { return with_context(); }
API cuDeviceGetDefaultMemPool(void** pool, int) { return driver(given(pool)); }
API cuMemPoolSetAttribute(void*, int attribute, std::uint64_t* value) {
  return driver(attribute == 4 && *value > 0 ? OK : INVALID);
}
API cuGetErrorName(int, const char** name) { return *name = "AN_ERROR", OK; }
API cuGetErrorString(int, const char** text) { return *text = "an emulated error", OK; }
API cuStreamCreate(void** stream, unsigned) { return driver(given(stream)); }
API cuStreamDestroy_v2(void*) { return driver(OK); }
API cuStreamSynchronize(void*) {
  if (recording) return NOT_RECORDABLE;
  if (!settled()) forever();
  return counts.stream_waits += broken ? 0 : 1, with_context();
}
API cuStreamWaitEvent(void*, void*, unsigned) { return driver(OK); }
API cuEventCreate(void** event, unsigned) { return driver(given(event)); }
API cuEventRecord(void*, void*) { return with_context(); }
API cuEventSynchronize(void*) { return counts.event_waits += broken ? 0 : 1, driver(OK); }
API cuEventDestroy_v2(void*) { return driver(OK); }
API cuMemAllocAsync(void** memory, std::size_t bytes, void*) { return allocated(memory, bytes); }
API cuMemFreeAsync(void* memory, void*) { return freed(memory); }
API cuMemHostAlloc(void** memory, std::size_t bytes, unsigned) { return allocated(memory, bytes); }
API cuMemFreeHost(void* memory) { return freed(memory); }
static int copied(void* to, const void* from, std::size_t bytes) {
  return done([=] { return std::memcpy(to, from, bytes), with_context(); });
}
static int copied_with_host(void* to, const void* from, std::size_t bytes) {
  return recording ? NOT_RECORDABLE : copied(to, from, bytes);
}
API cuMemcpyHtoDAsync_v2(void* to, const void* from, std::size_t bytes, void*) {
  return counted(counts.to_device, bytes, copied_with_host(to, from, bytes));
}
API cuMemcpyDtoHAsync_v2(void* to, const void* from, std::size_t bytes, void*) {
  return counted(counts.to_host, bytes, copied_with_host(to, from, bytes));
}
API cuMemcpyDtoDAsync_v2(void* to, const void* from, std::size_t bytes, void*) {
  return counted(counts.on_device, bytes, copied(to, from, bytes));
}
API cuMemsetD8Async(void* to, unsigned char value, std::size_t bytes, void*) {
  return counted(counts.memory_sets, done([=] { return std::memset(to, value, bytes), with_context(); }));
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

static void* kernel(const std::string& name) {
  const std::string symbol = "device_" + name;
  if (void* found = dlsym(RTLD_DEFAULT, symbol.c_str())) return found;
  Dl_info here;
  dladdr(&token, &here);
  return dlsym(dlopen(here.dli_fname, RTLD_NOW), symbol.c_str());
}
// The names of the kernels that were asked for.
static std::map<void*, std::string> kernels;
API cuInit(unsigned) {
  for (const char* variable : {"EMULATED_FAILS", "EMULATED_HANGS"}) {
    const char* name = std::getenv(variable);
    if (!name || kernel(name) || std::string(name) == "convolution") continue;
    return std::fprintf(stderr, "%s: there is no kernel %s\n", variable, name), INVALID;
  }
  return started = true, OK;
}
// Modules are loaded lazily: a kernel comes to the GPU when it is first asked for. While work is recorded, none can.
struct Module {
  std::string text;
  std::set<std::string> loaded;
};
API cuModuleLoadData(Module** module, const char* text) {
  if (recording) return driver(NOT_RECORDABLE);
  return *module = new Module{text, {}}, with_context();
}
API cuModuleUnload(Module* module) { return delete module, driver(OK); }
API cuModuleGetFunction(void** function, Module* module, const char* name) {
  const std::lock_guard<std::mutex> lock(working);
  const bool compiled = module->text.find(std::string(".entry ") + name + "(") != std::string::npos;
  *function = kernel(name);
  if (!compiled || !*function) return std::fprintf(stderr, "no kernel %s\n", name), NOT_FOUND;
  if (recording && !module->loaded.count(name)) {
    return std::fprintf(stderr, "the kernel %s is first asked for while work is recorded\n", name), driver(NOT_RECORDABLE);
  }
  module->loaded.insert(name), kernels[*function] = name;
  return driver(OK);
}
API cuLaunchKernel(Launched function, unsigned blocks, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*,
                   void** arguments, void**) {
  const std::lock_guard<std::mutex> lock(working);
  if (!current) return NO_CONTEXT;
  if (blocks == 0 || unsettled) return INVALID;
  const std::string& name = kernels.at(reinterpret_cast<void*>(function));
  // The tensor library has one kernel here, which fills memory with a number.
  return counted(name.rfind("const_set", 0) == 0 ? counts.fills : counts.launches, done([&name, work = function(blocks, arguments)] {
    const int status = planted(name);
    return status == OK && !dry ? work() : status;
  }));
}

// Libraries that are opened and not called.
static int version(int part, int* value) { return *value = part == 0 ? 9 : 0, OK; }
// EMULATED_CUDNN has the minor version.
static int cudnn_version(int part, int* value) {
  const char* minor = std::getenv("EMULATED_CUDNN");
  return part == 1 && minor ? (*value = std::atoi(minor), OK) : version(part, value);
}
API cublasCreate_v2(void** handle) { return library(given(handle), CUBLAS_EXECUTION_FAILED); }
API cublasDestroy_v2(void*) { return OK; }
API cublasSetStream_v2(void*, void*) { return library(OK, CUBLAS_EXECUTION_FAILED); }
API cublasGetProperty(int part, int* value) { return version(part, value); }
API curandCreateGenerator(void** handle, int) { return library(given(handle), CURAND_LAUNCH_FAILURE); }
API curandDestroyGenerator(void*) { return OK; }
API curandSetStream(void*, void*) { return library(OK, CURAND_LAUNCH_FAILURE); }
API curandSetPseudoRandomGeneratorSeed(void*, unsigned long long) { return library(OK, CURAND_LAUNCH_FAILURE); }
API curandGetProperty(int part, int* value) { return version(part, value); }

#include "convolutions.cpp"
