// The GPU's kernels, one translation unit: see the module `ml::gpu`. A host compiler takes it too, in tests.
#include "common.cuh"

#include "blend.cuh"
#include "elementwise.cuh"
#include "fuse.cuh"
#include "loss.cuh"
#include "resize.cuh"

// Those that take activations, once for each type of them.
#define REAL float
#define TYPED(name) KERNEL name
#include "activations.cuh"
#undef REAL
#undef TYPED
#define REAL bf16
#define TYPED(name) KERNEL name##_bf16
#include "activations.cuh"
