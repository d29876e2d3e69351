//! `Figure`: one picture of what stages left, for a paper.
//!
//! Invariant: a picture shows what the report page shows of the same stages, by the same rules. Only what is chosen, the
//! labels and the size are stated here.

mod choose;
mod params;

use crate::figure::Look;
use crate::page::Wanted;
use crate::stage::{
    DataFault, Extents, Job, NodeSpec, Output, ParamFault, Peers, Produced, StageError, TypedKind, Yield,
};

use super::shown;
use super::yields::FILES;
use params::{FigureParams, Show};

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
