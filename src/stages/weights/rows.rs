//! The report: what became of every tensor.

use std::collections::BTreeMap;

use crate::ml::import::{Report, Translated};
use crate::ml::layers::{Parameter, Parameters};
use crate::stage::StageError;
use crate::stages::columns::{self, Values};
use crate::table::Table;

/// A row for each tensor: its name here, its name in the file, its shape, what became of it, and why it was skipped or what its
/// values were converted from. `momentum` has the
/// names in the file of the momentum of parameters.
pub fn table(
    parameters: &Parameters,
    taken: impl Fn(&Parameter) -> bool,
    report: &Report,
    found: &Translated,
    momentum: Option<&BTreeMap<String, String>>,
) -> Result<Table, StageError> {
    let mut columns: [Vec<Option<String>>; 5] = Default::default();
    let mut row =
        |cells: [Option<String>; 5]| columns.iter_mut().zip(cells).for_each(|(column, cell)| column.push(cell));
    for (_, parameter) in parameters.inventory().iter().filter(|(_, parameter)| taken(parameter)) {
        let fate = if report.loaded.contains(&parameter.name) { "loaded" } else { "initialised" };
        let origin = found.origins.get(&parameter.name).cloned();
        let shape = Some(format!("{:?}", parameter.shape));
        let converted = found.converted.get(&parameter.name).map(|dtype| format!("converted from {dtype:?}"));
        row([Some(parameter.name.clone()), origin, shape, Some(fate.to_owned()), converted]);
    }
    for (name, origin) in momentum.into_iter().flatten() {
        row([Some(format!("momentum/{name}")), Some(origin.clone()), None, Some("loaded".to_owned()), None]);
    }
    for (name, why) in &found.skipped {
        row([None, Some(name.clone()), None, Some("skipped".to_owned()), Some(why.clone())]);
    }
    for name in &report.left_over {
        row([None, Some(name.clone()), None, Some("left over".to_owned()), None]);
    }
    let names = ["tensor", "in the file", "shape", "fate", "why"];
    columns::new_table(
        names.iter().zip(columns).map(|(name, cells)| ((*name).to_owned(), Values::Text(cells))).collect(),
    )
}
