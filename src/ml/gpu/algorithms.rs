//! The algorithms of cuDNN that this program knows, and in which order they are tried.
//!
//! The library's enumerations are numbers here, since another version may have members that this program does not know.

use std::ffi::c_int;

use super::plan::Direction;

/// Success, as a status.
pub const SUCCESS: c_int = 0;
/// `CUDNN_DETERMINISTIC`.
const DETERMINISTIC: c_int = 1;

/// An algorithm for one of the three passes, by the library's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Algorithm {
    direction: Direction,
    pub number: c_int,
}

/// The names of the algorithms of each pass, in the order of their numbers (`cudnnConvolutionFwdAlgo_t`,
/// `cudnnConvolutionBwdDataAlgo_t` and `cudnnConvolutionBwdFilterAlgo_t`).
const FORWARD: [&str; 8] =
    ["IMPLICIT_GEMM", "IMPLICIT_PRECOMP_GEMM", "GEMM", "DIRECT", "FFT", "FFT_TILING", "WINOGRAD", "WINOGRAD_NONFUSED"];
const INPUT: [&str; 6] = ["ALGO_0", "ALGO_1", "FFT", "FFT_TILING", "WINOGRAD", "WINOGRAD_NONFUSED"];
const WEIGHTS: [&str; 7] = ["ALGO_0", "ALGO_1", "FFT", "ALGO_3", "WINOGRAD", "WINOGRAD_NONFUSED", "FFT_TILING"];

impl Algorithm {
    /// That of a number; none where this program does not know it.
    fn known(direction: Direction, number: c_int) -> Option<Self> {
        let known = usize::try_from(number).is_ok_and(|number| number < names(direction).len());
        known.then_some(Algorithm { direction, number })
    }

    /// Its name, without what the names of a pass have in common.
    pub fn name(self) -> &'static str {
        usize::try_from(self.number).ok().and_then(|number| names(self.direction).get(number)).unwrap_or(&"unknown")
    }

    /// Whether a sum of products with zeros is zero. Algorithms that transform their operands leave rounding there.
    fn is_exact(self) -> bool {
        match self.direction {
            Direction::Forward => matches!(self.name(), "IMPLICIT_GEMM" | "IMPLICIT_PRECOMP_GEMM" | "GEMM"),
            Direction::Input => matches!(self.name(), "ALGO_0" | "ALGO_1"),
            Direction::Weights => false,
        }
    }
}

fn names(direction: Direction) -> &'static [&'static str] {
    match direction {
        Direction::Forward => &FORWARD,
        Direction::Input => &INPUT,
        Direction::Weights => &WEIGHTS,
    }
}

/// How operands are multiplied (`cudnnMathType_t`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Math {
    /// Of 32-bit floats, tensor cores may make products in TF32.
    Default = 0,
    /// By tensor cores.
    TensorOp = 1,
    /// By tensor cores, with operands in a narrower type.
    TensorOpAllowConversion = 2,
    /// By fused multiply-adds of the operands' own type alone.
    Fma = 3,
}

impl Math {
    fn known(number: c_int) -> Option<Self> {
        let all = [Math::Default, Math::TensorOp, Math::TensorOpAllowConversion, Math::Fma];
        all.into_iter().find(|math| *math as c_int == number)
    }
}

/// What the library says of an algorithm, as it writes it (`cudnnConvolutionFwdAlgoPerf_t` and its like).
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Candidate {
    algorithm: c_int,
    status: c_int,
    _time: f32,
    memory: usize,
    determinism: c_int,
    math: c_int,
    _reserved: [c_int; 3],
}

const _: () = assert!(size_of::<Candidate>() == 48);

/// A way to compute a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// By what.
    pub algorithm: Algorithm,
    /// With which products.
    pub math: Math,
    /// Whether it always adds in one order.
    pub deterministic: bool,
}

/// What a pass asks of an algorithm.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The pass.
    pub direction: Direction,
    /// Whether sums without a product that differs from zero are to be zero.
    pub exact: bool,
    /// Whether the same inputs are to give the same bits.
    pub deterministic: bool,
    /// Whether products are to be those of 32-bit floats.
    pub fma: bool,
    /// The most bytes of workspace.
    pub workspace: usize,
}

