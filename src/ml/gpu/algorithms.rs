//! The algorithms of cuDNN that this program knows, and what the library says of them.

use std::ffi::c_int;

use candle_core::cuda_backend::cudarc::cudnn::sys;

use super::plan::Direction;

#[derive(Debug, Clone, Copy)]
pub enum Algorithm {
    Forward(sys::cudnnConvolutionFwdAlgo_t),
    Input(sys::cudnnConvolutionBwdDataAlgo_t),
    Weights(sys::cudnnConvolutionBwdFilterAlgo_t),
}

impl Algorithm {
    /// Whether a sum of products with zeros is zero. Algorithms that transform their operands leave rounding there.
    pub fn is_exact(self) -> bool {
        use sys::{cudnnConvolutionBwdDataAlgo_t as Input, cudnnConvolutionFwdAlgo_t as Forward};
        match self {
            Algorithm::Forward(algorithm) => matches!(
                algorithm,
                Forward::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM
                    | Forward::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM
                    | Forward::CUDNN_CONVOLUTION_FWD_ALGO_GEMM
            ),
            Algorithm::Input(algorithm) => {
                matches!(algorithm, Input::CUDNN_CONVOLUTION_BWD_DATA_ALGO_0 | Input::CUDNN_CONVOLUTION_BWD_DATA_ALGO_1)
            }
            Algorithm::Weights(_) => false,
        }
    }
}

/// What the library says of an algorithm, as it writes it. Its enumerations are numbers here, since another version may have
/// members that this program does not know.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Candidate {
    algorithm: c_int,
    pub status: c_int,
    _time: f32,
    pub memory: usize,
    pub determinism: c_int,
    math: c_int,
    _reserved: [c_int; 3],
}

const _: () = assert!(size_of::<Candidate>() == size_of::<sys::cudnnConvolutionFwdAlgoPerf_t>());

impl Candidate {
    /// Its algorithm and its way to multiply; none where this program does not know them.
    pub fn known(&self, direction: Direction) -> Option<(Algorithm, sys::cudnnMathType_t)> {
        let math = MATH.into_iter().find(|math| *math as c_int == self.math)?;
        let algorithm = match direction {
            Direction::Forward => FORWARD.into_iter().find(|of| *of as c_int == self.algorithm).map(Algorithm::Forward),
            Direction::Input => INPUT.into_iter().find(|of| *of as c_int == self.algorithm).map(Algorithm::Input),
            Direction::Weights => WEIGHTS.into_iter().find(|of| *of as c_int == self.algorithm).map(Algorithm::Weights),
        };
        Some((algorithm?, math))
    }
}

const MATH: [sys::cudnnMathType_t; 4] = {
    use sys::cudnnMathType_t::*;
    [CUDNN_DEFAULT_MATH, CUDNN_TENSOR_OP_MATH, CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION, CUDNN_FMA_MATH]
};
const FORWARD: [sys::cudnnConvolutionFwdAlgo_t; 8] = {
    use sys::cudnnConvolutionFwdAlgo_t::*;
    [
        CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM,
        CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM,
        CUDNN_CONVOLUTION_FWD_ALGO_GEMM,
        CUDNN_CONVOLUTION_FWD_ALGO_DIRECT,
        CUDNN_CONVOLUTION_FWD_ALGO_FFT,
        CUDNN_CONVOLUTION_FWD_ALGO_FFT_TILING,
        CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD,
        CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD_NONFUSED,
    ]
};
const INPUT: [sys::cudnnConvolutionBwdDataAlgo_t; 6] = {
    use sys::cudnnConvolutionBwdDataAlgo_t::*;
    [
        CUDNN_CONVOLUTION_BWD_DATA_ALGO_0,
        CUDNN_CONVOLUTION_BWD_DATA_ALGO_1,
        CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT,
        CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT_TILING,
        CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD,
        CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD_NONFUSED,
    ]
};
const WEIGHTS: [sys::cudnnConvolutionBwdFilterAlgo_t; 7] = {
    use sys::cudnnConvolutionBwdFilterAlgo_t::*;
    [
        CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0,
        CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1,
        CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT,
        CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3,
        CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD,
        CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD_NONFUSED,
        CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT_TILING,
    ]
};
