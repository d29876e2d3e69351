//! Axes: each sets one or more fields to several values.

use std::collections::BTreeMap;

use super::form::{EXAMPLE, fields};
use super::label::label_of;
use crate::fsio::filenames::{Alphabet, is_plain};
use crate::pipeline::limits;
use crate::pipeline::path::{FieldPath, Part};
use crate::pipeline::stated::{Declared, unknown_stage};
use crate::stage::name::{is_sound, key};
use crate::syntax::limits::{LABEL, NAME};
use crate::syntax::{Diagnostic, Faults, Form, Tree, Word, cut};

/// The paths that the command line sets.
pub(in super::super) struct SetPaths<'a>(BTreeMap<Vec<Part>, Vec<&'a FieldPath>>);

impl<'a> SetPaths<'a> {
    pub fn new(paths: &'a [FieldPath]) -> Self {
        let mut sorted: BTreeMap<Vec<Part>, Vec<&FieldPath>> = BTreeMap::new();
        paths.iter().for_each(|path| sorted.entry(path.parts()).or_default().push(path));
        SetPaths(sorted)
    }

    /// Those that are `path` or a part of it.
    fn inside(&self, path: &FieldPath) -> impl Iterator<Item = &'a FieldPath> {
        let parts = path.parts();
        let from = self.0.range(parts.clone()..);
        from.take_while(move |(inner, _)| inner.starts_with(&parts)).flat_map(|(_, paths)| paths.iter().copied())
    }
}

/// An axis: one or more fields, and the values that they are set to.
pub(in super::super) struct Axis {
    pub name: Word,
    pub paths: Vec<FieldPath>,
    /// The values by their labels, in the order of the file.
    pub values: Vec<(String, Tree)>,
    /// The numbers of the values by the keys of their labels, and by the folders that these become where the folder says
    /// all that is to be known of a label.
    by_label: BTreeMap<String, usize>,
    by_folder: BTreeMap<String, usize>,
}

