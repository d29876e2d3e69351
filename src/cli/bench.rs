//! `repro bench`: what the types of dilated convolution cost on this machine, in time and memory.
//!
//! Each type works in a process of its own, so that the memory is its own, and none works while another does. They take
//! turns, a pass each, so that what else the machine does falls on all alike.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Failure, bounded, fail, print};
use crate::bench::figures::{least, mebibytes, median};
use crate::bench::peak;
use crate::bench::worker::{self, Fault, Order, Refusal, Worker};
use crate::bench::workload::{self, WorkloadSpec};
use crate::cli::exit::Exit;
use crate::fsio;
use crate::ml::device;
use crate::ml::error::Error;
use crate::ml::gpu::chosen::ChosenAlgorithm;
use crate::ml::gpu::counts::Counts;
use crate::ml::layers::prefilter;
use crate::ml::models::architecture;
use crate::ml::numerics::{self, Numerics};
use crate::ml::spec::{Choice, ModelSpec};
use crate::stage::DeviceSpec;
use crate::table::{self, Cell, Column, Style, Table};

/// The type of which the costs of all others are multiples.
const BASE: &str = "Regular";

/// The arguments of `repro bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The encoder.
    #[arg(long, default_value = "ResNet101")]
    encoder: String,
    /// A type of dilated convolution, with its default parameters; may be repeated [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    prefilter: Vec<String>,
    /// What is measured [default: both]
    #[arg(long, value_enum, value_delimiter = ',')]
    work: Vec<Work>,
    /// Height and width of the images, in pixels.
    #[arg(long, default_value_t = 321, value_parser = clap::value_parser!(u16).range(1..=8192))]
    size: u16,
    /// Images at a time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Classes of a pixel.
    #[arg(long, default_value_t = 21, value_parser = clap::value_parser!(u8).range(2..))]
    classes: u8,
    /// Rounds that are measured; in each, every type makes one pass.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Rounds before them that are not.
    #[arg(long, default_value_t = 1)]
    warmup: u16,
    /// Blocks that are computed again together in the backward pass, as a training's `recompute`.
    #[arg(long, default_value_t = 0)]
    recompute: u16,
    /// On a GPU, record the passes of a training, as its `graph`.
    #[arg(long)]
    graph: bool,
    /// Where to compute: `cpu`, `cuda` or `cuda:1`.
    #[arg(long, default_value = "cpu")]
    device: DeviceSpec,
    /// The precision of products and sums; the processor has one.
    #[arg(long, value_enum, default_value_t = Precision::Fp32)]
    precision: Precision,
    /// On a GPU, let the same inputs give other bits where that is faster.
    #[arg(long)]
    fast: bool,
    /// How many threads compute; at most one a core [default: one a core]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Take `--threads` as it is, also where it is more than the cores.
    #[arg(long)]
    oversubscribe: bool,
    /// Write the table too, in the format of the file's extension: csv, parquet, md, tex or html.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// On a GPU, write which algorithm of cuDNN computed each convolution, in the format of the file's extension.
    #[arg(long, value_name = "FILE")]
    algorithms: Option<PathBuf>,
}

/// The arguments of a worker.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// The order, as JSON.
    order: String,
}

/// Is a worker.
pub fn serve(args: &WorkerArgs) -> Result<Exit, Failure> {
    worker::serve(&args.order, print).map_err(|refusal| match refusal {
        Refusal::Numerics(error) => {
            let exit = if matches!(error, Error::Device { .. }) { Exit::Device } else { Exit::Stage };
            fail(exit, error.to_string()).hint(error.hint())
        }
        Refusal::Bug(what) => fail(Exit::Bug, what),
    })?;
    Ok(Exit::Success)
}

/// A precision by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Precision {
    /// 32-bit floats throughout.
    Fp32,
    /// The operands of products rounded to TF32.
    Tf32,
    /// Activations and their gradients as bfloat16.
    Bf16,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Work {
    /// Training steps: forward and backward pass, and the update.
    Training,
    /// Predictions: forward pass, and classes of the images' pixels.
    Prediction,
}

impl Work {
    fn name(self) -> &'static str {
        match self {
            Work::Training => "training",
            Work::Prediction => "prediction",
        }
    }
}

/// What was measured of one type.
struct Measured {
    work: Work,
    prefilter: String,
    parameters: u64,
    operations: u64,
    /// The seconds of each round.
    seconds: Vec<f64>,
    /// What the last round asked of a GPU.
    asked: Option<Counts>,
    /// The most memory held, in bytes.
    memory: Option<u64>,
}

