//! From logits to counts: resizing to the image, the class of each pixel, the confusion matrix. One line of JSON with
//! seconds an image, as the peer's, `benches/evaluate_torch.py`: `cargo bench --bench evaluate -- --height 375 --width 500`.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::error::Error;
use std::time::Instant;

use candle_core::{Device, Tensor};
use clap::Parser;
use repro::ml::cpu::memory;
use repro::ml::metrics::Confusion;
use repro::ml::ops::upsampled;
use repro::ml::resample::Sampling;
use repro::rng::Rng;

/// What is measured.
#[derive(Debug, Parser)]
struct Options {
    #[arg(long, default_value_t = 375)]
    height: usize,
    #[arg(long, default_value_t = 500)]
    width: usize,
    #[arg(long, default_value_t = 21)]
    classes: usize,
    #[arg(long, default_value_t = 30)]
    images: usize,
    /// 0: as many as there are processors.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Cargo adds it.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    memory::keep_freed();
    let Options { height, width, classes, images, threads, .. } = options;
    let (h, w) = (height.div_ceil(8), width.div_ceil(8));
    let mut rng = Rng::new(1, "logits", 0);
    // A class a region, as networks predict them.
    let value = |i: usize, noise: f32| noise + if i / (h * w) == i % (h * w) / 300 % classes { 8.0 } else { 0.0 };
    let logits: Vec<f32> = (0..classes * h * w).map(|i| value(i, rng.uniform())).collect();
    let logits = Tensor::from_vec(logits, (1, classes, h, w), &Device::Cpu)?;
    let label = |i: usize| if i.is_multiple_of(97) { 255 } else { (i / width / 40 * 3 + i % width / 90) % classes };
    let truth: Vec<u8> = (0..height * width).map(|i| label(i) as u8).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let mut confusion = Confusion::new(classes);
    let mut times = Vec::new();
    for image in 0..=images {
        let start = Instant::now();
        let predicted = pool.install(|| upsampled::argmax(&logits, height, width, Sampling::Legacy))?;
        confusion.add(&truth, &predicted)?;
        if image > 0 {
            times.push(start.elapsed().as_secs_f64());
        }
    }
    let mut sorted = times.clone();
    sorted.sort_by(f64::total_cmp);
    let seconds = sorted[sorted.len() / 2];
    println!("{}", serde_json::json!({ "times": times, "seconds": seconds, "counted": confusion.total() }));
    Ok(())
}
