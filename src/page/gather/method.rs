//! What the page compares: methods, each validated once for each of its repetitions.

use std::collections::{BTreeMap, BTreeSet};

use super::group::{Group, facets, groups};
use super::labels::labels;
use super::source::{Fault, Source};
use super::validation::{self, Summary};

/// What is compared: a stage of validations, over the cells that repeat it.
pub(super) struct Method<'s, 'a> {
    /// What it is called. No two methods are called alike.
    pub label: String,
    /// The run.
    pub run: &'s str,
    /// Its trainings; at least one.
    pub trained: Vec<Trained<'s, 'a>>,
}

/// A trained model of a method.
pub(super) struct Trained<'s, 'a> {
    /// The cell of its validation.
    pub cell: &'s BTreeMap<String, String>,
    /// Its validations, one for each iteration.
    pub validations: Vec<(&'s Source<'a>, Summary)>,
}

impl<'s, 'a> Trained<'s, 'a> {
    /// The last validation.
    pub fn last(&self) -> &(&'s Source<'a>, Summary) {
        &self.validations[self.validations.len() - 1]
    }
}

impl Method<'_, '_> {
    /// The mean of the last mean IoUs, from 0 to 1.
    pub fn mean_iou(&self) -> Option<f64> {
        let values: Vec<f64> = self.trained.iter().filter_map(|trained| trained.last().1.mean_iou).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }
}

/// The methods of all validations, in the order in which they came.
///
/// # Errors
/// A summary cannot be read.
pub(super) fn methods<'s, 'a>(
    sources: &'s [Source<'a>],
    over: &BTreeSet<String>,
    named: bool,
) -> Result<Vec<Method<'s, 'a>>, Fault> {
    let groups = groups(sources, validation::is_one, over);
    let mut methods = Vec::new();
    for group in &groups {
        let mut trained = Vec::new();
        for repeat in &group.repeats {
            let read = |source: &&'s Source<'a>| Ok((*source, validation::summary(source)?));
            let validations = repeat.iterations.iter().map(read).collect::<Result<_, Fault>>()?;
            trained.push(Trained { cell: repeat.cell, validations });
        }
        methods.push(Method { label: String::new(), run: group.run, trained });
    }
    let summary = |at: usize| &methods[at].trained[0].last().1;
    let place = |group: &Group<'_, '_>| groups.iter().position(|other| std::ptr::eq(other, group)).unwrap_or_default();
    let facets = facets(&groups, named, |group| {
        let Summary { encoder, prefilter, inference, data, .. } = summary(place(group)).clone();
        let told = [("encoder", encoder), ("pre-filter", prefilter), ("inference", inference), ("data", data)];
        told.map(|(name, value)| (name.to_owned(), value)).to_vec()
    });
    let whole = |at: usize| {
        let Summary { encoder, prefilter, .. } = summary(at);
        let words = format!("{encoder} {prefilter}");
        if words.trim().is_empty() { "validation".to_owned() } else { words.trim().to_owned() }
    };
    let labels = labels(&facets, whole);
    methods.iter_mut().zip(labels).for_each(|(method, label)| method.label = label);
    Ok(methods)
}