/// The ways to try, in the library's order.
///
/// Where products are to be those of 32-bit floats, each way has [`Math::Fma`], whatever the library says of the algorithm:
/// what it calls default may be TF32. Those of which the library itself says so come first.
pub fn ways(found: &[Candidate], wanted: Wanted) -> Vec<Way> {
    let way = |candidate: &Candidate| {
        let algorithm = Algorithm::known(wanted.direction, candidate.algorithm)?;
        // In 32-bit floats the conversion may be to a type narrower than TF32, which no precision here asks for.
        let math = match Math::known(candidate.math)? {
            Math::TensorOpAllowConversion => Math::TensorOp,
            math => math,
        };
        let deterministic = candidate.determinism == DETERMINISTIC;
        let fits = candidate.status == SUCCESS
            && candidate.memory <= wanted.workspace
            && (algorithm.is_exact() || !wanted.exact)
            && (deterministic || !wanted.deterministic);
        fits.then_some(Way { algorithm, math, deterministic })
    };
    let mut ways: Vec<Way> = found.iter().filter_map(way).collect();
    if wanted.fma {
        ways.sort_by_key(|way| way.math != Math::Fma);
        ways.iter_mut().for_each(|way| way.math = Math::Fma);
    }
    let mut tried = Vec::new();
    ways.retain(|way| {
        !tried.contains(way) && {
            tried.push(*way);
            true
        }
    });
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(algorithm: c_int, status: c_int, determinism: c_int, math: Math) -> Candidate {
        Candidate { algorithm, status, determinism, math: math as c_int, memory: 100, ..Candidate::default() }
    }

    fn wanted(direction: Direction) -> Wanted {
        Wanted { direction, exact: false, deterministic: true, fma: false, workspace: 1 << 20 }
    }

    fn tried(found: &[Candidate], wanted: Wanted) -> Vec<(&'static str, Math)> {
        ways(found, wanted).into_iter().map(|way| (way.algorithm.name(), way.math)).collect()
    }

    #[test]
    fn ways_are_tried_in_the_librarys_order_and_none_that_is_not_wanted() {
        let found = [
            candidate(7, 3000, DETERMINISTIC, Math::Default),
            candidate(0, SUCCESS, 0, Math::Default),
            candidate(6, SUCCESS, DETERMINISTIC, Math::Default),
            candidate(99, SUCCESS, DETERMINISTIC, Math::Default),
            Candidate { memory: 2 << 20, ..candidate(4, SUCCESS, DETERMINISTIC, Math::Default) },
            candidate(1, SUCCESS, DETERMINISTIC, Math::TensorOp),
        ];
        let forward = wanted(Direction::Forward);
        let [winograd, gemm] = [("WINOGRAD", Math::Default), ("IMPLICIT_PRECOMP_GEMM", Math::TensorOp)];
        assert_eq!(tried(&found, forward), [winograd, gemm]);
        let fast = Wanted { deterministic: false, ..forward };
        assert_eq!(tried(&found, fast), [("IMPLICIT_GEMM", Math::Default), winograd, gemm]);
        assert_eq!(tried(&found, Wanted { exact: true, ..forward }), [gemm]);
        assert_eq!(tried(&found, wanted(Direction::Weights))[0].0, "FFT_TILING");
    }

    #[test]
    fn no_way_lets_the_library_convert_operands() {
        let found =
            [Math::TensorOpAllowConversion, Math::Default].map(|math| candidate(1, SUCCESS, DETERMINISTIC, math));
        let [converting, other] = [Math::TensorOp, Math::Default].map(|math| ("IMPLICIT_PRECOMP_GEMM", math));
        assert_eq!(tried(&found, wanted(Direction::Forward)), [converting, other]);
    }

    #[test]
    fn where_products_are_of_32_bits_no_way_has_others() {
        let found = [
            candidate(1, SUCCESS, DETERMINISTIC, Math::Default),
            candidate(1, SUCCESS, DETERMINISTIC, Math::Fma),
            candidate(0, SUCCESS, DETERMINISTIC, Math::Fma),
            candidate(2, SUCCESS, DETERMINISTIC, Math::TensorOp),
        ];
        let names = tried(&found, Wanted { fma: true, ..wanted(Direction::Forward) });
        let fma = ["IMPLICIT_PRECOMP_GEMM", "IMPLICIT_GEMM", "GEMM"].map(|name| (name, Math::Fma));
        assert_eq!(names, fma);
    }
}
