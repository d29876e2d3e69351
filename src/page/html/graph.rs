//! The stages as a picture in layers: what a stage reads is above it.
//!
//! A stage lies one layer below the deepest of what it reads. A line that passes a layer has a place of its own there, so that
//! it crosses no box. Within a layer, places are ordered by where their neighbours are.

use maud::{Markup, html};

use super::data::Data;
use super::grid;
use super::text::{duration, number, plain, short};
use crate::page::model::{Cell, Graph, GraphNode, Grid};

const BOX: (f64, f64) = (168.0, 46.0);
/// Between places of a layer, and between layers.
const GAP: (f64, f64) = (20.0, 34.0);
/// The width of a place that only a line passes.
const LANE: f64 = 10.0;

/// The picture, and the same as a table.
pub(super) fn graph(graph: &Graph, data: &mut Data) -> Markup {
    let nodes = &graph.nodes;
    let layout = Layout::of(nodes);
    let (width, height) = layout.size();
    let total: f64 = nodes.iter().filter_map(|node| node.seconds).sum();
    html! {
        figure class="graph" {
            div class="scroll" tabindex="0" role="group" aria-label="Picture: the stages" {
                svg role="img" aria-label="The stages and what they read. The table below says the same."
                    width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } {
                    @for line in layout.lines() { path class="edge" d=(line) {} }
                    @for (at, node) in nodes.iter().enumerate() {
                        (drawn(node, layout.corner(at), total))
                    }
                }
            }
            figcaption {
                "A stage lies below what it reads. \u{d7} counts the nodes of a matrix, a broken border says that all were found "
                "in the store, and a bar is a stage's part of the whole time."
            }
            details { summary { "As a table" } (grid::table(&table(nodes), "Stages", data)) }
        }
    }
}

fn drawn(node: &GraphNode, (x, y): (f64, f64), total: f64) -> Markup {
    let says = format!("{}: {}", plain(&node.name), facts(node).join(", "));
    let mut second = vec![short(&node.kind, 14)];
    if node.count > 1 {
        second.push(format!("\u{d7}{}", node.count));
    }
    if let Some(seconds) = node.seconds.filter(|seconds| seconds.is_finite()) {
        second.push(duration(seconds));
    } else if node.cached > 0 && node.cached >= node.count {
        second.push("cached".to_owned());
    }
    // The part of the whole time, as a bar at the lower edge.
    let share = node.seconds.filter(|_| total > 0.0).map_or(0.0, |seconds| (seconds / total).clamp(0.0, 1.0));
    let class = if node.cached > 0 && node.cached >= node.count { "node cached" } else { "node" };
    html! {
        g class=(class) transform={ "translate(" (x) " " (y) ")" } {
            title { (says) }
            rect class="box" width=(BOX.0) height=(BOX.1) rx="4" {}
            @if share > 0.0 {
                rect class="share" y=(BOX.1 - 3.0) width=(format!("{:.1}", share * BOX.0)) height="3" {}
            }
            text class="name" x="9" y="19" { (short(&node.name, 22)) }
            text class="facts" x="9" y="36" { (second.join(" \u{b7} ")) }
        }
    }
}

fn facts(node: &GraphNode) -> Vec<String> {
    let mut facts = vec![plain(&node.kind)];
    if node.count > 1 {
        facts.push(format!("{} nodes", node.count));
    }
    if let Some(seconds) = node.seconds.filter(|seconds| seconds.is_finite()) {
        facts.push(duration(seconds));
    }
    if node.cached > 0 {
        facts.push(format!("{} found in the store", node.cached));
    }
    facts
}

fn table(nodes: &[GraphNode]) -> Grid {
    let cell = |text: String, number: Option<f64>| Cell { text, number, best: false };
    let row = |node: &GraphNode| {
        let reads: Vec<&str> =
            node.reads.iter().filter_map(|&at| nodes.get(at)).map(|node| node.name.as_str()).collect();
        vec![
            cell(node.name.clone(), None),
            cell(node.kind.clone(), None),
            cell(node.count.to_string(), Some(node.count as f64)),
            cell(node.cached.to_string(), Some(node.cached as f64)),
            cell(node.seconds.map_or(String::new(), number), node.seconds),
            cell(reads.join(", "), None),
        ]
    };
    let heads = ["stage", "kind", "nodes", "from the store", "seconds", "reads"];
    Grid { heads: heads.map(str::to_owned).to_vec(), rows: nodes.iter().map(row).collect(), ..Grid::default() }
}

