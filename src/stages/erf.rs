//! `Erf`: the effective receptive field of a model.

use std::collections::BTreeMap;

use crate::ml::data::index::Row;
use crate::ml::data::source::Images;
use crate::ml::data::{Labels, labels};
use crate::ml::erf;
use crate::params;
use crate::stage::params::{Param, Ref};
use crate::stage::schema::Structure;
use crate::stage::{DataFault, Event, Job, Kind, Produced, Publication, StageError, Value};

use super::columns::{self, Values};
use super::data::Data;
use super::subject::Model;
use super::support;

params! {
    /// The effective receptive field (Luo et al., NeurIPS 2016): the gradient of the centre of the output with respect
    /// to the input, absolute values summed over channels, averaged over the middles of images. Nothing is padded: where
    /// a network sees zeros its units are dead, and no gradient passes.
    /// Leaves a picture, the raw map, and figures: the share of exactly-zero pixels inside the support (gridding), the
    /// share of the area of the centred squares that hold 20, 30, 50 and 99 % of the mass, and the radius of gyration.
    pub struct ErfParams {
        /// The model.
        model: Ref, where to(&["model"]);
        /// The images.
        data: Ref, where to(&["dataset"]);
        /// How many images, from the start of the list.
        images: u32 = 100, where min(1.0).unit("images");
        /// Height and width that are cut from the middle of each image; smaller images are passed over. `None`: what
        /// is common to the images.
        size: Option<(u32, u32)> = None, where min(33.0).max(4096.0).unit("pixels");
        /// With respect to what the gradient is taken.
        target: Target = Target::Image {};
    }

    /// An input of the network or of a part of it.
    pub enum Target {
        /// The image: the receptive field of the whole network.
        Image {}
        /// The input of a block, as `group5/block1`: the receptive field of what follows it.
        Block {
            /// The block.
            name: String;
        }
    }
}

/// The kind.
pub struct Erf;

impl Kind for Erf {
    fn name(&self) -> &'static str {
        "Erf"
    }

    fn version(&self) -> u32 {
        2
    }

    fn schema(&self) -> Structure {
        support::structure(ErfParams::ty())
    }

    fn yields(&self) -> &'static str {
        "erf"
    }

    fn computes(&self) -> bool {
        true
    }

    fn publish(&self, _params: &Value) -> Vec<Publication> {
        vec![
            Publication::copy("picture"),
            Publication::copy("map"),
            Publication::table("figures", &["Markdown", "Csv", "Parquet"]),
        ]
    }

    fn run(&self, job: &Job<'_>) -> Result<Produced, StageError> {
        let p: ErfParams = support::read(job.params)?;
        let data = Data::open(job, "data")?;
        let model = Model::open(job, "model")?;
        let target = match &p.target {
            Target::Image {} => erf::Target::Image,
            Target::Block { name } => {
                let names: Vec<&str> = model.network.block_names().collect();
                if !names.contains(&name.as_str()) {
                    let hint = format!("The blocks are {}.", names.join(", "));
                    return Err(
                        DataFault::new("target.name", format!("The network has no block `{name}`."), hint).into()
                    );
                }
                erf::Target::Block(name.clone())
            }
        };
        let resolve = |path: &str| data.resolve(path);
        let images = Images::new(&data.rows, &resolve);
        let (chosen, size) = choose(&data, &p)?;
        if chosen.len() < p.images as usize {
            let text =
                format!("The data set has {} fitting images, fewer than the {} asked for.", chosen.len(), p.images);
            job.events.emit(Event::Warning { text });
        }
        let pool = support::pool(job.threads)?;
        let mut sum: Option<erf::Map> = None;
        for (done, &i) in chosen.iter().enumerate() {
            job.cancel.check()?;
            let map = pool.install(|| -> Result<erf::Map, StageError> {
                let image = images.image(i).map_err(|fault| data.blame(support::faults(vec![fault])))?;
                let corner = ((image.height() - size.0) / 2, (image.width() - size.1) / 2);
                let image = model.normalise.apply(&image).window(corner, size, [0.0; 3]);
                erf::map(&model.network, &model.input(&image)?, &target)
                    .map_err(|error| support::ml_error(error, "model"))
            })?;
            match &mut sum {
                Some(sum) => sum.add(&map),
                None => sum = Some(map),
            }
            job.events.emit(Event::Progress {
                done: done as u64 + 1,
                total: chosen.len() as u64,
                unit: "images".into(),
            });
        }
        let map = sum.ok_or_else(|| StageError::Bug("The effective receptive field saw no image.".into()))?;
        produce(job, &model, &data, &p.target, &map.scaled(1.0 / chosen.len() as f64))
    }
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

fn produce(job: &Job<'_>, model: &Model, data: &Data, target: &Target, map: &erf::Map) -> Result<Produced, StageError> {
    let figures = erf::figures(map);
    let mut columns = model.subject.columns(1, data);
    let target = match target {
        Target::Image {} => "image",
        Target::Block { name } => name,
    };
    columns.push(("target".to_owned(), Values::Text(vec![Some(target.to_owned())])));
    let mut produced = Produced::default();
    for (name, value) in figures.named() {
        columns.push((name.clone(), Values::Float(vec![Some(value)])));
        produced.metrics.insert(name.replace(' ', "_").replace('%', ""), value);
    }
    support::write_table(job, &mut produced, "figures", &columns::new_table(columns)?)?;
    support::write_file(job, &mut produced, "picture", "erf.png", &picture(map)?)?;
    support::write_file(job, &mut produced, "map", "erf.safetensors", &raw(map)?)?;
    Ok(produced)
}

/// The map as a grey picture. The square root of the share of the largest value: a linear scale shows the centre alone.
fn picture(map: &erf::Map) -> Result<Vec<u8>, StageError> {
    let largest = map.values.iter().copied().fold(0.0, f64::max);
    let level = |value: f64| if largest > 0.0 { (255.0 * (value / largest).sqrt()).round() as u8 } else { 0 };
    let pixels = map.values.iter().map(|&value| level(value)).collect();
    let grey = Labels::new(map.height, map.width, pixels)
        .ok_or_else(|| StageError::Bug("A map does not have its own size.".into()))?;
    labels::encode_grey(&grey, "erf.png").map_err(|fault| support::faults(vec![fault]))
}

/// The map as a safetensors file with one tensor `erf`, `[height, width]` of f64.
fn raw(map: &erf::Map) -> Result<Vec<u8>, StageError> {
    let bytes: Vec<u8> = map.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let bug = |error: safetensors::SafeTensorError| StageError::Bug(format!("The map could not be written: {error}."));
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F64, vec![map.height, map.width], &bytes);
    let tensors = BTreeMap::from([("erf".to_owned(), view.map_err(bug)?)]);
    safetensors::serialize(&tensors, None).map_err(bug)
}
