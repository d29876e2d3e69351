// Softmax over the classes of a pixel, a thread each; its logits lie beside one another.
#pragma once
#include "common.cuh"

// The greatest logit, and the sum of exp(logit - greatest).
__device__ inline float normaliser(const float* logits, int classes, float* sum) {
  float most = -INFINITY;
  for (int c = 0; c < classes; c++) most = fmaxf(most, logits[c]);
  *sum = 0.0f;
  for (int c = 0; c < classes; c++) *sum += expf(logits[c] - most);
  return most;
}

KERNEL cross_entropy(const float* logits, const unsigned char* labels, float* losses, int classes, int n) {
  const int i = item();
  if (i >= n) return;
  losses[i] = 0.0f;
  if (labels[i] >= classes) return;
  const float* of = logits + static_cast<long long>(i) * classes;
  float sum;
  const float most = normaliser(of, classes, &sum);
  losses[i] = logf(sum) - (of[labels[i]] - most);
}

KERNEL cross_entropy_gradient(const float* logits, const unsigned char* labels, float* out, float factor, int classes,
                              int n) {
  const int i = item();
  if (i >= n) return;
  const float* of = logits + static_cast<long long>(i) * classes;
  float* to = out + static_cast<long long>(i) * classes;
  const bool counted = labels[i] < classes;
  float sum = 1.0f;
  const float most = counted ? normaliser(of, classes, &sum) : 0.0f;
  for (int c = 0; c < classes; c++) {
    const float truth = c == labels[i] ? 1.0f : 0.0f;
    to[c] = counted ? (expf(of[c] - most) / sum - truth) * factor : 0.0f;
  }
}

KERNEL log_softmax(const float* logits, float* out, int classes, int n) {
  const int i = item();
  if (i >= n) return;
  const float* of = logits + static_cast<long long>(i) * classes;
  float* to = out + static_cast<long long>(i) * classes;
  float sum;
  const float most = normaliser(of, classes, &sum);
  const float log = logf(sum);
  for (int c = 0; c < classes; c++) to[c] = of[c] - most - log;
}

KERNEL argmax(const float* logits, unsigned char* out, int classes, int n) {
  const int i = item();
  if (i >= n) return;
  const float* of = logits + static_cast<long long>(i) * classes;
  int best = 0;
  for (int c = 1; c < classes; c++) {
    if (of[c] > of[best]) best = c;
  }
  out[i] = static_cast<unsigned char>(best);
}
