//! A training set and a validation set where a folder has no parts.
//!
//! Invariant: the split follows from the names of the images and the classes in their labels alone, so that the same folder
//! gives the same split everywhere.

use std::collections::{BTreeMap, BTreeSet};

use crate::hash::Digest;
use crate::ml::data::list::Sample;

/// The fewest images that a claim can be tested over.
pub const TESTED: usize = 6;

/// How many images are validated on, of so many in all: a fifth, and more of few.
fn validated(count: usize) -> usize {
    if count >= 2 * TESTED { (count / 5).max(TESTED) } else { (count / 2).max(1) }
}

/// The numbers of the samples in an order that looks random and follows from their ids.
pub fn order(samples: &[Sample]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..samples.len()).collect();
    order.sort_by_cached_key(|&at| (Digest::of(samples[at].id.as_bytes()).to_string(), samples[at].id.clone()));
    order
}

/// The samples to train on and those to validate on, each in the order of [`order`]. There are two at least. `present` are the
/// classes of each label that was opened: a class in two labels or more is in both parts.
pub fn of(samples: &[Sample], present: &BTreeMap<usize, BTreeSet<usize>>) -> (Vec<usize>, Vec<usize>) {
    let order = order(samples);
    let (first, rest) = order.split_at(validated(samples.len()).min(samples.len()));
    let (mut val, mut train): (Vec<usize>, Vec<usize>) = (first.to_vec(), rest.to_vec());
    let classes: BTreeSet<usize> = present.values().flatten().copied().collect();
    let has = |at: &usize, class: usize| present.get(at).is_some_and(|classes| classes.contains(&class));
    for class in classes {
        give(&mut train, &mut val, |at| has(at, class));
        give(&mut val, &mut train, |at| has(at, class));
    }
    (train, val)
}

/// Moves the first sample that has something over to those of which none has it, unless it is the only one.
fn give(giver: &mut Vec<usize>, taker: &mut Vec<usize>, has: impl Fn(&usize) -> bool) {
    let holders: Vec<usize> = giver.iter().copied().filter(&has).collect();
    if holders.len() > 1 && !taker.iter().any(&has) {
        giver.retain(|at| *at != holders[0]);
        taker.push(holders[0]);
    }
}

/// How many samples from the front hold every class that all of them hold, and `least` at least.
pub fn covering(samples: &[usize], present: &BTreeMap<usize, BTreeSet<usize>>, least: usize) -> usize {
    let all: BTreeSet<usize> = samples.iter().filter_map(|at| present.get(at)).flatten().copied().collect();
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    for (count, at) in samples.iter().enumerate() {
        if seen == all && count >= least {
            return count;
        }
        seen.extend(present.get(at).into_iter().flatten());
    }
    samples.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(count: usize) -> Vec<Sample> {
        (0..count).map(|at| Sample::voc(&format!("s{at}"), Some("L"))).collect()
    }

    #[test]
    fn a_split_follows_from_names_and_covers_each_class() {
        let samples = samples(40);
        let nothing = BTreeMap::new();
        let (train, val) = of(&samples, &nothing);
        assert_eq!((train.len(), val.len()), (32, 8));
        assert_eq!(of(&samples, &nothing), (train.clone(), val.clone()));
        // A class that two training images have comes to the validation as well.
        let present = BTreeMap::from([(train[3], BTreeSet::from([7])), (train[9], BTreeSet::from([7]))]);
        let (more, other) = of(&samples, &present);
        assert!(other.contains(&train[3]) && more.contains(&train[9]) && more.len() == 31);
        assert_eq!(covering(&other, &present, 2), 9);
        assert_eq!(covering(&val, &nothing, 2), 2);
    }

    #[test]
    fn few_images_are_shared_in_halves() {
        for (count, wanted) in [(2, 1), (3, 1), (11, 5), (12, 6), (100, 20)] {
            let (train, val) = of(&samples(count), &BTreeMap::new());
            assert_eq!((val.len(), train.len()), (wanted, count - wanted));
        }
    }
}