/// Measures.
pub fn run(args: &BenchArgs) -> Result<Exit, Failure> {
    let format = args.out.as_deref().map(output_format).transpose()?;
    let algorithms_format = args.algorithms.as_deref().map(output_format).transpose()?;
    let prefilters = names(args)?;
    let numerics = numerics(args);
    numerics
        .check(args.device.gpu())
        .and_then(|()| device::look_for(args.device.gpu()))
        .map_err(|error| fail(Exit::Device, error.to_string()).hint(error.hint()))?;
    let threads = args.threads.map_or_else(fsio::cores, |threads| bounded("--threads", threads, args.oversubscribe));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| fail(Exit::Bug, format!("No threads could be started: {error}.")))?;
    let works = if args.work.is_empty() { Work::value_variants() } else { &args.work };
    let on_gpu = args.device.gpu().is_some();
    let (mut peak, mut measured, mut algorithms) = (0.0_f64, Vec::new(), Vec::new());
    for &work in works {
        let start = |prefilter: &String| {
            let order = Order { workload: workload(args, work, prefilter), gpu: args.device.gpu(), numerics, threads };
            Worker::start(&order, &never)
                .map(|worker| (order.in_words(), worker))
                .map_err(|fault| told(&order.in_words(), &fault))
        };
        let mut workers = prefilters.iter().map(start).collect::<Result<Vec<_>, _>>()?;
        let mut passes = vec![Vec::new(); workers.len()];
        for round in 0..args.warmup + args.rounds {
            // Where a GPU computes, the processor's peak is not of what computes, and would only hold it up.
            if !on_gpu {
                peak = peak.max(pool.install(peak::measure));
            }
            for ((what, worker), passes) in workers.iter_mut().zip(&mut passes) {
                let pass = worker.pass().map_err(|fault| told(what, &fault))?;
                passes.extend((round >= args.warmup).then_some(pass));
            }
        }
        for (((what, worker), prefilter), passes) in workers.into_iter().zip(&prefilters).zip(passes) {
            let (parameters, operations) = (worker.parameters, worker.operations);
            let ended = worker.end().map_err(|fault| told(&what, &fault))?;
            algorithms.extend(ended.algorithms.into_iter().map(|of| (work, prefilter.clone(), of)));
            let seconds = passes.iter().map(|pass| pass.seconds).collect();
            // Neither is the memory of the process.
            let (asked, memory) =
                if on_gpu { (passes.last().map(|pass| pass.asked), None) } else { (None, ended.memory) };
            measured.push(Measured {
                work,
                prefilter: prefilter.clone(),
                parameters,
                operations,
                seconds,
                asked,
                memory,
            });
        }
    }
    let peak = (!on_gpu).then_some(peak);
    let bug = |error: table::Error| fail(Exit::Bug, error.to_string());
    let table = rows(&measured, usize::from(args.batch), peak).map_err(bug)?;
    let BenchArgs { encoder, batch, size, rounds, device, .. } = args;
    let whole = peak.map_or(String::new(), |peak| format!(" Their peak, measured, is {:.0} GFLOP/s.", peak / 1e9));
    let (precision, mode) = (numerics.precision.name(), if numerics.deterministic { "" } else { ", fast" });
    let head = format!(
        "{encoder}, {batch} x {size} x {size}, {device}, {precision}{mode}, {threads} threads, {rounds} rounds.{whole}"
    );
    print(&format!("{head}\n\n{}", table::to_terminal(&table, &style(), None).map_err(bug)?));
    if let (Some(path), Some(format)) = (&args.out, format) {
        let table = setting(args, table, threads, peak).map_err(bug)?;
        fsio::write_atomic(path, &(format.render)(&table, &style()).map_err(bug)?)?;
    }
    if let (Some(path), Some(format)) = (&args.algorithms, algorithms_format) {
        let table = algorithm_rows(&algorithms).map_err(bug)?;
        fsio::write_atomic(path, &(format.render)(&table, &style()).map_err(bug)?)?;
    }
    Ok(Exit::Success)
}

/// A terminal's Ctrl-C ends the workers too, and nothing else asks them to stop.
fn never() -> bool {
    false
}

