//! What the parts of this room do together.

use std::path::Path;

use super::*;

#[test]
fn an_atomic_write_replaces_whole_files_and_leaves_nothing_beside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b.txt");
    write_atomic(&path, b"one").unwrap();
    write_atomic_parts(&path, &[b"t", b"", b"wo"]).unwrap();
    assert_eq!(read(&path).unwrap(), b"two");
    assert_eq!(list(path.parent().unwrap()).unwrap(), ["b.txt"]);
    assert_eq!(blake3(&path).unwrap(), ::blake3::hash(b"two"));
    assert_eq!(walk(dir.path()).unwrap(), ["a/b.txt"]);
}

#[test]
fn errors_name_the_path_and_the_action() {
    let error = read(Path::new("/nowhere/at/all")).unwrap_err();
    assert!(error.is_missing());
    assert!(error.to_string().starts_with("Could not read `/nowhere/at/all`: "), "{error}");
}

#[test]
fn the_tail_starts_at_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    write_atomic(&path, b"first\nsecond\nthird\n").unwrap();
    assert_eq!(tail(&path, 10).unwrap(), "third\n");
    assert_eq!(tail(&path, 100).unwrap(), "first\nsecond\nthird\n");
}

#[test]
fn the_longest_name_is_that_of_the_disk_also_for_a_folder_that_is_to_be_made() {
    let dir = tempfile::tempdir().unwrap();
    let there = longest_name(dir.path()).unwrap();
    assert!(there >= 143, "{there}");
    assert_eq!(longest_name(&dir.path().join("a/b")).unwrap(), there);
    assert!(longest_name(Path::new("results-that-are-not-there")).is_ok());
}
