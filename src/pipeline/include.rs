//! Reading a pipeline's file and the files that it includes.
//!
//! Invariants:
//! - files come in an order in which every file follows those that it includes, the pipeline's own file last;
//! - a file is read once, however many ways lead to it;
//! - every stage is defined in one place; a file may change those that it includes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::diagnose::{Diagnostic, Diagnostics, Span, Text, names, suggestion};
use super::matrix::{self, MATRIX};
use super::overrides::merge;
use super::syntax::parse;
use super::tree::{Form, Tree, Word};
use crate::fsio;

/// How many characters the name of a pipeline or a stage may have: with what is added to it, it stays below the 255 bytes
/// that disks take.
const LONGEST: usize = 200;

/// A file and what it states.
pub(super) struct Document {
    pub text: Arc<Text>,
    /// The pipeline's name; only its own file states one.
    pub name: String,
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

/// Reads `file` and all that it includes. What can be used comes back with the faults that lose nothing.
pub(super) fn load(file: &Path, faults: &mut Vec<Diagnostic>) -> Result<Vec<Document>, Diagnostics> {
    let mut loader = Loader { documents: Vec::new(), known: BTreeMap::new(), stack: Vec::new(), faults, whole: true };
    if let Err(error) = loader.load(file, None) {
        loader.fault(Diagnostic::unplaced(error.to_string()).hint(error.hint()));
    }
    let (documents, whole) = (loader.documents, loader.whole);
    if whole { Ok(documents) } else { Err(Diagnostics::new(std::mem::take(faults))) }
}

/// The stages of all files, by name.
pub(super) fn stages(documents: &[Document], faults: &mut Vec<Diagnostic>) -> BTreeMap<String, Declared> {
    let mut stages: BTreeMap<String, Declared> = BTreeMap::new();
    for (document, name, tree) in
        documents.iter().enumerate().flat_map(|(n, d)| d.stages.iter().map(move |(w, t)| (n, w, t)))
    {
        if !is_stage_name(&name.text) {
            let message = format!("`{}` cannot be the name of a stage.", name.text);
            let hint = "Use letters, digits, `_`, `-` and `.`, with a letter, a digit or `_` first.";
            faults.push(Diagnostic::new(&name.span, message).hint(hint));
        }
        if name.text == MATRIX {
            let message = format!("`{MATRIX}` cannot be the name of a stage.");
            faults.push(
                Diagnostic::new(&name.span, message).hint("Profiles and `--set` change the matrix by that name."),
            );
        }
        if ["log.txt", "manifest.json", "run.json", "pipeline.ron"].contains(&name.text.as_str()) {
            let message = format!("`{}` cannot be the name of a stage.", name.text);
            faults.push(Diagnostic::new(&name.span, message).hint("A file among the results has that name."));
        }
        if name.text.len() > LONGEST {
            faults.push(too_long(&name.span, "stage", &name.text));
        }
        match stages.get_mut(&name.text) {
            Some(earlier) if changes(tree) && documents[document].sees.contains(&earlier.document) => {
                merge(&mut earlier.tree, tree.clone());
            }
            Some(earlier) => faults.push(
                Diagnostic::new(&name.span, format!("The stage `{}` is defined twice.", name.text))
                    .label("again")
                    .related(&earlier.name.span, "first defined here")
                    .hint(
                        "Rename one of them; to change an included stage, state the fields that differ: `(steps: 5)`.",
                    ),
            ),
            None => {
                let declared = Declared { name: name.clone(), tree: tree.clone(), document };
                stages.insert(name.text.clone(), declared);
            }
        }
    }
    stages
}

/// Whether a stage's value is a change: a structure without a name.
fn changes(tree: &Tree) -> bool {
    matches!(tree.structure(), Some((None, _)))
}

/// The stages that run: those that the pipeline's own file states or changes, and those that a file says always run.
pub(super) fn targets(documents: &[Document], faults: &mut Vec<Diagnostic>) -> BTreeSet<String> {
    let own = documents.last().into_iter().flat_map(|main| main.stages.iter().map(|(name, _)| name.text.clone()));
    let mut targets: BTreeSet<String> = own.collect();
    for document in documents {
        let visible = document.sees.iter().filter_map(|&seen| documents.get(seen)).flat_map(|seen| &seen.stages);
        let visible: BTreeSet<&str> = visible.map(|(name, _)| name.text.as_str()).collect();
        for target in &document.targets {
            match visible.contains(target.text.as_str()) {
                true => _ = targets.insert(target.text.clone()),
                false => {
                    let message = format!(
                        "There is no stage `{}`{}",
                        target.text,
                        suggestion(&target.text, visible.iter().copied())
                    );
                    let hint = "`targets` names stages of its own file and of those that it includes.";
                    faults.push(Diagnostic::new(&target.span, message).hint(hint));
                }
            }
        }
    }
    targets
}

/// A fault: results are kept in folders of these names.
fn too_long(span: &Span, what: &str, name: &str) -> Diagnostic {
    let message = format!("The name of the {what} has {} characters; at most {LONGEST} are allowed.", name.len());
    Diagnostic::new(span, message).hint("Results are kept under it, and disks take no longer names.")
}

/// A name that is safe in a path and in a reference.
fn is_stage_name(name: &str) -> bool {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    name.chars().all(safe) && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

/// `path` without `.` and without `..` where these can be resolved in the text alone.
pub(super) fn tidy(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            _ => out.push(component),
        }
    }
    out
}

