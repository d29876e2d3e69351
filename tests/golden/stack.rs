//! Stacks of dilated layers as the golden data describe them.

use std::collections::BTreeMap;

use candle_core::Tensor;
use serde_json::Value;

use super::File;
use crate::ml::layers::prefilter::{self, DilatedConv, DilatedLayer, Extra, LayerGradients, LayerSize};
use crate::ml::layers::{Parameter, Role};
use crate::ml::ops::conv::Conv2d;
use crate::ml::ops::{elementwise, nchw};
use crate::ml::oracle::{like, values};
use crate::ml::spec::{Arg, Choice};
use crate::ml::weights::{Scheme, initial};

/// Our dilated type of the reference's name `theirs`.
pub fn choice(theirs: &str) -> Choice {
    let learning = |name: &str, learning: &str| Choice::new(name).with("learning", Arg::name(learning));
    match theirs {
        "regular" => Choice::new("Regular"),
        "decompose" => Choice::new("Decompose"),
        "smooth_GI" => Choice::new("GroupInteraction"),
        "smooth_SSC" => Choice::new("SeparableShared"),
        "average_filter" => Choice::new("Average"),
        "gaussian_filter" => Choice::new("Gaussian"),
        "gaussian_oneLearned" => learning("Gaussian", "OneLearned"),
        "gaussian_allLearned" => learning("Gaussian", "EachLearned"),
        "aggregation" => Choice::new("Aggregation"),
        "combinational_learned" => learning("Aggregation", "OneLearned"),
        _ => panic!("the index names the dilated type `{theirs}`, which no test knows"),
    }
}

/// One layer of a stack.
pub struct Stacked {
    pub op: Conv2d,
    pub weights: Variable,
    pub bias: Option<Variable>,
    pub own: Vec<Variable>,
    pub relu: bool,
}

/// A tensor and its name, in the reference where it has one.
pub struct Variable {
    pub name: String,
    pub value: Tensor,
}

/// What a stack gave.
pub struct Passed {
    pub output: Tensor,
    /// By the stack's input.
    pub gradient: Tensor,
    /// By each trainable variable, under its name in the reference.
    pub variables: BTreeMap<String, Tensor>,
}

/// The dilated type that the reference calls `theirs` in the layers that `case` lists, with its variables in `file`:
/// the output for `x`, and the gradients from the one by the output that `g` gives.
pub fn run(
    file: &File,
    theirs: &str,
    case: &Value,
    relu_between: bool,
    x: Tensor,
    g: impl FnOnce(&Tensor) -> Tensor,
) -> Passed {
    let kind = prefilter::build(&choice(theirs)).unwrap();
    let reader = Reader { file, kind: kind.as_ref(), case };
    let channels = nchw("x", &x).unwrap()[1];
    pass(kind.as_ref(), &reader.layers(relu_between, channels), &reader.shared(), x, g)
}

/// The output of a stack for `x`, and the gradients from the one by the output that `g` gives.
pub fn pass(
    kind: &dyn DilatedConv,
    stack: &[Stacked],
    shared: &[Variable],
    x: Tensor,
    g: impl FnOnce(&Tensor) -> Tensor,
) -> Passed {
    let views = |variables: &[Variable]| variables.iter().map(|v| v.value.clone()).collect::<Vec<_>>();
    let (owns, common): (Vec<_>, _) = (stack.iter().map(|stacked| views(&stacked.own)).collect(), views(shared));
    let layer = |at: usize| -> DilatedLayer<'_> {
        let Stacked { op, weights, bias, relu, .. } = &stack[at];
        let shift = bias.as_ref().map(|bias| &bias.value);
        DilatedLayer {
            op: *op,
            weights: &weights.value,
            scale: None,
            shift,
            relu: *relu,
            own: &owns[at],
            shared: &common,
        }
    };
    let (mut inputs, mut saves) = (vec![x], Vec::new());
    for at in 0..stack.len() {
        let (y, saved) = kind.forward(&layer(at), inputs.last().unwrap()).unwrap();
        inputs.push(y);
        saves.push(saved);
    }
    let output = inputs.pop().unwrap();
    let mut gradient = g(&output);
    let mut variables = BTreeMap::new();
    let shared_slots: Vec<_> = shared.iter().map(|variable| Some(like(&variable.value))).collect();
    for (at, stacked) in stack.iter().enumerate().rev() {
        let slots = LayerGradients {
            exact: false,
            weights: Some(like(&stacked.weights.value)),
            own: stacked.own.iter().map(|own| Some(like(&own.value))).collect(),
            shared: shared_slots.clone(),
        };
        if let Some(bias) = &stacked.bias {
            let slot = like(&bias.value);
            elementwise::sum_by_channel(&gradient, &slot).unwrap();
            variables.insert(bias.name.clone(), slot);
        }
        let mask = (at > 0 && stack[at - 1].relu).then_some(&inputs[at]);
        gradient = kind.backward(&layer(at), &inputs[at], &saves[at], &gradient, &slots, mask).unwrap();
        variables.insert(stacked.weights.name.clone(), slots.weights.unwrap());
        for (own, slot) in stacked.own.iter().zip(slots.own) {
            variables.insert(own.name.clone(), slot.unwrap());
        }
    }
    for (shared, slot) in shared.iter().zip(shared_slots) {
        variables.insert(shared.name.clone(), slot.unwrap());
    }
    // What the type does not train has no gradient, whatever lies in its place.
    variables.retain(|name, _| !name.contains("w_gauss_value"));
    Passed { output, gradient, variables }
}

