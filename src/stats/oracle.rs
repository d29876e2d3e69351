//! Holds statistics against numbers of numpy, scipy and statsmodels, which `.ci/stats_numbers.py` computes from the definitions.
//!
//! The recorded ones lie in `tests/golden/statistics.json`. `.ci/stats` draws others and names their file in
//! `REPRO_STATISTICS`. `cargo test --release --lib oracle:: -- --nocapture` says how many numbers were compared.

use serde_json::Value;

use super::estimate::{Estimate, Interval};
use super::verdict::Statement;
use super::{Counts, Figure, holm, mean, means, method, methods, noncentral};

/// Numbers to compare with, and how many were.
pub(in crate::stats) struct Oracle {
    pub numbers: Value,
    compared: usize,
}

impl Oracle {
    /// The numbers of one part.
    pub fn new(part: &str) -> Self {
        let text = match std::env::var_os("REPRO_STATISTICS") {
            Some(path) => std::fs::read_to_string(path).unwrap(),
            None => include_str!("../../tests/golden/statistics.json").to_owned(),
        };
        let mut numbers: Value = serde_json::from_str(&text).unwrap();
        Oracle { numbers: numbers[part].take(), compared: 0 }
    }

    /// Takes two numbers as equal that differ by 1e-12 of their size. A number below 0.001 counts as that large.
    pub fn close(&mut self, ours: f64, theirs: f64, what: &str) {
        let size = theirs.abs().max(1e-3);
        assert!(ours == theirs || (ours - theirs).abs() <= 1e-12 * size, "{what}: {ours} is not {theirs}");
        self.compared += 1;
    }

    /// The ends of intervals of some levels. An end that is none is infinite.
    pub fn intervals(&mut self, ours: impl Fn(f64) -> Interval, theirs: &Value, what: &str) {
        for row in items(theirs) {
            let level = number(&row[0]);
            let Interval { low, high } = ours(level);
            self.close(low, row[1].as_f64().unwrap_or(f64::NEG_INFINITY), &format!("{what}, low end of {level}"));
            self.close(high, row[2].as_f64().unwrap_or(f64::INFINITY), &format!("{what}, high end of {level}"));
        }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        println!("compared {} numbers", self.compared);
    }
}

pub(in crate::stats) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

pub(in crate::stats) fn items(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

pub(in crate::stats) fn numbers(value: &Value) -> Vec<f64> {
    items(value).iter().map(number).collect()
}

/// The counts of a list of images, each a list of cells.
pub(in crate::stats) fn counts(value: &Value) -> Counts {
    let images: Vec<Vec<[u64; 3]>> = serde_json::from_value(value.clone()).unwrap();
    let mut counts = Counts::new(images[0].len());
    images.iter().for_each(|image| assert!(counts.push(image)));
    counts
}

#[test]
fn seeds_are_compared_as_scipy_and_statsmodels_do() {
    let mut oracle = Oracle::new("seeds");
    let all = oracle.numbers.take();
    for test in items(&all["tests"]) {
        let (a, b, paired) = (numbers(&test["a"]), numbers(&test["b"]), test["paired"].as_bool().unwrap());
        let what = format!("{} and {} seeds, paired {paired}", a.len(), b.len());
        let estimate = means(&a, &b, paired).unwrap();
        oracle.close(estimate.effect, number(&test["effect"]), &what);
        oracle.close(estimate.p(0.0), number(&test["p"]), &what);
        oracle.intervals(|level| estimate.interval(level), &test["intervals"], &what);
        for tost in items(&test["tost"]).iter().map(numbers) {
            oracle.close(estimate.equivalent(tost[0], tost[1]), tost[2], &format!("{what}, equivalence"));
        }
    }
    let estimate = mean(&numbers(&all["mean"]["a"])).unwrap();
    oracle.close(estimate.p(number(&all["mean"]["bound"])), number(&all["mean"]["p"]), "one mean");
    oracle.intervals(|level| estimate.interval(level), &all["mean"]["intervals"], "one mean");
    for family in items(&all["holm"]) {
        let corrected = holm(&numbers(&family["p"]), 0.05);
        for (ours, theirs) in corrected.iter().zip(numbers(&family["adjusted"])) {
            oracle.close(ours.p, theirs, "Holm");
        }
    }
    for power in items(&all["power"]) {
        let (a, margin, alpha) = (numbers(&power["a"]), number(&power["margin"]), number(&power["alpha"]));
        let none = vec![0.0; a.len()];
        for (estimate, key) in [(means(&a, &none, true).unwrap(), "paired"), (means(&a, &a, false).unwrap(), "apart")] {
            let settles = estimate.settles(Statement::Greater(0.0), margin, alpha).seeds;
            let theirs = number(&power[key]).ceil().max(2.0);
            oracle.close(f64::from(settles.unwrap()), theirs, &format!("power, {key}, margin {margin}, level {alpha}"));
        }
    }
    for row in items(&all["noncentral"]).iter().map(numbers) {
        let ours = noncentral::below(row[0], row[1], row[2]);
        oracle.close(ours, row[3], &format!("noncentral t at {:?}", &row[..3]));
    }
}

#[test]
fn seeds_and_images_have_the_components_of_an_analysis_of_variance() {
    let mut oracle = Oracle::new("crossed");
    for case in items(&oracle.numbers.take()) {
        let of = |key: &str| items(&case[key]).iter().map(counts).collect::<Vec<Counts>>();
        let (a, b, paired) = (of("a"), of("b"), case["paired"].as_bool().unwrap());
        let (a, b): (Vec<&Counts>, Vec<&Counts>) = (a.iter().collect(), b.iter().collect());
        let what = format!("{} and {} seeds with images, paired {paired}", a.len(), b.len());
        let single = b.is_empty();
        let estimate: Estimate =
            if single { method(&a, Figure::MeanIou) } else { methods(&a, &b, paired, Figure::MeanIou) }.unwrap();
        for ((ours, theirs), seeds) in
            estimate.measured.seeds.iter().zip(numbers(&case["seeds"])).zip([a.len(), b.len()])
        {
            oracle.close(ours / seeds as f64, theirs, &what);
        }
        oracle.close(estimate.measured.images, number(&case["images"]), &what);
        oracle.close(estimate.effect, number(&case["effect"]), &what);
        if let Some(p) = case["p"].as_f64() {
            oracle.close(estimate.p(0.0), p, &what);
        }
        oracle.intervals(|level| estimate.interval(level), &case["intervals"], &what);
    }
}
