//! The counts that validations left, for images that are the same in all runs.
//!
//! Invariants:
//! - images are matched by name. They are the same if the data sets say so, or, where these are not at hand, if each has
//!   the same true pixels of each class. Nothing is compared on a part of the images;
//! - classes are matched by number and name.

use std::collections::{BTreeMap, BTreeSet};

use super::pairs::{NodeRow, StageRow};
use super::side::Side;
use crate::hash::Digest;
use crate::stats::{Counts, Pixels};
use crate::store::RunNodeRecord;
use crate::table::Table;

/// What a reference to a validation yields.
const YIELDS: &str = "metrics";

/// The component of a validation's key that is its data set.
const INDEX: &str = "input.data.index";

/// Pixels by true and predicted class.
pub(super) type Confusion = BTreeMap<(usize, usize), u64>;

/// What a validation counted.
pub(super) struct Counted {
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The names of the images.
    images: Vec<String>,
    /// The counts of each image.
    pub counts: Counts,
    /// The pixels of all images.
    pub confusion: Confusion,
    /// The counts along boundaries, or why there are none.
    pub boundary: Result<Counts, String>,
}

/// A validation of several runs: the last iteration of each.
pub(super) struct Validation<'a> {
    /// The nodes.
    pub row: &'a NodeRow<'a>,
    /// The stage's name in each run.
    pub names: &'a [Option<String>],
    /// What each run counted, for the images in the reference's order; or why it cannot be compared with the reference.
    pub counted: Vec<Result<Counted, String>>,
}

/// The validations among the rows that are asked for.
pub(super) fn validations<'a>(sides: &[Side<'_>], rows: &'a [StageRow<'a>]) -> Vec<Validation<'a>> {
    let is_one = |row: &&StageRow<'_>| row.wanted && row.last.nodes.iter().flatten().any(|node| node.yields == YIELDS);
    rows.iter().filter(is_one).map(|row| Validation::read(sides, row)).collect()
}

impl<'a> Validation<'a> {
    fn read(sides: &[Side<'_>], stage: &'a StageRow<'a>) -> Self {
        let row = &stage.last;
        let read = |(side, node): (&Side<'_>, &Option<&RunNodeRecord>)| match node {
            None => Err("It has no such stage.".to_owned()),
            Some(node) => counted(side, node),
        };
        let mut counted: Vec<Result<Counted, String>> = sides.iter().zip(&row.nodes).map(read).collect();
        // The first that can be read is what the images of all others are matched with.
        if let Some(first) = counted.iter().position(Result::is_ok) {
            let (before, rest) = counted.split_at_mut(first + 1);
            if let Some(Ok(reference)) = before.last() {
                let of = |at: usize| Some((sides.get(at)?, *row.nodes.get(at)?.as_ref()?));
                for (offset, other) in rest.iter_mut().enumerate() {
                    let at = first + 1 + offset;
                    let found = std::mem::replace(other, Err(String::new()));
                    *other = found.and_then(|found| {
                        if let (Some(a), Some(b)) = (of(first), of(at)) {
                            same_pictures(a, b)?;
                        }
                        aligned(reference, &found)
                    });
                }
            }
        }
        Validation { row, names: &stage.names, counted }
    }

    /// A figure as it was recorded, in each run.
    pub fn metric(&self, name: &str) -> Vec<Option<f64>> {
        let value = |node: &Option<&RunNodeRecord>| node.as_ref()?.metrics.get(name).copied();
        self.row.nodes.iter().map(value).collect()
    }
}

/// What a node counted. The error is a sentence.
fn counted(side: &Side<'_>, node: &RunNodeRecord) -> Result<Counted, String> {
    let table = |output: &str| -> Result<Table, String> {
        let made = node.outputs.get(output).ok_or_else(|| format!("It has no table `{output}`."))?;
        side.table(&made.digest)
    };
    let classes = table("classes")?;
    let names = column(&classes, "name")?;
    let classes: Vec<String> =
        (0..classes.rows()).map(|row| classes.cell(row, names).text().unwrap_or_default().to_owned()).collect();
    let pixels = table("confusion")?;
    let at = ["image", "truth", "predicted", "pixels"].map(|name| column(&pixels, name));
    let [image, truth, predicted, count] = all(at)?;
    let (texts, mut rows) = (texts(&pixels, image), Vec::new());
    for (row, image) in texts.iter().enumerate() {
        let number = |at: usize| pixels.cell(row, at).number().map(|number| number as u64);
        let class = |at: usize| number(at).and_then(|number| usize::try_from(number).ok());
        rows.push(Pixels { image, classes: class(truth).zip(class(predicted)), pixels: number(count).unwrap_or(0) });
    }
    let mut confusion = Confusion::new();
    for row in &rows {
        if let Some(classes) = row.classes {
            *confusion.entry(classes).or_default() += row.pixels;
        }
    }
    let unknown = || "It counted pixels of a class that its table of classes does not have.".to_owned();
    let (images, counts) = Counts::of_pixels(classes.len(), rows.iter().copied()).ok_or_else(unknown)?;
    let boundary = table("boundary").and_then(|table| along_boundaries(&table, &images, classes.len()));
    Ok(Counted { classes, images, counts, confusion, boundary })
}

/// The counts of pixels along boundaries, for the images in this order.
fn along_boundaries(table: &Table, images: &[String], classes: usize) -> Result<Counts, String> {
    let at = ["image", "class", "intersection", "truth", "predicted"].map(|name| column(table, name));
    let [image, class, intersection, truth, predicted] = all(at)?;
    let mut cells: BTreeMap<&str, Vec<[u64; 3]>> =
        images.iter().map(|image| (image.as_str(), vec![[0; 3]; classes])).collect();
    let texts = texts(table, image);
    for (row, image) in texts.iter().enumerate() {
        let number = |at: usize| table.cell(row, at).number().unwrap_or(0.0) as u64;
        let place = usize::try_from(number(class)).ok();
        let cell = cells.get_mut(image.as_str()).zip(place).and_then(|(cells, class)| cells.get_mut(class));
        let cell = cell.ok_or("Its table `boundary` has other images or classes than `confusion`.")?;
        let (both, truth, predicted) = (number(intersection), number(truth), number(predicted));
        *cell = [both, predicted.saturating_sub(both), truth.saturating_sub(both)];
    }
    let mut counts = Counts::new(classes);
    for image in images {
        cells.get(image.as_str()).map(|cells| counts.push(cells));
    }
    Ok(counts)
}

fn column(table: &Table, name: &str) -> Result<usize, String> {
    table.position(name).ok_or_else(|| format!("One of its tables has no column `{name}`."))
}

fn all<const N: usize>(found: [Result<usize, String>; N]) -> Result<[usize; N], String> {
    let mut places = [0; N];
    for (place, found) in places.iter_mut().zip(found) {
        *place = found?;
    }
    Ok(places)
}

fn texts(table: &Table, column: usize) -> Vec<String> {
    (0..table.rows()).map(|row| table.cell(row, column).text().unwrap_or_default().to_owned()).collect()
}

/// Whether two data sets have the same images under the same names, as far as they are at hand.
fn same_pictures(a: (&Side<'_>, &RunNodeRecord), b: (&Side<'_>, &RunNodeRecord)) -> Result<(), String> {
    let digest = |node: &RunNodeRecord| node.preimage.get(INDEX).and_then(|digest| digest.parse::<Digest>().ok());
    let (Some(of_a), Some(of_b)) = (digest(a.1), digest(b.1)) else { return Ok(()) };
    if of_a == of_b {
        return Ok(());
    }
    let pictures = |side: &Side<'_>, digest: &Digest| -> Option<BTreeMap<String, String>> {
        let table = side.table(digest).ok()?;
        let (names, digests) = (table.position("id")?, table.position("image_digest")?);
        Some(texts(&table, names).into_iter().zip(texts(&table, digests)).collect())
    };
    // Where a data set is not at hand, the true pixels of each image still tell.
    let (Some(of_a), Some(of_b)) = (pictures(a.0, &of_a), pictures(b.0, &of_b)) else { return Ok(()) };
    let changed = of_a.iter().filter(|(name, digest)| of_b.get(*name).is_some_and(|other| other != *digest)).count();
    if changed > 0 {
        return Err(format!("It was validated on other images: {changed} of {} have other contents.", of_a.len()));
    }
    Ok(())
}

