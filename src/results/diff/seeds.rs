//! Which axes of a matrix repeat a training with other seeds.
//!
//! An axis does, if the stages of its cells differ in parameters `seed` alone. Its name does not count.

use std::collections::{BTreeMap, BTreeSet};

use super::side::Side;
use super::values;
use crate::stage::{MatrixCell, Registry, StageName, Value};

/// The axes of a run that are of seeds.
pub type SeedAxes = BTreeSet<String>;

/// The end of the path of a seed.
pub(super) const SEED: &str = ".seed";

/// The axes of a run that are of seeds.
pub fn axes_of(side: &Side<'_>, registry: &Registry) -> SeedAxes {
    let run = &side.run;
    let stages: Vec<(StageName, Value)> = run
        .params
        .keys()
        .filter_map(|name| Some((StageName::read(name).ok()?, values::identity(run, registry, name)?)))
        .collect();
    let axes: BTreeSet<&String> = stages.iter().flat_map(|(name, _)| name.cell.keys()).collect();
    axes.into_iter().filter(|axis| repeats(axis, &stages)).cloned().collect()
}

fn repeats(axis: &str, stages: &[(StageName, Value)]) -> bool {
    let mut groups: BTreeMap<(&str, MatrixCell), Vec<&Value>> = BTreeMap::new();
    for (name, value) in stages.iter().filter(|(name, _)| name.cell.contains_key(axis)) {
        let mut cell = name.cell.clone();
        cell.remove(axis);
        groups.entry((name.stage.as_str(), cell)).or_default().push(value);
    }
    let pairs = groups.values().flat_map(|values| values.iter().skip(1).map(|value| (values[0], *value)));
    let paths: Vec<String> = pairs.flat_map(|(a, b)| values::differing(a, b)).collect();
    !paths.is_empty() && paths.iter().all(|path| path.ends_with(SEED))
}

/// The stage of a path without its iteration and without its seeds.
pub(super) fn without(path: &str, axes: &[SeedAxes]) -> String {
    let Ok(mut name) = StageName::read(path) else { return path.to_owned() };
    name.iteration = None;
    name.cell.retain(|axis, _| !axes.iter().any(|axes| axes.contains(axis)));
    name.to_string()
}

/// The labels of a stage's seeds; none where it has no axis of seeds.
pub(super) fn seed_of(stage: &str, axes: &SeedAxes) -> Option<String> {
    let mut cell = StageName::read(stage).ok()?.cell;
    cell.retain(|axis, _| axes.contains(axis));
    (!cell.is_empty()).then(|| crate::stage::name::in_words(&cell))
}
