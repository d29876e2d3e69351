//! The matrix: axes, their values, and the cells that these make.
//!
//! Invariants:
//! - a value is placed into a stage's tree as a profile's or a `--set`'s is, so that it passes the same check and its
//!   faults are told at the value;
//! - the cells are in the order of the file: the first axis changes slowest, included cells come last;
//! - axes, what they set, and cells are as many as [`limits`] allow: the product is taken before a cell is made.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnose::{Diagnostic, Fallible, Faults, Span, cut, names, suggestion};
use super::include::Declared;
use super::limits;
use super::overrides::unknown_stage;
use super::set::{Place, place};
use super::tree::{Form, Tree, Word};
use crate::stage::Cell;
use crate::stage::name::{file_name, is_sound, key};

/// What profiles and `--set` call the matrix.
pub(super) const MATRIX: &str = "matrix";

const EXAMPLE: &str = "Write `matrix: (axes: {\"seed\": (set: [\"train.seed\"], values: [1, 2, 3])})`.";

/// A checked matrix. Without axes it has one cell, which is empty.
pub(super) struct Matrix {
    pub axes: Vec<Axis>,
    /// The number of the value on each axis, by cell.
    cells: Vec<Vec<usize>>,
    /// The axes that set a part of a stage, each with the numbers of these places, by stage.
    by_stage: BTreeMap<String, BTreeMap<usize, Vec<usize>>>,
}

/// What changes together under one name.
pub(super) struct Axis {
    pub name: Word,
    places: Vec<Place>,
    /// The values by their labels, in the order of the file.
    values: Vec<(String, Tree)>,
    /// The numbers of the values by the keys of their labels, and by the folders that these become.
    by_label: BTreeMap<String, usize>,
    by_folder: BTreeMap<String, usize>,
}

/// Cells as far as some axes tell them apart: the number of the value on each of these axes.
pub(super) type Projection = Vec<usize>;

/// Maps of the matrix as structures, so that profiles merge into them and paths lead through them.
pub(super) fn normal(tree: Tree) -> Tree {
    let structure = |tree: Tree| {
        let fields = match tree.entries() {
            Some(entries) => entries.into_iter().map(|(word, value)| (word, value.clone())).collect(),
            None => return tree,
        };
        Tree { span: tree.span, form: Form::Struct { name: None, fields } }
    };
    let mut tree = structure(tree);
    if let Form::Struct { fields, .. } = &mut tree.form {
        for (_, value) in fields.iter_mut().filter(|(field, _)| field.text == "axes") {
            *value = structure(value.clone());
        }
    }
    tree
}

/// A matrix as a file states one, all values with their labels.
pub(super) fn labelled(tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    let text = |span: &Span, text: String| Tree { span: span.clone(), form: Form::Str(text) };
    let Some(axes) = tree.field_mut("axes") else { return tree };
    for values in axes.fields_mut().into_iter().flatten().filter_map(|(_, axis)| axis.field_mut("values")) {
        if let Form::List(items) = &values.form {
            let entry = |value: &Tree| (text(&values.span, label_of(value)), value.clone());
            values.form = Form::Map(items.iter().map(entry).collect());
        }
    }
    if let Form::Struct { name: None, fields } = &axes.form {
        let entry = |(name, axis): &(Word, Tree)| (text(&name.span, name.text.clone()), axis.clone());
        axes.form = Form::Map(fields.iter().map(entry).collect());
    }
    tree
}

