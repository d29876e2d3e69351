//! GroupInteraction: the outputs of the `d * d` phases of a dilated convolution are mixed (Wang and Ji, KDD 2018,
//! section 3.2).
//!
//! With `in_j` the phases of the convolution's output and `w`, which starts as the identity, the paper has `out_i =
//! sum_j w[j, i] in_j`. The reference's code has `out_i = w[0, i] in_i + sum_{j >= 1} w[j, i] in_j`, so that phase 0
//! reaches no other. Either is a product with one matrix ([`interaction`]).
//!
//! The convolution's input is filled up with zeros to whole cells at the bottom and to the right. The outputs there
//! take part in the mixing. Batch norm or bias, and ReLU, come after it.

use candle_core::Tensor;

use super::contract::{DilatedConv, DilatedLayer, Entry, Extra, LayerGradients, LayerSize};
use super::regular::Regular;
use super::smoothed::slot;
use crate::ml::error::Result;
use crate::ml::layers::parameters::Init;
use crate::ml::ops::conv::Epilogue;
use crate::ml::ops::phases::{PhaseEpilogue, Phases};
use crate::ml::ops::{elementwise, interaction, nchw, zeros};
use crate::ml::spec::{ArgSpec, chosen};

pub(super) const ENTRY: Entry = Entry {
    name: "GroupInteraction",
    doc: "Mixes the d x d interleaved images that the dilated convolution keeps apart. Each layer has a learned matrix.",
    args: || {
        vec![ArgSpec::choice(
            "form",
            "What the first row of the matrix multiplies.",
            &[
                ("Code", "Each image itself, as in the reference's code: the first image reaches no other."),
                ("Paper", "The first image, as in the paper: every image reaches every other."),
            ],
        )]
    },
    build: |args| {
        Ok(Box::new(GroupInteraction(if chosen(args, "form") == "Paper" { Form::Paper } else { Form::Code })))
    },
};

/// The group interaction.
#[derive(Debug)]
struct GroupInteraction(Form);

/// What the first row of the parameter stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Code,
    Paper,
}

impl GroupInteraction {
    fn matrix(&self, layer: &DilatedLayer<'_>) -> Result<Tensor> {
        match self.0 {
            Form::Code => interaction::matrix(&layer.own[0]),
            Form::Paper => Ok(layer.own[0].clone()),
        }
    }
}

impl DilatedConv for GroupInteraction {
    fn layer_parameters(&self, size: LayerSize) -> Vec<Extra> {
        let phases = size.dilation * size.dilation;
        vec![Extra { name: "mixing", shape: vec![phases, phases], init: Init::Identity, trainable: true }]
    }

    fn taps(&self, dilation: usize) -> usize {
        dilation.pow(2)
    }

    fn gives_whole_cells(&self) -> bool {
        true
    }

    fn forward(&self, layer: &DilatedLayer<'_>, x: &Tensor) -> Result<(Tensor, Vec<Tensor>)> {
        let [_, _, height, width] = nchw("The input of a dilated convolution", x)?;
        let whole = layer.op.forward_whole(x, layer.weights, Epilogue::default())?;
        let finish = PhaseEpilogue { scale: layer.scale, shift: layer.shift, relu: layer.relu };
        let phases = Phases { dilation: layer.op.dilation };
        let y = phases.mix(&whole, &self.matrix(layer)?, [height, width], finish)?;
        Ok((y, vec![whole]))
    }

    fn backward(
        &self,
        layer: &DilatedLayer<'_>,
        x: &Tensor,
        saved: &[Tensor],
        g: &Tensor,
        gradients: &LayerGradients,
        mask: Option<&Tensor>,
    ) -> Result<Tensor> {
        let (phases, matrix) = (Phases { dilation: layer.op.dilation }, self.matrix(layer)?);
        let [_, _, height, width] = nchw("The output of a dilated convolution", &saved[0])?;
        if let Some(slot) = slot(&gradients.own, 0) {
            let gradient = zeros(matrix.dims(), matrix.device())?;
            phases.backward_matrix(&saved[0], g, layer.scale, &gradient)?;
            match self.0 {
                Form::Code => interaction::gradient(&gradient, slot)?,
                Form::Paper => elementwise::copy(&gradient, slot)?,
            }
        }
        let g = phases.backward_input(g, &matrix, layer.scale, [height, width])?;
        // The scale comes behind the mixing.
        Regular.backward(&DilatedLayer { scale: None, ..*layer }, x, &[], &g, gradients, mask)
    }
}
