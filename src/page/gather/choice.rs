//! Which images are shown: a rule, and no taste.
//!
//! Invariants:
//! - what is chosen depends on the counts and the names of the images alone;
//! - of images with equal figures the first by name is taken;
//! - no image is shown twice.

/// An image that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Its place in the list.
    pub image: usize,
    /// Why it is here.
    pub why: Why,
}

/// Why an image is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The two models differ most, and the first is better.
    FirstBetter,
    /// The two models differ most, and the second is better.
    SecondBetter,
    /// Its mean IoU is among the greatest.
    Best,
    /// It is among the smallest.
    Worst,
    /// It is in the middle.
    Median,
}

/// Chooses up to `count` images. `figures` has the mean IoU of each image for each model that is shown, none where no pixel of the
/// image counts. Where there are two models or more, the first two are compared.
///
/// A quarter each are those where the two differ most, the best, the worst, and those in the middle; what is left over by the
/// division goes to the first. With one model it is a third each. They stand in this order, the most extreme first. Where the
/// two differ in fewer images than that, there are more of the best.
pub(super) fn choose(figures: &[Vec<Option<f64>>], count: usize) -> Vec<Chosen> {
    let images = figures.first().map_or(0, Vec::len);
    let of = |image: usize| -> Option<Vec<f64>> { figures.iter().map(|model| model[image]).collect() };
    let seen: Vec<(usize, Vec<f64>)> = (0..images).filter_map(|image| Some((image, of(image)?))).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let by_mean = |descending: bool| {
        let mut order: Vec<(f64, usize)> = seen.iter().map(|(image, values)| (mean(values), *image)).collect();
        order.sort_by(|a, b| {
            let first = if descending { b.0.total_cmp(&a.0) } else { a.0.total_cmp(&b.0) };
            first.then(a.1.cmp(&b.1))
        });
        order
    };
    let two = figures.len() > 1;
    let share = count / if two { 4 } else { 3 };
    let mut chosen: Vec<Chosen> = Vec::new();
    let mut take = |candidates: Vec<(usize, Why)>, most: usize| -> usize {
        let before = chosen.len();
        for (image, why) in candidates {
            if chosen.len() - before == most {
                break;
            }
            if chosen.iter().all(|other| other.image != image) {
                chosen.push(Chosen { image, why });
            }
        }
        chosen.len() - before
    };
    let mut differing = 0;
    if two {
        let mut order: Vec<(f64, usize)> = seen.iter().map(|(image, values)| (values[0] - values[1], *image)).collect();
        order.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()).then(a.1.cmp(&b.1)));
        let why = |difference: f64| if difference > 0.0 { Why::FirstBetter } else { Why::SecondBetter };
        // Where nothing differs, no image shows a difference.
        let differ = order.into_iter().filter(|(difference, _)| *difference != 0.0);
        differing = take(differ.map(|(difference, image)| (image, why(difference))).collect(), count - 3 * share);
    }
    let best = by_mean(true);
    take(best.iter().map(|(_, image)| (*image, Why::Best)).collect(), count - 2 * share - differing);
    take(by_mean(false).iter().map(|(_, image)| (*image, Why::Worst)).collect(), share);
    let middle = best.len().saturating_sub(1) as f64 / 2.0;
    let mut median: Vec<usize> = (0..best.len()).collect();
    median.sort_by(|a, b| (*a as f64 - middle).abs().total_cmp(&(*b as f64 - middle).abs()).then(a.cmp(b)));
    take(median.into_iter().map(|place| (best[place].1, Why::Median)).collect(), share);
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(chosen: &[Chosen]) -> Vec<(usize, Why)> {
        chosen.iter().map(|chosen| (chosen.image, chosen.why)).collect()
    }

    #[test]
    fn two_models_show_where_they_differ_then_the_best_the_worst_and_the_middle() {
        let first = [0.9, 0.1, 0.5, 0.6, 0.7, 0.4, 0.3, 0.2].map(Some).to_vec();
        let second = [0.9, 0.1, 0.5, 0.2, 0.7, 0.9, 0.3, 0.2].map(Some).to_vec();
        let chosen = choose(&[first, second], 5);
        assert_eq!(
            places(&chosen),
            [(5, Why::SecondBetter), (3, Why::FirstBetter), (0, Why::Best), (1, Why::Worst), (2, Why::Median)]
        );
    }

    #[test]
    fn ties_go_to_the_first_name_and_no_image_stands_twice() {
        let same = vec![Some(0.5); 4];
        assert_eq!(
            places(&choose(&[same.clone(), same.clone()], 4)),
            [(0, Why::Best), (1, Why::Best), (2, Why::Worst), (3, Why::Median)],
            "nothing differs"
        );
        assert_eq!(places(&choose(&[same.clone(), same.clone()], 1)), [(0, Why::Best)], "nothing differs");
        assert_eq!(places(&choose(&[same], 9)).len(), 4, "there are no more");
    }

    #[test]
    fn one_model_has_thirds_and_images_without_counted_pixels_are_left_out() {
        let figures = vec![Some(0.1), None, Some(0.9), Some(0.5), Some(0.4)];
        let chosen = choose(&[figures], 3);
        assert_eq!(places(&chosen), [(2, Why::Best), (0, Why::Worst), (3, Why::Median)]);
        assert!(choose(&[], 3).is_empty() && choose(&[vec![None]], 3).is_empty());
    }
}
