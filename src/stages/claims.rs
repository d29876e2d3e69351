//! `Claims`: statements about figures, each with a test behind it.
//!
//! Invariants:
//! - a verdict rests on the interval of a test over images, or over seeds, never over pixels;
//! - what a test cannot be asked (other images, other labels, one image) is an error, and no p-value;
//! - the claims of a stage are one family, and their levels and p-values are corrected together;
//! - no name of a stage is in the table: it is the same whatever the stages are called.

mod evidence;
mod faults;
mod judge;
mod rows;
mod sides;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::stage::{
    DataFault, Extents, InputNode, Job, MatrixCell, NodeSpec, Output, ParamFault, Peers, Produced, StageError,
    TypedKind, Yield,
};
use crate::stats::Verdict;

use super::columns;
use super::params::claims::{Claim, ClaimsParams, Common};
use super::support;
use super::yields::{CLAIMS, VERDICTS};
use evidence::{Found, Judged, Measured, Wrong};
use judge::{Side, Tested};

/// How the table is shown to people.
const LAYOUT: Output =
    Output::file("layout", "layout.json", "How the table is shown to people: its columns, headers and caption.");

/// The kind.
pub struct Claims;

impl TypedKind for Claims {
    type Params = ClaimsParams;
    const NAME: &'static str = "Claims";
    const VERSION: u32 = 1;
    const YIELDS: Yield = CLAIMS;
    const OUTPUTS: &'static [Output] = &[VERDICTS, LAYOUT];
    const EXAMPLE: &'static str = r#""claims": Claims(
    across: ["seed"],
    claims: {
        "average_helps": Greater(
            that: "Average beats Regular", metric: MeanIou,
            of: "validate[prefilter=Average]",
            than: "validate[prefilter=Regular]",
        ),
    },
),"#;

    fn check(&self, p: &ClaimsParams) -> Vec<ParamFault> {
        faults::of_fields(p)
    }

    fn agrees(&self, p: &ClaimsParams, peers: &Peers<'_>) -> Result<Vec<ParamFault>, StageError> {
        faults::between_stages(p, peers)
    }

    fn expand(&self, p: &ClaimsParams, extents: &dyn Extents) -> Result<Vec<NodeSpec>, Vec<ParamFault>> {
        sides::node(p, extents).map(|node| vec![node])
    }

    fn run(&self, p: &ClaimsParams, job: &Job<'_>) -> Result<Produced, StageError> {
        let cells: Labels = job.set(support::CELLS)?.unwrap_or_default();
        let chosen: BTreeMap<String, Vec<String>> = job.set(sides::CHOSEN)?.unwrap_or_default();
        let (mut family, mut faults) = (Vec::new(), Vec::new());
        let pool = support::pool(job.threads)?;
        for (name, claim) in &p.claims {
            job.cancel.check()?;
            match pool.install(|| tested(name, claim, job, &cells))? {
                Err(fault) => faults.push(fault),
                Ok(mut tested) => {
                    let remarks = chosen.get(name).into_iter().flatten();
                    tested.notes.extend(remarks.map(|iteration| {
                        format!(
                            "A figure is that of {iteration}. If it was chosen by its figures on these images, the \
                             p-value is too small."
                        )
                    }));
                    family.push((name, claim, tested));
                }
            }
        }
        if !faults.is_empty() {
            return Err(StageError::Data(faults));
        }
        let rows = rows::judged(&family);
        let mut produced = Produced::default();
        support::write_table(job, &mut produced, &VERDICTS, &columns::new_table(rows::columns(&rows))?)?;
        LAYOUT.write(job, &mut produced, rows::layout().to_json().as_bytes())?;
        for verdict in [Verdict::Holds, Verdict::Fails, Verdict::Undecided] {
            let count = rows.iter().filter(|row| row.verdict() == verdict).count();
            produced.metrics.insert(rows::word(verdict).to_owned(), count as f64);
        }
        Ok(produced)
    }
}

/// The labels of the repetitions of each side, by the path of its field.
type Labels = BTreeMap<String, Vec<MatrixCell>>;

