//! `repro data view FILE [STAGE]`: a sheet of samples, and of crops as a training draws them.

use std::path::{Path, PathBuf};

use clap::Args;

use super::sets::Source;
use crate::cli::columns::share;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, fail};
use crate::cli::places::StoreArgs;
use crate::cli::request::PipelineArgs;
use crate::cli::terminal::{note, print, warn};
use crate::figure::{Chart, Grid, GridRow, Panel};
use crate::fsio::{self, Temporary};
use crate::ml::colors;
use crate::ml::data::look::survey::even;
use crate::ml::data::raster::{Labels, Rgb};
use crate::pipeline::Node;
use crate::stage::{Registry, Value};
use crate::stages::sets::{self, Drawing, Set};
use crate::syntax;

/// The width of the sheet, in CSS pixels, and the pixels of one of them.
const WIDTH: f64 = 1100.0;
const SCALE: f32 = 1.5;

/// The most rows of a sheet.
const ROWS: u16 = 100;

/// The longer side of a panel in pixels, at most.
const SIDE: usize = 480;

/// What pixels that are ignored, and those outside of the image, are shown as.
const IGNORED: [u8; 3] = [255, 255, 255];
const OUTSIDE: [u8; 3] = [160, 160, 170];

/// The arguments of `repro data view`.
#[derive(Debug, Args)]
pub struct ViewArgs {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// The stage to show, of the kind `Dataset` [default: the first that is trained on]
    #[arg(value_name = "STAGE")]
    stage: Option<String>,
    /// The file to write, a PNG [default: STAGE.png]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace a file that is there.
    #[arg(long)]
    force: bool,
    /// How many samples, evenly chosen.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=i64::from(ROWS)))]
    count: u16,
    /// These samples by their ids, with commas between.
    #[arg(long, value_name = "IDS", value_delimiter = ',', conflicts_with = "count")]
    ids: Vec<String>,
    /// The stage of the kind `Train` whose crops are shown [default: the first that trains on the data set]
    #[arg(long, value_name = "STAGE")]
    train: Option<String>,
}

/// Writes the sheet.
pub fn run(at: &StoreArgs, args: &ViewArgs, registry: &Registry) -> Result<Exit, Failure> {
    let source = Source::open(at, &args.pipeline, registry)?;
    let trainings: Vec<&Node> = source.pipeline.nodes.iter().filter(|node| node.kind == sets::TRAIN).collect();
    let first = || trainings.iter().find_map(|node| sets::trained_on(&node.params));
    let chosen: Vec<String> = args.stage.clone().or_else(first).into_iter().collect();
    let nodes = source.nodes(&chosen)?;
    let Some(node) = nodes.first() else {
        return Err(fail(Exit::Bug, "No data set was chosen."));
    };
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.png", plain(&node.stage))));
    if fsio::exists(&out) && !args.force {
        let message = format!("`{}` is there already.", out.display());
        return Err(fail(Exit::Usage, message).hint("Name another file by `-o FILE`, or replace it by `--force`."));
    }
    let training = training(args, &trainings, &node.stage)?;
    let set = source.read(node)?;
    set.warnings.iter().for_each(|warning| warn(&format!("{}: {warning}", node.stage)));
    let drawing = match training.filter(|_| set.is_labelled()) {
        Some((name, params)) => Some((name, Drawing::new(params, set.ids().len())?)),
        None => None,
    };
    if let Some((name, drawing)) = &drawing {
        let (height, width) = drawing.size();
        note(&format!("The crops are those of `{name}`, of {width} x {height} pixels, in its first and second pass."));
    }
    let grid = grid(&set, &node.stage, &samples(args, &set)?, drawing.map(|(_, drawing)| drawing))?;
    let bug = |why: String| fail(Exit::Usage, why).hint("Show fewer samples, by `--count`.");
    let bytes = Chart::Grid(grid).draw(WIDTH).png(SCALE).map_err(bug)?;
    write(&out, &bytes)?;
    print(&format!("Written: {}", out.display()));
    Ok(Exit::Success)
}

/// A stage as the name of a file.
fn plain(stage: &str) -> String {
    stage.chars().map(|c| if c.is_alphanumeric() || matches!(c, '_' | '-' | '=' | '.') { c } else { '_' }).collect()
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), fsio::Error> {
    let mut file = Temporary::beside(path)?;
    file.add(bytes)?;
    file.place(path)
}

/// The training whose crops are shown, and its parameters; none where nothing trains on the set.
fn training<'a>(args: &ViewArgs, all: &[&'a Node], set: &str) -> Result<Option<(&'a str, &'a Value)>, Failure> {
    let named = |name: &str| {
        let found = all.iter().find(|node| node.stage == name || node.stage.starts_with(&format!("{name}[")));
        found.copied().ok_or_else(|| {
            let stages = || all.iter().map(|node| node.stage.as_str());
            let message = format!("There is no training `{name}`{}", syntax::suggestion(name, stages()));
            fail(Exit::Usage, message).hint(format!("The trainings are {}.", syntax::names(stages())))
        })
    };
    let is_on = |node: &&&Node| {
        sets::trained_on(&node.params).is_some_and(|on| on == set || set.starts_with(&format!("{on}[")))
    };
    let found = match &args.train {
        Some(name) => Some(named(name)?),
        None => all.iter().find(is_on).copied(),
    };
    Ok(found.map(|node| (node.stage.as_str(), &node.params)))
}

