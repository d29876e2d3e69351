//! The values of a tensor as 32-bit floats, whatever type of floats the file has.

use prost::bytes::Bytes;
use safetensors::Dtype;

use super::content::Content;
use super::error::{Error, Result};
use super::tensors::{Checkpoint, Source, Tensor};

/// A tensor of other floats, as 32-bit ones.
struct Converted(Tensor);

impl Source for Converted {
    fn read(&self) -> Result<Bytes> {
        Ok(bytes(&self.0.floats()?.unwrap_or_default()))
    }
}

fn bytes(values: &[f32]) -> Bytes {
    values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into()
}

impl Checkpoint {
    /// The same with all floats as 32-bit ones; other types stay. The values are converted as they are read.
    pub fn in_f32(self) -> Self {
        let convert = |tensor: Tensor| match tensor.dtype {
            Dtype::F16 | Dtype::BF16 | Dtype::F64 => {
                Tensor::new(tensor.name.clone(), Dtype::F32, tensor.shape.clone(), Converted(tensor))
            }
            _ => tensor,
        };
        Checkpoint { tensors: self.tensors.into_iter().map(convert).collect(), ..self }
    }

    /// Tensors of 32-bit floats that are in memory, each a name, a shape and values, as a file of this format.
    pub fn of_floats<'a>(
        format: &'static str,
        tensors: impl IntoIterator<Item = (&'a String, &'a (Vec<usize>, Vec<f32>))>,
    ) -> Result<Self> {
        let tensor = |(name, (shape, values)): (&String, &(Vec<usize>, Vec<f32>))| {
            Tensor::new(name.clone(), Dtype::F32, shape.clone(), Content::from(bytes(values)))
        };
        Checkpoint::new(format, tensors.into_iter().map(tensor).collect())
    }
}

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
