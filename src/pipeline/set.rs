//! Single changes from the command line: `--set PATH=VALUE`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::path::{FieldPath, PathReader, set_at};
use super::stated::{Declared, MATRIX, unknown_stage};
use crate::syntax::limits::{LABEL, VALUES};
use crate::syntax::{Faults, Text, Tree, cut, parse};

/// Applies `--set PATH=VALUE`, as `train.steps=50`, `"my.stage".crop[0]=64` or `train=Train(…)`, and returns the path.
/// `matrix.axes.seed.values=[1]` changes the matrix.
pub(super) fn set(
    argument: &str,
    folder: &Path,
    stages: &mut BTreeMap<String, Declared>,
    matrix: &mut Option<Tree>,
    faults: &mut Faults,
) -> Option<FieldPath> {
    let text = Text::new(format!("--set '{}'", cut(argument, LABEL)), argument, folder);
    let mut cursor = PathReader { text: Arc::new(text), at: 0 };
    let path = cursor.path().map_err(|fault| faults.push(*fault)).ok()?;
    let parsed = parse(&cursor.text, cursor.at, VALUES);
    faults.append(parsed.faults);
    if !parsed.whole {
        return None;
    }
    let stage = stages.get_mut(&path.stage.text).map(|declared| &mut declared.tree);
    let result = match stage.or(matrix.as_mut().filter(|_| path.stage.text == MATRIX)) {
        Some(base) => set_at(base, &path.steps, parsed.tree),
        None => {
            faults.push(unknown_stage(&path.stage, &|| stages.keys().map(String::as_str)));
            return None;
        }
    };
    if let Err(fault) = result {
        faults.push(*fault);
    }
    Some(path)
}
