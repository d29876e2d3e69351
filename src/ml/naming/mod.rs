//! Tables of names: what the tensors of other programs are called here, and how their values lie in memory.
//!
//! A table is a RON file that one can read, copy and extend. The shipped ones are `stages/names/*.ron`. The code knows no
//! names of other programs' tensors. It knows only how TensorFlow numbers variables of the same name, and what programs put
//! before the names of a network ([`scopes`]).
//!
//! A table translates names of the other program into ours ([`NameTable::find`]) and back ([`NameTable::theirs`]).

mod pattern;
pub mod scopes;

use std::collections::{BTreeMap, BTreeSet};

use crate::ml::conventions::Geometry;
use crate::syntax::{self, Diagnostics, Shape, Tree};
use pattern::{Means, Pattern, Template, Words};

/// The bytes that the file of a table may have. The shipped ones have three thousand.
pub const BYTES: u64 = 1 << 20;

/// The order of the axes of filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Height, width, inputs, outputs: TensorFlow's.
    Hwio,
    /// Outputs, inputs, height, width: PyTorch's, and this program's.
    Oihw,
}

/// A table of names.
#[derive(Debug, Clone)]
pub struct NameTable {
    /// The order of the axes of filters.
    pub layout: Layout,
    /// What was added to the variance when the batch norms were trained, where that is another number than the reference's.
    pub epsilon: Option<f64>,
    /// What was added where the table states nothing.
    pub assumed: f64,
    /// What the step of a training is called.
    pub step: Option<String>,
    /// What stands before and behind the name of a tensor in the name of its momentum.
    momentum: Option<(String, String)>,
    scopes: Vec<String>,
    words: Words,
    rules: Vec<(Pattern, Template)>,
    skip: Vec<(Pattern, String)>,
    /// The dilations of the network's head.
    rates: Vec<usize>,
    /// Which network of the file is meant ([`NameTable::within`]).
    within: String,
}

/// How many scopes may stand before a name. Programs wrap a network a few times.
const SCOPES: usize = 16;

/// The scope that stands for the network with the shortest scope.
pub const OUTERMOST: &str = ".";

/// The dilations of the head where none are stated: the reference's.
const RATES: [usize; 4] = [6, 12, 18, 24];

/// The word for a number at the end of a name. Smoothed layers make variables of the same name one after the other, and
/// TensorFlow adds nothing to the first, then `_1`, `_2`, …. The word becomes the name of the layer here, which depends on
/// the network.
const SMOOTHED: &str = "smoothed";

/// What a table says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// It is this tensor of ours.
    Ours(String),
    /// It is known and not needed, with the reason.
    Skipped(String),
    /// Nothing, or nothing that is wanted.
    Unknown,
}

/// The tables that are shipped, by name.
const SHIPPED: [(&str, &str); 6] = [
    ("Own", include_str!("../../../stages/names/own.ron")),
    ("Deeplab", include_str!("../../../stages/names/deeplab.ron")),
    ("Slim", include_str!("../../../stages/names/slim.ron")),
    ("Torchvision", include_str!("../../../stages/names/torchvision.ron")),
    ("TorchvisionBasic", include_str!("../../../stages/names/torchvision_basic.ron")),
    ("DeeplabPytorch", include_str!("../../../stages/names/deeplab_pytorch.ron")),
];

impl NameTable {
    /// Reads a table: the text of the file `name`.
    ///
    /// # Errors
    /// The text is no table, or a rule is none: every fault, with its place.
    pub fn parse(name: &str, text: &str) -> Result<Self, Diagnostics> {
        let example = "The tables in `stages/names/` are examples.";
        syntax::read(name, text, example, |shape, tree| {
            let known = ["layout", "rules", "epsilon", "scopes", "words", "skip", "momentum", "step"];
            let [layout, rules, epsilon, scopes, stated, skip, momentum, step] =
                shape.fields(tree, "Names", known, 2)?;
            let layout = layout.and_then(|tree| shape.choice(tree, &["Hwio", "Oihw"]));
            let epsilon = epsilon.and_then(|tree| shape.number(tree));
            let step = step.and_then(|tree| shape.text(tree));
            let momentum = momentum.and_then(|tree| {
                let text = shape.text(tree)?;
                let around = text.split_once("{*}").map(|(before, behind)| (before.to_owned(), behind.to_owned()));
                if around.is_none() {
                    shape.fault(&tree.span, format!("`{text}` has no `{{*}}`, which stands for the name of a tensor."));
                }
                around
            });
            let items = scopes.and_then(|tree| shape.list(tree)).unwrap_or_default();
            let scopes = items.iter().filter_map(|tree| shape.text(tree)).collect();
            let mut words = Words::new();
            for (word, tree) in stated.and_then(|tree| shape.map(tree)).unwrap_or_default() {
                let entries = shape.map(tree).unwrap_or_default().into_iter();
                let meanings = entries.filter_map(|(theirs, ours)| Some((theirs.text, shape.text(ours)?))).collect();
                words.insert(word.text, meanings);
            }
            words.entry(SMOOTHED.to_owned()).or_default();
            let rule = |from: &str, to: &str| {
                let pattern = Pattern::parse(from, &words)?;
                let template = Template::parse(to, &pattern, &words)?;
                Ok((pattern, template))
            };
            let rules = pairs(shape, rules, &rule);
            let skip = pairs(shape, skip, &|from, why| Ok((Pattern::parse(from, &words)?, why.to_owned())));
            let layout = if layout? == 0 { Layout::Hwio } else { Layout::Oihw };
            let (rates, within, assumed) = (RATES.to_vec(), String::new(), Geometry::TENSORFLOW.epsilon);
            Some(NameTable { layout, epsilon, assumed, step, momentum, scopes, words, rules, skip, rates, within })
        })
    }

