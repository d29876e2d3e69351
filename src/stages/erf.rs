//! `Erf`: the effective receptive field of a model.

use std::collections::BTreeMap;

use crate::ml::data::index::Row;
use crate::ml::data::source::Images;
use crate::ml::data::{Labels, labels};
use crate::ml::erf;
use crate::ml::models::{Network, Site};
use crate::params;
use crate::stage::params::Ref;
use crate::stage::{DataFault, Event, Job, Output, Produced, StageError, TypedKind, Yield};

use super::columns::{self, Values};
use super::data::Data;
use super::subject::Predictor;
use super::support;
use super::yields::{DATASET, ERF, FIGURES, IMPORTED, MODEL};

params! {
    /// The effective receptive field (Luo et al., NeurIPS 2016) of a network, or of a part of it. It is the gradient
    /// of the centre of the output with respect to the input. Absolute values are summed over channels, and averaged
    /// over images. Each image is cut to its middle, so that nothing is padded: zeros around an image would let units
    /// die, and no gradient would pass them. The stage leaves a picture, the raw map, and figures: the share of
    /// pixels inside the support that are exactly zero (gridding), the area of the centred squares that hold 20, 30,
    /// 50 and 99 % of the mass, and the radius of gyration.
    pub struct ErfParams {
        /// The model: a training, or a `Model` stage.
        model: Ref, where to(&[MODEL, IMPORTED]);
        /// The images.
        data: Ref, where to(&[DATASET]);
        /// The number of images, from the start of the list.
        images: u32 = 100, where min(1.0).unit("images");
        /// The height and width that are cut from the middle of each image. Smaller images are left out. `None`: the
        /// largest size that all of the images have.
        size: Option<(u32, u32)> = None, where min(33.0).max(4096.0).unit("pixels");
        /// The part whose receptive field is computed: the gradient goes from the output of this part back to its
        /// input.
        target: Target = Target::Image {};
    }

    /// A network or a part of it.
    pub enum Target {
        /// The whole network: from the logits back to the image.
        Image {}
        /// The end of the network: from the logits back to the input of a block.
        Block {
            /// The block, as `group5/block1`.
            name: String;
        }
        /// Several blocks in a row (the dilated block of the KDD 2018 paper): from the output of the last back to the
        /// input of the first.
        Blocks {
            /// The first block.
            from: String = "group4/block1".to_owned();
            /// The last block. `None`: the last block of the network.
            to: Option<String> = None;
        }
        /// One dilated convolution alone (the other figure of the KDD 2018 paper): the pre-filter and the 3x3 filter
        /// of a block, without batch norm and ReLU. No image is read. For a dilation d the map has 4 d + 5 positions
        /// each way. With d = 4 and trained filters, these positions are zero: 72 of 81 with Regular, 40 of 121 with
        /// Average and Gaussian (their 3 taps leave every fourth out), 9 of 144 with GroupInteraction (in the form of
        /// its code), and none with SeparableShared and Aggregation. Before they have learned, GroupInteraction and
        /// SeparableShared show the same as Regular.
        Conv {
            /// The block that has the convolution. If it has several dilated convolutions, the first one is meant.
            name: String = "group5/block1".to_owned();
        }
    }
}

/// The map as a picture.
const PICTURE: Output = Output::file("picture", "erf.png", "The receptive field as a grey picture.").published();

/// The map itself.
const MAP: Output =
    Output::file("map", "erf.safetensors", "The receptive field as a tensor `erf` of 64-bit floats.").published();

/// The kind.
pub struct Erf;

impl TypedKind for Erf {
    type Params = ErfParams;
    const NAME: &'static str = "Erf";
    const VERSION: u32 = 4;
    const YIELDS: Yield = ERF;
    const OUTPUTS: &'static [Output] = &[PICTURE, MAP, FIGURES];
    const EXAMPLE: &'static str = r#""erf": Erf(model: "train", data: "val_set", images: 100),"#;
    const COMPUTES: bool = true;

