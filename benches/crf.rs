//! A dense CRF over an image of VOC's size with 21 classes: `cargo bench --bench crf -- 375 500 2` (height, width,
//! threads). The photograph's place is taken by a made scene, then by noise, where the lattice is as large as it gets.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::time::Instant;

use candle_core::{Device, Tensor};
use repro::ml::crf::Crf;
use repro::ml::data::Rgb;
use repro::ml::data::shapes::{Shapes, scene};
use repro::rng::Rng;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const CLASSES: usize = 21;
const ROUNDS: usize = 3;

fn main() -> Result<()> {
    // Cargo adds `--bench` to what was asked for.
    let given: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let number = |at: usize, default: usize| given.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (height, width, threads) = (number(0, 375), number(1, 500), number(2, 2));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let mut rng = Rng::new(1, "pixels", 0);
    let noise = Rgb::from_fn(height, width, |_, _| [rng.bits() as u8, rng.bits() as u8, rng.bits() as u8]);
    let made = scene(1, 0, &Shapes { height: height as u32, width: width as u32 }).image;
    println!("{CLASSES} classes, {threads} threads; seconds, least of {ROUNDS}");
    println!("{:<24} {:>8} {:>14}", "image", "set up", "10 iterations");
    for (name, image) in [("made scene", made), ("noise", noise)] {
        let (height, width) = image.size();
        let logits: Vec<f32> = (0..CLASSES * height * width).map(|_| rng.range(-4.0, 4.0)).collect();
        let logits = Tensor::from_vec(logits, (1, CLASSES, height, width), &Device::Cpu)?;
        let time = |iterations| -> Result<f64> {
            let mut least = f64::INFINITY;
            for _ in 0..ROUNDS {
                let start = Instant::now();
                pool.install(|| Crf { iterations, ..Crf::default() }.refine(&logits, &image))?;
                least = least.min(start.elapsed().as_secs_f64());
            }
            Ok(least)
        };
        let (set_up, whole) = (time(0)?, time(10)?);
        println!("{:<24} {set_up:>8.3} {:>14.3}", format!("{name}, {height}x{width}"), whole - set_up);
    }
    Ok(())
}
