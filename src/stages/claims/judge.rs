//! From evidence to a test: the effect that a claim speaks of, its estimate, and what is claimed of it.
//!
//! Invariants:
//! - one trained model on each side is compared over images, and speaks of these two models alone;
//! - at least two seeds on each side are compared over seeds and images, one by one where both have the same seeds;
//! - a published figure is of the same images, so that it is compared over seeds alone;
//! - costs are compared by their logarithms: an effect is a factor.

use super::evidence::{Judged, Measured, Wrong};
use crate::stage::MatrixCell;
use crate::stages::params::claims::Claim;
use crate::stats::{self, Basis, Counts, Estimate, Fault, Statement};

/// The seed of the resamples. It is no parameter: nobody shall look for the seed that likes a claim.
const SEED: u64 = 1;

/// One side of a claim: what each repetition comes to, with its labels.
pub struct Side<T> {
    /// The labels of the axes that are repetitions.
    pub labels: Vec<MatrixCell>,
    /// What each repetition comes to.
    pub values: Vec<T>,
}

/// A claim with its evidence.
pub struct Tested {
    /// The figure of each side: shares, or costs. The second is the published one where a claim compares with that.
    pub figures: [f64; 2],
    /// The effect and how it spreads; none where nothing can be said of that.
    pub estimate: Option<Estimate>,
    /// What is claimed of the effect.
    pub statement: Statement,
    /// What is resampled, in words.
    pub resampled: String,
    /// What must be said beside the verdict, as sentences.
    pub notes: Vec<String>,
}

impl<T> Side<T> {
    /// The other side's numbers in the order of this side's labels, where both have the same.
    fn order(&self, other: &Side<T>) -> Option<Vec<usize>> {
        let find = |label: &MatrixCell| other.labels.iter().position(|candidate| candidate == label);
        let order: Vec<usize> = self.labels.iter().map(find).collect::<Option<_>>()?;
        (order.len() == other.labels.len()).then_some(order)
    }
}

/// What is claimed of the effect: of a difference of shares, of the mean itself where a published figure is named, or of
/// the logarithm of a factor.
pub fn statement(claim: &Claim) -> Statement {
    let share = |by: &Option<f64>| by.unwrap_or(0.0) / 100.0;
    let log = |factor: &Option<f64>| factor.unwrap_or(1.0).ln();
    let is_cost = claim.common().metric.is_cost();
    match claim {
        Claim::Greater { factor, .. } if is_cost => Statement::Greater(log(factor)),
        Claim::Less { factor, .. } if is_cost => Statement::Less(log(factor)),
        Claim::Greater { by, .. } => Statement::Greater(share(by)),
        Claim::Less { by, .. } => Statement::Less(-share(by)),
        Claim::Equals { within, .. } if is_cost => {
            let half = (within / 100.0).ln_1p();
            Statement::Within { low: -half, high: half }
        }
        Claim::Equals { within, published, .. } => {
            let middle = published.unwrap_or(0.0);
            Statement::Within { low: (middle - within) / 100.0, high: (middle + within) / 100.0 }
        }
    }
}

