//! One network at several scales of its input: the inputs, and their logits brought together.

use candle_core::Tensor;

use super::error::{Error, Result};
use super::ops::{fuse, nchw, resize};
use super::resample::{Sampling, scaled};

/// The height and width at `scale` of images of `size`. Each is at least 1.
pub fn size_at(size: [usize; 2], scale: f64, sampling: Sampling) -> [usize; 2] {
    size.map(|side| match sampling {
        Sampling::HalfPixel => ((side as f64 * scale) as usize).max(1),
        Sampling::Legacy | Sampling::AlignCorners => scaled(side, scale as f32),
    })
}

/// Images at `scale`: themselves where no side changes. With half-pixel centres, outputs are `1 / scale` apart, whatever is
/// truncated of a side: PyTorch's `interpolate` with a `scale_factor`.
///
/// # Shapes
/// `[N, 3, H, W]` -> `[N, 3, H', W']`, the sides at least 1.
pub fn at_scale(images: &Tensor, scale: f64, sampling: Sampling) -> Result<Tensor> {
    let [_, _, height, width] = nchw("The images", images)?;
    let [h, w] = size_at([height, width], scale, sampling);
    match [h, w] == [height, width] {
        true => Ok(images.clone()),
        false if sampling == Sampling::HalfPixel => {
            resize::bilinear_at(images, [h, w], sampling, [(1.0 / scale) as f32; 2])
        }
        false => resize::bilinear(images, h, w, sampling),
    }
}

/// Logits of several scales, brought to the size of the first and fused by their maximum.
#[derive(Debug)]
pub struct Fused {
    /// The members at the size of the first.
    members: Vec<Tensor>,
    /// The sizes that the members had.
    sizes: Vec<[usize; 2]>,
    sampling: Sampling,
    /// The maximum, `[N, classes, h, w]`.
    pub logits: Tensor,
}

impl Fused {
    /// Fuses at least one member.
    pub fn new(logits: &[Tensor], sampling: Sampling) -> Result<Self> {
        let first = logits.first().ok_or_else(|| Error::Model("There are no logits to fuse.".to_owned()))?;
        let [_, _, height, width] = nchw("Logits", first)?;
        let (mut members, mut sizes) = (Vec::new(), Vec::new());
        for logits in logits {
            let [_, _, h, w] = nchw("Logits", logits)?;
            sizes.push([h, w]);
            let same = [h, w] == [height, width];
            members.push(if same { logits.clone() } else { resize::bilinear(logits, height, width, sampling)? });
        }
        let greatest = first.copy()?;
        for member in &members[1..] {
            fuse::maximum(&greatest, member)?;
        }
        Ok(Fused { members, sizes, sampling, logits: greatest })
    }

    /// The gradient by each member, at the size that it had, from the gradient `g` by the maximum.
    pub fn backward(&self, g: &Tensor) -> Result<Vec<Tensor>> {
        let [_, _, height, width] = nchw("Logits", &self.logits)?;
        let shares = fuse::maximum_backward(&self.members, &self.logits, g)?;
        let own = |(share, &[h, w]): (Tensor, &[usize; 2])| {
            if [h, w] == [height, width] { Ok(share) } else { resize::bilinear_backward(&share, h, w, self.sampling) }
        };
        shares.into_iter().zip(&self.sizes).map(own).collect()
    }
}