/// The numbers of the samples to show.
fn samples(args: &ViewArgs, set: &Set) -> Result<Vec<usize>, Failure> {
    if args.ids.is_empty() {
        return Ok(even(set.ids().len(), usize::from(args.count)));
    }
    let number = |wanted: &String| {
        set.ids().position(|id| id == wanted).ok_or_else(|| {
            let message = format!("The data set has no image `{wanted}`{}", syntax::suggestion(wanted, set.ids()));
            fail(Exit::Usage, message).hint("An id is the name of an image's file without its ending.")
        })
    };
    args.ids.iter().map(number).collect()
}

/// The sheet as rows of pictures.
fn grid(set: &Set, name: &str, samples: &[usize], mut drawing: Option<Drawing>) -> Result<Grid, Failure> {
    let shares = set.shares();
    let (ignored, _) = set.ignored();
    let total = ignored + shares.iter().map(|share| share.pixels).sum::<u64>();
    let palette = palette(set);
    let ids: Vec<&str> = set.ids().collect();
    let mut columns = vec!["image".to_owned()];
    if set.is_labelled() {
        columns.extend(["labels", "both"].map(str::to_owned));
    }
    if drawing.is_some() {
        columns.extend(["crop 1", "its labels", "crop 2", "its labels"].map(str::to_owned));
    }
    let mut rows = Vec::new();
    for &at in samples {
        let (image, labels) = set.sample(at)?;
        let mut panels = vec![Some(photo(&image))];
        let mut why = format!("{} x {}", image.width(), image.height());
        if let Some(labels) = &labels {
            panels.push(Some(mask(labels, &palette)));
            panels.push(Some(photo(&overlay(&image, labels, &palette, shares.len()))));
        }
        if let (Some(drawing), Some(labels)) = (&mut drawing, &labels) {
            for pass in 0..2 {
                let crop = drawing.crop(at, pass, &image, labels, set.ignore());
                let outside = |y: usize, x: usize| crop.padding.at(y, x) > 0;
                let seen = Rgb::from_fn(crop.image.height(), crop.image.width(), |y, x| match outside(y, x) {
                    true => OUTSIDE,
                    false => crop.image.at(y, x),
                });
                let ids = Labels::from_fn(seen.height(), seen.width(), |y, x| match outside(y, x) {
                    true => PADDING,
                    false => shown_id(crop.labels.at(y, x), shares.len()),
                });
                panels.extend([Some(photo(&seen)), Some(mask(&ids, &palette))]);
                why += &format!("; crop {}: {}", pass + 1, crop.words);
            }
        }
        rows.push(GridRow { label: syntax::shown(ids[at]), why, panels });
    }
    let mut legend: Vec<(String, [u8; 3])> = shares
        .iter()
        .map(|class| (format!("{} {}", syntax::shown(&class.name), share(class.pixels, total)), class.color))
        .collect();
    if set.is_labelled() {
        legend.push((format!("ignored {}", share(ignored, total)), IGNORED));
    }
    if drawing.is_some() {
        legend.push(("outside of the image".to_owned(), OUTSIDE));
    }
    Ok(Grid { title: format!("{name}: {} of {} images", samples.len(), ids.len()), columns, rows, legend })
}

/// The ids that pixels outside of an image, and ignored ones, are shown by.
const PADDING: u8 = 254;
const VOID: u8 = 255;

/// The id by which a pixel is shown.
fn shown_id(id: u8, classes: usize) -> u8 {
    if usize::from(id) < classes { id } else { VOID }
}

/// The colours of ids.
fn palette(set: &Set) -> [[u8; 3]; 256] {
    let classes: Vec<[u8; 3]> = set.shares().iter().map(|class| class.color).collect();
    let mut palette = colors::palette(&classes);
    for (id, color) in palette.iter_mut().enumerate().skip(classes.len()) {
        *color = if id == usize::from(PADDING) { OUTSIDE } else { IGNORED };
    }
    palette
}

/// The step between the pixels of a picture that is shown, so that no panel is larger than it has to be.
fn step(height: usize, width: usize) -> usize {
    height.max(width).div_ceil(SIDE).max(1)
}

fn photo(image: &Rgb) -> Panel {
    let step = step(image.height(), image.width());
    let (height, width) = (image.height().div_ceil(step), image.width().div_ceil(step));
    let pixels = (0..height).flat_map(|y| (0..width).flat_map(move |x| image.at(y * step, x * step))).collect();
    Panel::Photo { height, width, pixels }
}

fn mask(labels: &Labels, palette: &[[u8; 3]; 256]) -> Panel {
    let step = step(labels.height(), labels.width());
    let (height, width) = (labels.height().div_ceil(step), labels.width().div_ceil(step));
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| labels.at(y * step, x * step))).collect();
    Panel::Mask { height, width, pixels, palette: palette.to_vec() }
}

/// The colours of ids laid over an image, half and half. Ignored pixels show the image.
fn overlay(image: &Rgb, labels: &Labels, palette: &[[u8; 3]; 256], classes: usize) -> Rgb {
    let half = |a: u8, b: u8| u16::midpoint(a.into(), b.into()) as u8;
    Rgb::from_fn(image.height(), image.width(), |y, x| {
        let (own, id) = (image.at(y, x), usize::from(labels.at(y, x)));
        if id < classes { [0, 1, 2].map(|c| half(own[c], palette[id][c])) } else { own }
    })
}
