//! Blobs and trees, named by their content.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Error, Result, Store};
use crate::fsio::{self, Found};
use crate::hash::Digest;
use crate::stage::{Artifact, ArtifactKind};

/// The first field of a stored tree.
const TREE: &str = "repro tree 1";

/// How many files of a tree are synced at once.
const SYNCS: usize = 16;

/// A file of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The digest of its content.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct Tree {
    format: String,
    files: BTreeMap<String, Entry>,
}

impl Store {
    /// Where an object is, or would be.
    pub fn object_path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.root.join("objects").join(&name[..2]).join(&name[2..])
    }

    /// Whether an object is there; its content is not looked at.
    pub fn contains(&self, digest: &Digest) -> bool {
        fsio::is_file(&self.object_path(digest))
    }

    /// The first object of an artifact that is not there: itself, or of a tree a file in it. Contents are not looked at,
    /// but for the listings of trees.
    ///
    /// # Errors
    /// A listing of a newer format, and the disk's.
    pub fn lacking(&self, artifact: &Artifact) -> Result<Option<Digest>> {
        let digest = artifact.digest;
        if !self.contains(&digest) {
            return Ok(Some(digest));
        }
        if artifact.kind != ArtifactKind::Tree || self.is_whole(&digest) {
            return Ok(None);
        }
        let files = match self.listing(&digest) {
            Ok(files) => files,
            Err(Error::Missing(_) | Error::Corrupt { .. }) => return Ok(Some(digest)),
            Err(error) => return Err(error),
        };
        let lacking = files.values().map(|entry| entry.digest).find(|file| !self.contains(file));
        if lacking.is_none() {
            self.note_whole(digest);
        }
        Ok(lacking)
    }

    /// Stores `bytes`. An object that is there already is verified, and replaced if it is corrupt.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        if !self.holds(&digest)? {
            let place = self.object_path(&digest);
            let mut temporary = self.temporary(&place)?;
            temporary.add(bytes)?;
            temporary.set_readonly()?;
            self.make_way(&place)?;
            temporary.place(&place)?;
        }
        Ok(digest)
    }

    /// Stores the regular file at `path` and takes it away from there: it is moved where that takes it from nobody else,
    /// and copied where it has other names (hard links) or lies on another file system. Returns the size too.
    ///
    /// # Errors
    /// A symbolic link and whatever else is no regular file is refused.
    pub fn put_file(&self, path: &Path) -> Result<(Digest, u64)> {
        let (file, alone) = fsio::open_own(path)?;
        let stored = if alone {
            let (digest, bytes) = (Digest::from(fsio::hash(&file, path)?), fsio::stat(path)?.bytes);
            if !self.holds(&digest)? {
                fsio::sync_file(&file, path)?;
                match self.adopt(path, &digest) {
                    Err(Error::Io(error)) if error.is_other_disk() => drop(self.copy_in(path)?),
                    result => result?,
                }
            }
            (digest, bytes)
        } else {
            self.copy_in(path)?
        };
        fsio::remove_file(path)?;
        Ok(stored)
    }

    /// Stores a copy of a file. The digest is that of the copy, which nobody else writes to.
    fn copy_in(&self, path: &Path) -> Result<(Digest, u64)> {
        let mut temporary = self.temporary(path)?;
        temporary.fill(path)?;
        let (digest, bytes) = (Digest::from(fsio::blake3(temporary.path())?), fsio::stat(temporary.path())?.bytes);
        if !self.holds(&digest)? {
            let place = self.object_path(&digest);
            temporary.set_readonly()?;
            self.make_way(&place)?;
            temporary.place(&place)?;
        }
        Ok((digest, bytes))
    }

    /// Stores every file below `folder`, taking them away, and a listing of them: the artifact's digest is the
    /// listing's. Empty folders are not kept. A symbolic link to a regular file of the same folder is listed as a file of
    /// that content.
    ///
    /// # Errors
    /// Every other link, and whatever else is neither a regular file nor a folder, is refused.
    pub fn put_tree(&self, folder: &Path, file: &str) -> Result<Artifact> {
        let (mut names, mut links) = (Vec::new(), Vec::new());
        for name in fsio::walk(folder)? {
            let path = folder.join(&name);
            match fsio::found(&path)? {
                Found::File(_) => names.push(name),
                Found::Link => links.push((name, link_target(folder, &path)?)),
                what => return Err(fsio::Error::irregular("store", &path, what).into()),
            }
        }
        let put = |name: &String| self.put_file(&folder.join(name)).map(|(digest, bytes)| Entry { digest, bytes });
        let all = || names.par_iter().map(put).collect::<Vec<Result<Entry>>>();
        // Threads wait for the disk here, not for the processor, and the disk syncs many files almost as fast as one.
        let entries = match rayon::ThreadPoolBuilder::new().num_threads(SYNCS).build() {
            Ok(pool) => pool.install(all),
            Err(_) => all(),
        };
        let mut files: BTreeMap<String, Entry> =
            names.into_iter().zip(entries).map(|(name, entry)| Ok((name, entry?))).collect::<Result<_>>()?;
        for (name, target) in links {
            let found = files.get(&target).copied();
            let entry = found.ok_or_else(|| fsio::Error::irregular("store", &folder.join(&name), Found::Link))?;
            files.insert(name, entry);
        }
        let bytes = files.values().map(|entry| entry.bytes).sum();
        let listing = serde_json::to_vec_pretty(&Tree { format: TREE.to_owned(), files })
            .map_err(|error| fsio::Error::new("list", folder, error.into()))?;
        let digest = self.put_bytes(&listing)?;
        Ok(Artifact {
            digest,
            bytes,
            kind: ArtifactKind::Tree,
            file: file.to_owned(),
            path: None,
            tree: BTreeMap::new(),
        })
    }

    /// Reads an object and verifies it; a corrupt one is set aside.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>> {
        match fsio::read(&self.object_path(digest)) {
            Ok(bytes) if Digest::of(&bytes) == *digest => Ok(bytes),
            other => Err(self.unsound(digest, other.err())?),
        }
    }

    /// The files of a tree by relative path. A listing that names what lies outside its folder is set aside as a damaged
    /// one is.
    pub fn listing(&self, digest: &Digest) -> Result<BTreeMap<String, Entry>> {
        let bytes = self.read(digest)?;
        match serde_json::from_slice::<Tree>(&bytes) {
            Ok(tree) if tree.format == TREE => match tree.files.keys().all(|name| fsio::is_beneath(name)) {
                true => Ok(tree.files),
                false => Err(self.quarantine(digest)?),
            },
            Ok(tree) => Err(Error::Newer { path: self.object_path(digest), found: tree.format, known: TREE.into() }),
            Err(_) => Err(Error::Newer {
                path: self.object_path(digest),
                found: "something that is not a tree".into(),
                known: TREE.into(),
            }),
        }
    }

    /// Checks an object; a corrupt one is set aside.
    pub fn verify(&self, digest: &Digest) -> Result<()> {
        match fsio::blake3(&self.object_path(digest)) {
            Ok(found) if Digest::from(found) == *digest => Ok(()),
            other => Err(self.unsound(digest, other.err())?),
        }
    }

    /// What to say of an object that did not read as what its name says.
    pub(super) fn unsound(&self, digest: &Digest, error: Option<fsio::Error>) -> Result<Error> {
        match error {
            Some(error) if error.is_absent() => Ok(Error::Missing(*digest)),
            Some(error) if !error.is_folder() => Ok(error.into()),
            Some(_) | None => self.quarantine(digest),
        }
    }

    /// Sets an object aside and gives the error that says so.
    pub(super) fn quarantine(&self, digest: &Digest) -> Result<Error> {
        let aside = self.set_aside(&self.object_path(digest), &format!("The stored object {digest}"))?;
        Ok(Error::Corrupt { digest: *digest, aside })
    }

    /// Whether an object is there and sound; a corrupt one is set aside.
    fn holds(&self, digest: &Digest) -> Result<bool> {
        match self.verify(digest) {
            Ok(()) => Ok(true),
            Err(Error::Missing(_) | Error::Corrupt { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Moves a synced file to its place as an object.
    fn adopt(&self, temporary: &Path, digest: &Digest) -> Result<()> {
        let place = self.object_path(digest);
        fsio::set_readonly(temporary)?;
        self.make_way(&place)?;
        Ok(fsio::rename(temporary, &place)?)
    }
}

/// The regular file of `folder` that a link in it leads to, as a relative path.
fn link_target(folder: &Path, link: &Path) -> Result<String> {
    let refused = || fsio::Error::irregular("store", link, Found::Link);
    let target = fsio::canonical(link).map_err(|_| refused())?;
    let inside = target.strip_prefix(fsio::canonical(folder)?).ok().and_then(Path::to_str);
    match inside {
        Some(inside) if matches!(fsio::found(&target)?, Found::File(_)) => Ok(inside.to_owned()),
        _ => Err(refused().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

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
        let mode = fsio::open(&store.object_path(&digest)).unwrap().metadata().unwrap().permissions().mode();
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
        flip(&store.object_path(&digest));
        assert!(matches!(store.read(&digest), Err(Error::Corrupt { .. })));
        assert!(matches!(store.read(&digest), Err(Error::Missing(_))));
        assert_eq!(fsio::list(&store.path().join("quarantine")).unwrap().len(), 1);
        assert_eq!(store.take_notices().len(), 1);
        store.put_bytes(b"abc").unwrap();
        flip(&store.object_path(&digest));
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
        let path = store.object_path(&leaf);
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
        let sample = include_bytes!("samples/tree-1.json");
        let digest = store.put_bytes(sample).unwrap();
        let files = store.listing(&digest).unwrap();
        assert_eq!(files["b/two"], Entry { digest: Digest::of(b"22"), bytes: 2 });
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
        let path = store.object_path(&digest);
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
        assert_eq!(store.take_notices().len(), 4);
    }
}