/// Why the process for `what` gives no answer.
fn told(what: &str, fault: &Fault) -> Failure {
    let message = format!("The process for {what} {fault}.");
    match fault {
        Fault::Start(_) => fail(Exit::Storage, message),
        Fault::Bug(_) => fail(Exit::Bug, message),
        Fault::Ended(_) | Fault::Stopped => fail(Exit::Stage, message).hint(
            "Less memory is needed for fewer of `--prefilter`, a smaller `--size` or `--batch`, or `--recompute 6`.",
        ),
    }
}

fn output_format(path: &std::path::Path) -> Result<&'static table::TableFormat, Failure> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
    table::FORMATS.iter().find(|format| format.extension == extension).ok_or_else(|| {
        let known: Vec<&str> = table::FORMATS.iter().map(|format| format.extension).collect();
        let message = format!("The extension of `{}` names no format of tables.", path.display());
        fail(Exit::Usage, message).hint(format!("The extensions are {}.", known.join(", ")))
    })
}

/// The types to measure: those named, each once, or all.
fn names(args: &BenchArgs) -> Result<Vec<String>, Failure> {
    let unknown = |error: Error| fail(Exit::Usage, error.to_string());
    architecture(&Choice::new(&args.encoder)).map_err(unknown)?;
    let mut names: Vec<String> = Vec::new();
    for name in &args.prefilter {
        prefilter::build(&Choice::new(name)).map_err(unknown)?;
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    if names.is_empty() {
        names = prefilter::PREFILTERS.iter().map(|entry| entry.name.to_owned()).collect();
    }
    Ok(names)
}

fn numerics(args: &BenchArgs) -> Numerics {
    let precision = match args.precision {
        Precision::Fp32 => numerics::Precision::Fp32,
        Precision::Tf32 => numerics::Precision::Tf32,
        Precision::Bf16 => numerics::Precision::Bf16,
    };
    Numerics { precision, deterministic: !args.fast }
}

fn workload(args: &BenchArgs, work: Work, prefilter: &str) -> WorkloadSpec {
    let (encoder, prefilter) = (Choice::new(&args.encoder), Choice::new(prefilter));
    let size = usize::from(args.size);
    WorkloadSpec {
        model: ModelSpec::new(encoder, usize::from(args.classes), prefilter),
        work: match work {
            Work::Training => workload::Work::Training,
            Work::Prediction => workload::Work::Prediction,
        },
        batch: usize::from(args.batch),
        size: [size, size],
        recompute: usize::from(args.recompute),
        graph: args.graph,
        precision: numerics(args).precision,
    }
}

/// A row for each convolution that a type computed on a GPU.
fn algorithm_rows(algorithms: &[(Work, String, ChosenAlgorithm)]) -> Result<Table, table::Error> {
    let columns = ["work", "prefilter", "pass", "shape", "type", "algorithm", "math"].map(Column::text).into_iter();
    let columns = columns.chain(["deterministic", "workspace_bytes"].map(Column::int)).collect();
    let row = |(work, prefilter, of): &(Work, String, ChosenAlgorithm)| {
        let texts = [work.name(), prefilter, &of.pass, &of.shape, &of.element, &of.algorithm, &of.math];
        let texts = texts.map(|text| Cell::Text(text.to_owned())).into_iter();
        texts.chain([Cell::Int(i64::from(of.deterministic)), Cell::Int(of.workspace as i64)]).collect()
    };
    Table::new(columns, algorithms.iter().map(row).collect())
}

/// A row a type and work. Where a GPU computed, the last columns have what a pass asked of it.
fn rows(measured: &[Measured], batch: usize, peak: Option<f64>) -> Result<Table, table::Error> {
    let asked = measured.iter().any(|measured| measured.asked.is_some());
    let mut columns = vec![
        Column::text("work"),
        Column::text("prefilter"),
        Column::int("parameters"),
        Column::float("gflop"),
        Column::float("least_s"),
        Column::float("median_s"),
        Column::float("steps_per_s"),
        Column::float("images_per_s"),
        Column::float("peak_share"),
        Column::float("cost"),
        Column::float("memory_mib"),
        Column::float("memory_cost"),
    ];
    if asked {
        columns.extend([Column::int("launches"), Column::float("operand_gib"), Column::int("waits")]);
    }
    let float = |value: Option<f64>| value.map_or(Cell::Null, Cell::Float);
    let row = |m: &Measured| {
        let base = measured.iter().find(|base| base.work == m.work && base.prefilter == BASE);
        let (least, middle) = (least(&m.seconds), median(&m.seconds));
        // Round by round, since the rounds of a shared machine differ more than the types.
        let ratios = |base: &Measured| m.seconds.iter().zip(&base.seconds).map(|(a, b)| a / b).collect::<Vec<_>>();
        let memory_cost = base.and_then(|base| Some(m.memory? as f64 / base.memory? as f64));
        let mut cells = vec![
            Cell::Text(m.work.name().to_owned()),
            Cell::Text(m.prefilter.clone()),
            Cell::Int(m.parameters as i64),
            Cell::Float(m.operations as f64 / 1e9),
            Cell::Float(least),
            Cell::Float(middle),
            Cell::Float(1.0 / middle),
            Cell::Float(batch as f64 / middle),
            float(peak.map(|peak| m.operations as f64 / least / peak)),
            float(base.map(|base| median(&ratios(base)))),
            float(m.memory.map(mebibytes)),
            float(memory_cost),
        ];
        if asked {
            let Counts { launches, operand_bytes, waits } = m.asked.unwrap_or_default();
            let gib = operand_bytes as f64 / f64::from(1 << 30);
            cells.extend([Cell::Int(launches as i64), Cell::Float(gib), Cell::Int(waits as i64)]);
        }
        cells
    };
    Table::new(columns, measured.iter().map(row).collect())
}

/// The table with what it was measured with in front, for a file.
fn setting(args: &BenchArgs, table: Table, threads: usize, peak: Option<f64>) -> Result<Table, table::Error> {
    table
        .labelled(Column::float("peak_gflop_per_s"), peak.map_or(Cell::Null, |peak| Cell::Float(peak / 1e9)))?
        .labelled(Column::int("recompute"), Cell::Int(i64::from(args.recompute)))?
        .labelled(Column::int("graph"), Cell::Int(i64::from(args.graph)))?
        .labelled(Column::int("rounds"), Cell::Int(i64::from(args.rounds)))?
        .labelled(Column::int("threads"), Cell::Int(threads as i64))?
        .labelled(Column::text("precision"), Cell::Text(numerics(args).precision.name().to_owned()))?
        .labelled(Column::int("deterministic"), Cell::Int(i64::from(numerics(args).deterministic)))?
        .labelled(Column::text("device"), Cell::Text(args.device.to_string()))?
        .labelled(Column::int("batch"), Cell::Int(i64::from(args.batch)))?
        .labelled(Column::int("size"), Cell::Int(i64::from(args.size)))?
        .labelled(Column::text("encoder"), Cell::Text(args.encoder.clone()))
}

fn style() -> Style {
    let digits = [
        ("gflop", 2),
        ("least_s", 4),
        ("median_s", 4),
        ("steps_per_s", 3),
        ("images_per_s", 3),
        ("peak_share", 3),
        ("cost", 3),
        ("memory_mib", 0),
        ("memory_cost", 3),
        ("operand_gib", 2),
    ];
    digits.into_iter().fold(Style::default(), |style, (name, digits)| style.with(name, digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_multiples_of_the_regular_types_round_by_round() {
        let measured = |prefilter: &str, seconds: &[f64], memory| Measured {
            work: Work::Training,
            prefilter: prefilter.to_owned(),
            parameters: 1,
            operations: 3_000_000_000,
            seconds: seconds.to_vec(),
            asked: None,
            memory,
        };
        let both =
            [measured("Average", &[2.5, 8.0, 3.0], Some(3 << 20)), measured(BASE, &[2.0, 4.0, 3.0], Some(2 << 20))];
        let table = rows(&both, 2, Some(6e9)).unwrap();
        let cell = |name: &str| table.cell(0, table.position(name).unwrap());
        for (name, value) in [
            ("gflop", 3.0),
            ("least_s", 2.5),
            ("median_s", 3.0),
            ("images_per_s", 2.0 / 3.0),
            ("cost", 1.25),
            ("peak_share", 0.2),
            ("memory_mib", 3.0),
            ("memory_cost", 1.5),
        ] {
            assert_eq!(cell(name), Cell::Float(value), "{name}");
        }
        let alone = rows(&both[..1], 2, None).unwrap();
        let missing = |name: &str| alone.cell(0, alone.position(name).unwrap());
        assert_eq!(["cost", "peak_share", "memory_cost"].map(missing), [Cell::Null, Cell::Null, Cell::Null]);
    }
}