    /// The shipped table of that name.
    pub fn shipped(name: &str) -> Result<Self, String> {
        let known = || SHIPPED.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let entry = SHIPPED.iter().find(|(shipped, _)| *shipped == name);
        let (_, text) = entry.ok_or_else(|| format!("There is no table of names `{name}`; there are {}.", known()))?;
        NameTable::parse(&format!("the shipped table `{name}`"), text).map_err(|faults| faults.to_string())
    }

    /// The names of the shipped tables.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// The table for batch norms that were trained with this epsilon, where it states none itself.
    pub fn assuming(self, epsilon: f64) -> Self {
        NameTable { assumed: epsilon, ..self }
    }

    /// The table for a network with these smoothed layers, in their order: they give `{smoothed}` its meaning.
    pub fn smoothing(mut self, layers: &[String]) -> Self {
        let number = |at| if at == 0 { String::new() } else { format!("_{at}") };
        let word = layers.iter().enumerate().map(|(at, layer)| (number(at), layer.clone())).collect();
        self.words.insert(SMOOTHED.to_owned(), word);
        self
    }

    /// The name of the tensor whose momentum is called `name`; none where it is no momentum.
    pub fn with_momentum<'a>(&self, name: &'a str) -> Option<&'a str> {
        let (before, behind) = self.momentum.as_ref()?;
        name.strip_prefix(before.as_str())?.strip_suffix(behind.as_str())
    }

    /// The table for a network whose head has these dilations, in their order: they give `{rates:n}` its meaning.
    pub fn rates(self, rates: &[usize]) -> Self {
        NameTable { rates: rates.to_vec(), ..self }
    }

    /// The table for the network of a file whose names lie in this scope, as `ema`. Empty: any; [`OUTERMOST`]: the one with
    /// the shortest scope, which is for the caller to find.
    pub fn within(self, scope: &str) -> Self {
        NameTable { within: scope.to_owned(), ..self }
    }

    /// Whether the network with the shortest scope is meant.
    pub fn outermost(&self) -> bool {
        self.within == OUTERMOST
    }

    fn means(&self) -> Means<'_> {
        Means { words: &self.words, rates: &self.rates }
    }

    /// The meaning of a name of the other program ([`NameTable::find`]).
    pub fn meaning(&self, name: &str, wanted: &dyn Fn(&str) -> bool) -> Meaning {
        self.find(name, wanted).0
    }

    /// The meaning of a name of the other program, and the scope that it lies in. Only tensors that are `wanted` count: a
    /// name that fits several of them is unknown. The name may have scopes before it, one behind the other, as `module.`.
    pub fn find<'a>(&self, name: &'a str, wanted: &dyn Fn(&str) -> bool) -> (Meaning, &'a str) {
        let means = self.means();
        let bare = scopes::without_ending(name);
        let mut start = 0;
        for _ in 0..=SCOPES {
            let (scope, name) = (bare[..start].trim_end_matches(['.', '/']), &bare[start..]);
            let meant = self.within.is_empty() || self.outermost() || scopes::within(scope, &self.within);
            let ours =
                |(pattern, template): &(Pattern, Template)| template.fill(&pattern.captures(name, means)?, means.rates);
            let known: BTreeSet<String> = self.rules.iter().filter_map(ours).collect();
            if !known.is_empty() {
                let mut wanted = known.into_iter().filter(|ours| wanted(ours));
                let meaning = match (wanted.next(), wanted.next()) {
                    (Some(_), None) if !meant => Meaning::Skipped("it lies in another scope".to_owned()),
                    (Some(ours), None) => Meaning::Ours(ours),
                    _ => Meaning::Unknown,
                };
                return (meaning, scope);
            }
            if let Some((_, why)) = self.skip.iter().find(|(pattern, _)| pattern.captures(name, means).is_some()) {
                return (Meaning::Skipped(why.clone()), scope);
            }
            match scopes::length(name, &self.scopes) {
                Some(len) => start += len,
                None => return (Meaning::Unknown, scope),
            }
        }
        (Meaning::Unknown, "")
    }

    /// The name that the other program gives a tensor of ours: by the first rule that has one. `others` are numbers that
    /// stand in such names and not in ours, as the layers of a ResNet.
    pub fn theirs(&self, ours: &str, others: &BTreeMap<&str, i64>) -> Option<String> {
        let name =
            |(pattern, template): &(Pattern, Template)| pattern.fill(&template.captures(ours, self.means())?, others);
        self.rules.iter().find_map(name)
    }
}

