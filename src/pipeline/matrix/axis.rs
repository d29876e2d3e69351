//! Axes: what changes together under one name.

use std::collections::BTreeMap;

use super::form::{EXAMPLE, fields};
use super::label::label_of;
use crate::pipeline::limits;
use crate::pipeline::path::FieldPath;
use crate::pipeline::stated::{Declared, unknown_stage};
use crate::stage::name::{file_name, is_sound, key};
use crate::syntax::limits::{LABEL, NAME};
use crate::syntax::{Diagnostic, Faults, Form, Tree, Word, cut};

/// What changes together under one name.
pub(in crate::pipeline) struct Axis {
    pub name: Word,
    pub places: Vec<FieldPath>,
    /// The values by their labels, in the order of the file.
    pub values: Vec<(String, Tree)>,
    /// The numbers of the values by the keys of their labels, and by the folders that these become.
    by_label: BTreeMap<String, usize>,
    by_folder: BTreeMap<String, usize>,
}

impl Axis {
    pub fn read(
        name: Word,
        tree: &Tree,
        stages: &BTreeMap<String, Declared>,
        sets: &[FieldPath],
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
        let (places, values_of) = (Vec::new(), Vec::new());
        let (by_label, by_folder) = (BTreeMap::new(), BTreeMap::new());
        let mut axis = Axis { name, places, values: values_of, by_label, by_folder };
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
    fn set(&mut self, tree: &Tree, stages: &BTreeMap<String, Declared>, sets: &[FieldPath], faults: &mut Faults) {
        let items = match &tree.form {
            Form::List(items) => items.as_slice(),
            _ => std::slice::from_ref(tree),
        };
        let hint = "Write the stage and the field: `set: [\"train.model.prefilter\"]`.";
        for item in items {
            let place = match &item.form {
                Form::Str(path) => FieldPath::read(path, &item.span).filter(|place| !place.steps.is_empty()),
                _ => None,
            };
            let Some(place) = place else {
                faults.tell(&item.span, || {
                    let message = format!("Expected the path of a field in quotes, found {}.", item.describe());
                    Diagnostic::new(&item.span, message).hint(hint)
                });
                continue;
            };
            if !stages.contains_key(&place.stage.text) {
                faults.tell(&place.stage.span, || unknown_stage(&place.stage, &|| stages.keys().map(String::as_str)));
            }
            for set in sets.iter().filter(|set| place.holds(set)) {
                let axis = &self.name.text;
                let message = format!("The axis `{axis}` sets this field in each cell, so `--set` has no effect.");
                let hint = format!("Change the axis: `--set 'matrix.axes.{axis}.values=[…]'`.");
                faults.push(Diagnostic::new(&set.stage.span, message).hint(hint));
            }
            self.places.push(place);
            if self.places.len() > limits::PLACES {
                // That they are too many is told of all axes together.
                return;
            }
        }
        if items.is_empty() {
            let message = format!("The axis `{}` sets nothing.", self.name.text);
            faults.push(Diagnostic::new(&tree.span, message).hint(hint));
        }
    }

    /// Adds a value and returns its number, or else what is wrong with it.
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
                    "references and folders cannot hold it".to_owned()
                };
                let message = format!("`{}` cannot be a label: {why}.", cut(&label, LABEL));
                Box::new(Diagnostic::new(&span, message).hint(hint))
            }));
        }
        let folder = file_name(&label).to_lowercase();
        let key = key(&label);
        if let Some(&other) = self.by_label.get(&key).or_else(|| self.by_folder.get(&folder)) {
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
        self.by_folder.insert(folder, number);
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

/// What is wrong with a value of an axis, put into words where it is told.
pub(super) type Refused<'a> = Box<dyn FnOnce(&Axis) -> Box<Diagnostic> + 'a>;
