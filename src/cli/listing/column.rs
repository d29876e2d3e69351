//! The columns of a list of runs, by the names that users give.
//!
//! | name | column |
//! |---|---|
//! | `run`, `pipeline`, `status` … | a fact of the run: [`Fact`] |
//! | `mean_iou` | a metric: of each stage that has it |
//! | `validate[prefilter=Average].mean_iou` | the metric of that stage, in that cell |
//! | `validate[2].mean_iou` | the metric at that iteration; else the last iteration counts that has it |
//! | `train.model.prefilter` | a parameter of that stage |
//! | `seed` | the label of an axis of the matrix |

use crate::stage::StageName;

/// The names of columns, for `--help`.
pub const HELP: &str = "\
Columns, for --columns, --where and --sort:
  run, number, pipeline, profile, trial, status, started, finished, seconds, device,
  ran, cached, failed, running, waiting, warnings
                          facts of the run; `trial` says what `--set` and `--only` changed
  mean_iou                a metric of the last iteration that has it; shares are in percent
  validate.mean_iou       the metric of that stage; validate[seed=1].mean_iou: of one cell,
                          validate[2].mean_iou: at one iteration
  train.steps             a parameter of a stage; train.model.prefilter: a part of one
  seed                    the label of an axis of the matrix
  cell, stage             to which cell and to which stage a row belongs

A run has one row. Where metrics or parameters that you name are in several cells of the
matrix, it has a row for each cell; where several stages of a cell have the metric, a row
for each stage.

Conditions: COLUMN OPERATOR VALUE. The operators are >, >=, <, <=, = and !=. Numbers are
compared as numbers. Texts are compared by = and !=, times and ids also by the others. A row
without a value in the column fulfils no condition on a number.

Example:
  repro runs camvid_claims --sort -mean_iou --columns run,prefilter,seed,mean_iou";

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// A fact of the run.
    Fact(Fact),
    /// The pipeline with the profile and the trial in brackets. No name asks for it.
    Described,
    /// The cell of the row.
    Cell,
    /// The stage of the row.
    Stage,
    /// A metric of all stages, or the label of an axis.
    Bare(String),
    /// A metric or a parameter of a stage.
    Of(StageName, String),
}

/// A fact of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    Run,
    Number,
    Pipeline,
    Profile,
    Trial,
    Status,
    Started,
    Finished,
    Seconds,
    Device,
    Ran,
    Cached,
    Failed,
    Running,
    Waiting,
    Warnings,
}

impl Fact {
    /// Every fact with its name.
    pub const ALL: [(&'static str, Fact); 16] = [
        ("run", Fact::Run),
        ("number", Fact::Number),
        ("pipeline", Fact::Pipeline),
        ("profile", Fact::Profile),
        ("trial", Fact::Trial),
        ("status", Fact::Status),
        ("started", Fact::Started),
        ("finished", Fact::Finished),
        ("seconds", Fact::Seconds),
        ("device", Fact::Device),
        ("ran", Fact::Ran),
        ("cached", Fact::Cached),
        ("failed", Fact::Failed),
        ("running", Fact::Running),
        ("waiting", Fact::Waiting),
        ("warnings", Fact::Warnings),
    ];

    /// Whether the fact is a text.
    pub fn is_text(self) -> bool {
        use Fact::{Device, Finished, Pipeline, Profile, Run, Started, Status, Trial};
        matches!(self, Run | Pipeline | Profile | Trial | Status | Started | Finished | Device)
    }

    /// Whether the texts of the fact stand in an order that means something: times, and ids, which begin with a time.
    pub fn is_ordered(self) -> bool {
        matches!(self, Fact::Run | Fact::Started | Fact::Finished)
    }
}

impl Column {
    /// Reads the name of a column.
    ///
    /// # Errors
    /// It names no stage before a point: a sentence.
    pub fn read(name: &str) -> Result<Self, String> {
        let name = name.trim();
        if let Some((_, fact)) = Fact::ALL.iter().find(|(known, _)| *known == name) {
            return Ok(Column::Fact(*fact));
        }
        match name {
            "" => Err("A column has no name.".to_owned()),
            "cell" => Ok(Column::Cell),
            "stage" => Ok(Column::Stage),
            _ => match point(name) {
                None => Ok(Column::Bare(name.to_owned())),
                Some(at) => Ok(Column::Of(StageName::read(&name[..at])?, name[at + 1..].to_owned())),
            },
        }
    }

    /// Whether the value is looked up in the figures and parameters of stages.
    pub fn is_of_stages(&self) -> bool {
        matches!(self, Column::Bare(_) | Column::Of(..))
    }
}

/// The first point that stands in no brackets.
fn point(name: &str) -> Option<usize> {
    let mut depth = 0_usize;
    name.char_indices().find_map(|(at, c)| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (c == '.' && depth == 0).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_facts_metrics_and_parts_of_stages() {
        let of = |stage: &str, path: &str| Ok(Column::Of(StageName::read(stage).unwrap(), path.to_owned()));
        assert_eq!(Column::read(" seconds "), Ok(Column::Fact(Fact::Seconds)));
        assert_eq!(Column::read("mean_iou"), Ok(Column::Bare("mean_iou".to_owned())));
        assert_eq!(Column::read("train.model.prefilter"), of("train", "model.prefilter"));
        assert_eq!(Column::read("v[lr=0.1,a=B][2].mean_iou"), of("v[lr=0.1,a=B][2]", "mean_iou"));
        assert_eq!(Column::read(""), Err("A column has no name.".to_owned()));
        assert!(Column::read("v[0].x").is_err());
        assert!(
            Fact::ALL.iter().all(|(name, fact)| Column::read(name) == Ok(Column::Fact(*fact)) && HELP.contains(name))
        );
    }
}
