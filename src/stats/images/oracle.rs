//! Holds what is said of images against numpy and scipy, on indices and swaps that numpy drew (see [`super::super::oracle`]).

use super::super::oracle::{Oracle, counts, items, number, numbers};
use super::super::{Figure, Interval, wins};
use super::bootstrap::drawn;
use super::flips::flipped;
use super::jackknife::{Jackknife, jackknife};
use super::pair::{Pair, difference};
use super::resampled::{Resampled, Side};

fn figure(name: &str) -> Figure {
    match name.split_once(' ') {
        Some(("iou", class)) => Figure::Iou(class.parse().unwrap()),
        _ if name == "mean_iou" => Figure::MeanIou,
        _ => {
            assert_eq!(name, "pixel_accuracy");
            Figure::PixelAccuracy
        }
    }
}

/// Which images each resample names.
fn indices(value: &serde_json::Value) -> Vec<Vec<usize>> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn images_are_resampled_as_numpy_and_scipy_do() {
    let mut oracle = Oracle::new("images");
    let all = oracle.numbers.take();
    let (a, b) = (counts(&all["a"]), counts(&all["b"]));
    let weights: Vec<u32> = serde_json::from_value(all["weights"].clone()).unwrap();
    for row in items(&all["weighted"]) {
        let ours = figure(row[0].as_str().unwrap()).of(&a.weighted(&weights).unwrap());
        oracle.close(ours.unwrap(), number(&row[1]), "weighted images");
    }
    for case in items(&all["cases"]) {
        let name = case["figure"].as_str().unwrap();
        let pair = Pair::new(&a, &b, figure(name)).unwrap();
        let whole = difference(pair.sums().iter().copied()).unwrap();
        oracle.close(whole.effect, number(&case["effect"]), name);

        let chosen = indices(&case["indices"]);
        let resamples = drawn(&pair, chosen.len(), |at, draw| chosen[at].iter().for_each(|&image| draw(image)));
        for (ours, theirs) in resamples.iter().zip(items(&case["resampled"])) {
            assert_eq!(ours.is_some(), theirs.is_number());
            oracle.close(ours.map_or(0.0, |it| it.effect), theirs.as_f64().unwrap_or(0.0), "a resample");
        }
        let lost = resamples.iter().filter(|it| it.is_none_or(|it| it.ratios < whole.ratios)).count();
        oracle.close(lost as f64, number(&case["lost"]), "resamples that lost a class");

        let Jackknife { error, freedom, acceleration } = jackknife(&pair).unwrap();
        for (ours, theirs) in [error, freedom, acceleration].into_iter().zip(numbers(&case["jackknife"])) {
            oracle.close(ours, theirs, "jackknife");
        }

        let effects = resamples.into_iter().map(|it| it.map(|it| it.effect)).collect();
        let resampled = Resampled::new(whole.effect, effects, jackknife(&pair), number(&case["swapped"]));
        let corrected = resampled.corrected.unwrap();
        oracle.close(corrected.bias, number(&case["bias"]), "bias");
        oracle.close(corrected.wider, number(&case["wider"]), "what the resamples spread too little");
        for row in items(&case["tails"]) {
            let side = if row[0] == "low" { Side::Low } else { Side::High };
            oracle.close(corrected.tail(side, number(&row[1])), number(&row[2]), "BCa");
        }
        for row in items(&case["plain"]).iter().map(numbers) {
            for (share, theirs) in [((1.0 - row[0]) / 2.0, row[1]), ((1.0 + row[0]) / 2.0, row[2])] {
                oracle.close(between(&resampled.sorted, share), theirs, "percentile");
            }
        }
        for row in items(&case["p"]).iter().map(numbers) {
            oracle.close(resampled.p(row[0]), row[1], &format!("{name}: p-value of {}", row[0]));
        }
        let interval = |level| {
            let [low, high] = resampled.interval(level);
            Interval { low, high }
        };
        oracle.intervals(interval, &case["intervals"], name);

        let flips = indices(&case["flips"]);
        let as_much = flipped(&pair, flips.len(), |at, swap| {
            flips[at].iter().enumerate().filter(|(_, flip)| **flip == 1).for_each(|(image, _)| swap(image));
        });
        oracle.close(as_much as f64, number(&case["as_much"]), "sets of swapped images");

        let ours = wins(&a, &b, figure(name)).unwrap();
        let ours = [ours.a as f64, ours.b as f64, ours.ties as f64, ours.p];
        for (ours, theirs) in ours.into_iter().zip(numbers(&case["wins"])) {
            oracle.close(ours, theirs, "images won");
        }
    }
}

/// The quantile of sorted numbers as `numpy.percentile` has it.
fn between(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let below = at.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (at - at.floor())
}
