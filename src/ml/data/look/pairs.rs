//! Images and their labels, paired by the names of their folders and files.
//!
//! Pairing begins strictly, with the same part, folder and name, and then asks less and less. An image is only paired where one
//! label fits. Where several fit equally well, that is a fault, and nobody guesses.

use std::collections::{BTreeMap, BTreeSet};

use super::files::{ending, parts};
use super::roles::{Part, Role, Said, by_name, said};
use crate::ml::data::fault::Fault;
use crate::syntax::{first_names, shown};

/// How many names a message states.
const SHOWN: usize = 3;

/// An image and its label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// The image's path.
    pub image: String,
    /// The label's path.
    pub label: String,
    /// The part that their folders name.
    pub part: Option<Part>,
}

/// All that could be paired, and what could not.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Pairs {
    /// The pairs, by the paths of the images.
    pub pairs: Vec<Pair>,
    /// Images without a label.
    pub lone_images: Vec<String>,
    /// Labels without an image.
    pub lone_labels: Vec<String>,
    /// Pictures that are neither images nor labels by their names: numbers of objects, colours for people.
    pub passed_over: Vec<String>,
}

/// The folders that the user named.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The folder of the images, below the root.
    pub images: Option<String>,
    /// The folder of the labels, below the root.
    pub labels: Option<String>,
}

/// A picture and what its path says.
struct Picture<'a> {
    path: &'a str,
    said: Said,
    stem: &'a str,
    /// The name without what only says that it is an image or a label.
    plain: &'a str,
}

/// Pairs the pictures.
///
/// # Errors
/// There are no images, no labels, or an image has several labels.
pub fn of(pictures: &[String], wish: &Wish) -> Result<Pairs, Fault> {
    let mut found = Pairs::default();
    let (mut images, mut labels, mut unsaid) = (Vec::new(), Vec::new(), Vec::new());
    for path in pictures {
        let (folder, stem) = parts(path);
        let below = |wish: &Option<String>| {
            let wish = wish.as_deref()?.trim_matches('/');
            let rest = if wish.is_empty() { Some(folder) } else { folder.strip_prefix(wish) };
            rest.filter(|rest| wish.is_empty() || rest.is_empty() || rest.starts_with('/'))
        };
        let (as_image, as_label) = (below(&wish.images), below(&wish.labels));
        let wished = wish.images.is_some() || wish.labels.is_some();
        let (own, plain) = by_name(stem);
        let mut said = match (as_label, as_image) {
            (Some(rest), _) => Said { role: Role::Labels, ..said(rest) },
            (None, Some(rest)) => Said { role: Role::Images, ..said(rest) },
            (None, None) if wish.images.is_some() && wish.labels.is_some() => continue,
            (None, None) => said(folder),
        };
        // That a name ends as those of images do says nothing of the others beside it.
        if said.role == Role::Unsaid && !wished && own != Role::Images {
            said.role = own;
        }
        // `a_color.png` beside `a_labelIds.png`.
        if said.role == Role::Labels && own == Role::Instances {
            said.role = Role::Instances;
        }
        let picture = Picture { path, said, stem, plain };
        match picture.said.role {
            Role::Images => images.push(picture),
            Role::Labels => labels.push(picture),
            Role::Unsaid => unsaid.push(picture),
            Role::Instances => found.passed_over.push(path.clone()),
        }
    }
    if images.is_empty() {
        images.append(&mut unsaid);
    }
    found.passed_over.extend(unsaid.iter().map(|picture| picture.path.to_owned()));
    if labels.is_empty() {
        beside(&mut images, &mut labels);
    }
    check(&images, &labels, wish)?;
    pair(&images, &labels, &mut found)?;
    Ok(found)
}

