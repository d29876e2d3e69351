//! How reading, checking, planning and printing a pipeline grow with it: made pipelines of 10 to 10^6 fields, stages,
//! faults, cells or items, each loaded in a process of its own, planned on an empty store, and printed. Nodes that are done
//! are planned on a store that has them, and run and published, which has nothing to do. Files whose digests are known are
//! looked at again. A line for each row: seconds and peak memory at each size, and the exponent that least squares fit to the
//! seconds from `FROM` on (1 is linear). `cargo bench --bench engine [-- --most 100000] [--row cells]`.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Parser;
use repro::cli::plan::text;
use repro::engine::{self, LogLine};
use repro::fsio;
use repro::pipeline::key::action;
use repro::pipeline::{EarlierStage, Pipeline, Request, RunLookup, limits, load};
use repro::results::Publisher;
use repro::stage::{Artifact, ArtifactKind, Cancel, External, Outputs, Registry};
use repro::store::{ActionRecord, Store};
use repro::syntax;

/// The size from which the exponent is fitted: below, what does not grow is most of the time.
const FROM: usize = 1000;

/// What is measured.
#[derive(Debug, Parser)]
struct Options {
    /// The largest size.
    #[arg(long, default_value_t = 1_000_000)]
    most: usize,
    /// One row alone.
    #[arg(long)]
    row: Option<String>,
    /// One size of one row, in this process.
    #[arg(long, hide = true, requires = "row")]
    size: Option<usize>,
    /// Cargo adds it.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A pipeline of some size, as text.
struct Row {
    name: &'static str,
    /// The largest size that the limits let pass.
    most: usize,
    make: fn(usize) -> String,
}

const SCENES: &str = "Dataset(source: Shapes(images: 1), classes: Shapes)";
const WEIGHTS: &str = "Weights(encoder: Tiny, source: Seeded(seed: 1))";
const TRAIN: &str = "Train(data: \"a\", weights: \"w\", model: DeepLabV2(encoder: Tiny, classes: 6), steps: 1, batch: 1, \
                     crop: (33, 33)";

fn repeated(n: usize, part: impl Fn(usize) -> String) -> String {
    (0..n).map(part).collect()
}

fn stages(stages: &str) -> String {
    format!("Pipeline(name: \"x\", stages: {{{stages}}})")
}

/// A training and its validation in the cells of `axes`, and a table of all.
fn cells(axes: &str) -> String {
    format!(
        "Pipeline(name: \"x\", matrix: (axes: {{{axes}}}), stages: {{\"a\": {SCENES}, \"w\": {WEIGHTS}, \"t\": {TRAIN}), \
         \"v\": Validate(model: \"t\", data: \"a\"), \"r\": Report(from: [\"v\"])}})"
    )
}

const ROWS: &[Row] = &[
    Row {
        name: "unknown fields of the pipeline",
        most: syntax::limits::VALUES,
        make: |n| format!("Pipeline(name: \"x\", stages: {{}}, {})", repeated(n, |k| format!("f{k}: 1,"))),
    },
    Row {
        name: "unknown fields of a stage",
        most: syntax::limits::VALUES,
        make: |n| stages(&format!("\"a\": Dataset({})", repeated(n, |k| format!("f{k}: 1,")))),
    },
    Row { name: "fields stated twice", most: syntax::limits::VALUES, make: |n| format!("({})", "a: 1,".repeat(n)) },
    Row { name: "characters that mean nothing", most: syntax::limits::VALUES, make: |n| "@ ".repeat(n) },
    Row { name: "brackets that do not fit", most: syntax::limits::VALUES, make: |n| "[)".repeat(n) },
    Row {
        name: "lines of comments",
        most: syntax::limits::VALUES,
        make: |n| stages(&format!("{}\"a\": {SCENES}", "// nothing\n".repeat(n))),
    },
    Row {
        name: "values of the wrong type",
        most: syntax::limits::VALUES,
        make: |n| stages(&format!("\"a\": Command(run: [{}], outputs: {{\"o\": \"o\"}})", "1,".repeat(n))),
    },
    Row {
        name: "items of a list",
        most: syntax::limits::VALUES,
        make: |n| stages(&format!("\"a\": Command(run: [{}], outputs: {{\"o\": \"o\"}})", "\"true\",".repeat(n))),
    },
    Row {
        name: "entries of a map",
        most: syntax::limits::VALUES,
        make: |n| {
            let entries = repeated(n, |k| format!("\"k{k}\": \"x\","));
            stages(&format!("\"a\": Command(run: [\"true\"], outputs: {{\"o\": \"o\"}}, parameters: {{{entries}}})"))
        },
    },
    Row {
        name: "escapes of a text",
        most: syntax::limits::TEXT,
        make: |n| {
            stages(&format!("\"a\": Command(run: [\"true\", \"{}\"], outputs: {{\"o\": \"o\"}})", "\\n".repeat(n)))
        },
    },
    Row {
        name: "equal stages",
        most: limits::STAGES,
        make: |n| stages(&repeated(n, |k| format!("\"a{k}\": {SCENES},"))),
    },
    Row {
        name: "stages of unknown kinds",
        most: limits::STAGES,
        make: |n| stages(&repeated(n, |k| format!("\"a{k}\": Nothing(),"))),
    },
    Row {
        name: "stages that each need the one before",
        most: limits::STAGES,
        make: |n| {
            let stage = |k: usize| {
                let input = if k == 0 { String::new() } else { format!("\"i\": \"a{}\"", k - 1) };
                format!("\"a{k}\": Command(run: [\"true\"], outputs: {{\"o\": \"o\"}}, inputs: {{{input}}}),")
            };
            stages(&repeated(n, stage))
        },
    },
    Row {
        name: "nodes that are done",
        most: 10_000,
        make: |n| {
            let stage = |k: usize| format!("\"a{k}\": Command(run: [\"true\", \"{k}\"], outputs: {{\"o\": \"o\"}}),");
            stages(&repeated(n, stage))
        },
    },
    Row {
        name: "nodes that are done, each after the one before",
        most: 10_000,
        make: |n| {
            let stage = |k: usize| {
                let input = if k == 0 { String::new() } else { format!("\"i\": \"a{}\"", k - 1) };
                format!("\"a{k}\": Command(run: [\"true\", \"{k}\"], outputs: {{\"o\": \"o\"}}, inputs: {{{input}}}),")
            };
            stages(&repeated(n, stage))
        },
    },
    Row {
        name: "stages in one circle",
        most: limits::STAGES,
        make: |n| {
            let stage = |k: usize| {
                format!(
                    "\"a{k}\": Command(run: [\"true\"], outputs: {{\"o\": \"o\"}}, inputs: {{\"i\": \"a{}\"}}),",
                    (k + 1) % n
                )
            };
            stages(&repeated(n, stage))
        },
    },
    Row {
        name: "references that lead nowhere",
        most: limits::STAGES,
        make: |n| {
            let stage = |k: usize| {
                format!("\"a{k}\": Command(run: [\"true\"], outputs: {{\"o\": \"o\"}}, inputs: {{\"i\": \"b{k}\"}}),")
            };
            stages(&repeated(n, stage))
        },
    },
    Row {
        name: "stages that a profile changes",
        most: limits::STAGES,
        make: |n| {
            let changes = repeated(n, |k| format!("\"a{k}\": (ignore: None),"));
            format!(
                "Pipeline(name: \"x\", stages: {{{}}}, profiles: {{\"p\": {{{changes}}}}})",
                repeated(n, |k| format!("\"a{k}\": {SCENES},"))
            )
        },
    },
    Row {
        name: "cells of one axis",
        most: limits::CELLS,
        make: |n| cells(&format!("\"s\": (set: [\"t.seed\"], values: [{}])", repeated(n, |k| format!("{k},")))),
    },
    Row {
        name: "cells of two axes",
        most: limits::CELLS,
        make: |n| {
            let side = n.isqrt();
            let values = |n: usize| repeated(n, |k| format!("{},", k + 1));
            cells(&format!(
                "\"s\": (set: [\"t.seed\"], values: [{}]), \"b\": (set: [\"t.steps\"], values: [{}])",
                values(side),
                values(n / side)
            ))
        },
    },
    Row {
        name: "labels stated twice",
        most: syntax::limits::VALUES,
        make: |n| cells(&format!("\"s\": (set: [\"t.seed\"], values: [{}])", "1,".repeat(n))),
    },
    Row {
        name: "included cells",
        most: limits::CELLS - 1,
        make: |n| {
            let include = repeated(n, |k| format!("{{\"s\": {}}},", k + 1));
            cells("\"s\": (set: [\"t.seed\"], values: [0])")
                .replace("}), stages", &format!("}}, include: [{include}]), stages"))
        },
    },
    Row {
        name: "excluded cells",
        most: limits::CELLS - 1,
        make: |n| {
            let values = repeated(n + 1, |k| format!("{k},"));
            let exclude = repeated(n, |k| format!("{{\"s\": {}}},", k + 1));
            cells(&format!("\"s\": (set: [\"t.seed\"], values: [{values}])"))
                .replace("}), stages", &format!("}}, exclude: [{exclude}]), stages"))
        },
    },
    Row {
        name: "iterations, each validated",
        most: 10_000,
        make: |n| {
            stages(&format!(
                "\"a\": {SCENES}, \"w\": {WEIGHTS}, \"t\": {TRAIN}, iterations: {n}), \
             \"v\": Validate(model: \"t\", data: \"a\", every_iteration: true), \"c\": Curves(from: [\"t\", \"v\"])"
            ))
        },
    },
    Row { name: KNOWN_FILES, most: 100_000, make: |_| String::new() },
];

/// The row that has no pipeline: so many files of one folder, whose digests the store remembers.
const KNOWN_FILES: &str = "files whose digests are known";

/// The rows without a fault: they are planned too, and a fault there would measure something else.
const SOUND: [&str; 11] = [
    "lines of comments",
    "items of a list",
    "entries of a map",
    "escapes of a text",
    "equal stages",
    "stages that each need the one before",
    "cells of one axis",
    "cells of two axes",
    "included cells",
    "excluded cells",
    "iterations, each validated",
];

/// The rows whose nodes are done before anything is measured: a run of them has nothing to do.
const DONE: [&str; 2] = ["nodes that are done", "nodes that are done, each after the one before"];

/// Makes records of all nodes, and publishes their outputs once.
fn finish(pipeline: &Pipeline, registry: &Registry, store: &Store, results: &Path) -> Result<(), Box<dyn Error>> {
    let file = results.with_file_name("o");
    fsio::write_synced(&file, b"made")?;
    let (digest, bytes) = store.put_file(&file)?;
    let artifact =
        Artifact { digest, bytes, kind: ArtifactKind::File, file: "o".to_owned(), path: None, tree: BTreeMap::new() };
    let outputs = Outputs::from([("o".to_owned(), artifact)]);
    for node in &pipeline.nodes {
        let preimage = action(node, &|_| outputs.clone(), &BTreeMap::new(), &[], None, None, &BTreeMap::new());
        store.write_record(&ActionRecord {
            format: ActionRecord::FORMAT,
            key: preimage.digest(),
            recipe: node.recipe,
            kind: node.kind.clone(),
            version: node.version,
            preimage: preimage.0,
            outputs: outputs.clone(),
            warnings: Vec::new(),
            metrics: BTreeMap::new(),
            root: None,
        })?;
    }
    run_done(pipeline, registry, store, results)
}

/// Plans, runs and publishes a pipeline all of whose nodes are done.
fn run_done(pipeline: &Pipeline, registry: &Registry, store: &Store, results: &Path) -> Result<(), Box<dyn Error>> {
    let (options, cancel) = (engine::Options::default(), Cancel::default());
    let plan = engine::plan(pipeline, registry, store, &options)?;
    if !plan.is_done() {
        return Err("A node that was made is not found.".into());
    }
    let record = engine::run(&plan, pipeline, registry, store, &options, &cancel, &mut |_: &LogLine| {})?;
    let publisher = Publisher { store, registry, results, width: None, cancel: &cancel };
    publisher.publish(&record, &mut |_| {}).map_err(|_| "The results could not be published.")?;
    Ok(())
}

struct NoRuns;

impl RunLookup for NoRuns {
    fn find(&self, run: &str, _stage: &str) -> Result<EarlierStage, String> {
        Err(format!("There is no run `{run}`."))
    }
}

/// Looks at `n` files whose digests a store remembers, and prints seconds, peak bytes, and that nothing was said.
fn known_files(n: usize) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let (data, store) = (folder.path().join("data"), Store::open(&folder.path().join("store"))?);
    std::fs::create_dir(&data)?;
    let files: Vec<External> = (0..n).map(|i| External::below(&data, &format!("{i}.jpg"))).collect();
    files.iter().try_for_each(|file| std::fs::write(&file.path, b"x"))?;
    // A digest is believed if the file had been left alone for a while when it was computed.
    std::thread::sleep(Duration::from_secs(3));
    let fingerprints = store.fingerprints();
    fingerprints.digests(&files).into_iter().try_for_each(|digest| digest.map(drop))?;
    fingerprints.save();
    let began = Instant::now();
    store.fingerprints().digests(&files).into_iter().try_for_each(|digest| digest.map(drop))?;
    println!("{} {} 0", began.elapsed().as_secs_f64(), fsio::peak_memory().unwrap_or_default());
    Ok(())
}

