//! Seeds crossed with images: variance components, and the interval that they give.
//!
//! The model is `value = mean + seed + image + rest`, all but the mean random: the seeds stand for all seeds that could have
//! been taken, the images for all images of their kind. The mean of S seeds and I images then has the variance
//!
//! ```text
//! seed / S + rest / (S I)  +  image / I
//! ```
//!
//! The first two terms are together the variance between the seeds' figures over S, which is measured as it stands. The third
//! is the variance between the images' means over I, less the rest in it; where chance makes that negative, it is 0 (Searle,
//! Casella, McCulloch: "Variance components", 1992, chapter 4). Two methods with seeds of their own add up what each
//! has; images are shared, so that the third term is that of the differences.
//!
//! The interval is that of Student's t with Satterthwaite's degrees of freedom ("An approximate distribution of estimates of
//! variance components", 1946). With two or three seeds that interval is too narrow where seeds and images both matter (by
//! simulation it holds the truth in 87 and 92 % of cases). Then the quantile is the mean of the terms' own quantiles: weighted by
//! the terms with two seeds, as Cochran and Cox do, and by their squares with three (95 to 98 %, 95 to 96 %).

use super::estimate::{Measured, Spread};
use super::mixed::Mixed;
use super::sample::{mean, variance};

/// The seeds of a method: its figures, and the value of each seed and image.
#[derive(Debug)]
pub(super) struct Group {
    /// The figure of each seed.
    pub figures: Vec<f64>,
    /// The values of each seed, one an image.
    pub values: Vec<Vec<f64>>,
}

/// The variance of the groups' sum or difference, by what it comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Components {
    /// Of the seeds of each group, with the degrees of freedom.
    pub seeds: Vec<Term>,
    /// Of the images; 0 where it is not above what the rest explains.
    pub images: f64,
    /// The mean squares of which `images` is made: that of the images, and those of the rest. None where it is 0.
    squares: Vec<Term>,
    /// How much of the seeds' variances the rest is.
    rests: Vec<f64>,
    /// The degrees of freedom of the images.
    image_freedom: f64,
}

/// A variance and its degrees of freedom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Term {
    pub variance: f64,
    pub freedom: f64,
}

/// The components of one group, or of the difference of two. Each has at least two seeds, and two images.
pub(super) fn components(groups: &[Group]) -> Components {
    let images = groups[0].values[0].len();
    let means: Vec<Vec<f64>> = groups.iter().map(|group| column_means(&group.values)).collect();
    let differences: Vec<f64> = match &means[..] {
        [one] => one.clone(),
        [one, other, ..] => one.iter().zip(other).map(|(a, b)| a - b).collect(),
        [] => Vec::new(),
    };
    let seeds = groups.iter().map(|group| over(variance(&group.figures), group.figures.len())).collect();
    let between = over(variance(&differences), images);
    let rests: Vec<Term> = groups.iter().zip(&means).map(|(group, means)| rest(group, means)).collect();
    let left = between.variance - rests.iter().map(|rest| rest.variance).sum::<f64>();
    let rest = rests.iter().map(|rest| rest.variance).collect();
    let squares = if left > 0.0 { [vec![between], rests].concat() } else { Vec::new() };
    Components { seeds, images: left.max(0.0), squares, rests: rest, image_freedom: between.freedom }
}

impl Components {
    /// How an estimate with these components spreads.
    pub fn spread(&self) -> Spread {
        let images = Term { variance: self.images, freedom: self.image_freedom };
        spread(&self.seeds, images, &self.squares, weighting(&self.seeds))
    }

    /// What the components tell of other numbers of seeds and images.
    pub fn measured(&self) -> Measured {
        let over = |(term, rest): (&Term, &f64)| {
            let seeds = term.freedom + 1.0;
            (term.variance * seeds, rest * seeds)
        };
        let (seeds, rests) = self.seeds.iter().zip(&self.rests).map(over).unzip();
        Measured { seeds, rests, images: self.images }
    }
}

/// Where seeds are too few for Satterthwaite: to what power the terms weigh their quantiles.
pub(super) fn weighting(seeds: &[Term]) -> Option<i32> {
    let least = seeds.iter().map(|term| term.freedom + 1.0).fold(f64::INFINITY, f64::min);
    if least < 3.0 {
        Some(1)
    } else if seeds.len() == 1 && least < 4.0 {
        Some(2)
    } else {
        None
    }
}

/// How an estimate spreads whose variance is that of seeds and images. `squares` are the mean squares that the images'
/// variance is made of.
pub(super) fn spread(seeds: &[Term], images: Term, squares: &[Term], weighting: Option<i32>) -> Spread {
    let variance = seeds.iter().map(|term| term.variance).sum::<f64>() + images.variance;
    if variance <= 0.0 {
        return Spread::None;
    }
    let error = variance.sqrt();
    match weighting {
        Some(power) => {
            // Only the shares matter; one of them is large, so that powers of them do not all vanish.
            let weight = |term: &Term| ((term.variance / variance).powi(power), term.freedom);
            Spread::Mixed(Mixed { error, terms: seeds.iter().chain([&images]).map(weight).collect() })
        }
        None => Spread::T { error, freedom: satterthwaite(variance, seeds.iter().chain(squares)) },
    }
}

