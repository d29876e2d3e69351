//! Where programs that train the same network compute different numbers: borders, strides, dilations, positions of a resize.
//!
//! A file of weights gives its own project's results only under the conventions that it was trained with. Each is a choice
//! of its own, and [`Geometry`] holds them all. The names of three well-known sets are [`Geometry::TENSORFLOW`],
//! [`Geometry::CAFFE`] and [`Geometry::TORCHVISION`].

use serde::{Deserialize, Serialize};

use super::geometry::Padding;
use super::ops::pool::MaxPool;
use super::resample::Sampling;

/// The convolution of a bottleneck block that has the block's stride. Basic blocks have it on their first convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StrideAt {
    /// The first one, of 1x1.
    Reduce,
    /// The second one, of 3x3.
    Middle,
}

/// The dilation of the first block of groups 4 and 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FirstDilation {
    /// That of its own group: 2 and 4.
    Own,
    /// That of the group before: 1 and 2.
    Before,
}

/// The conventions of a network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Geometry {
    /// Of convolutions.
    pub padding: Padding,
    /// Of the max pool behind the stem.
    pub pool: MaxPool,
    /// Where the stride of a bottleneck block sits.
    pub stride: StrideAt,
    /// Of the first block of groups 4 and 5.
    pub first_dilation: FirstDilation,
    /// How logits are brought to the size of the image, and images and logits to other scales.
    pub upsampling: Sampling,
    /// What batch norms add to the variance.
    pub epsilon: f64,
}

impl Geometry {
    /// Those of the reference, in TensorFlow.
    pub const TENSORFLOW: Geometry = Geometry {
        padding: Padding::Same,
        pool: MaxPool::Same,
        stride: StrideAt::Reduce,
        first_dilation: FirstDilation::Own,
        upsampling: Sampling::Legacy,
        epsilon: 1e-3,
    };

    /// Those of Caffe's DeepLab-v2 as kazuto1011's PyTorch port has them.
    pub const CAFFE: Geometry = Geometry {
        padding: Padding::Symmetric,
        pool: MaxPool::SymmetricCeil,
        stride: StrideAt::Reduce,
        first_dilation: FirstDilation::Own,
        upsampling: Sampling::HalfPixel,
        epsilon: 1e-5,
    };

    /// Those of torchvision's ResNets with `replace_stride_with_dilation=[False, True, True]`.
    pub const TORCHVISION: Geometry = Geometry {
        padding: Padding::Symmetric,
        pool: MaxPool::Symmetric,
        stride: StrideAt::Middle,
        first_dilation: FirstDilation::Before,
        upsampling: Sampling::HalfPixel,
        epsilon: 1e-5,
    };

    /// Whether these are the reference's, which stand in no file.
    pub fn is_default(&self) -> bool {
        *self == Geometry::TENSORFLOW
    }

    /// As a pipeline would state it: the name of the nearest set, with what differs from that.
    pub fn in_words(&self) -> String {
        let named =
            [("TensorFlow", Geometry::TENSORFLOW), ("Caffe", Geometry::CAFFE), ("Torchvision", Geometry::TORCHVISION)];
        let parts = |geometry: &Geometry| {
            let Geometry { padding, pool, stride, first_dilation, upsampling, epsilon } = geometry;
            [
                format!("padding: {padding:?}"),
                format!("pool: {pool:?}"),
                format!("stride: {stride:?}"),
                format!("first_dilation: {first_dilation:?}"),
                format!("upsampling: {upsampling:?}"),
                format!("epsilon: {epsilon:?}"),
            ]
        };
        let differing = |set: &Geometry| -> Vec<String> {
            parts(self).into_iter().zip(parts(set)).filter(|(own, other)| own != other).map(|(own, _)| own).collect()
        };
        let sets = named.iter().map(|(name, set)| (*name, differing(set)));
        let (name, differing) = sets.min_by_key(|(_, differing)| differing.len()).unwrap_or_default();
        if differing.is_empty() { name.to_owned() } else { format!("{name}({})", differing.join(", ")) }
    }
}

impl Default for Geometry {
    fn default() -> Self {
        Geometry::TENSORFLOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_geometry_is_told_as_a_pipeline_states_it() {
        assert_eq!(Geometry::default().in_words(), "TensorFlow");
        assert_eq!(Geometry::CAFFE.in_words(), "Caffe");
        let aligned = Geometry { upsampling: Sampling::AlignCorners, ..Geometry::CAFFE };
        assert_eq!(aligned.in_words(), "Caffe(upsampling: AlignCorners)");
        let own = Geometry { epsilon: 1e-5, ..Geometry::TENSORFLOW };
        assert_eq!(own.in_words(), "TensorFlow(epsilon: 1e-5)");
    }
}
