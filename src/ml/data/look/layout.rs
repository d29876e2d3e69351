//! The layout of a folder: a known data set, lists, or pairs of folders; and its samples by part.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::files::{self, Files, parts};
use super::lists::{self, Held};
pub use super::pairs::Wish;
use super::pairs::{self, Pairs};
use super::roles::Part;
use crate::fsio;
use crate::ml::data::cityscapes;
use crate::ml::data::fault::Fault;
use crate::ml::data::list::Sample;
use crate::ml::data::voc;

/// How many names a message states.
const SHOWN: usize = 3;

/// What a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// PASCAL VOC 2012 with the folder SegmentationClassAug.
    Voc,
    /// Cityscapes as unpacked, with these labels.
    Cityscapes {
        /// Whether only the coarse labels are there.
        coarse: bool,
    },
    /// Lists of pairs that lie in the folder.
    Lists,
    /// Images and labels in folders, told apart by names.
    Folders,
}

/// Known classes that a folder's files give away by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// PASCAL VOC.
    Voc,
    /// Cityscapes.
    Cityscapes,
    /// CamVid.
    CamVid,
}

/// The samples of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Which part; none where the folder does not tell parts apart.
    pub part: Option<Part>,
    /// The list that lies in the folder, by its path; none where there is none.
    pub list: Option<String>,
    /// Image and label of each.
    pub samples: Vec<Sample>,
}

/// What lies in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The folder that all paths start from. It may be one below the folder that was named.
    pub root: PathBuf,
    /// What it is.
    pub layout: Layout,
    /// Whose classes these are, as far as names tell.
    pub known: Option<Known>,
    /// The parts that have images and labels.
    pub sets: Vec<Set>,
    /// What the user should know, as sentences.
    pub remarks: Vec<String>,
    /// All files, to find names of classes among them.
    pub files: Files,
}

/// Looks at a folder.
///
/// # Errors
/// There are no images, no labels, or no pairs; an image has several labels; two images have one name; the folder cannot be
/// listed.
pub fn of(folder: &Path, wish: &Wish) -> Result<Found, Vec<Fault>> {
    let listed = |path: &Path| {
        Files::below(path).map_err(|error| vec![Fault::new(path.display(), error.to_string(), error.hint())])
    };
    let wished = *wish != Wish::default();
    let root = if wished { folder.to_owned() } else { root(folder) };
    let files = listed(&root)?;
    if files.cut {
        let message = format!("There are more than {} files.", files::MOST);
        return Err(vec![Fault::new(root.display(), message, "Name the folder of one data set.")]);
    }
    let mut found = Found { root, layout: Layout::Folders, known: None, sets: Vec::new(), remarks: Vec::new(), files };
    if files_are(&found.files.pictures, "leftImg8bit") && !wished {
        cityscapes(&mut found);
    }
    if found.sets.is_empty() && !wished {
        voc(&mut found);
    }
    if found.sets.is_empty() {
        folders(&mut found, wish)?;
    }
    if found.files.unnamed > 0 {
        let count = found.files.unnamed;
        found.remarks.push(format!("{count} files have names that are not UTF-8. No list can name them: rename them."));
    }
    found.known = match found.layout {
        Layout::Cityscapes { .. } => Some(Known::Cityscapes),
        _ => known(&found.sets),
    };
    unique(&found.sets)?;
    Ok(found)
}

/// The folder that holds the data set: the one that was named, or the only one in it that has VOC's or Cityscapes' folders.
fn root(folder: &Path) -> PathBuf {
    let below = ["", "VOCdevkit/VOC2012", "VOC2012", "VOCtrainval_11-May-2012/VOCdevkit/VOC2012"];
    let found = below.iter().map(|below| folder.join(below)).find(|place| fsio::is_folder(&place.join("JPEGImages")));
    found.unwrap_or_else(|| folder.to_owned())
}

