//! Parts of a list: the first samples, a share that a seed draws, or named ones.
//!
//! A part keeps the order of its list. Whether a share holds a sample depends on the seed, on its id and on the other ids, and
//! not on the order of the list; a smaller share of the same seed is within a larger one.

use std::collections::BTreeSet;

use super::Fault;
use super::bounds::Faults;
use super::list::{Sample, ids};
use super::spelling::composed;
use crate::hash::Digest;
use crate::syntax::shown;

/// Which samples of a list are taken.
#[derive(Debug, Clone, PartialEq)]
pub enum Subset<'a> {
    /// All of them.
    All,
    /// The first so many.
    First(usize),
    /// A share, above 0 and at most 1, that a seed draws: rounded to a whole number of samples, of which one is the least.
    Fraction(f64, u64),
    /// Those that a text names, which lies at a place.
    Named(&'a str, &'a str),
}

/// The part of `samples`; `place` names their list.
///
/// # Errors
/// The list has fewer samples than are to be taken, or lacks ids that are named; the text of names is at fault.
pub fn take(samples: Vec<Sample>, subset: &Subset<'_>, place: &str) -> Result<Vec<Sample>, Vec<Fault>> {
    match *subset {
        Subset::All => Ok(samples),
        Subset::First(count) if count > samples.len() => {
            let message = format!("The list has {} samples, but {count} are to be taken.", samples.len());
            Err(vec![Fault::new(place, message, "Take fewer samples, or leave `take` out to have all.")])
        }
        Subset::First(count) => Ok(samples.into_iter().take(count).collect()),
        Subset::Fraction(share, seed) => Ok(fraction(samples, share, seed)),
        Subset::Named(text, names) => named(samples, text, names, place),
    }
}

/// Those of the samples that come first in an order that the seed draws.
fn fraction(samples: Vec<Sample>, share: f64, seed: u64) -> Vec<Sample> {
    let count = ((samples.len() as f64 * share).round() as usize).clamp(1, samples.len().max(1));
    let draw = |sample: &Sample| Digest::of(format!("subset {seed} {}", sample.id).as_bytes());
    let mut drawn: Vec<(Digest, usize)> = samples.iter().enumerate().map(|(at, sample)| (draw(sample), at)).collect();
    drawn.sort_unstable();
    let taken: BTreeSet<usize> = drawn.into_iter().take(count).map(|(_, at)| at).collect();
    samples.into_iter().enumerate().filter(|(at, _)| taken.contains(at)).map(|(_, sample)| sample).collect()
}

fn named(samples: Vec<Sample>, text: &str, names: &str, place: &str) -> Result<Vec<Sample>, Vec<Fault>> {
    let wanted = ids(text, names)?;
    let there: BTreeSet<String> = samples.iter().map(|sample| composed(&sample.id)).collect();
    let mut faults = Faults::default();
    faults.extend(wanted.iter().filter(|(_, id)| !there.contains(&composed(id))).map(|(line, id)| {
        let message = format!("The id `{}` is not in the list `{}`.", shown(id), shown(place));
        Fault::new(format_args!("{names}:{line}:1"), message, "Name ids of the data set that is taken from.")
    }));
    if !faults.is_empty() {
        return Err(faults.into_vec());
    }
    let wanted: BTreeSet<String> = wanted.iter().map(|(_, id)| composed(id)).collect();
    Ok(samples.into_iter().filter(|sample| wanted.contains(&composed(&sample.id))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(count: usize) -> Vec<Sample> {
        (0..count).map(|at| Sample::voc(&format!("s{at:03}"), None)).collect()
    }

    fn taken(samples: Vec<Sample>, subset: &Subset<'_>) -> Vec<String> {
        take(samples, subset, "list.txt").unwrap().into_iter().map(|sample| sample.id).collect()
    }

    #[test]
    fn the_first_samples_are_taken_or_told_to_be_too_few() {
        assert_eq!(taken(list(5), &Subset::First(2)), ["s000", "s001"]);
        assert_eq!(taken(list(2), &Subset::All).len(), 2);
        let fault = &take(list(5), &Subset::First(6), "list.txt").unwrap_err()[0];
        assert_eq!((fault.place.as_str(), fault.message.contains("has 5 samples, but 6")), ("list.txt", true));
    }

    #[test]
    fn a_share_depends_on_its_seed_and_on_no_order() {
        let of = |share, seed| taken(list(200), &Subset::Fraction(share, seed));
        let tenth = of(0.1, 1);
        assert_eq!(tenth.len(), 20);
        assert!(tenth.is_sorted(), "the order is that of the list: {tenth:?}");
        // These bytes are in keys of the results of such sets.
        assert_eq!(tenth[..3], ["s003", "s009", "s023"]);
        assert_ne!(tenth, of(0.1, 2));
        let fifth = of(0.2, 1);
        assert!(tenth.iter().all(|id| fifth.contains(id)), "a smaller share is within a larger one");
        let mut turned = list(200);
        turned.reverse();
        let mut other = taken(turned, &Subset::Fraction(0.1, 1));
        other.reverse();
        assert_eq!(other, tenth);
        assert_eq!(of(1.0, 1).len(), 200);
        assert_eq!(of(1e-9, 1).len(), 1, "at least one");
    }

    #[test]
    fn named_ids_are_taken_in_the_order_of_the_list() {
        assert_eq!(taken(list(5), &Subset::Named("s003\n# a comment\ns001.jpg\n", "ids.txt")), ["s001", "s003"]);
        let faults = take(list(5), &Subset::Named("s003\ns9\nx\n", "ids.txt"), "list.txt").unwrap_err();
        assert_eq!(faults.len(), 2);
        assert_eq!(
            (faults[0].place.as_str(), faults[0].message.as_str()),
            ("ids.txt:2:1", "The id `s9` is not in the list `list.txt`.")
        );
    }
}
