//! What the user should know of the labels of a data set that nothing refuses, and what to do about it.
//!
//! All of it follows from the counts of an index, so that it does not depend on the number of threads.

use super::index::{Allowed, Row};
use super::labels::Coding;
use crate::syntax;

/// How many classes are named one by one.
const NAMED: usize = 8;

/// What the user should know of the labels of a whole data set: classes that have no pixel. Data without labels have nothing
/// to tell.
pub fn gaps(rows: &[Row], names: &[String], allowed: &Allowed) -> Vec<String> {
    let labelled = || rows.iter().filter(|row| row.label_digest.is_some());
    if labelled().next().is_none() {
        return Vec::new();
    }
    let pixels: Vec<u64> = (0..names.len()).map(|class| labelled().map(|row| row.pixels[class]).sum()).collect();
    let ignored: u64 = labelled().map(|row| row.ignored).sum();
    let (ignore, counted) = (allowed.ignore, pixels.iter().sum::<u64>());
    let empty: Vec<usize> = (0..names.len()).filter(|&class| pixels[class] == 0).collect();
    if empty.is_empty() {
        return Vec::new();
    }
    let fact = if counted == 0 {
        format!("No pixel of any label counts: each has the value {ignore}, which is ignored.")
    } else {
        let listed = listed(&empty.iter().map(|&class| names[class].as_str()).collect::<Vec<_>>());
        let (class, has, it) = if empty.len() == 1 { ("class", "has", "it") } else { ("classes", "have", "them") };
        format!(
            "{} of {} classes {has} no pixel in the labels: {listed}. A figure over this data set says nothing of the \
             {class}, and a training on it does not learn {it}.",
            empty.len(),
            names.len()
        )
    };
    // Where labels are no ids of classes themselves, the table that turns them into ids is right.
    let ids = allowed.coding == Coding::Ids;
    let binary = ids && counted > 0 && names.len() == 2 && pixels[1] == 0 && ignored > 0;
    let advice = if binary {
        format!(
            "The masks use {ignore} for foreground, as it seems, and {ignore} is ignored. Write 1 instead in the masks, or \
             state `colours: {{\"#000000\": \"{}\", \"#{ignore:02x}{ignore:02x}{ignore:02x}\": \"{}\"}}`.",
            names[0], names[1]
        )
    } else if ids && pixels[0] == 0 && counted > 0 && ignored == 0 {
        "If the ids of the labels count from 1, write `first_id: 1`.".to_owned()
    } else {
        String::new()
    };
    vec![if advice.is_empty() { fact } else { format!("{fact} {advice}") }]
}

/// Names in a sentence, the first [`NAMED`] of them.
pub fn listed(names: &[&str]) -> String {
    syntax::first_names(names.iter().copied(), NAMED)
}

#[cfg(test)]
mod tests {
    use super::super::list::Sample;
    use super::super::orientation::Orientation;
    use super::*;
    use crate::hash::Digest;

    fn row(pixels: &[u64], ignored: u64) -> Row {
        Row {
            sample: Sample::voc("a", Some("L")),
            image_digest: Digest::of(b"a"),
            label_digest: Some(Digest::of(b"b")),
            coding: Coding::Ids,
            rule: 0,
            orientation: Orientation::default(),
            shown_otherwise: false,
            height: 1,
            width: 1,
            pixels: pixels.to_vec(),
            ignored,
            beyond: 0,
        }
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| format!("c{class}")).collect()
    }

    #[test]
    fn classes_without_a_pixel_are_told_with_what_may_be_the_reason() {
        let told = |rows: &[Row], classes, ignore| gaps(rows, &names(classes), &Allowed::ids(classes, ignore)).concat();
        let of = |pixels: &[u64], ignored| told(&[row(pixels, ignored)], pixels.len(), 255);
        assert_eq!(of(&[1, 2], 3), "");
        let binary = of(&[10, 0], 7);
        assert!(binary.starts_with("1 of 2 classes has no pixel in the labels: `c1`."), "{binary}");
        assert!(
            binary.contains("The masks use 255 for foreground")
                && binary.contains("{\"#000000\": \"c0\", \"#ffffff\": \"c1\"}"),
            "{binary}"
        );
        assert!(!of(&[10, 0], 0).contains("foreground"), "nothing is ignored");
        assert!(of(&[0, 3, 4], 0).contains("count from 1, write `first_id: 1`"));
        assert!(of(&[0, 0, 0], 9).starts_with("No pixel of any label counts: each has the value 255"));
        let many = of(&[[3].as_slice(), &[0; 12]].concat(), 0);
        assert!(many.contains("12 of 13 classes have no pixel") && many.contains("`c8` and 4 others"), "{many}");
        // Another sample has what one lacks, and data without labels lack nothing.
        assert_eq!(told(&[row(&[1, 0], 0), row(&[0, 2], 0)], 2, 255), "");
        assert_eq!(told(&[Row { label_digest: None, ..row(&[0, 0], 0) }], 2, 255), "");
    }
}
