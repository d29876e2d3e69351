//! What a validation counted in each image, for tests of whether two models differ.

use std::collections::BTreeMap;

use crate::stage::{InputNode, StageError};
use crate::stages::columns;
use crate::stages::support;
use crate::stages::yields::{BOUNDARY, CLASSES, CONFUSION};
use crate::stats::{Counts, Pixels};

/// What a validation counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The images, in the order of the counts.
    pub images: Vec<String>,
    /// The classes, in the order of the counts.
    pub classes: Vec<String>,
    /// The pixels of each image and class.
    pub pixels: Counts,
    /// The pixels along the contours of each image and class, which validations of earlier versions lack.
    pub boundary: Option<Counts>,
}

impl Judged {
    /// What the validation of a node counted.
    pub fn of(node: &InputNode) -> Result<Self, StageError> {
        let classes = columns::texts(&support::table(node, &CLASSES)?, "name")?;
        let classes: Vec<String> = classes.into_iter().map(Option::unwrap_or_default).collect();
        let table = support::table(node, &CONFUSION)?;
        let (names, count) = (columns::texts(&table, "image")?, columns::ints(&table, "pixels")?);
        let (truths, predictions) = (columns::ints(&table, "truth")?, columns::ints(&table, "predicted")?);
        let class = |id: Option<i64>| id.and_then(|id| usize::try_from(id).ok());
        let rows = names.iter().enumerate().map(|(row, image)| Pixels {
            image: image.as_deref().unwrap_or_default(),
            classes: class(truths[row]).zip(class(predictions[row])),
            pixels: count[row].and_then(|pixels| u64::try_from(pixels).ok()).unwrap_or(0),
        });
        let strange = || StageError::Bug("A validation counted pixels of a class that it does not have.".into());
        let (images, pixels) = Counts::of_pixels(classes.len(), rows).ok_or_else(strange)?;
        let boundary = boundary(node, &images, classes.len())?;
        Ok(Judged { images, classes, pixels, boundary })
    }
}

/// The pixels along contours of these images, in their order.
fn boundary(node: &InputNode, images: &[String], classes: usize) -> Result<Option<Counts>, StageError> {
    if BOUNDARY.of(node).is_none() {
        return Ok(None);
    }
    let table = support::table(node, &BOUNDARY)?;
    let (names, of) = (columns::texts(&table, "image")?, columns::ints(&table, "class")?);
    let column = |name: &str| columns::ints(&table, name);
    let (both, truth, predicted) = (column("intersection")?, column("truth")?, column("predicted")?);
    let places: BTreeMap<&str, usize> = images.iter().enumerate().map(|(at, image)| (image.as_str(), at)).collect();
    let mut cells = vec![vec![[0; 3]; classes]; images.len()];
    let strange =
        || StageError::Bug("A validation counted contours of an image or a class that it does not have.".into());
    for (row, image) in names.iter().enumerate() {
        let Some(class) = of[row] else { continue };
        let image = image.as_deref().and_then(|image| places.get(image));
        let class = usize::try_from(class).ok().filter(|class| *class < classes);
        let (&image, class) = image.zip(class).ok_or_else(strange)?;
        let count = |of: &[Option<i64>]| of[row].and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
        let both = count(&both);
        cells[image][class] = [both, count(&predicted).saturating_sub(both), count(&truth).saturating_sub(both)];
    }
    let mut counts = Counts::new(classes);
    cells.iter().for_each(|image| _ = counts.push(image));
    Ok(Some(counts))
}
