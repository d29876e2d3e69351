//! `Page`: what stages left, as one file of HTML that opens offline.
//!
//! Invariant: only what the inputs hold is in the page, so that its bytes are the same on every machine. What a run adds, as
//! times and the machine, is shown by `repro report`.

use std::collections::{BTreeMap, BTreeSet};

use crate::fsio;
use crate::hash::Digest;
use crate::page::{self, Fault, Files, Given, Source, Wanted};
use crate::params;
use crate::stage::params::{Param, Ref};
use crate::stage::{
    Artifact, DataFault, Extents, InputNode, Job, NodeSpec, Output, ParamFault, Produced, StageError, TypedKind, Yield,
};
use crate::table::Table;

use super::data::Data;
use super::history;
use super::support;
use super::yields::{CLAIMS, COST, DATASET, ERF, FILES, INDEX, METRICS, MODEL, REPORT};

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
        let cells = history::cells_of(&p.from, extents);
        let axes: BTreeSet<&String> = cells.iter().flatten().flat_map(|cell| cell.keys()).collect();
        let fault = |(at, axis): (usize, &String)| {
            let message = format!("Nothing that is shown is in cells of an axis `{axis}`.");
            let hint = match axes.is_empty() {
                true => "Only axes of the pipeline's matrix have repetitions. Leave `over` out.".to_owned(),
                false => {
                    format!("The axes are {}.", axes.iter().map(|a| format!("`{a}`")).collect::<Vec<_>>().join(", "))
                }
            };
            ParamFault::new(format!("over[{at}]"), message, hint)
        };
        let unknown = p.over.iter().enumerate().filter(|(_, axis)| !axes.contains(axis));
        let faults: Vec<ParamFault> = unknown.map(fault).collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut node = history::node(&p.from, extents);
        let roles = support::roles(&p.from, extents);
        if roles.iter().enumerate().any(|(at, role)| at != *role) {
            node.set.push((support::ROLES, roles.write()));
        }
        Ok(vec![node])
    }

    fn run(&self, p: &PageParams, job: &Job<'_>) -> Result<Produced, StageError> {
        let (mut produced, mut warnings) = (Produced::default(), Vec::new());
        let sources = sources(p, job, &mut warnings)?;
        let wanted = Wanted {
            title: p.title.clone(),
            over: p.over.iter().cloned().collect(),
            images: p.images as usize,
            named: false,
        };
        let page = page::gather(&wanted, &sources).map_err(own)?;
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

/// An error of the page: a stage's own, or what is wrong with the inputs.
fn own(fault: Fault) -> StageError {
    match fault.downcast::<StageError>() {
        Ok(error) => *error,
        Err(fault) => {
            DataFault::new("from", format!("The page cannot be made: {fault}"), "Leave that stage out of `from`.")
                .into()
        }
    }
}

/// What the inputs left, in the order of `from`.
fn sources<'a>(p: &PageParams, job: &'a Job<'_>, warnings: &mut Vec<String>) -> Result<Vec<Source<'a>>, StageError> {
    let cells = support::cells(job)?;
    let roles: Vec<usize> = job.set(support::ROLES)?.unwrap_or_default();
    let mut sources = Vec::new();
    for reference in 0..p.from.len() {
        let stage = roles.get(reference).copied().unwrap_or(reference).to_string();
        let start = sources.len();
        for at in 0.. {
            let Some(nodes) = job.inputs.get(&history::slot(reference, at)) else { break };
            let cell = cells.get(reference).and_then(|cells| cells.get(at)).cloned().unwrap_or_default();
            for node in nodes {
                sources.push(Source { stage: stage.clone(), cell: cell.clone(), ..source(node)? });
            }
        }
        if !sources[start..].iter().any(Source::is_shown) {
            job.warn(
                warnings,
                format!("The page shows nothing of `from[{reference}]`: it has no figures and no predictions."),
            );
        }
    }
    Ok(sources)
}

fn source(node: &InputNode) -> Result<Source<'_>, StageError> {
    let outputs = node.outputs.iter().map(|(name, artifact)| (name.clone(), given(artifact))).collect();
    let digests: BTreeMap<String, Digest> =
        node.outputs.iter().map(|(name, artifact)| (name.clone(), artifact.digest)).collect();
    let files = match INDEX.of(node) {
        Some(_) => Some(Box::new(Photographs(Data::of(node)?)) as Box<dyn Files>),
        None => None,
    };
    Ok(Source { outputs, digests, files, ..Source::default() })
}

fn given(artifact: &Artifact) -> Box<dyn Given + '_> {
    Box::new(Stored(artifact))
}

/// An output of an input.
struct Stored<'a>(&'a Artifact);

impl Given for Stored<'_> {
    fn bytes(&self) -> Result<Vec<u8>, Fault> {
        Ok(support::content(self.0)?)
    }

    fn table(&self) -> Result<Table, Fault> {
        Ok(Table::from_canonical(&support::content(self.0)?)?)
    }

    fn files(&self, names: &BTreeSet<String>) -> Result<BTreeMap<String, Vec<u8>>, Fault> {
        let there = names.iter().filter_map(|name| Some((name, self.0.tree.get(name)?)));
        there.map(|(name, file)| Ok((name.clone(), support::content(file)?))).collect()
    }
}

/// The images and labels of a data set.
struct Photographs(Data);

impl Files for Photographs {
    fn read(&self, path: &str, digest: &Digest) -> Result<Result<Vec<u8>, String>, Fault> {
        let bytes = fsio::read(&self.0.resolve(path)).map_err(StageError::from)?;
        if Digest::of(&bytes) == *digest {
            return Ok(Ok(bytes));
        }
        let hint = "Run again: the data set will be prepared anew.";
        let changed = DataFault::new(path, "The file changed since the data set was prepared.", hint);
        Err(self.0.blame(changed.into()).into())
    }
}
