// Softmax over the classes of a pixel, a thread each: `classes` planes of `area` logits an image.
#pragma once
#include "common.cuh"

// The greatest logit, and the sum of exp(logit - greatest).
__device__ inline float normaliser(const float* logits, int classes, int area, float* sum) {
  float most = -INFINITY;
  for (int c = 0; c < classes; c++) most = fmaxf(most, logits[c * area]);
  *sum = 0.0f;
  for (int c = 0; c < classes; c++) *sum += expf(logits[c * area] - most);
  return most;
}

// The place of pixel i's first logit.
__device__ inline long long pixel(int i, int classes, int area) {
  return static_cast<long long>(i / area) * classes * area + i % area;
}

KERNEL cross_entropy(const float* logits, const unsigned char* labels, float* losses, int classes, int area, int n) {
  const int i = item();
  if (i >= n) return;
  losses[i] = 0.0f;
  if (labels[i] >= classes) return;
  const float* of = logits + pixel(i, classes, area);
  float sum;
  const float most = normaliser(of, classes, area, &sum);
  losses[i] = logf(sum) - (of[labels[i] * area] - most);
}

KERNEL cross_entropy_gradient(const float* logits, const unsigned char* labels, float* out, float factor, int classes,
                              int area, int n) {
  const int i = item();
  if (i >= n) return;
  const float* of = logits + pixel(i, classes, area);
  float* to = out + pixel(i, classes, area);
  const bool counted = labels[i] < classes;
  float sum = 1.0f;
  const float most = counted ? normaliser(of, classes, area, &sum) : 0.0f;
  for (int c = 0; c < classes; c++) {
    const float truth = c == labels[i] ? 1.0f : 0.0f;
    to[c * area] = counted ? (expf(of[c * area] - most) / sum - truth) * factor : 0.0f;
  }
}

KERNEL log_softmax(const float* logits, float* out, int classes, int area, int n) {
  const int i = item();
  if (i >= n) return;
  const float* of = logits + pixel(i, classes, area);
  float* to = out + pixel(i, classes, area);
  float sum;
  const float most = normaliser(of, classes, area, &sum);
  const float log = logf(sum);
  for (int c = 0; c < classes; c++) to[c * area] = of[c * area] - most - log;
}

KERNEL argmax(const float* logits, unsigned char* out, int classes, int area, int n) {
  const int i = item();
  if (i >= n) return;
  const float* of = logits + pixel(i, classes, area);
  int best = 0;
  for (int c = 1; c < classes; c++) {
    if (of[c * area] > of[best * area]) best = c;
  }
  out[i] = static_cast<unsigned char>(best);
}
