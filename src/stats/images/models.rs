//! Two trained models on the same images, with all that images say of their difference.

use super::super::counts::{Counts, Figure};
use super::super::estimate::{Basis, Estimate, Measured, Spread};
use super::super::fault::Fault;
use super::bootstrap::{RESAMPLES, bootstrap};
use super::flips;
use super::jackknife::jackknife;
use super::pair::{Difference, Pair, difference};
use super::resampled::Resampled;

/// The difference of two trained models' figures over the same images: `a` less `b`. It speaks of these two models, not of
/// the methods that they were trained with.
///
/// Images are drawn with replacement, for both models alike. The interval is the wider one of the percentile interval and
/// BCa, both widened where few images carry the difference, and it holds 0 where the sign-flip test does not reject "no difference"; p-values agree
/// with it. Where the models have the same counts in every image, the interval is `[0, 0]`.
///
/// # Errors
///
/// Where the counts are not of the same images, labels and classes; where fewer than six images have counted pixels; where
/// a class has no true pixels and the figure depends on it.
pub fn models(a: &Counts, b: &Counts, figure: Figure, seed: u64) -> Result<Estimate, Fault> {
    models_with(a, b, figure, seed, RESAMPLES)
}

/// What [`models`] gives, from another number of resamples. Fewer give larger p-values.
///
/// # Errors
///
/// Those of [`models`].
pub fn models_with(a: &Counts, b: &Counts, figure: Figure, seed: u64, resamples: usize) -> Result<Estimate, Fault> {
    let pair = &Pair::new(a, b, figure)?;
    let Difference { effect, ratios } = difference(pair.sums().iter().copied()).ok_or(Fault::Nothing)?;
    let images = pair.images();
    let basis = Basis::Images { images, resamples };
    if pair.swaps().images() == 0 {
        return Ok(Estimate { effect: 0.0, basis, lost: 0, spread: Spread::None, measured: Measured::default() });
    }
    let drawn = bootstrap(pair, seed, resamples);
    let lost = drawn.iter().filter(|it| it.is_none_or(|it| it.ratios < ratios)).count();
    let effects = drawn.into_iter().map(|it| it.map(|it| it.effect)).collect();
    let spread = Resampled::new(effect, effects, jackknife(pair), flips::p(pair, seed, resamples));
    Ok(Estimate { effect, basis, lost, spread: Spread::Resampled(spread), measured: Measured::default() })
}

#[cfg(test)]
mod tests {
    use super::super::super::estimate::Interval;
    use super::*;
    use crate::rng::Rng;
    use proptest::prelude::*;

    /// Two models on made images of some classes, a few of them in each image.
    fn made(images: usize, classes: usize, lead: u32) -> (Counts, Counts) {
        let (mut a, mut b) = (Counts::new(classes), Counts::new(classes));
        for image in 0..images {
            let mut rng = Rng::new(1, "made", image as u64);
            let mut cells = [vec![[0; 3]; classes], vec![[0; 3]; classes]];
            for class in 0..classes {
                if class > 0 && rng.below(3) > 0 {
                    continue;
                }
                let truth = 200 + rng.below(2000);
                let both = rng.below(truth / 2);
                for (cells, more) in cells.iter_mut().zip([lead, 0]) {
                    let wrong = (both + rng.below(100)).saturating_sub(more);
                    cells[class][0] += u64::from(truth - wrong);
                    cells[class][2] += u64::from(wrong);
                    cells[(class + 1) % classes][1] += u64::from(wrong);
                }
            }
            assert!(a.push(&cells[0]) && b.push(&cells[1]));
        }
        (a, b)
    }

    #[test]
    fn a_model_against_itself_differs_by_nothing() {
        let (a, _) = made(20, 4, 0);
        let same = models(&a, &a, Figure::MeanIou, 1).unwrap();
        assert_eq!((same.effect, same.interval(0.95)), (0.0, Interval { low: 0.0, high: 0.0 }));
        assert_eq!((same.p(0.0), same.p(1e-9)), (1.0, 0.0));
    }

