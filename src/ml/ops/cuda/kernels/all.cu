// The GPU's kernels, one translation unit: see the module `ml::ops::cuda`. A host compiler takes it too, in tests.
#include "common.cuh"

#include "elementwise.cuh"
#include "conv.cuh"
#include "depthwise.cuh"
#include "fuse.cuh"
#include "loss.cuh"
#include "phases.cuh"
#include "pool.cuh"
#include "resize.cuh"
