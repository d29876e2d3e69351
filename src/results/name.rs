//! How the folder of a run's results is named.
//!
//! Invariants:
//! - a run of the whole pipeline as it stands writes to `NAME`; no other run does;
//! - a run with a profile writes to `NAME@PROFILE`. A trial, which is a run with `--set` or `--only`, writes to a folder
//!   that says so: `NAME@train.steps=50`, `NAME@tiny@only=validate`;
//! - different requests have different names. Every disk takes the characters of these names. A name that cannot say the
//!   whole request ends in a digest of the request.

use crate::fsio::filenames::{Alphabet, marked};
use crate::hash::Digest;
use crate::store::RunRecord;

/// The longest name that is given, in bytes: a file that is moved aside still gets a longer one.
const LONGEST: usize = 240;

/// The name of the folder of a run's results.
pub(super) fn folder_name(run: &RunRecord) -> String {
    folder_of(&run.pipeline, run.profile.as_deref(), &run.sets, &run.only)
}

/// The name of the folder of the results of a run that is asked for by these.
pub fn folder_of(pipeline: &str, profile: Option<&str>, sets: &[String], only: &[String]) -> String {
    let mut trial: Vec<String> = sets.to_vec();
    if !only.is_empty() {
        trial.push(format!("only={}", only.join(",")));
    }
    let profile = profile.map(str::to_owned);
    let stated: Vec<String> = profile.iter().cloned().chain((!trial.is_empty()).then(|| trial.join(","))).collect();
    if stated.is_empty() {
        return pipeline.to_owned();
    }
    let stated = stated.join("@");
    let mut ending: String = stated.split_inclusive(['@', '=', ',']).map(part).collect();
    let room = LONGEST.saturating_sub(pipeline.len() + 1);
    if ending != stated || ending.len() > room {
        let profile = profile.into_iter().collect();
        let digest = Digest::of_canonical(&vec![profile, sets.to_vec(), only.to_vec()]).short();
        let mark = format!("~{digest}");
        ending = marked(&ending, room.saturating_sub(mark.len()), &mark);
    }
    format!("{pipeline}@{ending}")
}

/// A part of what was stated, in characters that every disk takes, with the separator behind it.
fn part(text: &str) -> String {
    match text.strip_suffix(['@', '=', ',']) {
        Some(before) => Alphabet::LABEL.plain(before) + &text[before.len()..],
        None => Alphabet::LABEL.plain(text),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::store::RunStatus;

    fn run(pipeline: &str, profile: Option<&str>, sets: &[&str], only: &[&str]) -> RunRecord {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        RunRecord {
            format: RunRecord::FORMAT,
            number: 1,
            id: "a".into(),
            pipeline: pipeline.into(),
            file: String::new(),
            profile: profile.map(str::to_owned),
            sets: texts(sets),
            only: texts(only),
            resolved: String::new(),
            started: String::new(),
            finished: None,
            status: RunStatus::Done,
            device: String::new(),
            nodes: Vec::new(),
            machine: BTreeMap::new(),
            versions: BTreeMap::new(),
            numeric: BTreeMap::new(),
            params: BTreeMap::new(),
        }
    }

    #[test]
    fn a_profile_and_a_trial_have_folders_of_their_own_that_say_what_they_are() {
        let name = |profile, sets: &[&str], only: &[&str]| folder_name(&run("p", profile, sets, only));
        assert_eq!(name(None, &[], &[]), "p");
        assert_eq!(name(Some("tiny"), &[], &[]), "p@tiny");
        assert_eq!(name(None, &["train.steps=50", "a.b=-0.5"], &[]), "p@train.steps=50,a.b=-0.5");
        assert_eq!(name(Some("tiny"), &[], &["validate", "erf"]), "p@tiny@only=validate,erf");
    }

    #[test]
    fn different_requests_have_different_names_that_every_disk_takes() {
        let long = "x".repeat(300);
        let quoted = [["a.b=\"x/y\""], ["a.b='x/y'"], ["a.b=(x,y)"], [long.as_str()], ["a.b=../../c"]];
        let pipeline = "p".repeat(200);
        let mut names: Vec<String> = quoted.iter().map(|sets| folder_name(&run(&pipeline, None, sets, &[]))).collect();
        names.push(folder_name(&run(&pipeline, Some("../x"), &[], &[])));
        names.push(folder_name(&run(&pipeline, Some("..@x"), &[], &[])));
        assert!(names.iter().all(|name| name.len() <= LONGEST && !name.contains(['/', '"', '\''])), "{names:?}");
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "{names:?}");
    }
}
