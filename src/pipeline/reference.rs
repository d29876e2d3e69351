//! References: texts that name a stage, as `train`, `train[3]` or `run:latest/train`.

use crate::stage::{MatrixCell, StageName};

/// How many cells a hint lists.
pub(super) const SHOWN: usize = 12;

/// What a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// The run, for `run:RUN/STAGE`.
    pub run: Option<String>,
    /// The stage, with the cells and the iteration that it is narrowed to.
    pub name: StageName,
}

impl Reference {
    /// Reads a reference: `train`, `train[3]`, `train[seed=1]`, `run:voc_regular/validate`, `run:latest/train[3]`.
    pub fn read(reference: &str) -> Result<Self, String> {
        let (run, rest) = match reference.strip_prefix("run:").map(|rest| rest.split_once('/')) {
            None => (None, reference),
            Some(Some((run, stage))) if !run.is_empty() => (Some(run.to_owned()), stage),
            Some(_) => return Err(format!("`{reference}` names no stage of a run; write `run:RUN/STAGE`.")),
        };
        Ok(Reference { run, name: StageName::read(rest)? })
    }

    /// The reference narrowed to one cell of the stage.
    pub fn within(&self, cell: &MatrixCell) -> String {
        let run = self.run.as_ref().map_or(String::new(), |run| format!("run:{run}/"));
        format!("{run}{}", StageName { cell: cell.clone(), ..self.name.clone() })
    }

    /// The stage and the cells without the iteration.
    pub fn part(&self) -> String {
        StageName::new(&self.name.stage, self.name.cell.clone()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_of_every_form() {
        let target = |run: Option<&str>, name: &str| {
            Ok(Reference { run: run.map(str::to_owned), name: StageName::read(name).unwrap() })
        };
        assert_eq!(Reference::read("train[3]"), target(None, "train[3]"));
        assert_eq!(Reference::read("run:latest~1/validate"), target(Some("latest~1"), "validate"));
        assert_eq!(Reference::read("run:a/b[seed=1][2]"), target(Some("a"), "b[seed=1][2]"));
        for wrong in ["train[0]", "train[x]", "run:train", "run:/train"] {
            assert!(Reference::read(wrong).is_err(), "{wrong}");
        }
    }
}
