//! NVIDIA's libraries as files, loaded when a GPU is asked for.

use std::ffi::{c_char, c_int};
use std::mem::ManuallyDrop;

use libloading::Library;

/// The library for convolutions.
pub const CUDNN: &str = "libcudnn.so.9";
/// The driver's library.
pub const DRIVER: &str = "libcuda.so.1";

/// A library, by its file's name or, where none has it, by that without its version. The name with the version comes first:
/// NVIDIA's Python wheels have no other, and a name without it may be that of another version in a folder of the system.
///
/// It stays loaded. What it has started outlives its handle, and to load it again would take as long again.
pub fn load(file: &str) -> Option<ManuallyDrop<Library>> {
    let plain = file.split_inclusive(".so").next().unwrap_or(file);
    // SAFETY: NVIDIA's libraries may be loaded at any time.
    [file, plain].iter().find_map(|name| unsafe { Library::new(*name) }.ok()).map(ManuallyDrop::new)
}

/// The name of a driver's error in brackets, if it has one.
pub fn error_name(driver: &Library, status: c_int) -> String {
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
pub fn version(library: &Library, function: &str) -> String {
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
