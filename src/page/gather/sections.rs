//! The sections of a page, in their order.

use std::collections::BTreeSet;

use super::claim::Claim;
use super::method::{self, Method};
use super::source::{Fault, Source};
use super::validation::{self, Counted};
use super::{bars, confusion, costs, curves, images, maps, tables};
use crate::page::model::{Block, Page, Section};

/// How many methods have pictures. More can be told apart in tables alone.
const SHOWN: usize = 8;

/// What is asked of a page.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The title.
    pub title: String,
    /// The axes of the matrix whose cells repeat one another, as seeds do.
    pub over: BTreeSet<String>,
    /// How many images are shown at most.
    pub images: usize,
    /// Whether [`Source::stage`] is the name of a stage, which may be shown.
    pub named: bool,
}

/// Makes the sections that the sources give, in this order: verdicts of claims, tables, classes, curves, confusion,
/// receptive fields, images, costs.
///
/// # Errors
/// What a source has cannot be read.
pub fn gather(wanted: &Wanted, sources: &[Source<'_>]) -> Result<Page, Fault> {
    let mut notes = Vec::new();
    let mut methods = method::methods(sources, &wanted.over, wanted.named)?;
    if methods.len() > SHOWN {
        let left: Vec<&str> = methods[SHOWN..].iter().map(|method| method.label.as_str()).collect();
        notes.push(format!("Pictures show the first {SHOWN} methods, and leave out {}.", left.join("; ")));
        methods.truncate(SHOWN);
    }
    let counted = methods.iter().map(counted).collect::<Result<Vec<_>, Fault>>()?;
    let mut sections: Vec<Section> = verdicts(sources)?.into_iter().collect();
    sections.extend(tables::sections(sources)?);
    sections.extend(bars::section(&methods, &counted, &mut notes)?);
    let (over, named) = (&wanted.over, wanted.named);
    sections.extend(curves::section(sources, &methods, over, named, (SHOWN, &mut notes))?);
    sections.extend(confusion::sections(&methods, &counted));
    sections.extend(maps::section(sources, over, named, (SHOWN, &mut notes))?);
    sections.extend(images::section(sources, &methods, &counted, wanted.images, &mut notes)?);
    sections.extend(costs::section(sources, named)?);
    Ok(Page { title: wanted.title.clone(), lead: String::new(), sections, notes })
}

/// What the trainings of a method counted.
fn counted(method: &Method<'_, '_>) -> Result<Vec<Counted>, Fault> {
    method.trained.iter().map(|trained| validation::counted(trained.last().0)).collect()
}

/// The verdicts of all claims. Those that a report shows once more stand once.
fn verdicts(sources: &[Source<'_>]) -> Result<Option<Section>, Fault> {
    let mut claims: Vec<(&str, Claim)> = Vec::new();
    for source in sources.iter().filter(|source| source.outputs.contains_key("claims")) {
        for claim in Claim::all(&source.table("claims")?, "") {
            let known = |(run, other): &(&str, Claim)| *run == source.run && *other == claim;
            if !claims.iter().any(known) {
                claims.push((&source.run, claim));
            }
        }
    }
    if claims.is_empty() {
        return Ok(None);
    }
    let card = |(run, claim): &(&str, Claim)| {
        let mut card = claim.card();
        if !run.is_empty() {
            card.that = format!("{run}: {}", card.that);
        }
        card
    };
    Ok(Some(Section {
        id: "claims".to_owned(),
        title: "Verdicts".to_owned(),
        lead: "A claim holds or fails only where its whole interval lies on one side of what is claimed.".to_owned(),
        blocks: vec![Block::Verdicts(claims.iter().map(card).collect())],
        folded: false,
    }))
}
