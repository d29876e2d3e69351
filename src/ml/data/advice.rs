//! What the values of labels tell of faults in a data set, and what to do about each.
//!
//! Invariants:
//! - advice never names a value that the same data set would refuse;
//! - all of it follows from counts of values, so that it does not depend on the number of threads.

use super::index::{Allowed, Row};
use super::labels::Coding;

/// The value that masks for people and most data sets have in special pixels.
const USUAL: u8 = 255;

/// The labelIds of Cityscapes end here.
const LAST_LABEL_ID: usize = 33;

/// So many different values are no ids that somebody drew: scaling and JPEG mix the ids of neighbours.
const MIXED: usize = 24;

/// How many classes are named one by one.
const NAMED: usize = 8;

/// What to do about a label with values that are no class. `counts` says how many pixels have each value. At least one
/// pixel has a value that is neither a class nor the one to ignore.
pub fn strange(counts: &[u64; 256], allowed: &Allowed) -> String {
    let (classes, ignore) = (allowed.classes, allowed.ignore);
    let ignored = |value: usize| value == usize::from(ignore);
    let values: Vec<usize> = (0..256).filter(|&value| counts[value] > 0).collect();
    let strange: Vec<usize> = values.iter().copied().filter(|&value| value >= classes && !ignored(value)).collect();
    let (stated, ignore) = match allowed.coding {
        Coding::From { ignore, .. } => (allowed.coding.stated(0)..=allowed.coding.stated(classes - 1), ignore),
        _ => (0..=classes - 1, ignore),
    };
    let rule = format!("Ids go from {} to {}, and {ignore} for pixels to ignore.", stated.start(), stated.end());
    if allowed.coding != Coding::Ids {
        return rule;
    }
    let advice = match (&values[..], &strange[..]) {
        ([0, foreground] | [foreground], [_]) if classes == 2 && *foreground > 1 => {
            format!("The label seems to use {foreground} for foreground: write 1 instead, or state `colours`.")
        }
        (_, [255]) if ignore != USUAL => "If 255 stands for pixels to ignore, write `ignore: 255`.".to_owned(),
        ([first, ..], [only]) if *first > 0 && *only == classes => {
            "The ids seem to count from 1: write `first_id: 1`.".to_owned()
        }
        (_, [only]) if *only == classes => format!(
            "If 0 stands for pixels without a class, as in ADE20K, write `first_id: 1, ignore: 0`. If 0 is a class, name \
             it too: then there are {} classes.",
            classes + 1
        ),
        (_, strange) if classes == 19 && strange.iter().all(|&id| id <= LAST_LABEL_ID || id == usize::from(USUAL)) => {
            "These seem to be Cityscapes' labelIds: take the source `Cityscapes`, or labels of trainIds \
             (`…_labelTrainIds.png`)."
                .to_owned()
        }
        (values, _) if values.len() > MIXED.max(classes + 1) => {
            "So many different values come from smooth scaling, from JPEG, or from a photograph in the place of a label: \
             take the original labels, and scale them by nearest neighbour alone."
                .to_owned()
        }
        _ => String::new(),
    };
    if advice.is_empty() { rule } else { format!("{rule} {advice}") }
}

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
    let (shown, more) = names.split_at(names.len().min(NAMED));
    let mut text = shown.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if !more.is_empty() {
        text += &format!(" and {} others", more.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::list::Sample;
    use super::super::orientation::Orientation;
    use super::*;
    use crate::hash::Digest;

    fn counts(values: &[(usize, u64)]) -> [u64; 256] {
        let mut counts = [0; 256];
        values.iter().for_each(|&(value, pixels)| counts[value] = pixels);
        counts
    }

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
    fn each_sort_of_strange_ids_has_its_advice() {
        let all: Vec<(usize, u64)> = (0..100).map(|value| (value, 1)).collect();
        let of = |values: &[(usize, u64)], classes, ignore| strange(&counts(values), &Allowed::ids(classes, ignore));
        for (advice, expected) in [
            (of(&[(0, 5), (255, 5)], 2, 254), "use 255 for foreground: write 1"),
            (of(&[(0, 5), (128, 5)], 2, 255), "use 128 for foreground: write 1"),
            (of(&[(0, 5), (1, 5), (255, 5)], 3, 254), "write `ignore: 255`"),
            (of(&[(1, 5), (3, 5)], 3, 255), "count from 1: write `first_id: 1`"),
            (
                of(&[(0, 5), (1, 5), (150, 5)], 150, 255),
                "write `first_id: 1, ignore: 0`. If 0 is a class, name it too: then there are 151",
            ),
            (of(&[(7, 5), (26, 5), (33, 5)], 19, 255), "labelIds: take the source `Cityscapes`"),
            (of(&all, 21, 255), "nearest neighbour"),
            (of(&[(0, 1), (77, 5)], 21, 250), "Ids go from 0 to 20, and 250 for pixels to ignore."),
        ] {
            assert!(advice.contains(expected), "{advice}");
        }
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
