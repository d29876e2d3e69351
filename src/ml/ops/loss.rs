//! Softmax cross entropy at each pixel against class labels, where labels from the number of classes on are ignored.

use candle_core::{DType, Tensor};
use rayon::prelude::*;

use super::activation;
use super::dispatch::{Operation, blank, launch, values};
use super::shapes::{check_classes, check_labels};
use crate::ml::error::Result;
use crate::ml::gpu::kernels;
use crate::ml::gpu::plan::Argument::{Bytes, Float, Input, Int, Output, Written};
use crate::ml::gpu::plan::{GpuPlan, Operands};

/// The loss at each pixel, zero where the label is ignored.
///
/// # Shapes
/// `logits` `[N, C, H, W]`, `labels` `[N, H, W]` -> `[N, H, W]`.
pub fn cross_entropy(logits: &Tensor, labels: &[u8]) -> Result<Tensor> {
    let [n, classes, height, width] = activation::sizes("The logits", logits)?;
    check_labels(labels, [n, height, width])?;
    let losses = blank(&[n, height, width], logits.device())?;
    launch(&CrossEntropy { labels, classes, area: height * width }, &[logits], &losses)?;
    Ok(losses)
}

/// The gradient of the mean loss over `counted` pixels by the logits: `(softmax - one hot) / counted` where the label
/// is not ignored.
///
/// # Shapes
/// `logits` `[N, C, H, W]`, `labels` `[N, H, W]` -> `[N, C, H, W]`.
pub fn cross_entropy_backward(logits: &Tensor, labels: &[u8], counted: usize) -> Result<Tensor> {
    let [n, classes, height, width] = activation::sizes("The logits", logits)?;
    check_labels(labels, [n, height, width])?;
    let gradient = activation::blank([n, classes, height, width], logits)?;
    let factor = 1.0 / counted.max(1) as f32;
    launch(&Gradient { labels, classes, area: height * width, factor }, &[logits], &gradient)?;
    Ok(gradient)
}

/// The class of the greatest logit at each pixel, the first of equals.
///
/// # Shapes
/// `[N, C, H, W]` -> `[N, H, W]`.
///
/// # Errors
/// More than 256 classes: a prediction is an id of 8 bits.
pub fn argmax(logits: &Tensor) -> Result<Vec<u8>> {
    let [n, classes, height, width] = activation::sizes("The logits", logits)?;
    check_classes(classes)?;
    let area = height * width;
    let out = Tensor::zeros(n * area, DType::U8, logits.device())?;
    launch(&Argmax { classes, area }, &[logits], &out)?;
    values(&out)
}

/// The greatest logit at pixel `p` of an image, and the sum of `exp(logit - greatest)` over the classes.
fn normaliser(logits: &[f32], classes: usize, area: usize, p: usize) -> (f32, f32) {
    let of = |class: usize| logits[class * area + p];
    let greatest = (0..classes).map(of).fold(f32::NEG_INFINITY, f32::max);
    (greatest, (0..classes).map(|class| libm::expf(of(class) - greatest)).sum())
}

struct Argmax {
    classes: usize,
    area: usize,
}

// SAFETY: `argmax` makes the output of a class for each pixel of the logits, whose classes the operation has.
unsafe impl Operation for Argmax {
    const NAME: &'static str = "argmax";
    type Output = u8;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [u8]) {
        let (classes, area) = (self.classes, self.area.max(1));
        output.par_chunks_mut(area).zip(inputs[0].par_chunks((classes * area).max(1))).for_each(|(out, logits)| {
            let mut best = logits[..area].to_vec();
            out.fill(0);
            for class in 1..classes {
                for (p, &value) in logits[class * area..(class + 1) * area].iter().enumerate() {
                    if value > best[p] {
                        best[p] = value;
                        out[p] = class as u8;
                    }
                }
            }
        });
    }

    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        GpuPlan::each(kernels::ARGMAX, operands.output, [Input(0), Written(DType::U8), Int(self.classes)])
    }
}

struct CrossEntropy<'a> {
    labels: &'a [u8],
    classes: usize,
    area: usize,
}

// SAFETY: `cross_entropy` compares the labels with the logits, and makes the output of a loss a pixel.
unsafe impl Operation for CrossEntropy<'_> {
    const NAME: &'static str = "cross entropy";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let images =
            inputs[0].par_chunks((self.classes * self.area).max(1)).zip(self.labels.par_chunks(self.area.max(1)));
        output.par_chunks_mut(self.area.max(1)).zip(images).for_each(|(out, (logits, labels))| {
            for (p, (out, &label)) in out.iter_mut().zip(labels).enumerate() {
                *out = 0.0;
                if usize::from(label) < self.classes {
                    let (greatest, sum) = normaliser(logits, self.classes, self.area, p);
                    *out = libm::logf(sum) - (logits[usize::from(label) * self.area + p] - greatest);
                }
            }
        });
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        GpuPlan::each(
            kernels::CROSS_ENTROPY,
            operands.output,
            [Input(0), Bytes(self.labels), Output, Int(self.classes)],
        )
    }
}

