//! The sections of a page, in their order.

use std::collections::BTreeSet;

use super::claim::Claim;
use super::method::{self, Method};
use super::source::{Fault, Source};
use super::validation::{self, Counted};
use super::{bars, confusion, costs, curves, images, maps, tables};
use crate::figure::{Chart, Curves};
use crate::page::model::{Block, Figure, Page, Section};

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
    /// How many methods pictures show at most; none: eight.
    pub most: Option<usize>,
}

/// Makes the sections that the sources give, in this order: verdicts of claims, tables, classes, curves, confusion,
/// receptive fields, images, costs.
///
/// # Errors
/// What a source has cannot be read.
pub fn gather(wanted: &Wanted, sources: &[Source<'_>]) -> Result<Page, Fault> {
    let mut notes = Vec::new();
    let mut methods = method::methods(sources, &wanted.over, wanted.named)?;
    let most = wanted.most.unwrap_or(SHOWN);
    if methods.len() > most {
        let left: Vec<&str> = methods[most..].iter().map(|method| method.label.as_str()).collect();
        notes.push(format!("Pictures show the first {most} methods, and leave out {}.", left.join("; ")));
        methods.truncate(most);
    }
    let counted = methods.iter().map(counted).collect::<Result<Vec<_>, Fault>>()?;
    let mut sections: Vec<Section> = verdicts(sources)?.into_iter().collect();
    sections.extend(tables::sections(sources)?);
    sections.extend(bars::section(&methods, &counted, &mut notes)?);
    let (over, named) = (&wanted.over, wanted.named);
    sections.extend(curves::section(sources, &methods, over, named, (most, &mut notes))?);
    sections.extend(confusion::sections(&methods, &counted));
    sections.extend(maps::section(sources, over, named, (most, &mut notes))?);
    sections.extend(images::section(sources, &methods, &counted, wanted.images, &mut notes)?);
    sections.extend(costs::section(sources, named)?);
    Ok(Page { title: wanted.title.clone(), lead: String::new(), sections, notes })
}

/// The course of all trainings, and of their validations: a picture of their losses, where there are trainings, and one of their
/// mean IoUs. There is none of single validations. Beside them what was left out, as sentences.
///
/// # Errors
/// What a source has cannot be read.
pub fn courses(wanted: &Wanted, sources: &[Source<'_>]) -> Result<(Vec<Curves>, Vec<String>), Fault> {
    let mut notes = Vec::new();
    let methods = method::methods(sources, &wanted.over, wanted.named)?;
    let most = wanted.most.unwrap_or(SHOWN);
    let section = curves::section(sources, &methods, &wanted.over, wanted.named, (most, &mut notes))?;
    let of = |block| match block {
        Block::Figure(Figure { chart: Chart::Curves(curves), .. }) => Some(curves),
        _ => None,
    };
    Ok((section.into_iter().flat_map(|section| section.blocks).filter_map(of).collect(), notes))
}

/// What the trainings of a method counted.
pub(super) fn counted(method: &Method<'_, '_>) -> Result<Vec<Counted>, Fault> {
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
