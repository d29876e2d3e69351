//! The cells of a matrix: axes crossed and zipped, cells excluded and included.
//!
//! A cell is the number of its value on each axis.

use std::collections::{BTreeSet, HashMap};

use super::axis::Axis;
use super::form::{entries, expected, list};
use super::label::{label_of, near};
use crate::pipeline::limits;
use crate::syntax::limits::LABEL;
use crate::syntax::{Diagnostic, Fallible, Form, Span, Tree, Word, cut, names, suggestion};

/// The cells of all axes: those of one list of `zip` advance together, all others are crossed. `at` is the matrix.
pub(super) fn cross(axes: &[Axis], zip: Option<&Tree>, at: &Span) -> Fallible<Vec<Vec<usize>>> {
    let mut groups: Vec<Vec<usize>> = (0..axes.len()).map(|axis| vec![axis]).collect();
    let mut zipped = vec![false; axes.len()];
    for item in zip.map_or(Ok(&[][..]), |zip| list(zip, "a list of lists of axes"))? {
        let mut group: Vec<usize> = Vec::new();
        for item in list(item, "a list of axes")? {
            let Form::Str(name) = &item.form else { return expected(item, "the name of an axis in quotes") };
            let axis = find(axes, &Word { text: name.clone(), span: item.span.clone() })?;
            if std::mem::replace(&mut zipped[axis], true) {
                return Diagnostic::new(&item.span, format!("The axis `{name}` is zipped twice."))
                    .hint("Axes that advance together stand in one list.")
                    .stop();
            }
            let (count, first) = (axes[axis].len(), group.first().unwrap_or(&axis));
            let other = &axes[*first];
            if count != other.len() {
                let (other, others) = (&other.name.text, other.len());
                return Diagnostic::new(
                    &item.span,
                    format!("`{name}` has {count} values, but `{other}` has {others}."),
                )
                .hint("Axes that advance together need as many values as each other.")
                .stop();
            }
            group.push(axis);
        }
        // The group stands where its first axis does in the file.
        group.sort_unstable();
        let Some(&first) = group.first() else { return expected(item, "a list of axes") };
        group[1..].iter().for_each(|&axis| groups[axis].clear());
        groups[first] = group;
    }
    groups.retain(|group| !group.is_empty());
    let counts: Vec<usize> = groups.iter().map(|group| axes[group[0]].len()).collect();
    let product = |total: usize, count: &usize| total.checked_mul(*count).filter(|n| *n <= limits::CELLS);
    let Some(total) = counts.iter().try_fold(1_usize, product) else {
        return Diagnostic::new(at, format!("The matrix has more than {} cells.", limits::CELLS))
            .hint("Cross fewer values, or zip axes that belong together.")
            .stop();
    };
    let cell = |mut number: usize| {
        let mut cell = vec![0; axes.len()];
        for (group, count) in groups.iter().zip(&counts).rev() {
            group.iter().for_each(|&axis| cell[axis] = number % count);
            number /= count;
        }
        cell
    };
    Ok((0..total).map(cell).collect())
}

/// The number of an axis.
fn find(axes: &[Axis], name: &Word) -> Fallible<usize> {
    let all = || axes.iter().map(|axis| axis.name.text.as_str());
    all().position(|axis| axis == name.text).ok_or_else(|| {
        let message = format!("There is no axis `{}`{}", name.text, suggestion(&name.text, all()));
        Box::new(Diagnostic::new(&name.span, message).hint(format!("The axes are {}.", names(all()))))
    })
}

/// Takes cells out: for each item of `tree`, all that have its values. Each item takes one at least, so that there are no
/// more of them than cells. The cells are gone through once for each set of axes that items name.
pub(super) fn exclude(axes: &[Axis], cells: &mut Vec<Vec<usize>>, tree: &Tree) -> Fallible<()> {
    let mut kept = vec![true; cells.len()];
    let mut by_axes: HashMap<Vec<usize>, HashMap<Vec<usize>, Vec<usize>>> = HashMap::new();
    for item in list(tree, "a list of cells")? {
        let mut wanted = Vec::new();
        for (name, value) in entries(item, "a cell: a map from axes to values")? {
            let axis = find(axes, &name)?;
            let Some(number) = axes[axis].find(value) else {
                let labels = || axes[axis].labels();
                let label = label_of(value);
                let near = near(&label, labels());
                let message = format!("`{}` has no value `{}`{near}", name.text, cut(&label, LABEL));
                let hint = format!("Its values are {}.", names(labels()));
                return Diagnostic::new(&value.span, message).hint(hint).stop();
            };
            wanted.push((axis, number));
        }
        wanted.sort_unstable();
        let (named, values): (Vec<usize>, Vec<usize>) = wanted.into_iter().unzip();
        let by_values = by_axes.entry(named).or_insert_with_key(|named| {
            let mut by_values: HashMap<Vec<usize>, Vec<usize>> = HashMap::new();
            for (at, cell) in cells.iter().enumerate() {
                by_values.entry(named.iter().map(|&axis| cell[axis]).collect()).or_default().push(at);
            }
            by_values
        });
        let mut taken = false;
        for at in by_values.remove(&values).unwrap_or_default() {
            taken |= std::mem::replace(&mut kept[at], false);
        }
        if !taken {
            let fault = Diagnostic::new(&item.span, "No cell of the matrix is like this.");
            return fault.hint("Remove it, or correct it.").stop();
        }
    }
    let mut kept = kept.into_iter();
    cells.retain(|_| kept.next().unwrap_or(true));
    Ok(())
}

/// Adds cells, which may have new values.
pub(super) fn include(axes: &mut [Axis], cells: &mut Vec<Vec<usize>>, tree: &Tree) -> Fallible<()> {
    let mut known: BTreeSet<Vec<usize>> = cells.iter().cloned().collect();
    for item in list(tree, "a list of cells")? {
        let mut cell: Vec<Option<usize>> = vec![None; axes.len()];
        for (name, value) in entries(item, "a cell: a map from axes to values")? {
            let axis = find(axes, &name)?;
            cell[axis] = Some(match axes[axis].find(value) {
                Some(number) => number,
                None => {
                    let added = axes[axis].add(None, value);
                    added.map_err(|refused| refused(&axes[axis]))?
                }
            });
        }
        if let Some(missing) = cell.iter().position(Option::is_none) {
            let fault = Diagnostic::new(&item.span, format!("The axis `{}` is missing.", axes[missing].name.text));
            return fault.hint("An included cell states a value of each axis.").stop();
        }
        let cell: Vec<usize> = cell.into_iter().flatten().collect();
        if !known.insert(cell.clone()) {
            let fault = Diagnostic::new(&item.span, "The matrix has this cell already.");
            return fault.hint("Remove it here.").stop();
        }
        if cells.len() == limits::CELLS {
            return Diagnostic::new(&item.span, format!("The matrix has more than {} cells.", limits::CELLS))
                .hint("Include fewer, or exclude some.")
                .stop();
        }
        cells.push(cell);
    }
    Ok(())
}
