//! The reference's names of variables, read by the tables that imports use: what holds here holds for a checkpoint.

use std::collections::{BTreeMap, BTreeSet};

use crate::ml::import::{Tensors, arrange, smoothed};
use crate::ml::layers::Inventory;
use crate::ml::naming::{Meaning, NameTable};

/// A convention of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// The `deeplab` encoder's, after Caffe.
    Deeplab,
    /// The names of TensorFlow's slim.
    Slim,
}

impl Names {
    /// The tensors of a file in this convention under our names and in our order of axes. What the network has no place
    /// for stays as it is.
    pub fn own(self, inventory: &Inventory, theirs: Tensors) -> Tensors {
        let (table, ours) = self.open(inventory);
        let own = |(name, (shape, values)): (String, (Vec<usize>, Vec<f32>))| match ours(&name) {
            Some(ours) => (ours.clone(), arrange(table.layout, &ours, &shape, values)),
            None => (name, (shape, values)),
        };
        theirs.into_iter().map(own).collect()
    }

    /// Which of their names each parameter has, by our name. One that has none is missing; none has two.
    pub fn table<'a>(self, inventory: &Inventory, theirs: impl Iterator<Item = &'a str>) -> BTreeMap<String, &'a str> {
        let (_, ours) = self.open(inventory);
        let mut table = BTreeMap::new();
        for name in theirs {
            if let Some(other) = ours(name).and_then(|ours| table.insert(ours, name)) {
                panic!("`{name}` and `{other}` mean the same");
            }
        }
        table
    }

    /// The table, and our name of one of theirs.
    fn open(self, inventory: &Inventory) -> (NameTable, impl Fn(&str) -> Option<String>) {
        let table = NameTable::shipped(&format!("{self:?}")).unwrap().smoothing(&smoothed(inventory));
        let wanted: BTreeSet<String> = inventory.iter().map(|(_, parameter)| parameter.name.clone()).collect();
        let names = table.clone();
        let ours = move |name: &str| match names.meaning(name, &|ours| wanted.contains(ours)) {
            Meaning::Ours(ours) => Some(ours),
            Meaning::Skipped(_) | Meaning::Unknown => None,
        };
        (table, ours)
    }
}
