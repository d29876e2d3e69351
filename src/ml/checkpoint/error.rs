//! What can be wrong with a file of weights.

use crate::fsio;

/// A file that cannot be used, with the place in it and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not there or cannot be read.
    #[error(transparent)]
    File(#[from] fsio::Error),
    /// The content is at fault.
    #[error("{}{what}", place(.file, .at))]
    Content {
        /// The file; empty where there is but one.
        file: String,
        /// Where in it: an offset, an entry, a tensor; may be empty.
        at: String,
        /// What is wrong, as a sentence.
        what: String,
        /// What to do.
        hint: &'static str,
    },
}

/// The result of reading weights.
pub type Result<T> = std::result::Result<T, Error>;

/// What to do about a file that is not what it was when it was written.
const DAMAGED: &str = "The file is damaged or cut off; fetch it again.";

impl Error {
    /// A damaged file: `what` is wrong at `at`.
    pub(super) fn damaged(at: impl Into<String>, what: impl Into<String>) -> Self {
        Error::refused(at, what, DAMAGED)
    }

    /// A sound file with something that cannot be read here, and what to do about it.
    pub(super) fn refused(at: impl Into<String>, what: impl Into<String>, hint: &'static str) -> Self {
        Error::Content { file: String::new(), at: printable(&at.into()), what: printable(&what.into()), hint }
    }

    /// The same error with the file's name, where it has none yet.
    pub(super) fn of_file(mut self, name: &str) -> Self {
        if let Error::Content { file, .. } = &mut self
            && file.is_empty()
        {
            name.clone_into(file);
        }
        self
    }

    /// The same error at a tensor, where it names no place yet.
    pub(super) fn of_tensor(mut self, name: &str) -> Self {
        if let Error::Content { at, .. } = &mut self
            && at.is_empty()
        {
            *at = printable(&format!("tensor `{name}`"));
        }
        self
    }

    /// The same error in a part of the file that starts at byte `start`.
    pub(super) fn after(mut self, start: usize) -> Self {
        if let Error::Content { at, .. } = &mut self
            && start > 0
        {
            *at = format!("{at} of the part from byte {start}");
        }
        self
    }

    /// The message for a reader who has just been told of the file `name`.
    pub fn within(&self, name: &str) -> String {
        match self {
            Error::Content { file, at, what, .. } if file == name => format!("{}{what}", place("", at)),
            other => other.to_string(),
        }
    }

    /// What to do; may be empty.
    pub fn hint(&self) -> &'static str {
        match self {
            Error::File(error) => error.hint(),
            Error::Content { hint, .. } => hint,
        }
    }
}

/// A text that may quote a file, without what would do things to a terminal, and not without end.
fn printable(text: &str) -> String {
    const MOST: usize = 500;
    let plain = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    let mut out: String = text.chars().take(MOST).map(plain).collect();
    if text.chars().nth(MOST).is_some() {
        out.push('…');
    }
    out
}

fn place(file: &str, at: &str) -> String {
    match (file, at) {
        ("", "") => String::new(),
        (file, "") => format!("{file}: "),
        ("", at) => format!("{at}: "),
        (file, at) => format!("{file}, {at}: "),
    }
}