/// A claim with its evidence, or what is wrong with that.
fn tested(name: &str, claim: &Claim, job: &Job<'_>, cells: &Labels) -> Result<Result<Tested, DataFault>, StageError> {
    let Common { metric, of, than, .. } = claim.common();
    let place = |field: &str| format!("`{}`", faults::at(name, field));
    let told = |tested: Result<Tested, Wrong>| tested.map_err(|wrong| evidence::fault(&place("of"), of, wrong));
    if metric.is_cost() {
        let read = |field: &str, reference: &str| {
            side(name, field, job, cells, |node| Measured::read(node, metric))
                .map(|side| side.map_err(|wrong| evidence::fault(&place(field), reference, wrong)))
        };
        let (mine, theirs) = (of, than.unwrap_or_default());
        let (of, than) = match (read("of", mine)?, read("than", theirs)?) {
            (Ok(of), Ok(than)) => (of, than),
            (Err(fault), _) | (_, Err(fault)) => return Ok(Err(fault)),
        };
        let elsewhere = |side: &Side<Measured>| side.values.iter().find_map(|other| of.values[0].other_machine(other));
        for (field, reference, side) in [("of", mine, &of), ("than", theirs, &than)] {
            if let Some(wrong) = elsewhere(side) {
                return Ok(Err(evidence::fault(&place(field), reference, wrong)));
            }
        }
        return Ok(told(judge::costs(claim, &of, &than)));
    }
    let read = |field: &str, reference: &str| {
        side(name, field, job, cells, |node| Judged::read(node, metric))
            .map(|side| side.and_then(checked).map_err(|wrong| evidence::fault(&place(field), reference, wrong)))
    };
    let mine = match read("of", of)? {
        Ok(side) => side,
        Err(fault) => return Ok(Err(fault)),
    };
    let Some(than) = than else { return Ok(told(judge::figures(claim, &mine, None))) };
    let theirs = match read("than", than)? {
        Ok(side) => side,
        Err(fault) => return Ok(Err(fault)),
    };
    if let Some(wrong) = mine.values[0].other_images(&theirs.values[0]) {
        return Ok(Err(evidence::fault(&place("than"), than, wrong)));
    }
    Ok(told(judge::figures(claim, &mine, Some(&theirs))))
}

/// One side of a claim, read from its nodes.
fn side<T>(
    name: &str,
    field: &str,
    job: &Job<'_>,
    cells: &Labels,
    read: impl Fn(&InputNode) -> Found<T>,
) -> Found<Side<T>> {
    let mut values = Vec::new();
    for number in 0.. {
        let Some(nodes) = job.inputs.get(&sides::slot(name, field, number)) else { break };
        for node in nodes {
            match read(node)? {
                Ok(value) => values.push(value),
                Err(wrong) => return Ok(Err(wrong)),
            }
        }
    }
    let labels = cells.get(&faults::at(name, field)).cloned().unwrap_or_default();
    if values.is_empty() || labels.len() != values.len() {
        return Err(StageError::Bug(format!("A side of the claim `{name}` has {} inputs.", values.len())));
    }
    Ok(Ok(Side { labels, values }))
}

/// A side whose validations are of the same images, of several trained models, and of more than one image.
fn checked(side: Side<Judged>) -> Result<Side<Judged>, Wrong> {
    let first = &side.values[0];
    if let Some(wrong) = side.values.iter().find_map(|other| first.other_images(other)) {
        return Err(wrong);
    }
    if first.images() < 2 {
        let message = match first.images() {
            0 => "No pixel of its images is counted.",
            _ => "It is of one image with counted pixels, which says nothing of how figures spread.",
        };
        return Err((message.to_owned(), "Validate on several images."));
    }
    for (at, value) in side.values.iter().enumerate() {
        if let Some(same) = side.values[..at].iter().position(|other| other.is_of_same_model(value)) {
            let [first, second] = [same, at].map(|at| crate::stage::name::in_words(&side.labels[at]));
            let message = format!("The cells `{first}` and `{second}` are one trained model: they are no repetitions.");
            return Err((message, "Let the axis set the seed of the training, or leave it out of `across`."));
        }
    }
    Ok(side)
}
