//! How far the weights of each layer are from the reference's.
//!
//! Invariants:
//! - the weights of one model are in memory, and one tensor of another; momentum is passed over;
//! - sums are of f64, in the order of the files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::comparison::LayerRow;
use super::pairs::StageRow;
use super::side::Side;

/// The output that is a model.
const MODEL: &str = "model";

/// What the names of momentum begin with.
const MOMENTUM: &str = "momentum/";

/// The longest header that is read, in bytes.
const LONGEST: u64 = 100_000_000;

/// A tensor of weights.
type Weights = (Vec<usize>, Vec<f32>);

/// What is done with a tensor: its name, its shape and its values.
type Visit<'a> = dyn FnMut(&str, &[usize], Vec<f32>) + 'a;

/// What a layer comes to.
#[derive(Default, Clone)]
struct Sums {
    /// How many weights the reference has.
    weights: u64,
    /// The sum of the squares of the reference's weights.
    reference: f64,
    /// The sum of the squares of the differences.
    difference: f64,
    /// Whether the other model has all its tensors in the same shapes, and no others.
    same: bool,
}

/// The models that differ: those of the last iterations. Notes tell what cannot be read.
pub(super) fn of_models(sides: &[Side<'_>], rows: &[StageRow<'_>], notes: &mut Vec<String>) -> Vec<LayerRow> {
    let mut found = Vec::new();
    for row in rows {
        let digests: Vec<_> = row
            .last
            .nodes
            .iter()
            .map(|node| node.and_then(|node| node.outputs.get(MODEL)).map(|made| made.digest))
            .collect();
        let Some(reference) = digests[0] else { continue };
        if digests.iter().flatten().all(|digest| *digest == reference) {
            continue;
        }
        let mut tell = |why: String| notes.push(format!("The weights of `{}` are not compared. {why}", row.last.path));
        let mut weights = BTreeMap::new();
        let kept = sides[0].stream(&reference, &mut |file| {
            each(file, &mut |name, shape, values| _ = weights.insert(name.to_owned(), (shape.to_vec(), values)))
        });
        if let Err(why) = kept {
            tell(why);
            continue;
        }
        let mut layers: BTreeMap<String, LayerRow> = BTreeMap::new();
        for (at, digest) in digests.iter().enumerate().skip(1) {
            let Some(digest) = digest else { continue };
            match sides[at].stream(digest, &mut |file| distances(&weights, file)) {
                Err(why) => tell(why),
                Ok(sums) => {
                    for (layer, sums) in sums {
                        let row = layers.entry(layer.clone()).or_insert_with(|| LayerRow {
                            path: row.last.path.clone(),
                            layer,
                            weights: sums.weights,
                            distances: vec![None; sides.len() - 1],
                        });
                        row.distances[at - 1] = sums.distance();
                    }
                }
            }
        }
        let mut layers: Vec<LayerRow> = layers.into_values().collect();
        // A distance that cannot be told is the farthest.
        let farthest = |row: &LayerRow| row.distances.iter().map(|d| d.unwrap_or(f64::INFINITY)).fold(0.0, f64::max);
        layers.sort_by(|a, b| farthest(b).total_cmp(&farthest(a)).then_with(|| a.layer.cmp(&b.layer)));
        found.extend(layers);
    }
    found
}

impl Sums {
    fn distance(&self) -> Option<f64> {
        match (self.same, self.difference == 0.0, self.reference > 0.0) {
            (false, ..) | (true, false, false) => None,
            (true, true, _) => Some(0.0),
            (true, false, true) => Some((self.difference / self.reference).sqrt()),
        }
    }
}

/// The layer that a tensor belongs to: its name without the last part.
fn layer_of(name: &str) -> &str {
    name.rfind(['/', '.']).map_or(name, |at| &name[..at])
}

/// The sums of each layer of either model.
fn distances(reference: &BTreeMap<String, Weights>, other: &mut dyn Read) -> Result<BTreeMap<String, Sums>, String> {
    let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
    for (name, (_, values)) in reference {
        let sums = sums.entry(layer_of(name).to_owned()).or_insert_with(|| Sums { same: true, ..Sums::default() });
        sums.weights += values.len() as u64;
        sums.reference += values.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>();
    }
    let mut open: BTreeSet<&str> = reference.keys().map(String::as_str).collect();
    each(other, &mut |name, shape, values| {
        open.remove(name);
        let sums = sums.entry(layer_of(name).to_owned()).or_default();
        match reference.get(name).filter(|(own, _)| own.as_slice() == shape) {
            None => sums.same = false,
            Some((_, own)) => {
                let square = |(a, b): (&f32, &f32)| (f64::from(*b) - f64::from(*a)).powi(2);
                sums.difference += own.iter().zip(&values).map(square).sum::<f64>();
            }
        }
    })?;
    for name in open {
        sums.entry(layer_of(name).to_owned()).or_default().same = false;
    }
    Ok(sums)
}

