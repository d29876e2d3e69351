//! What was confused with what: a matrix for each method.

use super::method::Method;
use super::validation::Counted;
use crate::figure::{Chart, Confusion};
use crate::page::model::{Block, Figure, Section};

/// How many matrices are open at first. The others are in a section that is closed.
const OPEN: usize = 2;

/// The matrices of some methods, of which `counted` is what their trainings counted.
pub(super) fn sections(methods: &[Method<'_, '_>], counted: &[Vec<Counted>]) -> Vec<Section> {
    let mut figures = methods.iter().zip(counted).filter_map(|(method, counted)| figure(method, counted));
    let open: Vec<Block> = figures.by_ref().take(OPEN).collect();
    let rest: Vec<Block> = figures.collect();
    let lead = "Rows are true classes. A cell says which share of a row's pixels was predicted as the column's class.";
    let section = |id: &str, title: &str, blocks, folded| Section {
        id: id.to_owned(),
        title: title.to_owned(),
        lead: lead.to_owned(),
        blocks,
        folded,
    };
    [
        section("confusion", "Confusion", open, false),
        section("confusion-more", "Confusion of the other methods", rest, true),
    ]
    .into_iter()
    .filter(|section| !section.blocks.is_empty())
    .collect()
}

/// The matrix of a method: the pixels of all of its trainings.
fn figure(method: &Method<'_, '_>, counted: &[Counted]) -> Option<Block> {
    let first = counted.first()?;
    let mut pixels = vec![vec![0; first.classes.len()]; first.classes.len()];
    for counted in counted.iter().filter(|counted| counted.classes == first.classes) {
        for (sums, row) in pixels.iter_mut().zip(&counted.confusion) {
            sums.iter_mut().zip(row).for_each(|(sum, count)| *sum += count);
        }
    }
    let seeds = match counted.len() {
        1 => String::new(),
        seeds => format!(", summed over {seeds} seeds"),
    };
    let caption = format!("{}: pixels of {} images{seeds}, at the last iteration.", method.label, first.images.len());
    let chart = Confusion { title: method.label.clone(), classes: first.classes.clone(), pixels };
    Some(Block::Figure(Figure { caption, chart: Chart::Confusion(chart) }))
}
