//! Some images of a validation, with what was predicted.
//!
//! Invariants:
//! - which images are shown follows from the counts alone ([`choose`]), before any picture is read;
//! - a prediction is shown only if it is the one that was counted: its pixels give the counts of the validation. Without labels
//!   this cannot be held, and a prediction is taken only where no other could be meant;
//! - one photograph is decoded at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::choice::{Chosen, Why, choose};
use super::method::{Method, Trained};
use super::pictures::{self, IGNORED, RIGHT, WRONG};
use super::samples::{AtHand, Samples};
use super::source::{Fault, Source};
use super::validation::{Counted, ImagePixels, of_images};
use crate::figure::Panel;
use crate::ml::data::pictures::Style;
use crate::ml::data::{Labels, labels};
use crate::page::model::{Block, Gallery, GalleryImage, Section};
use crate::stats::Figure;

/// How many methods are shown beside each other.
const METHODS: usize = 3;

/// What makes images appear, where there are none.
const ADVICE: &str = "Add a stage `Predict` of the same model, data set and way of inference as the validation";

/// A method whose predictions are at hand.
struct Shown<'s, 'a, 'm> {
    method: &'m Method<'s, 'a>,
    counted: &'m [Counted],
    /// The trainings, each with the stages that may be its predictions.
    candidates: Vec<(&'m Trained<'s, 'a>, Vec<&'s Source<'a>>)>,
}

/// Up to `count` images of the methods, of which `counted` is what their trainings counted.
///
/// # Errors
/// A picture cannot be read.
pub(super) fn section<'s, 'a>(
    sources: &'s [Source<'a>],
    methods: &[Method<'s, 'a>],
    counted: &[Vec<Counted>],
    count: usize,
    notes: &mut Vec<String>,
) -> Result<Option<Section>, Fault> {
    if count == 0 || methods.is_empty() {
        return Ok(None);
    }
    let mut shown: Vec<Shown<'_, '_, '_>> = methods
        .iter()
        .zip(counted)
        .map(|(method, counted)| Shown { method, counted, candidates: candidates(sources, method) })
        .filter(|shown| !shown.candidates.is_empty())
        .collect();
    let text = |text: String| Ok(Some(section_of(Block::Text(text))));
    if shown.is_empty() {
        return text(format!("No predictions are at hand. {ADVICE}."));
    }
    // The first method, and then those with the greatest mean IoU.
    let of = |shown: &Shown<'_, '_, '_>| shown.method.mean_iou().unwrap_or(f64::NEG_INFINITY);
    shown[1..].sort_by(|a, b| of(b).total_cmp(&of(a)));
    let images = shown[0].counted[0].images.clone();
    shown.retain(|other| other.counted.iter().all(|counted| counted.images == images));
    shown.truncate(METHODS);
    let figures: Vec<Vec<Option<f64>>> = shown.iter().map(Shown::figures).collect();
    let chosen = choose(&figures, count);
    let ids: Vec<&str> = chosen.iter().map(|chosen| images[chosen.image].as_str()).collect();
    let (source, summary) = shown[0].method.trained[0].last();
    let samples = Samples::find(sources, &source.run, &summary.data)?;
    let classes = &shown[0].counted[0].classes;
    let names = |shown: &Shown<'_, '_, '_>| shown.method.label.clone();
    let labels: Vec<String> = shown.iter().map(names).collect();
    let mut predictions = Vec::new();
    for shown in &shown {
        predictions.push(Predictions::read(shown, &ids, classes)?);
    }
    let mut makes = Maker { samples: samples.as_ref(), classes, used: BTreeSet::new(), lacking: BTreeMap::new() };
    let mut rows = Vec::new();
    for (chosen, id) in chosen.iter().zip(&ids) {
        let panels = makes.panels(id, &predictions)?;
        let figure = |(label, figures): (&String, &Vec<Option<f64>>)| {
            figures[chosen.image].map(|figure| format!("{label} {:.1}", 100.0 * figure))
        };
        let each: Vec<String> = labels.iter().zip(&figures).filter_map(figure).collect();
        let figures = format!("mIoU (%): {}", each.join(", "));
        rows.push(GalleryImage { name: (*id).to_owned(), why: why(chosen, &labels), figures, panels });
    }
    if !rows.iter().any(|row| row.panels.iter().skip(2).any(Option::is_some)) {
        return text(format!("The predictions at hand are not those that were validated. {ADVICE}."));
    }
    notes.extend(makes.lacking.iter().map(|(what, why)| format!("{what}: {why}.")));
    let errors = labels.iter().flat_map(|label| [label.clone(), format!("{label}: errors")]);
    let heads = ["input", "truth"].map(str::to_owned).into_iter().chain(errors).collect();
    let gallery = Gallery { rule: rule(&labels, &shown), heads, images: rows, legend: makes.legend() };
    Ok(Some(section_of(Block::Gallery(gallery))))
}

fn section_of(block: Block) -> Section {
    Section {
        id: "images".to_owned(),
        title: "Images".to_owned(),
        lead: "Validation images that a rule chose.".to_owned(),
        blocks: vec![block],
        folded: false,
    }
}