/// A claim about figures of validations.
pub fn figures(claim: &Claim, of: &Side<Judged>, than: Option<&Side<Judged>>) -> Result<Tested, Wrong> {
    let first = &of.values[0];
    let figure = first.figure(claim.common().metric)?;
    let counts =
        |side: &Side<Judged>| -> Vec<Counts> { side.values.iter().map(|judged| judged.counts.clone()).collect() };
    let shares = |counts: &[Counts]| -> Result<Vec<f64>, Wrong> {
        counts.iter().map(|counts| counts.figure(figure).ok_or_else(|| nothing(Fault::Nothing))).collect()
    };
    let a = counts(of);
    let mine = shares(&a)?;
    let Some(than) = than else { return published(claim, &mine) };
    let mut b = counts(than);
    let order = of.order(than);
    if let Some(order) = &order {
        b = order.iter().map(|&at| b[at].clone()).collect();
    }
    let theirs = shares(&b)?;
    let mut notes = Vec::new();
    let estimate = match (&a[..], &b[..]) {
        ([a], [b]) => {
            notes.push(
                "There is one seed on each side: the verdict speaks of these two trained models, not of the methods."
                    .to_owned(),
            );
            Some(stats::models(a, b, figure, SEED).map_err(nothing)?)
        }
        ([_], _) | (_, [_]) => {
            notes.push("One side has a single seed, which says nothing of how its figures spread.".to_owned());
            None
        }
        _ => {
            let (a, b): (Vec<&Counts>, Vec<&Counts>) = (a.iter().collect(), b.iter().collect());
            Some(stats::methods(&a, &b, order.is_some(), figure).map_err(nothing)?)
        }
    };
    if let Some(Estimate { basis: Basis::Images { resamples, .. }, lost, .. }) = &estimate
        && *lost > 0
    {
        notes.push(format!(
            "In {lost} of {resamples} resamples a class did not occur, and was left out of their means."
        ));
    }
    Ok(Tested {
        figures: [average(&mine), average(&theirs)],
        resampled: estimate.as_ref().map_or_else(|| "nothing".to_owned(), |estimate| in_words(&estimate.basis)),
        estimate,
        statement: statement(claim),
        notes,
    })
}

/// A claim about a published figure.
fn published(claim: &Claim, shares: &[f64]) -> Result<Tested, Wrong> {
    let Claim::Equals { published: Some(figure), .. } = claim else {
        return Err(("The claim compares with nothing.".to_owned(), "State `than` or `published`."));
    };
    let mut notes = Vec::new();
    let estimate = match shares {
        [_] => {
            notes.push(
                "There is one seed. The published figure is of the same images, so that they say nothing of chance here."
                    .to_owned(),
            );
            None
        }
        _ => Some(stats::mean(shares).map_err(nothing)?),
    };
    Ok(Tested {
        figures: [average(shares), figure / 100.0],
        resampled: estimate.as_ref().map_or_else(|| "nothing".to_owned(), |estimate| in_words(&estimate.basis)),
        estimate,
        statement: statement(claim),
        notes,
    })
}

/// A claim about costs: each side is measured several times, or in several cells.
pub fn costs(claim: &Claim, of: &Side<Measured>, than: &Side<Measured>) -> Result<Tested, Wrong> {
    let order = of.order(than);
    let sides = [of, than];
    // The repeats of one cell are not independent of each other as cells are: several cells count as one number each.
    let cells = sides.iter().all(|side| side.values.len() > 1);
    let logs = |side: &Side<Measured>| -> Vec<f64> {
        let each = side.values.iter().map(|cell| cell.costs.iter().map(|cost| cost.ln()).collect::<Vec<f64>>());
        if cells { each.map(|logs| average(&logs)).collect() } else { each.flatten().collect() }
    };
    let (a, mut b) = (logs(of), logs(than));
    let paired = cells && order.is_some();
    if let Some(order) = order.filter(|_| paired) {
        b = order.iter().map(|&at| b[at]).collect();
    }
    let estimate = stats::means(&a, &b, paired).map_err(nothing)?;
    let resampled = match cells {
        true => in_words(&estimate.basis),
        false => format!("{} and {} repeats", a.len(), b.len()),
    };
    Ok(Tested {
        figures: [average(&a).exp(), average(&b).exp()],
        estimate: Some(estimate),
        statement: statement(claim),
        resampled,
        notes: Vec::new(),
    })
}

/// What an estimate was computed from, in words.
fn in_words(basis: &Basis) -> String {
    let seeds = |of: usize, than: Option<usize>, paired: bool| match than {
        None => format!("{of} seeds"),
        Some(_) if paired => format!("{of} seeds, each with both"),
        Some(than) => format!("{of} and {than} seeds"),
    };
    match *basis {
        Basis::Images { images, .. } => format!("{images} images"),
        Basis::Seeds { of, than, paired } => seeds(of, than, paired),
        Basis::SeedsAndImages { of, than, paired, images } => {
            format!("{}, and {images} images", seeds(of, than, paired))
        }
    }
}

fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Why the statistics give no estimate, as a fault of the evidence.
fn nothing(fault: Fault) -> Wrong {
    (format!("No claim can be tested here: {fault}."), "")
}
