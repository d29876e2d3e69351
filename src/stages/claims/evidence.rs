//! What claims rest on: the counts of validations and the measurements of costs, read and held against each other.
//!
//! Invariants:
//! - images stand in the order of their names, so that two validations can be compared image by image;
//! - an image without counted pixels tells nothing, and is left out;
//! - what is not the same images with the same labels is a fault, and is never compared.

use std::collections::BTreeMap;

use crate::ml::data::advice;
use crate::stage::{DataFault, InputNode, StageError};
use crate::stages::columns::{ints, numbers, texts};
use crate::stages::params::claims::Metric;
use crate::stages::support;
use crate::stages::yields::{BOUNDARY, CLASSES, CONFUSION, COSTS, MEASUREMENTS, SUMMARY};
use crate::stats::{Counts, Figure, Pixels};
use crate::table::{Cell, Table};

/// What one trained model did on the images of a validation.
pub struct Judged {
    /// The model, by the first digits of its digest.
    model: String,
    classes: Vec<String>,
    /// The images in the order of their names.
    images: Vec<String>,
    /// The pixels of the labels of each image and class.
    labels: Vec<Vec<u64>>,
    /// The pixels of the labels that the metric counts: those along contours, of the boundary IoU.
    looked_at: Vec<Vec<u64>>,
    /// The counts that the metric is computed from.
    pub counts: Counts,
}