/// The trainings of a method that may have predictions: those of the run in cells whose labels agree on all axes that both have.
fn candidates<'s, 'a, 'm>(
    sources: &'s [Source<'a>],
    method: &'m Method<'s, 'a>,
) -> Vec<(&'m Trained<'s, 'a>, Vec<&'s Source<'a>>)> {
    let agree = |cell: &BTreeMap<String, String>, other: &BTreeMap<String, String>| {
        cell.iter().all(|(axis, label)| other.get(axis).is_none_or(|other| other == label))
    };
    let of = |trained: &'m Trained<'s, 'a>| {
        let fits = |source: &&'s Source<'a>| {
            source.run == method.run && source.has(&["pictures"]) && agree(trained.cell, &source.cell)
        };
        let found: Vec<&Source<'a>> = sources.iter().filter(fits).collect();
        (!found.is_empty()).then_some((trained, found))
    };
    method.trained.iter().filter_map(of).collect()
}

impl Shown<'_, '_, '_> {
    /// The mean IoU of each image: the mean over the trainings.
    fn figures(&self) -> Vec<Option<f64>> {
        let images = self.counted.first().map_or(0, |counted| counted.images.len());
        let of = |image: usize| {
            let each = self.counted.iter().map(|counted| Figure::MeanIou.of(counted.counts.image(image)));
            let each: Option<Vec<f64>> = each.collect();
            each.filter(|each| !each.is_empty()).map(|each| each.iter().sum::<f64>() / each.len() as f64)
        };
        (0..images).map(of).collect()
    }
}

fn why(chosen: &Chosen, labels: &[String]) -> String {
    let models = |first: usize, second: usize| {
        let label = |at: usize| labels.get(at).map_or("", String::as_str);
        format!("large difference: {} is better than {}", label(first), label(second))
    };
    match chosen.why {
        Why::FirstBetter => models(0, 1),
        Why::SecondBetter => models(1, 0),
        Why::Best => "best".to_owned(),
        Why::Worst => "worst".to_owned(),
        Why::Median => "median".to_owned(),
    }
}