impl Axis {
    pub fn read(
        name: Word,
        tree: &Tree,
        stages: &BTreeMap<String, Declared>,
        sets: &SetPaths<'_>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let before = faults.found();
        if name.text.is_empty() || !name.text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) {
            let fault = Diagnostic::new(&name.span, format!("`{}` cannot be the name of an axis.", name.text));
            faults.push(fault.hint("Use letters, digits, `_` and `-`."));
        }
        if name.text.chars().count() > NAME {
            let message = format!("The name of an axis has more than {} characters.", NAME);
            faults.push(Diagnostic::new(&name.span, message).hint("Write a shorter one."));
        }
        let fields = fields("axis", tree, &["set", "values"], faults)?;
        let field = |name: &str| fields.iter().find(|(word, _)| word.text == name).map(|(_, value)| *value);
        let (Some(set), Some(values)) = (field("set"), field("values")) else {
            let fault = Diagnostic::new(&name.span, format!("The axis `{}` needs `set` and `values`.", name.text));
            faults.push(fault.hint(EXAMPLE));
            return None;
        };
        let (paths, values_of) = (Vec::new(), Vec::new());
        let (by_label, by_folder) = (BTreeMap::new(), BTreeMap::new());
        let mut axis = Axis { name, paths, values: values_of, by_label, by_folder };
        axis.set(set, stages, sets, faults);
        let list: Vec<(Option<Word>, &Tree)> = match (&values.form, values.entries()) {
            (Form::List(items), _) => items.iter().map(|item| (None, item)).collect(),
            (Form::Map(_), Some(entries)) => entries.into_iter().map(|(label, value)| (Some(label), value)).collect(),
            _ => Vec::new(),
        };
        if list.is_empty() {
            let message = format!("Expected a list with at least one value, found {}.", values.describe());
            let hint =
                "Write `values: [1, 2, 3]`, or with labels of your own `values: {\"low\": 1e-3, \"high\": 1e-2}`.";
            faults.push(Diagnostic::new(&values.span, message).hint(hint));
        }
        for (label, value) in list {
            let span = label.as_ref().map_or(&value.span, |label| &label.span);
            if let Err(refused) = axis.add(label.as_ref(), value) {
                faults.tell(span, || *refused(&axis));
            }
        }
        (faults.found() == before).then_some(axis)
    }

    /// Reads what the axis sets.
    fn set(&mut self, tree: &Tree, stages: &BTreeMap<String, Declared>, sets: &SetPaths<'_>, faults: &mut Faults) {
        let items = match &tree.form {
            Form::List(items) => items.as_slice(),
            _ => std::slice::from_ref(tree),
        };
        let hint = "Write the stage and the field: `set: [\"train.model.prefilter\"]`.";
        for item in items {
            let path = match &item.form {
                Form::Str(path) => FieldPath::read(path, &item.span).filter(|path| !path.steps.is_empty()),
                _ => None,
            };
            let Some(path) = path else {
                faults.tell(&item.span, || {
                    let message = format!("Expected the path of a field in quotes, found {}.", item.describe());
                    Diagnostic::new(&item.span, message).hint(hint)
                });
                continue;
            };
            if !stages.contains_key(&path.stage.text) {
                faults.tell(&path.stage.span, || unknown_stage(&path.stage, &|| stages.keys().map(String::as_str)));
            }
            for set in sets.inside(&path) {
                let axis = &self.name.text;
                let message = format!("The axis `{axis}` sets this field in each cell, so `--set` has no effect.");
                let hint = format!("Change the axis: `--set 'matrix.axes.{axis}.values=[…]'`.");
                faults.push(Diagnostic::new(&set.stage.span, message).hint(hint));
            }
            self.paths.push(path);
            if self.paths.len() > limits::PLACES {
                // The fault that there are too many is added for all axes together.
                return;
            }
        }
        if items.is_empty() {
            let message = format!("The axis `{}` sets nothing.", self.name.text);
            faults.push(Diagnostic::new(&tree.span, message).hint(hint));
        }
    }

    /// Adds a value and returns its number.
    ///
    /// # Errors
    /// The value has no label, or shares it with another.
    pub fn add<'a>(&mut self, label: Option<&Word>, value: &'a Tree) -> Result<usize, Refused<'a>> {
        let span = label.map_or(&value.span, |label| &label.span).clone();
        let label = label.map_or_else(|| label_of(value), |label| label.text.clone());
        let hint = "Give the value a label of your own: `values: {\"label\": value}`.";
        let long = label.len() > 4 * LABEL || label.chars().count() > LABEL;
        if long || !is_sound(&label) {
            return Err(Box::new(move |_| {
                let why = if long {
                    format!("it has more than {} characters", LABEL)
                } else {
                    "references and names of folders cannot contain it".to_owned()
                };
                let message = format!("`{}` cannot be a label: {why}.", cut(&label, LABEL));
                Box::new(Diagnostic::new(&span, message).hint(hint))
            }));
        }
        let plain = Alphabet::LABEL.plain(&label);
        let folder = is_plain(&label, &plain).then(|| plain.to_lowercase());
        let key = key(&label);
        let in_folder = || self.by_folder.get(folder.as_ref()?);
        if let Some(&other) = self.by_label.get(&key).or_else(in_folder) {
            return Err(Box::new(move |axis| {
                let (other, earlier) = &axis.values[other];
                let message = match *other == label {
                    true => format!("The axis `{}` has the value `{label}` twice.", axis.name.text),
                    false => {
                        format!("The labels `{other}` and `{label}` are too much alike: they would share a folder.")
                    }
                };
                Box::new(Diagnostic::new(&span, message).related(&earlier.span, "the other one").hint(hint))
            }));
        }
        let number = self.values.len();
        self.by_label.insert(key, number);
        self.by_folder.extend(folder.map(|folder| (folder, number)));
        self.values.push((label, value.clone()));
        Ok(number)
    }

    /// How many values it has.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// The number of the value that `tree` is, or is the label of.
    pub fn find(&self, tree: &Tree) -> Option<usize> {
        self.by_label.get(&key(&label_of(tree))).copied()
    }

    /// Its labels, in the order of the file.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|(label, _)| label.as_str())
    }
}

/// A fault of a value of an axis. It is put into words only if it is kept.
pub(super) type Refused<'a> = Box<dyn FnOnce(&Axis) -> Box<Diagnostic> + 'a>;
