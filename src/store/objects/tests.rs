//! Objects and trees: stored, read back, damaged and healed.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::store::trees::{TREE, Tree, TreeEntry};

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    (dir, store)
}

/// Changes one bit of a read-only file.
fn flip(path: &Path) {
    let mut bytes = fsio::read(path).unwrap();
    bytes[0] ^= 1;
    fsio::write_atomic(path, &bytes).unwrap();
}

#[test]
fn objects_are_read_only_and_named_by_content() {
    let (dir, store) = store();
    let digest = store.put_bytes(b"abc").unwrap();
    assert_eq!(digest, Digest::of(b"abc"));
    assert_eq!(store.read(&digest).unwrap(), b"abc");
    let mode = fsio::open(&store.objects.file(&digest)).unwrap().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o444);
    let file = dir.path().join("file");
    fsio::write_atomic(&file, b"abc").unwrap();
    assert_eq!(store.put_file(&file).unwrap(), (digest, 3));
    assert!(!fsio::exists(&file));
    assert!(fsio::list(&store.path().join("tmp")).unwrap().is_empty());
}

#[test]
fn a_link_is_refused_and_its_target_stays() {
    let (dir, store) = store();
    let (target, link) = (dir.path().join("target"), dir.path().join("tree/link"));
    fsio::write_atomic(&target, b"abc").unwrap();
    fsio::create_dir_all(link.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let errors = [store.put_file(&link).unwrap_err(), store.put_tree(link.parent().unwrap(), "tree").unwrap_err()];
    assert!(errors.iter().all(|error| error.to_string().contains("a symbolic link")), "{errors:?}");
    assert!(fsio::exists(&target) && !store.contains(&Digest::of(b"abc")));
}

#[test]
fn a_link_to_a_file_of_the_same_folder_is_listed_as_that_content() {
    let (dir, store) = store();
    let folder = dir.path().join("out");
    let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, folder.join(name)).unwrap();
    fsio::write_atomic(&folder.join("sub/a"), b"abc").unwrap();
    link("sub/a", "near");
    link("../near", "sub/far");
    let listing = store.listing(&store.put_tree(&folder, "out").unwrap().digest).unwrap();
    assert_eq!(listing.keys().collect::<Vec<_>>(), ["near", "sub/a", "sub/far"]);
    assert!(listing.values().all(|entry| *entry == listing["sub/a"]));
    for target in ["sub", "nowhere", "loop", "../outside", "/etc/hostname", "/dev/zero"] {
        fsio::remove_dir_all(&folder).unwrap();
        fsio::write_atomic(&folder.join("sub/a"), b"abc").unwrap();
        fsio::write_atomic(&dir.path().join("outside"), b"abc").unwrap();
        link(target, "loop");
        let error = store.put_tree(&folder, "out").unwrap_err();
        assert!(error.to_string().contains("out/loop`: it is a symbolic link"), "{target}: {error}");
        assert!(fsio::exists(&folder.join("sub/a")) && fsio::exists(&dir.path().join("outside")), "{target}");
    }
}

#[test]
fn a_file_with_another_name_is_copied_and_stays_as_it_is() {
    let (dir, store) = store();
    let (mine, out) = (dir.path().join("mine"), dir.path().join("out"));
    fsio::write_atomic(&mine, b"abc").unwrap();
    for _ in 0..2 {
        std::fs::hard_link(&mine, &out).unwrap();
        let (digest, bytes) = store.put_file(&out).unwrap();
        assert_eq!((digest, bytes), (Digest::of(b"abc"), 3));
        assert!(!fsio::exists(&out));
        assert_eq!(fsio::open(&mine).unwrap().metadata().unwrap().permissions().mode() & 0o222, 0o200);
        std::fs::write(&mine, b"abc").unwrap();
        store.verify(&digest).unwrap();
    }
    assert!(fsio::list(&store.path().join("tmp")).unwrap().is_empty());
    std::fs::write(&mine, b"other").unwrap();
    store.verify(&Digest::of(b"abc")).unwrap();
}

#[test]
fn a_flipped_bit_is_found_set_aside_and_healed() {
    let (_dir, store) = store();
    let digest = store.put_bytes(b"abc").unwrap();
    flip(&store.objects.file(&digest));
    assert!(matches!(store.read(&digest), Err(Error::Corrupt { .. })));
    assert!(matches!(store.read(&digest), Err(Error::Missing(_))));
    assert_eq!(fsio::list(&store.path().join("quarantine")).unwrap().len(), 1);
    assert_eq!(store.take_notices().len(), 1);
    store.put_bytes(b"abc").unwrap();
    flip(&store.objects.file(&digest));
    store.put_bytes(b"abc").unwrap();
    assert_eq!(store.read(&digest).unwrap(), b"abc");
}

