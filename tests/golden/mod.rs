//! Holds the program against numbers that the original implementation gave under TensorFlow.
//!
//! This is a module of the library's unit tests (`#[path]` in `src/ml/mod.rs`), since it reaches what is private:
//! `cargo test --release --lib golden` runs it.
//!
//! The data lie in `../shared/golden`, or where `REPRO_GOLDEN` says; tests skip with a word where they are absent.

mod ckpt;
mod e2e;
mod erf;
mod metrics;
mod msc;
mod names;
mod net;
mod ops;
mod preprocess;
mod stack;
mod traj;

use std::path::PathBuf;

use candle_core::{Device, Tensor};
use safetensors::{Dtype, SafeTensors};

use crate::ml::import::{Tensors, hwio_to_oihw};
use crate::ml::oracle::Worst;

#[test]
fn every_category_has_a_test() {
    let Some(golden) = Golden::open("") else { return };
    let index = golden.index();
    let tested = ["ckpt", "e2e", "erf", "metrics", "net", "ops", "preprocess", "traj"];
    assert!(index["categories"].as_object().unwrap().keys().all(|category| tested.contains(&category.as_str())));
}

/// The folder `name` of recorded numbers, below `REPRO_GOLDEN` or `../shared/golden`; none, with a word, where it is absent.
pub fn folder(name: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/golden");
    let path = std::env::var_os("REPRO_GOLDEN").map_or(beside, PathBuf::from).join(name);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: no golden data at {}", path.display());
    None
}

/// A folder of golden data: an index and files of tensors.
struct Golden(PathBuf);

impl Golden {
    /// The folder `category`; none, with a word, where there are no golden data.
    fn open(category: &str) -> Option<Self> {
        folder(category).map(Golden)
    }

    fn index(&self) -> serde_json::Value {
        self.json("index")
    }

    fn json(&self, name: &str) -> serde_json::Value {
        serde_json::from_slice(&crate::fsio::read(&self.0.join(format!("{name}.json"))).unwrap()).unwrap()
    }

    fn file(&self, name: &str) -> File {
        File(crate::fsio::read(&self.0.join(format!("{name}.safetensors"))).unwrap())
    }
}

/// A file of tensors: activations in NHWC, filters in HWIO, labels as bytes.
struct File(Vec<u8>);

impl File {
    fn raw(&self, name: &str, dtype: Dtype) -> Option<(Vec<usize>, Vec<u8>)> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).ok()?;
        assert_eq!(view.dtype(), dtype, "{name}");
        Some((view.shape().to_vec(), view.data().to_vec()))
    }

    fn find(&self, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        let (shape, data) = self.raw(name, Dtype::F32)?;
        Some((shape, data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()))
    }

    fn floats(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        self.find(name).unwrap_or_else(|| panic!("no tensor `{name}`"))
    }

    fn bytes(&self, name: &str) -> (Vec<usize>, Vec<u8>) {
        self.raw(name, Dtype::U8).unwrap_or_else(|| panic!("no tensor `{name}`"))
    }

    fn integers(&self, name: &str) -> Vec<i32> {
        let (_, data) = self.raw(name, Dtype::I32).unwrap_or_else(|| panic!("no tensor `{name}`"));
        data.chunks_exact(4).map(|b| i32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    /// Counts of 64 bits.
    fn counts(&self, name: &str) -> (Vec<usize>, Vec<u64>) {
        let (shape, data) = self.raw(name, Dtype::I64).unwrap_or_else(|| panic!("no tensor `{name}`"));
        (shape, data.chunks_exact(8).map(|b| u64::from_le_bytes(b.try_into().unwrap())).collect())
    }

    /// The tensors below `prefix`, without it.
    fn below(&self, prefix: &str) -> Tensors {
        let names: Vec<String> =
            SafeTensors::deserialize(&self.0).unwrap().names().into_iter().map(str::to_owned).collect();
        let entry = |name: &String| Some((name.strip_prefix(prefix)?.to_owned(), self.floats(name)));
        names.iter().filter_map(entry).collect()
    }

    /// Activations as NCHW.
    fn activations(&self, name: &str) -> Tensor {
        let (shape, data) = self.floats(name);
        nchw(&shape, &data)
    }

    /// A filter as OIHW, a depthwise one (`w_avg`) as [C, 1, H, W], a shared one as [1, 1, H, W]; a vector as it is.
    fn filter(&self, name: &str) -> Tensor {
        let (shape, data) = self.floats(name);
        let (shape, data) = match shape[..] {
            [h, w, i, 1] if name.contains("w_avg") => (vec![i, 1, h, w], hwio_to_oihw([h, w, i, 1], &data)),
            [h, w, i, o] => (vec![o, i, h, w], hwio_to_oihw([h, w, i, o], &data)),
            [h, w, 1, 1, 1] => (vec![1, 1, h, w], data),
            _ => (shape, data),
        };
        Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
    }
}

/// Activations turned from NHWC to NCHW.
fn nchw(shape: &[usize], data: &[f32]) -> Tensor {
    let (n, area, c) = (shape[0], shape[1] * shape[2], shape[3]);
    let mut out = Vec::with_capacity(data.len());
    for image in 0..n {
        for channel in 0..c {
            out.extend((0..area).map(|p| data[(image * area + p) * c + channel]));
        }
    }
    Tensor::from_vec(out, (n, c, shape[1], shape[2]), &Device::Cpu).unwrap()
}

/// What a category's test has executed, against what its index lists.
struct Tally {
    category: &'static str,
    listed: usize,
    executed: usize,
    error: f64,
}

impl Tally {
    /// A category whose index lists that many cases.
    fn of(category: &'static str, listed: usize) -> Self {
        assert!(listed > 0, "the index of {category} lists no case");
        Tally { category, listed, executed: 0, error: 0.0 }
    }

    /// Counts a case, all of whose comparisons `worst` has seen.
    fn case(&mut self, worst: &Worst) {
        self.executed += 1;
        self.note(worst);
    }

    /// Takes a comparison into the largest error without counting a case.
    fn note(&mut self, worst: &Worst) {
        self.error = self.error.max(worst.error);
    }

    /// Says what was executed, and fails where that is not every case listed.
    #[track_caller]
    fn finish(self) {
        let Tally { category, listed, executed, error } = self;
        eprintln!("{category}: {executed} of {listed} cases, largest relative error {error:.1e}");
        assert_eq!(executed, listed, "{category}: not every case of the index was executed");
    }
}