/// Loads, plans and prints a row of size `n`, and prints seconds, peak bytes, and the bytes of what was printed.
fn one(row: &Row, n: usize) -> Result<(), Box<dyn Error>> {
    if row.name == KNOWN_FILES {
        return known_files(n);
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("x.ron");
    fsio::write_synced(&file, (row.make)(n).as_bytes())?;
    let profile = row.name.contains("profile").then(|| "p".to_owned());
    let registry = repro::stages::registry();
    let request = Request { file, profile, sets: Vec::new() };
    let (store, results) = (folder.path().join("store"), folder.path().join("results"));
    let done = DONE.contains(&row.name);
    if done {
        let pipeline = load(&request, &registry, &NoRuns).map_err(|faults| faults.to_string())?;
        finish(&pipeline, &registry, &Store::open(&store)?, &results)?;
    }
    let began = Instant::now();
    let said = match load(&request, &registry, &NoRuns) {
        Err(faults) if SOUND.contains(&row.name) => return Err(faults.to_string().into()),
        Err(faults) => faults.to_string(),
        Ok(pipeline) if done => {
            run_done(&pipeline, &registry, &Store::open(&store)?, &results)?;
            String::new()
        }
        Ok(pipeline) => {
            let store = Store::open(&store)?;
            let plan = engine::plan(&pipeline, &registry, &store, &engine::Options::default())?;
            text(&pipeline, &plan)
        }
    };
    println!("{} {} {}", began.elapsed().as_secs_f64(), repro::fsio::peak_memory().unwrap_or_default(), said.len());
    Ok(())
}

/// The exponent of `y = a x^e` that fits best, by the logarithms.
fn exponent(points: &[(f64, f64)]) -> f64 {
    let points: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let (above, below) = points.iter().fold((0.0, 0.0), |(a, b), p| (a + (p.0 - x) * (p.1 - y), b + (p.0 - x).powi(2)));
    above / below
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let wanted = |row: &&Row| options.row.as_ref().is_none_or(|name| row.name == name);
    if let (Some(size), Some(row)) = (options.size, ROWS.iter().find(wanted)) {
        return one(row, size);
    }
    println!("| row | size: seconds, MiB, KiB said | exponent |");
    for row in ROWS.iter().filter(wanted) {
        let (mut points, mut told) = (Vec::new(), Vec::new());
        for n in (1..).map(|power| 10_usize.pow(power)).take_while(|n| *n <= options.most) {
            let n = n.min(row.most);
            let child =
                Command::new(std::env::current_exe()?).args(["--row", row.name, "--size", &n.to_string()]).output()?;
            let said = String::from_utf8_lossy(&child.stdout).into_owned();
            let figures: Vec<f64> = said.split_whitespace().filter_map(|figure| figure.parse().ok()).collect();
            let [seconds, peak, said] = figures[..] else {
                return Err(format!("{} at {n}: {}", row.name, String::from_utf8_lossy(&child.stderr)).into());
            };
            told.push(format!("{n}: {seconds:.4}, {:.0}, {:.0}", peak / 1048576.0, said / 1024.0));
            if n >= FROM {
                points.push((n as f64, seconds));
            }
            if n == row.most {
                break;
            }
        }
        let fitted = if points.len() > 1 { format!("{:.2}", exponent(&points)) } else { "–".to_owned() };
        println!("| {} | {} | {fitted} |", row.name, told.join("; "));
    }
    Ok(())
}
