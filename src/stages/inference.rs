//! How a model's scores of an image are made: what `Validate` and `Predict` share.

use crate::ml::inference::{self, Fuse as Fusing};
use crate::params;

params! {
    /// The passes of a network over an image, and how they become one prediction.
    pub struct Inference {
        /// The factors by which the image is scaled, a pass each. The multi-scale reference's are 1, 0.75 and 0.5.
        scales: Vec<f64> = vec![1.0], where above(0.0).max(8.0).nonempty();
        /// Whether each scale is also seen mirrored.
        flip: bool = false;
        /// How several passes become one.
        fuse: Fuse = Fuse::Mean {};
    }

    /// How several passes become one.
    pub enum Fuse {
        /// The mean of the probabilities at the size of the image: what is usual today.
        Mean {}
        /// The greatest logits at the size of the first scale's: the multi-scale reference's way.
        Max {}
    }
}

impl Default for Inference {
    fn default() -> Self {
        Inference { scales: vec![1.0], flip: false, fuse: Fuse::Mean {} }
    }
}

impl From<&Inference> for inference::Inference {
    fn from(params: &Inference) -> Self {
        let fuse = match params.fuse {
            Fuse::Mean {} => Fusing::Mean,
            Fuse::Max {} => Fusing::Max,
        };
        inference::Inference { scales: params.scales.clone(), flip: params.flip, fuse }
    }
}