/// Where all is. A place is a stage, or a point that a line passes.
struct Layout {
    /// The places of each layer, from left to right.
    layers: Vec<Vec<usize>>,
    /// The places above each place, which lines come from.
    above: Vec<Vec<usize>>,
    /// The middle of each place.
    middle: Vec<f64>,
    /// The layer of each place.
    layer: Vec<usize>,
    /// How many places are stages; these come first.
    stages: usize,
}

impl Layout {
    fn of(nodes: &[GraphNode]) -> Self {
        let mut layer = vec![0; nodes.len()];
        let mut above: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
        for (at, node) in nodes.iter().enumerate() {
            // Inputs come before what reads them; what says otherwise is no input.
            above[at] = node.reads.iter().copied().filter(|&input| input < at).collect();
            above[at].sort_unstable();
            above[at].dedup();
            layer[at] = above[at].iter().map(|&input| layer[input] + 1).max().unwrap_or(0);
        }
        // What nothing is above goes to just above its first reader: lines are shorter.
        for at in 0..nodes.len() {
            let readers = (0..nodes.len()).filter(|&reader| above[reader].contains(&at));
            if above[at].is_empty() {
                layer[at] = readers.map(|reader| layer[reader] - 1).min().unwrap_or(0);
            }
        }
        let mut layout = Layout { layers: Vec::new(), above, middle: Vec::new(), layer, stages: nodes.len() };
        layout.split();
        let deepest = layout.layer.iter().copied().max().map_or(0, |layer| layer + 1);
        layout.layers = vec![Vec::new(); deepest];
        for place in 0..layout.layer.len() {
            layout.layers[layout.layer[place]].push(place);
        }
        layout.middle = vec![0.0; layout.layer.len()];
        layout.pack();
        for _ in 0..6 {
            layout.order(true);
            layout.order(false);
        }
        for round in 0..40 {
            layout.draw_together(round % 2 == 0);
        }
        let left = (0..layout.middle.len())
            .map(|place| layout.middle[place] - layout.half(place))
            .fold(f64::INFINITY, f64::min);
        layout.middle.iter_mut().for_each(|middle| *middle = (*middle - left + 1.0).round());
        layout
    }

    /// Gives each line that passes layers a place in each of them.
    fn split(&mut self) {
        for at in 0..self.stages {
            for input in 0..self.above[at].len() {
                let mut upper = self.above[at][input];
                for layer in self.layer[upper] + 1..self.layer[at] {
                    self.layer.push(layer);
                    self.above.push(vec![upper]);
                    upper = self.layer.len() - 1;
                }
                self.above[at][input] = upper;
            }
        }
    }

    fn half(&self, place: usize) -> f64 {
        if place < self.stages { BOX.0 / 2.0 } else { LANE / 2.0 }
    }

    /// The least distance of the middles of two neighbours.
    fn apart(&self, left: usize, right: usize) -> f64 {
        self.half(left) + self.half(right) + GAP.0
    }

    /// Puts the places of each layer side by side, in their order.
    fn pack(&mut self) {
        for layer in 0..self.layers.len() {
            let mut at = 0.0;
            for index in 0..self.layers[layer].len() {
                let place = self.layers[layer][index];
                if index > 0 {
                    at += self.apart(self.layers[layer][index - 1], place);
                }
                self.middle[place] = at;
            }
            // All layers have their middle at 0.
            self.layers[layer].iter().for_each(|&place| self.middle[place] -= at / 2.0);
        }
    }

    /// The mean middle of the places above, or below.
    fn wanted(&self, place: usize, down: bool) -> Option<f64> {
        let mean = |places: &[usize]| {
            (!places.is_empty())
                .then(|| places.iter().map(|&place| self.middle[place]).sum::<f64>() / places.len() as f64)
        };
        if down {
            return mean(&self.above[place]);
        }
        let below = self.layers.get(self.layer[place] + 1)?;
        let readers: Vec<usize> = below.iter().copied().filter(|&reader| self.above[reader].contains(&place)).collect();
        mean(&readers)
    }

