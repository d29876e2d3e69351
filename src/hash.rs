//! Content digests and the one canonical encoding that every identity is made from.
//!
//! Invariants:
//! - an encoding never depends on declaration order, on ordinals, on pointers or on the platform: variants
//!   are written by name, maps sorted by key, integers little-endian, every string and list with its length;
//! - two values that mean the same encode the same: `-0.0` is written as `0.0`;
//! - each item starts with a tag byte, so no sequence of items can be read as another one;
//! - the bytes are pinned by `tests::golden_encoding`. If that test fails, every cache in the world is lost.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A BLAKE3 digest, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Digest(*blake3::hash(bytes).as_bytes())
    }

    /// The digest of a canonical encoding.
    pub fn of_canonical(value: &(impl Canonical + ?Sized)) -> Self {
        let mut encoder = Encoder::default();
        value.encode(&mut encoder);
        encoder.digest()
    }

    /// The 32 bytes of the digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first twelve hexadecimal digits, for people.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl From<blake3::Hash> for Digest {
    fn from(hash: blake3::Hash) -> Self {
        Digest(*hash.as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A text that is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a BLAKE3 digest (64 hexadecimal digits)")]
pub struct NotADigest(String);

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        blake3::Hash::from_hex(text).map(Digest::from).map_err(|_| NotADigest(text.to_owned()))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A value with one canonical encoding.
pub trait Canonical {
    /// Appends the encoding of `self`.
    fn encode(&self, encoder: &mut Encoder);
}

/// Collects a canonical encoding.
#[derive(Default, Debug, Clone)]
pub struct Encoder(Vec<u8>);

impl Encoder {
    fn tag(&mut self, tag: u8) {
        self.0.push(tag);
    }

    fn len(&mut self, len: usize) {
        self.0.extend_from_slice(&(len as u64).to_le_bytes());
    }

    /// Appends a truth value.
    pub fn bool(&mut self, value: bool) {
        self.tag(b'b');
        self.0.push(u8::from(value));
    }

    /// Appends a signed integer.
    pub fn int(&mut self, value: i64) {
        self.tag(b'i');
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Appends a floating-point number by its bits, with one zero and one NaN.
    pub fn float(&mut self, value: f64) {
        let canonical = if value == 0.0 {
            0.0
        } else if value.is_nan() {
            f64::NAN
        } else {
            value
        };
        self.tag(b'f');
        self.0.extend_from_slice(&canonical.to_bits().to_le_bytes());
    }

    /// Appends a string.
    pub fn str(&mut self, value: &str) {
        self.tag(b's');
        self.len(value.len());
        self.0.extend_from_slice(value.as_bytes());
    }

    /// Appends a digest.
    pub fn digest_value(&mut self, value: &Digest) {
        self.tag(b'd');
        self.0.extend_from_slice(&value.0);
    }

    /// Appends the absence of a value.
    pub fn none(&mut self) {
        self.tag(b'n');
    }

    /// Announces a present optional value; the value follows.
    pub fn some(&mut self) {
        self.tag(b'o');
    }

    /// Announces a list of `len` items; the items follow.
    pub fn list(&mut self, len: usize) {
        self.tag(b'l');
        self.len(len);
    }

    /// Announces a map of `len` entries; each key (a string) and its value follow, sorted by key.
    pub fn map(&mut self, len: usize) {
        self.tag(b'm');
        self.len(len);
    }

    /// Announces a named variant; its fields follow as a map.
    pub fn variant(&mut self, name: &str) {
        self.tag(b'v');
        self.str(name);
    }

    /// The bytes so far.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The digest of the bytes so far.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl Canonical for bool {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.bool(*self);
    }
}

impl Canonical for i64 {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.int(*self);
    }
}

impl Canonical for u32 {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.int(i64::from(*self));
    }
}

impl Canonical for f64 {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.float(*self);
    }
}

impl Canonical for str {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.str(self);
    }
}

impl Canonical for String {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.str(self);
    }
}

impl Canonical for Digest {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.digest_value(self);
    }
}

impl<T: Canonical> Canonical for Option<T> {
    fn encode(&self, encoder: &mut Encoder) {
        match self {
            None => encoder.none(),
            Some(value) => {
                encoder.some();
                value.encode(encoder);
            }
        }
    }
}

impl<T: Canonical> Canonical for [T] {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(self.len());
        for item in self {
            item.encode(encoder);
        }
    }
}

impl<T: Canonical> Canonical for Vec<T> {
    fn encode(&self, encoder: &mut Encoder) {
        self.as_slice().encode(encoder);
    }
}

impl<T: Canonical> Canonical for BTreeMap<String, T> {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.map(self.len());
        for (key, value) in self {
            encoder.str(key);
            value.encode(encoder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_encoding() {
        let mut e = Encoder::default();
        e.variant("Average");
        e.map(2);
        e.str("learned");
        e.bool(true);
        e.str("rate");
        e.float(-0.0);
        e.list(1);
        e.int(-2);
        Some("x".to_owned()).encode(&mut e);
        None::<String>.encode(&mut e);
        let hex: String = e.bytes().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            hex,
            "7673070000000000000041766572616765\
             6d020000000000000073070000000000000\
             06c6561726e656462017304000000000000007261746566\
             0000000000000000\
             6c010000000000000069feffffffffffffff\
             6f730100000000000000786e"
        );
        assert_eq!(e.digest(), Digest::of(e.bytes()));
    }

    #[test]
    fn equal_meaning_encodes_equally_and_other_meaning_does_not() {
        assert_eq!(Digest::of_canonical(&0.0_f64), Digest::of_canonical(&-0.0_f64));
        assert_ne!(Digest::of_canonical(&1.0_f64), Digest::of_canonical(&1_i64));
        let split = vec!["ab".to_owned(), "c".to_owned()];
        let other = vec!["a".to_owned(), "bc".to_owned()];
        assert_ne!(Digest::of_canonical(&split), Digest::of_canonical(&other));
    }

    #[test]
    fn a_digest_reads_back_what_it_prints() {
        let digest = Digest::of(b"repro");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("zz".parse::<Digest>().is_err());
        assert_eq!(digest.short().len(), 12);
    }
}
