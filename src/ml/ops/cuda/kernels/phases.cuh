// Mixing of the d * d phases of a plane: out_i = sum_j m[j, i] in_j, over cells of d by d pixels.
#pragma once
#include "common.cuh"

// A pixel of a plane, or zero beyond its borders.
__device__ inline float pixel_at(const float* plane, int height, int width, int y, int x) {
  return y < height && x < width ? plane[y * width + x] : 0.0f;
}

KERNEL mix(const float* x, const float* matrix, const float* scale, const float* shift, float* out, int relu, int turned,
           int d, int channels, int h, int w, int height, int width, int n) {
  const int at = item();
  if (at >= n) return;
  const int column = at % width, row = at / width % height, plane = at / width / height;
  const float* source = x + static_cast<long long>(plane) * h * w;
  const int phases = d * d, i = row % d * d + column % d, top = row - row % d, left = column - column % d;
  float sum = 0.0f;
  for (int j = 0; j < phases; j++) {
    const float weight = turned ? matrix[i * phases + j] : matrix[j * phases + i];
    sum += weight * pixel_at(source, h, w, top + j / d, left + j % d);
  }
  if (scale) sum *= scale[plane % channels];
  if (shift) sum += shift[plane % channels];
  out[at] = relu ? rectified(sum) : sum;
}

// A block a plane: parts[j, i] = scale * sum over cells of x_j g_i.
KERNEL mix_products(const float* x, const float* g, const float* scale, double* parts, int d, int channels, int h, int w,
                    int height, int width, int rows, int columns) {
  const float* source = x + static_cast<long long>(blockIdx.x) * h * w;
  const float* gradient = g + static_cast<long long>(blockIdx.x) * height * width;
  const double factor = scale ? scale[blockIdx.x % channels] : 1.0f;
  const int phases = d * d, pairs = phases * phases;
  for (int pair = threadIdx.x; pair < pairs; pair += THREADS) {
    const int j = pair / phases, i = pair % phases;
    float sum = 0.0f;
    for (int cell = 0; cell < rows * columns; cell++) {
      const int y = cell / columns * d, z = cell % columns * d;
      sum += pixel_at(source, h, w, y + j / d, z + j % d) * pixel_at(gradient, height, width, y + i / d, z + i % d);
    }
    parts[static_cast<long long>(blockIdx.x) * pairs + pair] = factor * sum;
  }
}
