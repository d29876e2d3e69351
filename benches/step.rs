//! Whole training steps, or whole predictions: one line of JSON with seconds and peak memory, as the peer's.
//! `cargo bench --bench step -- --prefilter Average --size 321 --batch 1`; `benches/against_torch.py` runs it side by side
//! with PyTorch.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::time::Instant;

use candle_core::{Device, Tensor};
use clap::Parser;
use repro::fsio;
use repro::ml::error::Result;
use repro::ml::models::Network;
use repro::ml::ops::{loss::argmax, memory, resize};
use repro::ml::optim::{Schedule, Sgd};
use repro::ml::rng::Rng;
use repro::ml::spec::{Choice, ModelSpec};
use repro::ml::train::{Settings, Trainer};
use repro::ml::weights::{Scheme, initialise};

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
    pool.map_err(|error| repro::ml::error::Error::Model(error.to_string()))?.install(|| measure(&options))
}

fn measure(options: &Options) -> Result<()> {
    let Options { size, batch, infer, .. } = *options;
    let mut rng = Rng::new(1, "pixels", 0);
    let pixels: Vec<f32> = (0..batch * 3 * size * size).map(|_| rng.range(-110.0, 140.0)).collect();
    let images = Tensor::from_vec(pixels, (batch, 3, size, size), &Device::Cpu)?;
    let labels: Vec<u8> = (0..batch * size * size).map(|i| (i / 50 % 21) as u8).collect();
    let spec =
        ModelSpec { encoder: Choice::new(&options.encoder), classes: 21, prefilter: Choice::new(&options.prefilter) };
    let network = initialise(&spec, &Device::Cpu, Scheme::Stable, 1)?;
    let (times, last) = match infer {
        true => predictions(options, &network, &images)?,
        false => steps(options, network, &images, &labels)?,
    };
    let mut sorted = times.clone();
    sorted.sort_by(f64::total_cmp);
    let result = serde_json::json!({
        "encoder": options.encoder, "filter": options.prefilter, "size": size, "batch": batch,
        "mode": if infer { "infer" } else { "train" },
        "seconds": sorted[sorted.len() / 2], "times": times, "peak_mib": peak_mib(), "last": last,
    });
    println!("{result}");
    Ok(())
}

fn steps(options: &Options, network: Network, images: &Tensor, labels: &[u8]) -> Result<(Vec<f64>, f64)> {
    let settings = Settings {
        optimizer: Sgd { lr: 1e-6, momentum: 0.9, weight_decay: 1e-4, head_lr: 10.0, head_bias_lr: 20.0 },
        schedule: Schedule::Constant,
        horizon: 1,
    };
    let mut trainer = Trainer::new(network)?;
    trainer.recompute = options.recompute;
    timed(options, || Ok(trainer.step(&settings, images, labels)?.loss))
}

fn predictions(options: &Options, network: &Network, images: &Tensor) -> Result<(Vec<f64>, f64)> {
    timed(options, || {
        let logits = resize::bilinear(&network.forward(images)?, options.size, options.size)?;
        Ok(argmax(&logits)?.into_iter().map(f64::from).sum())
    })
}

/// The seconds of each pass after the warm-up, and what the last one came to.
fn timed(options: &Options, mut pass: impl FnMut() -> Result<f64>) -> Result<(Vec<f64>, f64)> {
    let (mut times, mut last) = (Vec::new(), 0.0);
    for at in 0..options.warmup + options.steps.max(1) {
        let start = Instant::now();
        last = pass()?;
        if at >= options.warmup {
            times.push(start.elapsed().as_secs_f64());
        }
    }
    Ok((times, last))
}

/// The most memory that this process has held, in MiB; none where the system does not tell.
fn peak_mib() -> Option<f64> {
    let status = fsio::read_to_string(std::path::Path::new("/proc/self/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<f64>().ok()? / 1024.0)
}
