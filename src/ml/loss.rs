//! The training loss: softmax cross entropy at the resolution of the logits.

use candle_core::Tensor;

use super::error::{Error, Result};
use super::ops::{elementwise, loss, nchw, resize};

/// The loss of a batch and its gradient.
#[derive(Debug)]
pub struct Loss {
    /// The mean cross entropy over the counted pixels; 0 where none counts.
    pub cross_entropy: f64,
    /// Pixels, at the resolution of the logits, whose label is a class.
    pub counted: usize,
    /// The labels at the resolution of the logits, `[N, h, w]`.
    pub targets: Vec<u8>,
    /// The gradient of the cross entropy by the logits, `[N, C, h, w]`.
    pub gradient: Tensor,
}

/// Softmax cross entropy of `logits` against `labels`, which are brought to the size of the logits by nearest
/// neighbour. Labels from the number of classes on are ignored, and the mean is over the others.
///
/// # Shapes
/// `logits` `[N, C, h, w]`, `labels` `[N, H, W]` with `size` `[H, W]`.
pub fn cross_entropy(logits: &Tensor, labels: &[u8], size: [usize; 2]) -> Result<Loss> {
    let [n, classes, height, width] = nchw("The logits", logits)?;
    if labels.len() != n * size[0] * size[1] {
        return Err(Error::Shape {
            what: "The labels of a batch".to_owned(),
            found: vec![labels.len()],
            expected: format!("[{n}, {}, {}]", size[0], size[1]),
        });
    }
    let targets = resize::nearest_labels(labels, size, [height, width]);
    let counted = targets.iter().filter(|&&label| usize::from(label) < classes).count();
    let sum = elementwise::sum_of(&loss::cross_entropy(logits, &targets)?)?;
    let gradient = loss::cross_entropy_backward(logits, &targets, counted)?;
    Ok(Loss { cross_entropy: sum / counted.max(1) as f64, counted, targets, gradient })
}
