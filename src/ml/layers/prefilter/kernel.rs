//! The Gaussian kernel of the pre-filters Gaussian and Aggregation, and its sigma (arXiv 1903.07992).
//!
//! With `r` the distance from the centre, the paper's kernel is `exp(-r^2 / 2 sigma^2)`, normalised to the sum 1. The
//! reference's code divides `exp(-r^2) + w` by `exp(2 sigma^2)` and then by the sum, where `w` is a variable that is zero
//! and never trained. So sigma cancels: the kernel is always `(exp(-r^2) + w) / sum`, and a learned sigma has no gradient.
//! For an even side `k` the grid starts at `-(k - 1) / 2`, rounded towards zero, as the padding does.

use candle_core::Tensor;

use super::contract::{Extra, LayerSize};
use super::smoothed::slot;
use crate::ml::error::Result;
use crate::ml::layers::parameters::Init;
use crate::ml::ops::blend::{Blend, Gaussian, Part};
use crate::ml::spec::{Arg, ArgSpec, Args, chosen};

/// No sigma is trained.
pub(super) const FIXED: (&str, &str) = ("Fixed", "None: sigma is the number that is given.");
/// One sigma is trained.
pub(super) const ONE: (&str, &str) = ("OneLearned", "One for the whole network, trained from `sigma` on.");
/// A sigma a layer is trained.
pub(super) const EACH: (&str, &str) = ("EachLearned", "One for each layer, trained from `sigma` on.");

/// The arguments of a kernel. `learning` lists the choices of which sigmas are trained.
pub(super) fn args(learning: &'static [(&'static str, &'static str)]) -> Vec<ArgSpec> {
    let forms = &[
        (
            "Code",
            "As in the reference's code, where sigma cancels: exp(-r^2), normalised. A learned sigma stays as it is.",
        ),
        ("Paper", "As in the paper: exp(-r^2 / 2 sigma^2), normalised."),
    ];
    let sigma = "The standard deviation in pixels. If it is learned, it starts from this one.";
    vec![
        ArgSpec::choice("form", "How the Gaussian follows from sigma.", forms),
        ArgSpec::new("sigma", sigma, Arg::Float(1.0)),
        ArgSpec::choice("learning", "Which sigmas are trained.", learning),
    ]
}

/// A Gaussian kernel. Its parameters come in this order: sigma where it is learned, the offset `w` where there is one.
#[derive(Debug)]
pub(super) struct GaussianKernel {
    paper: bool,
    sigma: f64,
    learning: Learning,
}

/// Which sigmas are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Learning {
    Fixed,
    One,
    Each,
}

/// The kernel's side in a layer of dilation `dilation`.
pub(super) fn side(dilation: usize) -> usize {
    (dilation - 1).max(1)
}

impl GaussianKernel {
    /// The kernel that complete arguments describe.
    pub fn new(args: &Args) -> Self {
        let learning = match chosen(args, "learning") {
            name if name == ONE.0 => Learning::One,
            name if name == EACH.0 => Learning::Each,
            _ => Learning::Fixed,
        };
        let sigma = if let Some(Arg::Float(sigma)) = args.get("sigma") { *sigma } else { 1.0 };
        GaussianKernel { paper: chosen(args, "form") == "Paper", sigma, learning }
    }

    /// Whether all layers share a sigma that is trained.
    pub fn one_learned(&self) -> bool {
        self.learning == Learning::One
    }

    /// The parameters of a layer.
    pub fn layer_parameters(&self, size: LayerSize) -> Vec<Extra> {
        let k = side(size.dilation);
        let offset = Extra { name: "offset", shape: vec![1, 1, k, k], init: Init::Constant(0.0), trainable: false };
        let sigma = (self.learning == Learning::Each).then(|| self.sigma_parameter());
        sigma.into_iter().chain((!self.paper).then_some(offset)).collect()
    }

    /// The parameters of the network.
    pub fn network_parameters(&self) -> Vec<Extra> {
        self.one_learned().then(|| self.sigma_parameter()).into_iter().collect()
    }

    fn sigma_parameter(&self) -> Extra {
        Extra { name: "sigma", shape: vec![1], init: Init::Constant(self.sigma as f32), trainable: true }
    }

    /// The kernel of a layer of dilation `dilation`, with these parameters of its own, and these of the network.
    pub fn part<'a>(&self, dilation: usize, own: &'a [Tensor], shared: &'a [Tensor]) -> Part<'a> {
        let learned = match self.learning {
            Learning::Fixed => None,
            Learning::One => shared.first(),
            Learning::Each => own.first(),
        };
        let offset = if self.paper { None } else { own.get(usize::from(self.learning == Learning::Each)) };
        Part::Gaussian(Gaussian { side: side(dilation), sigma: self.sigma, learned, offset })
    }

    /// Gives a learned sigma its gradient, from the one `g` by the filter, of which term `term` is the kernel.
    pub fn gradients(
        &self,
        (blend, term): (&Blend<'_>, usize),
        g: &Tensor,
        own: &[Option<Tensor>],
        shared: &[Option<Tensor>],
    ) -> Result<()> {
        match self.learning {
            Learning::Fixed => Ok(()),
            Learning::One => slot(shared, 0).map_or(Ok(()), |slot| blend.by_sigma(term, g, slot, true)),
            Learning::Each => slot(own, 0).map_or(Ok(()), |slot| blend.by_sigma(term, g, slot, false)),
        }
    }
}
