//! Weights under the names of other programs, for their readers: the way back of [`import`](super::import).
//!
//! A table of names is read from right to left. Filters get the table's order of axes, and variances are moved to the epsilon
//! that the other program adds.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{Error, Result};
use super::import::Tensors;
use super::naming::{Layout, NameTable};

/// Weights under another program's names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Renamed {
    /// The tensors, in the other program's order of axes.
    pub tensors: Tensors,
    /// The tensors of ours that it has no name for.
    pub left_over: Vec<String>,
}

/// How far below 0 rounding may take a variance.
const ROUNDING: f32 = -1e-8;

/// Our `tensors` under the names of `table`. `epsilon` is what is added to their variances here.
///
/// # Errors
/// Two tensors would have one name, or a variance would be negative: it was trained with less added to it than the other
/// program adds.
pub fn rename(tensors: &Tensors, table: NameTable, epsilon: f64) -> Result<Renamed> {
    let table = table.rates(&rates(tensors)).smoothing(&smoothed(tensors));
    let others = BTreeMap::from([("net", depth(tensors))]);
    let (mut renamed, mut faults) = (Renamed::default(), Vec::new());
    for (ours, (shape, values)) in tensors {
        let Some(theirs) = table.theirs(ours, &others) else {
            renamed.left_over.push(ours.clone());
            continue;
        };
        let (shape, mut values) = arrange(table.layout, ours, shape, values);
        if let Some(theirs_adds) = table.epsilon.filter(|_| ours.ends_with("/norm/variance")) {
            let shift = epsilon - theirs_adds;
            values.iter_mut().for_each(|variance| *variance = (f64::from(*variance) + shift) as f32);
            if values.iter().any(|variance| *variance < ROUNDING) {
                faults.push(format!(
                    "The variance `{ours}` would be negative as `{theirs}`, which adds {theirs_adds:e}."
                ));
            }
            values.iter_mut().for_each(|variance| *variance = variance.max(0.0));
        }
        if renamed.tensors.insert(theirs.clone(), (shape, values)).is_some() {
            faults.push(format!("`{ours}` and another tensor would both be `{theirs}`."));
        }
    }
    if faults.is_empty() { Ok(renamed) } else { Err(Error::Weights(faults)) }
}

/// A filter in the order of axes of `layout`: what [`import::arrange`](super::import::arrange) turns back.
fn arrange(layout: Layout, ours: &str, shape: &[usize], values: &[f32]) -> (Vec<usize>, Vec<f32>) {
    match (layout, shape) {
        (Layout::Hwio, &[1, 1, h, w]) if ours.ends_with("prefilter/shared") => (vec![h, w, 1, 1, 1], values.to_vec()),
        (Layout::Hwio, &[c, 1, h, w]) if ours.contains("prefilter/") => {
            (vec![h, w, c, 1], oihw_to_hwio([c, 1, h, w], values))
        }
        (Layout::Hwio, &[o, i, h, w]) => (vec![h, w, i, o], oihw_to_hwio([o, i, h, w], values)),
        _ => (shape.to_vec(), values.to_vec()),
    }
}

/// A filter with its axes permuted from [O, I, H, W] to [H, W, I, O].
fn oihw_to_hwio([o, i, h, w]: [usize; 4], values: &[f32]) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for tap in 0..h * w {
        for input in 0..i {
            out.extend((0..o).map(|output| values[(output * i + input) * h * w + tap]));
        }
    }
    out
}

/// The dilations of the head, in growing order.
fn rates(tensors: &Tensors) -> Vec<usize> {
    let rate = |name: &String| name.strip_prefix("head/aspp")?.strip_suffix("/weights")?.parse().ok();
    let rates: BTreeSet<usize> = tensors.keys().filter_map(rate).collect();
    rates.into_iter().collect()
}

/// The group and the block of a tensor: `group4/block2/…` as 4 and 2.
fn place(name: &str) -> Option<(u32, u32)> {
    let (group, rest) = name.strip_prefix("group")?.split_once("/block")?;
    Some((group.parse().ok()?, rest.split_once('/')?.0.parse().ok()?))
}

/// The layers with a filter of a pre-filter, in the order of the network.
fn smoothed(tensors: &Tensors) -> Vec<String> {
    let layer = |name: &String| Some((place(name)?, name.split_once("/prefilter/")?.0.to_owned()));
    let layers: BTreeSet<_> = tensors.keys().filter_map(layer).collect();
    layers.into_iter().map(|(_, layer)| layer).collect()
}

