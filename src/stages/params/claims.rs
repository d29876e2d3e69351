//! What a pipeline may claim of its results.

use std::collections::BTreeMap;

use crate::params;
use crate::stage::params::CellsRef;
use crate::stages::yields::{COST, METRICS};

params! {
    /// Tests statements about figures: a family of claims. Each claim compares a figure of one stage with that of another,
    /// or with a published one. The result is a verdict for each claim: `holds`, `fails` or `undecided`, with the effect, its
    /// interval and its p-value. Differences are in percent points, as the tables show them. All claims of one stage are a
    /// family: their levels and p-values are corrected by Holm's method, so that even one wrong verdict in the family is
    /// rare. The page `docs/claims.md` explains a claim, its verdict and its table.
    pub struct ClaimsParams {
        /// The axes of the matrix whose cells are repetitions, as seeds are. Without any, each side of a claim is one
        /// trained model, and the verdict speaks of these models alone, not of the methods.
        across: Vec<String> = Vec::new();
        /// The claims by name. A reference in a claim means the last iteration of its stage, in all cells of the axes of
        /// `across`. `validate[3]` means the third iteration.
        claims: BTreeMap<String, Claim>;
    }

    /// A claim.
    pub enum Claim {
        /// The figure of one stage is greater than that of another.
        Greater {
            /// The claim as a sentence. It is shown with the verdict.
            that: String;
            /// The figure that is compared.
            metric: Metric;
            /// The stage whose figure is said to be greater.
            of: CellsRef, where to(&[METRICS, COST]);
            /// The stage that it is compared with.
            than: CellsRef, where to(&[METRICS, COST]);
            /// By how much it is greater. `None`: 0.
            by: Option<f64> = None, where min(-100.0).max(100.0).unit("percent points");
            /// For a cost: the figure is greater than so many times the other. `None`: 1.
            factor: Option<f64> = None, where above(0.0).max(1000.0);
            /// The smallest difference that matters. An undecided claim says how many seeds or images would settle it. For a
            /// cost it is in percent of the cost.
            margin: f64 = 0.5, where above(0.0).max(100.0).unit("percent points");
        }
        /// The figure of one stage is less than that of another.
        Less {
            /// The claim as a sentence. It is shown with the verdict.
            that: String;
            /// The figure that is compared.
            metric: Metric;
            /// The stage whose figure is said to be less.
            of: CellsRef, where to(&[METRICS, COST]);
            /// The stage that it is compared with.
            than: CellsRef, where to(&[METRICS, COST]);
            /// By how much it is less. `None`: 0.
            by: Option<f64> = None, where min(-100.0).max(100.0).unit("percent points");
            /// For a cost: the figure is less than so many times the other. `None`: 1.
            factor: Option<f64> = None, where above(0.0).max(1000.0);
            /// The smallest difference that matters. An undecided claim says how many seeds or images would settle it. For a
            /// cost it is in percent of the cost.
            margin: f64 = 0.5, where above(0.0).max(100.0).unit("percent points");
        }
        /// The figure of one stage is the same as that of another, or as a published one, within a margin.
        Equals {
            /// The claim as a sentence. It is shown with the verdict.
            that: String;
            /// The figure that is compared.
            metric: Metric;
            /// The stage whose figure is compared.
            of: CellsRef, where to(&[METRICS, COST]);
            /// The stage that it is compared with. State this or `published`.
            than: Option<CellsRef> = None, where to(&[METRICS, COST]);
            /// The published figure that the mean over the repetitions is compared with.
            published: Option<f64> = None, where min(0.0).max(100.0).unit("percent");
            /// Where that figure was published.
            source: Option<String> = None;
            /// The largest difference that counts as none. For a cost it is in percent of the cost.
            within: f64, where above(0.0).max(100.0).unit("percent points");
        }
    }

    /// A figure that claims compare.
    pub enum Metric {
        /// The mean IoU over the classes that occur, of a validation.
        MeanIou {}
        /// The share of pixels that are right, of a validation.
        PixelAccuracy {}
        /// The IoU of a class, of a validation, as `Iou("car")`.
        Iou {
            /// The name of the class.
            class: String, where unnamed();
        }
        /// The mean IoU of the bands along the contours, of a validation.
        BoundaryIou {}
        /// The seconds of a training step, of a measurement of cost.
        SecondsPerStep {}
        /// The seconds of an image, of a measurement of cost.
        SecondsPerImage {}
        /// The most memory that was in use, of a measurement of cost.
        Memory {}
    }
}

/// The parts that every claim has.
#[derive(Debug, Clone, Copy)]
pub struct Common<'a> {
    /// The claim as a sentence.
    pub that: &'a str,
    /// The figure.
    pub metric: &'a Metric,
    /// The stage that the claim speaks of.
    pub of: &'a str,
    /// The stage that it is compared with; none where it is compared with a published figure.
    pub than: Option<&'a str>,
}

impl Claim {
    /// The parts that every claim has.
    pub fn common(&self) -> Common<'_> {
        match self {
            Claim::Greater { that, metric, of, than, .. } | Claim::Less { that, metric, of, than, .. } => {
                Common { that, metric, of: &of.0, than: Some(&than.0) }
            }
            Claim::Equals { that, metric, of, than, .. } => {
                Common { that, metric, of: &of.0, than: than.as_ref().map(|than| than.0.as_str()) }
            }
        }
    }
}

impl Metric {
    /// Whether it is a cost, whose claims compare factors. Any other is a figure of validations in percent.
    pub fn is_cost(&self) -> bool {
        matches!(self, Metric::SecondsPerStep {} | Metric::SecondsPerImage {} | Metric::Memory {})
    }

    /// Whether it is the same however often it is measured.
    pub fn is_exact(&self) -> bool {
        matches!(self, Metric::Memory {})
    }

    /// What a stage must yield that has it.
    pub fn yields(&self) -> &'static str {
        if self.is_cost() { COST.name } else { METRICS.name }
    }

    /// The figure in words.
    pub fn in_words(&self) -> String {
        match self {
            Metric::MeanIou {} => "mIoU".to_owned(),
            Metric::PixelAccuracy {} => "pixel accuracy".to_owned(),
            Metric::Iou { class } => format!("IoU {class}"),
            Metric::BoundaryIou {} => "boundary IoU".to_owned(),
            Metric::SecondsPerStep {} => "seconds per step".to_owned(),
            Metric::SecondsPerImage {} => "seconds per image".to_owned(),
            Metric::Memory {} => "memory".to_owned(),
        }
    }
}
