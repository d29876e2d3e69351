//! Stacks of dilated layers as the golden data describe them.

use candle_core::{Device, Tensor};
use serde_json::Value;

use super::File;
use crate::ml::layers::prefilter::{self, DilatedConv, Layer, LayerGradients};
use crate::ml::ops::conv::Conv2d;
use crate::ml::ops::zeros;
use crate::ml::spec::Choice;

/// One layer of a stack.
struct Stacked {
    kind: Box<dyn DilatedConv>,
    op: Conv2d,
    weights: Tensor,
    bias: Option<Tensor>,
    own: Vec<Tensor>,
    relu: bool,
}

impl Stacked {
    fn layer(&self) -> Layer<'_> {
        let Stacked { op, weights, bias, own, relu, .. } = self;
        Layer { op: *op, weights, scale: None, shift: bias.as_ref(), relu: *relu, own, shared: &[] }
    }
}

/// What a stack gave.
pub struct Passed {
    pub output: Tensor,
    /// By the stack's input.
    pub gradient: Tensor,
    /// By parameters, a layer each.
    pub parameters: Vec<LayerGradients>,
}

/// The dilated type `ours` in the layers that `case` lists, with its variables in `file`: the output for `x`, and the
/// gradients from the one by the output that `g` gives.
pub fn run(
    file: &File,
    ours: &str,
    case: &Value,
    relu_between: bool,
    x: Tensor,
    g: impl FnOnce(&Tensor) -> Tensor,
) -> Passed {
    let stack = read(file, ours, case, relu_between);
    let (mut inputs, mut saves) = (vec![x], Vec::new());
    for stacked in &stack {
        let (y, saved) = stacked.kind.forward(&stacked.layer(), inputs.last().unwrap()).unwrap();
        inputs.push(y);
        saves.push(saved);
    }
    let output = inputs.pop().unwrap();
    let mut gradient = g(&output);
    let mut parameters = Vec::new();
    for (at, stacked) in stack.iter().enumerate().rev() {
        let slots = LayerGradients {
            weights: Some(like(&stacked.weights)),
            own: stacked.own.iter().map(|own| Some(like(own))).collect(),
            shared: Vec::new(),
        };
        let mask = (at > 0 && stack[at - 1].relu).then_some(&inputs[at]);
        gradient = stacked.kind.backward(&stacked.layer(), &inputs[at], &saves[at], &gradient, &slots, mask).unwrap();
        parameters.insert(0, slots);
    }
    Passed { output, gradient, parameters }
}

fn read(file: &File, ours: &str, case: &Value, relu_between: bool) -> Vec<Stacked> {
    let id = case["id"].as_str().unwrap();
    let layers = case["layers"].as_array().unwrap();
    let stacked = |(at, layer): (usize, &Value)| {
        let variable = |name: &str| file.filter(&format!("{id}/var/{name}"));
        let scope = layer["scope"].as_str().unwrap();
        Stacked {
            kind: prefilter::build(&Choice::new(ours)).unwrap(),
            op: Conv2d { stride: 1, dilation: layer["dilation"].as_u64().unwrap() as usize },
            weights: variable(&format!("{scope}/weights")),
            bias: (case["biased"] == true).then(|| variable(&format!("{scope}/biases"))),
            own: if ours == "Average" { vec![variable(&own_name(at))] } else { Vec::new() },
            relu: relu_between && at + 1 < layers.len(),
        }
    };
    layers.iter().enumerate().map(stacked).collect()
}

/// The reference's name of the average filter of layer `at`.
pub fn own_name(at: usize) -> String {
    if at == 0 { "w_avg".to_owned() } else { format!("w_avg_{at}") }
}

/// Zeros of the shape of `tensor`.
pub fn like(tensor: &Tensor) -> Tensor {
    zeros(tensor.dims(), &Device::Cpu).unwrap()
}
