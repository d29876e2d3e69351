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

/// How long the cores of the machine were busy since it started, and how long there were any: in ticks, all cores together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticks {
    /// The ticks in which a core did something, or another machine had it.
    pub busy: u64,
    /// All ticks.
    pub all: u64,
    /// How many cores these are of. A process may be allowed fewer.
    pub cores: usize,
}

/// How busy the machine was since it started; none where the system does not tell.
pub fn ticks() -> Option<Ticks> {
    machine_ticks(&fs::read_to_string("/proc/stat").ok()?)
}

/// The ticks in which a process was at work, all its threads together; none where the system does not tell.
pub fn ticks_of(process: u32) -> Option<u64> {
    process_ticks(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// How many threads were ready to run on average over the last minute; none where the system does not tell.
pub fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

fn machine_ticks(stat: &str) -> Option<Ticks> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let counts: Vec<u64> = line.split_whitespace().map(|count| count.parse().ok()).collect::<Option<_>>()?;
    // user, nice, system, idle, iowait, irq, softirq, steal; the guests behind them are part of user and nice.
    let counts = counts.get(..8)?;
    let all: u64 = counts.iter().sum();
    let idle = counts[3] + counts[4];
    let is_core =
        |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let cores = stat.lines().filter(is_core).count();
    (all > 0 && cores > 0).then_some(Ticks { busy: all - idle, all, cores })
}

fn process_ticks(stat: &str) -> Option<u64> {
    // The name in parentheses may hold blanks and parentheses itself.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let mut next = || times.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_as_linux_writes_them() {
        let stat = "cpu  10 20 30 400 5 6 7 8 9 9\ncpu0 1 2\ncpu11 1 2\nintr 5\n";
        assert_eq!(machine_ticks(stat), Some(Ticks { busy: 81, all: 486, cores: 2 }));
        assert_eq!(
            [machine_ticks("cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 0\n"), machine_ticks("cpu 1 2\n"), machine_ticks("")],
            [None; 3]
        );
        let stat = "812 (a b) c) S 1 2 3 4 5 6 7 8 9 10 300 21 0 0 20 0 1\n";
        assert_eq!(process_ticks(stat), Some(321));
        assert_eq!([process_ticks("812 (a"), process_ticks("")], [None; 2]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_peak_grows_by_what_is_touched() {
        let before = peak_memory().unwrap();
        let touched = std::hint::black_box(vec![1_u8; before as usize + (64 << 20)]);
        assert!(peak_memory().unwrap() >= touched.len() as u64);
    }
}