    fn run(&self, p: &ErfParams, job: &Job<'_>) -> Result<Produced, StageError> {
        let data = Data::open(job, "data")?;
        let model = Predictor::open(job, "model")?;
        let part = Part::of(&p.target, &model.network)?;
        let (map, warnings) = match part {
            Part::Between(of, by) => mean(job, &model, &data, p, of, by)?,
            Part::Conv(block) => {
                let map = support::pool(job.threads)?.install(|| erf::conv(&model.network, block));
                (map.map_err(|error| support::ml_error(error, "model"))?, Vec::new())
            }
        };
        let produced = produce(job, &model, &data, &part.in_words(), &map)?;
        Ok(Produced { warnings, ..produced })
    }
}

/// A part of a network that is there.
#[derive(Debug, Clone, Copy)]
enum Part<'a> {
    /// From the second place to the first.
    Between(Site<'a>, Site<'a>),
    /// The dilated convolution of a block.
    Conv(&'a str),
}

impl<'a> Part<'a> {
    fn of(target: &'a Target, network: &'a Network) -> Result<Self, StageError> {
        let names: Vec<&str> = network.block_names().collect();
        Ok(match target {
            Target::Image {} => Part::Between(Site::Logits, Site::Image),
            Target::Block { name } => {
                find("name", "block", name, &names)?;
                Part::Between(Site::Logits, Site::Input(name))
            }
            Target::Blocks { from, to } => {
                let to = to.as_deref().or(names.last().copied()).unwrap_or_default();
                let (first, last) = (find("from", "block", from, &names)?, find("to", "block", to, &names)?);
                if first > last {
                    let message = format!("The block `{from}` comes after `{to}`.");
                    return Err(DataFault::new("target.from", message, "State the first block as `from`.").into());
                }
                Part::Between(Site::Output(to), Site::Input(from))
            }
            Target::Conv { name } => {
                let dilated: Vec<&str> = network.dilated_names().collect();
                find("name", "dilated convolution in a block", name, &dilated)?;
                Part::Conv(name)
            }
        })
    }

    /// What tables call it; the whole network has a word of its own.
    fn in_words(self) -> String {
        match self {
            Part::Between(Site::Output(to), Site::Input(from)) => format!("{from} to {to}"),
            Part::Between(_, Site::Input(name)) => name.to_owned(),
            Part::Between(..) => "image".to_owned(),
            Part::Conv(name) => format!("conv {name}"),
        }
    }
}

/// The place of `name` among `names`.
fn find(field: &str, what: &str, name: &str, names: &[&str]) -> Result<usize, StageError> {
    let missing = || {
        let message = format!("The network has no {what} `{name}`.");
        DataFault::new(format!("target.{field}"), message, format!("There are {}.", names.join(", "))).into()
    };
    names.iter().position(|known| *known == name).ok_or_else(missing)
}

/// The mean of the maps of the images, and what the user should know of it.
fn mean(
    job: &Job<'_>,
    model: &Predictor,
    data: &Data,
    p: &ErfParams,
    of: Site<'_>,
    by: Site<'_>,
) -> Result<(erf::Map, Vec<String>), StageError> {
    let resolve = |path: &str| data.resolve(path);
    let images = Images::new(&data.rows, &resolve);
    let (chosen, size) = choose(data, p)?;
    let mut warnings = Vec::new();
    if chosen.len() < p.images as usize {
        let text = format!("The data set has {} fitting images, fewer than the {} asked for.", chosen.len(), p.images);
        job.warn(&mut warnings, text);
    }
    let pool = support::pool(job.threads)?;
    let mut sum: Option<erf::Map> = None;
    for (done, &i) in chosen.iter().enumerate() {
        job.cancel.check()?;
        let map = pool.install(|| -> Result<erf::Map, StageError> {
            let image = images.image(i).map_err(|fault| data.blame(support::faults(vec![fault])))?;
            let corner = ((image.height() - size.0) / 2, (image.width() - size.1) / 2);
            let image = model.normalise.apply(&image).window(corner, size, [0.0; 3]);
            erf::map(&model.network, &model.input(&image)?, of, by).map_err(|error| support::ml_error(error, "model"))
        })?;
        match &mut sum {
            Some(sum) => sum.add(&map),
            None => sum = Some(map),
        }
        let (done, total) = (done as u64 + 1, chosen.len() as u64);
        job.events.emit(Event::Progress { done, total, unit: "images".into() });
    }
    let sum = sum.ok_or_else(|| StageError::Bug("The effective receptive field saw no image.".into()))?;
    Ok((sum.scaled(1.0 / chosen.len() as f64), warnings))
}

