//! Reading a pipeline's file and the files that it includes.
//!
//! Invariants:
//! - files come in an order in which every file follows those that it includes, the pipeline's own file last;
//! - a file is read once, however many ways lead to it;
//! - every stage is defined in one place; a file may change those that it includes;
//! - all files together have so many bytes and values at most: what is beyond is not read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::diagnose::{Diagnostic, Diagnostics, Faults, Span, Text, names, suggestion};
use super::limits;
use super::matrix::{self, MATRIX};
use super::overrides::merge;
use super::syntax::parse;
use super::tree::{Form, Tree, Word};
use crate::fsio;

/// A file and what it states.
pub(super) struct Document {
    pub text: Arc<Text>,
    /// The pipeline's name; only its own file states one.
    pub name: String,
    /// The stages that it states or changes. [`stages`] takes their trees.
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
pub(super) fn load(file: &Path, faults: &mut Faults) -> Result<Vec<Document>, Diagnostics> {
    let mut loader = Loader {
        documents: Vec::new(),
        known: BTreeMap::new(),
        stack: Vec::new(),
        faults,
        whole: true,
        bytes: 0,
        values: 0,
        includes: 0,
    };
    if let Err(error) = loader.load(file, None) {
        loader.fault(Diagnostic::unplaced(error.to_string()).hint(error.hint()));
    }
    let (documents, whole) = (loader.documents, loader.whole);
    if whole { Ok(documents) } else { Err(Diagnostics::new(std::mem::take(faults))) }
}

/// The stages of all files, by name.
pub(super) fn stages(documents: &mut [Document], faults: &mut Faults) -> BTreeMap<String, Declared> {
    let mut stages: BTreeMap<String, Declared> = BTreeMap::new();
    for (document, Document { stages: stated, sees, .. }) in documents.iter_mut().enumerate() {
        for (name, tree) in stated {
            let form = std::mem::replace(&mut tree.form, Form::Broken);
            let tree = Tree { span: tree.span.clone(), form };
            unfit(name, faults);
            if name.text.len() > limits::FOLDER {
                faults.tell(&name.span, || too_long(&name.span, "stage", &name.text));
            }
            if stages.len() == limits::STAGES && !stages.contains_key(&name.text) {
                let message = format!("The pipeline states more than {} stages.", limits::STAGES);
                faults.push(Diagnostic::new(&name.span, message).hint("Share them among several pipelines."));
                return stages;
            }
            match stages.get_mut(&name.text) {
                Some(earlier) if changes(&tree) && sees.contains(&earlier.document) => merge(&mut earlier.tree, tree),
                Some(earlier) => faults.tell(&name.span, || {
                    Diagnostic::new(&name.span, format!("The stage `{}` is defined twice.", name.text))
                        .label("again")
                        .related(&earlier.name.span, "first defined here")
                        .hint(
                            "Rename one of them; to change an included stage, state the fields that differ: `(steps: 5)`.",
                        )
                }),
                None => {
                    stages.insert(name.text.clone(), Declared { name: name.clone(), tree, document });
                }
            }
        }
    }
    stages
}

/// Tells why a name cannot be that of a stage, if it cannot.
fn unfit(name: &Word, faults: &mut Faults) {
    let hint = if !is_stage_name(&name.text) {
        "Use letters, digits, `_`, `-` and `.`, with a letter, a digit or `_` first."
    } else if name.text == MATRIX {
        "Profiles and `--set` change the matrix by that name."
    } else if ["log.txt", "manifest.json", "run.json", "pipeline.ron"].contains(&name.text.as_str()) {
        "A file among the results has that name."
    } else {
        return;
    };
    faults.tell(&name.span, || {
        Diagnostic::new(&name.span, format!("`{}` cannot be the name of a stage.", name.text)).hint(hint)
    });
}

/// Whether a stage's value is a change: a structure without a name.
fn changes(tree: &Tree) -> bool {
    matches!(tree.structure(), Some((None, _)))
}

/// The stages that run: those that the pipeline's own file states or changes, and those that a file says always run.
pub(super) fn targets(documents: &[Document], faults: &mut Faults) -> BTreeSet<String> {
    let own = documents.last().into_iter().flat_map(|main| main.stages.iter().map(|(name, _)| name.text.clone()));
    let mut targets: BTreeSet<String> = own.collect();
    if documents.iter().all(|document| document.targets.is_empty()) {
        return targets;
    }
    let mut stated: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for (number, document) in documents.iter().enumerate() {
        document.stages.iter().for_each(|(name, _)| _ = stated.entry(&name.text).or_default().insert(number));
    }
    for document in documents {
        let visible = |stating: &BTreeSet<usize>| !stating.is_disjoint(&document.sees);
        for target in &document.targets {
            match stated.get(target.text.as_str()).is_some_and(visible) {
                true => _ = targets.insert(target.text.clone()),
                false => faults.tell(&target.span, || {
                    let all = stated.iter().filter(|(_, stating)| visible(stating)).map(|(name, _)| *name);
                    let message = format!("There is no stage `{}`{}", target.text, suggestion(&target.text, all));
                    let hint = "`targets` names stages of its own file and of those that it includes.";
                    Diagnostic::new(&target.span, message).hint(hint)
                }),
            }
        }
    }
    targets
}

/// A fault: results are kept in folders of these names.
fn too_long(span: &Span, what: &str, name: &str) -> Diagnostic {
    let message =
        format!("The name of the {what} has {} characters; at most {} are allowed.", name.len(), limits::FOLDER);
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
    faults: &'a mut Faults,
    whole: bool,
    /// What was read so far.
    bytes: usize,
    values: usize,
    includes: usize,
}

impl Loader<'_> {
    fn fault(&mut self, fault: Diagnostic) {
        self.whole = false;
        self.faults.push(fault);
    }

