//! `repro predict MODEL IMAGE… -o DIR`: pictures of predictions, without a pipeline.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::{Failure, exit_of, fail};
use super::places::{StoreArgs, view_store};
use super::request::bounded;
use super::taken::find_run;
use super::terminal::{print, warn};
use crate::cli::exit::Exit;
use crate::fsio;
use crate::ml::models::ENCODERS;
use crate::results::models;
use crate::stage::{DeviceSpec, StageError};
use crate::stages::alone::{self, Alone, Manner, Words};
use crate::syntax;

/// How zstd files begin, and so exported archives.
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

/// The paths that a message names; it tells only how many others there are.
const SHOWN: usize = 5;

/// The arguments of `repro predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// The model: a stage of the latest run (`train`, `train[2]`) or of another (`RUN:train`), a file of weights, or an
    /// archive of `repro export` (`run.tar.zst`, `run.tar.zst:train`).
    model: String,
    /// Images (JPEG or PNG), and folders of images.
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
    /// The folder to write to: `prediction/`, `visual_prediction/` and `overlay/` are made in it.
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Replace pictures that are there.
    #[arg(long)]
    force: bool,
    /// The factors by which each image is scaled, as `1,0.75,0.5`; the probabilities are averaged.
    #[arg(long, value_name = "FACTORS", value_delimiter = ',', default_value = "1", value_parser = factor)]
    scales: Vec<f64>,
    /// Let the network see each scale mirrored as well.
    #[arg(long)]
    flip: bool,
    /// Turn images as their EXIF orientation says.
    #[arg(long)]
    turn: bool,
    /// The encoder of a checkpoint of another program [default: the largest that the file holds]
    #[arg(long, value_name = "NAME", value_parser = encoder)]
    encoder: Option<String>,
    /// The type of dilated convolution of a checkpoint of another program [default: Regular]
    #[arg(long, value_name = "NAME")]
    prefilter: Option<String>,
    /// The conventions of a checkpoint of another program: TensorFlow, Caffe or Torchvision [default: those of the project
    /// whose names the tensors have]
    #[arg(long, value_name = "NAME", value_parser = ["TensorFlow", "Caffe", "Torchvision"])]
    geometry: Option<String>,
    /// Where to compute: `cpu`, `cuda` or `cuda:1`.
    #[arg(long, default_value = "cpu")]
    device: DeviceSpec,
    /// How many threads compute; at most one a core [default: one a core]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Take `--threads` as it is, also where it is more than the cores.
    #[arg(long)]
    oversubscribe: bool,
}

/// A factor of a scale.
fn factor(text: &str) -> Result<f64, String> {
    let factor = text.trim().parse::<f64>().ok().filter(|factor| *factor > 0.0 && *factor <= 8.0);
    factor.ok_or_else(|| "a factor is a number above 0 and up to 8".to_owned())
}

/// The name of an encoder.
fn encoder(text: &str) -> Result<String, String> {
    let names: Vec<&str> = ENCODERS.iter().map(|encoder| encoder.name).collect();
    let found = names.iter().find(|name| **name == text).map(|name| (*name).to_owned());
    found.ok_or_else(|| format!("the encoders are {}", names.join(", ")))
}