struct Loader<'a> {
    documents: Vec<Document>,
    /// The number of every file that was read, by its canonical path.
    known: BTreeMap<PathBuf, usize>,
    /// The files being read, each included by the one before: canonical path and name.
    stack: Vec<(PathBuf, String)>,
    faults: &'a mut Vec<Diagnostic>,
    whole: bool,
}

impl Loader<'_> {
    fn fault(&mut self, fault: Diagnostic) {
        self.whole = false;
        self.faults.push(fault);
    }

    /// Reads a file unless that was done, and returns its number; none for a file that includes itself.
    fn load(&mut self, path: &Path, included: Option<&Span>) -> fsio::Result<Option<usize>> {
        let canonical = fsio::canonical(path)?;
        if let Some(&number) = self.known.get(&canonical) {
            return Ok(Some(number));
        }
        let name = tidy(path).display().to_string();
        if let (Some(start), Some(span)) = (self.stack.iter().position(|(open, _)| *open == canonical), included) {
            let chain: Vec<&str> = self.stack[start..].iter().map(|(_, name)| name.as_str()).chain([&*name]).collect();
            let fault = Diagnostic::new(span, format!("The files include each other: {}.", chain.join(" -> ")))
                .hint("Remove this one, or move what both need into a file of its own.");
            self.fault(fault);
            return Ok(None);
        }
        let content = fsio::read_to_string(path)?;
        let folder = canonical.parent().unwrap_or(&canonical).to_owned();
        let parsed = parse(&Arc::new(Text { name: name.clone(), content, folder }), 0);
        self.whole &= parsed.whole;
        self.faults.extend(parsed.faults);
        self.stack.push((canonical.clone(), name));
        let main = included.is_none();
        let document = self.document(parsed.tree, parsed.whole, main, path.parent().unwrap_or(Path::new("")));
        self.stack.pop();
        self.known.insert(canonical, self.documents.len());
        self.documents.push(document);
        Ok(Some(self.documents.len() - 1))
    }

    /// Takes a file apart and reads what it includes. Of a file that is not whole only the includes are followed:
    /// what else is missing there may be due to the faults of its syntax.
    fn document(&mut self, tree: Tree, whole: bool, main: bool, folder: &Path) -> Document {
        let text = tree.span.text.clone();
        let mut document = Document {
            text,
            name: String::new(),
            stages: vec![],
            profiles: vec![],
            matrix: None,
            targets: vec![],
            sees: BTreeSet::new(),
        };
        let (wanted, known): (&str, &[&str]) = match main {
            true => ("Pipeline", &["name", "include", "matrix", "stages", "profiles"]),
            false => ("Stages", &["include", "stages", "profiles", "targets"]),
        };
        let fields = match tree.structure() {
            Some((Some(head), fields)) if head.text == wanted => fields,
            _ if !whole => return document,
            head => {
                let found =
                    head.and_then(|(name, _)| name).map_or(tree.describe(), |name| format!("`{}(…)`", name.text));
                let hint = match main {
                    true => {
                        "A pipeline is written `Pipeline(name: \"…\", stages: {…})`; `Stages(…)` is for included files."
                    }
                    false => "An included file is written `Stages(stages: {…})`; a pipeline cannot be included.",
                };
                let start = head.and_then(|(name, _)| name).map_or(&tree.span, |name| &name.span);
                self.fault(Diagnostic::new(start, format!("Expected `{wanted}(…)`, found {found}.")).hint(hint));
                return document;
            }
        };
        for (field, value) in fields {
            match field.text.as_str() {
                "include" => self.include(value, folder, &mut document),
                _ if !whole => {}
                "matrix" if main => document.matrix = Some(matrix::normal(value.clone())),
                "name" if main => self.name(value, &mut document),
                "targets" if !main => document.targets = self.targets(value),
                "stages" => document.stages = self.map(value, "stages", "`\"train\": Train(…)`"),
                "profiles" => document.profiles = self.map(value, "profiles", "`\"tiny\": { \"train\": (steps: 5) }`"),
                other => {
                    let message = format!("Unknown field `{other}`{}", suggestion(other, known.iter().copied()));
                    let hint = format!("`{wanted}` has the fields {}.", names(known.iter().copied()));
                    self.faults.push(Diagnostic::new(&field.span, message).hint(hint));
                }
            }
        }
        // An included file may be nothing but includes and profiles.
        let required: &[&str] = if whole && main { &["name", "stages"] } else { &[] };
        for missing in required.iter().filter(|name| fields.iter().all(|(field, _)| field.text != **name)) {
            let head = tree.structure().and_then(|(name, _)| name).map_or(&tree.span, |name| &name.span);
            let fault = Diagnostic::new(head, format!("The field `{missing}` is missing."));
            let hint = format!("`{wanted}` needs {}.", names(required.iter().copied()));
            self.faults.push(fault.hint(hint));
        }
        document.sees.insert(self.documents.len());
        document
    }

    fn name(&mut self, value: &Tree, document: &mut Document) {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        match &value.form {
            Form::Str(name) if name == "latest" => {
                let fault = Diagnostic::new(&value.span, "A pipeline cannot have the name `latest`.");
                self.faults.push(fault.hint("`latest` stands for the newest run of all."));
            }
            Form::Str(name) if name.len() > LONGEST && name.chars().all(allowed) => {
                self.faults.push(too_long(&value.span, "pipeline", name));
            }
            Form::Str(name) if !name.is_empty() && name.chars().all(allowed) => document.name.clone_from(name),
            _ => {
                let message = format!("Expected the name of the pipeline, found {}.", value.describe());
                let hint = "A name is a text of small letters, digits, `_` and `-`; results are kept under it.";
                self.faults.push(Diagnostic::new(&value.span, message).hint(hint));
            }
        }
    }

    fn include(&mut self, value: &Tree, folder: &Path, document: &mut Document) {
        let Form::List(items) = &value.form else {
            let fault = Diagnostic::new(&value.span, format!("Expected a list of files, found {}.", value.describe()));
            return self.fault(fault.hint("Write `include: [\"../stages/voc2012.ron\"]`."));
        };
        for item in items {
            let Form::Str(relative) = &item.form else {
                let message = format!("Expected the path of a file in quotes, found {}.", item.describe());
                self.fault(Diagnostic::new(&item.span, message).hint("Write `\"../stages/voc2012.ron\"`."));
                continue;
            };
            match self.load(&folder.join(relative), Some(&item.span)) {
                Ok(None) => {}
                Ok(Some(number)) => document.sees.extend(self.documents[number].sees.clone()),
                Err(error) => {
                    let hint = format!("Paths start from the folder of this file. {}", error.hint());
                    self.fault(Diagnostic::new(&item.span, error.to_string()).hint(hint.trim_end()));
                }
            }
        }
    }

    fn targets(&mut self, value: &Tree) -> Vec<Word> {
        let items = match &value.form {
            Form::List(items) => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        let mut targets = Vec::new();
        for item in items {
            match &item.form {
                Form::Str(text) => targets.push(Word { text: text.clone(), span: item.span.clone() }),
                _ => {
                    let message = format!("Expected the name of a stage in quotes, found {}.", item.describe());
                    let hint = "The stages that always run are a list: `targets: [\"table\"]`.";
                    self.faults.push(Diagnostic::new(&item.span, message).hint(hint));
                }
            }
        }
        targets
    }

    /// The entries of a map from names.
    fn map(&mut self, value: &Tree, what: &str, example: &str) -> Vec<(Word, Tree)> {
        let hint = format!("Write `{what}: {{ … }}` with entries like {example}.");
        let Form::Map(entries) = &value.form else {
            let fault = Diagnostic::new(&value.span, format!("Expected a map, found {}.", value.describe()));
            self.faults.push(fault.hint(hint));
            return Vec::new();
        };
        let mut out = Vec::new();
        for (key, value) in entries {
            match &key.form {
                Form::Str(text) => out.push((Word { text: text.clone(), span: key.span.clone() }, value.clone())),
                _ => {
                    let message = format!("Expected a name in quotes, found {}.", key.describe());
                    self.faults.push(Diagnostic::new(&key.span, message).hint(&hint));
                }
            }
        }
        out
    }
}
