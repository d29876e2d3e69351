//! Which picture is drawn, out of all that the stages left.

use std::collections::BTreeSet;

use super::params::{Cost, Course, FigureParams, Show};
use crate::figure::{Chart, Grid, GridRow};
use crate::page::{self, Against, Block, Gallery, Source, Wanted};
use crate::stage::{DataFault, ParamFault, Peers, StageError};
use crate::stages::shown;
use crate::stages::yields::{COST, ERF, FILES, METRICS, MODEL};

/// How the names of error maps end.
const ERRORS: &str = ": errors";

/// What is wrong where no stage of `from` can give what is drawn. Stages of earlier runs are looked at when the picture is drawn.
pub fn lacking(p: &FigureParams, peers: &Peers<'_>) -> Option<ParamFault> {
    let validation = (vec![METRICS.name], "a validation");
    let needed = match &p.show {
        Show::Curves { of: Course::Loss {} } => vec![(vec![MODEL.name], "a training")],
        Show::Curves { of: Course::MeanIou {} } => vec![(vec![MODEL.name, METRICS.name], "a training or a validation")],
        Show::Bars {} | Show::Confusion {} => vec![validation],
        Show::Erf {} => vec![(vec![ERF.name], "an effective receptive field")],
        Show::Images { .. } => vec![validation, (vec![FILES.name], "a stage `Predict`")],
        Show::CostAgainstIou { .. } => vec![validation, (vec![COST.name], "a stage `Cost`")],
    };
    let mut yields: Vec<&str> = Vec::new();
    for reference in &p.from {
        let stages = peers(&reference.0);
        if stages.is_empty() {
            return None;
        }
        yields.extend(stages.iter().map(|peer| peer.kind.yields().name));
    }
    let (_, what) = needed.into_iter().find(|(any, _)| !any.iter().any(|name| yields.contains(name)))?;
    let message = format!("This picture needs {what}, and `from` names none.");
    Some(ParamFault::new("from", message, "Add one, or draw another picture."))
}

/// The picture.
///
/// # Errors
/// The stages left none such, or several.
pub fn chart(
    p: &FigureParams,
    wanted: &Wanted,
    sources: &[Source<'_>],
    warnings: &mut Vec<String>,
) -> Result<Chart, StageError> {
    if let Show::CostAgainstIou { cost } = &p.show {
        let (scatter, notes) =
            page::against(wanted, sources, cost.against()).map_err(|fault| shown::own("picture", fault))?;
        warnings.extend(notes);
        return Ok(Chart::Scatter(scatter));
    }
    if let Show::Curves { of } = &p.show {
        let (found, notes) = page::courses(wanted, sources).map_err(|fault| shown::own("picture", fault))?;
        warnings.extend(notes);
        let chosen = found.into_iter().find(|curves| (curves.y == page::LOSS) == matches!(of, Course::Loss {}));
        return chosen.map(Chart::Curves).ok_or_else(|| nothing(&[]));
    }
    let found = page::gather(wanted, sources).map_err(|fault| shown::own("picture", fault))?;
    let mut texts = Vec::new();
    let mut charts = Vec::new();
    for block in found.sections.into_iter().flat_map(|section| section.blocks) {
        match block {
            Block::Figure(figure) if is_wanted(&p.show, &figure.chart) => charts.push(figure.chart),
            Block::Gallery(gallery) if matches!(p.show, Show::Images { .. }) => charts.push(grid(gallery, &p.show)),
            // It says why there are no images.
            Block::Text(text) if matches!(p.show, Show::Images { .. }) => texts.push(text),
            _ => {}
        }
    }
    warnings.extend(found.notes);
    match charts.len() {
        0 => Err(nothing(&texts)),
        1 => Ok(charts.remove(0)),
        count => {
            let titles: Vec<String> = charts.iter().map(|chart| format!("`{}`", chart.title())).collect();
            let message = format!("The stages of `from` give {count} such pictures: {}.", titles.join(", "));
            let hint = "Name the stages of one of them, as `validate[prefilter=Average]`.";
            Err(DataFault::new("show", message, hint).into())
        }
    }
}

/// The stages left nothing that is drawn, maybe for these reasons.
fn nothing(reasons: &[String]) -> StageError {
    let message = format!("The stages of `from` left nothing that this picture shows. {}", reasons.join(" "));
    DataFault::new("show", message.trim_end(), "`repro kinds Figure` says what each picture needs.").into()
}

impl Cost {
    fn against(&self) -> Against {
        match self {
            Cost::SecondsPerStep {} => Against::Seconds,
            Cost::Memory {} => Against::Memory,
            Cost::Operations {} => Against::Operations,
            Cost::Parameters {} => Against::Parameters,
        }
    }
}

fn is_wanted(show: &Show, chart: &Chart) -> bool {
    matches!(
        (show, chart),
        (Show::Bars {}, Chart::Bars(_)) | (Show::Confusion {}, Chart::Confusion(_)) | (Show::Erf {}, Chart::Maps(_))
    )
}

/// The images of a gallery, without maps of wrong pixels where these are not asked for.
fn grid(gallery: Gallery, show: &Show) -> Chart {
    let errors = matches!(show, Show::Images { errors: true, .. });
    let kept: Vec<bool> = gallery.heads.iter().map(|head| errors || !head.ends_with(ERRORS)).collect();
    let row = |image: page::GalleryImage| {
        let panels = image.panels.into_iter().enumerate();
        let panels = panels.filter(|(at, _)| kept.get(*at).copied().unwrap_or(true)).map(|(_, panel)| panel).collect();
        GridRow { label: image.name, why: image.why, panels }
    };
    let rows = gallery.images.into_iter().map(row).collect();
    let columns = gallery.heads.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(head, _)| head.clone()).collect();
    Chart::Grid(Grid { title: "Images".to_owned(), columns, rows, legend: gallery.legend })
}

/// Gives methods and classes the names that are stated. What names nothing is told.
pub fn rename(chart: &mut Chart, p: &FigureParams) -> Option<String> {
    let mut unused: BTreeSet<&String> = p.names.keys().collect();
    let mut labels = BTreeSet::new();
    for label in chart.labels_mut() {
        labels.insert(label.clone());
        if let Some((old, new)) = p.names.get_key_value(label) {
            unused.remove(old);
            label.clone_from(new);
        }
    }
    let quoted = |names: &BTreeSet<String>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let unused: BTreeSet<String> = unused.into_iter().cloned().collect();
    let text =
        || format!("`names` has {}, which is nothing in the picture. It has {}.", quoted(&unused), quoted(&labels));
    (!unused.is_empty()).then(text)
}