/// Finds the variables of a case.
struct Reader<'a> {
    file: &'a File,
    kind: &'a dyn DilatedConv,
    case: &'a Value,
}

impl Reader<'_> {
    fn layers(&self, relu_between: bool, mut channels: usize) -> Vec<Stacked> {
        let layers = self.case["layers"].as_array().unwrap();
        let mut stack = Vec::new();
        for (at, layer) in layers.iter().enumerate() {
            let scope = layer["scope"].as_str().unwrap();
            let dilation = layer["dilation"].as_u64().unwrap() as usize;
            let extras = self.kind.layer_parameters(LayerSize { channels, dilation });
            let each = extras.iter().any(|extra| extra.name == "sigma");
            stack.push(Stacked {
                op: Conv2d { dilation, ..Conv2d::default() },
                weights: self.variable(format!("{scope}/weights")),
                bias: (self.case["biased"] == true).then(|| self.variable(format!("{scope}/biases"))),
                own: extras.iter().map(|extra| self.extra(extra, own_name(extra.name, at, scope, each))).collect(),
                relu: relu_between && at + 1 < layers.len(),
            });
            channels = layer["out_channels"].as_u64().unwrap() as usize;
        }
        stack
    }

    fn shared(&self) -> Vec<Variable> {
        let name = |extra: &Extra| match extra.name {
            "factors" => "c_vector".to_owned(),
            "sigma" => "gauss_sigma".to_owned(),
            other => panic!("`{other}` has no name in the reference"),
        };
        self.kind.network_parameters().iter().map(|extra| self.extra(extra, name(extra))).collect()
    }

    fn variable(&self, name: String) -> Variable {
        let value = self.file.filter(&format!("{}/var/{name}", self.case["id"].as_str().unwrap()));
        Variable { name, value }
    }

    /// A type's own variable; one that has its first value there must have ours.
    fn extra(&self, extra: &Extra, name: String) -> Variable {
        let variable = self.variable(name);
        assert_eq!(variable.value.dims(), extra.shape, "{}", variable.name);
        if self.case["values"] != "random" {
            let Extra { shape, init, trainable, .. } = extra.clone();
            let parameter = Parameter { name: String::new(), shape, role: Role::Prefilter, trainable, init };
            assert_eq!(values(&variable.value), initial(Scheme::Plain, 0, &parameter), "{}", variable.name);
        }
        variable
    }
}

/// The reference's name of our parameter `extra` of layer `at`, which has the scope `scope`.
fn own_name(extra: &str, at: usize, scope: &str, own_sigma: bool) -> String {
    let numbered = |name: &str| if at == 0 { name.to_owned() } else { format!("{name}_{at}") };
    match extra {
        "weights" | "average" => numbered("w_avg"),
        "offset" if own_sigma => format!("{scope}/w_gauss_value"),
        "offset" => numbered("w_gauss_value"),
        "sigma" => format!("{scope}/gauss_sigma"),
        "shared" | "mixing" => format!("{scope}/fix_w"),
        other => panic!("`{other}` has no name in the reference"),
    }
}
