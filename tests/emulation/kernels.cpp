// Runs the GPU's kernels on the processor, one block after another, so that tests can hold them against the processor's own
// bodies without a GPU. A thread of a block is a fiber, which waits at a barrier for the others. `kernels.cu` has all kernels:
// the list in `src/ml/gpu/kernels.rs` says which, and the build script or the test writes it.
#include <csetjmp>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <ucontext.h>
#include <utility>
#include <vector>

struct Index { unsigned x; };
static Index threadIdx, blockIdx, gridDim;
static void barrier();

#define __global__
#define __device__
#define __shared__ static
#define __syncthreads barrier
#include "kernels.cu"

static ucontext_t starts[THREADS];
static jmp_buf scheduler, fibers[THREADS];
static enum { NEW, WAITING, ENDED } states[THREADS];
static void (*body)(void*);
static void* arguments;
static bool in_fiber, waited;

static void barrier() {
  if (!in_fiber) std::abort();
  waited = true;
  const unsigned thread = threadIdx.x;
  states[thread] = WAITING;
  if (!_setjmp(fibers[thread])) _longjmp(scheduler, 1);
  threadIdx.x = thread;
}

static void fiber() {
  const unsigned thread = threadIdx.x;
  body(arguments);
  states[thread] = ENDED;
  _longjmp(scheduler, 1);
}

// Runs a thread until its next barrier or its end.
static void resume(unsigned thread) {
  threadIdx.x = thread;
  if (_setjmp(scheduler)) return;
  if (states[thread] == WAITING) _longjmp(fibers[thread], 1);
  setcontext(&starts[thread]);
}

static void run_fibers() {
  static std::vector<char> stacks(THREADS * 65536);
  for (unsigned thread = 0; thread < THREADS; thread++) {
    states[thread] = NEW;
    getcontext(&starts[thread]);
    starts[thread].uc_stack.ss_sp = &stacks[thread * 65536];
    starts[thread].uc_stack.ss_size = 65536;
    makecontext(&starts[thread], fiber, 0);
  }
  for (bool waiting = true; waiting;) {
    waiting = false;
    for (unsigned thread = 0; thread < THREADS; thread++) {
      if (states[thread] == ENDED) continue;
      resume(thread);
      waiting |= states[thread] != ENDED;
    }
  }
}

// Only the first block tells whether a kernel has barriers: the others have them too, or need no fibers.
static void run_blocks(unsigned blocks, void (*with)(void*), void* given) {
  body = with, arguments = given, gridDim.x = blocks, waited = false;
  for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++) {
    in_fiber = blockIdx.x == 0 || waited;
    if (in_fiber) {
      run_fibers();
      continue;
    }
    for (threadIdx.x = 0; threadIdx.x < THREADS; threadIdx.x++) body(arguments);
  }
  arguments = nullptr;
}

// What an argument is, as the caller says it: 'p' an address, 'i' an integer, 'f' a float.
template <class T> constexpr char code = 'p';
template <> constexpr char code<int> = 'i';
template <> constexpr char code<float> = 'f';

// A kernel with any signature. False if the arguments are not those of its signature.
template <class... A, std::size_t... I>
static bool call(void (*kernel)(A...), unsigned blocks, void** values, const char* codes, std::size_t count,
                 std::index_sequence<I...>) {
  if (count != sizeof...(A) || !((codes[I] == code<A>) && ...)) return false;
  auto with = [&] { kernel(*static_cast<A*>(values[I])...); };
  run_blocks(blocks, [](void* given) { (*static_cast<decltype(with)*>(given))(); }, &with);
  return true;
}

template <class... A>
static bool run(void (*kernel)(A...), unsigned blocks, void** values, const char* codes, std::size_t count) {
  return call(kernel, blocks, values, codes, count, std::index_sequence_for<A...>{});
}
