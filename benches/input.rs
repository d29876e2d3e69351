//! Batches of a training from files: one line of JSON with seconds an image, as the peer's, `benches/input_torch.py`.
//! `cargo bench --bench input -- --root FOLDER --list FOLDER/train.txt --size 321`; `benches/data_against_torch.py` runs
//! both. `--make FOLDER` writes photographs and labels of its own there, with a list, and measures nothing.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;
use repro::fsio;
use repro::ml::data::augment::{Augment, Normalise};
use repro::ml::data::list::{self, Form, Sample};
use repro::ml::data::source::{Batching, Images};
use repro::ml::data::{Labels, Rgb, index, jpeg, labels};
use repro::rng::Rng;

/// What is measured.
#[derive(Debug, Parser)]
struct Options {
    #[arg(long)]
    root: Option<PathBuf>,
    #[arg(long)]
    list: Option<PathBuf>,
    /// Height and width of the crops.
    #[arg(long, default_value_t = 321)]
    size: usize,
    #[arg(long, default_value_t = 10)]
    batch: usize,
    #[arg(long, default_value_t = 20)]
    batches: u64,
    /// 0: as many as there are processors.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Where to write files, in place of measuring.
    #[arg(long)]
    make: Option<PathBuf>,
    /// Cargo adds it.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    if let Some(root) = &options.make {
        return make(root);
    }
    match (&options.root, &options.list) {
        (Some(root), Some(list)) => measure(&options, root, list),
        _ => {
            let folder = tempfile::tempdir()?;
            make(folder.path())?;
            measure(&options, folder.path(), &folder.path().join("train.txt"))
        }
    }
}

fn measure(options: &Options, root: &Path, list: &Path) -> Result<(), Box<dyn Error>> {
    let samples = list::parse(&fsio::read_to_string(list)?, "the list", Form::Labelled);
    let samples = samples.map_err(repro::ml::data::Error::Faults)?;
    let resolve = |path: &str| root.join(path);
    let rows = index::build(&samples, &resolve, index::Allowed::ids(21, 255))?;
    let plan = Batching {
        seed: 1,
        batch: options.batch,
        crop: (options.size, options.size),
        normalise: Normalise::default(),
        augment: Augment { scale: Some((0.5, 1.5)), mirror: true },
        ignore: 255,
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build()?;
    let times = pool.install(|| -> Result<Vec<f64>, Box<dyn Error + Send + Sync>> {
        let images = Images::new(&rows, &resolve);
        let mut batches = images.batches(&plan, 0..options.batches + 1);
        let mut times = Vec::new();
        for _ in 0..=options.batches {
            let start = Instant::now();
            batches.next().ok_or("the batches ended")??;
            times.push(start.elapsed().as_secs_f64() / options.batch as f64);
        }
        Ok(times)
    });
    // The first warms up.
    let times = times.map_err(|error| error.to_string())?.split_off(1);
    let mut sorted = times.clone();
    sorted.sort_by(f64::total_cmp);
    let seconds = sorted[sorted.len() / 2];
    println!("{}", serde_json::json!({ "size": options.size, "times": times, "seconds": seconds }));
    Ok(())
}

/// Writes photographs of 500 x 375 with as much in them as real ones have, in bytes, and their labels.
fn make(root: &Path) -> Result<(), Box<dyn Error>> {
    let mut samples = Vec::new();
    for image in 0..24 {
        let mut rng = Rng::new(1, "photograph", image);
        let shapes: Vec<[f32; 4]> = (0..12).map(|_| [0; 4].map(|_| rng.uniform())).collect();
        let ids = Labels::from_fn(375, 500, |y, x| {
            let inside = |[top, left, high, wide]: &[f32; 4]| {
                let (y, x) = (y as f32 / 375.0 - top, x as f32 / 500.0 - left);
                (0.0..high / 3.0).contains(&y) && (0.0..wide / 3.0).contains(&x)
            };
            shapes.iter().rposition(inside).map_or(0, |class| class as u8 + 1)
        });
        let photograph = Rgb::from_fn(375, 500, |y, x| {
            let noise = rng.below(24) as u8;
            [17, 29, 43].map(|factor: u8| ids.at(y, x).wrapping_mul(factor) / 2 + (y / 9 + x / 7) as u8 / 2 + noise)
        });
        let sample = Sample::voc(&format!("image{image:02}"), Some("Labels"));
        let write = |path: &str, bytes: &[u8]| fsio::write_atomic(&root.join(path), bytes);
        write(&sample.image, &jpeg::encode(&photograph, 90, "x").map_err(|fault| fault.to_string())?)?;
        let label = labels::encode_grey(&ids, "x").map_err(|fault| fault.to_string())?;
        write(sample.label.as_deref().unwrap_or_default(), &label)?;
        samples.push(sample);
    }
    Ok(fsio::write_atomic(&root.join("train.txt"), list::write(&samples).as_bytes())?)
}