/// What `make` makes of each pair of texts in a list.
fn pairs<T>(shape: &mut Shape<'_>, list: Option<&Tree>, make: &dyn Fn(&str, &str) -> Result<T, String>) -> Vec<T> {
    let mut made = Vec::new();
    for item in list.and_then(|tree| shape.list(tree)).unwrap_or_default() {
        let Some([first, second]) = shape.pair(item) else { continue };
        if let (Some(first), Some(second)) = (shape.text(first), shape.text(second)) {
            match make(&first, &second) {
                Ok(value) => made.push(value),
                Err(message) => shape.fault(&item.span, message),
            }
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(table: &str, name: &str) -> Meaning {
        NameTable::shipped(table).unwrap().meaning(name, &|_| true)
    }

    #[test]
    fn shipped_tables_know_the_names() {
        for (name, text) in SHIPPED {
            NameTable::parse(name, text).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        for (table, name, wanted) in [
            ("Own", "group4/block3/middle/norm/variance", "group4/block3/middle/norm/variance"),
            ("Own", "stem/conv/weights", "stem/conv/weights"),
            ("Deeplab", "bn_conv1/moving_mean", "stem/norm/mean"),
            ("Deeplab", "res4b22_branch2c/weights", "group4/block23/expand/weights"),
            ("Deeplab", "bn5c_branch2b/moving_variance", "group5/block3/middle/norm/variance"),
            ("Deeplab", "res2b_branch2a/weights", "group2/block2/reduce/weights"),
            ("Deeplab", "fc1_voc12_c3/biases", "head/aspp24/biases"),
            ("Slim", "resnet_v1_50/conv1/weights", "stem/conv/weights"),
            (
                "Slim",
                "resnet_v1_101/block3/unit_23/bottleneck_v1/conv2/BatchNorm/gamma",
                "group4/block23/middle/norm/gamma",
            ),
            (
                "Slim",
                "resnet_v1_101/block1/unit_1/bottleneck_v1/shortcut/BatchNorm/beta",
                "group2/block1/shortcut/norm/beta",
            ),
            ("Slim", "decoder/aspp/conv2/weights", "head/aspp12/weights"),
            ("Torchvision", "conv1.weight", "stem/conv/weights"),
            ("Torchvision", "module.state_dict.bn1.running_var", "stem/norm/variance"),
            ("Torchvision", "layer3.22.conv3.weight", "group4/block23/expand/weights"),
            ("Torchvision", "layer1.0.downsample.1.bias", "group2/block1/shortcut/norm/beta"),
            ("Torchvision", "classifier.0.weight", "head/inner/weights"),
            ("Torchvision", "classifier.1.running_var", "head/inner/norm/variance"),
            ("Torchvision", "classifier.4.bias", "head/outer/biases"),
            ("Torchvision", "aspp.c3.weight", "head/aspp24/weights"),
            ("Torchvision", "conv1.weight.npy", "stem/conv/weights"),
            ("Deeplab", "conv1/weights:0", "stem/conv/weights"),
            ("Slim", "model/resnet_v1_50/conv1/weights/.ATTRIBUTES/VARIABLE_VALUE", "stem/conv/weights"),
            ("Torchvision", "0.state_dict.teacher.module._orig_mod.net.conv1.weight", "stem/conv/weights"),
            ("TorchvisionBasic", "layer2.0.conv1.weight", "group3/block1/first/weights"),
            ("TorchvisionBasic", "layer4.1.bn2.running_mean", "group5/block2/second/norm/mean"),
            ("DeeplabPytorch", "base.layer1.conv1.conv.weight", "stem/conv/weights"),
            ("DeeplabPytorch", "layer2.block1.shortcut.bn.weight", "group2/block1/shortcut/norm/gamma"),
            ("DeeplabPytorch", "scale.layer4.block23.proj.conv.weight", "group4/block23/shortcut/weights"),
            ("DeeplabPytorch", "module.base.layer5.block3.conv3x3.bn.running_mean", "group5/block3/middle/norm/mean"),
            ("DeeplabPytorch", "base.aspp.c0.weight", "head/aspp6/weights"),
            ("DeeplabPytorch", "scale.aspp.stages.c3.bias", "head/aspp24/biases"),
        ] {
            assert_eq!(ours(table, name), Meaning::Ours(wanted.to_owned()), "{table}: {name}");
        }
        for (table, name) in [
            ("Torchvision", "bn1.num_batches_tracked"),
            ("DeeplabPytorch", "base.layer2.block1.reduce.bn.num_batches_tracked"),
            ("Torchvision", "fc.weight"),
            ("Slim", "resnet_v1_50/logits/weights"),
            ("Deeplab", "conv1/weights/Momentum"),
        ] {
            assert!(matches!(ours(table, name), Meaning::Skipped(_)), "{table}: {name}");
        }
        assert_eq!(ours("Torchvision", "classifier.7.weight"), Meaning::Unknown);
        let wrapped = |times| format!("{}conv1.weight", "module.".repeat(times));
        assert_eq!(ours("Torchvision", &wrapped(SCOPES)), Meaning::Ours("stem/conv/weights".to_owned()));
        assert_eq!(ours("Torchvision", &wrapped(SCOPES + 1)), Meaning::Unknown);
        assert_eq!(ours("TorchvisionBasic", "layer2.0.conv3.weight"), Meaning::Unknown);
        assert_eq!(ours("Deeplab", "res4b22_branch2d/weights"), Meaning::Unknown);
    }

    #[test]
    fn filters_have_the_names_of_the_layers_that_make_them() {
        let layers = ["group4/block1/middle", "group4/block2/middle", "group5/block1/middle"].map(str::to_owned);
        let meaning = |table: &str, name: &str, part: &str| {
            let wanted = |ours: &str| ours.ends_with(part);
            match NameTable::shipped(table).unwrap().smoothing(&layers).meaning(name, &wanted) {
                Meaning::Ours(ours) => ours,
                other => panic!("{table}: {name} is {other:?}"),
            }
        };
        for (table, name, wanted) in [
            ("Deeplab", "w_avg", "group4/block1/middle/prefilter/weights"),
            ("Deeplab", "w_avg_2", "group5/block1/middle/prefilter/average"),
            ("Deeplab", "w_gauss_value_1", "group4/block2/middle/prefilter/offset"),
            ("Deeplab", "res4b22_branch2b/fix_w", "group4/block23/middle/prefilter/shared"),
            ("Deeplab", "res5c_branch2b/fix_w", "group5/block3/middle/prefilter/mixing"),
            ("Deeplab", "res4a_branch2b/gauss_sigma", "group4/block1/middle/prefilter/sigma"),
            ("Deeplab", "res4b1_branch2b/w_gauss_value", "group4/block2/middle/prefilter/offset"),
            ("Deeplab", "c_vector", "prefilter/factors"),
            ("Slim", "resnet_v1_50/block3/w_avg", "group4/block1/middle/prefilter/weights"),
            ("Slim", "resnet_v1_101/block3/w_avg_22", "group4/block23/middle/prefilter/average"),
            ("Slim", "resnet_v1_50/block4/w_gauss_value_2", "group5/block3/middle/prefilter/offset"),
            ("Slim", "resnet_v1_50/block4/unit_2/bottleneck_v1/conv2/fix_w", "group5/block2/middle/prefilter/mixing"),
            ("Slim", "gauss_sigma", "prefilter/sigma"),
            ("Own", "group4/block1/middle/prefilter/mixing", "group4/block1/middle/prefilter/mixing"),
        ] {
            assert_eq!(meaning(table, name, wanted.rsplit_once('/').unwrap().1), wanted, "{table}: {name}");
        }
        // Without a network there is no telling which layer is meant, nor which type's filter.
        for name in ["w_avg_2", "res4a_branch2b/fix_w"] {
            assert_eq!(ours("Deeplab", name), Meaning::Unknown);
        }
    }

    #[test]
    fn a_table_with_faults_is_told_with_the_places() {
        let told = |text: &str| NameTable::parse("mine.ron", text).unwrap_err().to_string();
        let rules = "Names(\n  layout: Oihw,\n  rules: [(\"a{n}\", \"b{m}\"), (\"c{n\", \"d\"), (\"e\",)],\n)";
        insta::assert_snapshot!(told(rules));
        insta::assert_snapshot!(told("Names(layout: Iohw,\n rule: [], words: {\"a\": 1})"));
        insta::assert_snapshot!(told("Names(layout: Oihw,\n rules: [(\"a\" \"b\")])"));
    }
}