/// Reads a matrix; it can be used if `faults`, empty before, are so still. `sets` are the places that the command line
/// changed: an axis that sets them again is a fault.
pub(super) fn read(
    tree: Option<&Tree>,
    stages: &BTreeMap<String, Declared>,
    sets: &[Place],
    faults: &mut Faults,
) -> Matrix {
    let mut matrix = Matrix { axes: Vec::new(), cells: vec![Vec::new()], by_stage: BTreeMap::new() };
    let Some(tree) = tree.filter(|tree| !is_none(tree)) else { return matrix };
    let Some(fields) = fields("matrix", tree, &["axes", "zip", "exclude", "include"], faults) else { return matrix };
    let field = |name: &str| fields.iter().find(|(word, _)| word.text == name).map(|(_, value)| *value);
    let mut stop = |fault: Box<Diagnostic>| faults.push(*fault);
    match field("axes").map(|axes| entries(axes, "a map from the names of axes")) {
        None => stop(Box::new(Diagnostic::new(&tree.span, "The field `axes` is missing.").hint(EXAMPLE))),
        Some(Err(fault)) => stop(fault),
        Some(Ok(entries)) => {
            for (name, value) in entries.into_iter().filter(|(_, value)| !is_none(value)) {
                if matrix.axes.len() == limits::AXES {
                    let message = format!("The matrix has more than {} axes.", limits::AXES);
                    faults.push(Diagnostic::new(&name.span, message).hint("Let one axis set several fields."));
                    break;
                }
                matrix.axes.extend(Axis::read(name, value, stages, sets, faults));
            }
        }
    }
    if let Some(place) = matrix.axes.iter().flat_map(|axis| &axis.places).nth(limits::PLACES) {
        let message = format!("The axes set more than {} fields.", limits::PLACES);
        faults.push(Diagnostic::new(&place.stage.span, message).hint("Let several stages refer to one that is set."));
        return matrix;
    }
    matrix.overlaps(faults);
    for (number, axis) in matrix.axes.iter().enumerate() {
        for (at, place) in axis.places.iter().enumerate() {
            let stage = matrix.by_stage.entry(place.stage.text.clone()).or_default();
            stage.entry(number).or_default().push(at);
        }
    }
    // With an axis missing, whatever is said of cells would only be a consequence.
    if faults.is_empty() {
        let result = matrix.cross(field("zip"), &tree.span).and_then(|()| {
            field("exclude").map_or(Ok(()), |tree| matrix.exclude(tree))?;
            field("include").map_or(Ok(()), |tree| matrix.include(tree))
        });
        if let Err(fault) = result {
            faults.push(*fault);
        }
    }
    if faults.is_empty() && matrix.cells.is_empty() {
        let fault = Diagnostic::new(&tree.span, "The matrix has no cell left.");
        faults.push(fault.hint("Exclude less."));
    }
    matrix
}

