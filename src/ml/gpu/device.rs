//! Opens a GPU. Where that fails, the error says of everything that a GPU needs whether it was found.
//!
//! NVIDIA's libraries are loaded when a GPU is asked for. The crate that binds them panics where one is missing, so all
//! are looked for here first, by the names that it knows.

use std::ffi::c_int;
use std::sync::{Mutex, PoisonError};

use candle_core::Device;
use candle_core::cuda_backend::cudarc::driver::{result, sys};
use libloading::Library;

use super::libraries::{CUDNN, DRIVER, error_name, load, version};
use super::{cudnn, launch, nccl, pool};
use crate::ml::error::{Error, Result};
use crate::ml::numerics::Numerics;

/// The CUDA that the kernels are compiled with, as drivers tell theirs: 1000 times the version.
const CUDA: c_int = 13_000;

/// The libraries that computing on a GPU needs, beside the driver's: what each is, its file, and what tells its version.
/// Kernels come compiled, so the run-time compiler is not among them.
const LIBRARIES: [(&str, &str, &str); 3] = [
    ("cuBLAS", "libcublas.so.13", "cublasGetProperty"),
    ("cuRAND", "libcurand.so.10", "curandGetProperty"),
    ("cuDNN", CUDNN, "cudnnGetProperty"),
];
/// The GPU of that number, to compute as `numerics` say. It stays open as long as the program runs, and is the same
/// one for all who ask for the same.
pub fn open(number: usize, numerics: Numerics) -> Result<Device> {
    static OPENED: Mutex<Vec<((usize, Numerics), Device)>> = Mutex::new(Vec::new());
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, device)) = opened.iter().find(|(asked, _)| *asked == (number, numerics)) {
        return Ok(device.clone());
    }
    let device = open_anew(number, numerics)?;
    opened.push(((number, numerics), device.clone()));
    Ok(device)
}

fn open_anew(number: usize, numerics: Numerics) -> Result<Device> {
    look_for(number)?;
    let failed = |error: candle_core::Error| missing(number, &format!("it could not be opened: {error}"));
    let device = Device::new_cuda_with_stream(number).map_err(failed)?;
    let cuda = device.as_cuda_device().map_err(failed)?;
    // SAFETY: all work on this device's memory is on its one stream.
    unsafe { cuda.disable_event_tracking() };
    pool::keep_freed(cuda.cuda_stream().context().cu_device()).map_err(|why| missing(number, &why))?;
    launch::load_kernels(&device).map_err(failed)?;
    cudnn::Library::open(cuda, numerics).map_err(failed)?;
    Ok(device)
}

fn missing(number: usize, why: &str) -> Error {
    Error::Device {
        message: format!("The GPU `cuda:{number}` was asked for, but {why}."),
        hint: "`nvidia-smi` lists the GPUs of this machine, and LD_LIBRARY_PATH may name the folders of NVIDIA's \
               libraries; `--device cpu` computes on the processor."
            .to_owned(),
    }
}

/// An error unless there is a GPU of that number, with all that it needs: one that says of everything whether it was
/// found. Opens no GPU.
pub fn look_for(number: usize) -> Result<()> {
    let lost = |file: &str| format!("{file} was not found");
    let mut found = vec![load(DRIVER).map_or_else(|| Err(lost(DRIVER)), |driver| driver_answers(&driver, number))];
    for (name, file, property) in LIBRARIES {
        let library = load(file).ok_or_else(|| lost(file));
        found.push(library.map(|library| format!("{name} {} was found", version(&library, property))));
    }
    if found.iter().all(std::result::Result::is_ok) {
        return Ok(());
    }
    let texts: Vec<String> = found.into_iter().map(|found| found.unwrap_or_else(|lost| lost)).collect();
    Err(missing(number, &texts.join("; ")))
}

/// The variables by which NVIDIA's libraries let their products be computed otherwise.
const VARIABLES: [&str; 2] = ["NVIDIA_TF32_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG"];

