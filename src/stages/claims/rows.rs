//! The table of verdicts.
//!
//! Invariants:
//! - effects are in percent points, or factors where costs are compared;
//! - numbers are rounded to 12 digits, so that the bytes are the same on every machine;
//! - what cannot be said is an empty cell.

use super::judge::Tested;
use crate::stages::columns::Values;
use crate::stages::params::claims::{Claim, Common};
use crate::stats::{self, Basis, Corrected, Interval, Settles, Verdict};
use crate::table::{Layout, LayoutColumn};

/// The level of a family: the chance of any wrong verdict in it is at most this.
pub const ALPHA: f64 = 0.05;

/// A row of the table.
pub struct Row {
    name: String,
    verdict: Verdict,
    that: String,
    metric: String,
    figures: [f64; 2],
    effect: f64,
    interval: Option<(f64, Interval)>,
    p: Option<[f64; 2]>,
    bound: String,
    resampled: String,
    family: usize,
    settles: String,
    note: String,
}

/// The verdicts of a family, in the order of its claims.
pub fn judged(family: &[(&String, &Claim, Tested)]) -> Vec<Row> {
    let p = |tested: &Tested| tested.estimate.as_ref().map_or(1.0, |estimate| tested.statement.p(estimate));
    let all: Vec<f64> = family.iter().map(|(_, _, tested)| p(tested)).collect();
    let corrected = stats::holm(&all, ALPHA);
    let row = |((name, claim, tested), corrected): (&(&String, &Claim, Tested), &Corrected)| {
        Row::new(name, claim, tested, *corrected, family.len())
    };
    family.iter().zip(&corrected).map(row).collect()
}

impl Row {
    fn new(name: &str, claim: &Claim, tested: &Tested, corrected: Corrected, family: usize) -> Self {
        let Common { that, metric, .. } = claim.common();
        let scale = Scale::of(claim);
        let mut notes = tested.notes.clone();
        let found = tested.estimate.as_ref().map(|estimate| {
            let (level, interval) = tested.statement.interval(estimate, corrected.alpha);
            (level, interval, tested.statement.p(estimate), tested.statement.verdict(estimate, corrected.alpha))
        });
        let verdict = match found {
            None => Verdict::Undecided,
            Some((_, interval, _, verdict)) => {
                // Figures that differ by the same amount every time are too few or too coarse to show their spread.
                let differs = scale.shown(interval.low) != scale.nothing();
                if interval.low == interval.high && differs && !claim.common().metric.is_exact() {
                    notes.push("The figures show no spread at all, so that chance cannot be judged.".to_owned());
                    Verdict::Undecided
                } else {
                    if interval.low == interval.high && !differs {
                        notes.push("Nothing differs between the two sides, in any image.".to_owned());
                    }
                    verdict
                }
            }
        };
        let figure = |value: f64| if metric.is_cost() { value } else { 100.0 * value };
        let figures = tested.figures.map(figure);
        let effect = match metric.is_cost() {
            true => figures[0] / figures[1],
            false => figures[0] - figures[1],
        };
        Row {
            name: name.to_owned(),
            verdict,
            that: that.to_owned(),
            metric: metric.in_words(),
            figures,
            effect,
            interval: found.map(|(level, interval, ..)| {
                (level, Interval { low: scale.shown(interval.low), high: scale.shown(interval.high) })
            }),
            p: found.map(|(_, _, p, _)| [p, corrected.p]),
            bound: bound(claim),
            resampled: tested.resampled.clone(),
            family,
            settles: settles(claim, tested, verdict, corrected.alpha),
            note: notes.join(" "),
        }
    }

    /// The verdict.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }
}

/// How effects are shown.
enum Scale {
    /// In percent points above this share.
    Percent { above: f64 },
    /// As a factor, of which the estimate has the logarithm.
    Factor,
}

impl Scale {
    fn of(claim: &Claim) -> Self {
        match claim {
            _ if claim.common().metric.is_cost() => Scale::Factor,
            Claim::Equals { published: Some(published), .. } => Scale::Percent { above: published / 100.0 },
            _ => Scale::Percent { above: 0.0 },
        }
    }

    fn shown(&self, value: f64) -> f64 {
        match self {
            Scale::Percent { above } => 100.0 * (value - above),
            Scale::Factor => value.exp(),
        }
    }

    /// How no effect is shown.
    fn nothing(&self) -> f64 {
        match self {
            Scale::Percent { .. } => 0.0,
            Scale::Factor => 1.0,
        }
    }
}

