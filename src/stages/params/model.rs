//! What a pipeline may state of a model that is made of weights.

use crate::params;
use crate::stage::params::Ref;

use super::dataset::Classes;
use super::network;
use super::train::Input;
use crate::stages::yields::WEIGHTS;

/// The name of the kind.
pub const KIND: &str = "Model";

params! {
    /// A model of weights that were trained elsewhere: a released checkpoint is validated, and predicts, without a
    /// training. The weights must hold the encoder, the head, and what the pre-filter has learned, so the stage `Weights`
    /// takes `EncoderAndHead` or `Model`. Each tensor that is missing is an error, and so is one that the model has no
    /// place for. Tables leave the seed and the iteration of such a model empty.
    pub struct ModelParams {
        /// The weights.
        weights: Ref, where to(&[WEIGHTS]);
        /// The network that they were trained in.
        model: network::Model;
        /// How the pixels of an image became numbers when they were trained.
        input: Input = Input::default();
        /// The classes that they were trained on. `None`: those of the data set that the model is used on, if there are as
        /// many.
        classes: Option<Classes> = None;
    }
}
