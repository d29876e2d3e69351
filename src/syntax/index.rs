//! Names in a list that grows while it is read.

use std::collections::HashMap;

/// Finds names in a list that only grows, in the same time however long it is.
#[derive(Default)]
pub(crate) struct NameIndex(HashMap<String, usize>, usize);

impl NameIndex {
    /// Up to this length, lists are looked through.
    const SHORT: usize = 16;

    /// The first of `count` items that `name_of` gives this name.
    pub fn find<'a>(&mut self, count: usize, name_of: impl Fn(usize) -> Option<&'a str>, name: &str) -> Option<usize> {
        if count <= Self::SHORT {
            return (0..count).find(|&at| name_of(at) == Some(name));
        }
        let NameIndex(known, seen) = self;
        for at in *seen..count {
            if let Some(name) = name_of(at) {
                known.entry(name.to_owned()).or_insert(at);
            }
        }
        *seen = count;
        known.get(name).copied()
    }
}
