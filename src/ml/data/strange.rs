//! Labels that hold ids which are no class: what the reason may be, and what to do.
//!
//! Advice never names a value that the same data set would refuse.

use super::labels::Coding;

/// The value that masks for people and most data sets have in special pixels.
const USUAL: u8 = 255;

/// The labelIds of Cityscapes end here.
const LAST_LABEL_ID: usize = 33;

/// So many different values are no ids that somebody drew: scaling and JPEG mix the ids of neighbours.
const MIXED: usize = 24;

/// What to do about a label with ids that are no class. `counts` says how many pixels have each id, after the decoding of
/// `coding`. At least one pixel has an id that is neither one of the `classes` nor `ignore`.
pub fn advice(counts: &[u64; 256], coding: &Coding, classes: usize, ignore: u8) -> String {
    let ignored = |value: usize| value == usize::from(ignore);
    let values: Vec<usize> = (0..256).filter(|&value| counts[value] > 0).collect();
    let strange: Vec<usize> = values.iter().copied().filter(|&value| value >= classes && !ignored(value)).collect();
    let (stated, ignore) = match coding {
        &Coding::From { ignore, .. } => (coding.stated(0)..=coding.stated(classes - 1), ignore),
        _ => (0..=classes - 1, ignore),
    };
    let rule = format!("Ids go from {} to {}, and {ignore} for pixels to ignore.", stated.start(), stated.end());
    if *coding != Coding::Ids {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(values: &[(usize, u64)]) -> [u64; 256] {
        let mut counts = [0; 256];
        values.iter().for_each(|&(value, pixels)| counts[value] = pixels);
        counts
    }

    #[test]
    fn each_sort_of_strange_ids_has_its_advice() {
        let all: Vec<(usize, u64)> = (0..100).map(|value| (value, 1)).collect();
        let of = |values: &[(usize, u64)], classes, ignore| advice(&counts(values), &Coding::Ids, classes, ignore);
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
}
