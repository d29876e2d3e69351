//! What differs between runs, as a value: the form that `repro diff --format json` prints, described in `docs/diff.md`.
//!
//! Invariants:
//! - lists of values have an entry a run, in the order of [`Comparison::runs`]; lists of differences have one a run but the
//!   first, which is the reference;
//! - figures are shares from 0 to 1, as in the record of a run. Differences are the other run's value less the reference's;
//! - a field that changes its meaning raises [`VERSION`].

use serde::Serialize;

/// The name of the form.
pub const SCHEMA: &str = "repro.diff";

/// The version of the form.
pub const VERSION: u32 = 1;

/// Everything that differs between runs, and what it comes to.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// The name of this form.
    pub schema: &'static str,
    /// Its version.
    pub version: u32,
    /// What differs that could matter, and whether the figures differ by more than chance: one sentence.
    pub verdict: String,
    /// Whether anything differs that results depend on, or a result.
    pub differs: bool,
    /// The parameters and inputs that could be the cause of other results, without cells.
    pub causes: Vec<String>,
    /// The runs.
    pub runs: Vec<ComparedRun>,
    /// What could not be compared, as sentences.
    pub notes: Vec<String>,
    /// Parameters with other values.
    pub parameters: Vec<ValueRow>,
    /// Files and results of other runs with other contents.
    pub inputs: Vec<ValueRow>,
    /// Samples of data sets that were added, removed or changed.
    pub data: Vec<DataRow>,
    /// Methods over several seeds.
    pub methods: Vec<FigureRow>,
    /// Trained models: the last iteration of each validation.
    pub figures: Vec<FigureRow>,
    /// The classes of these validations, those with the largest differences first.
    pub classes: Vec<ClassRow>,
    /// Pixels that are predicted as another class, those with the largest changes first.
    pub confusion: Vec<ConfusionRow>,
    /// How far the weights of each layer are from the reference's, the farthest first.
    pub weights: Vec<LayerRow>,
    /// The figures of effective receptive fields.
    pub erf: Vec<MetricRow>,
    /// All figures of the records that differ, as they were recorded. They are not tested.
    pub metrics: Vec<MetricRow>,
    /// Time and memory. They are no cause and no difference.
    pub costs: Vec<CostRow>,
    /// Outputs with other contents.
    pub artifacts: Vec<ArtifactRow>,
    /// Machine, versions and arithmetic.
    pub environment: Vec<ValueRow>,
}

/// A run that is compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedRun {
    /// What tables call it: A, B, C.
    pub label: String,
    /// How it was asked for.
    pub asked: String,
    /// Its id.
    pub run: String,
    /// Its pipeline.
    pub pipeline: String,
    /// Its profile.
    pub profile: Option<String>,
    /// What was set for a trial.
    pub sets: Vec<String>,
    /// The part of the pipeline that was asked for; empty: the whole.
    pub only: Vec<String>,
    /// How it ended.
    pub status: crate::store::RunStatus,
    /// The one stage that is compared; none: all.
    pub stage: Option<String>,
    /// The archive that it was read from; none: the store.
    pub archive: Option<String>,
}

/// A value that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValueRow {
    /// What differs, as `train.model.prefilter`.
    pub path: String,
    /// Its value in each run; none where it has none.
    pub values: Vec<Option<String>>,
    /// Whether an output differs of the stage that it belongs to.
    pub effect: bool,
}

/// How a data set differs from the reference's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DataRow {
    /// The stage.
    pub path: String,
    /// The other run.
    pub run: String,
    /// How many samples the reference has, and the other run.
    pub samples: [usize; 2],
    /// Samples that only the other run has, by name.
    pub added: Vec<String>,
    /// Samples that only the reference has.
    pub removed: Vec<String>,
    /// Samples with another image.
    pub images_changed: Vec<String>,
    /// Samples with another label.
    pub labels_changed: Vec<String>,
    /// Whether the same samples stand in another order.
    pub reordered: bool,
}

/// A figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FigureRow {
    /// The validation.
    pub path: String,
    /// Which: `mean_iou`, `pixel_accuracy` or `boundary_iou`.
    pub figure: String,
    /// Its value in each run; of a method, the mean over its seeds.
    pub values: Vec<Option<f64>>,
    /// How many trainings each value is of.
    pub trainings: Vec<usize>,
    /// How each other run differs from the reference.
    pub against: Vec<Against>,
}

/// How a figure differs from the reference's.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Against {
    /// The difference.
    pub difference: Option<f64>,
    /// The interval's ends; none where it has none, or where the difference was not tested.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// The interval's level, which Holm's correction leaves.
    pub level: Option<f64>,
    /// The p-value of "there is no difference".
    pub p: Option<f64>,
    /// The same, corrected.
    pub p_corrected: Option<f64>,
    /// How many differences it was corrected for.
    pub family: usize,
    /// Whether the difference is larger than chance explains, at 5 %.
    pub beyond_chance: bool,
    /// What was resampled, or why nothing was tested.
    pub note: String,
}

/// A class of a validation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassRow {
    /// The validation.
    pub path: String,
    /// The class.
    pub class: usize,
    /// Its name.
    pub name: String,
    /// Its IoU in each run.
    pub values: Vec<Option<f64>>,
    /// How each other run differs from the reference.
    pub against: Vec<Against>,
}

/// Pixels of one class that are predicted as another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConfusionRow {
    /// The validation.
    pub path: String,
    /// The true class.
    pub truth: String,
    /// The predicted class.
    pub predicted: String,
    /// How many pixels in each run.
    pub pixels: Vec<u64>,
    /// The same as shares of the true class.
    pub shares: Vec<f64>,
    /// How many pixels more than in the reference.
    pub differences: Vec<i64>,
}

/// A layer's weights.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerRow {
    /// The model.
    pub path: String,
    /// The layer.
    pub layer: String,
    /// How many weights it has in the reference.
    pub weights: u64,
    /// The norm of the difference, divided by that of the reference. None where a run lacks the layer, where it has
    /// another shape, or where all weights of the reference are zero.
    pub distances: Vec<Option<f64>>,
}

/// A figure as it was recorded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricRow {
    /// Which, as `train[3].mean_loss`.
    pub path: String,
    /// Its value in each run.
    pub values: Vec<Option<f64>>,
    /// How each other run differs from the reference.
    pub differences: Vec<Option<f64>>,
}

/// What a stage took, over all its iterations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CostRow {
    /// The stage.
    pub path: String,
    /// How long it ran, in seconds; none where no execution is on record.
    pub seconds: Vec<Option<f64>>,
    /// The most memory that it held, in bytes.
    pub peak_memory: Vec<Option<u64>>,
}

/// An output that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArtifactRow {
    /// Which, as `validate[3].classes`.
    pub path: String,
    /// Its digest in each run.
    pub values: Vec<Option<String>>,
    /// Of a table, how the rows of each other run differ from the reference's; else empty.
    pub details: Vec<String>,
}
