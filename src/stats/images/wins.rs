//! The sign test: in how many images each of two models is the better one.

use super::super::counts::{Counts, Figure};
use super::super::fault::Fault;
use super::pair::Pair;

/// The images that two models won, and how likely such numbers are where both are as good.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wins {
    /// Images in which the first model has the higher figure.
    pub a: usize,
    /// Images in which the second has.
    pub b: usize,
    /// Images in which the figures are the same, or only one model has one. The test leaves them out.
    pub ties: usize,
    /// The two-sided p-value of the exact binomial test.
    pub p: f64,
}

/// The sign test over images: an image is won by the model with the higher figure over the image's counted pixels.
///
/// # Errors
///
/// Where the counts are not of the same images and classes, or too few to say anything.
pub fn wins(a: &Counts, b: &Counts, figure: Figure) -> Result<Wins, Fault> {
    let counted = Pair::new(a, b, figure)?.images();
    let (mut won, mut lost) = (0, 0);
    for image in 0..a.images() {
        if let (Some(a), Some(b)) = (figure.of(a.image(image)), figure.of(b.image(image))) {
            won += usize::from(a > b);
            lost += usize::from(a < b);
        }
    }
    Ok(Wins { a: won, b: lost, ties: counted - won - lost, p: binomial(won.min(lost), won + lost) })
}

/// The two-sided p-value of at most `least` of `all` throws of a fair coin on one side.
fn binomial(least: usize, all: usize) -> f64 {
    // The tail over its last term, and that term with its powers of a half taken in on the way, so that nothing overflows.
    let (mut tail, mut term) = (1.0, 1.0);
    for k in (1..=least).rev() {
        term *= k as f64 / (all - k + 1) as f64;
        tail += term;
    }
    let mut halves = all;
    for k in 1..=least {
        tail *= (all - least + k) as f64 / k as f64;
        while tail > 1.0 && halves > 0 {
            tail /= 2.0;
            halves -= 1;
        }
    }
    (2.0 * tail * 0.5_f64.powi(i32::try_from(halves).unwrap_or(i32::MAX))).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fair_coin_has_its_tails() {
        let close = |ours: f64, theirs: f64| assert!((ours / theirs - 1.0).abs() < 1e-12, "{ours} {theirs}");
        close(binomial(0, 6), 2.0 / 64.0);
        close(binomial(1, 6), 2.0 * 7.0 / 64.0);
        assert_eq!((binomial(3, 6), binomial(0, 0), binomial(3, 7)), (1.0, 1.0, 1.0));
        assert!(binomial(0, 100_000) == 0.0 && binomial(49_000, 100_000) > 0.0);
    }

    #[test]
    fn images_are_won_by_the_higher_figure() {
        let counts = |right: [u64; 8]| {
            let mut counts = Counts::new(2);
            right.iter().for_each(|&right| assert!(counts.push(&[[right, 0, 10 - right], [0, 10 - right, 0]])));
            counts
        };
        let (a, b) = (counts([9, 9, 9, 9, 9, 9, 5, 5]), counts([8, 8, 8, 8, 8, 8, 5, 6]));
        let won = wins(&a, &b, Figure::PixelAccuracy).unwrap();
        assert_eq!((won.a, won.b, won.ties), (6, 1, 1));
        assert!((won.p - 2.0 * 8.0 / 128.0).abs() < 1e-15);
        assert_eq!(wins(&b, &a, Figure::PixelAccuracy).unwrap(), Wins { a: 1, b: 6, ..won });
    }
}