struct Gradient<'a> {
    labels: &'a [u8],
    classes: usize,
    area: usize,
    factor: f32,
}

// SAFETY: `cross_entropy_backward` compares the labels with the logits, and makes the output of their shape.
unsafe impl Operation for Gradient<'_> {
    const NAME: &'static str = "the gradient of cross entropy";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let size = (self.classes * self.area).max(1);
        let images = inputs[0].par_chunks(size).zip(self.labels.par_chunks(self.area.max(1)));
        output.par_chunks_mut(size).zip(images).for_each(|(out, (logits, labels))| {
            out.fill(0.0);
            for (p, &label) in labels.iter().enumerate() {
                if usize::from(label) >= self.classes {
                    continue;
                }
                let (greatest, sum) = normaliser(logits, self.classes, self.area, p);
                for class in 0..self.classes {
                    let at = class * self.area + p;
                    let truth = if class == usize::from(label) { 1.0 } else { 0.0 };
                    out[at] = (libm::expf(logits[at] - greatest) / sum - truth) * self.factor;
                }
            }
        });
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        let arguments = [Input(0), Bytes(self.labels), Output, Float(self.factor), Int(self.classes)];
        GpuPlan::each(kernels::CROSS_ENTROPY_GRADIENT, operands.output / self.classes.max(1), arguments)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::super::differences::{differences, quarters, values};
    use super::super::zeros;
    use super::argmax;
    use crate::ml::loss;
    use crate::ml::ops::upsampled;
    use crate::ml::resample::Sampling;

    /// All ids of 8 bits are classes, and no more: 257 classes would give two of them one id.
    #[test]
    fn predictions_name_up_to_256_classes() {
        let of = |classes: usize| {
            // At pixel `p` the class `(p + 253) % classes` wins.
            let winner = |p: usize| (p + 253) % classes;
            let data = (0..classes * 6).map(|i| if i / 6 == winner(i % 6) { 1.0 } else { 0.0 }).collect();
            let logits = Tensor::from_vec::<_, f32>(data, (1, classes, 2, 3), &Device::Cpu).unwrap();
            let whole = argmax(&logits).map(|found| (found, (0..6).map(winner).collect::<Vec<_>>()));
            (whole, upsampled::argmax(&logits, 2, 3, Sampling::Legacy))
        };
        for classes in [255, 256] {
            let (whole, resized) = of(classes);
            let (found, winners) = whole.unwrap();
            assert_eq!(found.iter().map(|&class| usize::from(class)).collect::<Vec<_>>(), winners);
            assert_eq!(resized.unwrap(), found);
        }
        let (whole, resized) = of(257);
        for refused in [whole.map(drop), resized.map(drop)] {
            let why = refused.unwrap_err().to_string();
            assert!(why.contains("[257]") && why.contains("at most 256 classes"), "{why}");
        }
    }

    /// With 255 classes the id 255 is the only one that is none.
    #[test]
    fn losses_of_255_classes_are_their_definition() {
        let logits = quarters("logits", &[1, 255, 2, 2]);
        let labels = [0, 254, 255, 17];
        let loss = loss::cross_entropy(&logits, &labels, [2, 2], Sampling::Legacy).unwrap();
        let all: Vec<f64> = values(&logits).into_iter().map(f64::from).collect();
        let of = |p: usize| {
            let score = |class: usize| all[class * 4 + p];
            (0..255).map(|class| score(class).exp()).sum::<f64>().ln() - score(usize::from(labels[p]))
        };
        let expected = (of(0) + of(1) + of(3)) / 3.0;
        assert_eq!(loss.counted, 3);
        assert!((loss.cross_entropy - expected).abs() < 1e-6 * expected, "{} {expected}", loss.cross_entropy);
    }

    #[test]
    fn the_cross_entropy_has_the_gradient_of_differences() {
        let logits = quarters("logits", &[2, 5, 3, 4]);
        // At twice the size, so that nearest neighbour takes every other label; 5 and more are ignored.
        let labels: Vec<u8> = (0..2 * 6 * 8).map(|i| [0, 255, 3, 5, 4, 1, 2][i / 2 % 7]).collect();
        let of = |logits: &Tensor| loss::cross_entropy(logits, &labels, [6, 8], Sampling::Legacy).unwrap();
        let loss = of(&logits);
        let targets = crate::ml::resample::nearest_labels(&labels, [6, 8], [3, 4], Sampling::Legacy);
        assert_eq!(loss.counted, targets.iter().filter(|&&label| label < 5).count());
        assert!(loss.counted > 0 && loss.counted < 24, "{}", loss.counted);
        differences("logits", &logits, &loss.gradient, 1.0 / 64.0, 1e-3, |logits| of(logits).cross_entropy);

        let ignored = loss::cross_entropy(&logits, &[255; 2 * 6 * 8], [6, 8], Sampling::Legacy).unwrap();
        assert_eq!((ignored.cross_entropy, ignored.counted), (0.0, 0));
        assert!(values(&ignored.gradient).iter().all(|&g| g == 0.0));
        assert_eq!(argmax(&zeros(&[1, 3, 1, 1], &Device::Cpu).unwrap()).unwrap(), [0]);
    }
}
