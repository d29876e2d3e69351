//! `Curves`: how trainings went, as pictures.

use crate::figure::{Chart, Look};
use crate::page::{self, Wanted};
use crate::params;
use crate::stage::params::Ref;
use crate::stage::{Extents, Job, NodeSpec, Output, ParamFault, Produced, StageError, TypedKind, Yield};

use super::shown;
use super::yields::{FILES, METRICS, MODEL};

params! {
    /// Draws the course of trainings as SVG pictures. `loss.svg` has the loss of the steps, and over it the mean of each 60th of
    /// the steps. `miou.svg` has the running mean IoU of each training, and the mean IoU of each validation as a dot. The
    /// running mean starts anew with each iteration; the first fifth of each is left out, since it rests on few images. All
    /// iterations of a training are one curve. Several trainings share a picture.
    pub struct CurvesParams {
        /// The trainings and validations. Every iteration of each is drawn.
        from: Vec<Ref>, where to(&[MODEL, METRICS]).nonempty();
    }
}

/// The losses.
const LOSSES: Output = Output::file("loss", "loss.svg", "The losses of the trainings. Validations alone have none.")
    .optional()
    .published();

/// The mean IoUs.
const MEAN_IOUS: Output =
    Output::file("miou", "miou.svg", "The mean IoUs of trainings and validations. Single validations have none.")
        .optional()
        .published();

/// The kind.
pub struct Curves;

impl TypedKind for Curves {
    type Params = CurvesParams;
    const NAME: &'static str = "Curves";
    const VERSION: u32 = 2;
    const YIELDS: Yield = FILES;
    const OUTPUTS: &'static [Output] = &[LOSSES, MEAN_IOUS];
    const EXAMPLE: &'static str = r#""curves": Curves(from: ["train", "validate"]),"#;

    fn expand(&self, p: &CurvesParams, extents: &dyn Extents) -> Result<Vec<NodeSpec>, Vec<ParamFault>> {
        shown::node(&p.from, &[], extents).map(|node| vec![node])
    }

    fn run(&self, p: &CurvesParams, job: &Job<'_>) -> Result<Produced, StageError> {
        let sources = shown::sources(&p.from, job, |_| {})?;
        let wanted = Wanted { most: Some(usize::MAX), ..Wanted::default() };
        let (found, notes) = page::courses(&wanted, &sources).map_err(|fault| shown::own("picture", fault))?;
        let (mut produced, mut warnings) = (Produced::default(), notes);
        if found.is_empty() {
            warnings.push("Nothing is drawn: single validations are no course.".to_owned());
        }
        for curves in found {
            let output = if curves.y == page::LOSS { LOSSES } else { MEAN_IOUS };
            let svg = Chart::Curves(curves).draw(WIDTH).svg(Look::Paper);
            output.write(job, &mut produced, svg.as_bytes())?;
        }
        warnings.into_iter().for_each(|text| job.warn(&mut produced.warnings, text));
        Ok(produced)
    }
}

/// The width of a picture in CSS pixels: 540 points.
const WIDTH: f64 = 720.0;