/// Satterthwaite's degrees of freedom of a variance that is made of terms.
pub(super) fn satterthwaite<'a>(variance: f64, terms: impl Iterator<Item = &'a Term>) -> f64 {
    variance * variance / terms.map(|term| term.variance * term.variance / term.freedom).sum::<f64>()
}

/// The rest of a group, as it enters the variance of its mean: what seed and image do not explain.
fn rest(group: &Group, images: &[f64]) -> Term {
    let (s, n) = (group.values.len() as f64, images.len() as f64);
    let mean = images.iter().sum::<f64>() / n;
    let squares: f64 = group
        .values
        .iter()
        .map(|values| {
            let seed = values.iter().sum::<f64>() / n;
            let rest = values.iter().zip(images).map(|(value, image)| value - seed - image + mean);
            rest.map(|rest| rest * rest).sum::<f64>()
        })
        .sum();
    let freedom = (s - 1.0) * (n - 1.0);
    Term { variance: squares / freedom / (s * n), freedom }
}

fn over(variance: f64, n: usize) -> Term {
    Term { variance: variance / n as f64, freedom: n as f64 - 1.0 }
}

/// The mean over seeds of each image.
fn column_means(values: &[Vec<f64>]) -> Vec<f64> {
    let mut sums = vec![0.0; values[0].len()];
    for values in values {
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }
    sums.iter().map(|sum| sum / values.len() as f64).collect()
}

/// The effect of one group, or of the difference of two.
pub(super) fn effect(groups: &[Group]) -> f64 {
    match groups {
        [one, other] => mean(&one.figures) - mean(&other.figures),
        _ => mean(&groups[0].figures),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(values: &[[f64; 4]]) -> Group {
        let values: Vec<Vec<f64>> = values.iter().map(|values| values.to_vec()).collect();
        Group { figures: values.iter().map(|values| mean(values)).collect(), values }
    }

    const A: [[f64; 4]; 3] = [[3.0, 5.0, 8.0, 2.0], [4.0, 5.5, 9.0, 1.0], [2.5, 6.0, 7.0, 3.5]];
    const B: [[f64; 4]; 4] = [[2.0, 5.0, 4.0, 2.0], [1.0, 4.5, 6.0, 1.5], [2.0, 4.0, 5.0, 0.5], [3.0, 3.5, 5.5, 2.5]];

    /// The mean squares of seeds, images and the rest by statsmodels 0.15: `anova_lm(ols("y ~ C(seed) + C(image)", data).fit())`.
    const SQUARES_OF_A: [f64; 3] = [0.145_833_333_333_333, 20.298_611_111_111_1, 1.090_277_777_777_78];
    const SQUARES_OF_B: [f64; 3] = [0.375, 11.625, 0.722_222_222_222_222];

    #[test]
    fn components_are_those_of_the_analysis_of_variance() {
        let components = components(&[group(&A)]);
        let [seeds, images, rest] = SQUARES_OF_A.map(|square| square / 12.0);
        assert!((components.seeds[0].variance - seeds).abs() < 1e-12);
        assert!((components.images - (images - rest)).abs() < 1e-12);
        assert_eq!(components.seeds[0].freedom, 2.0);
    }

    /// With more seeds the degrees of freedom are Satterthwaite's, from the mean squares of statsmodels.
    #[test]
    fn degrees_of_freedom_are_those_of_satterthwaite() {
        let components = components(&[group(&B)]);
        let [seeds, images, rest] = SQUARES_OF_B.map(|square| square / 16.0);
        let variance = seeds + images - rest;
        let freedom = variance * variance / (seeds * seeds / 3.0 + images * images / 3.0 + rest * rest / 9.0);
        let Spread::T { error, freedom: ours } = components.spread() else { panic!("{components:?}") };
        assert!((error - variance.sqrt()).abs() < 1e-12 && (ours - freedom).abs() < 1e-10, "{ours} is not {freedom}");
    }

    #[test]
    fn images_that_explain_no_more_than_chance_add_nothing() {
        let chance = group(&[[1.0, 2.0, 3.0, 4.0], [4.5, 3.0, 2.0, 1.0], [2.0, 2.0, 2.0, 2.5], [3.0, 2.5, 2.5, 2.0]]);
        let components = components(&[chance]);
        assert_eq!(components.images, 0.0);
        let Spread::T { freedom, .. } = components.spread() else { panic!("{components:?}") };
        assert!((freedom - 3.0).abs() < 1e-12, "those of the seeds: {freedom}");
    }

    #[test]
    fn two_methods_add_their_seeds_and_share_the_images() {
        let both = components(&[group(&A), group(&B)]);
        let (a, b) = (components(&[group(&A)]), components(&[group(&B)]));
        assert_eq!(both.seeds, [a.seeds[0], b.seeds[0]]);
        assert!(both.images < a.images + b.images, "what images do to both is no difference");
        assert_eq!(effect(&[group(&A), group(&B)]), mean(&group(&A).figures) - mean(&group(&B).figures));
    }
}
