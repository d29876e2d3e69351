//! Opens a GPU, and says what was looked for where that fails.
//!
//! NVIDIA's libraries are loaded when a GPU is asked for. The crate that binds them panics where one is missing, so all
//! are looked for here first, by the names that it knows.

use std::ffi::{c_char, c_int, c_void};
use std::sync::{Mutex, PoisonError};

use candle_core::Device;
use candle_core::cuda_backend::cudarc::driver::{result, sys};
use libloading::Library;

use super::{library, nccl};
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
/// The library for convolutions.
pub(super) const CUDNN: &str = "libcudnn.so.9";
/// The driver's library.
const DRIVER: &str = "libcuda.so.1";

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
    keep_freed(cuda.cuda_stream().context().cu_device()).map_err(|why| missing(number, &why))?;
    library::Library::open(cuda, numerics).map_err(failed)?;
    Ok(device)
}

/// Lets the driver keep the memory that is freed, for what is next asked for.
fn keep_freed(device: sys::CUdevice) -> std::result::Result<(), String> {
    let mut most = u64::MAX;
    let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD as c_int;
    type Set = unsafe extern "C" fn(*mut c_void, c_int, *mut c_void) -> c_int;
    on_pool(device, "cuMemPoolSetAttribute", |set: Set, pool| {
        // SAFETY: the function's documented signature; the attribute is a 64-bit number, which outlives the call.
        unsafe { set(pool, attribute, (&raw mut most).cast()) }
    })
}

/// Lets the driver give back the memory that is freed.
pub(super) fn give_back_freed(device: sys::CUdevice) -> std::result::Result<(), String> {
    type Trim = unsafe extern "C" fn(*mut c_void, usize) -> c_int;
    on_pool(device, "cuMemPoolTrimTo", |trim: Trim, pool| {
        // SAFETY: the function's documented signature; what is in use stays.
        unsafe { trim(pool, 0) }
    })
}

/// Calls a function of the driver, whose status is a number: it may be one that this program knows no name for.
fn on_pool<F: Copy>(
    device: sys::CUdevice,
    name: &str,
    call: impl FnOnce(F, *mut c_void) -> c_int,
) -> std::result::Result<(), String> {
    let driver = load(DRIVER).ok_or_else(|| format!("{DRIVER} was not found"))?;
    // SAFETY: the device was opened.
    let pool = unsafe { result::device::get_default_mem_pool(device) }.map_err(|error| error.to_string())?;
    // SAFETY: the callers name the type of the function of that name.
    let function = unsafe { driver.get::<F>(name) }.map_err(|error| format!("the driver lacks a function: {error}"))?;
    match call(*function, pool.cast()) {
        0 => Ok(()),
        status => Err(format!("{name} answers with error {status}{}", error_name(&driver, status))),
    }
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

/// A library, by its file's name or, as the bindings do, by that without its version.
pub(super) fn load(file: &str) -> Option<Library> {
    let plain = file.split_inclusive(".so").next().unwrap_or(file);
    // SAFETY: NVIDIA's libraries may be loaded at any time.
    [plain, file].iter().find_map(|name| unsafe { Library::new(*name) }.ok())
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

/// The name of a driver's error in brackets, if it has one.
fn error_name(driver: &Library, status: c_int) -> String {
    let mut text: *const c_char = std::ptr::null();
    // SAFETY: the function's documented signature; the text that it gives is the driver's own and ends.
    let name = unsafe {
        driver
            .get::<unsafe extern "C" fn(c_int, *mut *const c_char) -> c_int>("cuGetErrorName")
            .ok()
            .filter(|of| of(status, &raw mut text) == 0 && !text.is_null())
            .map(|_| std::ffi::CStr::from_ptr(text).to_string_lossy().into_owned())
    };
    name.map_or_else(String::new, |name| format!(" ({name})"))
}

/// A library's version, by the function that its kind has for the parts of it.
fn version(library: &Library, function: &str) -> String {
    // SAFETY: the function's documented signature: which part, and its place.
    let of = unsafe { library.get::<unsafe extern "C" fn(c_int, *mut c_int) -> c_int>(function) }.ok();
    let part = |which: c_int| {
        let mut value = 0;
        // SAFETY: the place outlives the call.
        (unsafe { of.as_ref()?(which, &raw mut value) } == 0).then(|| value.to_string())
    };
    let parts: Option<Vec<String>> = (0..3).map(part).collect();
    parts.map_or_else(|| "of unknown version".to_owned(), |parts| parts.join("."))
}
