//! The memory pool of a GPU's driver: whether memory that is freed stays there for the next allocation.

use std::ffi::{c_int, c_void};

use candle_core::cuda_backend::cudarc::driver::{result, sys};

use super::libraries::{DRIVER, error_name, load};

/// Lets the driver keep the memory that is freed, for what is next asked for.
pub fn keep_freed(device: sys::CUdevice) -> std::result::Result<(), String> {
    let mut most = u64::MAX;
    let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD as c_int;
    type Set = unsafe extern "C" fn(*mut c_void, c_int, *mut c_void) -> c_int;
    on_pool(device, "cuMemPoolSetAttribute", |set: Set, pool| {
        // SAFETY: the function's documented signature; the attribute is a 64-bit number, which outlives the call.
        unsafe { set(pool, attribute, (&raw mut most).cast()) }
    })
}

/// Lets the driver give back the memory that is freed.
pub fn give_back_freed(device: sys::CUdevice) -> std::result::Result<(), String> {
    type Trim = unsafe extern "C" fn(*mut c_void, usize) -> c_int;
    on_pool(device, "cuMemPoolTrimTo", |trim: Trim, pool| {
        // SAFETY: the function's documented signature; what is in use stays.
        unsafe { trim(pool, 0) }
    })
}

/// Calls a function of the driver, whose status is a number: it may be one that this program knows no name for.
pub fn on_pool<F: Copy>(
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
