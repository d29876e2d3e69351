//! Stages checked with every combination of values that axes set.
//!
//! Invariant: a stage is checked once for each combination of the axes that set a part of it, never for those that it
//! has by its references.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{self, Checked, StatedReference};
use super::limits::{too_many, weight};
use super::matrix::{Matrix, Projection};
use super::stated::Declared;
use crate::stage::{Kind, Registry};
use crate::syntax::Faults;
use crate::syntax::limits::VALUES;

/// A stage, checked once for each combination of the values that axes set in it.
pub(super) struct Variants<'a> {
    /// The axes that set a part of it.
    pub axes: BTreeSet<usize>,
    pub checked: BTreeMap<Projection, Checked<'a>>,
}

impl<'a> Variants<'a> {
    /// One of them. The kind and the place are the same in all.
    pub fn any(&self) -> Option<&Checked<'a>> {
        self.checked.values().next()
    }

    pub fn kind(&self) -> Option<&'a dyn Kind> {
        self.any().and_then(|checked| checked.kind)
    }

    pub fn each(&self) -> impl Iterator<Item = &Checked<'a>> {
        self.checked.values()
    }

    pub fn references(&self) -> impl Iterator<Item = &StatedReference> {
        self.checked.values().flat_map(|checked| &checked.references)
    }
}

/// Checks every stage with the values that axes set.
pub(super) fn check<'a>(
    declared: &BTreeMap<String, Declared>,
    matrix: &Matrix,
    registry: &'a Registry,
    faults: &mut Faults,
) -> BTreeMap<String, Variants<'a>> {
    let mut stages = BTreeMap::new();
    let mut values = 0;
    for (name, stage) in declared {
        let axes = matrix.axes_of(name);
        let mut checked = BTreeMap::new();
        let stated = stage.tree.weight();
        for projection in matrix.project(&axes) {
            values += stated;
            if values > VALUES {
                faults.push(too_many(&stage.name.span, VALUES, "values in its stages, over all cells"));
                return stages;
            }
            match matrix.apply(stage, &axes, &projection) {
                Ok(stage) => {
                    let stage = check::stage(&stage, registry, faults);
                    values += stage.params.as_ref().map_or(0, weight);
                    checked.insert(projection, stage);
                }
                Err(fault) => faults.push(*fault),
            }
        }
        stages.insert(name.clone(), Variants { axes, checked });
    }
    stages
}
