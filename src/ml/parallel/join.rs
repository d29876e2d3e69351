//! How ranks are joined: on the processor, or on a GPU each.

use candle_core::Device;

use super::ranks::Ranks;
use super::star::Star;
use crate::ml::error::Result;
use crate::ml::numerics::Numerics;
use crate::ml::ops::dispatch::choose;

/// The ranks that `star` joins, of a training on `device` that computes as `numerics` say. All join at once.
///
/// # Errors
/// A rank that fails or ends meanwhile.
pub fn joined(star: Star, device: &Device, numerics: Numerics) -> Result<Box<dyn Ranks>> {
    choose(device, on_processor as Join, on_gpus as Join)(star, device, numerics)
}

type Join = fn(Star, &Device, Numerics) -> Result<Box<dyn Ranks>>;

fn on_processor(star: Star, _: &Device, _: Numerics) -> Result<Box<dyn Ranks>> {
    Ok(Box::new(star))
}

#[cfg(feature = "cuda")]
use super::gpus::join as on_gpus;

/// A program built without CUDA opens no GPU.
#[cfg(not(feature = "cuda"))]
fn on_gpus(star: Star, _: &Device, _: Numerics) -> Result<Box<dyn Ranks>> {
    Ok(Box::new(star))
}