/// What of a GPU and its libraries decides how sums are rounded, by name: its kind, by which kernels and algorithms are
/// chosen, the versions of the libraries that choose and have them, and the variables that these heed. The driver's
/// version is not among them. NCCL is `none` where there is none that can be used: one GPU needs none.
///
/// # Errors
/// A GPU or a library that is missing, as by [`look_for`].
pub fn profile(number: usize) -> Result<Vec<(&'static str, String)>> {
    look_for(number)?;
    let mut profile: Vec<_> = kind(number)?.into_iter().map(|(name, _, value)| (name, value)).collect();
    for (name, file, property) in LIBRARIES.into_iter().filter(|(name, ..)| *name != "cuRAND") {
        let library = load(file).ok_or_else(|| missing(number, &format!("{file} was not found")))?;
        profile.push((name, version(&library, property)));
    }
    profile.push(("NCCL", nccl::version()));
    // In quotes, so that a variable that is set to that word is told from one that is not set.
    let stated = |name| std::env::var_os(name).map_or_else(|| "unset".to_owned(), |value| format!("{value:?}"));
    profile.extend(VARIABLES.into_iter().map(|name| (name, stated(name))));
    Ok(profile)
}

/// The kind of a GPU: a name, what it is in words, and the value of each of its properties. Opens no GPU.
fn kind(number: usize) -> Result<[(&'static str, &'static str, String); 3]> {
    use sys::CUdevice_attribute::{
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
        CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT,
    };
    let ask = || {
        result::init().map_err(candle_core::Error::wrap)?;
        let device = c_int::try_from(number).map_err(candle_core::Error::wrap)?;
        let device = result::device::get(device).map_err(candle_core::Error::wrap)?;
        // SAFETY: the driver gave the device.
        let attribute =
            |which| unsafe { result::device::get_attribute(device, which) }.map_err(candle_core::Error::wrap);
        let major = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        Ok([
            ("capability", "compute capability", format!("{major}.{minor}")),
            ("GPU", "name", result::device::get_name(device).map_err(candle_core::Error::wrap)?),
            (
                "multiprocessors",
                "number of multiprocessors",
                attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?.to_string(),
            ),
        ])
    };
    ask().map_err(|error: candle_core::Error| missing(number, &format!("it does not tell its kind: {error}")))
}

/// An error unless so many GPUs from `first` on round alike: a training has one key, whatever the ranks.
pub fn look_for_difference(first: usize, size: usize) -> Result<()> {
    let expected = kind(first)?;
    for number in first + 1..first + size {
        for ((_, what, found), (.., expected)) in kind(number)?.into_iter().zip(&expected) {
            if found != *expected {
                let why = format!("its {what} is {found}, and that of `cuda:{first}` is {expected}");
                return Err(missing(number, &format!("{why}: the ranks of a training need GPUs of one kind")));
            }
        }
    }
    Ok(())
}

/// The driver's version, and the GPU, or what is wrong with them.
fn driver_answers(driver: &Library, number: usize) -> std::result::Result<String, String> {
    type Call<A> = unsafe extern "C" fn(A) -> c_int;
    let lacks = |error: libloading::Error| format!("the driver's library lacks a function: {error}");
    // SAFETY: the functions' documented signatures, and places that outlive the calls.
    let (status, version, count) = unsafe {
        let (mut version, mut count) = (0, 0);
        let of_version = driver.get::<Call<*mut c_int>>("cuDriverGetVersion").map_err(lacks)?(&raw mut version);
        let init = driver.get::<Call<u32>>("cuInit").map_err(lacks)?(0);
        let of_count = driver.get::<Call<*mut c_int>>("cuDeviceGetCount").map_err(lacks)?(&raw mut count);
        ([of_version, init, of_count].into_iter().find(|status| *status != 0), version, count)
    };
    let driver_version = format!("the driver for CUDA {}.{}", version / 1000, version % 1000 / 10);
    if let Some(status) = status {
        return Err(format!("{driver_version} answers with error {status}{}", error_name(driver, status)));
    }
    if version < CUDA {
        return Err(format!("{driver_version} is older than CUDA {}.{}", CUDA / 1000, CUDA % 1000 / 10));
    }
    if usize::try_from(count).unwrap_or(0) <= number {
        return Err(format!("{driver_version} counts {count} GPUs, from `cuda:0` on"));
    }
    Ok(format!("{driver_version} was found"))
}
