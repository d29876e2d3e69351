//! What a pipeline may state of the weights that a network starts from.

use crate::ml::layers::{Parameter, Role};
use crate::ml::weights::Scheme;
use crate::params;
use crate::stage::params::FileRef;

use super::network::{Encoder, Geometry, Head, Prefilter};

/// The name of the kind.
pub const KIND: &str = "Weights";

params! {
    /// The weights that a network starts from. A report names every tensor as loaded, initialised, skipped or left
    /// over. Shapes are checked. The weights are stored as 32-bit floats under this program's own names, filters as
    /// OIHW.
    pub struct WeightsParams {
        /// The encoder.
        encoder: Encoder;
        /// Where the weights come from.
        source: Source;
        /// The head that is taken, where one is: the model's.
        head: Head = Head::default(), where since("0.1.0");
        /// The model's conventions. The variances of batch norms are stored for its epsilon. Where the file was trained
        /// with the same, none is changed.
        geometry: Geometry = Geometry::default(), where since("0.1.0");
    }

    /// A source of weights.
    pub enum Source {
        /// Drawn from a seed.
        Seeded {
            /// How the encoder is drawn.
            encoder: Init = Init::Stable {};
            /// The seed of the draws.
            seed: u64 = 1, where max(9007199254740991.0);
            /// The classes of a head that is drawn as well, so that a stage `Model` can be made of the weights. `None`: no
            /// head.
            classes: Option<u32> = None, where min(2.0).max(255.0).since("0.1.0");
        }
        /// A file of weights: TensorFlow's checkpoints of both formats, PyTorch's `.pth`, NumPy's `.npz`, or
        /// safetensors. The content says which. A checkpoint of several files is named by their common prefix, by its
        /// index, or by any part. A folder, a graph and the text file `checkpoint` of TensorFlow lead to the
        /// checkpoint beside them.
        Checkpoint {
            /// The file.
            file: FileRef;
            /// How the tensors in the file are named.
            names: Names = Names::Detect {};
            /// What is taken from the file.
            take: Take = Take::Encoder {};
            /// Whether tensors that the file lacks are drawn from seed 1. Otherwise they are an error.
            partial: bool = false;
            /// Where the file holds several networks, as a model and its average: the scope of the one that is taken,
            /// as `"ema"`. `"."` is the one with the shortest scope. Empty: the only one.
            scope: String = String::new(), where since("0.1.0");
        }
        /// The same as `Checkpoint` with `names: Own`.
        Safetensors {
            /// The file.
            file: FileRef;
            /// Whether tensors that the file lacks are drawn from seed 1. Otherwise they are an error.
            partial: bool = false;
        }
    }

    /// The names of tensors in a file: a table, as in `stages/names/`.
    pub enum Names {
        /// The shipped table that knows most tensors of the file. The log says which that is.
        Detect {}
        /// This program's own names.
        Own {}
        /// The names of DeepLab-v2, after Caffe: `deeplab_resnet_init.ckpt`, `deeplab_resnet.ckpt`, and `deeplab` of
        /// the original code.
        Deeplab {}
        /// The names of TensorFlow slim: `resnet_v1_101.ckpt`, `resnet_v1_50.ckpt`, and `res101` and `res50` of the
        /// original code.
        Slim {}
        /// The names of torchvision's ResNet-50 and ResNet-101.
        Torchvision {}
        /// The names of torchvision's ResNet-18.
        TorchvisionBasic {}
        /// The names of kazuto1011/deeplab-pytorch.
        DeeplabPytorch {}
        /// A table of your own.
        Table {
            /// The file, written as those in `stages/names/`.
            file: FileRef;
        }
    }

    /// What is taken from a file.
    pub enum Take {
        /// The encoder. The head starts from its initialiser, as in the original code.
        Encoder {}
        /// The encoder and the head. The model that is trained must have as many classes.
        EncoderAndHead {}
        /// The encoder, the head, and what the pre-filter has learned, as in a checkpoint that the original code trained.
        Model {
            /// The type of dilated convolution that the file was trained with. The model that is trained must have
            /// the same.
            prefilter: Prefilter;
        }
        /// All that a training goes on from: the same as `Model`, and the momentum of each parameter that is trained, and
        /// the step. TensorFlow's checkpoints hold the momentum as `…/Momentum`, and may hold the step as `global_step`.
        /// Models of this program hold both. If no step is found, `Train(first_step)` states it.
        Training {
            /// The type of dilated convolution that the file was trained with. The model that is trained must have
            /// the same.
            prefilter: Prefilter;
        }
    }

    /// How an encoder is drawn.
    pub enum Init {
        /// He et al., arXiv 1502.01852: normal with variance 2/fan_in, and batch norms that change nothing.
        He {}
        /// As `He`, but the last batch norm of each residual branch is scaled down. Activations and gradients then
        /// keep their scale through a hundred layers with frozen batch norm.
        Stable {}
    }
}

impl Source {
    /// The classes of a head that is drawn.
    pub fn drawn_classes(&self) -> Option<usize> {
        match self {
            Source::Seeded { classes, .. } => classes.map(|classes| classes as usize),
            Source::Checkpoint { .. } | Source::Safetensors { .. } => None,
        }
    }
}

impl Take {
    /// Whether a parameter is taken.
    pub fn takes(&self, parameter: &Parameter) -> bool {
        match parameter.role {
            Role::Conv | Role::Norm => true,
            Role::HeadWeights | Role::HeadNorm | Role::HeadBias => !matches!(self, Take::Encoder {}),
            Role::Prefilter => self.prefilter().is_some(),
        }
    }

    /// The pre-filter that is taken.
    pub fn prefilter(&self) -> Option<&Prefilter> {
        match self {
            Take::Encoder {} | Take::EncoderAndHead {} => None,
            Take::Model { prefilter } | Take::Training { prefilter } => Some(prefilter),
        }
    }
}

impl Names {
    /// The name of the shipped table, where one is stated.
    pub fn shipped(&self) -> Option<&'static str> {
        match self {
            Names::Detect {} | Names::Table { .. } => None,
            Names::Own {} => Some("Own"),
            Names::Deeplab {} => Some("Deeplab"),
            Names::Slim {} => Some("Slim"),
            Names::Torchvision {} => Some("Torchvision"),
            Names::TorchvisionBasic {} => Some("TorchvisionBasic"),
            Names::DeeplabPytorch {} => Some("DeeplabPytorch"),
        }
    }
}

impl Init {
    /// The initialiser.
    pub fn scheme(&self) -> Scheme {
        match self {
            Init::He {} => Scheme::Plain,
            Init::Stable {} => Scheme::Stable,
        }
    }
}