    /// Tells that a file is not read, at the place that includes it.
    fn refuse(&mut self, included: Option<&Span>, message: String, hint: &str) {
        let fault = included.map_or_else(|| Diagnostic::unplaced(&message), |span| Diagnostic::new(span, &message));
        self.fault(fault.hint(hint));
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
        if self.stack.len() >= limits::CHAIN {
            let message = format!("More than {} files include each other, one below the other.", limits::CHAIN);
            self.refuse(included, message, "Include them side by side.");
            return Ok(None);
        }
        let Some(content) = fsio::read_text(path, limits::BYTES - self.bytes)? else {
            let message = format!("The files of the pipeline have more than {} bytes together.", limits::BYTES);
            self.refuse(included, message, "Share it among several pipelines, and keep data in files of their own.");
            return Ok(None);
        };
        self.bytes += content.len();
        let folder = canonical.parent().unwrap_or(&canonical).to_owned();
        let parsed = parse(&Arc::new(Text::new(name.clone(), content, folder)), 0, limits::VALUES - self.values);
        self.values += parsed.values.min(limits::VALUES - self.values);
        self.whole &= parsed.whole;
        self.faults.append(parsed.faults);
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
        let head = match tree.structure() {
            Some((Some(head), _)) if head.text == wanted => head.span.clone(),
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
        // An included file may be nothing but includes and profiles.
        let required: &[&str] = if whole && main { &["name", "stages"] } else { &[] };
        for missing in required.iter().filter(|name| tree.field(name).is_none()) {
            let fault = Diagnostic::new(&head, format!("The field `{missing}` is missing."));
            let hint = format!("`{wanted}` needs {}.", names(required.iter().copied()));
            self.faults.push(fault.hint(hint));
        }
        let Form::Struct { fields, .. } = tree.form else { return document };
        for (field, value) in fields {
            match field.text.as_str() {
                "include" => self.include(&value, folder, &mut document),
                _ if !whole => {}
                "matrix" if main => document.matrix = Some(matrix::normal(value)),
                "name" if main => self.name(&value, &mut document),
                "targets" if !main => document.targets = self.targets(&value),
                "stages" => document.stages = self.map(value, "stages", "`\"train\": Train(…)`"),
                "profiles" => document.profiles = self.map(value, "profiles", "`\"tiny\": { \"train\": (steps: 5) }`"),
                other => self.faults.tell(&field.span, || {
                    let message = format!("Unknown field `{other}`{}", suggestion(other, known.iter().copied()));
                    let hint = format!("`{wanted}` has the fields {}.", names(known.iter().copied()));
                    Diagnostic::new(&field.span, message).hint(hint)
                }),
            }
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
            Form::Str(name) if name.len() > limits::FOLDER && name.chars().all(allowed) => {
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
                self.whole = false;
                self.faults.tell(&item.span, || {
                    let message = format!("Expected the path of a file in quotes, found {}.", item.describe());
                    Diagnostic::new(&item.span, message).hint("Write `\"../stages/voc2012.ron\"`.")
                });
                continue;
            };
            if self.includes >= limits::INCLUDES {
                let message = format!("The pipeline includes more than {} files.", limits::INCLUDES);
                return self.refuse(Some(&item.span), message, "Put the stages of several files into one.");
            }
            self.includes += 1;
            match self.load(&folder.join(relative), Some(&item.span)) {
                Ok(None) => {}
                Ok(Some(number)) => document.sees.extend(&self.documents[number].sees),
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
                _ => self.faults.tell(&item.span, || {
                    let message = format!("Expected the name of a stage in quotes, found {}.", item.describe());
                    let hint = "The stages that always run are a list: `targets: [\"table\"]`.";
                    Diagnostic::new(&item.span, message).hint(hint)
                }),
            }
        }
        targets
    }

    /// The entries of a map from names.
    fn map(&mut self, value: Tree, what: &str, example: &str) -> Vec<(Word, Tree)> {
        let hint = format!("Write `{what}: {{ … }}` with entries like {example}.");
        let found = value.describe();
        let Form::Map(entries) = value.form else {
            let fault = Diagnostic::new(&value.span, format!("Expected a map, found {found}."));
            self.faults.push(fault.hint(hint));
            return Vec::new();
        };
        let mut out = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let Tree { span, form } = key;
            match form {
                Form::Str(text) => out.push((Word { text, span }, value)),
                form => self.faults.tell(&span.clone(), || {
                    let key = Tree { span, form };
                    let message = format!("Expected a name in quotes, found {}.", key.describe());
                    Diagnostic::new(&key.span, message).hint(&hint)
                }),
            }
        }
        out
    }
}
