//! The lines of a run at the foot of the terminal: drawn again several times a second, and gone when the run ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::board::Board;
use super::forecast::Forecast;
use super::layout::{Room, lines};
use crate::cli::signs::Signs;
use crate::cli::styled::{Look, Styled};
use crate::cli::terminal;
use crate::engine::{LogLine, RunEvent};
use crate::stage::Cancel;

/// How often the lines are drawn.
const OFTEN: Duration = Duration::from_millis(125);

/// The lines at the foot of the terminal.
pub struct Live {
    shared: Arc<Shared>,
    painter: Option<JoinHandle<()>>,
}

struct Shared {
    board: Mutex<Board>,
    /// When the run began.
    begin: Mutex<Option<Instant>>,
    stop: AtomicBool,
    cancel: Cancel,
}

impl Live {
    /// Begins to draw, as soon as the run begins. After a request to stop, the lines go: one sentence says what happens,
    /// and the terminal stays as it is, also if a second request ends the process.
    pub fn new(forecast: Forecast, cancel: Cancel) -> Self {
        let shared = Arc::new(Shared {
            board: Mutex::new(Board::new(forecast)),
            begin: Mutex::new(None),
            stop: AtomicBool::new(false),
            cancel,
        });
        let painter = {
            let shared = shared.clone();
            thread::spawn(move || shared.paint())
        };
        Live { shared, painter: Some(painter) }
    }

    /// Takes in an event.
    pub fn take(&self, line: &LogLine) {
        if matches!(line.event, RunEvent::RunStarted { .. }) {
            let at = Duration::try_from_secs_f64(line.at).unwrap_or_default();
            *locked(&self.shared.begin) = Instant::now().checked_sub(at);
        }
        locked(&self.shared.board).take(line);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(painter) = self.painter.take() {
            painter.thread().unpark();
            let _ = painter.join();
        }
        terminal::undraw();
    }
}

impl Shared {
    fn paint(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            if self.cancel.requested() {
                terminal::undraw();
                terminal::show(&stopping(locked(&self.board).running()));
                return;
            }
            let begin = *locked(&self.begin);
            if let Some(begin) = begin {
                let room = terminal::room();
                let drawn = room.map(|(width, rows)| {
                    // The last column stays free: some terminals wrap a line that fills it.
                    let room = Room {
                        width: width.saturating_sub(1),
                        lines: rows.saturating_sub(1).max(1),
                        signs: Signs::known(),
                    };
                    lines(&locked(&self.board), begin.elapsed().as_secs_f64(), room)
                });
                terminal::draw(&drawn.unwrap_or_default());
            }
            thread::park_timeout(OFTEN);
        }
    }
}

fn stopping(running: usize) -> Styled {
    let what = match running {
        0 => "Stopping.".to_owned(),
        1 => "Stopping: the node at work ends at its next safe point.".to_owned(),
        nodes => format!("Stopping: the {nodes} nodes at work end at their next safe points."),
    };
    Styled::default().with(Look::Care, what).plain(" Ctrl-C again ends it at once.")
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
