//! The one place that prints: results to standard output, and what goes wrong to standard error.
//!
//! Invariants:
//! - what others wrote (names in data, archives and records, and the output of programs) reaches no terminal raw: control
//!   characters are shown as escapes, [`clean`];
//! - an output that cannot be written is no panic. The first error of standard output is kept, nothing is printed there
//!   any more, the work goes on, and [`end`] turns success into an error; standard error has no other place to tell.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cli::exit::Exit;
use crate::table::{is_control, visible};

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

/// Whether errors go to a terminal, so that they may be coloured.
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// The width of the terminal; none where output goes elsewhere, and lines may be as long as they are.
pub fn width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).map(|size| usize::from(size.ws_col));
    size.ok().filter(|&width| width >= NARROWEST)
}

/// Prints to standard output. A reader that went away (`repro run FILE | head`) does not end the work.
pub fn print(text: &str) {
    print_bytes(format!("{}\n", clean(text.trim_end())).as_bytes());
}

/// Prints bytes that are no text to standard output, which is no terminal then.
pub fn print_bytes(bytes: &[u8]) {
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
    tell(&format!("warning: {}", clean(text)));
}

/// Prints a remark to standard error, as which run a command took.
pub fn note(text: &str) {
    tell(&format!("note: {}", clean(text)));
}

/// Prints what clap says of a command line, or the help that it was asked for, and gives the exit code.
pub fn usage(error: &clap::Error) -> Exit {
    let text = error.render();
    match error.use_stderr() {
        true if stderr_is_terminal() => tell(text.ansi().to_string().trim_end()),
        true => tell(&clean(text.to_string().trim_end())),
        false => print(&text.to_string()),
    }
    end(if error.exit_code() == 0 { Exit::Success } else { Exit::Usage })
}

/// What the process ends with: a result that could not be printed is none.
pub fn end(exit: Exit) -> Exit {
    let Some(error) = LOST.get() else { return exit };
    // A reader that went away wants no more, also no message.
    if error.kind() != io::ErrorKind::BrokenPipe {
        tell(&format!("error: Could not write to standard output: {error}."));
    }
    match exit {
        Exit::Success | Exit::Different | Exit::Claim => Exit::Storage,
        other => other,
    }
}

/// A line on standard error. Where that cannot be written, the exit code still tells.
pub fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A text in which nothing but ends of lines and tabs controls a terminal: control characters, and those that turn the
/// direction of writing, are shown as JSON writes them (`\u001b`).
pub fn clean(text: &str) -> Cow<'_, str> {
    let controls = |c: char| is_control(c) && !matches!(c, '\n' | '\t');
    if !text.contains(controls) {
        return Cow::Borrowed(text);
    }
    let text = text.replace("\r\n", "\n");
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| line.split('\t').map(|part| visible(part)).collect::<Vec<_>>().join("\t"))
        .collect();
    Cow::Owned(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controls_a_terminal_is_shown_and_all_else_stays() {
        for same in ["", "a\tb\nc", "ä \u{1f600} \u{200d}", "{\"a\": \"\\u001b\"}"] {
            assert!(matches!(clean(same), Cow::Borrowed(text) if text == same), "{same}");
        }
        assert_eq!(clean("\u{1b}]0;x\u{7}"), "\\u001b]0;x\\u0007");
        assert_eq!(clean("a\r\nb\rc\u{9b}31m\u{7f}\u{202e}"), "a\nb\\u000dc\\u009b31m\\u007f\\u202e");
        // The same text for who reads JSON.
        let json = serde_json::to_string("\u{9b}\u{7f}\u{1b}").unwrap();
        assert_eq!(serde_json::from_str::<String>(&clean(&json)).unwrap(), "\u{9b}\u{7f}\u{1b}");
    }
}
