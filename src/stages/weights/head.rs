//! The head of a file of weights, looked at before anything runs.

use std::collections::BTreeSet;
use std::path::Path;

use crate::ml::checkpoint::Checkpoint;
use crate::ml::import;
use crate::ml::naming::{Meaning, NameTable};
use crate::stage::{DataFault, StageError, Supplier};

use super::read::{Asked, FILE, TABLE, own_table};
use crate::stages::params::weights::{KIND, Source, Take, WeightsParams};

/// An error where weights with a head, which a node reads as its input `weights`, have another number of classes than the
/// node's model. What cannot be read is left to the stage that reads it.
pub fn same_classes(suppliers: &[(&str, Supplier<'_>)], classes: usize) -> Result<(), StageError> {
    for (_, supplier) in suppliers.iter().filter(|(slot, _)| *slot == "weights") {
        let Some(p) = supplier.peer.params_of::<WeightsParams>(KIND)? else { continue };
        let Source::Checkpoint {
            names,
            take: take @ (Take::EncoderAndHead {} | Take::Model { .. } | Take::Training { .. }),
            scope,
            ..
        } = &p.source
        else {
            continue;
        };
        let Some(path) = supplier.files.get(FILE) else { continue };
        let table = supplier.files.get(TABLE).map(|path| own_table(path));
        let Ok(table) = table.transpose() else { continue };
        let found = of_file(path, Asked { names, take, scope }, table);
        if let Some(found) = found.filter(|found| *found != classes) {
            let message = format!("The head of the file has {found} classes, but the model has {classes}.");
            let hint =
                "Write `take: Encoder`: the head then starts from its initialiser. Or give the model as many classes.";
            return Err(DataFault::new(path.display(), message, hint).into());
        }
    }
    Ok(())
}

/// The classes of a file's head, by the shape of its biases; none where it cannot be told.
fn of_file(path: &Path, asked: Asked<'_>, table: Option<NameTable>) -> Option<usize> {
    let is_biases = |name: &str| name.starts_with("head/") && name.ends_with("/biases");
    let file = Checkpoint::open(path).ok()?;
    let table = match asked.names.shipped() {
        Some(name) => NameTable::shipped(name).ok()?,
        None => match table {
            Some(table) => table,
            None => import::detect(&file, asked.scope, &|_| true).ok()?.1,
        },
    };
    let table = table.within(asked.scope);
    let biases =
        file.tensors.iter().filter(|tensor| matches!(table.meaning(&tensor.name, &is_biases), Meaning::Ours(_)));
    let classes: BTreeSet<usize> = biases.map(|tensor| tensor.shape.iter().product()).collect();
    classes.first().copied().filter(|_| classes.len() == 1)
}