/// The labels among files of one folder: those whose names say so, or else PNG files beside JPEG files of the same names.
fn beside<'a>(images: &mut Vec<Picture<'a>>, labels: &mut Vec<Picture<'a>>) {
    let key = |picture: &Picture<'a>| (parts(picture.path).0, picture.stem);
    let jpegs: BTreeSet<(&str, &str)> =
        images.iter().filter(|picture| ending(picture.path) != "png").map(key).collect();
    let by_names = |picture: &Picture<'a>| by_name(picture.stem).0 == Role::Labels;
    let named = images.iter().any(by_names) && !images.iter().all(by_names);
    let is_label = |picture: &Picture<'a>| match named {
        true => by_names(picture),
        false => ending(picture.path) == "png" && jpegs.contains(&key(picture)),
    };
    (*labels, *images) = images.drain(..).partition(is_label);
}

fn check(images: &[Picture<'_>], labels: &[Picture<'_>], wish: &Wish) -> Result<(), Fault> {
    let place = |wish: &Option<String>| wish.clone().unwrap_or_else(|| ".".to_owned());
    if images.is_empty() && labels.is_empty() {
        let hint = "Name the folder that holds the images and their labels.";
        return Err(Fault::new(place(&wish.images), "The folder holds no JPEG and no PNG file.", hint));
    }
    let folders = |pictures: &[Picture<'_>]| {
        let folders: BTreeSet<&str> = pictures.iter().map(|picture| parts(picture.path).0).collect();
        first_names(folders.into_iter().map(|folder| if folder.is_empty() { "." } else { folder }), SHOWN)
    };
    if labels.is_empty() {
        let message = format!("There are {} images, in {}, and no labels.", images.len(), folders(images));
        let hint = "Labels are PNG files in a folder `masks`, `labels` or `annotations`. Name another folder by `--masks DIR`.";
        return Err(Fault::new(place(&wish.labels), message, hint));
    }
    if images.is_empty() {
        let message = format!("There are {} labels, in {}, and no images.", labels.len(), folders(labels));
        let hint = "Images are JPEG or PNG files in a folder `images`. Name another folder by `--images DIR`.";
        return Err(Fault::new(place(&wish.images), message, hint));
    }
    Ok(())
}

type Key<'a> = (Option<Part>, &'a str, &'a str);

/// From strict to loose.
const LEVELS: [for<'a> fn(&'a Picture<'a>) -> Key<'a>; 5] = [
    |picture| (picture.said.part, &picture.said.rest, picture.stem),
    |picture| (picture.said.part, &picture.said.rest, picture.plain),
    |picture| (None, &picture.said.rest, picture.plain),
    |picture| (picture.said.part, "", picture.plain),
    |picture| (None, "", picture.plain),
];

