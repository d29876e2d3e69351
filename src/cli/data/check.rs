//! `repro data check FILE [STAGE…]`: all faults and warnings of data sets, without a run.

use std::collections::BTreeSet;

use clap::Args;

use super::sets::Source;
use crate::cli::columns::{aligned, share};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::places::StoreArgs;
use crate::cli::request::PipelineArgs;
use crate::cli::terminal::{print, warn};
use crate::stage::{Registry, StageError};
use crate::stages::sets::{self, Set};
use crate::syntax;

/// How many ids of images are named.
const SHOWN: usize = 8;

/// The arguments of `repro data check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// The stages to check, of the kind `Dataset`; all, if none is given.
    #[arg(value_name = "STAGE")]
    stages: Vec<String>,
}

/// Reads the data sets, and tells what is wrong with them.
pub fn run(at: &StoreArgs, args: &CheckArgs, registry: &Registry) -> Result<Exit, Failure> {
    let source = Source::open(at, &args.pipeline, registry)?;
    let trained: BTreeSet<String> = source
        .pipeline
        .nodes
        .iter()
        .filter(|node| node.kind == sets::TRAIN)
        .filter_map(|node| sets::trained_on(&node.params))
        .collect();
    let (mut faults, mut read): (Vec<_>, Vec<(&str, Set)>) = (Vec::new(), Vec::new());
    for node in source.nodes(&args.stages)? {
        match source.read(node) {
            Ok(set) => {
                print(&told(&node.stage, &set));
                set.warnings.iter().for_each(|warning| warn(&format!("{}: {warning}", node.stage)));
                read.push((&node.stage, set));
            }
            Err(StageError::Data(found)) => {
                print(&format!("{}: {} faults", node.stage, found.len()));
                faults.extend(found);
            }
            Err(error) => return Err(error.into()),
        }
    }
    for (name, set) in &read {
        for (other, training) in read.iter().filter(|(other, _)| other != name && trained.contains(*other)) {
            let both = if trained.contains(*name) { Vec::new() } else { set.shared_with(training) };
            if !both.is_empty() {
                warn(&format!(
                    "{} of {} images of `{name}` have the same content as images of `{other}`, which is trained on: {}.",
                    both.len(),
                    set.ids().len(),
                    syntax::first_names(both.iter().copied(), SHOWN)
                ));
            }
        }
    }
    if faults.is_empty() {
        return Ok(Exit::Success);
    }
    // The same file may be in two data sets.
    let mut seen = BTreeSet::new();
    faults.retain(|fault| seen.insert((fault.place.clone(), fault.message.clone())));
    Err(StageError::Data(faults).into())
}

/// What a data set holds.
fn told(name: &str, set: &Set) -> String {
    let (images, shares, (ignored, in_labels)) = (set.ids().len(), set.shares(), set.ignored());
    if !set.is_labelled() {
        return format!("{name}: {images} images without labels");
    }
    let total = ignored + shares.iter().map(|share| share.pixels).sum::<u64>();
    let row = |name: &str, pixels, labels: usize| vec![name.to_owned(), share(pixels, total), labels.to_string()];
    let mut rows = vec![["  class", "pixels", "labels"].map(str::to_owned).to_vec()];
    rows.extend(
        shares.iter().map(|class| row(&format!("  {}", syntax::shown(&class.name)), class.pixels, class.labels)),
    );
    rows.push(row("  (ignored)", ignored, in_labels));
    format!("{name}: {images} images with labels of {} classes\n{}", shares.len(), aligned(&rows, 1))
}
