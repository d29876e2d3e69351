//! One trained model: how sure its figure is, over images of the kind of these.

use super::super::counts::{Counts, Figure};
use super::super::estimate::{Basis, Estimate, Measured, Spread};
use super::super::fault::{Fault, LEAST_IMAGES};
use super::jackknife;

/// The figure of one trained model, with the interval over images: that of Student's t with the standard error and the degrees
/// of freedom of the jackknife, which leaves out one image at a time. It speaks of this model, not of the method that it was
/// trained with.
///
/// # Errors
///
/// Where fewer than six images have counted pixels of the figure, where a class has no true pixels, and where the figure is
/// lost with one of the images.
pub fn model(a: &Counts, figure: Figure) -> Result<Estimate, Fault> {
    let total = a.total();
    if let Figure::Iou(class) = figure
        && total.get(class).is_none_or(|cell| cell[0] + cell[2] == 0)
    {
        return Err(Fault::Absent(class));
    }
    let effect = figure.of(&total).ok_or(Fault::Nothing)?;
    let seen: Vec<usize> = (0..a.images()).filter(|&image| figure.of(a.image(image)).is_some()).collect();
    let images = seen.len();
    if images < LEAST_IMAGES {
        return Err(Fault::FewImages(images, LEAST_IMAGES));
    }
    let without = |&image: &usize| {
        let left = total.iter().zip(a.image(image)).map(|(all, one)| [0, 1, 2].map(|part| all[part] - one[part]));
        figure.of(&left.collect::<Vec<_>>())
    };
    let effects = seen.iter().map(without).collect::<Option<Vec<f64>>>().ok_or(Fault::Nothing)?;
    let found = jackknife::of(&effects);
    let spread = match found.error > 0.0 {
        true => Spread::T { error: found.error, freedom: found.freedom },
        false => Spread::None,
    };
    let basis = Basis::Images { images, resamples: 0 };
    Ok(Estimate { effect, basis, lost: 0, spread, measured: Measured::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(images: &[[u64; 3]]) -> Counts {
        let mut counts = Counts::new(1);
        images.iter().for_each(|cell| assert!(counts.push(&[*cell])));
        counts
    }

    /// Where all images are as large, the IoU is the mean of theirs, and the jackknife's error is that of a mean.
    #[test]
    fn images_of_one_size_give_the_standard_error_of_a_mean() {
        let right = [60, 66, 71, 58, 63, 70, 52_u64];
        let images: Vec<[u64; 3]> = right.iter().map(|&right| [right, 0, 100 - right]).collect();
        let estimate = model(&counts(&images), Figure::Iou(0)).unwrap();
        let shares: Vec<f64> = right.iter().map(|&right| right as f64 / 100.0).collect();
        let mean = shares.iter().sum::<f64>() / 7.0;
        let error = (shares.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 6.0 / 7.0).sqrt();
        assert!((estimate.effect - mean).abs() < 1e-12);
        let Spread::T { error: found, freedom } = estimate.spread else { panic!("{estimate:?}") };
        assert!((found - error).abs() < 1e-12 && freedom <= 6.0, "{found} {error} {freedom}");
        assert!(estimate.interval(0.95).low < mean - 2.0 * error);
    }

    #[test]
    fn what_images_say_nothing_of_is_a_fault() {
        let image = [50, 1, 50];
        assert_eq!(model(&counts(&[image; 5]), Figure::Iou(0)), Err(Fault::FewImages(5, 6)));
        assert_eq!(model(&counts(&[[0, 3, 0]; 9]), Figure::Iou(0)), Err(Fault::Absent(0)));
        assert_eq!(model(&counts(&[[0; 3]; 9]), Figure::MeanIou), Err(Fault::Nothing));
        // An image without counted pixels is none.
        let mut images = vec![image; 6];
        let before = model(&counts(&images), Figure::MeanIou).unwrap();
        images.push([0; 3]);
        assert_eq!(model(&counts(&images), Figure::MeanIou).unwrap(), before);
    }
}
