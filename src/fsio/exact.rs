//! Paths in stored and sent text: a string where the path is UTF-8, else the list of its bytes, so that each comes back as
//! it was.
//!
//! For serde's `with`: this module for a path, [`option`] and [`map`] for several.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes a path.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    match path.to_str() {
        Some(text) => serializer.serialize_str(text),
        None => serializer.collect_seq(path.as_os_str().as_bytes()),
    }
}

/// Reads a path.
///
/// # Errors
/// The deserializer's, and what is neither a text nor a list of bytes.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    deserializer.deserialize_any(Read)
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = PathBuf;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path, as text or as its bytes")
    }

    fn visit_str<E>(self, text: &str) -> Result<PathBuf, E> {
        Ok(PathBuf::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<PathBuf, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = list.next_element()? {
            bytes.push(byte);
        }
        Ok(PathBuf::from(OsString::from_vec(bytes)))
    }
}

/// A path that writes and reads itself so.
#[derive(Serialize, Deserialize)]
struct Exact(#[serde(with = "crate::fsio::exact")] PathBuf);

/// The same for a path that may be missing.
pub mod option {
    use super::{Deserialize, Deserializer, Exact, PathBuf, Serialize, Serializer};

    /// Writes a path or nothing.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        path.clone().map(Exact).serialize(serializer)
    }

    /// Reads a path or nothing.
    ///
    /// # Errors
    /// The deserializer's.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<Exact>::deserialize(deserializer)?.map(|path| path.0))
    }
}

/// The same for paths by name.
pub mod map {
    use std::collections::BTreeMap;

    use super::{Deserialize, Deserializer, Exact, PathBuf, Serializer};

    /// Writes paths.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(paths: &BTreeMap<String, PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(paths.iter().map(|(name, path)| (name, Exact(path.clone()))))
    }

    /// Reads paths.
    ///
    /// # Errors
    /// The deserializer's.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, PathBuf>, D::Error> {
        let paths = BTreeMap::<String, Exact>::deserialize(deserializer)?;
        Ok(paths.into_iter().map(|(name, path)| (name, path.0)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct All {
        #[serde(with = "crate::fsio::exact")]
        one: PathBuf,
        #[serde(default, with = "crate::fsio::exact::option")]
        maybe: Option<PathBuf>,
        #[serde(with = "crate::fsio::exact::map")]
        several: BTreeMap<String, PathBuf>,
    }

    #[test]
    fn every_path_comes_back_and_utf_8_is_text() {
        for path in [&b"/a/b c\xc3\xa9"[..], b"/data/\xff\xfe", b""] {
            let path = PathBuf::from(OsString::from_vec(path.to_owned()));
            let several = BTreeMap::from([("a".to_owned(), path.clone())]);
            let all = All { one: path.clone(), maybe: Some(path.clone()), several };
            let text = serde_json::to_string(&all).unwrap();
            assert_eq!(serde_json::from_str::<All>(&text).unwrap(), all, "{text}");
            assert!(path.to_str().is_none_or(|path| text.contains(&format!("\"one\":\"{path}\""))), "{text}");
        }
        let old: All = serde_json::from_str(r#"{"one": "/x", "several": {}}"#).unwrap();
        assert_eq!((old.one, old.maybe), (PathBuf::from("/x"), None));
        assert!(serde_json::from_str::<All>(r#"{"one": [300], "several": {}}"#).is_err());
    }
}
