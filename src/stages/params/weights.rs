//! What a pipeline may state of the weights that a network starts from.

use crate::ml::layers::{Parameter, Role};
use crate::ml::weights::Scheme;
use crate::params;
use crate::stage::params::FileRef;

use super::network::{Encoder, Prefilter};

/// The name of the kind.
pub const KIND: &str = "Weights";

params! {
    /// The weights that a network starts from. Every tensor is reported as loaded, initialised, skipped or left over, and
    /// shapes are checked. Weights are kept as OIHW fp32 under this program's own names.
    pub struct WeightsParams {
        /// The encoder.
        encoder: Encoder;
        /// Where the weights come from.
        source: Source;
    }

    /// A source of weights.
    pub enum Source {
        /// Drawn from a seed.
        Seeded {
            /// How.
            encoder: Init = Init::Stable {};
            /// Where the draws start.
            seed: u64 = 1, where max(9007199254740991.0);
        }
        /// A file of weights: TensorFlow's checkpoints of both formats (several files are named by their prefix, their
        /// index or any part), PyTorch's `.pth`, NumPy's `.npz`, safetensors. Its content says which.
        Checkpoint {
            /// The file.
            file: FileRef;
            /// What its tensors are called.
            names: Names = Names::Detect {};
            /// What is taken from it.
            take: Take = Take::Encoder {};
            /// Whether tensors that the file lacks may be drawn from seed 1 instead of being an error.
            partial: bool = false;
        }
        /// The same as `Checkpoint` with this program's names.
        Safetensors {
            /// The file.
            file: FileRef;
            /// Whether tensors that the file lacks may be drawn from seed 1 instead of being an error.
            partial: bool = false;
        }
    }

    /// The names of tensors in a file: a table, as `stages/names/` holds them.
    pub enum Names {
        /// The shipped table that knows the most of the file's tensors. The log says which.
        Detect {}
        /// This program's own.
        Own {}
        /// DeepLab-v2's, after Caffe: `deeplab_resnet_init.ckpt`, `deeplab_resnet.ckpt`, the reference's `deeplab`.
        Deeplab {}
        /// TensorFlow slim's: `resnet_v1_101.ckpt`, `resnet_v1_50.ckpt`, the reference's `res101` and `res50`.
        Slim {}
        /// torchvision's ResNet-50 and ResNet-101.
        Torchvision {}
        /// torchvision's ResNet-18.
        TorchvisionBasic {}
        /// kazuto1011/deeplab-pytorch's.
        DeeplabPytorch {}
        /// A table of one's own.
        Table {
            /// The file, written as those in `stages/names/`.
            file: FileRef;
        }
    }

    /// What is taken from a file.
    pub enum Take {
        /// The encoder. The head starts from its initialiser, as in the reference.
        Encoder {}
        /// The encoder and the head, which must have as many classes as the model that is trained.
        EncoderAndHead {}
        /// The encoder, the head, and what the pre-filter has learned, as in a checkpoint that the reference trained.
        Model {
            /// The type of dilated convolution that the file was trained with, which the model that is trained must have.
            prefilter: Prefilter;
        }
    }

    /// How an encoder is drawn.
    pub enum Init {
        /// He et al., arXiv 1502.01852: normal with variance 2/fan_in, batch norms that change nothing.
        He {}
        /// The same, with the last batch norm of each residual branch scaled down, so that activations and gradients
        /// keep their scale through a hundred layers with frozen batch norm.
        Stable {}
    }
}

impl Take {
    /// Whether a parameter is taken.
    pub fn takes(&self, parameter: &Parameter) -> bool {
        match parameter.role {
            Role::Conv | Role::Norm => true,
            Role::HeadWeights | Role::HeadBias => !matches!(self, Take::Encoder {}),
            Role::Prefilter => matches!(self, Take::Model { .. }),
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
