//! What inner checkpoints cost a training: steps of a network on made images, with checkpoints as `Train` has them. One
//! line of JSON: seconds waited for copies, seconds that steps took longer while one was written, and the share of both
//! in all. `cargo bench --bench checkpoint -- --seconds 300`.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use candle_core::Device;
use clap::Parser;
use repro::bench::workload::{Work, Workload, WorkloadSpec};
use repro::ml::cpu::memory;
use repro::ml::numerics::Precision;
use repro::ml::spec::{Choice, ModelSpec};
use repro::ml::state::Snapshot;
use repro::stage::StageError;
use repro::stages::train::inner::{Content, Inner, content};

/// What is measured.
#[derive(Debug, Parser)]
struct Options {
    #[arg(long, default_value = "ResNet101")]
    encoder: String,
    /// Height and width of the images.
    #[arg(long, default_value_t = 321)]
    size: usize,
    /// How long to train.
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
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
    let size = options.size;
    let model = ModelSpec::new(Choice::new(&options.encoder), 21, Choice::new("Regular"));
    let (work, precision) = (Work::Training, Precision::Fp32);
    let workload = WorkloadSpec { model, work, batch: 1, size: [size, size], recompute: 0, graph: false, precision };
    let mut workload = Workload::new(workload, &Device::Cpu)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build()?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("checkpoint");

    pool.install(|| workload.run())?;
    let (mut inner, began) = (Inner::new(&path), Instant::now());
    let (mut waited, mut copies, mut written) = (0.0, Vec::new(), 0);
    let (mut undisturbed, mut disturbed) = (Vec::new(), Vec::new());
    let mut writing = false;
    while began.elapsed().as_secs_f64() < options.seconds || written == 0 {
        let start = Instant::now();
        if inner.poll()?.is_some() {
            (writing, written) = (false, written + 1);
        }
        if inner.due() {
            let trainer = workload.trainer().ok_or("The work is a training, and has a trainer.")?;
            inner.begin(trainer.step, || {
                let snapshot = Snapshot::copied(trainer).map_err(|error| StageError::Bug(error.to_string()))?;
                Ok(move || snapshot.write(&BTreeMap::new()).map_err(|error| StageError::Bug(error.to_string())))
            })?;
            writing = true;
            copies.push(start.elapsed().as_secs_f64());
        }
        waited += start.elapsed().as_secs_f64();
        let start = Instant::now();
        pool.install(|| workload.run())?;
        if writing { &mut disturbed } else { &mut undisturbed }.push(start.elapsed().as_secs_f64());
    }
    let seconds = began.elapsed().as_secs_f64();
    inner.end()?;
    undisturbed.sort_by(f64::total_cmp);
    let step = undisturbed[undisturbed.len() / 2];
    let longer: f64 = disturbed.iter().map(|time| time - step).sum();
    let bytes = match content(&path)? {
        Content::Whole(content) => content.len(),
        Content::Nothing | Content::Damaged => 0,
    };
    println!(
        "{}",
        serde_json::json!({
            "encoder": options.encoder, "size": size, "bytes": bytes, "checkpoints": copies.len(), "copies": copies,
            "waited": waited, "longer": longer, "step": step, "seconds": seconds,
            "share_waited": waited / seconds, "share": (waited + longer.max(0.0)) / seconds,
        })
    );
    Ok(())
}
