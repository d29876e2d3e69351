//! The parameters that name a network. They are made from `ml`'s registries: a new encoder or pre-filter needs no line here.

use std::collections::BTreeMap;

use crate::ml::conventions::{self, FirstDilation, StrideAt};
use crate::ml::geometry;
use crate::ml::layers::prefilter;
use crate::ml::models;
use crate::ml::ops::pool::MaxPool;
use crate::ml::resample::Sampling;
use crate::ml::spec::{Arg, ArgSpec, Choice, HeadSpec, ModelSpec};
use crate::params;
use crate::stage::params::Param;
use crate::stage::schema::{Bounds, Enumeration, SINGLE};
use crate::stage::value::Record;
use crate::stage::{Field, Type, Value, Variant};

params! {
    /// A segmentation network.
    pub enum Model {
        /// DeepLab-v2 (Chen et al., arXiv 1606.00915): a residual encoder at output stride 8, dilated by 2 in group 4
        /// and by 4 in group 5, and a head that makes the logits.
        DeepLabV2 {
            /// The encoder.
            encoder: Encoder;
            /// The number of classes of the data.
            classes: u32, where min(2.0).max(255.0);
            /// The type of dilated convolution: what smooths the input of the dilated 3x3 convolutions of groups 4
            /// and 5.
            prefilter: Prefilter = Prefilter::regular();
            /// The head.
            head: Head = Head::default(), where since("0.1.0");
            /// The conventions of the program that the weights were trained with. Imported weights give the results of
            /// their own project under its conventions only.
            geometry: Geometry = Geometry::default(), where since("0.1.0");
        }
    }

    /// What makes the logits of the encoder's output.
    pub enum Head {
        /// The atrous pyramid of DeepLab-v2: convolutions of 3x3 with several dilations. Their sum is the logits.
        Aspp {
            /// The dilation of each convolution. No two are equal.
            rates: Vec<u32> = vec![6, 12, 18, 24], where min(1.0).max(65536.0).nonempty();
        }
        /// The head of DeepLab-LargeFOV: one convolution of 3x3.
        LargeFov {
            /// The dilation.
            rate: u32 = 12, where min(1.0).max(65536.0);
        }
        /// torchvision's `FCNHead`: a convolution of 3x3 to a quarter of the channels with its batch norm and ReLU, then
        /// one of 1x1. A training here leaves out its dropout.
        Fcn {}
    }

    /// The conventions in which programs differ that train the same network. Each name stands for a set of them, and each
    /// convention of the set can be stated by itself, as in `Caffe(upsampling: AlignCorners)`.
    pub enum Geometry {
        /// The original code's.
        TensorFlow {
            /// How many zeros stand around the input of a convolution.
            padding: Padding = Padding::Same {};
            /// The border of the max pool behind the stem.
            pool: Pool = Pool::Same {};
            /// Which convolution of a bottleneck block has the block's stride. Basic blocks have it on their first one.
            stride: Stride = Stride::Reduce {};
            /// The dilation of the first block of groups 4 and 5.
            first_dilation: Dilation = Dilation::Own {};
            /// Where resizes read: of logits to the size of the image, and of images and logits to other scales. The loss
            /// reads labels where the logits stand.
            upsampling: Upsampling = Upsampling::Legacy {};
            /// What batch norms add to the variance.
            epsilon: f64 = 1e-3, where above(0.0).max(1.0);
        }
        /// Those of Caffe's DeepLab-v2, as the PyTorch port kazuto1011/deeplab-pytorch has them.
        Caffe {
            /// As of `TensorFlow`.
            padding: Padding = Padding::Symmetric {};
            /// As of `TensorFlow`.
            pool: Pool = Pool::SymmetricCeil {};
            /// As of `TensorFlow`.
            stride: Stride = Stride::Reduce {};
            /// As of `TensorFlow`.
            first_dilation: Dilation = Dilation::Own {};
            /// As of `TensorFlow`.
            upsampling: Upsampling = Upsampling::HalfPixel {};
            /// As of `TensorFlow`.
            epsilon: f64 = 1e-5, where above(0.0).max(1.0);
        }
        /// Those of torchvision's ResNets with `replace_stride_with_dilation=[False, True, True]`.
        Torchvision {
            /// As of `TensorFlow`.
            padding: Padding = Padding::Symmetric {};
            /// As of `TensorFlow`.
            pool: Pool = Pool::Symmetric {};
            /// As of `TensorFlow`.
            stride: Stride = Stride::Middle {};
            /// As of `TensorFlow`.
            first_dilation: Dilation = Dilation::Before {};
            /// As of `TensorFlow`.
            upsampling: Upsampling = Upsampling::HalfPixel {};
            /// As of `TensorFlow`.
            epsilon: f64 = 1e-5, where above(0.0).max(1.0);
        }
    }

    /// How many zeros stand around the input of a convolution.
    pub enum Padding {
        /// As few as ceil(size / stride) outputs need; if their number is odd, one more stands behind. TensorFlow's `SAME`.
        Same {}
        /// The same number on either side: dilation x (kernel - 1) / 2. PyTorch's `padding`.
        Symmetric {}
    }

    /// The border of the max pool of 3x3 at stride 2.
    pub enum Pool {
        /// TensorFlow's `SAME`, with ceil(size / 2) outputs.
        Same {}
        /// One element on either side, with floor((size - 1) / 2) + 1 outputs. PyTorch's `padding=1`.
        Symmetric {}
        /// One element on either side, with ceil((size - 1) / 2) + 1 outputs. PyTorch's `padding=1, ceil_mode=True`.
        SymmetricCeil {}
    }

    /// Which convolution of a bottleneck block has the block's stride.
    pub enum Stride {
        /// The first one, of 1x1.
        Reduce {}
        /// The second one, of 3x3.
        Middle {}
    }

    /// The dilation of the first block of groups 4 and 5.
    pub enum Dilation {
        /// That of its own group: 2 and 4.
        Own {}
        /// That of the group before: 1 and 2. A convolution with the dilation 1 has no pre-filter.
        Before {}
    }

    /// Where the outputs of a bilinear resize read.
    pub enum Upsampling {
        /// Output i reads at i x from / to. TensorFlow's legacy resize.
        Legacy {}
        /// Output i reads at (i + 0.5) x from / to - 0.5. PyTorch's `align_corners=False`.
        HalfPixel {}
        /// Output i reads at i x (from - 1) / (to - 1). PyTorch's `align_corners=True`, and Caffe's `Interp`.
        AlignCorners {}
    }
}