fn files_are(pictures: &[String], folder: &str) -> bool {
    pictures.iter().any(|path| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
}

fn cityscapes(found: &mut Found) {
    use cityscapes::Part::{TrainCoarse, TrainFine, Val, ValCoarse};
    for (coarse, train, val) in [(false, TrainFine, Val), (true, TrainCoarse, ValCoarse)] {
        let labelled = |part| -> Vec<Sample> {
            let samples = cityscapes::samples(&found.root, part, &[]).unwrap_or_default();
            let label =
                |sample: &Sample| sample.label.as_ref().is_some_and(|path| fsio::is_file(&found.root.join(path)));
            if samples.iter().all(label) { samples } else { Vec::new() }
        };
        let (train, val) = (labelled(train), labelled(val));
        if !train.is_empty() && !val.is_empty() {
            let set = |part, samples| Set { part: Some(part), list: None, samples };
            found.sets = vec![set(Part::Train, train), set(Part::Val, val)];
            found.layout = Layout::Cityscapes { coarse };
            return;
        }
    }
}

/// VOC as published, with the augmented labels and VOC's own list of the validation set.
fn voc(found: &mut Found) {
    let there = |name: &str| found.files.others.iter().any(|path| path == name);
    if !there(voc::Part::Val.list()) || !files_are(&found.files.pictures, voc::LABELS) {
        return;
    }
    let of = |part| voc::samples(&found.root, part, None, &[]).unwrap_or_default();
    let (train, val) = (of(voc::Part::TrainAug), of(voc::Part::Val));
    let complete = |samples: &[Sample]| {
        let there = |path: &str| fsio::is_file(&found.root.join(path));
        !samples.is_empty() && samples.iter().all(|s| there(&s.image) && s.label.as_deref().is_some_and(there))
    };
    if complete(&train) && complete(&val) {
        let set = |part, samples| Set { part: Some(part), list: None, samples };
        found.sets = vec![set(Part::Train, train), set(Part::Val, val)];
        found.layout = Layout::Voc;
    }
}

fn folders(found: &mut Found, wish: &Wish) -> Result<(), Vec<Fault>> {
    let lists = if *wish == Wish::default() { lists::of(&found.root, &found.files.others) } else { BTreeMap::new() };
    let pairs = |path: &String, held: &Held| match held {
        Held::Pairs(samples) => Some((Some(path.clone()), samples.clone())),
        Held::Ids(_) => None,
    };
    let of_pairs: Vec<Set> = lists
        .iter()
        .filter_map(|(&part, (path, held))| {
            pairs(path, held).map(|(list, samples)| Set { part: Some(part), list, samples })
        })
        .collect();
    if of_pairs.iter().any(|set| set.part == Some(Part::Train)) {
        found.layout = Layout::Lists;
        found.sets = of_pairs;
        return Ok(());
    }
    // VOC's two folders of masks: the augmented one has all of the other.
    let pictures = &found.files.pictures;
    let voc = files_are(pictures, "JPEGImages") && *wish == Wish::default();
    let label = ["SegmentationClassAug", "SegmentationClass"].into_iter().find(|name| voc && files_are(pictures, name));
    let wish = match label {
        Some(label) => Wish { images: Some("JPEGImages".to_owned()), labels: Some(label.to_owned()) },
        None => wish.clone(),
    };
    let Pairs { pairs, lone_images, lone_labels, passed_over } = pairs::of(pictures, &wish).map_err(|fault| {
        let foreign: BTreeSet<&str> = found.files.foreign.iter().filter_map(|path| files::format(path)).collect();
        let formats = foreign.into_iter().collect::<Vec<_>>().join(", ");
        let more = match found.files.foreign.len() {
            0 => String::new(),
            count => format!(
                " There are {count} files of other formats ({formats}): convert them to PNG, which loses nothing."
            ),
        };
        vec![Fault { hint: fault.hint + &more, ..fault }]
    })?;
    let told = |paths: &[String], what: &str| {
        let names = crate::syntax::first_names(paths.iter().map(String::as_str), SHOWN);
        (!paths.is_empty()).then(|| format!("{} {what}: {names}.", paths.len()))
    };
    found.remarks.extend(told(&lone_images, "images have no label and are left out"));
    found.remarks.extend(told(&lone_labels, "labels have no image and are left out"));
    found
        .remarks
        .extend(told(&passed_over, "pictures are neither images nor labels by their names and are passed over"));
    found.remarks.extend(told(&found.files.foreign, "files are of formats that are not read"));
    let by_id = parts_by_id(&lists, &mut found.remarks, &pairs);
    let mut sets: BTreeMap<Option<Part>, Vec<Sample>> = BTreeMap::new();
    let mut unlisted = 0_usize;
    for pair in pairs {
        let id = parts(&pair.image).1.to_owned();
        let part = match &by_id {
            Some(parts) => match parts.get(&id) {
                Some(part) => Some(*part),
                None => {
                    unlisted += 1;
                    continue;
                }
            },
            None => pair.part,
        };
        sets.entry(part).or_default().push(Sample { id, image: pair.image, label: Some(pair.label) });
    }
    if unlisted > 0 {
        found.remarks.push(format!("{unlisted} pairs are in no list and are left out."));
    }
    found.sets = sets.into_iter().map(|(part, samples)| Set { part, list: None, samples }).collect();
    Ok(())
}

/// The part of each id, where lists of ids name a training set of which images are there.
fn parts_by_id(
    lists: &BTreeMap<Part, (String, Held)>,
    remarks: &mut Vec<String>,
    pairs: &[pairs::Pair],
) -> Option<BTreeMap<String, Part>> {
    let there: BTreeSet<&str> = pairs.iter().map(|pair| parts(&pair.image).1).collect();
    let mut by_id = BTreeMap::new();
    let mut train = false;
    let mut used = Vec::new();
    for (&part, (path, held)) in lists {
        let ids: Vec<&str> = match held {
            Held::Ids(ids) => ids.iter().map(String::as_str).collect(),
            Held::Pairs(samples) => samples.iter().map(|sample| sample.id.as_str()).collect(),
        };
        let known: Vec<&str> = ids.into_iter().filter(|id| there.contains(id)).collect();
        if !known.is_empty() {
            train |= part == Part::Train;
            used.push(path.as_str());
            // What is trained on is never validated on.
            for id in known {
                by_id.entry(id.to_owned()).or_insert(part);
            }
        }
    }
    if !train {
        return None;
    }
    remarks.push(format!("The parts are those of {}.", crate::syntax::names(used)));
    Some(by_id)
}

/// Whose images these are, by their names.
fn known(sets: &[Set]) -> Option<Known> {
    let ids: Vec<&str> = sets.iter().flat_map(|set| &set.samples).map(|sample| sample.id.as_str()).collect();
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let voc = |id: &&str| {
        id.split_once('_')
            .is_some_and(|(year, number)| digits(year, 4) && ("2007"..="2012").contains(&year) && digits(number, 6))
    };
    let camvid = |id: &&str| ["0001TP_", "0006R0_", "0016E5_", "Seq05VD_"].iter().any(|start| id.starts_with(start));
    if ids.is_empty() {
        None
    } else if ids.iter().all(voc) {
        Some(Known::Voc)
    } else if ids.iter().all(camvid) {
        Some(Known::CamVid)
    } else {
        None
    }
}

/// A fault where two images of a set have one id.
fn unique(sets: &[Set]) -> Result<(), Vec<Fault>> {
    for set in sets {
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for sample in &set.samples {
            if let Some(first) = seen.insert(&sample.id, &sample.image) {
                let message = format!("`{}` has the same name.", crate::syntax::shown(first));
                let hint = "The name of an image is its id. Give each image of the data set its own name.";
                return Err(vec![Fault::new(crate::syntax::shown(&sample.image), message, hint)]);
            }
        }
    }
    Ok(())
}
