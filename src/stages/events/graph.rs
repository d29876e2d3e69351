//! A network as a graph that TensorBoard draws: groups fold into one box each, blocks inside them likewise.

use crate::ml::error::Result;
use crate::ml::models::{ConvShape, architecture};
use crate::ml::spec::{HeadConv, ModelSpec};
use crate::tensorboard::proto::attr_value::Content;
use crate::tensorboard::proto::{AttrValue, GraphDef, NodeDef};

use crate::stages::params::network;

/// The graph of a network. A convolution stands for itself and the batch norm and ReLU behind it.
pub fn graph(spec: &ModelSpec) -> Result<GraphDef> {
    let shape = architecture(&spec.encoder)?;
    let mut graph = Graph::default();
    let image = graph.add("input", "Placeholder", &[], &[]);
    let stem = graph.add("stem/conv", "Conv2D", &[&image], &[("size", 7), ("stride", 2), ("channels", shape.stem)]);
    let mut x = graph.add("stem/pool", "MaxPool", &[&stem], &[("size", 3), ("stride", 2)]);
    for block in shape.blocks(&spec.geometry) {
        let name = |part: &str| format!("{}/{part}", block.name);
        let mut path = x.clone();
        for conv in &block.shape.path {
            path = graph.add(&name(label(conv)), "Conv2D", &[&path], &settings(conv));
            if conv.is_dilated() {
                graph.say("prefilter", &network::in_words(&spec.prefilter));
            }
        }
        let shortcut = match &block.shape.shortcut {
            Some(conv) => graph.add(&name(label(conv)), "Conv2D", &[&x], &settings(conv)),
            None => x,
        };
        x = graph.add(&name("sum"), "Add", &[&path, &shortcut], &[]);
    }
    if let Some(channels) = spec.head.inner(shape.channels()) {
        x = graph.add("head/inner", "Conv2D", &[&x], &[("size", 3), ("dilation", 1), ("channels", channels)]);
    }
    let branch = |(number, HeadConv { kernel, dilation, .. }): (usize, HeadConv)| {
        let settings = [("size", kernel), ("dilation", dilation), ("channels", spec.classes)];
        graph.add(&format!("head/conv{number}"), "Conv2D", &[&x], &settings)
    };
    let branches: Vec<String> = (1..).zip(spec.head.convolutions()).map(branch).collect();
    graph.add("logits", "AddN", &branches.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    Ok(GraphDef { node: graph.nodes })
}

/// What a convolution is called in the drawing.
fn label(conv: &ConvShape) -> &'static str {
    if conv.part == "middle" { "conv" } else { conv.part }
}

/// What is said of a convolution: the stride of those of 1x1, the dilation of larger ones, and their stride unless it
/// is 1.
fn settings(conv: &ConvShape) -> Vec<(&'static str, usize)> {
    let mut settings = vec![("size", conv.kernel), ("channels", conv.output)];
    if conv.kernel == 1 || conv.op.stride > 1 {
        settings.push(("stride", conv.op.stride));
    }
    if conv.kernel > 1 {
        settings.push(("dilation", conv.op.dilation));
    }
    settings
}

#[derive(Default)]
struct Graph {
    nodes: Vec<NodeDef>,
}

impl Graph {
    /// Adds an operation and gives its name back.
    fn add(&mut self, name: &str, op: &str, inputs: &[&str], settings: &[(&str, usize)]) -> String {
        let number = |value: usize| AttrValue { content: Some(Content::I(i64::try_from(value).unwrap_or(i64::MAX))) };
        self.nodes.push(NodeDef {
            name: name.to_owned(),
            op: op.to_owned(),
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            attr: settings.iter().map(|(key, value)| ((*key).to_owned(), number(*value))).collect(),
        });
        name.to_owned()
    }

    /// Adds a text to the operation that was added last.
    fn say(&mut self, key: &str, text: &str) {
        let value = AttrValue { content: Some(Content::S(text.as_bytes().to_vec())) };
        if let Some(node) = self.nodes.last_mut() {
            node.attr.insert(key.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ml::models::ENCODERS;
    use crate::ml::spec::Choice;

    #[test]
    fn every_input_is_an_operation_before_it() {
        for encoder in ENCODERS {
            let (encoder, prefilter) = (Choice::new(encoder.name), Choice::new("Average"));
            let graph = graph(&ModelSpec::new(encoder, 21, prefilter)).unwrap();
            let mut known = BTreeSet::new();
            for node in &graph.node {
                assert!(node.input.iter().all(|input| known.contains(input.as_str())), "{node:?}");
                assert!(known.insert(node.name.as_str()), "{} twice", node.name);
            }
            assert_eq!(graph.node.last().unwrap().input.len(), 4);
        }
    }
}