/// A fault of the evidence: what is wrong, and what to do.
pub type Wrong = (String, &'static str);

/// What was read, or what is wrong with it; the outer error is not of the evidence.
pub type Found<T> = Result<Result<T, Wrong>, StageError>;

impl Judged {
    /// What a validation tells of a metric.
    pub fn read(node: &InputNode, metric: &Metric) -> Found<Self> {
        if CONFUSION.of(node).is_none() {
            let message = format!("It has no {}, which is a figure of validations.", metric.in_words());
            return Ok(Err((message, "Name a stage of the kind `Validate`.")));
        }
        let boundary = matches!(metric, Metric::BoundaryIou {});
        if boundary && BOUNDARY.of(node).is_none() {
            let message = "It is of a version that did not count the pixels along contours.".to_owned();
            return Ok(Err((
                message,
                "Run that pipeline again: its validations are made anew, its trainings are not.",
            )));
        }
        let summary = support::table(node, &SUMMARY)?;
        let model = texts(&summary, "model")?.first().cloned().flatten().unwrap_or_default();
        let classes: Vec<String> =
            texts(&support::table(node, &CLASSES)?, "name")?.into_iter().map(Option::unwrap_or_default).collect();
        let all = confusion(&support::table(node, &CONFUSION)?, classes.len())?;
        let counted = all.into_iter().filter(|(_, cells)| cells.iter().any(|cell| cell[0] + cell[2] > 0));
        let (images, cells): (Vec<String>, Vec<Cells>) = counted.unzip();
        let labels = labels(&cells);
        let cells = match boundary {
            true => {
                let mut bands = bands(&support::table(node, &BOUNDARY)?, classes.len())?;
                images.iter().map(|image| bands.remove(image).unwrap_or_else(|| vec![[0; 3]; classes.len()])).collect()
            }
            false => cells,
        };
        let mut counts = Counts::new(classes.len());
        if !cells.iter().all(|cells| counts.push(cells)) {
            return Err(beyond());
        }
        Ok(Ok(Judged { model, classes, images, labels, looked_at: self::labels(&cells), counts }))
    }

    /// The figure that a metric is of these counts. A fault where there is no such class.
    pub fn figure(&self, metric: &Metric) -> Result<Figure, Wrong> {
        match metric {
            Metric::PixelAccuracy {} => Ok(Figure::PixelAccuracy),
            Metric::Iou { class } => match self.classes.iter().position(|name| name == class) {
                Some(class) => Ok(Figure::Iou(class)),
                None => {
                    let names: Vec<&str> = self.classes.iter().map(String::as_str).collect();
                    let message = format!("There is no class `{class}`; the classes are {}.", advice::listed(&names));
                    Err((message, "Name one of these classes."))
                }
            },
            _ => Ok(Figure::MeanIou),
        }
    }

    /// How many images have counted pixels.
    pub fn images(&self) -> usize {
        self.images.len()
    }

    /// What is wrong where two validations are not of the same images with the same labels.
    pub fn other_images(&self, other: &Judged) -> Option<Wrong> {
        const SAME: &str = "Validate both on the same data set: two figures can be compared on the same images alone.";
        if self.classes != other.classes {
            let (own, others) = (self.classes.join(", "), other.classes.join(", "));
            return Some((format!("The classes are not the same: {own} here, {others} there."), SAME));
        }
        let beyond = |a: &Judged, b: &Judged| -> Vec<String> {
            a.images.iter().filter(|image| b.images.binary_search(image).is_err()).cloned().collect()
        };
        let alone = [beyond(self, other), beyond(other, self)].concat();
        if !alone.is_empty() {
            let names: Vec<&str> = alone.iter().map(String::as_str).collect();
            let message = format!("The images are not the same: one side alone has {}.", advice::listed(&names));
            return Some((message, SAME));
        }
        if let Some(at) = (0..self.images.len()).find(|&at| self.labels[at] != other.labels[at]) {
            let message = format!("The labels of the image `{}` are not the same on both sides.", self.images[at]);
            return Some((message, SAME));
        }
        const RULE: &str = "State the same `boundary` in both validations.";
        let message = || "The contours are not counted by the same rule on both sides.".to_owned();
        (self.looked_at != other.looked_at).then(|| (message(), RULE))
    }

    /// Whether two validations are of one trained model.
    pub fn is_of_same_model(&self, other: &Judged) -> bool {
        self.model == other.model
    }
}

/// The cells of an image, one a class.
type Cells = Vec<[u64; 3]>;

/// The pixels of the labels of each image and class.
fn labels(images: &[Cells]) -> Vec<Vec<u64>> {
    images.iter().map(|cells| cells.iter().map(|cell| cell[0] + cell[2]).collect()).collect()
}

/// The counts of each image by its name.
fn confusion(table: &Table, classes: usize) -> Result<BTreeMap<String, Cells>, StageError> {
    let images = texts(table, "image")?;
    let (truth, predicted, pixels) = (ints(table, "truth")?, ints(table, "predicted")?, ints(table, "pixels")?);
    let index = |cell: Option<i64>| cell.and_then(|value| usize::try_from(value).ok());
    let row = |at: usize| Pixels {
        image: images[at].as_deref().unwrap_or_default(),
        classes: index(truth[at]).zip(index(predicted[at])),
        pixels: pixels[at].and_then(|pixels| u64::try_from(pixels).ok()).unwrap_or_default(),
    };
    let (names, counts) = Counts::of_pixels(classes, (0..table.rows()).map(row)).ok_or_else(beyond)?;
    Ok(names.into_iter().enumerate().map(|(at, name)| (name, counts.image(at).to_vec())).collect())
}

/// The counts along the contours of each image by its name.
fn bands(table: &Table, classes: usize) -> Result<BTreeMap<String, Cells>, StageError> {
    let images = texts(table, "image")?;
    let column = |name: &str| -> Result<Vec<Option<u64>>, StageError> {
        Ok(ints(table, name)?.into_iter().map(|cell| u64::try_from(cell?).ok()).collect())
    };
    let (class, shared) = (column("class")?, column("intersection")?);
    let (truth, predicted) = (column("truth")?, column("predicted")?);
    let mut all: BTreeMap<String, Cells> = BTreeMap::new();
    for at in 0..table.rows() {
        let image = images[at].clone().unwrap_or_default();
        let cells = all.entry(image).or_insert_with(|| vec![[0; 3]; classes]);
        // An image without counted pixels may have a row that names it alone.
        let Some(class) = class[at] else { continue };
        let cell = usize::try_from(class).ok().and_then(|class| cells.get_mut(class)).ok_or_else(beyond)?;
        let of = |column: &[Option<u64>]| column[at].unwrap_or_default();
        let both = of(&shared);
        let rest = |all: u64| {
            all.checked_sub(both).ok_or_else(|| StageError::Bug("A band is smaller than a part of it.".to_owned()))
        };
        *cell = [both, rest(of(&predicted))?, rest(of(&truth))?];
    }
    Ok(all)
}

fn beyond() -> StageError {
    StageError::Bug("A table of pixels has a class that the data set has not.".to_owned())
}

/// The measurements of one cost.
pub struct Measured {
    /// The cost of each repeat.
    pub costs: Vec<f64>,
    /// Where they were made: what was looked at, and what it was.
    machine: Vec<(&'static str, String)>,
}

/// What says on which machine a cost was measured.
const MACHINE: [&str; 8] = ["host", "cpu", "cores", "memory", "os", "device", "threads", "program"];

impl Measured {
    /// What a measurement tells of a metric.
    pub fn read(node: &InputNode, metric: &Metric) -> Found<Self> {
        if MEASUREMENTS.of(node).is_none() || COSTS.of(node).is_none() {
            let message = format!("It has no {}, which is measured.", metric.in_words());
            return Ok(Err((message, "Name a stage of the kind `Cost`.")));
        }
        let table = support::table(node, &MEASUREMENTS)?;
        let costs = match metric {
            Metric::Memory {} => numbers(&table, "memory_mib")?,
            Metric::SecondsPerImage {} => {
                numbers(&table, "images_per_s")?.into_iter().map(|rate| Some(1.0 / rate?)).collect()
            }
            _ => numbers(&table, "seconds_per_step")?,
        };
        // What costs nothing has no logarithm.
        let costs: Vec<f64> = costs.into_iter().flatten().filter(|cost| cost.is_finite() && *cost > 0.0).collect();
        if costs.len() < table.rows() {
            let message = format!("Not every repeat has a figure for the {}.", metric.in_words());
            return Ok(Err((message, "Measure again, or compare what every repeat has.")));
        }
        let summary = support::table(node, &COSTS)?;
        let text = |name| -> (&'static str, String) {
            let cell = summary.position(name).filter(|_| summary.rows() > 0).map(|column| summary.cell(0, column));
            let number = |cell: &Cell| cell.number().map(|number| number.to_string());
            let text = |cell: &Cell| cell.text().map(str::to_owned).or_else(|| number(cell));
            (name, cell.as_ref().and_then(text).unwrap_or_default())
        };
        Ok(Ok(Measured { costs, machine: MACHINE.into_iter().map(text).collect() }))
    }

    /// What is wrong where two costs were measured on different machines.
    pub fn other_machine(&self, other: &Measured) -> Option<Wrong> {
        let differs = |(a, b): &(&(&str, String), &(&str, String))| a != b;
        let ((name, own), (_, others)) = self.machine.iter().zip(&other.machine).find(differs)?;
        let message = format!("It was measured under other conditions: its `{name}` is `{others}`, not `{own}`.");
        Some((message, "Measure all of them on one machine, in one run."))
    }
}

/// A fault of one side of a claim.
pub fn fault(place: &str, reference: &str, wrong: Wrong) -> DataFault {
    let (message, hint) = wrong;
    DataFault::new(place, format!("`{reference}`: {message}"), hint)
}