#[test]
fn trees_list_their_files() {
    let (dir, store) = store();
    let folder = dir.path().join("out");
    fsio::write_atomic(&folder.join("b/two"), b"22").unwrap();
    fsio::write_atomic(&folder.join("one"), b"1").unwrap();
    let tree = store.put_tree(&folder, "out").unwrap();
    assert_eq!(tree.bytes, 3);
    let listing = store.listing(&tree.digest).unwrap();
    assert_eq!(listing.keys().collect::<Vec<_>>(), ["b/two", "one"]);
    assert_eq!(store.read(&listing["b/two"].digest).unwrap(), b"22");
    assert!(matches!(store.listing(&listing["one"].digest), Err(Error::Newer { .. })));
}

#[test]
fn a_tree_lacks_each_of_its_files_that_is_gone_damaged_or_a_folder() {
    let (dir, store) = store();
    let folder = dir.path().join("out");
    let put = || {
        fsio::write_atomic(&folder.join("b/two"), b"22").unwrap();
        store.put_tree(&folder, "out").unwrap()
    };
    let tree = put();
    let leaf = Digest::of(b"22");
    let path = store.objects.file(&leaf);
    assert_eq!(store.lacking(&tree).unwrap(), None);
    let damages: [&dyn Fn(); 3] = [
        &|| fsio::remove_file(&path).unwrap(),
        &|| {
            flip(&path);
            assert!(store.verify(&leaf).is_err());
        },
        &|| fsio::remove_file(&path).and_then(|()| fsio::create_dir_all(&path.join("a"))).unwrap(),
    ];
    for damage in damages {
        damage();
        let later = Store::open(store.path()).unwrap();
        assert_eq!(later.lacking(&tree).unwrap(), Some(leaf));
        assert!(later.contains(&tree.digest) && store.read(&leaf).is_err());
        assert_eq!(put(), tree);
        assert_eq!(later.lacking(&tree).unwrap(), None);
    }
}

#[test]
fn a_listing_of_every_format_reads() {
    let (_dir, store) = store();
    let sample = include_bytes!("../samples/tree-1.json");
    let digest = store.put_bytes(sample).unwrap();
    let files = store.listing(&digest).unwrap();
    assert_eq!(files["b/two"], TreeEntry { digest: Digest::of(b"22"), bytes: 2 });
    let text = serde_json::to_vec_pretty(&Tree { format: TREE.into(), files }).unwrap();
    assert_eq!(text, sample);
    let newer = String::from_utf8(text).unwrap().replace("tree 1", "tree 2");
    let digest = store.put_bytes(newer.as_bytes()).unwrap();
    let error = store.listing(&digest).unwrap_err().to_string();
    assert!(error.contains("`repro tree 2`, which is newer"), "{error}");
}

#[test]
fn a_folder_or_a_file_in_the_way_of_an_object_is_set_aside() {
    let (_dir, store) = store();
    let digest = Digest::of(b"abc");
    let path = store.objects.file(&digest);
    fsio::create_dir_all(&path.join("deep")).unwrap();
    assert!(!store.contains(&digest) && matches!(store.read(&digest), Err(Error::Corrupt { .. })));
    fsio::create_dir_all(&path).unwrap();
    store.put_bytes(b"abc").unwrap();
    fsio::remove_dir_all(path.parent().unwrap()).unwrap();
    fsio::write_atomic(path.parent().unwrap(), b"a file").unwrap();
    fsio::remove_dir_all(&store.path().join("tmp")).unwrap();
    fsio::write_atomic(&store.path().join("tmp"), b"a file").unwrap();
    assert!(matches!(store.read(&digest), Err(Error::Missing(_))));
    store.put_bytes(b"abc").unwrap();
    assert_eq!(store.read(&digest).unwrap(), b"abc");
    // A link to a folder is as much in the way, and what it leads to stays.
    let elsewhere = store.path().join("elsewhere");
    fsio::write_atomic(&elsewhere.join("a file"), b"x").unwrap();
    fsio::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    store.put_bytes(b"abc").unwrap();
    assert_eq!(store.read(&digest).unwrap(), b"abc");
    assert_eq!(fsio::read(&elsewhere.join("a file")).unwrap(), b"x");
    assert_eq!(store.take_notices().len(), 5);
}
