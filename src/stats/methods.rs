//! Methods: several seeds, and the images that their trained models were validated on.
//!
//! What is estimated is the figure of a method, or the difference of two: the mean over all seeds that could have been taken
//! and over all images of the kind of these. Both the seeds and the images are a sample, and the interval counts both.
//! [`mean`](super::mean) and [`means`](super::means) count the seeds alone, and so speak of exactly these images;
//! [`models`](super::models) counts the images alone, and so speaks of exactly these trained models.

use super::counts::{Counts, Figure};
use super::crossed::{Group, components, effect};
use super::estimate::{Basis, Estimate};
use super::fault::Fault;
use super::values::{Counted, Values, counted};

/// The figure of a method: the mean over seeds, with the interval over seeds and images. `a` holds one trained model a seed.
///
/// # Errors
///
/// For fewer than two seeds, for fewer than six images with counted pixels, and for counts that are not of the same images,
/// labels and classes.
pub fn method(a: &[&Counts], figure: Figure) -> Result<Estimate, Fault> {
    let counted = one(a, figure)?;
    let Values { figures, values, lost } = counted.values().ok_or(Fault::Nothing)?;
    let basis = Basis::SeedsAndImages { of: a.len(), than: None, paired: false, images: counted.images.len() };
    Ok(estimate(&[Group { figures, values }], lost, basis))
}

/// The difference of two methods: the mean over seeds of `a` less that of `b`, with the interval over seeds and images.
/// Where the seeds are shared (`paired`), models of the same seed stand at the same place of `a` and `b`.
///
/// # Errors
///
/// As [`method`], and for shared seeds that are not as many on both sides.
pub fn methods(a: &[&Counts], b: &[&Counts], paired: bool, figure: Figure) -> Result<Estimate, Fault> {
    let counted = two(a, b, paired, figure)?;
    let Values { mut figures, mut values, lost } = counted.values().ok_or(Fault::Nothing)?;
    let than = Group { figures: figures.split_off(a.len()), values: values.split_off(a.len()) };
    let of = Group { figures, values };
    let groups = if paired { vec![less(&of, &than)] } else { vec![of, than] };
    let basis = Basis::SeedsAndImages { of: a.len(), than: Some(b.len()), paired, images: counted.images.len() };
    Ok(estimate(&groups, lost, basis))
}

/// What the models of one method counted.
fn one(a: &[&Counts], figure: Figure) -> Result<Counted, Fault> {
    if a.len() < 2 {
        return Err(Fault::OneSeed);
    }
    counted(a, figure)
}

/// What the models of two methods counted, first those of `a`.
pub(super) fn two(a: &[&Counts], b: &[&Counts], paired: bool, figure: Figure) -> Result<Counted, Fault> {
    if a.len().min(b.len()) < 2 {
        return Err(Fault::OneSeed);
    }
    if paired && a.len() != b.len() {
        return Err(Fault::Unpaired(a.len(), b.len()));
    }
    counted(&[a, b].concat(), figure)
}

/// Seed by seed, and image by image: the one less the other.
fn less(a: &Group, b: &Group) -> Group {
    let less = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<f64>>();
    let values = a.values.iter().zip(&b.values).map(|(a, b)| less(a, b)).collect();
    Group { figures: less(&a.figures, &b.figures), values }
}

fn estimate(groups: &[Group], lost: usize, basis: Basis) -> Estimate {
    let components = components(groups);
    let (spread, measured) = (components.spread(), components.measured());
    Estimate { effect: effect(groups), basis, lost, spread, measured }
}

#[cfg(test)]
mod tests {
    use super::super::estimate::Interval;
    use super::super::made::{Recipe, Side, World};
    use super::super::{means, models};
    use super::*;

    fn world(seed: f64) -> World {
        let recipe = Recipe { classes: 5, images: 400, difficulty: 1.0, taste: 0.5, seed, shared: 0.5, rest: 0.5 };
        World::new(recipe, 7)
    }

    fn trained(world: &World, side: Side, lead: f64, seeds: std::ops::Range<u64>, images: &[u32]) -> Vec<Counts> {
        seeds.map(|seed| world.model(side, lead, seed, images)).collect()
    }

    fn all(counts: &[Counts]) -> Vec<&Counts> {
        counts.iter().collect()
    }

    #[test]
    fn a_method_against_itself_differs_by_nothing() {
        let world = world(0.2);
        let a = trained(&world, Side::A, 0.0, 0..3, &world.draw(40, 0));
        for figure in [Figure::MeanIou, Figure::PixelAccuracy, Figure::Iou(1)] {
            let same = methods(&all(&a), &all(&a), true, figure).unwrap();
            assert_eq!(same.interval(0.95), Interval { low: 0.0, high: 0.0 });
            let apart = methods(&all(&a), &all(&a), false, figure).unwrap();
            assert_eq!((apart.effect, apart.p(0.0)), (0.0, 1.0));
        }
    }

