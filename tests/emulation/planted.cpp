// Failures that are planted: a part of `driver.cpp`.
//
// EMULATED_FAILS has the name of a kernel, or `convolution`: where that runs, the driver's answer is that of an illegal address,
// and, as on a GPU, so is every later answer for the context. The other libraries then say in their own words that work failed.
// EMULATED_HANGS has the name of one that never ends.
#include <atomic>
#include <unistd.h>

enum { ILLEGAL_ADDRESS = 700, EXECUTION_FAILED = 5000, CUBLAS_EXECUTION_FAILED = 13, CURAND_LAUNCH_FAILURE = 201, NCCL_CUDA_ERROR = 1 };
static std::atomic<int> broken{OK};

// The answer of the driver, and that of another library, which has its own number for work that failed.
static int driver(int status) { return broken ? broken.load() : status; }
static int library(int status, int failed) { return broken ? failed : status; }

static bool named(const char* variable, const std::string& name) {
  const char* wanted = std::getenv(variable);
  return wanted && name == wanted;
}
// What happens where `name` runs.
static int planted(const std::string& name) {
  while (named("EMULATED_HANGS", name)) pause();
  if (named("EMULATED_FAILS", name)) broken = ILLEGAL_ADDRESS;
  return broken;
}