    #[test]
    fn the_difference_is_that_of_the_figures_and_its_interval_agrees_with_its_p_values() {
        let (a, b) = made(40, 5, 20);
        for figure in [Figure::MeanIou, Figure::PixelAccuracy, Figure::Iou(2)] {
            let estimate = models(&a, &b, figure, 1).unwrap();
            assert_eq!(estimate.effect, a.figure(figure).unwrap() - b.figure(figure).unwrap());
            for level in [0.5, 0.9, 0.95, 0.99] {
                let Interval { low, high } = estimate.interval(level);
                assert!(low < estimate.effect && estimate.effect < high, "{low} {high}");
                for (bound, inside) in [(low, true), (high, true), (low - 1e-9, false), (high + 1e-9, false)] {
                    assert_eq!(estimate.p(bound) >= 1.0 - level, inside, "{figure:?} {level} {bound}");
                }
            }
            // Ten thousand resamples say nothing of one in a million.
            let Interval { low, high } = estimate.interval(1.0 - 1e-6);
            assert_eq!((low, high), (f64::NEG_INFINITY, f64::INFINITY));
            assert!(estimate.p(-1.0) >= 2.0 / 10_001.0);
        }
    }

    #[test]
    fn swapping_the_models_mirrors_what_is_said() {
        let (a, b) = made(30, 4, 10);
        let (there, back) = (models(&a, &b, Figure::MeanIou, 3).unwrap(), models(&b, &a, Figure::MeanIou, 3).unwrap());
        assert_eq!((there.effect, there.lost), (-back.effect, back.lost));
        for level in [0.9, 0.95, 0.999] {
            let (there, back) = (there.interval(level), back.interval(level));
            assert_eq!((there.low, there.high), (-back.high, -back.low));
        }
        for bound in [0.0, 0.001, 0.01, -0.02] {
            assert_eq!(there.p(bound), back.p(-bound));
        }
    }