/// The number by which a ResNet is named: its layers of weights, with the classifier that is not here.
fn depth(tensors: &Tensors) -> i64 {
    let blocks = tensors.keys().filter_map(|name| place(name)).collect::<BTreeSet<_>>().len() as i64;
    let layers = if tensors.keys().any(|name| name.contains("/expand/")) { 3 } else { 2 };
    2 + layers * blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::import::{self, hwio_to_oihw};

    #[test]
    fn filters_come_back_from_every_order_of_axes() {
        let values: Vec<f32> = (0..24).map(|value| value as f32).collect();
        for (ours, shape) in [
            ("a/weights", vec![4, 3, 2, 1]),
            ("a/prefilter/average", vec![6, 1, 2, 2]),
            ("a/prefilter/shared", vec![1, 1, 4, 6]),
            ("a/prefilter/mixing", vec![4, 6]),
            ("a/norm/gamma", vec![24]),
        ] {
            for layout in [Layout::Hwio, Layout::Oihw] {
                let (theirs, turned) = arrange(layout, ours, &shape, &values);
                let back = import::arrange(layout, ours, &theirs, turned);
                assert_eq!(back, (shape.clone(), values.clone()), "{ours} {layout:?}");
            }
        }
        assert_eq!(hwio_to_oihw([2, 1, 3, 4], &oihw_to_hwio([4, 3, 2, 1], &values)), values);
    }

    #[test]
    fn a_resnet_has_the_names_of_every_table_and_comes_back() {
        let mut tensors = Tensors::new();
        let mut add = |name: String| drop(tensors.insert(name, (vec![2], vec![0.25, 1.5])));
        add("stem/conv/weights".to_owned());
        for part in ["gamma", "beta", "mean", "variance"] {
            add(format!("stem/norm/{part}"));
            for (group, blocks) in [(2, 3), (3, 4), (4, 23), (5, 3)] {
                for block in 1..=blocks {
                    for layer in ["shortcut", "reduce", "middle", "expand"].iter().skip(usize::from(block > 1)) {
                        add(format!("group{group}/block{block}/{layer}/norm/{part}"));
                        add(format!("group{group}/block{block}/{layer}/weights"));
                    }
                }
            }
        }
        for rate in [6, 12, 18, 24] {
            add(format!("head/aspp{rate}/weights"));
            add(format!("head/aspp{rate}/biases"));
        }
        for (table, name, ours) in [
            ("Deeplab", "res4b22_branch2a/weights", "group4/block23/reduce/weights"),
            ("Deeplab", "bn2b_branch2c/moving_mean", "group2/block2/expand/norm/mean"),
            ("Deeplab", "fc1_voc12_c3/biases", "head/aspp24/biases"),
            ("Slim", "resnet_v1_101/block3/unit_23/bottleneck_v1/conv2/weights", "group4/block23/middle/weights"),
            ("Slim", "decoder/aspp/conv1/weights", "head/aspp6/weights"),
            ("Torchvision", "layer3.22.bn3.running_var", "group4/block23/expand/norm/variance"),
            ("DeeplabPytorch", "layer2.block1.shortcut.bn.weight", "group2/block1/shortcut/norm/gamma"),
            ("DeeplabPytorch", "aspp.c1.bias", "head/aspp12/biases"),
            ("Own", "head/aspp12/biases", "head/aspp12/biases"),
        ] {
            let shipped = NameTable::shipped(table).unwrap();
            let renamed = rename(&tensors, shipped.clone(), 1e-3).unwrap();
            assert!(renamed.left_over.is_empty(), "{table}: {:?}", renamed.left_over);
            assert!(renamed.tensors.contains_key(name), "{table}: {name}");
            assert_eq!(shipped.meaning(name, &|_| true), crate::ml::naming::Meaning::Ours(ours.to_owned()));
            for theirs in renamed.tensors.keys() {
                let meaning = shipped.meaning(theirs, &|_| true);
                assert!(matches!(meaning, crate::ml::naming::Meaning::Ours(_)), "{table}: {theirs} is {meaning:?}");
            }
        }
        let low = Tensors::from([("stem/norm/variance".to_owned(), (vec![1], vec![-0.5]))]);
        let told = rename(&low, NameTable::shipped("Torchvision").unwrap(), 1e-3).unwrap_err().to_string();
        assert_eq!(told, "The variance `stem/norm/variance` would be negative as `bn1.running_var`, which adds 1e-5.");
    }
}
