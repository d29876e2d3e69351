//! The arithmetic that a network asks for, counted from its shapes.
//!
//! The count has the products of the convolutions and their sums, two operations a product: `2 N O OH OW C KH KW` for a
//! convolution of `N` images with `C` channels to `O` channels of `OH` by `OW`, and `2 N C H W T` for a pre-filter that
//! makes each value from `T` of its input. Training needs each of them three times (the output, and the gradients by input
//! and filter), but no gradient by the images. Norms, sums of branches, ReLUs, pools, resizes, the loss and the update are
//! not counted: they are less than a hundredth of the operations. Algorithms that compute less, as Winograd's, do not change
//! the count, so that shares of the peak can be compared.

use super::network::Network;
use super::sizes::SizedConv;

/// Floating-point operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Of a forward pass.
    pub forward: u64,
    /// Of a training step: forward and backward pass.
    pub training: u64,
}

/// Products of a convolution with a filter of the shape `weights`, a plane of whose output is `plane`.
fn products(weights: &[usize], plane: [usize; 2]) -> u64 {
    weights.iter().chain(&plane).map(|&size| size as u64).product()
}

impl Network {
    /// The operations for `images` images of that height and width.
    pub fn cost(&self, images: usize, plane: [usize; 2]) -> Cost {
        let operations = |products: u64| 2 * images as u64 * products;
        let convolutions = self.sized(plane);
        // No gradient by the images is computed.
        let stem = convolutions.first().map_or(0, SizedConv::products);
        let all = convolutions.iter().map(SizedConv::products).sum::<u64>();
        Cost { forward: operations(all), training: operations(3 * all - stem) }
    }
}

impl SizedConv<'_> {
    /// The products for one image, those of the pre-filter before it included.
    fn products(&self) -> u64 {
        let filter = self.weights.dims();
        products(filter, self.grid) + products(&[filter[1], self.taps], self.grid)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::ml::spec::{Choice, ModelSpec};
    use crate::ml::weights::{Scheme, initialise};

    fn cost(prefilter: &str, images: usize) -> Cost {
        let spec = ModelSpec::new(Choice::new("Tiny"), 4, Choice::new(prefilter));
        initialise(&spec, &Device::Cpu, Scheme::Stable, 1).unwrap().cost(images, [33, 33])
    }

    /// The Tiny encoder on 33 x 33 pixels by hand: planes of 17, 9 and 5.
    #[test]
    fn products_are_those_of_the_shapes() {
        let stem = 8 * 3 * 49 * 17 * 17;
        let block = |input: u64, output: u64, first: bool| {
            let width = output / 4;
            input * width + width * width * 9 + width * output + if first { input * output } else { 0 }
        };
        let blocks = 81 * block(8, 16, true)
            + 25 * block(16, 32, true)
            + 25 * (block(32, 64, true) + block(64, 64, false) + block(64, 128, true) + block(128, 128, false));
        let rest = blocks + 4 * 25 * 128 * 4 * 9;
        assert_eq!(cost("Regular", 1), Cost { forward: 2 * (stem + rest), training: 2 * (2 * stem + 3 * rest) });
        // Two blocks of 16 channels at dilation 2, two of 32 at dilation 4.
        let taps = |two: u64, four: u64| 2 * 25 * 2 * (16 * two + 32 * four);
        for (prefilter, extra) in [
            ("Decompose", 0),
            ("Average", taps(1, 9)),
            ("Gaussian", taps(1, 9)),
            ("SeparableShared", taps(9, 49)),
            ("Aggregation", taps(9, 49)),
            ("GroupInteraction", taps(4, 16)),
        ] {
            assert_eq!(cost(prefilter, 1).forward, cost("Regular", 1).forward + extra, "{prefilter}");
        }
        assert_eq!(cost("Average", 3).training, 3 * cost("Average", 1).training);
    }
}
