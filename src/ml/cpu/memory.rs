//! How the process holds the memory of tensors.

/// Lets the allocator keep what tensors free, for the next tensors. A step frees and asks again for some hundreds of
/// megabytes; glibc hands each large piece back to the system, and the system clears it page by page when it is touched
/// again: about a tenth of a step. The most memory held stays what a step needs. Elsewhere than on glibc it does nothing.
pub fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: these change parameters of the allocator alone, which any thread may do.
    unsafe {
        // Every piece comes from the heap, the heap never shrinks, and grows by 64 MiB.
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
    }
}
