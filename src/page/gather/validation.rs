//! Validations: what each counted, read from its tables.

use std::collections::BTreeMap;

use super::columns::{counts, figure, first, numbers, texts};
use super::source::{Fault, Source};
use crate::stats::{Counts, Pixels};

/// The outputs that a validation has.
const OUTPUTS: [&str; 3] = ["summary", "classes", "confusion"];

/// What a validation comes to, without its counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Summary {
    /// The model, by the first digits of its digest.
    pub model: String,
    /// The encoder in words.
    pub encoder: String,
    /// The pre-filter in words.
    pub prefilter: String,
    /// The data set, by the first digits of its digest.
    pub data: String,
    /// How predictions were made, in words.
    pub inference: String,
    /// The step of the schedule that the model was trained to.
    pub step: Option<f64>,
    /// The mean IoU, from 0 to 1.
    pub mean_iou: Option<f64>,
}

/// What a validation counted.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The images, in the order of their names.
    pub images: Vec<String>,
    /// The counts of each image.
    pub counts: Counts,
    /// The pixels of all images by true class, then by predicted class.
    pub confusion: Vec<Vec<u64>>,
}

/// Whether a source is a validation.
pub(super) fn is_one(source: &Source<'_>) -> bool {
    source.has(&OUTPUTS)
}

/// The one row of a validation's summary.
///
/// # Errors
/// It cannot be read.
pub(super) fn summary(source: &Source<'_>) -> Result<Summary, Fault> {
    let table = source.table("summary")?;
    // Tables of archives have letters before short digests.
    let text = |name| first(&table, name).trim_start_matches("b3-").to_owned();
    Ok(Summary {
        model: text("model"),
        encoder: text("encoder"),
        prefilter: text("prefilter"),
        data: text("data"),
        inference: text("inference"),
        step: figure(&table, "step"),
        mean_iou: figure(&table, "mean_iou"),
    })
}

/// The pixels of one image by true and predicted class.
pub(super) type ImagePixels = BTreeMap<(usize, usize), u64>;

/// A row of the table of pixels.
type Row = (String, Option<(usize, usize)>, u64);

fn rows(source: &Source<'_>) -> Result<Vec<Row>, Fault> {
    let table = source.table("confusion")?;
    let (truth, predicted, pixels) =
        (counts(&table, "truth")?, counts(&table, "predicted")?, counts(&table, "pixels")?);
    let class = |class: Option<u64>| class.and_then(|class| usize::try_from(class).ok());
    let rows = texts(&table, "image")?.into_iter().enumerate();
    Ok(rows
        .map(|(row, image)| (image, class(truth[row]).zip(class(predicted[row])), pixels[row].unwrap_or(0)))
        .collect())
}

/// What a validation counted.
///
/// # Errors
/// Its tables cannot be read, or do not fit each other.
pub(super) fn counted(source: &Source<'_>) -> Result<Counted, Fault> {
    let classes = texts(&source.table("classes")?, "name")?;
    let mut rows = rows(source)?;
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let mut confusion = vec![vec![0; classes.len()]; classes.len()];
    for (_, cell, pixels) in &rows {
        if let Some((truth, predicted)) = cell
            && let Some(count) = confusion.get_mut(*truth).and_then(|row: &mut Vec<u64>| row.get_mut(*predicted))
        {
            *count += pixels;
        }
    }
    let all = rows.iter().map(|(image, classes, pixels)| Pixels { image, classes: *classes, pixels: *pixels });
    let strange = || Fault::from("A validation counted pixels of a class that its table of classes does not have.");
    let (images, counts) = Counts::of_pixels(classes.len(), all).ok_or_else(strange)?;
    Ok(Counted { classes, images, counts, confusion })
}

/// The IoU of each class over all images of a validation, from 0 to 1, by the names of the classes.
///
/// # Errors
/// The table cannot be read.
pub(super) fn ious(source: &Source<'_>) -> Result<Vec<(String, Option<f64>)>, Fault> {
    let table = source.table("classes")?;
    Ok(texts(&table, "name")?.into_iter().zip(numbers(&table, "iou")?).collect())
}

/// The pixels of some images of a validation.
///
/// # Errors
/// The table cannot be read.
pub(super) fn of_images(source: &Source<'_>, wanted: &[&str]) -> Result<BTreeMap<String, ImagePixels>, Fault> {
    let mut found: BTreeMap<String, ImagePixels> = BTreeMap::new();
    for (image, cell, pixels) in rows(source)? {
        if let Some(cell) = cell.filter(|_| wanted.contains(&image.as_str())) {
            *found.entry(image).or_default().entry(cell).or_default() += pixels;
        }
    }
    Ok(found)
}