/// Writes the pictures.
pub fn run(at: &StoreArgs, args: &PredictArgs) -> Result<Exit, Failure> {
    let images = images(&args.images)?;
    let threads =
        args.threads.map_or_else(crate::fsio::cores, |threads| bounded("--threads", threads, args.oversubscribe));
    let pool = alone::pool(threads)?;
    let (name, model) = model(at, args)?;
    if !args.force {
        refuse_to_replace(&args.out, &model, &images)?;
    }
    print(&format!("{name}: {}", model.network));
    let manner = Manner { scales: args.scales.clone(), flip: args.flip, turn: args.turn };
    let (mut turned, mut faults, mut done) = (Vec::new(), Vec::new(), 0);
    for (id, path) in &images {
        let pictures = match pool.install(|| model.pictures(path, id, &manner)) {
            Ok(pictures) => pictures,
            // The other images are predicted all the same.
            Err(StageError::Data(found)) => {
                faults.extend(found);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        alone::write(&args.out, &pictures.files)?;
        if pictures.turned {
            turned.push(id.as_str());
        }
        if let Some((mask, _)) = pictures.files.first() {
            print(&args.out.join(mask).display().to_string());
        }
        done += 1;
    }
    if !turned.is_empty() {
        let text = "state an EXIF orientation, which is not applied; `--turn` turns them as viewers show them";
        warn(&format!("{} images {text}: {}.", turned.len(), syntax::first_names(turned.iter().copied(), SHOWN)));
    }
    print(&format!("{done} of {} images, in {}", images.len(), args.out.display()));
    if faults.is_empty() { Ok(Exit::Success) } else { Err(StageError::Data(faults).into()) }
}

/// The images by their ids, which name their pictures.
fn images(paths: &[PathBuf]) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let mut images: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut faults = Vec::new();
    for path in paths {
        match alone::images(path) {
            Ok(found) => {
                for image in found {
                    let id = alone::id(&image);
                    if let Some(first) = images.get(&id).filter(|first| **first != image) {
                        let message = format!(
                            "`{}` and `{}` would have the same pictures, named after `{id}`.",
                            first.display(),
                            image.display()
                        );
                        return Err(fail(Exit::Usage, message).hint("Predict them into two folders."));
                    }
                    images.insert(id, image);
                }
            }
            Err(StageError::Data(found)) => faults.extend(found),
            Err(error) => return Err(error.into()),
        }
    }
    if faults.is_empty() { Ok(images) } else { Err(StageError::Data(faults).into()) }
}

/// A failure if a picture is there already: nothing is computed for it.
fn refuse_to_replace(out: &Path, model: &Alone, images: &BTreeMap<String, PathBuf>) -> Result<(), Failure> {
    let places = images.keys().flat_map(|id| model.places(id));
    let there: Vec<String> = places
        .map(|place| out.join(place))
        .filter(|place| fsio::exists(place))
        .map(|place| place.display().to_string())
        .collect();
    if there.is_empty() {
        return Ok(());
    }
    let names = syntax::first_names(there.iter().map(String::as_str), SHOWN);
    let message = format!("{} pictures are there already: {names}.", there.len());
    Err(fail(Exit::Usage, message).hint("Name another folder, or replace them by `--force`."))
}

/// The model that the argument names, and what it is called.
fn model(at: &StoreArgs, args: &PredictArgs) -> Result<(String, Alone), Failure> {
    let words =
        Words { encoder: args.encoder.clone(), prefilter: args.prefilter.clone(), geometry: args.geometry.clone() };
    let file = Path::new(&args.model);
    let (before, behind) = match args.model.split_once(':') {
        Some((before, behind)) => (before, Some(behind)),
        None => (args.model.as_str(), None),
    };
    let archive = [(file, None), (Path::new(before), behind)].into_iter().find(|(path, _)| is_archive(path));
    let state = if let Some((path, stage)) = archive {
        models::of_archive(path, stage)?
    } else if is_file(file) {
        let model = Alone::of_file(file, &words, &args.device).map_err(wrong)?;
        return Ok((args.model.clone(), model));
    } else {
        let (run, stage) = behind.map_or(("latest", before), |stage| (before, stage));
        let store = view_store(at, None)?;
        let found = find_run(&store, run).and_then(|run| {
            let found = models::of_run(&store, &run, Some(stage).filter(|stage| !stage.is_empty()))?;
            Ok((format!("{} of run {}", found.0, run.id), found.1))
        });
        store.take_notices().iter().for_each(|notice| warn(notice));
        found.map_err(|failure| unknown(failure, &args.model))?
    };
    if words.encoder.is_some() || words.prefilter.is_some() || words.geometry.is_some() {
        let message = "`--encoder`, `--prefilter` and `--geometry` are for checkpoints of other programs.";
        return Err(fail(Exit::Usage, message).hint("Leave them out: the model says what it is."));
    }
    let (name, bytes) = state;
    Ok((name, Alone::of_state(&bytes, &args.model, &args.device).map_err(wrong)?))
}

/// A model that cannot be used is the user's data, whatever else it may be.
fn wrong(error: StageError) -> Failure {
    match error {
        StageError::Bug(message) => fail(Exit::Data, message),
        error => fail(exit_of(&error), error.to_string()),
    }
}

/// Says that no file has the name either.
fn unknown(failure: Failure, model: &str) -> Failure {
    let hint = format!("{} There is no file `{model}` either.", failure.hint);
    Failure { hint: hint.trim().to_owned(), ..failure }
}

/// Whether there is a file of weights: the file itself, a checkpoint of several files that begins so, or a folder that is
/// named by a path. A bare name is a stage's, even if there is a folder of that name.
fn is_file(path: &Path) -> bool {
    let with = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        fsio::exists(Path::new(&name))
    };
    let is_path = path.components().count() > 1 || path.starts_with(".");
    fsio::is_file(path) || with(".index") || with(".meta") || is_path && fsio::is_folder(path)
}

fn is_archive(path: &Path) -> bool {
    let start = || fsio::Parts::open(path).and_then(|file| file.read(0..ZSTD.len() as u64));
    fsio::is_file(path) && start().is_ok_and(|start| start == ZSTD)
}
