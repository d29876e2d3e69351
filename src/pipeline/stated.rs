//! What files state, before any of it is checked: documents, and stages with the changes that apply to them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::limits;
use crate::syntax::limits::LABEL;
use crate::syntax::{Diagnostic, Span, Text, Tree, Word, cut, names, suggestion};

/// What profiles and `--set` call the matrix.
pub(super) const MATRIX: &str = "matrix";

/// A file and what it states.
pub(super) struct Document {
    pub text: Arc<Text>,
    /// The pipeline's name; only its own file states one.
    pub name: String,
    /// The stages that it states or changes. `declare` takes their trees.
    pub stages: Vec<(Word, Tree)>,
    pub profiles: Vec<(Word, Tree)>,
    /// The matrix; only the pipeline's own file states one.
    pub matrix: Option<Tree>,
    /// The included stages that run although nothing of the pipeline's own needs them.
    pub targets: Vec<Word>,
    /// The files whose stages it sees, by number, its own among them.
    pub sees: BTreeSet<usize>,
}

impl Document {
    /// Whether this is the pipeline's own file.
    pub fn is_main(&self) -> bool {
        !self.name.is_empty()
    }
}

/// A stage as stated, with the changes that apply to it.
#[derive(Clone)]
pub(super) struct Declared {
    pub name: Word,
    pub tree: Tree,
    /// The file that states it, by number.
    pub document: usize,
}

/// A fault: no stage of that name among those that are `visible`.
pub(super) fn unknown_stage<'a, I: Iterator<Item = &'a str>>(stage: &Word, visible: &dyn Fn() -> I) -> Diagnostic {
    let message = format!("There is no stage `{}`{}", cut(&stage.text, LABEL), suggestion(&stage.text, visible()));
    let hint = format!("The stages that can be changed here are {}.", names(visible()));
    Diagnostic::new(&stage.span, message).hint(hint)
}

/// A fault: results are kept in folders of these names.
pub(super) fn too_long(span: &Span, what: &str, name: &str) -> Diagnostic {
    let message =
        format!("The name of the {what} has {} characters; at most {} are allowed.", name.len(), limits::FOLDER);
    Diagnostic::new(span, message).hint("Results are kept under it, and disks take no longer names.")
}
