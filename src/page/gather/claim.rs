//! A claim with its verdict, read from the table that a stage of claims left.

use serde::Serialize;

use crate::page::model::{Card, Standing};
use crate::table::{Cell, Table};

/// A claim with its verdict.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Claim {
    /// The stage that tested it.
    pub stage: String,
    /// Its name there.
    pub name: String,
    /// The verdict: `holds`, `fails` or `undecided`.
    pub verdict: String,
    /// What is claimed, as a sentence.
    pub that: String,
    metric: String,
    figure: Option<f64>,
    other: Option<f64>,
    effect: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    level: Option<f64>,
    p: Option<f64>,
    p_corrected: Option<f64>,
    bound: String,
    resampled: String,
    family: Option<f64>,
    /// What would settle it, where it is undecided.
    pub settles: String,
    /// What must be said beside the verdict.
    pub note: String,
}

impl Claim {
    /// The claims of a table of the stage `stage`.
    pub fn all(table: &Table, stage: &str) -> Vec<Self> {
        (0..table.rows()).map(|row| Claim::of(table, row, stage)).collect()
    }

    fn of(table: &Table, row: usize, stage: &str) -> Self {
        let cell = |name: &str| table.position(name).map_or(Cell::Null, |column| table.cell(row, column));
        let text = |name: &str| cell(name).text().unwrap_or_default().to_owned();
        let number = |name: &str| cell(name).number();
        Claim {
            stage: stage.to_owned(),
            name: text("name"),
            verdict: text("verdict"),
            that: text("that"),
            metric: text("metric"),
            figure: number("figure"),
            other: number("other"),
            effect: number("effect"),
            low: number("low"),
            high: number("high"),
            level: number("level"),
            p: number("p"),
            p_corrected: number("p_corrected"),
            bound: text("bound"),
            resampled: text("resampled"),
            family: number("family"),
            settles: text("settles"),
            note: text("note"),
        }
    }

    /// Whether the effect is a factor.
    fn is_factor(&self) -> bool {
        self.bound.ends_with(" times") || self.bound.ends_with(" %")
    }

    /// The effect with its interval, p-value and basis, as a sentence.
    pub fn effect(&self) -> String {
        let number = |value: Option<f64>, signed: bool| match value {
            None => "?".to_owned(),
            Some(value) if self.is_factor() => format!("{value:.3}"),
            Some(value) if signed => format!("{value:+.2}"),
            Some(value) => format!("{value:.2}"),
        };
        let (figure, other) = (number(self.figure, false), number(self.other, false));
        let unit = if self.is_factor() { " times" } else { "" };
        let mut text = format!("{} {figure} against {other}: {}{unit}", self.metric, number(self.effect, true));
        if let (Some(low), Some(high), Some(level)) = (self.low, self.high, self.level) {
            let (low, high) = (number(Some(low), true), number(Some(high), true));
            text += &format!(", {} % interval [{low}, {high}]", short(100.0 * level));
        }
        if let Some(p) = self.p_corrected {
            text += &format!(", p {}", p_value(p));
        }
        text += &format!(", claimed {}", self.bound);
        match self.family {
            Some(family) if family > 1.0 => text += &format!("; corrected for {family} claims"),
            _ => {}
        }
        match self.p {
            Some(_) => text + &format!("; over {}.", self.resampled),
            None => text + ".",
        }
    }

    /// The value that is claimed of the effect, in its unit: of two that bound it, the one that is nearer.
    fn claimed(&self) -> Option<f64> {
        let words = self.bound.strip_prefix("above ").or_else(|| self.bound.strip_prefix("below "));
        let number = |text: &str| text.split(' ').next().and_then(|number| number.parse::<f64>().ok());
        if let Some(words) = words {
            return number(words);
        }
        let within = number(self.bound.strip_prefix("within ")?)?;
        let effect = self.effect?;
        Some(match self.is_factor() {
            true if effect < 1.0 => 1.0 / (1.0 + within / 100.0),
            true => 1.0 + within / 100.0,
            false => within.copysign(effect),
        })
    }

    /// The claim as the page shows it.
    pub fn card(&self) -> Card {
        let verdict = match self.verdict.as_str() {
            "holds" => Standing::Holds,
            "fails" => Standing::Fails,
            _ => Standing::Undecided,
        };
        let told = [self.effect(), self.settles.clone(), self.note.clone()];
        let because = told.into_iter().filter(|text| !text.is_empty()).collect();
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        let interval = finite(self.low).zip(finite(self.high));
        let effect = finite(self.effect).zip(interval).zip(self.claimed());
        let effect = effect.map(|((effect, interval), claimed)| (effect, interval, claimed));
        Card { verdict, that: self.that.clone(), because, effect }
    }
}

/// A number without zeros at its end, with at most two digits after the point.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A p-value with two digits that count.
fn p_value(p: f64) -> String {
    match p {
        p if p < 0.0001 => "below 0.0001".to_owned(),
        p if p < 0.001 => format!("{p:.5}"),
        p if p < 0.01 => format!("{p:.4}"),
        p if p < 0.1 => format!("{p:.3}"),
        p => format!("{p:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Column;

    #[test]
    fn p_values_have_two_digits_that_count() {
        for (p, text) in
            [(0.00001, "below 0.0001"), (0.00012, "0.00012"), (0.0123, "0.012"), (0.5, "0.50"), (1.0, "1.00")]
        {
            assert_eq!(p_value(p), text);
        }
        assert_eq!((short(95.0), short(97.5), short(98.3333)), ("95".into(), "97.5".into(), "98.33".into()));
    }

    #[test]
    fn a_card_draws_the_effect_against_the_bound_that_is_claimed() {
        let card = |effect: f64, bound: &str| {
            let columns = vec![
                Column::text("verdict"),
                Column::text("that"),
                Column::text("bound"),
                Column::float("effect"),
                Column::float("low"),
                Column::float("high"),
            ];
            let row = vec!["holds".into(), "It is so".into(), bound.into(), effect.into(), (-9.0).into(), 9.0.into()];
            Claim::all(&Table::new(columns, vec![row]).unwrap(), "claims")[0].card()
        };
        assert_eq!(card(1.0, "above -1").effect, Some((1.0, (-9.0, 9.0), -1.0)));
        assert_eq!(card(1.0, "below 1.5 times").effect, Some((1.0, (-9.0, 9.0), 1.5)));
        assert_eq!(card(-1.0, "within 2").effect, Some((-1.0, (-9.0, 9.0), -2.0)));
        assert_eq!(card(0.5, "within 2 of 70.2 (a paper)").effect, Some((0.5, (-9.0, 9.0), 2.0)));
        assert_eq!(card(0.9, "within 25 %").effect, Some((0.9, (-9.0, 9.0), 0.8)));
        assert_eq!(card(0.9, "within 25 %").verdict, Standing::Holds);
        assert_eq!(card(f64::INFINITY, "above 0").effect, None);
    }
}
