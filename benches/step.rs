//! Whole training steps, or whole predictions: one line of JSON with seconds and peak memory, as the peer's.
//! `cargo bench --bench step -- --prefilter Average --size 321 --batch 1`; `benches/against_torch.py` runs it side by side
//! with PyTorch.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::time::Instant;

use candle_core::Device;
use clap::Parser;
use repro::bench::workload::{Work, Workload, WorkloadSpec};
use repro::ml::cpu::memory;
use repro::ml::error::{Error, Result};
use repro::ml::numerics::Precision;
use repro::ml::spec::{Choice, ModelSpec};

/// What is measured.
#[derive(Debug, Parser)]
struct Options {
    #[arg(long, default_value = "ResNet101")]
    encoder: String,
    #[arg(long, default_value = "Regular")]
    prefilter: String,
    /// Height and width of the images.
    #[arg(long, default_value_t = 321)]
    size: usize,
    #[arg(long, default_value_t = 1)]
    batch: usize,
    #[arg(long, default_value_t = 4)]
    steps: usize,
    #[arg(long, default_value_t = 1)]
    warmup: usize,
    /// 0: as many as there are processors.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Blocks that are computed again together in the backward pass.
    #[arg(long, default_value_t = 0)]
    recompute: usize,
    /// The forward pass to the classes of the image's pixels, in place of a training step.
    #[arg(long)]
    infer: bool,
    /// Cargo adds it.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    memory::keep_freed();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build();
    pool.map_err(|error| Error::Model(error.to_string()))?.install(|| measure(&options))
}

fn measure(options: &Options) -> Result<()> {
    let Options { size, batch, infer, recompute, .. } = *options;
    let model = ModelSpec::new(Choice::new(&options.encoder), 21, Choice::new(&options.prefilter));
    let work = if infer { Work::Prediction } else { Work::Training };
    let workload =
        WorkloadSpec { model, work, batch, size: [size, size], recompute, graph: false, precision: Precision::Fp32 };
    let mut workload = Workload::new(workload, &Device::Cpu)?;
    let (mut times, mut last) = (Vec::new(), 0.0);
    for at in 0..options.warmup + options.steps.max(1) {
        let start = Instant::now();
        last = workload.run()?;
        if at >= options.warmup {
            times.push(start.elapsed().as_secs_f64());
        }
    }
    let mut sorted = times.clone();
    sorted.sort_by(f64::total_cmp);
    let result = serde_json::json!({
        "encoder": options.encoder, "filter": options.prefilter, "size": size, "batch": batch,
        "mode": if infer { "infer" } else { "train" },
        "seconds": sorted[sorted.len() / 2], "times": times,
        "peak_mib": repro::fsio::peak_memory().map(|bytes| bytes as f64 / (1 << 20) as f64), "last": last,
    });
    println!("{result}");
    Ok(())
}
