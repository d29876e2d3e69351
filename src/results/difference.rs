//! What differs between two runs, as a value.

use serde::Serialize;

/// Everything that differs between two runs.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Difference {
    /// The runs compared: their ids.
    pub runs: (String, String),
    /// Parameters with other values.
    pub parameters: Vec<ValueChange>,
    /// Files and results of other runs with other contents.
    pub inputs: Vec<ValueChange>,
    /// Figures with other values.
    pub metrics: Vec<MetricChange>,
    /// Outputs with other contents.
    pub artifacts: Vec<OutputChange>,
    /// Machine, versions and arithmetic.
    pub environment: Vec<ValueChange>,
    /// Whether it matters, in a sentence.
    pub verdict: String,
}

/// A value that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValueChange {
    /// What differs, as `train.model.prefilter`.
    pub path: String,
    /// The first run's value; none where it has none.
    pub a: Option<String>,
    /// The second run's value.
    pub b: Option<String>,
}

/// A figure that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricChange {
    /// Which, as `validate[3].mean_iou`.
    pub path: String,
    /// The first run's value.
    pub a: Option<f64>,
    /// The second run's value.
    pub b: Option<f64>,
    /// `b - a`, where both are there.
    pub difference: Option<f64>,
}

/// An output that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutputChange {
    /// Which, as `validate[3].classes`.
    pub path: String,
    /// The first run's digest.
    pub a: Option<String>,
    /// The second run's digest.
    pub b: Option<String>,
    /// Of a table, how the rows differ; else empty.
    pub detail: String,
}

impl Difference {
    /// Whether the runs are equal in everything that a result depends on, and in the results.
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty() && self.inputs.is_empty() && self.metrics.is_empty() && self.artifacts.is_empty()
    }

    /// Whether the difference matters, in a sentence, for runs that finished.
    pub(super) fn judge(&self) -> String {
        let results = !self.metrics.is_empty() || !self.artifacts.is_empty();
        let causes: Vec<&str> = [
            ("parameters", !self.parameters.is_empty()),
            ("inputs", !self.inputs.is_empty()),
            ("the environment", !self.environment.is_empty()),
        ]
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
        .collect();
        match (results, causes.as_slice()) {
            (false, []) => "Nothing differs.".to_owned(),
            (false, causes) => {
                format!("The results are identical; what differs ({}) does not matter.", causes.join(", "))
            }
            (true, []) => {
                "The results differ though nothing that they depend on does: a stage is not reproducible.".to_owned()
            }
            (true, ["the environment"]) => {
                "The results differ, and only the environment does: see `numeric` and `versions` for the cause."
                    .to_owned()
            }
            (true, causes) => format!("The results differ, and so do {}.", causes.join(", ")),
        }
    }
}
