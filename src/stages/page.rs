//! `Page`: what stages left, as one file of HTML that opens offline.
//!
//! Invariant: only what the inputs hold is in the page, so that its bytes are the same on every machine. What a run adds, as
//! times and the machine, is shown by `repro report`.

use crate::page::{self, Wanted};
use crate::params;
use crate::stage::params::Ref;
use crate::stage::{Extents, Job, NodeSpec, Output, ParamFault, Produced, StageError, TypedKind, Yield};

use super::shown;
use super::yields::{CLAIMS, COST, DATASET, ERF, FILES, METRICS, MODEL, REPORT};

params! {
    /// Writes a report page: one file of HTML that opens offline and loads nothing. It shows what the stages of `from` left:
    /// the verdicts of claims, the tables of reports, the IoU of each class with intervals, the course of trainings, confusion
    /// matrices, receptive fields side by side, and some images with their predictions. The images are chosen by a rule: where
    /// two models differ most, the best, the worst, and those in the middle. They need a validation, the predictions of the
    /// same model (`Predict`), and the data set, whose photographs and labels are shown. `repro report` writes such a page of
    /// any run, and adds times, costs, the machine and the command that repeats the run.
    pub struct PageParams {
        /// The stages that are shown. Every iteration of each is read. A stage in several cells of a matrix is shown with all
        /// of them.
        from: Vec<Ref>, where to(&[DATASET, MODEL, METRICS, ERF, COST, REPORT, CLAIMS, FILES]).nonempty();
        /// Axes of the matrix whose cells repeat one another, as seeds do. They are shown as one method, with intervals and
        /// bands over them.
        over: Vec<String> = Vec::new();
        /// The title.
        title: String = "Report".to_owned();
        /// How many images are shown at most. 0: none.
        images: u32 = 16, where max(40.0).unit("images");
    }
}

/// The page.
const PAGE: Output =
    Output::file("page", "page.html", "The page. It opens in any browser, without a network.").published();

/// The kind.
pub struct Page;

impl TypedKind for Page {
    type Params = PageParams;
    const NAME: &'static str = "Page";
    const VERSION: u32 = 1;
    const YIELDS: Yield = FILES;
    const OUTPUTS: &'static [Output] = &[PAGE];
    const EXAMPLE: &'static str = r#""page": Page(
    title: "Average or Regular", over: ["seed"],
    from: ["claims", "table", "train", "validate", "predict", "val_set"],
),"#;

    fn expand(&self, p: &PageParams, extents: &dyn Extents) -> Result<Vec<NodeSpec>, Vec<ParamFault>> {
        shown::node(&p.from, &p.over, extents).map(|node| vec![node])
    }

    fn run(&self, p: &PageParams, job: &Job<'_>) -> Result<Produced, StageError> {
        let (mut produced, mut warnings) = (Produced::default(), Vec::new());
        let sources = shown::sources(&p.from, job, |reference| {
            let text = format!("The page shows nothing of `from[{reference}]`: it has no figures and no predictions.");
            job.warn(&mut warnings, text);
        })?;
        let wanted = Wanted {
            title: p.title.clone(),
            over: p.over.iter().cloned().collect(),
            images: p.images as usize,
            ..Wanted::default()
        };
        let page = page::gather(&wanted, &sources).map_err(|fault| shown::own("page", fault))?;
        if page.sections.is_empty() {
            job.warn(&mut warnings, "The stages of `from` left nothing that a page could show.");
        }
        let written = page.write();
        written.warnings.into_iter().for_each(|text| job.warn(&mut warnings, text));
        PAGE.write(job, &mut produced, &written.bytes)?;
        produced.metrics.insert("sections".to_owned(), page.sections.len() as f64);
        produced.metrics.insert("bytes".to_owned(), written.bytes.len() as f64);
        produced.warnings = warnings;
        Ok(produced)
    }
}