    #[test]
    fn any_number_of_threads_gives_the_same() {
        let (a, b) = made(50, 4, 5);
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| models(&a, &b, Figure::MeanIou, 7).unwrap())
        };
        let one = with(1);
        assert!(one == with(2) && one == with(3));
        assert_ne!(one, models(&a, &b, Figure::MeanIou, 8).unwrap(), "the seed matters");
    }

    #[test]
    fn images_without_counted_pixels_change_nothing() {
        let (mut a, mut b) = made(30, 4, 10);
        let before = models(&a, &b, Figure::MeanIou, 3).unwrap();
        assert!(a.push(&[[0; 3]; 4]) && b.push(&[[0; 3]; 4]));
        assert_eq!(models(&a, &b, Figure::MeanIou, 3).unwrap(), before);
    }

    #[test]
    fn a_difference_that_every_image_has_is_found_and_one_that_is_not_there_is_not() {
        let (a, b) = made(60, 4, 60);
        let better = models(&a, &b, Figure::MeanIou, 1).unwrap();
        assert!(better.interval(0.95).low > 0.0 && better.p(0.0) < 0.01, "{:?}", better.interval(0.95));
        let (a, b) = made(80, 4, 0);
        let alike = models(&a, &b, Figure::MeanIou, 1).unwrap();
        assert!(alike.interval(0.95).low <= 0.0 && alike.p(0.0) > 0.05, "{:?}", alike.interval(0.95));
    }

    #[test]
    fn a_class_of_one_image_is_lost_by_a_third_of_the_resamples() {
        let (mut a, mut b) = (Counts::new(3), Counts::new(3));
        for image in 0..20 {
            let rare = u64::from(image == 4) * 50;
            assert!(a.push(&[[90 + image, 0, 10], [70, 10, 0], [rare, 0, 5 * rare]]));
            assert!(b.push(&[[80 + image, 0, 20], [70, 20, 0], [rare, 0, 5 * rare]]));
        }
        let estimate = models(&a, &b, Figure::MeanIou, 1).unwrap();
        // (1 - 1 / 20)^20 of 10,000.
        assert!((3_450..3_720).contains(&estimate.lost), "{}", estimate.lost);
        assert_eq!(models(&a, &b, Figure::PixelAccuracy, 1).unwrap().lost, 0);
        assert_eq!(models(&a, &b, Figure::Iou(2), 1), Err(Fault::FewImages(1, 6)));
    }

    #[test]
    fn what_cannot_be_compared_is_a_fault() {
        let counts = |classes, cells: &[&[[u64; 3]]]| {
            let mut counts = Counts::new(classes);
            cells.iter().for_each(|cells| assert!(counts.push(cells)));
            counts
        };
        let compare = |a: &Counts, b: &Counts| models(a, b, Figure::MeanIou, 1).unwrap_err();
        let (a, b) = made(10, 3, 0);
        assert_eq!(compare(&a, &made(9, 3, 0).1), Fault::Images(10, 9));
        assert_eq!(compare(&a, &made(10, 4, 0).1), Fault::Classes(3, 4));
        assert_eq!(compare(&made(5, 3, 0).0, &made(5, 3, 0).1), Fault::FewImages(5, 6));
        assert_eq!(compare(&Counts::new(3), &Counts::new(3)), Fault::Nothing);
        let image: &[[u64; 3]] = &[[5, 1, 0], [4, 0, 1], [0; 3]];
        let other: &[[u64; 3]] = &[[5, 1, 1], [4, 1, 1], [0; 3]];
        assert_eq!(compare(&counts(3, &[image, image]), &counts(3, &[image, other])), Fault::Labels(1));
        let stray: &[[u64; 3]] = &[[5, 1, 0], [3, 0, 2], [0, 1, 0]];
        assert_eq!(compare(&counts(3, &[image; 8]), &counts(3, &[stray; 8])), Fault::Class(2));
        assert_eq!(models(&counts(3, &[stray; 8]), &counts(3, &[stray; 8]), Figure::Iou(2), 1), Err(Fault::Absent(2)));
        assert_eq!(models(&a, &b, Figure::Iou(3), 1), Err(Fault::Absent(3)));
    }

    /// Two models on made images with these true pixels, of which these shares are wrong. A wrong pixel goes to the next class.
    fn counted(images: &[Vec<(u64, u64, u64)>]) -> (Counts, Counts) {
        let classes = images[0].len();
        let (mut a, mut b) = (Counts::new(classes), Counts::new(classes));
        for image in images {
            for (counts, model) in [(&mut a, 0), (&mut b, 1)] {
                let mut cells = vec![[0; 3]; classes];
                for (class, &(truth, of_a, of_b)) in image.iter().enumerate() {
                    let wrong = [of_a, of_b][model].min(truth);
                    cells[class][0] += truth - wrong;
                    cells[class][2] += wrong;
                    cells[(class + 1) % classes][1] += wrong;
                }
                assert!(counts.push(&cells));
            }
        }
        (a, b)
    }

    fn images() -> impl Strategy<Value = Vec<Vec<(u64, u64, u64)>>> {
        let pixels = prop_oneof![Just(0_u64), 1_u64..60];
        let class = (pixels, 0_u64..20, 0_u64..20);
        (1_usize..5)
            .prop_flat_map(move |classes| prop::collection::vec(prop::collection::vec(class.clone(), classes), 6..24))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_said_is_the_same_from_both_sides_and_at_every_level(
            images in images(), figure in 0_usize..3, level in 0.01_f64..0.999, bounds in prop::collection::vec(-0.3_f64..0.3, 5),
        ) {
            let (mut a, mut b) = counted(&images);
            let figure = [Figure::MeanIou, Figure::PixelAccuracy, Figure::Iou(0)][figure];
            let there = models_with(&a, &b, figure, 1, 200);
            let back = models_with(&b, &a, figure, 1, 200);
            assert!(a.push(&vec![[0; 3]; a.classes()]) && b.push(&vec![[0; 3]; b.classes()]));
            prop_assert_eq!(&models_with(&a, &b, figure, 1, 200), &there, "an image without counted pixels");
            let (there, back) = match (there, back) {
                (Ok(there), Ok(back)) => (there, back),
                (there, back) => {
                    prop_assert_eq!(there, back);
                    return Ok(());
                }
            };
            prop_assert_eq!(there.effect, -back.effect);
            let Interval { low, high } = there.interval(level);
            prop_assert_eq!(Interval { low, high }, Interval { low: -back.interval(level).high, high: -back.interval(level).low });
            prop_assert!(low <= there.effect && there.effect <= high);
            for bound in bounds.into_iter().chain([0.0, low, high]) {
                let p = there.p(bound);
                prop_assert_eq!(p, back.p(-bound));
                prop_assert!((0.0..=1.0).contains(&p));
                prop_assert!(bound.is_infinite() || (p >= 1.0 - level) == (low <= bound && bound <= high), "{bound}: {p}");
            }
        }
    }
}
