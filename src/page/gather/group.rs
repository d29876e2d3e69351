//! Sources that belong together: the iterations of a stage, and its cells that repeat one another.

use std::collections::{BTreeMap, BTreeSet};

use super::labels::Facet;
use super::source::Source;

/// A stage in some cells, which differ in the axes that are averaged over.
pub(super) struct Group<'s, 'a> {
    /// The run.
    pub run: &'s str,
    /// The stage.
    pub stage: &'s str,
    /// The labels that all of its cells have.
    pub cell: BTreeMap<&'s str, &'s str>,
    /// The cells, in the order in which they came.
    pub repeats: Vec<Repeat<'s, 'a>>,
}

/// A stage in one cell.
pub(super) struct Repeat<'s, 'a> {
    /// The cell.
    pub cell: &'s BTreeMap<String, String>,
    /// Its iterations in their order; at least one.
    pub iterations: Vec<&'s Source<'a>>,
}

impl<'s, 'a> Repeat<'s, 'a> {
    /// The last iteration.
    pub fn last(&self) -> &'s Source<'a> {
        self.iterations[self.iterations.len() - 1]
    }
}

/// The sources of a sort in groups, in the order in which they came.
pub(super) fn groups<'s, 'a>(
    sources: &'s [Source<'a>],
    is_one: impl Fn(&Source<'a>) -> bool,
    over: &BTreeSet<String>,
) -> Vec<Group<'s, 'a>> {
    let mut groups: Vec<Group<'s, 'a>> = Vec::new();
    for source in sources.iter().filter(|source| is_one(source)) {
        let rest = source.cell.iter().filter(|(axis, _)| !over.contains(*axis));
        let cell: BTreeMap<&str, &str> = rest.map(|(axis, label)| (axis.as_str(), label.as_str())).collect();
        let (run, stage) = (source.run.as_str(), source.stage.as_str());
        let same = |group: &&mut Group<'_, '_>| group.run == run && group.stage == stage && group.cell == cell;
        let repeat = || Repeat { cell: &source.cell, iterations: vec![source] };
        match groups.iter_mut().find(same) {
            None => groups.push(Group { run, stage, cell, repeats: vec![repeat()] }),
            Some(group) => match group.repeats.iter_mut().find(|repeat| *repeat.cell == source.cell) {
                Some(repeat) => repeat.iterations.push(source),
                None => group.repeats.push(repeat()),
            },
        }
    }
    groups
}

/// The facets of each group: the run, the axes of all groups, the stage where its name may be shown, and what `more` says.
pub(super) fn facets(
    groups: &[Group<'_, '_>],
    named: bool,
    more: impl Fn(&Group<'_, '_>) -> Vec<Facet>,
) -> Vec<Vec<Facet>> {
    let axes: BTreeSet<&str> = groups.iter().flat_map(|group| group.cell.keys().copied()).collect();
    let of = |group: &Group<'_, '_>| {
        let label = |axis: &&str| {
            let label = group.cell.get(axis).copied().unwrap_or("None");
            ((*axis).to_owned(), label.to_owned())
        };
        let stage = named.then(|| ("stage".to_owned(), group.stage.to_owned()));
        let run = ("run".to_owned(), group.run.to_owned());
        std::iter::once(run).chain(axes.iter().map(label)).chain(stage).chain(more(group)).collect()
    };
    groups.iter().map(of).collect()
}
