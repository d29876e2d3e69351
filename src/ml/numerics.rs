//! How numbers are computed: in which precision, and whether always in one order.

use candle_core::DType;
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};

/// The precision of products, sums and what is stored of them. Parameters, momentum and the loss are 32-bit floats in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Precision {
    /// 32-bit floats throughout.
    #[default]
    Fp32,
    /// The operands of products are rounded to TF32 (10 bits of mantissa); sums are 32-bit floats.
    Tf32,
    /// Activations and their gradients are bfloat16 (7 bits of mantissa), and so are the filters that convolutions read and
    /// the sums of their gradients as they are stored. Sums themselves, batch norms, the loss from the logits on, the
    /// parameters and their momentum are 32-bit floats.
    Bf16,
}

impl Precision {
    /// The type of activations.
    pub fn activations(self) -> DType {
        match self {
            Precision::Fp32 | Precision::Tf32 => DType::F32,
            Precision::Bf16 => DType::BF16,
        }
    }

    /// The name in pipelines.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Fp32 => "Fp32",
            Precision::Tf32 => "Tf32",
            Precision::Bf16 => "Bf16",
        }
    }
}

/// How a device computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numerics {
    /// The precision.
    pub precision: Precision,
    /// Whether the same inputs always give the same bits. The processor knows no other way.
    pub deterministic: bool,
}

impl Default for Numerics {
    fn default() -> Self {
        Numerics { precision: Precision::Fp32, deterministic: true }
    }
}

impl Numerics {
    /// An error where that device cannot compute so. Opens nothing.
    pub fn check(self, gpu: Option<usize>) -> Result<()> {
        if gpu.is_some() || self.precision == Precision::Fp32 {
            return Ok(());
        }
        let precision = self.precision.name();
        let message = format!("The precision `{precision}` was asked for, but the device `cpu` has `Fp32` alone.");
        let hint = format!("Write `precision: Fp32`, or compute `{precision}` on a GPU: `--device cuda`.");
        Err(Error::Device { message, hint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_refuses_what_it_cannot_compute() {
        for precision in [Precision::Tf32, Precision::Bf16] {
            let error = Numerics { precision, ..Numerics::default() }.device(None).unwrap_err();
            assert!(error.to_string().contains(precision.name()) && error.hint().contains("--device cuda"), "{error}");
        }
        for precision in [Precision::Fp32, Precision::Tf32, Precision::Bf16] {
            assert!(Numerics { precision, ..Numerics::default() }.check(Some(0)).is_ok());
        }
        for deterministic in [true, false] {
            assert!(Numerics { deterministic, ..Numerics::default() }.device(None).unwrap().is_cpu());
        }
    }
}
