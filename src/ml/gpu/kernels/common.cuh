// What all kernels share: blocks of THREADS threads, one thread an item, or one block a sum. Activations lie channels
// last, so that neighbouring threads have neighbouring channels.
#pragma once

#define KERNEL extern "C" __global__ void

constexpr int THREADS = 256;

// Where a block sums over pixels: it takes CHANNELS channels, each of LANES threads of its own.
constexpr int CHANNELS = 32;
constexpr int LANES = THREADS / CHANNELS;

union Bits {
  float value;
  unsigned bits;
};

// The upper half of a float, to which it is rounded; of two that are as near, the even one.
struct bf16 {
  unsigned short half;

  bf16() = default;
  __device__ explicit bf16(float value) {
    Bits of;
    of.value = value;
    half = static_cast<unsigned short>(value != value ? 0x7fffu : (of.bits + 0x7fffu + (of.bits >> 16 & 1u)) >> 16);
  }
  __device__ operator float() const {
    Bits of;
    of.bits = static_cast<unsigned>(half) << 16;
    return of.value;
  }
};

// What a thread reads or writes at once.
template <class T>
struct alignas(16) Pack {
  T of[16 / sizeof(T)];
};

// The item of this thread.
__device__ inline int item() { return static_cast<int>(blockIdx.x * THREADS + threadIdx.x); }

// The sum over those threads of a block whose numbers differ by multiples of `apart`, a power of two, in an order that
// does not change; all of them get it.
__device__ inline double block_sum(double value, int apart = 1) {
  __shared__ double sums[THREADS];
  const int thread = threadIdx.x;
  sums[thread] = value;
  __syncthreads();
  for (int half = THREADS / 2; half >= apart; half /= 2) {
    if (thread < half) sums[thread] += sums[thread + half];
    __syncthreads();
  }
  const double sum = sums[thread % apart];
  __syncthreads();
  return sum;
}

__device__ inline int least(int a, int b) { return a < b ? a : b; }
__device__ inline int greatest(int a, int b) { return a > b ? a : b; }

// Written so that a value that is not a number stays one.
__device__ inline float rectified(float value) { return value < 0.0f ? 0.0f : value; }

// An element of an activation of `channels` by `height` by `width`.
struct Place {
  int channel, column, row, image;
};

__device__ inline Place place(int i, int channels, int height, int width) {
  const int pixel = i / channels;
  return {i % channels, pixel % width, pixel / width % height, pixel / width / height};
}
