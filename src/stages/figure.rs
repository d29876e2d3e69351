//! `Figure`: one picture of what stages left, for a paper.
//!
//! Invariant: a picture shows what the report page shows of the same stages, by the same rules. Only what is chosen, the
//! labels and the size are stated here.

mod choose;

use std::collections::BTreeMap;

use crate::figure::Look;
use crate::page::Wanted;
use crate::params;
use crate::stage::params::Ref;
use crate::stage::{
    DataFault, Extents, Job, NodeSpec, Output, ParamFault, Peers, Produced, StageError, TypedKind, Yield,
};

use super::shown;
use super::yields::{COST, DATASET, ERF, FILES, METRICS, MODEL};

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

/// The picture as SVG.
const SVG: Output = Output::file("svg", "figure.svg", "The picture as SVG, its text as outlines.").published();

/// The picture as PNG.
const PNG: Output = Output::file("png", "figure.png", "The picture as PNG.").published();

/// CSS pixels of a point.
const PER_POINT: f64 = 96.0 / 72.0;

/// CSS pixels of an inch.
const PER_INCH: f32 = 96.0;

/// The kind.
pub struct Figure;

impl TypedKind for Figure {
    type Params = FigureParams;
    const NAME: &'static str = "Figure";
    const VERSION: u32 = 1;
    const YIELDS: Yield = FILES;
    const OUTPUTS: &'static [Output] = &[SVG, PNG];
    const EXAMPLE: &'static str = r#""bars": Figure(
    from: ["validate"], over: ["seed"], show: Bars, width_pt: 252.0,
    names: {"Regular": "baseline"},
),"#;

    fn agrees(&self, p: &FigureParams, peers: &Peers<'_>) -> Result<Vec<ParamFault>, StageError> {
        Ok(choose::lacking(p, peers).into_iter().collect())
    }

    fn expand(&self, p: &FigureParams, extents: &dyn Extents) -> Result<Vec<NodeSpec>, Vec<ParamFault>> {
        shown::node(&p.from, &p.over, extents).map(|node| vec![node])
    }

    fn run(&self, p: &FigureParams, job: &Job<'_>) -> Result<Produced, StageError> {
        let sources = shown::sources(&p.from, job, |_| {})?;
        let images = if let Show::Images { count, .. } = p.show { count as usize } else { 0 };
        let over = p.over.iter().cloned().collect();
        let wanted = Wanted { over, images, ..Wanted::default() };
        let mut told = Vec::new();
        let mut chart = choose::chart(p, &wanted, &sources, &mut told)?;
        told.extend(choose::rename(&mut chart, p));
        chart.set_title(&p.title);
        let drawing = chart.draw(p.width_pt * PER_POINT);
        let missing: Vec<String> = drawing.missing().into_iter().map(String::from).collect();
        if !missing.is_empty() {
            let text = "The font of pictures lacks the characters";
            told.push(format!("{text} `{}`: each is drawn as a box. `names` can state others.", missing.join("`, `")));
        }
        let mut produced = Produced::default();
        SVG.write(job, &mut produced, drawing.svg(Look::Paper).as_bytes())?;
        let large = |message| DataFault::new("dpi", message, "State a smaller `dpi` or `width_pt`.");
        PNG.write(job, &mut produced, &drawing.png(p.dpi as f32 / PER_INCH).map_err(large)?)?;
        let mut warnings = Vec::new();
        told.into_iter().for_each(|text| job.warn(&mut warnings, text));
        produced.warnings = warnings;
        Ok(produced)
    }
}