impl Model {
    /// The network's description for `ml`.
    pub fn spec(&self) -> ModelSpec {
        let Model::DeepLabV2 { encoder, classes, prefilter, head, geometry } = self;
        let plain = ModelSpec::new(encoder.0.clone(), *classes as usize, prefilter.0.clone());
        ModelSpec { head: head.spec(), geometry: geometry.spec(), ..plain }
    }
}

impl Default for Head {
    /// The original code's.
    fn default() -> Self {
        Head::Aspp { rates: vec![6, 12, 18, 24] }
    }
}

impl Head {
    /// The head's description for `ml`.
    pub fn spec(&self) -> HeadSpec {
        match self {
            Head::Aspp { rates } => HeadSpec::Aspp { rates: rates.iter().map(|&rate| rate as usize).collect() },
            Head::LargeFov { rate } => HeadSpec::LargeFov { rate: *rate as usize },
            Head::Fcn {} => HeadSpec::Fcn,
        }
    }
}

impl Default for Geometry {
    /// The original code's.
    fn default() -> Self {
        Geometry::TensorFlow {
            padding: Padding::Same {},
            pool: Pool::Same {},
            stride: Stride::Reduce {},
            first_dilation: Dilation::Own {},
            upsampling: Upsampling::Legacy {},
            epsilon: conventions::Geometry::TENSORFLOW.epsilon,
        }
    }
}

impl Geometry {
    /// The conventions' description for `ml`.
    pub fn spec(&self) -> conventions::Geometry {
        let (Geometry::TensorFlow { padding, pool, stride, first_dilation, upsampling, epsilon }
        | Geometry::Caffe { padding, pool, stride, first_dilation, upsampling, epsilon }
        | Geometry::Torchvision { padding, pool, stride, first_dilation, upsampling, epsilon }) = self;
        conventions::Geometry {
            padding: match padding {
                Padding::Same {} => geometry::Padding::Same,
                Padding::Symmetric {} => geometry::Padding::Symmetric,
            },
            pool: match pool {
                Pool::Same {} => MaxPool::Same,
                Pool::Symmetric {} => MaxPool::Symmetric,
                Pool::SymmetricCeil {} => MaxPool::SymmetricCeil,
            },
            stride: match stride {
                Stride::Reduce {} => StrideAt::Reduce,
                Stride::Middle {} => StrideAt::Middle,
            },
            first_dilation: match first_dilation {
                Dilation::Own {} => FirstDilation::Own,
                Dilation::Before {} => FirstDilation::Before,
            },
            upsampling: match upsampling {
                Upsampling::Legacy {} => Sampling::Legacy,
                Upsampling::HalfPixel {} => Sampling::HalfPixel,
                Upsampling::AlignCorners {} => Sampling::AlignCorners,
            },
            epsilon: *epsilon,
        }
    }
}

/// An encoder by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoder(pub Choice);

