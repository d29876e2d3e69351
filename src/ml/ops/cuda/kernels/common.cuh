// What all kernels share: blocks of THREADS threads, one thread an item, or one block a sum.
#pragma once

#define KERNEL extern "C" __global__ void

constexpr int THREADS = 256;

// The item of this thread.
__device__ inline int item() { return static_cast<int>(blockIdx.x * THREADS + threadIdx.x); }

// The sum over the threads of a block, in an order that does not change; all threads get it.
__device__ inline double block_sum(double value) {
  __shared__ double sums[THREADS];
  const int thread = threadIdx.x;
  sums[thread] = value;
  __syncthreads();
  for (int half = THREADS / 2; half > 0; half /= 2) {
    if (thread < half) sums[thread] += sums[thread + half];
    __syncthreads();
  }
  const double sum = sums[0];
  __syncthreads();
  return sum;
}

__device__ inline int least(int a, int b) { return a < b ? a : b; }
__device__ inline int greatest(int a, int b) { return a > b ? a : b; }

// Written so that a value that is not a number stays one.
__device__ inline float rectified(float value) { return value < 0.0f ? 0.0f : value; }
