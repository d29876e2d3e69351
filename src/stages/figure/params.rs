//! What a pipeline states of a `Figure`.

use std::collections::BTreeMap;

use crate::params;
use crate::stage::params::Ref;
use crate::stages::yields::{COST, DATASET, ERF, FILES, METRICS, MODEL};

params! {
    /// Draws one picture of what stages left, for a paper: `figure.svg` and `figure.png`. Text is drawn with a font that is part
    /// of this program, so the picture looks the same everywhere. It shows what the report page shows of the same stages,
    /// by the same rules. The page `docs/pictures.md` has the pictures and their colours.
    pub struct FigureParams {
        /// The stages that are drawn. A stage in several cells of a matrix is drawn with all of them.
        from: Vec<Ref>, where to(&[METRICS, MODEL, ERF, COST, DATASET, FILES]).nonempty();
        /// What is drawn.
        show: Show;
        /// Axes of the matrix whose cells repeat one another, as seeds do. They are drawn as one method, with intervals and
        /// bands over them.
        over: Vec<String> = Vec::new();
        /// What methods and classes are called in place of their own labels, as `{"Regular": "baseline"}`.
        names: BTreeMap<String, String> = BTreeMap::new();
        /// What stands above the picture; empty: nothing, since a paper has captions.
        title: String = String::new();
        /// The width. 345 points is the text of LaTeX's class `article`, 252 a column of two.
        width_pt: f64 = 345.0, where min(150.0).max(2000.0).unit("points");
        /// How fine the PNG is.
        dpi: u32 = 300, where min(50.0).max(1200.0).unit("dots per inch");
    }

    /// What is drawn.
    pub enum Show {
        /// The course of trainings over their steps, and of their validations.
        Curves {
            /// Which figure.
            of: Course = Course::MeanIou {};
        }
        /// The IoU of each class as bars with 95 % intervals, of validations.
        Bars {}
        /// The confusion matrix of a validation, each row as shares of its true class.
        Confusion {}
        /// Effective receptive fields side by side, of stages `Erf` with the same target.
        Erf {}
        /// Images with their labels and predictions. They need validations, the predictions of the same models (`Predict`),
        /// and the data set. The images are chosen by a rule: where two models differ most, the best, the worst, and those in
        /// the middle.
        Images {
            /// How many.
            count: u32 = 4, where min(1.0).max(40.0).unit("images");
            /// Whether a map of the wrong pixels stands beside each prediction.
            errors: bool = false;
        }
        /// What networks cost against their mean IoU, each with its interval: of stages `Cost` and validations whose cells
        /// of the matrix agree.
        CostAgainstIou {
            /// Which cost.
            cost: Cost = Cost::SecondsPerStep {};
        }
    }

    /// A figure that trainings have at each step.
    pub enum Course {
        /// The mean IoU.
        MeanIou {}
        /// The loss.
        Loss {}
    }

    /// A cost that stages `Cost` measure.
    pub enum Cost {
        /// The seconds of a step.
        SecondsPerStep {}
        /// The most memory.
        Memory {}
        /// What a step computes, in billions of operations.
        Operations {}
        /// The number of parameters.
        Parameters {}
    }
}
