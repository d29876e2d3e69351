//! The Gaussian kernel of the pre-filters that smooth by one, and its sigma (arXiv 1903.07992).
//!
//! With `r` the distance from the centre, the paper's kernel is `exp(-r^2 / 2 sigma^2)`, normalised to the sum 1. The
//! reference's code divides `exp(-r^2) + w` by `exp(2 sigma^2)` and then by the sum, so that sigma cancels: the kernel
//! is always `(exp(-r^2) + w) / sum`, with `w` a variable that is zero and never trained, and a learned sigma has no
//! gradient. For even `k` the grid starts at `-(k - 1) / 2`, rounded towards zero, as the padding does.

use candle_core::Tensor;

use super::smoothed::{add, host, overwrite, slot};
use super::{Extra, Layer, LayerSize, is};
use crate::ml::error::Result;
use crate::ml::layers::parameters::Init;
use crate::ml::spec::{Arg, ArgSpec, Args};

/// No sigma is trained.
pub(super) const FIXED: (&str, &str) = ("Fixed", "None: sigma is the number that is given.");
/// One sigma is trained.
pub(super) const ONE: (&str, &str) = ("OneLearned", "One for the whole network, trained from `sigma` on.");
/// A sigma a layer is trained.
pub(super) const EACH: (&str, &str) = ("EachLearned", "One for each layer, trained from `sigma` on.");

/// The arguments of a kernel, of whose sigmas those that `learning` lists may be trained.
pub(super) fn args(learning: &'static [(&'static str, &'static str)]) -> Vec<ArgSpec> {
    let forms = &[
        (
            "Code",
            "As in the reference's code, where sigma cancels: exp(-r^2), normalised. A learned sigma stays as it is.",
        ),
        ("Paper", "As in the paper: exp(-r^2 / 2 sigma^2), normalised."),
    ];
    let sigma = "The standard deviation in pixels; where it is learned, the first one.";
    vec![
        ArgSpec::choice("form", "How the Gaussian follows from sigma.", forms),
        ArgSpec::new("sigma", sigma, Arg::Float(1.0)),
        ArgSpec::choice("learning", "Which sigmas are trained.", learning),
    ]
}

/// A Gaussian kernel. Its parameters come in this order: sigma where it is learned, the offset `w` where there is one.
#[derive(Debug)]
pub(super) struct Bell {
    paper: bool,
    sigma: f64,
    learned: Learned,
}

/// Which sigmas are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Learned {
    Fixed,
    One,
    Each,
}

/// The `k * k` weights of a kernel, and their derivatives by sigma.
#[derive(Debug)]
pub(super) struct Kernel {
    pub weights: Vec<f64>,
    by_sigma: Vec<f64>,
}

/// The kernel's side in a layer of dilation `dilation`.
pub(super) fn side(dilation: usize) -> usize {
    (dilation - 1).max(1)
}

impl Bell {
    /// The kernel that complete arguments describe.
    pub fn new(args: &Args) -> Self {
        let learned = match () {
            () if is(args, "learning", ONE.0) => Learned::One,
            () if is(args, "learning", EACH.0) => Learned::Each,
            () => Learned::Fixed,
        };
        let sigma = if let Some(Arg::Float(sigma)) = args.get("sigma") { *sigma } else { 1.0 };
        Bell { paper: is(args, "form", "Paper"), sigma, learned }
    }

    /// Whether all layers share a sigma that is trained.
    pub fn one_learned(&self) -> bool {
        self.learned == Learned::One
    }

    /// The parameters of a layer.
    pub fn layer_parameters(&self, size: LayerSize) -> Vec<Extra> {
        let k = side(size.dilation);
        let offset = Extra { name: "offset", shape: vec![1, 1, k, k], init: Init::Constant(0.0), trainable: false };
        let sigma = (self.learned == Learned::Each).then(|| self.sigma_parameter());
        sigma.into_iter().chain((!self.paper).then_some(offset)).collect()
    }

    /// The parameters of the network.
    pub fn network_parameters(&self) -> Vec<Extra> {
        self.one_learned().then(|| self.sigma_parameter()).into_iter().collect()
    }

    fn sigma_parameter(&self) -> Extra {
        Extra { name: "sigma", shape: vec![1], init: Init::Constant(self.sigma as f32), trainable: true }
    }

    /// The kernel of a layer with these parameters of its own, and these of the network.
    pub fn kernel(&self, layer: &Layer<'_>, own: &[Tensor], shared: &[Tensor]) -> Result<Kernel> {
        let k = side(layer.op.dilation);
        let first = -((k as f64 - 1.0) / 2.0).trunc();
        let squares = (0..k * k).map(|tap| (first + (tap / k) as f64).powi(2) + (first + (tap % k) as f64).powi(2));
        let squares: Vec<f64> = squares.collect();
        if !self.paper {
            let offset = host(&own[usize::from(self.learned == Learned::Each)])?;
            let values: Vec<f64> = squares.iter().zip(offset).map(|(r, w)| libm::exp(-r) + w).collect();
            let sum: f64 = values.iter().sum();
            let weights = values.iter().map(|value| value / sum).collect();
            return Ok(Kernel { weights, by_sigma: vec![0.0; k * k] });
        }
        let sigma = match self.learned {
            Learned::Fixed => self.sigma,
            Learned::One => host(&shared[0])?[0],
            Learned::Each => host(&own[0])?[0],
        };
        let values: Vec<f64> = squares.iter().map(|r| libm::exp(-r / (2.0 * sigma * sigma))).collect();
        let sum: f64 = values.iter().sum();
        let weights: Vec<f64> = values.iter().map(|value| value / sum).collect();
        let mean: f64 = squares.iter().zip(&weights).map(|(r, w)| r * w).sum();
        let by_sigma = squares.iter().zip(&weights).map(|(r, w)| w * (r - mean) / sigma.powi(3)).collect();
        Ok(Kernel { weights, by_sigma })
    }

    /// Gives a learned sigma its gradient, from the one by the kernel's weights.
    pub fn gradients(
        &self,
        kernel: &Kernel,
        weights: &[f64],
        own: &[Option<Tensor>],
        shared: &[Option<Tensor>],
    ) -> Result<()> {
        let gradient: f64 = kernel.by_sigma.iter().zip(weights).map(|(a, b)| a * b).sum();
        match self.learned {
            Learned::Fixed => Ok(()),
            Learned::One => slot(shared, 0).map_or(Ok(()), |slot| add(slot, &[gradient])),
            Learned::Each => slot(own, 0).map_or(Ok(()), |slot| overwrite(slot, &[gradient])),
        }
    }
}
