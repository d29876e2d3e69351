//! The names of parameters in the reference's checkpoints, and the order of axes there.

use std::collections::BTreeMap;

use super::filters::Filters;
use crate::ml::import::Tensors;
use crate::ml::layers::{Inventory, Parameter, Role};

/// A convention of names. Filters are HWIO in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// The `deeplab` encoder's, after Caffe: `res4b1_branch2a/weights`, `bn4b1_branch2a/gamma`.
    Deeplab,
    /// The names of TensorFlow's slim: `resnet_v1_50/block3/unit_2/bottleneck_v1/conv1/weights`.
    Slim {
        /// The number in the network's name, 50 or 101.
        layers: usize,
    },
}

impl Names {
    /// The name that each parameter has in this convention, by our name. One that has none there is missing.
    pub fn table(self, inventory: &Inventory) -> BTreeMap<String, String> {
        let mut filters = Filters::default();
        let mut translate = |parameter: &Parameter| {
            let theirs = match self {
                Names::Deeplab => deeplab(&parameter.name, &mut filters),
                Names::Slim { layers } => slim(&parameter.name, layers, &mut filters),
            };
            theirs.map(|theirs| (parameter.name.clone(), theirs))
        };
        inventory.iter().filter_map(|(_, parameter)| translate(parameter)).collect()
    }

    /// The tensors of a file in this convention under our names and in our order of axes. What the network has no place
    /// for stays as it is.
    pub fn own(self, inventory: &Inventory, mut theirs: Tensors) -> Tensors {
        let table = self.table(inventory);
        let mut ours = Tensors::new();
        for (_, parameter) in inventory.iter() {
            if let Some(tensor) = table.get(&parameter.name).and_then(|name| theirs.remove(name)) {
                ours.insert(parameter.name.clone(), arrange(parameter.role, tensor));
            }
        }
        for (name, tensor) in theirs {
            ours.entry(name).or_insert(tensor);
        }
        ours
    }
}

/// A filter as OIHW, or as [C, 1, H, W] where it is depthwise, [H, W, C, 1] there or [H, W, 1, 1, 1] where channels
/// share it; anything else as it is.
fn arrange(role: Role, (shape, data): (Vec<usize>, Vec<f32>)) -> (Vec<usize>, Vec<f32>) {
    match shape[..] {
        [h, w, i, o] => {
            let [first, second] = if role == Role::Prefilter { [i, o] } else { [o, i] };
            (vec![first, second, h, w], hwio_to_oihw([h, w, i, o], &data))
        }
        [h, w, 1, 1, 1] => (vec![1, 1, h, w], data),
        _ => (shape, data),
    }
}

/// A filter with its axes turned from [H, W, I, O] to [O, I, H, W].
pub fn hwio_to_oihw([h, w, i, o]: [usize; 4], data: &[f32]) -> Vec<f32> {
    let mut out = Vec::with_capacity(data.len());
    for output in 0..o {
        for input in 0..i {
            out.extend((0..h * w).map(|tap| data[(tap * i + input) * o + output]));
        }
    }
    out
}

/// `group4/block3/reduce/norm/gamma` as (4, 3, `reduce`, `norm/gamma`).
fn split(name: &str) -> Option<(usize, usize, &str, &str)> {
    let (group, rest) = name.strip_prefix("group")?.split_once("/block")?;
    let (block, rest) = rest.split_once('/')?;
    let (layer, part) = rest.split_once('/')?;
    Some((group.parse().ok()?, block.parse().ok()?, layer, part))
}

fn statistic(part: &str) -> Option<&'static str> {
    ["gamma", "beta", "moving_mean", "moving_variance"]
        .into_iter()
        .find(|theirs| theirs.trim_start_matches("moving_") == part)
}

