//! Where to compute, and what of it changes bits.

use std::collections::BTreeMap;

use candle_core::Device;

#[cfg(not(feature = "cuda"))]
use super::error::Error;
use super::error::Result;
use super::numerics::Numerics;

impl Numerics {
    /// The device of that number, or the processor, computing so.
    ///
    /// # Errors
    /// A device that is missing, and one that cannot compute so: nothing else is taken in its place.
    pub fn device(self, gpu: Option<usize>) -> Result<Device> {
        self.check(gpu)?;
        gpu.map_or(Ok(Device::Cpu), |number| cuda(number, self))
    }
}

/// An error where that device is missing. Opens nothing.
pub fn look_for(gpu: Option<usize>) -> Result<()> {
    gpu.map_or(Ok(()), look_for_gpu)
}

/// An error unless `size` ranks have a device each, from `first` on, of one kind, and the library that joins several. Opens
/// nothing.
pub fn look_for_ranks(first: Option<usize>, size: usize) -> Result<()> {
    let Some(first) = first else { return Ok(()) };
    (first..first + size).try_for_each(look_for_gpu)?;
    #[cfg(feature = "cuda")]
    if size > 1 {
        super::gpu::device::look_for_difference(first, size)?;
        super::gpu::nccl::look_for()?;
    }
    Ok(())
}

#[cfg(feature = "cuda")]
use super::gpu::device::{look_for as look_for_gpu, open as cuda, profile as gpu_profile};

#[cfg(not(feature = "cuda"))]
fn gpu_profile(number: usize) -> Result<Vec<(&'static str, String)>> {
    look_for_gpu(number).map(|()| Vec::new())
}

#[cfg(not(feature = "cuda"))]
fn look_for_gpu(number: usize) -> Result<()> {
    cuda(number, Numerics::default()).map(drop)
}

#[cfg(not(feature = "cuda"))]
fn cuda(number: usize, _: Numerics) -> Result<Device> {
    Err(Error::Device {
        message: format!("The GPU `cuda:{number}` was asked for, but this program was built without CUDA."),
        hint: "Build it with `--features cuda`, or use `--device cpu`.".to_owned(),
    })
}

/// What of the device enters the identity of what is computed on it, by name. The precision is a parameter of what is
/// computed, not of the device.
///
/// On the processor that is neither the instruction set nor the number of threads: all kernels compute the same
/// chains of fused multiply-adds (see [`super::cpu::gemm`]), so that all processors give the same bits. On a GPU it is
/// its kind (name, compute capability and number of multiprocessors), the versions of the libraries, and the variables
/// that these heed: each may let sums be made in another order or of other parts.
///
/// # Errors
/// A device that is missing.
pub fn numeric_profile(gpu: Option<usize>) -> Result<BTreeMap<String, String>> {
    let mut profile = vec![("device", if gpu.is_some() { "cuda" } else { "cpu" }.to_owned())];
    match gpu {
        Some(number) => {
            profile.push(("activations", "channels last".to_owned()));
            profile.extend(gpu_profile(number)?);
        }
        None => profile
            .extend([("sums", "fused, blocks of 256, tiles of 3x3".to_owned()), ("deterministic", "true".to_owned())]),
    }
    Ok(profile.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The first GPU of this machine; none where there is none, or where the program was built without CUDA. Where the variable
/// REPRO_TEST_DEVICE is `gpu`, that is a failure: what was to be shown on a GPU must not pass without one.
#[cfg(test)]
pub fn first_gpu() -> Option<Device> {
    static FIRST: std::sync::OnceLock<Option<Device>> = std::sync::OnceLock::new();
    let first = || {
        let asked = std::env::var("REPRO_TEST_DEVICE").is_ok_and(|device| device == "gpu");
        match Numerics::default().device(Some(0)) {
            Ok(device) => Some(device),
            Err(error) if asked => panic!("{error}"),
            Err(_) => None,
        }
    };
    FIRST.get_or_init(first).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_gpu_is_an_error_that_names_it() {
        let device = |gpu| Numerics::default().device(gpu);
        assert!(device(None).unwrap().is_cpu());
        let error = device(Some(63)).unwrap_err();
        assert!(error.to_string().contains("cuda:63") && error.hint().contains("--device cpu"), "{error}");
    }

    #[test]
    fn the_profile_does_not_depend_on_the_machine() {
        let profile = numeric_profile(None).unwrap();
        assert_eq!(profile["device"], "cpu");
        assert!(!profile.values().any(|value| value.contains("avx")));
        let error = numeric_profile(Some(63)).unwrap_err();
        assert!(error.to_string().contains("cuda:63"), "{error}");
    }
}
