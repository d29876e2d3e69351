//! What others published, beside the reproduced rows of a table for a paper.
//!
//! Invariant: a difference is the reproduced figure less the published one. It stands where both are there.

use super::line::{Line, Shown};
use super::published::PublishedRow;
use super::rows::{Row, SHOWN};
use crate::stage::name::{in_words, same};

/// What the rows of a table are called where they are differences.
pub const DIFFERENCE: &str = "difference";

/// The lines with those of published rows below the lines that they belong to, each with its difference; those that belong to
/// none stand at the end. The second answer warns of these if they should belong to one.
pub fn beside(
    lines: Vec<Line>,
    groups: &[Vec<&Row>],
    figures: &[&str],
    published: &[PublishedRow],
    sources: &mut Vec<String>,
) -> (Vec<Line>, Vec<String>) {
    let belongs = |row: &PublishedRow, group: &[&Row]| {
        let is = |(axis, label): (&String, &String)| {
            let place = SHOWN.iter().find(|(shown, _)| shown == axis).map(|(_, at)| *at);
            let fits = |row: &&Row| {
                row.cell.get(axis).is_some_and(|other| same(label, other))
                    || place.is_some_and(|at| same(label, &row.subject[at]))
            };
            group.iter().all(fits)
        };
        !row.of.is_empty() && row.of.iter().all(is)
    };
    let mut line = |row: &PublishedRow, block: i64, labels: usize| {
        let at = sources.iter().position(|source| *source == row.source).unwrap_or_else(|| {
            sources.push(row.source.clone());
            sources.len() - 1
        });
        let shown = |figure: &&str| Shown { value: row.value(figure), ..Shown::default() };
        Line {
            block,
            labels: named(&row.row, labels),
            source: row.source.clone(),
            mark: Some(letter(at)),
            n: None,
            figures: figures.iter().map(shown).collect(),
        }
    };
    let (mut all, mut warnings, blocks) = (Vec::new(), Vec::new(), lines.len() as i64);
    let labels = lines.first().map_or(0, |line| line.labels.len());
    for (reproduced, group) in lines.into_iter().zip(groups) {
        let of_group = published.iter().filter(|row| belongs(row, group));
        let others: Vec<Line> = of_group
            .flat_map(|row| {
                let other = line(row, reproduced.block, labels);
                let difference = difference(&reproduced, &other);
                std::iter::once(other).chain(difference)
            })
            .collect();
        all.push(reproduced);
        all.extend(others);
    }
    for row in published.iter().filter(|row| !groups.iter().any(|group| belongs(row, group))) {
        if !row.of.is_empty() {
            let text = format!(
                "The published row `{}` ({}) belongs to no row: none is of `{}`.",
                row.row,
                row.source,
                in_words(&row.of)
            );
            warnings.push(text);
        }
        all.push(line(row, blocks, labels));
    }
    (all, warnings)
}

/// The labels of a row that only has a name.
fn named(name: &str, labels: usize) -> Vec<Option<String>> {
    let first = std::iter::once(Some(name.to_owned()));
    first.chain(std::iter::repeat(Some(String::new()))).take(labels).collect()
}

/// The difference of two lines; none where they have no figure in common.
fn difference(reproduced: &Line, published: &Line) -> Option<Line> {
    let less = |(of, than): (&Shown, &Shown)| {
        // Without the noise of the last digits: 75.3 less 75.1 is 0.2.
        let value = of.value.zip(than.value).map(|(of, than)| ((of - than) * 1e9).round() / 1e9);
        Shown { value, ..Shown::default() }
    };
    let figures: Vec<Shown> = reproduced.figures.iter().zip(&published.figures).map(less).collect();
    let labels = named(DIFFERENCE, reproduced.labels.len());
    let line = Line { block: reproduced.block, labels, source: DIFFERENCE.to_owned(), figures, ..Line::default() };
    line.figures.iter().any(|figure| figure.value.is_some()).then_some(line)
}

/// The mark of the source of that number: a, b, …, z, aa, ab, ….
pub fn letter(at: usize) -> String {
    let last = char::from(b'a' + (at % 26) as u8);
    match at / 26 {
        0 => last.to_string(),
        more => letter(more - 1) + &last.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_have_letters() {
        assert_eq!([0, 25, 26, 27, 52].map(letter), ["a", "z", "aa", "ab", "ba"]);
    }
}