    /// Orders each layer by where the neighbours in the layer above, or below, are.
    fn order(&mut self, down: bool) {
        let layers = self.layers.len();
        for step in 0..layers {
            let layer = if down { step } else { layers - 1 - step };
            let mut keyed: Vec<(f64, usize)> = self.layers[layer]
                .iter()
                .map(|&place| (self.wanted(place, down).unwrap_or(self.middle[place]), place))
                .collect();
            // A stable sort: places that want the same stay in their order.
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            self.layers[layer] = keyed.into_iter().map(|(_, place)| place).collect();
            self.pack();
        }
    }

    /// Moves the places of each layer to their neighbours, as far as the places beside them let.
    fn draw_together(&mut self, down: bool) {
        for layer in 0..self.layers.len() {
            let places = self.layers[layer].clone();
            let wanted: Vec<f64> =
                places.iter().map(|&place| self.wanted(place, down).unwrap_or(self.middle[place])).collect();
            // From the left and from the right, no nearer than allowed; the mean of the two keeps every distance.
            let mut right = wanted.clone();
            for at in 1..places.len() {
                right[at] = right[at].max(right[at - 1] + self.apart(places[at - 1], places[at]));
            }
            let mut left = wanted;
            for at in (0..places.len().saturating_sub(1)).rev() {
                left[at] = left[at].min(left[at + 1] - self.apart(places[at], places[at + 1]));
            }
            for (at, &place) in places.iter().enumerate() {
                self.middle[place] = (right[at] + left[at]) / 2.0;
            }
        }
    }

    fn top(&self, place: usize) -> f64 {
        1.0 + self.layer[place] as f64 * (BOX.1 + GAP.1)
    }

    /// The upper left corner of a stage.
    fn corner(&self, stage: usize) -> (f64, f64) {
        (self.middle[stage] - BOX.0 / 2.0, self.top(stage))
    }

    fn size(&self) -> (f64, f64) {
        let right = (0..self.middle.len()).map(|place| self.middle[place] + self.half(place)).fold(0.0, f64::max);
        (right.ceil() + 1.0, 2.0 + (self.layers.len() as f64 * (BOX.1 + GAP.1) - GAP.1).max(0.0))
    }

    /// The paths of the lines, from the upper place to the lower one.
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (place, above) in self.above.iter().enumerate() {
            for &upper in above {
                let (from, to) = (self.middle[upper], self.middle[place]);
                let start = self.top(upper) + BOX.1;
                let end = self.top(place);
                let half = (start + end) / 2.0;
                let mut line = format!("M{from} {start}C{from} {half} {to} {half} {to} {end}");
                if place >= self.stages {
                    // Through the layer that it passes.
                    line += &format!("V{}", end + BOX.1);
                }
                lines.push(line);
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, reads: &[usize]) -> GraphNode {
        GraphNode { name: name.to_owned(), reads: reads.to_vec(), count: 1, ..GraphNode::default() }
    }

    #[test]
    fn boxes_lie_below_what_they_read_and_do_not_overlap() {
        let names = ["data", "net", "train", "validate", "predict", "erf", "report", "claims", "page"];
        let reads: [&[usize]; 9] = [&[], &[], &[0, 1], &[0, 2], &[0, 2], &[2], &[3], &[3, 4], &[0, 3, 4, 5, 6, 7]];
        let nodes: Vec<GraphNode> = names.iter().zip(reads).map(|(name, reads)| node(name, reads)).collect();
        let layout = Layout::of(&nodes);
        for (at, node) in nodes.iter().enumerate() {
            assert!(node.reads.iter().all(|&input| layout.layer[input] < layout.layer[at]), "{}", node.name);
        }
        for places in &layout.layers {
            for pair in places.windows(2) {
                let apart = layout.middle[pair[1]] - layout.middle[pair[0]];
                assert!(apart + 1.0 >= layout.apart(pair[0], pair[1]), "{pair:?} are {apart} apart");
            }
        }
        // Every line goes from a layer to the next.
        for (place, above) in layout.above.iter().enumerate() {
            assert!(above.iter().all(|&upper| layout.layer[upper] + 1 == layout.layer[place]));
        }
        let (width, height) = layout.size();
        assert!(width < 900.0 && height < 500.0, "{width} x {height}");
    }

    #[test]
    fn what_is_no_graph_is_drawn_all_the_same() {
        let layout = Layout::of(&[node("a", &[0, 5, 1]), node("b", &[0, 0])]);
        assert_eq!(layout.lines().len(), 1);
        assert_eq!(Layout::of(&[]).size().0, 1.0);
    }
}
