//! Scores of an image's pixels, from one forward pass of a network or from several over scaled and mirrored inputs.
//!
//! Every pass gives a member. Its input is the image, resized by the network's sampling: each side becomes
//! the product of side and scale, truncated. The logits of a mirrored input are mirrored back, and lie where those of the
//! input itself lie ([`mirror`]).

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::mirror;
use super::models::Network;
use super::ops::{fuse, loss, nchw, resize, upsampled};
use super::resample::Sampling;
use super::scales::{Fused, at_scale};

/// Which passes are made, and how they become one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inference {
    /// The factors of height and width, in order; at least one.
    pub scales: Vec<f64>,
    /// Whether each scale is also seen mirrored.
    pub flip: bool,
    /// How several members become one.
    pub fuse: Fuse,
}

/// How several members become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fuse {
    /// The mean of the probabilities, each taken at the size of the image.
    Mean,
    /// The greatest of the logits, each brought to the size of the first member's, as the multi-scale reference does.
    Max,
}

impl Default for Inference {
    /// One pass over the image as it is.
    fn default() -> Self {
        Inference { scales: vec![1.0], flip: false, fuse: Fuse::Mean }
    }
}

/// Scores of the pixels of images. Their softmax gives the probabilities of the classes, and the class of the greatest score
/// is the prediction. They are brought to the size of the images when they are read.
#[derive(Debug)]
pub struct Scores {
    scores: Tensor,
    size: [usize; 2],
    /// How they are brought to that size.
    sampling: Sampling,
}

impl Scores {
    /// The scores of all pixels.
    ///
    /// # Shapes
    /// `[N, classes, H, W]`.
    pub fn whole(&self) -> Result<Tensor> {
        if self.resized()? {
            Ok(self.scores.clone())
        } else {
            resize::bilinear(&self.scores, self.size[0], self.size[1], self.sampling)
        }
    }

    /// The class of the greatest score of each pixel, the first of equals.
    ///
    /// # Shapes
    /// `[N, H, W]`.
    pub fn classes(&self) -> Result<Vec<u8>> {
        if self.resized()? {
            loss::argmax(&self.scores)
        } else {
            upsampled::argmax(&self.scores, self.size[0], self.size[1], self.sampling)
        }
    }

    /// The cross entropy at each pixel, zero where the label is no class.
    ///
    /// # Shapes
    /// `labels` `[N, H, W]` -> `[N, H, W]`.
    pub fn cross_entropy(&self, labels: &[u8]) -> Result<Tensor> {
        match self.resized()? {
            true => loss::cross_entropy(&self.scores, labels),
            false => upsampled::cross_entropy(&self.scores, labels, self.size[0], self.size[1], self.sampling),
        }
    }

    fn resized(&self) -> Result<bool> {
        let [.., height, width] = nchw("The scores", &self.scores)?;
        Ok([height, width] == self.size)
    }
}

