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

/// The most memory that this process has held, in bytes; none where the system does not tell.
pub fn peak() -> Option<u64> {
    let status = crate::fsio::read_to_string(std::path::Path::new("/proc/self/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_peak_grows_by_what_is_touched() {
        let before = peak().unwrap();
        let touched = std::hint::black_box(vec![1_u8; before as usize + (64 << 20)]);
        assert!(peak().unwrap() >= touched.len() as u64);
    }
}
