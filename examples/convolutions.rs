//! The convolutions that the shipped pipelines ask a GPU for, which `.ci/cudnn` asks cuDNN about:
//! `cargo run --release --example convolutions > tests/cudnn/shapes.txt`
//!
//! Each is listed once, below the number and the size of the images that the network sees. Trainings are listed with every
//! encoder in place of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write;
use std::path::Path;

use candle_core::Device;
use repro::fsio;
use repro::ml::gpu::plan::ConvShape;
use repro::ml::models::{ENCODERS, Network};
use repro::ml::spec::{Choice, ModelSpec};
use repro::pipeline::{self, EarlierStage, Node, Pipeline, Request, RunLookup, Source};
use repro::stages::{self, passes};

/// Heights and widths that most images of a data set have. Those of drawn scenes differ by up to an eighth.
const SIZES: [(&str, &[[usize; 2]]); 4] = [
    ("camvid_val", &[[360, 480]]),
    ("cityscapes_val", &[[1024, 2048]]),
    ("shapes_val", &[[96, 128]]),
    ("voc_val", &[[333, 500], [375, 500], [500, 375], [500, 500]]),
];

/// Images that a network sees at a time: how many, and their height and width.
type Seen = (usize, [usize; 2]);

/// The description of a network, and what it sees.
type Pair = (ModelSpec, BTreeSet<Seen>);

/// A store without runs.
struct NoRuns;

impl RunLookup for NoRuns {
    fn find(&self, run: &str, _stage: &str) -> Result<EarlierStage, String> {
        Err(format!("There is no run `{run}`."))
    }
}

/// What each network sees in the pipelines of a folder.
fn seen(folder: &Path) -> Result<Vec<Pair>, Box<dyn Error>> {
    let registry = stages::registry();
    let mut networks: Vec<Pair> = Vec::new();
    let mut add = |model: &ModelSpec, passes: &passes::Passes| {
        let seen = passes.sizes.iter().map(|&size| (passes.images, size));
        match networks.iter_mut().find(|(known, _)| known == model) {
            Some((_, all)) => all.extend(seen),
            None => networks.push((model.clone(), seen.collect())),
        }
    };
    for name in fsio::list(folder)?.into_iter().filter(|name| name.ends_with(".ron")) {
        let request = Request { file: folder.join(&name), ..Request::default() };
        let pipeline = pipeline::load(&request, &registry, &NoRuns)?;
        for node in &pipeline.nodes {
            if let Some(passes) = passes::trains(&node.kind, &node.params) {
                for encoder in ENCODERS {
                    add(&ModelSpec { encoder: Choice::new(encoder.name), ..passes.model.clone() }, &passes);
                }
            }
            let (Some(model), Some(data)) = (input(&pipeline, node, "model"), input(&pipeline, node, "data")) else {
                continue;
            };
            let Some(model) = passes::network(&model.kind, &model.params) else { continue };
            if passes::predicts(&node.kind, &node.params, &model, [1, 1]).is_none() {
                continue;
            }
            let sizes = SIZES.iter().find(|(name, _)| *name == data.stage).map(|(_, sizes)| *sizes);
            let sizes =
                sizes.ok_or_else(|| format!("{name}: the sizes of the images of `{}` are not known", data.stage))?;
            for &size in sizes {
                if let Some(passes) = passes::predicts(&node.kind, &node.params, &model, size) {
                    add(&model, &passes);
                }
            }
        }
    }
    Ok(networks)
}

/// The node that a node reads in a slot, if it is one of this pipeline.
fn input<'a>(pipeline: &'a Pipeline, node: &Node, slot: &str) -> Option<&'a Node> {
    match node.inputs.get(slot)?.first()? {
        Source::Node(number) => pipeline.nodes.get(*number),
        Source::Run { .. } => None,
    }
}

/// A convolution in the order of `tests/cudnn/offline.cpp`.
fn numbers(shape: &ConvShape) -> [usize; 13] {
    let ConvShape { images, channels, outputs, source, grid, kernel, pad, stride, dilation, exact: _ } = *shape;
    let [[h, w], [oh, ow], [kh, kw], [top, left]] = [source, grid, kernel, pad];
    [images, channels, outputs, h, w, oh, ow, kh, kw, top, left, stride, dilation]
}

/// The list for the pipelines of a folder.
pub fn run(folder: &Path) -> Result<String, Box<dyn Error>> {
    let mut listed: BTreeMap<Seen, BTreeSet<[usize; 13]>> = BTreeMap::new();
    for (model, all) in seen(folder)? {
        // The shapes do not depend on the values.
        let network = Network::build(&model, &Device::Cpu, |parameter| Ok(vec![0.0; parameter.len()]))?;
        for (images, size) in all {
            let shapes = network.convolutions(images, size)?;
            listed.entry((images, size)).or_default().extend(shapes.iter().map(numbers));
        }
    }
    let mut text = String::new();
    for ((images, [height, width]), shapes) in listed {
        let plural = if images == 1 { "" } else { "s" };
        writeln!(text, "# {images} image{plural} of {height} x {width}")?;
        for shape in shapes {
            writeln!(text, "{}", shape.map(|number| number.to_string()).join(" "))?;
        }
    }
    Ok(text)
}

/// Prints what `run` gives for the shipped pipelines.
#[cfg(not(test))]
#[expect(clippy::print_stdout, reason = "an example shows what it made")]
fn main() -> Result<(), Box<dyn Error>> {
    print!("{}", run(Path::new("pipelines"))?);
    Ok(())
}