    /// One image is as another where each is there once: then images explain nothing, and what is left are the seeds.
    #[test]
    fn equal_images_leave_the_interval_of_the_seeds() {
        let cells = |right| [[900, 100 - right, 50], [right, 50, 100 - right]];
        let model = |right| {
            let mut counts = Counts::new(2);
            (0..8).for_each(|_| assert!(counts.push(&cells(right))));
            counts
        };
        let a = [60, 66, 71, 58, 63].map(model);
        let estimate = method(&all(&a), Figure::MeanIou).unwrap();
        let figures: Vec<f64> = a.iter().filter_map(|counts| counts.figure(Figure::MeanIou)).collect();
        let (ours, seeds) = (estimate.interval(0.95), super::super::mean(&figures).unwrap().interval(0.95));
        assert!((ours.low - seeds.low).abs() < 1e-12 && (ours.high - seeds.high).abs() < 1e-12);
        assert_eq!(estimate.basis, Basis::SeedsAndImages { of: 5, than: None, paired: false, images: 8 });
    }

    #[test]
    fn what_cannot_be_compared_is_a_fault() {
        let world = world(0.2);
        let images = world.draw(40, 0);
        let a = trained(&world, Side::A, 0.0, 0..3, &images);
        let b = trained(&world, Side::B, 0.0, 0..2, &images);
        let other = trained(&world, Side::B, 0.0, 0..2, &world.draw(40, 1));
        let fewer = trained(&world, Side::B, 0.0, 0..2, &images[1..]);
        let few = trained(&world, Side::B, 0.0, 0..2, &images[..5]);
        let compare = |b: &[Counts], paired| methods(&all(&a), &all(b), paired, Figure::MeanIou).unwrap_err();
        assert_eq!(compare(&b, true), Fault::Unpaired(3, 2));
        assert_eq!(compare(&b[..1], false), Fault::OneSeed);
        assert!(matches!(compare(&other, false), Fault::Labels(_)));
        assert_eq!(compare(&fewer, false), Fault::Images(40, 39));
        assert_eq!(compare(&[Counts::new(3), Counts::new(3)], false), Fault::Classes(5, 3));
        assert_eq!(method(&all(&few), Figure::PixelAccuracy).unwrap_err(), Fault::FewImages(5, 6));
        assert_eq!(method(&all(&a), Figure::Iou(9)).unwrap_err(), Fault::Absent(9));
        assert_eq!(method(&[], Figure::MeanIou).unwrap_err(), Fault::OneSeed);
    }

    /// A class that lies in one image only is missing where that image is left out: the interval is the wider for it.
    #[test]
    fn a_class_of_one_image_is_said_and_widens() {
        let model = |seed: u64, rare: bool| {
            let mut counts = Counts::new(3);
            for image in 0..12 {
                let right = 60 + (seed * 7 + image * 5) % 11;
                let third = if rare && image == 0 { [5, 0, 40] } else { [0; 3] };
                assert!(counts.push(&[[900, 100 - right, 50], [right, 50, 100 - right], third]));
            }
            counts
        };
        let of = |rare| method(&all(&[0, 1, 2, 3].map(|seed| model(seed, rare))), Figure::MeanIou).unwrap();
        let (with, without) = (of(true), of(false));
        assert_eq!((with.lost, without.lost), (1, 0));
        let width = |estimate: &Estimate| estimate.interval(0.95).high - estimate.interval(0.95).low;
        assert!(width(&with) > 3.0 * width(&without), "{} and {}", width(&with), width(&without));
    }

    /// Two methods with shared seeds, the second once more with seeds of its own, all on the images of one draw.
    fn run(world: &World, run: u64) -> [Vec<Counts>; 3] {
        let images = world.draw(60, run);
        [(Side::A, 0), (Side::B, 0), (Side::B, 50)].map(|(side, from)| {
            let from = 100 * run + from;
            trained(world, side, 0.0, from..from + 4, &images)
        })
    }

    fn holds(estimate: Result<Estimate, Fault>) -> u32 {
        let Interval { low, high } = estimate.unwrap().interval(0.95);
        u32::from(low <= 0.0 && 0.0 <= high)
    }

    /// Of intervals over seeds and images, about 95 in 100 hold the true difference of 0. Those over seeds alone speak of
    /// these images, and hold it far less often where images matter.
    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        let count = |world: &World| {
            let mut held = [0; 3];
            for run in (0..200).map(|at| run(world, at)) {
                let [a, b, c] = run.each_ref().map(|counts| all(counts));
                let figures =
                    |of: &[&Counts]| of.iter().filter_map(|it| it.figure(Figure::MeanIou)).collect::<Vec<f64>>();
                held[0] += holds(methods(&a, &b, true, Figure::MeanIou));
                held[1] += holds(methods(&a, &c, false, Figure::MeanIou));
                held[2] += holds(means(&figures(&a), &figures(&b), true));
            }
            held
        };
        let [paired, apart, seeds] = count(&world(0.02));
        assert!((182..=198).contains(&paired) && (182..=198).contains(&apart), "{paired} {apart}");
        assert!(seeds < 170, "{seeds}");
        let [paired, apart, _] = count(&world(0.5));
        assert!((182..=198).contains(&paired) && (182..=198).contains(&apart), "{paired} {apart}");
    }

    /// Where seeds differ much, what two trained models say is no word about their methods.
    #[test]
    fn two_trained_models_do_not_speak_for_their_methods() {
        let world = world(0.5);
        let held: u32 = (0..25)
            .map(|at| {
                let [a, b, _] = run(&world, at);
                holds(models(&a[0], &b[0], Figure::MeanIou, at))
            })
            .sum();
        assert!(held < 20, "{held} of 25");
    }
}
