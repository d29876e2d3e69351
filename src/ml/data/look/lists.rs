//! Lists that lie in a folder: of pairs, which a data set can read as they are, or of ids, which say what belongs to which part.

use std::collections::BTreeMap;
use std::path::Path;

use super::files::{ending, parts};
use super::roles::{Part, part};
use crate::fsio;
use crate::ml::data::bounds;
use crate::ml::data::list::{self, Form, Sample};

/// The folders that lists lie in, below the root.
const FOLDERS: [&str; 6] = ["", "ImageSets/Segmentation", "lists", "list", "splits", "split"];

/// What a list holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// Pairs whose files are there.
    Pairs(Vec<Sample>),
    /// Ids of images.
    Ids(Vec<String>),
}

/// The list of each part: its path below the root, and what it holds. Lists of pairs go before lists of ids.
pub fn of(root: &Path, others: &[String]) -> BTreeMap<Part, (String, Held)> {
    let mut found: BTreeMap<Part, (String, Held)> = BTreeMap::new();
    for folder in FOLDERS {
        for path in others.iter().filter(|path| ending(path) == "txt" && parts(path).0 == folder) {
            let Some(part) = part(parts(path).1) else { continue };
            let Some(held) = held(root, path) else { continue };
            let better = match found.get(&part) {
                None => true,
                Some((_, Held::Ids(_))) => matches!(held, Held::Pairs(_)),
                Some((_, Held::Pairs(_))) => false,
            };
            if better {
                found.insert(part, (path.clone(), held));
            }
        }
    }
    found
}

/// What the list at `path` holds; none where it is no list.
fn held(root: &Path, path: &str) -> Option<Held> {
    let text = String::from_utf8(fsio::read_within(&root.join(path), bounds::FILE).ok()?).ok()?;
    if let Ok(samples) = list::parse(&text, path, Form::Labelled) {
        let there = |sample: &Sample| {
            let label = sample.label.as_deref().unwrap_or_default();
            fsio::is_file(&root.join(&sample.image)) && fsio::is_file(&root.join(label))
        };
        if samples.iter().all(there) {
            return Some(Held::Pairs(samples));
        }
    }
    let ids = list::ids(&text, path).ok()?;
    Some(Held::Ids(ids.into_iter().map(|(_, id)| id).collect()))
}
