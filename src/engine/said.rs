//! What a job says while it works: lines of JSON in the file `events` of its folder.
//!
//! Invariants:
//! - a line is written in one piece;
//! - no result is in these lines: whoever reads them late, or not at all, loses no result.

use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::folder::EVENTS;
use super::growing::Growing;
use crate::fsio;
use crate::stage::{Event, Events};

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Said {
    /// The lock is taken, and this process begins.
    Started { pid: u32 },
    /// The stage says something.
    Event(Event),
}

/// How a job speaks. Text goes to standard error, which is its log, too.
pub(super) struct Voice(Mutex<Option<Box<dyn Write + Send>>>);

impl Voice {
    pub fn new(folder: &Path) -> Self {
        // Where nothing can be said, the work is done all the same.
        let events = fsio::append(&folder.join(EVENTS)).ok();
        Voice(Mutex::new(events.map(|file| Box::new(file) as Box<dyn Write + Send>)))
    }

    pub fn say(&self, said: &Said) {
        let Ok(json) = serde_json::to_string(said) else { return };
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = events.as_mut().map(|events| events.write_all(format!("{json}\n").as_bytes()));
    }

    pub fn log(&self, text: &str) {
        let _ = std::io::stderr().lock().write_all(format!("{text}\n").as_bytes());
    }
}

impl Events for Voice {
    fn emit(&self, event: Event) {
        match &event {
            Event::Log { text } => self.log(text),
            Event::Warning { text } => self.log(&format!("Warning: {text}")),
            _ => {}
        }
        self.say(&Said::Event(event));
    }
}

/// Reads what a job says.
pub(super) struct Ear {
    file: Growing,
}

impl Ear {
    pub fn new(folder: &Path) -> Self {
        Ear { file: Growing::new(folder.join(EVENTS)) }
    }

    /// The messages since the last call; of several figures of one sort, the newest.
    pub fn hear(&mut self) -> Vec<Event> {
        let (mut progress, mut scalars, mut others) = (None, None, Vec::new());
        while let Some(text) = self.file.part() {
            for line in text.split(|byte| *byte == b'\n') {
                match serde_json::from_slice(line) {
                    Ok(Said::Event(event @ Event::Progress { .. })) => progress = Some(event),
                    Ok(Said::Event(event @ Event::Scalars { .. })) => scalars = Some(event),
                    Ok(Said::Event(event)) => others.push(event),
                    Ok(Said::Started { .. }) | Err(_) => {}
                }
            }
        }
        others.extend(scalars);
        others.extend(progress);
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(done: u64) -> Event {
        Event::Progress { done, total: 9, unit: "steps".into() }
    }

    #[test]
    fn what_is_said_is_heard_once_and_of_figures_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let mut ear = Ear::new(dir.path());
        assert!(ear.hear().is_empty(), "nothing was said yet");
        let voice = Voice::new(dir.path());
        voice.say(&Said::Started { pid: 7 });
        for done in 1..5 {
            voice.emit(step(done));
        }
        voice.emit(Event::Checkpoint { step: 4 });
        assert_eq!(ear.hear(), [Event::Checkpoint { step: 4 }, step(4)]);
        assert!(ear.hear().is_empty());
        // A line that is not whole is heard when it is.
        let mut file = fsio::append(&dir.path().join(EVENTS)).unwrap();
        let line = serde_json::to_string(&Said::Event(step(5))).unwrap();
        file.write_all(&line.as_bytes()[..9]).unwrap();
        assert!(ear.hear().is_empty());
        file.write_all(&line.as_bytes()[9..]).unwrap();
        assert!(ear.hear().is_empty());
        file.write_all(b"\nno JSON\n").unwrap();
        assert_eq!(ear.hear(), [step(5)]);
    }

    #[test]
    fn much_that_is_said_is_heard_in_parts() {
        let dir = tempfile::tempdir().unwrap();
        let voice = Voice::new(dir.path());
        let text = "x".repeat(1000);
        for _ in 0..3000 {
            voice.say(&Said::Event(Event::Warning { text: text.clone() }));
        }
        assert_eq!(Ear::new(dir.path()).hear().len(), 3000);
    }
}