fn pair(images: &[Picture<'_>], labels: &[Picture<'_>], found: &mut Pairs) -> Result<(), Fault> {
    let mut open_images: BTreeSet<usize> = (0..images.len()).collect();
    let mut open_labels: BTreeSet<usize> = (0..labels.len()).collect();
    for (level, key) in LEVELS.iter().enumerate() {
        let mut by_key: BTreeMap<Key<'_>, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
        open_images.iter().for_each(|&at| by_key.entry(key(&images[at])).or_default().0.push(at));
        open_labels.iter().for_each(|&at| by_key.entry(key(&labels[at])).or_default().1.push(at));
        for (of_images, of_labels) in by_key.values() {
            if let ([image, ..], [_, _, ..]) = (&of_images[..], &of_labels[..])
                && level < 2
            {
                let names = first_names(of_labels.iter().map(|&label| labels[label].path), SHOWN);
                let message = format!("The image has {} labels: {names}.", of_labels.len());
                let hint = "Name the folder of those that are meant by `--masks DIR`.";
                return Err(Fault::new(shown(images[*image].path), message, hint));
            }
            if let ([image], [label]) = (&of_images[..], &of_labels[..]) {
                open_images.remove(image);
                open_labels.remove(label);
                let (image, label) = (&images[*image], &labels[*label]);
                found.pairs.push(Pair {
                    image: image.path.to_owned(),
                    label: label.path.to_owned(),
                    part: image.said.part.or(label.said.part),
                });
            }
        }
    }
    found.pairs.sort_unstable();
    found.lone_images = open_images.into_iter().map(|at| images[at].path.to_owned()).collect();
    found.lone_labels = open_labels.into_iter().map(|at| labels[at].path.to_owned()).collect();
    if found.pairs.is_empty() {
        let first = |paths: &[String]| first_names(paths.iter().map(String::as_str), SHOWN);
        let message = format!(
            "No label has the name of an image. The images are {}, the labels {}.",
            first(&found.lone_images),
            first(&found.lone_labels)
        );
        return Err(Fault::new(".", message, "Give each label the name of its image, as `a.jpg` and `a.png`."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    fn found(names: &[&str]) -> Vec<(String, String, Option<Part>)> {
        let pairs = of(&paths(names), &Wish::default()).unwrap_or_else(|fault| panic!("{fault}")).pairs;
        pairs.into_iter().map(|pair| (pair.image, pair.label, pair.part)).collect()
    }

    #[test]
    fn each_layout_of_folders_gives_its_pairs() {
        let (train, val) = (Some(Part::Train), Some(Part::Val));
        for (names, part) in [
            (["images/a.jpg", "masks/a.png"], None),
            (["images/train/a.jpg", "labels/train/a.png"], train),
            (["val/images/a.jpg", "val/annotations/a.png"], val),
            (["train/a.png", "trainannot/a.png"], train),
            (["val/a.png", "val_labels/a_L.png"], val),
            (["a_sat.jpg", "a_mask.png"], None),
            (["all/a.jpg", "all/a.png"], None),
            (["images/val/x/a.jpg", "masks/a.png"], val),
            (["rgb/a_image.png", "gt/a_mask.png"], None),
            (["images/a.png", "images/a_mask.png"], None),
            (["pool/house_photo.png", "masks/house.png"], None),
        ] {
            assert_eq!(found(&names), [(names[0].to_owned(), names[1].to_owned(), part)], "{names:?}");
        }
    }

    #[test]
    fn what_has_no_partner_is_told_and_pictures_of_masks_are_passed_over() {
        let names = ["images/a.jpg", "images/b.jpg", "masks/a_mask.png", "masks/a_color.png", "masks/c.png"];
        let pairs = of(&paths(&names), &Wish::default()).unwrap();
        assert_eq!((pairs.pairs.len(), pairs.passed_over), (1, paths(&["masks/a_color.png"])));
        assert_eq!((pairs.lone_images, pairs.lone_labels), (paths(&["images/b.jpg"]), paths(&["masks/c.png"])));
    }

    #[test]
    fn folders_may_be_named() {
        let wish = Wish { images: Some("x".into()), labels: Some("y/deep".into()) };
        let pairs = of(&paths(&["x/train/a.jpg", "y/deep/train/a.png", "masks/a.png"]), &wish).unwrap().pairs;
        assert_eq!((pairs[0].label.as_str(), pairs[0].part), ("y/deep/train/a.png", Some(Part::Train)));
    }

    #[test]
    fn what_cannot_be_paired_is_a_fault() {
        for (names, told) in [
            (&["notes/a.gif"][..0], "no JPEG and no PNG"),
            (&["a.jpg", "b.jpg"], "There are 2 images, in `.`, and no labels."),
            (&["masks/a.png"], "There are 1 labels, in `masks`, and no images."),
            (&["images/a.jpg", "masks/b.png"], "No label has the name of an image. The images are `images/a.jpg`"),
            (
                &["images/a.jpg", "masks/a.png", "labels/a.png"],
                "The image has 2 labels: `masks/a.png`, `labels/a.png`.",
            ),
        ] {
            let fault = of(&paths(names), &Wish::default()).unwrap_err();
            assert!(fault.message.contains(told), "{fault}");
        }
    }
}
