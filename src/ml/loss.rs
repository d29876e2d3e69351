//! The training loss: softmax cross entropy at the resolution of the logits, of one scale or of several.

use candle_core::Tensor;

use super::error::{Error, Result};
use super::ops::{elementwise, loss, nchw, update};
use super::resample::{self, Sampling};
use super::scales::Fused;

/// The loss of a batch and its gradient.
#[derive(Debug)]
pub struct Loss {
    /// The mean cross entropy over the counted pixels, or what this batch adds to that of a larger one; 0 where none counts.
    pub cross_entropy: f64,
    /// Pixels, at the resolution of the logits, whose label is a class: all that the mean is over.
    pub counted: usize,
    /// The gradient of the cross entropy by the logits, `[N, C, h, w]`.
    pub gradient: Tensor,
}

/// Gives the number of pixels that a mean is taken over, from the number that count in this batch. The two differ where
/// this batch is one rank's share of a larger one.
pub type Total<'a> = dyn FnMut(usize) -> Result<usize> + 'a;

/// Softmax cross entropy of `logits` against `labels`, which are brought to the size of the logits by the nearest neighbour
/// of `sampling`. Labels from the number of classes on are ignored, and the mean is over the others.
///
/// # Shapes
/// `logits` `[N, C, h, w]`, `labels` `[N, H, W]` with `size` `[H, W]`.
pub fn cross_entropy(logits: &Tensor, labels: &[u8], size: [usize; 2], sampling: Sampling) -> Result<Loss> {
    part(logits, labels, (size, sampling), &mut Ok)
}

/// [`cross_entropy`] of a batch that may be a part of a larger one: the mean is over `total` pixels.
fn part(
    logits: &Tensor,
    labels: &[u8],
    (size, sampling): ([usize; 2], Sampling),
    total: &mut Total<'_>,
) -> Result<Loss> {
    let [n, classes, height, width] = nchw("The logits", logits)?;
    if labels.len() != n * size[0] * size[1] {
        return Err(Error::Shape {
            what: "The labels of a batch".to_owned(),
            found: vec![labels.len()],
            expected: format!("[{n}, {}, {}]", size[0], size[1]),
        });
    }
    let targets = resample::nearest_labels(labels, size, [height, width], sampling);
    let counted = total(targets.iter().filter(|&&label| usize::from(label) < classes).count())?;
    let sum = elementwise::sum_of(&loss::cross_entropy(logits, &targets)?)?;
    let gradient = loss::cross_entropy_backward(logits, &targets, counted)?;
    Ok(Loss { cross_entropy: sum / counted.max(1) as f64, counted, gradient })
}

/// The loss of one batch at several scales, and its gradients.
#[derive(Debug)]
pub struct Joint {
    /// The cross entropies of the fused logits and of each scale's, summed; with one scale, its own alone.
    pub cross_entropy: f64,
    /// Pixels, at the resolution of the first scale's logits, whose label is a class: all that the mean is over.
    pub counted: usize,
    /// The fused logits, `[N, C, h, w]`.
    pub logits: Tensor,
    /// The gradient by each scale's logits, at its own resolution.
    pub gradients: Vec<Tensor>,
}

/// The loss of the multi-scale reference: the logits of all scales are brought to the size of the first and fused by
/// their maximum; the cross entropy of the fused logits and that of each scale at its own resolution are summed.
///
/// `sampling` is how logits are brought to the size of the first, and labels to that of logits. `total` is called for each
/// mean, first for the fused logits, then for each scale; `&mut Ok` where the batch is whole.
///
/// # Shapes
/// Each of `logits` `[N, C, h, w]` with sizes of its own, `labels` `[N, H, W]` with `size` `[H, W]`.
pub fn over_scales(
    logits: &[Tensor],
    labels: &[u8],
    size: [usize; 2],
    sampling: Sampling,
    total: &mut Total<'_>,
) -> Result<Joint> {
    if let [logits] = logits {
        let Loss { cross_entropy, counted, gradient, .. } = part(logits, labels, (size, sampling), total)?;
        return Ok(Joint { cross_entropy, counted, logits: logits.clone(), gradients: vec![gradient] });
    }
    let fused = Fused::new(logits, sampling)?;
    let whole = part(&fused.logits, labels, (size, sampling), total)?;
    let (mut cross_entropy, mut gradients) = (whole.cross_entropy, Vec::with_capacity(logits.len()));
    for (logits, share) in logits.iter().zip(fused.backward(&whole.gradient)?) {
        let own = part(logits, labels, (size, sampling), total)?;
        cross_entropy += own.cross_entropy;
        update::add_part(&own.gradient, &share, 1.0)?;
        gradients.push(own.gradient);
    }
    Ok(Joint { cross_entropy, counted: whole.counted, logits: fused.logits, gradients })
}