impl Axis {
    fn read(
        name: Word,
        tree: &Tree,
        stages: &BTreeMap<String, Declared>,
        sets: &[Place],
        faults: &mut Faults,
    ) -> Option<Self> {
        let before = faults.found();
        if name.text.is_empty() || !name.text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) {
            let fault = Diagnostic::new(&name.span, format!("`{}` cannot be the name of an axis.", name.text));
            faults.push(fault.hint("Use letters, digits, `_` and `-`."));
        }
        if name.text.chars().count() > limits::NAME {
            let message = format!("The name of an axis has more than {} characters.", limits::NAME);
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
    fn set(&mut self, tree: &Tree, stages: &BTreeMap<String, Declared>, sets: &[Place], faults: &mut Faults) {
        let items = match &tree.form {
            Form::List(items) => items.as_slice(),
            _ => std::slice::from_ref(tree),
        };
        let hint = "Write the stage and the field: `set: [\"train.model.prefilter\"]`.";
        for item in items {
            let place = match &item.form {
                Form::Str(path) => Place::read(path, &item.span).filter(|place| !place.steps.is_empty()),
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
    fn add<'a>(&mut self, label: Option<&Word>, value: &'a Tree) -> Result<usize, Refused<'a>> {
        let span = label.map_or(&value.span, |label| &label.span).clone();
        let label = label.map_or_else(|| label_of(value), |label| label.text.clone());
        let hint = "Give the value a label of your own: `values: {\"label\": value}`.";
        let long = label.len() > 4 * limits::LABEL || label.chars().count() > limits::LABEL;
        if long || !is_sound(&label) {
            return Err(Box::new(move |_| {
                let why = if long {
                    format!("it has more than {} characters", limits::LABEL)
                } else {
                    "references and folders cannot hold it".to_owned()
                };
                let message = format!("`{}` cannot be a label: {why}.", cut(&label, limits::LABEL));
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

    /// The number of the value that `tree` is, or is the label of.
    fn find(&self, tree: &Tree) -> Option<usize> {
        self.by_label.get(&key(&label_of(tree))).copied()
    }

    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|(label, _)| label.as_str())
    }
}

/// What is wrong with a value of an axis, put into words where it is told.
type Refused<'a> = Box<dyn FnOnce(&Axis) -> Box<Diagnostic> + 'a>;

impl Matrix {
    /// Tells places that are set twice: what is set last would silently win, under the label of the other.
    fn overlaps(&self, faults: &mut Faults) {
        let places: Vec<(&Axis, &Place)> =
            self.axes.iter().flat_map(|axis| axis.places.iter().map(move |place| (axis, place))).collect();
        for (at, (axis, place)) in places.iter().enumerate() {
            let twice = |(_, earlier): &&(&Axis, &Place)| earlier.holds(place) || place.holds(earlier);
            let Some((other, earlier)) = places[..at].iter().find(twice) else { continue };
            let (axis, other) = (&axis.name.text, &other.name.text);
            let (message, hint) = match axis == other {
                true => (format!("The axis `{axis}` sets this field, or a part of it, twice."), "Name it once."),
                false => (
                    format!("The axes `{other}` and `{axis}` both set this field, or one of them a part of it."),
                    "Let one axis set it: the value of the other would have no effect.",
                ),
            };
            let fault = Diagnostic::new(&place.stage.span, message).related(&earlier.stage.span, "the other one");
            faults.push(fault.hint(hint));
        }
    }

    /// Makes the cells of all axes: those of a zip advance together, all others are crossed.
    fn cross(&mut self, zip: Option<&Tree>, at: &Span) -> Fallible<()> {
        let mut groups: Vec<Vec<usize>> = (0..self.axes.len()).map(|axis| vec![axis]).collect();
        for zipped in zip.map_or(Ok(&[][..]), |zip| list(zip, "a list of lists of axes"))? {
            let mut group: Vec<usize> = Vec::new();
            for item in list(zipped, "a list of axes")? {
                let Form::Str(name) = &item.form else { return expected(item, "the name of an axis in quotes") };
                let axis = self.axis(&Word { text: name.clone(), span: item.span.clone() })?;
                let taken = groups.iter().any(|group| group.len() > 1 && group.contains(&axis));
                if taken || group.contains(&axis) {
                    return Diagnostic::new(&item.span, format!("The axis `{name}` is zipped twice."))
                        .hint("Axes that advance together stand in one list.")
                        .stop();
                }
                let (count, first) = (self.axes[axis].values.len(), group.first().unwrap_or(&axis));
                let other = &self.axes[*first];
                if count != other.values.len() {
                    let (other, others) = (&other.name.text, other.values.len());
                    return Diagnostic::new(
                        &item.span,
                        format!("`{name}` has {count} values, but `{other}` {others}."),
                    )
                    .hint("Axes that advance together need as many values as each other.")
                    .stop();
                }
                group.push(axis);
            }
            // The group stands where its first axis does in the file.
            group.sort_unstable();
            let Some(&first) = group.first() else { return expected(zipped, "a list of axes") };
            groups.retain(|other| !group.contains(&other[0]) || other[0] == first);
            groups.iter_mut().filter(|other| other[0] == first).for_each(|other| other.clone_from(&group));
        }
        let counts = || groups.iter().map(|group| self.axes[group[0]].values.len());
        let total = counts().try_fold(1_usize, |total, count| total.checked_mul(count).filter(|n| *n <= limits::CELLS));
        let Some(total) = total else {
            return Diagnostic::new(at, format!("The matrix has more than {} cells.", limits::CELLS))
                .hint("Cross fewer values, or zip axes that belong together.")
                .stop();
        };
        let counts: Vec<usize> = counts().collect();
        self.cells = (0..total)
            .map(|mut number| {
                let mut cell = vec![0; self.axes.len()];
                for (group, count) in groups.iter().zip(&counts).rev() {
                    group.iter().for_each(|&axis| cell[axis] = number % count);
                    number /= count;
                }
                cell
            })
            .collect();
        Ok(())
    }

    fn axis(&self, name: &Word) -> Fallible<usize> {
        let all = || self.axes.iter().map(|axis| axis.name.text.as_str());
        all().position(|axis| axis == name.text).ok_or_else(|| {
            let message = format!("There is no axis `{}`{}", name.text, suggestion(&name.text, all()));
            Box::new(Diagnostic::new(&name.span, message).hint(format!("The axes are {}.", names(all()))))
        })
    }

    /// Takes cells out. Each item takes one at least, so that there are no more of them than cells.
    fn exclude(&mut self, tree: &Tree) -> Fallible<()> {
        for item in list(tree, "a list of cells")? {
            let mut wanted = Vec::new();
            for (name, value) in entries(item, "a cell: a map from axes to values")? {
                let axis = self.axis(&name)?;
                let Some(number) = self.axes[axis].find(value) else {
                    let labels = || self.axes[axis].labels();
                    let label = label_of(value);
                    let near = near(&label, labels());
                    let message = format!("`{}` has no value `{}`{near}", name.text, cut(&label, limits::LABEL));
                    let hint = format!("Its values are {}.", names(labels()));
                    return Diagnostic::new(&value.span, message).hint(hint).stop();
                };
                wanted.push((axis, number));
            }
            let before = self.cells.len();
            self.cells.retain(|cell| wanted.iter().any(|&(axis, number)| cell[axis] != number));
            if self.cells.len() == before {
                let fault = Diagnostic::new(&item.span, "No cell of the matrix is like this.");
                return fault.hint("Remove it, or correct it.").stop();
            }
        }
        Ok(())
    }

    fn include(&mut self, tree: &Tree) -> Fallible<()> {
        let mut known: BTreeSet<Vec<usize>> = self.cells.iter().cloned().collect();
        for item in list(tree, "a list of cells")? {
            let mut cell: Vec<Option<usize>> = vec![None; self.axes.len()];
            for (name, value) in entries(item, "a cell: a map from axes to values")? {
                let axis = self.axis(&name)?;
                cell[axis] = Some(match self.axes[axis].find(value) {
                    Some(number) => number,
                    None => {
                        let added = self.axes[axis].add(None, value);
                        added.map_err(|refused| refused(&self.axes[axis]))?
                    }
                });
            }
            if let Some(missing) = cell.iter().position(Option::is_none) {
                let fault =
                    Diagnostic::new(&item.span, format!("The axis `{}` is missing.", self.axes[missing].name.text));
                return fault.hint("An included cell states a value of each axis.").stop();
            }
            let cell: Vec<usize> = cell.into_iter().flatten().collect();
            if !known.insert(cell.clone()) {
                let fault = Diagnostic::new(&item.span, "The matrix has this cell already.");
                return fault.hint("Remove it here.").stop();
            }
            if self.cells.len() == limits::CELLS {
                return Diagnostic::new(&item.span, format!("The matrix has more than {} cells.", limits::CELLS))
                    .hint("Include fewer, or exclude some.")
                    .stop();
            }
            self.cells.push(cell);
        }
        Ok(())
    }

    /// The axes that set a part of a stage.
    pub fn axes_of(&self, stage: &str) -> BTreeSet<usize> {
        self.by_stage.get(stage).into_iter().flat_map(|axes| axes.keys().copied()).collect()
    }

    /// The cells as far as `axes` tell them apart, each once.
    pub fn project(&self, axes: &BTreeSet<usize>) -> Vec<Projection> {
        if axes.is_empty() {
            return vec![Projection::new()];
        }
        let mut seen = BTreeSet::new();
        let projections = self.cells.iter().map(|cell| axes.iter().map(|&axis| cell[axis]).collect::<Projection>());
        projections.filter(|projection| seen.insert(projection.clone())).collect()
    }

    /// The labels of a projection.
    pub fn cell(&self, axes: &BTreeSet<usize>, projection: &Projection) -> Cell {
        let label = |(&axis, &value): (&usize, &usize)| {
            let axis = &self.axes[axis];
            (axis.name.text.clone(), axis.values[value].0.clone())
        };
        axes.iter().zip(projection).map(label).collect()
    }

    /// A stage with the values of a projection.
    pub fn apply(&self, stage: &Declared, axes: &BTreeSet<usize>, projection: &Projection) -> Fallible<Declared> {
        let mut stage = stage.clone();
        let places = self.by_stage.get(&stage.name.text);
        for (axis, &value) in axes.iter().zip(projection) {
            for &at in places.and_then(|places| places.get(axis)).into_iter().flatten() {
                let axis = &self.axes[*axis];
                place(&mut stage.tree, &axis.places[at].steps, axis.values[value].1.clone())?;
            }
        }
        Ok(stage)
    }

    /// The fields of a stage that axes set, or set a part of.
    pub fn fields_of(&self, stage: &str) -> BTreeSet<&str> {
        let axes = self.by_stage.get(stage).into_iter().flatten();
        axes.flat_map(|(&axis, places)| places.iter().filter_map(move |&at| self.axes[axis].places[at].field()))
            .collect()
    }
}

/// A value as a pipeline writes it, texts without quotes.
fn label_of(value: &Tree) -> String {
    value.some().unwrap_or(value).ron(&|_, text| text.to_owned())
}

/// A [`suggestion`] among labels. Of numbers, none is meant rather than another.
pub(super) fn near<'a>(label: &str, labels: impl IntoIterator<Item = &'a str>) -> String {
    if label.parse::<f64>().is_ok() { ".".to_owned() } else { suggestion(label, labels) }
}

fn is_none(tree: &Tree) -> bool {
    matches!(&tree.form, Form::Word(word) if word.text == "None")
}

fn expected<T>(tree: &Tree, what: &str) -> Fallible<T> {
    Diagnostic::new(&tree.span, format!("Expected {what}, found {}.", tree.describe())).hint(EXAMPLE).stop()
}

fn list<'a>(tree: &'a Tree, what: &str) -> Fallible<&'a [Tree]> {
    match &tree.form {
        Form::List(items) => Ok(items),
        _ => expected(tree, what),
    }
}

fn entries<'a>(tree: &'a Tree, what: &str) -> Fallible<Vec<(Word, &'a Tree)>> {
    tree.entries().map_or_else(|| expected(tree, what), Ok)
}

/// The fields of a structure that has no others than `known`.
fn fields<'a>(what: &str, tree: &'a Tree, known: &[&str], faults: &mut Faults) -> Option<Vec<(Word, &'a Tree)>> {
    let found = entries(tree, &format!("a structure with the fields {}", names(known.iter().copied())));
    let found = found.map_err(|fault| faults.push(*fault)).ok()?;
    for (word, _) in found.iter().filter(|(word, _)| !known.contains(&word.text.as_str())) {
        faults.tell(&word.span, || {
            let message = format!("Unknown field `{}`{}", word.text, suggestion(&word.text, known.iter().copied()));
            let article = if what.starts_with('a') { "An" } else { "The" };
            let hint = format!("{article} {what} has the fields {}.", names(known.iter().copied()));
            Diagnostic::new(&word.span, message).hint(hint)
        });
    }
    Some(found)
}
