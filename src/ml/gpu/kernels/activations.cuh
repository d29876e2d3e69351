// The kernels over activations, whose type is REAL. Included once for each type.
#include "conv.cuh"
#include "depthwise.cuh"
#include "masked.cuh"
#include "phases.cuh"
#include "pool.cuh"
