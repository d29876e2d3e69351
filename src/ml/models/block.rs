//! A residual block, ready to run: `relu(path(x) + shortcut(x))`.
//!
//! Every activation inside is the output of a ReLU, so that it is also the mask of its own gradient.

use candle_core::Tensor;

use crate::ml::error::{Error, Result};
use crate::ml::layers::{Folded, Gradients, SmoothedConv};

/// A residual block.
#[derive(Debug)]
pub(super) struct Block {
    /// The name, as `group4/block3`.
    pub name: String,
    /// The convolutions of the path in order, with their names within the block; at least one.
    pub path: Vec<(&'static str, Unit)>,
    /// The convolution of the shortcut; `None` where the shortcut is the input itself.
    pub shortcut: Option<Folded>,
}

/// A convolution of a path with its batch norm.
#[derive(Debug)]
pub(super) enum Unit {
    /// A plain one.
    Plain(Folded),
    /// One of the network's dilated type.
    Smoothed(SmoothedConv),
}

/// The activations of a block: what its backward pass needs.
#[derive(Debug)]
pub(super) struct Activations {
    /// The input.
    pub input: Tensor,
    /// The outputs of all convolutions of the path but the last, behind their ReLUs.
    outputs: Vec<Tensor>,
    /// What each convolution of the path needs besides its input. A plain last one, which needs nothing, may be left out.
    saved: Vec<Vec<Tensor>>,
}

impl Block {
    /// The convolutions of the path but the last, on `input`.
    pub fn inside(&self, input: Tensor) -> Result<Activations> {
        let (mut outputs, mut saved) = (Vec::<Tensor>::new(), Vec::new());
        for (_, unit) in &self.path[..self.path.len().saturating_sub(1)] {
            let (output, kept) = unit.forward(outputs.last().unwrap_or(&input), None)?;
            outputs.push(output);
            saved.push(kept);
        }
        Ok(Activations { input, outputs, saved })
    }

    /// The output, from what [`Block::inside`] gave.
    pub fn output(&self, activations: &mut Activations) -> Result<Tensor> {
        let Activations { input, outputs, saved } = activations;
        let (_, last) = self.path.last().ok_or_else(|| self.empty())?;
        let shortcut = self.shortcut.as_ref().map(|shortcut| shortcut.forward(input, None, false)).transpose()?;
        let add = Some(shortcut.as_ref().unwrap_or(input));
        let (output, kept) = last.forward(outputs.last().unwrap_or(input), add)?;
        saved.truncate(outputs.len());
        saved.push(kept);
        Ok(output)
    }

    /// All activations that the backward pass needs, computed again.
    pub fn again(&self, input: Tensor) -> Result<Activations> {
        let mut activations = self.inside(input)?;
        if let Some((_, Unit::Smoothed(_))) = self.path.last() {
            self.output(&mut activations)?;
        }
        Ok(activations)
    }

    /// The gradient by the input, masked where `mask` asks for it, from the masked gradient `g` by the output.
    pub fn backward(
        &self,
        activations: Activations,
        g: &Tensor,
        gradients: Option<&Gradients>,
        mask: bool,
    ) -> Result<Tensor> {
        let Activations { input, mut outputs, saved } = activations;
        let ((_, first), rest) = self.path.split_first().ok_or_else(|| self.empty())?;
        let mut saved = saved.into_iter();
        let of_first = saved.next().unwrap_or_default();
        let mut saved: Vec<_> = saved.collect();
        saved.resize_with(rest.len(), Vec::new);
        let mut below = g.clone();
        for (_, unit) in rest.iter().rev() {
            let (x, kept) = (outputs.pop().ok_or_else(|| self.empty())?, saved.pop().unwrap_or_default());
            below = unit.backward(&x, &kept, &below, gradients, None, Some(&x))?;
        }
        let mask = mask.then_some(&input);
        match &self.shortcut {
            None => first.backward(&input, &of_first, &below, gradients, Some(g), mask),
            Some(shortcut) => {
                let main = first.backward(&input, &of_first, &below, gradients, None, None)?;
                shortcut.backward(&input, g, gradients, Some(&main), mask)
            }
        }
    }

    /// The first dilated convolution.
    pub fn smoothed(&self) -> Option<&SmoothedConv> {
        self.path.iter().find_map(|(_, unit)| match unit {
            Unit::Smoothed(smoothed) => Some(smoothed),
            Unit::Plain(_) => None,
        })
    }

    /// The activations with their names, in the order in which they are made.
    pub fn named<'a>(&self, activations: &'a Activations) -> Vec<(String, &'a Tensor)> {
        let name = &self.name;
        let parts = self.path.iter().map(|(part, _)| format!("{name}/{part}"));
        std::iter::once((format!("the input of {name}"), &activations.input))
            .chain(parts.zip(&activations.outputs))
            .collect()
    }

    fn empty(&self) -> Error {
        Error::Model(format!("The block `{}` has no convolution.", self.name))
    }
}

impl Unit {
    /// The convolution and the batch norm.
    pub fn conv(&self) -> &Folded {
        match self {
            Unit::Plain(conv) => conv,
            Unit::Smoothed(smoothed) => &smoothed.conv,
        }
    }

    /// How many values of its own input a pre-filter takes for each of its outputs.
    pub fn taps(&self) -> usize {
        match self {
            Unit::Plain(_) => 0,
            Unit::Smoothed(smoothed) => smoothed.taps(),
        }
    }

    /// Whether the convolution gives whole cells of outputs.
    pub fn gives_whole_cells(&self) -> bool {
        match self {
            Unit::Plain(_) => false,
            Unit::Smoothed(smoothed) => smoothed.kind.gives_whole_cells(),
        }
    }

    /// The output, plus `add`, behind a ReLU, and what the backward pass needs besides the input.
    fn forward(&self, x: &Tensor, add: Option<&Tensor>) -> Result<(Tensor, Vec<Tensor>)> {
        match self {
            Unit::Plain(conv) => Ok((conv.forward(x, add, true)?, Vec::new())),
            Unit::Smoothed(smoothed) => smoothed.forward(x, add, true),
        }
    }

    /// The gradient by the input `x`, plus `add`, masked by `mask`.
    fn backward(
        &self,
        x: &Tensor,
        saved: &[Tensor],
        g: &Tensor,
        gradients: Option<&Gradients>,
        add: Option<&Tensor>,
        mask: Option<&Tensor>,
    ) -> Result<Tensor> {
        match self {
            Unit::Plain(conv) => conv.backward(x, g, gradients, add, mask),
            Unit::Smoothed(smoothed) => smoothed.backward(x, saved, g, gradients, add, mask),
        }
    }
}