fn deeplab(name: &str, filters: &mut Filters) -> Option<String> {
    match name {
        "stem/conv/weights" => return Some("conv1/weights".to_owned()),
        _ if name.starts_with("stem/norm/") => {
            return Some(format!("bn_conv1/{}", statistic(name.rsplit_once('/')?.1)?));
        }
        _ => {}
    }
    if let Some(part) = name.strip_prefix("prefilter/") {
        return Filters::network(part);
    }
    if let Some((rate, part)) = name.strip_prefix("head/aspp").and_then(|rest| rest.split_once('/')) {
        return Some(format!("fc1_voc12_c{}/{part}", rate.parse::<usize>().ok()? / 6 - 1));
    }
    let (group, block, layer, part) = split(name)?;
    let block = match (block, group) {
        (1, _) => "a".to_owned(),
        (n, 3 | 4) => format!("b{}", n - 1),
        (n, _) => char::from(b'a' + u8::try_from(n - 1).ok()?).to_string(),
    };
    let branch = match layer {
        "shortcut" => "1",
        "reduce" => "2a",
        "middle" => "2b",
        "expand" => "2c",
        _ => return None,
    };
    if let Some(part) = part.strip_prefix("prefilter/") {
        return filters.layer(part, &format!("res{group}{block}_branch{branch}"), "");
    }
    match part.strip_prefix("norm/") {
        Some(part) => Some(format!("bn{group}{block}_branch{branch}/{}", statistic(part)?)),
        None => Some(format!("res{group}{block}_branch{branch}/{part}")),
    }
}

fn slim(name: &str, layers: usize, filters: &mut Filters) -> Option<String> {
    let net = format!("resnet_v1_{layers}");
    if let Some(part) = name.strip_prefix("prefilter/") {
        return Filters::network(part);
    }
    if let Some((rate, part)) = name.strip_prefix("head/aspp").and_then(|rest| rest.split_once('/')) {
        return Some(format!("decoder/aspp/conv{}/{part}", rate.parse::<usize>().ok()? / 6));
    }
    let (place, part) = match name.strip_prefix("stem/") {
        Some(part) => (format!("{net}/conv1"), part.trim_start_matches("conv/")),
        None => {
            let (group, block, layer, part) = split(name)?;
            let scope = format!("{net}/block{}/", group - 1);
            let layer = match layer {
                "shortcut" => "shortcut",
                "reduce" => "conv1",
                "middle" => "conv2",
                "expand" => "conv3",
                _ => return None,
            };
            let place = format!("{scope}unit_{block}/bottleneck_v1/{layer}");
            if let Some(part) = part.strip_prefix("prefilter/") {
                return filters.layer(part, &place, &scope);
            }
            (place, part)
        }
    };
    match part.strip_prefix("norm/") {
        Some(part) => Some(format!("{place}/BatchNorm/{}", statistic(part)?)),
        None => Some(format!("{place}/{part}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_translate_as_in_the_checkpoints() {
        let mut count = Filters::default();
        let mut name = |ours: &str| deeplab(ours, &mut count).unwrap();
        assert_eq!(name("stem/norm/mean"), "bn_conv1/moving_mean");
        assert_eq!(name("group4/block23/expand/weights"), "res4b22_branch2c/weights");
        assert_eq!(name("group5/block3/middle/norm/variance"), "bn5c_branch2b/moving_variance");
        assert_eq!(name("head/aspp24/biases"), "fc1_voc12_c3/biases");
        assert_eq!(name("group4/block1/middle/prefilter/weights"), "w_avg");
        assert_eq!(name("group5/block1/middle/prefilter/weights"), "w_avg_1");
        let mut count = Filters::default();
        let mut name = |ours: &str| slim(ours, 50, &mut count).unwrap();
        assert_eq!(name("stem/conv/weights"), "resnet_v1_50/conv1/weights");
        assert_eq!(
            name("group2/block1/shortcut/norm/beta"),
            "resnet_v1_50/block1/unit_1/bottleneck_v1/shortcut/BatchNorm/beta"
        );
        assert_eq!(name("group4/block1/middle/prefilter/weights"), "resnet_v1_50/block3/w_avg");
        assert_eq!(name("head/aspp12/weights"), "decoder/aspp/conv2/weights");
    }

    #[test]
    fn axes_turn() {
        let data: Vec<f32> = (0..24).map(|v| v as f32).collect();
        let turned = hwio_to_oihw([2, 1, 3, 4], &data);
        // Element [h, i, o] = [1, 2, 3] of the file.
        assert_eq!(turned[(3 * 3 + 2) * 2 + 1], data[(3 + 2) * 4 + 3]);
    }
}