/// Calls `visit` with each tensor of a model's file that is no momentum, in the file's order.
fn each(file: &mut dyn Read, visit: &mut Visit<'_>) -> Result<(), String> {
    let broken = |error: std::io::Error| format!("A model cannot be read: {error}.");
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(broken)?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST {
        return Err("A model is no safetensors file.".to_owned());
    }
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header).map_err(broken)?;
    let metadata: Metadata =
        serde_json::from_slice(&header).map_err(|error| format!("A model is no safetensors file: {error}."))?;
    let mut at = 0;
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else { continue };
        let (start, end) = info.data_offsets;
        if start != at {
            return Err("A model has tensors that do not follow each other.".to_owned());
        }
        // What a header claims takes no memory before it is there.
        let mut bytes = Vec::new();
        file.take((end - start) as u64).read_to_end(&mut bytes).map_err(broken)?;
        if bytes.len() < end - start {
            return Err(format!("A model ends within the tensor `{name}`."));
        }
        at = end;
        if name.starts_with(MOMENTUM) {
            continue;
        }
        if info.dtype != Dtype::F32 {
            return Err(format!("The tensor `{name}` is of {:?}, not of F32.", info.dtype));
        }
        let values = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        visit(&name, &info.shape, values);
    }
    // The end is read, so that the whole file is verified.
    std::io::copy(file, &mut std::io::sink()).map_err(broken)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::TensorView;

    use super::*;

    fn file(tensors: &[(&str, &[usize], &[f32])]) -> Vec<u8> {
        let bytes: Vec<Vec<u8>> =
            tensors.iter().map(|(.., values)| values.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
        let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
            ((*name).to_owned(), TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap())
        });
        safetensors::serialize(views, None).unwrap()
    }

    fn read(bytes: &[u8]) -> BTreeMap<String, Weights> {
        let mut weights = BTreeMap::new();
        each(&mut &*bytes, &mut |name, shape, values| _ = weights.insert(name.to_owned(), (shape.to_vec(), values)))
            .unwrap();
        weights
    }

    #[test]
    fn a_layer_is_as_far_as_its_weights_are_together() {
        let a = read(&file(&[
            ("conv/weights", &[2], &[3.0, 0.0]),
            ("conv/bias", &[1], &[4.0]),
            ("momentum/conv/bias", &[1], &[100.0]),
            ("zero/bias", &[1], &[0.0]),
            ("gone/bias", &[1], &[1.0]),
            ("shape/bias", &[2], &[1.0, 1.0]),
        ]));
        let b = file(&[
            ("conv/weights", &[2], &[3.0, 3.0]),
            ("conv/bias", &[1], &[0.0]),
            ("momentum/conv/bias", &[1], &[7.0]),
            ("zero/bias", &[1], &[1.0]),
            ("new/bias", &[1], &[1.0]),
            ("shape/bias", &[1], &[1.0]),
        ]);
        let found = distances(&a, &mut &*b).unwrap();
        let distance = |layer: &str| found[layer].distance();
        // |(0, 3, -4)| / |(3, 0, 4)|, by hand.
        assert_eq!(distance("conv"), Some(1.0));
        assert_eq!(["zero", "gone", "new", "shape"].map(distance), [None; 4]);
        assert_eq!(found["conv"].weights, 3);
        let same = distances(&a, &mut &*file(&[("conv/weights", &[2], &[3.0, 0.0]), ("conv/bias", &[1], &[4.0])]));
        assert_eq!(same.unwrap()["conv"].distance(), Some(0.0));
    }

    #[test]
    fn what_is_no_model_is_refused_in_words() {
        let cut = &file(&[("a/b", &[2], &[1.0, 2.0])])[..20];
        for bytes in [&b""[..], b"12345678", b"\xff\xff\xff\xff\xff\xff\xff\xffxxxx", cut] {
            assert!(distances(&BTreeMap::new(), &mut &*bytes).is_err_and(|why| why.starts_with("A model ")));
        }
    }
}
