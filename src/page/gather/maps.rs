//! Effective receptive fields side by side, on one scale.
//!
//! Invariants:
//! - maps of one picture are of the same part of the network, and show the same extent in pixels;
//! - each map is shown as shares of its greatest value: gradients of different networks have no common unit.

use std::collections::BTreeSet;

use super::columns::{figure, first};
use super::group::{Group, facets, groups};
use super::labels::labels;
use super::source::{Fault, Source};
use crate::figure::{Chart, Map, Maps};
use crate::page::model::{Block, Figure, Section};
use crate::table::Table;

/// How much of a map's mass is shown at least.
const MASS: f64 = 0.99;

/// A map as it was stored.
struct Stored {
    height: usize,
    width: usize,
    values: Vec<f64>,
}

/// The receptive fields of all sources, a picture for each part of a network.
///
/// # Errors
/// A map cannot be read.
pub(super) fn section(
    sources: &[Source<'_>],
    over: &BTreeSet<String>,
    named: bool,
    (shown, notes): (usize, &mut Vec<String>),
) -> Result<Option<Section>, Fault> {
    let groups = groups(sources, |source| source.has(&["map", "figures"]), over);
    let tables: Vec<Table> =
        groups.iter().map(|group| group.repeats[0].last().table("figures")).collect::<Result<_, Fault>>()?;
    let place = |group: &Group<'_, '_>| groups.iter().position(|other| std::ptr::eq(other, group)).unwrap_or_default();
    let all = facets(&groups, named, |group| {
        let text = |(name, column): (&str, &str)| (name.to_owned(), first(&tables[place(group)], column));
        [("encoder", "encoder"), ("pre-filter", "prefilter")].map(text).to_vec()
    });
    let targets: Vec<String> = tables.iter().map(|table| first(table, "target")).collect();
    let mut blocks = Vec::new();
    for (at, target) in targets.iter().enumerate() {
        if targets[..at].contains(target) {
            continue;
        }
        let mut members: Vec<usize> = (at..groups.len()).filter(|&other| targets[other] == *target).collect();
        let names = labels(&members.iter().map(|&member| all[member].clone()).collect::<Vec<_>>(), |member| {
            let words = [first(&tables[members[member]], "encoder"), first(&tables[members[member]], "prefilter")];
            words.join(" ").trim().to_owned()
        });
        if members.len() > shown {
            notes.push(format!("The first {shown} of {} receptive fields of {target} are shown.", members.len()));
            members.truncate(shown);
        }
        let mut maps = Vec::new();
        for (&member, name) in members.iter().zip(names) {
            let stored = read(groups[member].repeats[0].last())?;
            if stored.values.iter().all(|value| *value == 0.0) {
                notes.push(format!("The receptive field of {name} is zero everywhere, and is not shown."));
                continue;
            }
            maps.push((name, stored, said(&tables[member])));
        }
        if !maps.is_empty() {
            let seeds = members.iter().any(|&member| groups[member].repeats.len() > 1);
            blocks.push(picture(target, maps, seeds));
        }
    }
    Ok((!blocks.is_empty()).then(|| Section {
        id: "erf".to_owned(),
        title: "Effective receptive fields".to_owned(),
        lead: "Which pixels of the input the centre of the output depends on, and how much.".to_owned(),
        blocks,
        folded: false,
    }))
}

fn picture(target: &str, maps: Vec<(String, Stored, Vec<String>)>, seeds: bool) -> Block {
    let extent = maps.iter().map(|(_, map, _)| map.extent()).max().unwrap_or(1);
    let shown = |(label, map, notes): (String, Stored, Vec<String>)| {
        let (height, width, values) = map.middle(extent);
        let greatest = values.iter().copied().fold(0.0, f64::max);
        let values = values.into_iter().map(|value| if greatest > 0.0 { value / greatest } else { 0.0 }).collect();
        Map { label, height, width, values, notes }
    };
    let maps = maps.into_iter().map(shown).collect();
    let mut caption = format!(
        "Effective receptive field of {target}, each map as shares of its greatest value. The middle is shown, with at least \
         {} % of each map's mass.",
        (100.0 * MASS).round()
    );
    if seeds {
        caption += " Of several seeds it is the first.";
    }
    let scale = "share of the greatest value".to_owned();
    Block::Figure(Figure { caption, chart: Chart::Maps(Maps { title: target.to_owned(), scale, maps }) })
}

/// The figures of a map in words.
fn said(table: &Table) -> Vec<String> {
    let dead = figure(table, "dead").map(|dead| format!("dead {:.1} %", 100.0 * dead));
    let radius = figure(table, "radius").map(|radius| format!("radius {radius:.1} px"));
    dead.into_iter().chain(radius).collect()
}

fn read(source: &Source<'_>) -> Result<Stored, Fault> {
    let given = source.output("map").ok_or("There is no output `map`.")?;
    parse(&given.bytes()?)
}

/// A safetensors file with one tensor `erf`, `[height, width]` of f64.
fn parse(bytes: &[u8]) -> Result<Stored, Fault> {
    let strange = || Fault::from("A receptive field is not stored as `Erf` stores it.");
    let tensors = safetensors::SafeTensors::deserialize(bytes).map_err(|_| strange())?;
    let view = tensors.tensor("erf").map_err(|_| strange())?;
    let &[height, width] = view.shape() else { return Err(strange()) };
    if view.dtype() != safetensors::Dtype::F64 || height == 0 || width == 0 {
        return Err(strange());
    }
    let (numbers, []) = view.data().as_chunks::<8>() else { return Err(strange()) };
    let finite = |value: f64| if value.is_finite() { value.max(0.0) } else { 0.0 };
    Ok(Stored { height, width, values: numbers.iter().map(|bytes| finite(f64::from_le_bytes(*bytes))).collect() })
}

impl Stored {
    /// How far a position is from the middle, along the axis where it is farther, in half positions.
    fn distance(&self, at: usize) -> usize {
        let away = |place: usize, size: usize| (2 * place + 1).abs_diff(size);
        away(at / self.width, self.height).max(away(at % self.width, self.width))
    }

    /// The side of the smallest square around the middle that holds enough of the mass.
    fn extent(&self) -> usize {
        let mut mass = vec![0.0; self.height.max(self.width) + 1];
        self.values.iter().enumerate().for_each(|(at, value)| mass[self.distance(at)] += value);
        let wanted = MASS * mass.iter().sum::<f64>();
        let mut sum = 0.0;
        let reached = mass.iter().position(|ring| {
            sum += ring;
            sum >= wanted
        });
        reached.map_or(self.height.max(self.width), |distance| distance + 1)
    }

    /// The middle of a map: at least `extent` rows and columns, as far as the map has them.
    fn middle(&self, extent: usize) -> (usize, usize, Vec<f64>) {
        let cut = |size: usize| size.saturating_sub(extent) / 2;
        let (top, left) = (cut(self.height), cut(self.width));
        let (height, width) = (self.height - 2 * top, self.width - 2 * left);
        let values = (0..height * width).map(|at| self.values[(top + at / width) * self.width + left + at % width]);
        (height, width, values.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_map_has_its_mass() {
        let spot = |size: usize, radius: usize| {
            let near = |at: usize| (at / size).abs_diff(size / 2).max((at % size).abs_diff(size / 2)) <= radius;
            let values = (0..size * size).map(|at| if near(at) { 1.0 } else { 0.0 }).collect();
            Stored { height: size, width: size, values }
        };
        let map = spot(21, 3);
        assert_eq!(map.extent(), 7);
        assert_eq!(map.middle(7), (7, 7, vec![1.0; 49]));
        // An even map keeps its middle between positions.
        let even = Stored { height: 6, width: 4, values: vec![1.0; 24] };
        assert_eq!((even.extent(), even.middle(2).0, even.middle(9).0), (6, 2, 6));
        let wide = Stored { height: 1, width: 3, values: vec![0.0, 5.0, 0.0] };
        assert_eq!((wide.extent(), wide.middle(1)), (1, (1, 1, vec![5.0])));
    }

    #[test]
    fn what_is_no_map_is_refused() {
        assert!(parse(b"").is_err() && parse(b"12345678").is_err());
    }
}