/// The scores of images. With one member they are its logits.
///
/// # Shapes
/// `images` `[N, 3, H, W]`.
pub fn scores(network: &Network, images: &Tensor, inference: &Inference) -> Result<Scores> {
    let [_, _, height, width] = nchw("The images", images)?;
    let (size, sampling) = ([height, width], network.spec().geometry.upsampling);
    let mut members = Vec::new();
    for &scale in &inference.scales {
        let input = at_scale(images, scale, sampling)?;
        members.push(network.forward(&input)?);
        if inference.flip {
            members.push(mirror::logits(network, &input)?);
        }
    }
    let (first, others) =
        members.split_first().ok_or_else(|| Error::Model("A prediction needs at least one scale.".to_owned()))?;
    if inference.fuse == Fuse::Max || others.is_empty() {
        return Ok(Scores { scores: Fused::new(&members, sampling)?.logits, size, sampling });
    }
    let probabilities = |member: &Tensor| fuse::log_softmax(&resize::bilinear(member, height, width, sampling)?);
    let sum = probabilities(first)?;
    for member in others {
        fuse::log_add(&sum, &probabilities(member)?)?;
    }
    Ok(Scores { scores: sum, size, sampling })
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::ml::spec::{Choice, ModelSpec};
    use crate::ml::weights::{Scheme, initialise};
    use crate::rng::Rng;

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn network() -> Network {
        let spec = ModelSpec::new(Choice::new("Tiny"), 4, Choice::new("Average"));
        initialise(&spec, &Device::Cpu, Scheme::Stable, 7).unwrap()
    }

    fn images(height: usize, width: usize) -> Tensor {
        let mut rng = Rng::new(1, "pixels", 0);
        let data: Vec<f32> = (0..3 * height * width).map(|_| rng.range(-110.0, 140.0)).collect();
        Tensor::from_vec(data, (1, 3, height, width), &Device::Cpu).unwrap()
    }

    #[test]
    fn one_pass_gives_the_logits_themselves() {
        let (network, images) = (network(), images(41, 50));
        let plain = resize::bilinear(&network.forward(&images).unwrap(), 41, 50, Sampling::Legacy).unwrap();
        for fuse in [Fuse::Mean, Fuse::Max] {
            let inference = Inference { fuse, ..Inference::default() };
            assert_eq!(values(&scores(&network, &images, &inference).unwrap().whole().unwrap()), values(&plain));
        }
    }

    /// Against 64-bit arithmetic, straight from the definitions.
    #[test]
    fn members_become_their_mean_or_their_maximum() {
        let (network, images, scales) = (network(), images(41, 50), vec![1.0, 0.75, 1.5]);
        let pass = |scale: f64, mirror: bool| {
            let [h, w] = [41.0, 50.0].map(|side: f64| (side * scale) as usize);
            let input =
                if scale == 1.0 { images.clone() } else { resize::bilinear(&images, h, w, Sampling::Legacy).unwrap() };
            if mirror { mirror::logits(&network, &input).unwrap() } else { network.forward(&input).unwrap() }
        };
        let passes: Vec<Tensor> = scales
            .iter()
            .flat_map(|&scale| [false, true].map(|mirror| (scale, mirror)))
            .map(|(s, m)| pass(s, m))
            .collect();
        let at = |x: &Tensor, height, width| {
            values(&resize::bilinear(x, height, width, Sampling::Legacy).unwrap())
                .iter()
                .map(|&v| f64::from(v))
                .collect::<Vec<f64>>()
        };

        let mut expected = vec![0.0; 4 * 41 * 50];
        for logits in passes.iter().map(|logits| at(logits, 41, 50)) {
            for p in 0..41 * 50 {
                let sum: f64 = (0..4).map(|c| logits[c * 2050 + p].exp()).sum();
                (0..4).for_each(|c| expected[c * 2050 + p] += logits[c * 2050 + p].exp() / sum);
            }
        }
        let inference = Inference { scales, flip: true, fuse: Fuse::Mean };
        let mean = scores(&network, &images, &inference).unwrap().whole().unwrap();
        for (found, expected) in values(&mean).iter().zip(&expected) {
            assert!((f64::from(*found).exp() - expected).abs() < 1e-5 * expected.max(1e-3), "{found} {expected}");
        }

        let [_, _, h, w] = nchw("logits", &passes[0]).unwrap();
        let members: Vec<Vec<f64>> = passes.iter().map(|logits| at(logits, h, w)).collect();
        let greatest = (0..4 * h * w).map(|i| members.iter().map(|m| m[i] as f32).fold(f32::MIN, f32::max)).collect();
        let greatest = Tensor::from_vec::<_, f32>(greatest, (1, 4, h, w), &Device::Cpu).unwrap();
        let inference = Inference { fuse: Fuse::Max, ..inference };
        let found = scores(&network, &images, &inference).unwrap().whole().unwrap();
        assert_eq!(values(&found), values(&resize::bilinear(&greatest, 41, 50, Sampling::Legacy).unwrap()));
    }

    #[test]
    fn no_scale_is_an_error() {
        let inference = Inference { scales: Vec::new(), ..Inference::default() };
        let error = scores(&network(), &images(9, 9), &inference).unwrap_err().to_string();
        assert!(error.contains("at least one scale"), "{error}");
    }
}