/// The images that are used, by their numbers, and the size that is cut from each.
fn choose(data: &Data, p: &ErfParams) -> Result<(Vec<usize>, (usize, usize)), StageError> {
    let wanted = p.images as usize;
    let rows = || data.rows.iter().enumerate();
    let Some((height, width)) = p.size.map(|(height, width)| (height as usize, width as usize)) else {
        let common = |of: fn(&Row) -> usize| data.rows.iter().take(wanted).map(of).min().unwrap_or(0);
        return Ok((
            rows().map(|(i, _)| i).take(wanted).collect(),
            (common(|row| row.height), common(|row| row.width)),
        ));
    };
    let fits = |row: &Row| row.height >= height && row.width >= width;
    let chosen: Vec<usize> = rows().filter(|(_, row)| fits(row)).map(|(i, _)| i).take(wanted).collect();
    if chosen.is_empty() {
        let message = format!("No image of the data set is as large as {height} x {width} pixels.");
        return Err(DataFault::new("size", message, "State a smaller size, or none.").into());
    }
    Ok((chosen, (height, width)))
}

fn produce(
    job: &Job<'_>,
    model: &Predictor,
    data: &Data,
    target: &str,
    map: &erf::Map,
) -> Result<Produced, StageError> {
    let figures = erf::figures(map);
    let mut columns = model.subject.columns(1, data);
    columns.push(("target".to_owned(), Values::Text(vec![Some(target.to_owned())])));
    let mut produced = Produced::default();
    for (name, value) in figures.named() {
        columns.push((name.clone(), Values::Float(vec![Some(value)])));
        produced.metrics.insert(name.replace(' ', "_").replace('%', ""), value);
    }
    support::write_table(job, &mut produced, &FIGURES, &columns::new_table(columns)?)?;
    PICTURE.write(job, &mut produced, &picture(map)?)?;
    MAP.write(job, &mut produced, &raw(map)?)?;
    Ok(produced)
}

/// The map as a grey picture. The square root of the share of the largest value: a linear scale shows the centre alone.
fn picture(map: &erf::Map) -> Result<Vec<u8>, StageError> {
    let largest = map.values.iter().copied().fold(0.0, f64::max);
    let level = |value: f64| if largest > 0.0 { (255.0 * (value / largest).sqrt()).round() as u8 } else { 0 };
    let pixels = map.values.iter().map(|&value| level(value)).collect();
    let grey = Labels::new(map.height, map.width, pixels)
        .ok_or_else(|| StageError::Bug("A map does not have its own size.".into()))?;
    labels::encode_grey(&grey, &PICTURE.file).map_err(|fault| support::faults(vec![fault]))
}

/// The map as a safetensors file with one tensor `erf`, `[height, width]` of f64.
fn raw(map: &erf::Map) -> Result<Vec<u8>, StageError> {
    let bytes: Vec<u8> = map.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let bug = |error: safetensors::SafeTensorError| StageError::Bug(format!("The map could not be written: {error}."));
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F64, vec![map.height, map.width], &bytes);
    let tensors = BTreeMap::from([("erf".to_owned(), view.map_err(bug)?)]);
    safetensors::serialize(&tensors, None).map_err(bug)
}
