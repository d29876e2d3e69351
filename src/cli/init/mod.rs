//! `repro init FOLDER`: looks at a folder of images and labels, says what it found, and writes a pipeline that runs.
//!
//! Invariants:
//! - no file is ever replaced, and nothing is written into the folder itself;
//! - what could not be decided is told, with what to write where;
//! - the pipeline names no path of this machine: the folder is a data root, which the command line names.

mod deal;
mod files;
mod pipeline;
mod words;

use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::{Failure, fail};
use super::terminal::{print, warn};
use crate::cli::exit::Exit;
use crate::fsio;
use crate::ml::data::Fault;
use crate::ml::data::look::layout::{self, Found, Wish};
use crate::ml::data::look::names::{self, Entry};
use crate::ml::data::look::{classes, survey};
use crate::stage::{DataFault, StageError};
use deal::Dealt;
use files::Place;

/// The arguments of `repro init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder: VOC, Cityscapes, CamVid, or images and masks in folders, with lists or without.
    folder: PathBuf,
    /// The pipeline to write [default: NAME.ron, in the folder `pipelines` where there is one]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The name of the pipeline and of the data root [default: after the folder]
    #[arg(long)]
    name: Option<String>,
    /// A file that names the classes, one a line: `name`, `id name`, or `name,R,G,B` for masks of colours [default: a file
    /// such as classes.txt in the folder]
    #[arg(long, value_name = "FILE")]
    classes: Option<PathBuf>,
    /// The folder of the images, below FOLDER.
    #[arg(long, value_name = "DIR")]
    images: Option<String>,
    /// The folder of the masks, below FOLDER.
    #[arg(long, value_name = "DIR")]
    masks: Option<String>,
}

/// Looks, tells and writes.
pub fn run(args: &InitArgs) -> Result<Exit, Failure> {
    let name = files::name(args.name.as_deref(), &args.folder)?;
    let place = Place::of(args.out.as_deref(), &name)?;
    let wish = Wish { images: below(&args.folder, &args.images)?, labels: below(&args.folder, &args.masks)? };
    if !fsio::is_folder(&args.folder) {
        let message = format!("`{}` is not a folder.", args.folder.display());
        return Err(fail(Exit::Data, message).hint("Name the folder that holds the images and their labels."));
    }
    let found = layout::of(&args.folder, &wish).map_err(|faults| at_fault(&args.folder, faults))?;
    let dealt = Dealt::of(&found).map_err(|fault| at_fault(&args.folder, vec![fault]))?;
    let (entries, source) = entries(args, &found)?;
    // Names that the user gave go before those that names of files give away.
    let known = found.known.filter(|_| args.classes.is_none());
    let mut seen = survey::of(&found.root, &dealt.samples, false);
    if classes::need_colours(&seen, &entries, known) {
        seen = survey::of(&found.root, &dealt.samples, true);
    }
    let means = classes::of(&seen, &entries, known).map_err(|fault| at_fault(&found.root, vec![fault]))?;
    let (dealt, remarks) = dealt.split(&means);
    let remarks: Vec<String> = found.remarks.iter().chain(&means.remarks).chain(&remarks).cloned().collect();
    let text =
        pipeline::Written { name: &name, place: &place, found: &found, dealt: &dealt, seen: &seen, classes: &means };
    let lists = text.lists().map_err(|fault| at_fault(&found.root, vec![fault]))?;
    print(&words::table(&found, &dealt, &seen, &means, source.as_deref()));
    remarks.iter().for_each(|remark| warn(remark));
    words::faults(&seen).iter().for_each(|fault| warn(fault));
    place.write(&text.text(&remarks), &lists)?;
    let root = fsio::canonical(&found.root)?;
    print(&words::next(&place, &files::root_name(&name), &root));
    Ok(Exit::Success)
}

/// A folder of the user's, as a path below the folder of the data set.
fn below(folder: &Path, stated: &Option<String>) -> Result<Option<String>, Failure> {
    let Some(stated) = stated else { return Ok(None) };
    let inner = Path::new(stated).strip_prefix(folder).unwrap_or(Path::new(stated));
    let plain = inner.strip_prefix(".").unwrap_or(inner);
    if plain.is_absolute() || !fsio::is_folder(&folder.join(plain)) {
        let message = format!("There is no folder `{stated}` in `{}`.", folder.display());
        return Err(fail(Exit::Data, message).hint("Write its path as it is below the folder of the data set."));
    }
    Ok(Some(plain.display().to_string()))
}

/// The classes that a file names, and what it is called; none where there is no such file.
fn entries(args: &InitArgs, found: &Found) -> Result<(Vec<Entry>, Option<String>), Failure> {
    let (path, place) = match (&args.classes, names::find(&found.files.others)) {
        (Some(path), _) => (path.clone(), path.display().to_string()),
        (None, Some(place)) => (found.root.join(place), place.clone()),
        (None, None) => return Ok((Vec::new(), None)),
    };
    let entries = names::read(&path, &place).map_err(of_data)?;
    Ok((entries, Some(place)))
}

/// Faults whose places are below a folder.
fn at_fault(folder: &Path, faults: Vec<Fault>) -> Failure {
    let placed = |fault: Fault| Fault { place: folder.join(fault.place).display().to_string(), ..fault };
    of_data(faults.into_iter().map(placed).collect())
}

fn of_data(faults: Vec<Fault>) -> Failure {
    let faults = faults.into_iter().map(|f| DataFault::new(f.place, f.message, f.hint)).collect();
    StageError::Data(faults).into()
}