/// What is claimed of the effect, in words.
fn bound(claim: &Claim) -> String {
    let factor = |factor: &Option<f64>| factor.unwrap_or(1.0);
    let is_cost = claim.common().metric.is_cost();
    match claim {
        Claim::Greater { factor: stated, .. } if is_cost => format!("above {} times", factor(stated)),
        Claim::Less { factor: stated, .. } if is_cost => format!("below {} times", factor(stated)),
        Claim::Greater { by, .. } => format!("above {}", by.unwrap_or(0.0)),
        // The sum has one zero: -0.0 becomes 0.0.
        Claim::Less { by, .. } => format!("below {}", 0.0 - by.unwrap_or(0.0)),
        Claim::Equals { within, published: Some(published), source, .. } => {
            let source = source.as_deref().unwrap_or_default();
            format!("within {within} of {published} ({source})")
        }
        Claim::Equals { within, .. } if is_cost => format!("within {within} %"),
        Claim::Equals { within, .. } => format!("within {within}"),
    }
}

/// What would settle an undecided claim, in words.
fn settles(claim: &Claim, tested: &Tested, verdict: Verdict, alpha: f64) -> String {
    if verdict != Verdict::Undecided {
        return String::new();
    }
    let Some(estimate) = &tested.estimate else {
        return "At least two seeds on each side are needed.".to_owned();
    };
    let Interval { low, high } = estimate.interval(1.0 - alpha);
    // Where nothing differs anywhere, more of the same does not either.
    if low == high {
        return String::new();
    }
    let is_cost = claim.common().metric.is_cost();
    let natural = |stated: f64| if is_cost { (stated / 100.0).ln_1p() } else { stated / 100.0 };
    let (margin, stated) = match claim {
        Claim::Greater { margin, .. } | Claim::Less { margin, .. } => {
            (*margin, format!("a difference of {margin} {}", if is_cost { "%" } else { "points" }))
        }
        Claim::Equals { within, .. } => (*within, format!("that two equal figures are within {within}")),
    };
    let (repetitions, now) = match (&estimate.basis, is_cost) {
        (Basis::Seeds { of, .. }, true) => ("repeats", *of),
        (Basis::Seeds { of, .. } | Basis::SeedsAndImages { of, .. }, _) => ("seeds", *of),
        (Basis::Images { images, .. }, _) => ("images", *images),
    };
    let Settles { seeds, images } = estimate.settles(tested.statement, natural(margin), alpha);
    let own = if matches!(estimate.basis, Basis::Images { .. }) { images } else { seeds };
    if own.is_some_and(|own| own as usize <= now) {
        return format!("These {repetitions} would show {stated} in 80 of 100 cases: the true one may be smaller.");
    }
    let ways: Vec<String> = [(seeds, repetitions), (images, "images")]
        .into_iter()
        .filter_map(|(number, what)| Some(format!("{} {what}", number?)))
        .collect();
    match ways.is_empty() {
        true => format!("No number of {repetitions} is known that would show {stated}."),
        false => format!("{} would show {stated} in 80 of 100 cases.", ways.join(" or ")),
    }
}

/// How the table is shown to people.
pub fn layout() -> Layout {
    let digits = |column: LayoutColumn, digits| LayoutColumn { digits: Some(digits), ..column };
    Layout {
        columns: vec![
            LayoutColumn::named("that", "claim"),
            LayoutColumn::of("verdict"),
            digits(LayoutColumn::of("effect"), 3),
            digits(LayoutColumn::named("low", "from").within("interval"), 3),
            digits(LayoutColumn::named("high", "to").within("interval"), 3),
            digits(LayoutColumn::named("p_corrected", "p"), 4),
        ],
        ..Layout::default()
    }
}

/// A verdict in the table.
pub fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Fails => "fails",
        Verdict::Undecided => "undecided",
    }
}

/// The columns of the table.
pub fn columns(rows: &[Row]) -> Vec<(String, Values)> {
    let text = |f: &dyn Fn(&Row) -> &str| {
        let cell = |row: &Row| Some(f(row).to_owned()).filter(|text| !text.is_empty());
        Values::Text(rows.iter().map(cell).collect())
    };
    let number =
        |f: &dyn Fn(&Row) -> Option<f64>| Values::Float(rows.iter().map(|row| f(row).map(stats::rounded)).collect());
    let columns = [
        ("name", text(&|row| &row.name)),
        ("verdict", text(&|row| word(row.verdict))),
        ("that", text(&|row| &row.that)),
        ("metric", text(&|row| &row.metric)),
        ("figure", number(&|row| Some(row.figures[0]))),
        ("other", number(&|row| Some(row.figures[1]))),
        ("effect", number(&|row| Some(row.effect))),
        ("low", number(&|row| Some(row.interval?.1.low))),
        ("high", number(&|row| Some(row.interval?.1.high))),
        ("level", number(&|row| Some(row.interval?.0))),
        ("p", number(&|row| Some(row.p?[0]))),
        ("p_corrected", number(&|row| Some(row.p?[1]))),
        ("bound", text(&|row| &row.bound)),
        ("resampled", text(&|row| &row.resampled)),
        ("family", Values::Int(rows.iter().map(|row| Some(row.family as i64)).collect())),
        ("settles", text(&|row| &row.settles)),
        ("note", text(&|row| &row.note)),
    ];
    columns.map(|(name, values)| (name.to_owned(), values)).into()
}
