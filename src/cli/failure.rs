//! Why a command failed, in words and as an exit code. Every error of the rooms below becomes one here.

use super::clean::clean;
use super::color;
use super::terminal::{self, tell};
use crate::cli::exit::Exit;
use crate::results;
use crate::stage::StageError;
use crate::store;
use crate::syntax::Diagnostics;

/// Why a command failed: the exit code, one message that says what and where, and what to do.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened; may be several lines.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
    /// Whether the message is rendered for the terminal as it is: with its label, and perhaps in colours.
    pub rendered: bool,
}

/// A failure without a hint.
pub fn fail(exit: Exit, message: impl Into<String>) -> Failure {
    Failure { exit, message: message.into(), hint: String::new(), rendered: false }
}

impl Failure {
    /// Adds what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl From<crate::fsio::Error> for Failure {
    fn from(error: crate::fsio::Error) -> Self {
        // What is no file is of the user's choice; the disk is not at fault.
        let exit = if error.is_irregular() { Exit::Data } else { Exit::Storage };
        fail(exit, error.to_string()).hint(error.hint())
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        fail(if matches!(error, store::Error::NoRun { .. }) { Exit::Usage } else { Exit::Storage }, error.to_string())
            .hint(error.hint())
    }
}

impl From<results::Error> for Failure {
    fn from(error: results::Error) -> Self {
        use results::Error;
        let exit = match error {
            Error::Store(error) => return error.into(),
            Error::Disk(error) => return error.into(),
            Error::Stopped { .. } => Exit::Interrupted,
            Error::Newer { .. }
            | Error::Foreign { .. }
            | Error::ForeignPipeline { .. }
            | Error::Undeclared { .. }
            | Error::Unreadable { .. }
            | Error::Unshown(_) => Exit::Storage,
            Error::Unwritable { .. } => Exit::Bug,
            Error::Archive { .. } => Exit::Data,
            Error::LongName { .. }
            | Error::Exists(_)
            | Error::Nothing(_)
            | Error::NoFigures { .. }
            | Error::NoFolder(_)
            | Error::IsFolder(_)
            | Error::NoModel { .. }
            | Error::Incomparable { .. } => Exit::Usage,
        };
        fail(exit, error.to_string()).hint(error.hint())
    }
}

impl From<StageError> for Failure {
    fn from(error: StageError) -> Self {
        let hint = match &error {
            StageError::Io { hint, .. }
            | StageError::Numeric { hint, .. }
            | StageError::Device { hint, .. }
            | StageError::Command { hint, .. } => hint.clone(),
            StageError::Data(_) | StageError::CorruptInput { .. } | StageError::Cancelled | StageError::Bug(_) => {
                String::new()
            }
        };
        fail(exit_of(&error), error.to_string()).hint(hint)
    }
}

/// The exit code of a stage's error.
pub fn exit_of(error: &StageError) -> Exit {
    match error {
        StageError::Data(_) => Exit::Data,
        StageError::Io { .. } | StageError::CorruptInput { .. } => Exit::Storage,
        StageError::Numeric { .. } => Exit::Numeric,
        StageError::Device { .. } => Exit::Device,
        StageError::Command { .. } => Exit::Stage,
        StageError::Cancelled => Exit::Interrupted,
        StageError::Bug(_) => Exit::Bug,
    }
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        let rendered = rendered(diagnostics, color::stderr());
        Failure { rendered: true, ..fail(Exit::Usage, rendered) }
    }
}

/// Faults of a pipeline as text for the terminal. What the user's files hold is made clean before it is coloured.
fn rendered(mut diagnostics: Diagnostics, color: bool) -> String {
    let escape = |text: &mut String| *text = clean(text).into_owned();
    for fault in &mut diagnostics.faults {
        [&mut fault.message, &mut fault.label, &mut fault.hint].into_iter().for_each(escape);
        fault.related.iter_mut().for_each(|(_, label)| escape(label));
    }
    let text = diagnostics.render(color);
    if color { text } else { clean(&text).into_owned() }
}

/// Prints a failure: what, where, what to do.
pub fn report(failure: &Failure) {
    if !failure.message.is_empty() {
        // Diagnostics of a pipeline come rendered, in colours of our own; everything else gets its label here.
        match failure.rendered {
            true => tell(failure.message.trim_end()),
            false => terminal::error(failure.message.trim_end()),
        }
    }
    if !failure.hint.is_empty() {
        terminal::hint(&failure.hint);
    }
}
