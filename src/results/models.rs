//! The models that a run left, in the store or in an exported archive: found by the names of their stages.
//!
//! A stage is named as a run names it, `train` or `train[prefilter=Average]`, and means its last iteration; `train[2]` is the
//! second one. No name is needed where only one stage left a model.

use std::io::Read;
use std::path::Path;

use super::archive::{LONGEST_MANIFEST, Listed, MANIFEST, Manifest};
use super::error::{Error, Result};
use super::layout;
use crate::fsio;
use crate::hash::Digest;
use crate::store::{RunRecord, Store};

/// The name of the output that is a model.
const MODEL: &str = "model";

/// The model of a run: the name of its node, and the file.
///
/// # Errors
/// No stage of that name left a model, or several stages did where none is named; what the store says.
pub fn of_run(store: &Store, run: &RunRecord, wanted: Option<&str>) -> Result<(String, Vec<u8>)> {
    let model = |node: &_| {
        let name = layout::node_name(node).to_string();
        node.outputs.iter().find(|(output, _)| output.as_str() == MODEL).map(|(_, artifact)| (name, artifact.digest))
    };
    let models: Vec<(String, Digest)> =
        run.nodes.iter().filter(|node| node.status.is_done()).filter_map(model).collect();
    let names: Vec<&str> = models.iter().map(|(name, _)| name.as_str()).collect();
    let chosen = choose(&names, wanted, &format!("The run {}", run.id))?;
    let (name, digest) = &models[chosen];
    Ok((name.clone(), store.read(digest)?))
}

/// The same of an archive that [`Export`](super::Export) wrote.
///
/// # Errors
/// As those of [`of_run`]; the archive cannot be read, or holds no models.
pub fn of_archive(path: &Path, wanted: Option<&str>) -> Result<(String, Vec<u8>)> {
    let broken = |error: std::io::Error| archive(path, format!("cannot be read as an exported run: {error}"));
    let decoder = zstd::Decoder::new(fsio::open(path)?).map_err(broken)?;
    let mut tar = tar::Archive::new(decoder);
    let mut entries = tar.entries().map_err(broken)?;
    let mut first = entries.next().ok_or_else(|| archive(path, "is empty"))?.map_err(broken)?;
    let mut text = Vec::new();
    first.by_ref().take(LONGEST_MANIFEST).read_to_end(&mut text).map_err(broken)?;
    let manifest: Manifest = Some(text)
        .filter(|_| first.path().is_ok_and(|path| path.ends_with(MANIFEST)))
        .and_then(|text| serde_json::from_slice(&text).ok())
        .ok_or_else(|| archive(path, "does not begin with the manifest of an exported run"))?;
    let models: Vec<Listed> = manifest.files.into_iter().filter(|file| file.output.as_deref() == Some(MODEL)).collect();
    let names: Vec<&str> = models.iter().map(|file| file.node.as_deref().unwrap_or_default()).collect();
    let chosen = choose(&names, wanted, &format!("`{}`", path.display()))?;
    let Listed { path: place, blake3, node, .. } = &models[chosen];
    for entry in entries {
        let mut entry = entry.map_err(broken)?;
        if entry.path().is_ok_and(|found| found.iter().skip(1).eq(Path::new(place).iter())) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(broken)?;
            if Digest::of(&bytes) != *blake3 {
                return Err(archive(path, format!("is damaged: `{place}` is not what its manifest says")));
            }
            return Ok((node.clone().unwrap_or_default(), bytes));
        }
    }
    Err(archive(path, format!("is damaged: it ends without `{place}`")))
}

fn archive(path: &Path, what: impl Into<String>) -> Error {
    Error::Archive { path: path.to_owned(), what: what.into() }
}

/// The stage of a node's name and its iteration: `train[2]` is the second one of `train`.
fn parts(name: &str) -> (&str, u32) {
    let iteration = name.strip_suffix(']').and_then(|rest| rest.rsplit_once('['));
    match iteration.and_then(|(stage, number)| Some((stage, number.parse().ok()?))) {
        Some(parts) => parts,
        None => (name, 0),
    }
}

/// The number of the node in `names` that is meant: the last iteration of one stage.
fn choose(names: &[&str], wanted: Option<&str>, owner: &str) -> Result<usize> {
    let meant = |name: &str| wanted.is_none_or(|wanted| name == wanted || parts(name).0 == wanted);
    let mut found: Vec<usize> = (0..names.len()).filter(|at| meant(names[*at])).collect();
    found.sort_by_key(|at| parts(names[*at]).1);
    let mut stages: Vec<String> = names.iter().map(|name| format!("`{}`", parts(name).0)).collect();
    stages.dedup();
    let there = if stages.is_empty() { "no stage left one".to_owned() } else { stages.join(", ") };
    let of_one = |at: &usize| parts(names[*at]).0 == parts(names[found[0]]).0;
    match (found.last(), wanted) {
        (Some(last), _) if found.iter().all(of_one) => Ok(*last),
        (Some(_), _) => {
            let hint = format!("Name the stage as well: {there}.");
            Err(Error::NoModel { what: format!("{owner} has models of several stages"), hint })
        }
        (None, Some(wanted)) => {
            let hint = format!("Models there: {there}.");
            Err(Error::NoModel { what: format!("{owner} has no model `{wanted}`"), hint })
        }
        (None, None) => {
            let hint = "A training leaves a model, and so does a stage `Model`.".to_owned();
            Err(Error::NoModel { what: format!("{owner} has no model"), hint })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_means_its_last_iteration() {
        let names = ["train[1]", "train[10]", "train[2]", "other[seed=1][1]", "other[seed=2][1]", "m"];
        let chosen = |wanted| choose(&names, Some(wanted), "It").map(|at| names[at]);
        assert_eq!(chosen("train").unwrap(), "train[10]");
        assert_eq!(chosen("train[2]").unwrap(), "train[2]");
        assert_eq!(chosen("other[seed=2]").unwrap(), "other[seed=2][1]");
        assert_eq!(chosen("m").unwrap(), "m");
        let told = |error: Error| format!("{error} {}", error.hint());
        assert!(told(chosen("trian").unwrap_err()).contains("`train`, `other[seed=1]`"));
        assert!(told(choose(&names, None, "It").unwrap_err()).contains("several stages"));
        assert_eq!(choose(&names[..3], None, "It").unwrap(), 1);
        assert!(told(choose(&[], None, "It").unwrap_err()).contains("has no model"));
    }
}
