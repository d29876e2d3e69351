//! Whole training steps: `cargo bench --bench step -- ResNet101 321 1` (encoder, side of the images, batch).
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::time::Instant;

use candle_core::{Device, Tensor};
use repro::ml::error::Result;
use repro::ml::optim::{Schedule, Sgd};
use repro::ml::rng::Rng;
use repro::ml::spec::{Choice, ModelSpec};
use repro::ml::train::{Settings, Trainer};
use repro::ml::weights::{Scheme, initialise};

const STEPS: usize = 4;

fn main() -> Result<()> {
    // Cargo adds `--bench` to what was asked for.
    let given: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let number = |at: usize, default: usize| given.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let encoder = given.first().map_or("ResNet101", String::as_str);
    let (side, batch) = (number(1, 321), number(2, 1));
    let mut rng = Rng::new(1, "pixels", 0);
    let pixels: Vec<f32> = (0..batch * 3 * side * side).map(|_| rng.range(-110.0, 140.0)).collect();
    let images = Tensor::from_vec(pixels, (batch, 3, side, side), &Device::Cpu)?;
    let labels: Vec<u8> = (0..batch * side * side).map(|i| (i / 50 % 21) as u8).collect();
    let settings = Settings {
        optimizer: Sgd { lr: 1e-6, momentum: 0.9, weight_decay: 1e-4, head_lr: 10.0, head_bias_lr: 20.0 },
        schedule: Schedule::Constant,
        horizon: 1,
    };
    for prefilter in ["Regular", "Average"] {
        let start = Instant::now();
        let spec = ModelSpec { encoder: Choice::new(encoder), classes: 21, prefilter: Choice::new(prefilter) };
        let mut trainer = Trainer::new(initialise(&spec, &Device::Cpu, Scheme::Stable, 1)?)?;
        println!("{encoder}, {prefilter}: initialised in {:.2} s", start.elapsed().as_secs_f64());
        for step in 0..STEPS {
            let start = Instant::now();
            let loss = trainer.step(&settings, &images, &labels)?.loss;
            println!("  step {step}: {:.3} s, loss {loss:.3}", start.elapsed().as_secs_f64());
        }
    }
    Ok(())
}
