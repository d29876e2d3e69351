//! The values of a tensor as 32-bit floats, whatever type of floats the file has.

use safetensors::Dtype;

use super::error::{Error, Result};
use super::tensors::Tensor;

impl Tensor {
    /// The values as 32-bit floats: those of F16 and BF16 are the same numbers, those of F64 are rounded to the nearest. None
    /// where the type has no floats.
    ///
    /// # Errors
    /// The tensor is damaged, or a number of 64 bits is too large for 32.
    pub fn floats(&self) -> Result<Option<Vec<f32>>> {
        if !matches!(self.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16 | Dtype::F64) {
            return Ok(None);
        }
        let bytes = self.bytes()?;
        let short =
            |value: fn(u16) -> f32| bytes.as_chunks().0.iter().map(|two| value(u16::from_le_bytes(*two))).collect();
        Ok(Some(match self.dtype {
            Dtype::F16 => short(|bits| half::f16::from_bits(bits).to_f32()),
            Dtype::BF16 => short(|bits| half::bf16::from_bits(bits).to_f32()),
            Dtype::F64 => {
                let wide: Vec<f64> = bytes.as_chunks().0.iter().map(|eight| f64::from_le_bytes(*eight)).collect();
                if let Some(at) = wide.iter().position(|value| value.is_finite() && !(*value as f32).is_finite()) {
                    let what = format!("Its element {at} is {:e}, which is too large for a 32-bit float.", wide[at]);
                    return Err(Error::refused("", what, "Save the weights as float32.").of_tensor(&self.name));
                }
                wide.into_iter().map(|value| value as f32).collect()
            }
            _ => bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect(),
        }))
    }

    /// The value of a tensor of one whole number; none where it is none.
    pub fn integer(&self) -> Result<Option<i64>> {
        let whole = |value: f64| (value.fract() == 0.0 && value.abs() < 9e15).then_some(value as i64);
        let bytes = self.bytes()?;
        let one = |bytes: &[u8]| match self.dtype {
            Dtype::I64 => Some(i64::from_le_bytes(bytes.try_into().ok()?)),
            Dtype::I32 => Some(i32::from_le_bytes(bytes.try_into().ok()?).into()),
            Dtype::F32 => whole(f32::from_le_bytes(bytes.try_into().ok()?).into()),
            Dtype::F64 => whole(f64::from_le_bytes(bytes.try_into().ok()?)),
            _ => None,
        };
        Ok(one(&bytes))
    }
}
