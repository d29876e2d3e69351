//! What the system tells of the time and of this process: for records, never for an artifact.

use std::fs;
use std::time::SystemTime;

/// The current time in nanoseconds since 1970: for records and for the age of files, never for an artifact.
pub fn now() -> i128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i128)
}

/// The most memory that this process has held, in bytes; none where the system does not tell.
pub fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_peak_grows_by_what_is_touched() {
        let before = peak_memory().unwrap();
        let touched = std::hint::black_box(vec![1_u8; before as usize + (64 << 20)]);
        assert!(peak_memory().unwrap() >= touched.len() as u64);
    }
}