/// A dilated type by name, with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Prefilter(pub Choice);

impl Prefilter {
    fn regular() -> Self {
        Prefilter(Choice::new("Regular"))
    }
}

impl Param for Encoder {
    fn ty() -> Type {
        let entries = models::ENCODERS.iter().map(|e| (e.name, e.doc, (e.args)()));
        enumeration("Encoder", "A residual encoder.", entries)
    }
    fn read(value: &Value) -> Option<Self> {
        choice(value).map(Encoder)
    }
    fn write(&self) -> Value {
        record(&self.0)
    }
}

impl Param for Prefilter {
    fn ty() -> Type {
        let entries = prefilter::PREFILTERS.iter().map(|e| (e.name, e.doc, (e.args)()));
        enumeration("Prefilter", "A type of dilated convolution.", entries)
    }
    fn read(value: &Value) -> Option<Self> {
        choice(value).map(Prefilter)
    }
    fn write(&self) -> Value {
        record(&self.0)
    }
}

fn enumeration(
    name: &'static str,
    doc: &'static str,
    entries: impl Iterator<Item = (&'static str, &'static str, Vec<ArgSpec>)>,
) -> Type {
    let variants =
        entries.map(|(name, doc, args)| Variant { name, doc, fields: args.iter().map(field).collect() }).collect();
    Type::Enum(Enumeration { name, doc, variants })
}

fn field(arg: &ArgSpec) -> Field {
    let ty = match &arg.default {
        Arg::Bool(_) => Type::Bool,
        Arg::Int(_) => Type::Int { min: 0, max: i64::from(u32::MAX) },
        Arg::Float(_) => Type::Float(Bounds { low: 0.0, above: true, high: SINGLE, below: false }),
        Arg::Ints(_) => Type::List { item: Box::new(Type::Int { min: 1, max: i64::from(u32::MAX) }), min: 1 },
        Arg::Text(_) => Type::Str,
        Arg::Name(_) => enumeration(arg.name, arg.doc, arg.names.iter().map(|&(name, doc)| (name, doc, Vec::new()))),
    };
    Field::new(arg.name, arg.doc, ty).default(value(&arg.default))
}

fn value(arg: &Arg) -> Value {
    match arg {
        Arg::Bool(value) => Value::Bool(*value),
        Arg::Int(value) => Value::Int(*value),
        Arg::Float(value) => Value::Float(*value),
        Arg::Text(value) => Value::Str(value.clone()),
        Arg::Ints(values) => Value::List(values.iter().map(|value| Value::Int(*value)).collect()),
        Arg::Name(name) => Value::Struct(Record { name: name.clone(), fields: BTreeMap::new() }),
    }
}

fn argument(value: &Value) -> Option<Arg> {
    Some(match value {
        Value::Bool(value) => Arg::Bool(*value),
        Value::Int(value) => Arg::Int(*value),
        Value::Float(value) => Arg::Float(*value),
        Value::Str(value) => Arg::Text(value.clone()),
        Value::Struct(Record { name, .. }) => Arg::Name(name.clone()),
        Value::List(items) => {
            let ints = items.iter().map(|item| if let Value::Int(n) = item { Some(*n) } else { None });
            Arg::Ints(ints.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn choice(value: &Value) -> Option<Choice> {
    let Value::Struct(Record { name, fields }) = value else { return None };
    let args = fields.iter().map(|(key, value)| Some((key.clone(), argument(value)?)));
    Some(Choice { name: name.clone(), args: args.collect::<Option<_>>()? })
}

fn record(choice: &Choice) -> Value {
    let fields = choice.args.iter().map(|(key, arg)| (key.clone(), value(arg))).collect();
    Value::Struct(Record { name: choice.name.clone(), fields })
}

/// An encoder or a pre-filter as a pipeline would state it, without the arguments that have their defaults.
pub fn in_words(choice: &Choice) -> String {
    let encoder = models::ENCODERS.iter().find(|entry| entry.name == choice.name).map(|entry| (entry.args)());
    let prefilter = || {
        let entry = prefilter::PREFILTERS.iter().find(|entry| entry.name == choice.name);
        entry.map(|entry| (entry.args)())
    };
    choice.in_words(&encoder.or_else(prefilter).unwrap_or_default())
}

/// The encoder of a network as tables name it, with the head and the geometry where they are others than the original code's.
pub fn encoder_in_words(spec: &ModelSpec) -> String {
    let head = (!spec.head.is_default()).then(|| spec.head.in_words());
    let geometry = (!spec.geometry.is_default()).then(|| spec.geometry.in_words());
    std::iter::once(in_words(&spec.encoder)).chain(head).chain(geometry).collect::<Vec<_>>().join(" ")
}
