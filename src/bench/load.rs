//! What else a machine does while something is measured on it.
//!
//! Invariants:
//! - the load of others is counted, not guessed: it is the processor time of all processes without that of the measured one,
//!   over the very time of the measurement. A load average would hold the measured process too, and the minute before;
//! - what the system does not tell is left out, and so is a share of too short a time.

use crate::fsio::{self, Ticks};

/// The least time for which a share is told, in ticks of one core: half a second where a second has a hundred, as on Linux.
const LEAST: u64 = 50;

/// A process that is watched.
#[derive(Debug)]
pub struct Watch {
    process: u32,
    start: Option<(Ticks, u64)>,
}

/// How many cores were busy on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Busy {
    /// With the process that was watched.
    pub own: f64,
    /// With anything else.
    pub others: f64,
}

impl Watch {
    /// Begins to watch a process, by its number.
    pub fn begin(process: u32) -> Self {
        Watch { process, start: fsio::ticks().zip(fsio::ticks_of(process)) }
    }

    /// How busy the machine was since then. None where the system does not tell it, or too little time has passed.
    pub fn end(self) -> Option<Busy> {
        busy(self.start?, (fsio::ticks()?, fsio::ticks_of(self.process)?), fsio::cores())
    }
}

fn busy(start: (Ticks, u64), end: (Ticks, u64), cores: usize) -> Option<Busy> {
    let all = end.0.all.checked_sub(start.0.all)?;
    let (busy, own) = (end.0.busy.checked_sub(start.0.busy)?, end.1.checked_sub(start.1)?);
    let share = |ticks: u64| ticks as f64 / all as f64 * cores as f64;
    (all >= LEAST * cores as u64).then(|| Busy { own: share(own), others: share(busy.saturating_sub(own)) })
}

impl Busy {
    /// Whether others may have disturbed the measurement: they kept busy more than a twentieth of the cores, and more than a
    /// quarter of one.
    pub fn is_disturbed(&self, cores: usize) -> bool {
        self.others > (cores as f64 / 20.0).max(0.25)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(busy: u64, all: u64) -> Ticks {
        Ticks { busy, all }
    }

    #[test]
    fn the_load_of_others_is_what_the_process_did_not_make() {
        let start = (ticks(1000, 9000), 40);
        let half = busy(start, (ticks(1300, 9400), 240), 4).unwrap();
        assert_eq!(half, Busy { own: 2.0, others: 1.0 });
        assert!(half.is_disturbed(4) && half.is_disturbed(19) && !half.is_disturbed(20));
        // The counters of a process and of the machine are read one after the other.
        assert_eq!(busy(start, (ticks(1200, 9400), 241), 4).unwrap().others, 0.0);
        assert_eq!(busy(start, (ticks(1100, 9199), 40), 4), None, "too short a time");
        assert_eq!(busy(start, (ticks(900, 9400), 40), 4), None, "the counters fell");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_seen_at_work() {
        let watch = Watch::begin(std::process::id());
        let begin = std::time::Instant::now();
        let mut sum = 0_u64;
        while begin.elapsed().as_millis() < 900 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(watch.end().is_none_or(|busy| busy.own > 0.0 && busy.others >= 0.0));
    }
}
