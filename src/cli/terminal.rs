//! The one place that prints: results to standard output, and what goes wrong to standard error.
//!
//! A few lines may stand at the foot of the terminal and be drawn again and again ([`draw`]); what is printed goes above
//! them. The cursor waits at the beginning of the first of them. So all of them are erased by what erases the rest of the
//! screen, also where a terminal that became narrower has folded them.
//!
//! Invariants:
//! - what others wrote (names in data, archives and records, and the output of programs) reaches no terminal raw: control
//!   characters are shown as escapes, [`clean`];
//! - an output that cannot be written is no panic. The first error of standard output is kept, nothing is printed there
//!   any more, the work goes on, and [`end`] turns success into an error; standard error has no other place to tell.

use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::clean::clean;
use super::color;
use super::styled::{Look, Styled};
use crate::cli::exit::Exit;

/// The width of the narrowest terminal that tables are fitted to.
const NARROWEST: usize = 40;

/// Why standard output takes no more.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Whether the process began without a standard output.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Notes that the process began without a standard output: the first text printed there is lost.
pub fn stdout_was_closed() {
    CLOSED.store(true, Ordering::Relaxed);
}

/// The lines at the foot of the terminal, as they were drawn.
static FOOT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What erases the lines at the foot of the terminal, where the cursor stands at their beginning.
const ERASE: &str = "\r\u{1b}[J";

/// The width of the terminal; none where output goes elsewhere, and lines may be as long as they are.
pub fn width() -> Option<usize> {
    room().map(|(width, _)| width).filter(|&width| width >= NARROWEST)
}

/// The columns and rows of the terminal; none where output goes elsewhere, or where it does not tell.
pub fn room() -> Option<(usize, usize)> {
    room_of(io::stdout())
}

fn room_of(stream: impl AsFd) -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    let (columns, rows) = (usize::from(size.ws_col), usize::from(size.ws_row));
    (columns > 0 && rows > 0).then_some((columns, rows))
}

/// Prints to standard output. A reader that went away (`repro run FILE | head`) does not end the work.
pub fn print(text: &str) {
    print_bytes(format!("{}\n", clean(text.trim_end())).as_bytes());
}

/// Prints a text with its styles to standard output, folded to the width of a terminal.
pub fn show(text: &Styled) {
    let text = room().map_or_else(|| text.clone(), |(width, _)| text.folded(width));
    print_bytes(format!("{}\n", text.render(color::stdout()).trim_end()).as_bytes());
}

/// Prints bytes to standard output as they are.
pub fn print_bytes(bytes: &[u8]) {
    let foot = foot();
    match foot.is_empty() {
        true => write(bytes),
        false => write(&[ERASE.as_bytes(), bytes, frame(&foot).as_bytes()].concat()),
    }
}

/// Draws lines at the foot of the terminal, in the place of those before. Each must be narrower than the terminal.
pub fn draw(lines: &[Styled]) {
    let mut foot = foot();
    let color = color::stdout();
    let drawn: Vec<String> = lines.iter().map(|line| line.render(color)).collect();
    if drawn.is_empty() && foot.is_empty() {
        return;
    }
    write(if drawn.is_empty() { ERASE.to_owned() } else { frame(&drawn) }.as_bytes());
    *foot = drawn;
}

/// Erases the lines at the foot of the terminal.
pub fn undraw() {
    draw(&[]);
}

/// Writes lines over what stands from the cursor on, and goes back to the beginning of the first. The terminal wraps no
/// line meanwhile.
fn frame(lines: &[String]) -> String {
    let up = match lines.len() {
        0 | 1 => String::new(),
        lines => format!("\u{1b}[{}A", lines - 1),
    };
    format!("\r\u{1b}[?7l{}\u{1b}[K\u{1b}[J{up}\r\u{1b}[?7h", lines.join("\u{1b}[K\r\n"))
}

fn foot() -> MutexGuard<'static, Vec<String>> {
    FOOT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(bytes: &[u8]) {
    if LOST.get().is_some() {
        return;
    }
    if CLOSED.load(Ordering::Relaxed) {
        let _ = LOST.set(io::Error::other("it is closed"));
        return;
    }
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(bytes).and_then(|()| out.flush()) {
        // Only the first error is of interest.
        let _ = LOST.set(error);
    }
}

/// Prints a warning to standard error.
pub fn warn(text: &str) {
    say(Look::Care, "warning:", text);
}

/// Prints a remark to standard error, as which run a command took.
pub fn note(text: &str) {
    say(Look::Faint, "note:", text);
}

/// Prints an error to standard error.
pub fn error(text: &str) {
    say(Look::Bad, "error:", text);
}

/// Prints what can be done to standard error.
pub fn hint(text: &str) {
    say(Look::Hint, "hint:", text);
}

fn say(look: Look, label: &str, text: &str) {
    let text = Styled::default().with(look, label).plain(format!(" {text}"));
    let text = room_of(io::stderr()).map_or_else(|| text.clone(), |(width, _)| text.folded(width));
    tell(&text.render(color::stderr()));
}

/// Prints what clap says of a command line, or the help that it was asked for, and gives the exit code. Only what is clean
/// already is coloured.
pub fn usage(error: &clap::Error, is_clean: bool) -> Exit {
    let text = error.render();
    let text =
        |color: bool| if color && is_clean { text.ansi().to_string() } else { clean(&text.to_string()).into_owned() };
    match error.use_stderr() {
        true => tell(text(color::stderr()).trim_end()),
        false => print_bytes(format!("{}\n", text(color::stdout()).trim_end()).as_bytes()),
    }
    end(if error.exit_code() == 0 { Exit::Success } else { Exit::Usage })
}

/// What the process ends with: a result that could not be printed is none.
pub fn end(exit: Exit) -> Exit {
    undraw();
    let Some(error) = LOST.get() else { return exit };
    // A reader that went away wants no more, also no message.
    if error.kind() != io::ErrorKind::BrokenPipe {
        self::error(&format!("Could not write to standard output: {error}."));
    }
    match exit {
        Exit::Success | Exit::Different | Exit::Claim => Exit::Storage,
        other => other,
    }
}

/// A line on standard error, as it is. Where that cannot be written, the exit code still tells.
pub fn tell(text: &str) {
    let foot = foot();
    if !foot.is_empty() {
        write(ERASE.as_bytes());
    }
    let _ = writeln!(io::stderr().lock(), "{text}");
    if !foot.is_empty() {
        write(frame(&foot).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_at_the_foot_leave_the_cursor_at_their_beginning() {
        let lines = ["a", "b"].map(str::to_owned);
        assert_eq!(frame(&lines), "\r\u{1b}[?7la\u{1b}[K\r\nb\u{1b}[K\u{1b}[J\u{1b}[1A\r\u{1b}[?7h");
        assert_eq!(frame(&lines[..1]), "\r\u{1b}[?7la\u{1b}[K\u{1b}[J\r\u{1b}[?7h");
    }
}