/// Whether all validations of a group have the same images, as far as their data sets are at hand.
pub(super) fn same_images(sides: &[Side<'_>], group: &[&Validation<'_>]) -> Result<(), String> {
    let all = group.iter().flat_map(|validation| sides.iter().zip(&validation.row.nodes));
    let mut all = all.filter_map(|(side, node)| Some((side, (*node)?)));
    let Some(first) = all.next() else { return Ok(()) };
    all.try_for_each(|other| same_pictures(first, other))
}

/// What was counted, with the images in the reference's order.
pub(super) fn aligned(reference: &Counted, other: &Counted) -> Result<Counted, String> {
    if reference.classes != other.classes {
        return Err("It has other classes.".to_owned());
    }
    let names = |counted: &Counted| counted.images.iter().cloned().collect::<BTreeSet<String>>();
    let (of_reference, of_other) = (names(reference), names(other));
    if of_reference != of_other {
        let both = of_reference.intersection(&of_other).count();
        let (of_reference, of_other) = (of_reference.len(), of_other.len());
        return Err(format!(
            "It was validated on other images: {of_other} images, of which {both} are among the reference's {of_reference}."
        ));
    }
    let places: BTreeMap<&str, usize> = other.images.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    let order: Vec<usize> = reference.images.iter().filter_map(|name| places.get(name.as_str()).copied()).collect();
    let counts = reordered(&other.counts, &order);
    let relabelled = unlike(&reference.counts, &counts);
    if relabelled > 0 {
        return Err(format!("It was validated against other labels: {relabelled} of {} images.", order.len()));
    }
    let boundary = other.boundary.as_ref().map(|counts| reordered(counts, &order)).map_err(Clone::clone);
    let boundary = boundary.and_then(|counts| {
        let wrong = reference.boundary.as_ref().is_ok_and(|reference| unlike(reference, &counts) > 0);
        if wrong { Err("Its boundaries were drawn in another way.".to_owned()) } else { Ok(counts) }
    });
    let (classes, confusion) = (other.classes.clone(), other.confusion.clone());
    Ok(Counted { classes, images: reference.images.clone(), counts, confusion, boundary })
}

fn reordered(counts: &Counts, order: &[usize]) -> Counts {
    let mut found = Counts::new(counts.classes());
    for &image in order {
        found.push(counts.image(image));
    }
    found
}

/// How many images have other true pixels.
fn unlike(a: &Counts, b: &Counts) -> usize {
    let truth = |counts: &Counts, image: usize| -> Vec<u64> {
        counts.image(image).iter().map(|[right, _, missed]| right + missed).collect()
    };
    (0..a.images()).filter(|&image| truth(a, image) != truth(b, image)).count()
}
