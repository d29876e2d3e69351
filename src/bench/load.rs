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
    /// Of so many. The process may be allowed fewer.
    pub cores: usize,
}

impl Watch {
    /// Begins to watch a process, by its number.
    pub fn begin(process: u32) -> Self {
        Watch { process, start: fsio::ticks().zip(fsio::ticks_of(process)) }
    }

    /// How busy the machine was since then. None where the system does not tell it, or too little time has passed.
    pub fn end(self) -> Option<Busy> {
        busy(self.start?, (fsio::ticks()?, fsio::ticks_of(self.process)?))
    }
}

fn busy(start: (Ticks, u64), end: (Ticks, u64)) -> Option<Busy> {
    let cores = end.0.cores;
    let all = end.0.all.checked_sub(start.0.all)?;
    let (busy, own) = (end.0.busy.checked_sub(start.0.busy)?, end.1.checked_sub(start.1)?);
    let share = |ticks: u64| ticks as f64 / all as f64 * cores as f64;
    (all >= LEAST * cores as u64).then(|| Busy { own: share(own), others: share(busy.saturating_sub(own)), cores })
}

impl Busy {
    /// Whether others may have disturbed the measurement: they kept busy more than a twentieth of the cores, and more than a
    /// quarter of one.
    pub fn is_disturbed(&self) -> bool {
        self.others > (self.cores as f64 / 20.0).max(0.25)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(busy: u64, all: u64) -> Ticks {
        Ticks { busy, all, cores: 4 }
    }

    #[test]
    fn the_load_of_others_is_what_the_process_did_not_make() {
        let start = (ticks(1000, 9000), 40);
        let half = busy(start, (ticks(1300, 9400), 240)).unwrap();
        assert_eq!(half, Busy { own: 2.0, others: 1.0, cores: 4 });
        // The counters of a process and of the machine are read one after the other.
        assert_eq!(busy(start, (ticks(1200, 9400), 241)).unwrap().others, 0.0);
        assert_eq!(busy(start, (ticks(1100, 9199), 40)), None, "too short a time");
        assert_eq!(busy(start, (ticks(900, 9400), 40)), None, "the counters fell");
    }

    #[test]
    fn a_twentieth_of_the_cores_may_be_busy_but_a_quarter_of_one_may_always() {
        let disturbed = |others, cores| Busy { own: 1.0, others, cores }.is_disturbed();
        assert!(disturbed(1.0, 4) && disturbed(1.0, 19) && !disturbed(1.0, 20) && !disturbed(0.25, 1));
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