/// The rule in words.
fn rule(labels: &[String], shown: &[Shown<'_, '_, '_>]) -> String {
    let parts = match labels {
        [first, second, ..] => {
            format!(
                "A quarter each: the images where {first} and {second} differ most, the best, the worst, and those in the \
                 middle"
            )
        }
        _ => "A third each: the best images, the worst, and those in the middle".to_owned(),
    };
    let seeds = match shown.iter().any(|shown| shown.counted.len() > 1) {
        true => " Figures are means over seeds; the predictions of an image are those of the first seed that has some.",
        false => "",
    };
    format!("{parts}, by the mean IoU of each image. Of images with equal figures the first by name is taken.{seeds}")
}

/// The counts of images by their names.
type CountsOf = BTreeMap<String, ImagePixels>;

/// Files of masks by their paths.
type Masks = BTreeMap<String, Vec<u8>>;

/// What a method predicted for the images that are shown.
struct Predictions {
    /// For each training and each stage that may be its predictions: the counts that they must give, and the masks.
    options: Vec<(Rc<CountsOf>, Masks)>,
    label: String,
}

impl Predictions {
    fn read(shown: &Shown<'_, '_, '_>, ids: &[&str], classes: &[String]) -> Result<Self, Fault> {
        let names: BTreeSet<String> = ids.iter().map(|id| mask_of(id, classes)).collect();
        let mut options = Vec::new();
        for (trained, sources) in &shown.candidates {
            let counts = Rc::new(of_images(trained.last().0, ids)?);
            for source in sources {
                let given = source.output("pictures").ok_or("There is no output `pictures`.")?;
                options.push((counts.clone(), given.files(&names)?));
            }
        }
        Ok(Predictions { options, label: shown.method.label.clone() })
    }

    /// The prediction of an image: the one that was counted, or where no label is at hand the only one there is.
    fn of(&self, id: &str, truth: Option<&Labels>, classes: &[String]) -> Result<Option<Labels>, Fault> {
        let name = mask_of(id, classes);
        let there = || self.options.iter().filter_map(|(counts, masks)| Some((counts, masks.get(&name)?)));
        let alike = there().all(|(_, bytes)| there().next().is_some_and(|(_, first)| first == bytes));
        for (counts, bytes) in there() {
            let mask = labels::decode(bytes, &name).map_err(|fault| fault.to_string())?;
            let is_it = match truth {
                Some(truth) => counted(truth, &mask, classes.len()).as_ref() == counts.get(id),
                None => alike,
            };
            if is_it {
                return Ok(Some(mask));
            }
        }
        Ok(None)
    }
}

/// The path of an image's mask among the predictions.
fn mask_of(id: &str, classes: &[String]) -> String {
    Style::new(classes, &[]).places(id).into_iter().next().unwrap_or_default()
}

/// The pixels of a prediction by true and predicted class; none where the sizes differ.
fn counted(truth: &Labels, prediction: &Labels, classes: usize) -> Option<ImagePixels> {
    let mut found = ImagePixels::new();
    if truth.size() != prediction.size() {
        return None;
    }
    for (&truth, &predicted) in truth.pixels().iter().zip(prediction.pixels()) {
        if usize::from(truth) < classes {
            *found.entry((usize::from(truth), usize::from(predicted))).or_default() += 1;
        }
    }
    Some(found)
}

/// Makes the panels of images.
struct Maker<'m, 's> {
    samples: Option<&'m Samples<'s>>,
    classes: &'m [String],
    /// The classes that occur, and the number of classes where ignored pixels do.
    used: BTreeSet<usize>,
    /// What is not at hand, and why.
    lacking: BTreeMap<String, String>,
}

impl Maker<'_, '_> {
    /// The photograph, the truth, and for each method the prediction and where it is wrong.
    fn panels(&mut self, id: &str, predictions: &[Predictions]) -> Result<Vec<Option<Panel>>, Fault> {
        let none = || Ok(Err("the data set is not at hand; a stage `Page` takes it in `from`".to_owned()));
        let photo = self.samples.map_or_else(none, |samples| samples.photo(id))?;
        let photo = self.at_hand("Photographs are left out", photo);
        let none = || Ok(Err("the data set is not at hand; a stage `Page` takes it in `from`".to_owned()));
        let truth = self.samples.map_or_else(none, |samples| samples.truth(id))?;
        let truth = self.at_hand("Labels and error maps are left out", truth);
        let mut panels = vec![photo.as_ref().map(pictures::photo), truth.as_ref().map(|truth| self.mask(truth))];
        for predicted in predictions {
            let prediction = predicted.of(id, truth.as_ref(), self.classes)?;
            if prediction.is_none() {
                let what = format!("Some predictions of `{}` are left out", predicted.label);
                self.lacking.insert(what, "those at hand are not the ones that were validated".to_owned());
            }
            let pair = truth.as_ref().zip(prediction.as_ref());
            let errors = pair.and_then(|(truth, found)| pictures::errors(truth, found, self.classes.len()));
            panels.extend([prediction.as_ref().map(|prediction| self.mask(prediction)), errors]);
        }
        Ok(panels)
    }

    fn at_hand<T>(&mut self, what: &str, found: AtHand<T>) -> Option<T> {
        found.map_err(|why| self.lacking.insert(what.to_owned(), why)).ok()
    }

    /// A mask in the colours of the classes.
    fn mask(&mut self, ids: &Labels) -> Panel {
        let panel = pictures::mask(ids, &self.colors());
        self.used.extend(pictures::used(&panel));
        panel
    }

    /// The colours of the classes: those of the data set, or where it is not at hand those of VOC.
    fn colors(&self) -> Vec<[u8; 3]> {
        let own = self.samples.map(|samples| samples.info.colors.clone());
        let mut colors = own.unwrap_or_else(|| crate::ml::colors::VOC_MAP.to_vec());
        colors.truncate(self.classes.len());
        colors
    }

    /// The names and colours of what occurs.
    fn legend(&self) -> Vec<(String, [u8; 3])> {
        let colors = self.colors();
        let named = |class: &usize| Some((self.classes.get(*class)?.clone(), *colors.get(*class)?));
        let classes = self.used.iter().filter_map(named);
        let errors = [("right", RIGHT), ("wrong", WRONG), ("ignored", IGNORED)];
        classes.chain(errors.map(|(name, color)| (name.to_owned(), color))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prediction_is_known_by_its_counts() {
        let classes = ["a", "b"].map(str::to_owned);
        let truth = Labels::new(1, 4, vec![0, 1, 255, 1]).unwrap();
        let [ours, other] = [[0, 0, 1, 1], [1, 1, 1, 1]].map(|ids| Labels::new(1, 4, ids.to_vec()).unwrap());
        let counts = BTreeMap::from([("x".to_owned(), counted(&truth, &ours, 2).unwrap())]);
        assert_eq!(counts["x"], ImagePixels::from([((0, 0), 1), ((1, 0), 1), ((1, 1), 1)]));
        let mask = |ids: &Labels| labels::encode_grey(ids, "x").unwrap();
        let counts = Rc::new(counts);
        let option = |ids: &Labels| (counts.clone(), BTreeMap::from([(mask_of("x", &classes), mask(ids))]));
        let found = |options: Vec<_>, truth: Option<&Labels>| {
            Predictions { options, label: String::new() }.of("x", truth, &classes).unwrap()
        };
        assert_eq!(found(vec![option(&other), option(&ours)], Some(&truth)), Some(ours.clone()));
        assert_eq!(found(vec![option(&other)], Some(&truth)), None, "it is of another model");
        assert_eq!(found(vec![option(&other)], None), Some(other.clone()), "no other could be meant");
        assert_eq!(found(vec![option(&other), option(&ours)], None), None);
        assert_eq!(counted(&truth, &Labels::new(2, 2, vec![0; 4]).unwrap(), 2), None);
    }
}
