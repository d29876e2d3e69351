//! The instruction sets that kernels are compiled for. A processor is asked once for the best that it has.

use std::sync::OnceLock;

/// The register tile of an instruction set: `rows` rows of the left operand times `columns` columns of the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// 8 x 48, on AVX-512, with AVX2 and FMA.
    Avx512,
    /// 4 x 24, on AVX2 with FMA.
    Avx2,
    /// 4 x 16, in portable code.
    Portable,
}

impl Isa {
    /// The best that this processor has.
    pub fn detect() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Self::available()[0])
    }

    /// Those that this processor has, best first.
    pub fn available() -> Vec<Self> {
        [Isa::Avx512, Isa::Avx2, Isa::Portable].into_iter().filter(|isa| isa.is_available()).collect()
    }

    /// Whether this processor has every instruction that functions for it are compiled with.
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = || is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            match self {
                Isa::Avx512 => is_x86_feature_detected!("avx512f") && avx2(),
                Isa::Avx2 => avx2(),
                Isa::Portable => true,
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Isa::Portable
        }
    }

    /// Columns of a register tile.
    pub const fn columns(self) -> usize {
        match self {
            Isa::Avx512 => 48,
            Isa::Avx2 => 24,
            Isa::Portable => 16,
        }
    }
}
