//! What is said of pipelines with faults, word for word: every file and every folder in `tests/malformed/language`
//! against the snapshot beside it.
//!
//! A file begins with a comment that says what is wrong. Behind it there may be `// --profile NAME` and
//! `// --set PATH=VALUE`. Of a folder, `main.ron` is the pipeline. After a change for the better write the snapshots again
//! by `INSTA_UPDATE=always cargo test --release --lib malformed`, and read the difference.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::testing::Case;
use crate::fsio;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/malformed/language")
}

/// The files of a case, the pipeline's first, with their content.
fn files(name: &str) -> Vec<(String, String)> {
    let path = folder().join(name);
    let read = |file: &str| (file.to_owned(), fsio::read_to_string(&path.join(file)).unwrap());
    if name.ends_with(".ron") {
        return vec![(name.to_owned(), fsio::read_to_string(&path).unwrap())];
    }
    let others = fsio::walk(&path).unwrap().into_iter().filter(|file| file != "main.ron");
    std::iter::once(read("main.ron")).chain(others.map(|file| read(&file))).collect()
}

#[test]
fn every_file_is_told_its_faults() {
    let (mut names, mut snapshots) = (BTreeSet::new(), BTreeSet::new());
    for name in fsio::list(&folder()).unwrap() {
        match name.strip_suffix(".snap") {
            Some(stem) => snapshots.insert(stem.to_owned()),
            None if name.ends_with(".snap.new") => continue,
            None => names.insert(name),
        };
    }
    assert!(names.len() > 60, "{}", names.len());
    for name in &names {
        let files = files(name);
        let borrowed: Vec<(&str, &str)> =
            files.iter().map(|(name, content)| (name.as_str(), content.as_str())).collect();
        let mut case = Case::with(&borrowed);
        let comments = || files[0].1.lines().map_while(|line| line.strip_prefix("// "));
        assert!(comments().next().is_some_and(|what| !what.starts_with("--")), "{name} does not say what is wrong");
        for option in comments() {
            if let Some(profile) = option.strip_prefix("--profile ") {
                case = case.profile(profile);
            } else if let Some(change) = option.strip_prefix("--set ") {
                case = case.set(change);
            }
        }
        let stem = name.trim_end_matches(".ron");
        insta::with_settings!({
            snapshot_path => folder(), prepend_module_to_snapshot => false, omit_expression => true,
        }, { insta::assert_snapshot!(stem, case.faults()) });
    }
    let stems: BTreeSet<String> = names.iter().map(|name| name.trim_end_matches(".ron").to_owned()).collect();
    assert_eq!(snapshots.difference(&stems).collect::<Vec<_>>(), Vec::<&String>::new(), "snapshots without a file");
}

#[test]
fn a_file_that_cannot_be_read_and_one_without_a_character() {
    let mut case = Case::new("");
    insta::assert_snapshot!(case.faults(), @r"
    error: Expected a value, found the end.
     --> main.ron:1:1
      |
    1 |
      | ^
      |
      = help: A value is a number, a text in quotes, `Name(…)`, `(…)`, `[…]` or `{…}`.
    ");
    case.request.file.set_file_name("nothing.ron");
    insta::assert_snapshot!(case.faults(), @r"
    error: Could not find `nothing.ron`: No such file or directory (os error 2).
     |
     = help: Check the path.
    ");
}
