//! How tensors lie in memory.

use candle_core::{Storage, Tensor};

use super::error::{Error, Result};

/// The order of the elements of an activation, a tensor `[N, C, H, W]`, in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `N, C, H, W`: the tensor is contiguous.
    ChannelsFirst,
    /// `N, H, W, C`: the tensor's strides say so, so that every element is read at its place all the same.
    ChannelsLast,
}

impl Order {
    /// The sizes of an activation in this order.
    pub fn sizes(self, [n, c, h, w]: [usize; 4]) -> [usize; 4] {
        match self {
            Order::ChannelsFirst => [n, c, h, w],
            Order::ChannelsLast => [n, h, w, c],
        }
    }

    /// A contiguous tensor of these sizes ([`Order::sizes`]) as the activation that it is.
    pub fn activation(self, contiguous: Tensor) -> Result<Tensor> {
        match self {
            Order::ChannelsFirst => Ok(contiguous),
            Order::ChannelsLast => Ok(contiguous.permute((0, 3, 1, 2))?),
        }
    }

    /// Whether an activation lies in this order.
    pub fn is_of(self, activation: &Tensor) -> bool {
        match self {
            Order::ChannelsFirst => activation.is_contiguous(),
            Order::ChannelsLast => is_channels_last(activation),
        }
    }

    /// A tensor in this order, in words.
    pub fn in_words(self) -> &'static str {
        match self {
            Order::ChannelsFirst => "a contiguous tensor",
            Order::ChannelsLast => "an activation, its channels last in memory",
        }
    }
}

/// Whether the elements lie in the order `N, H, W, C`.
pub fn is_channels_last(tensor: &Tensor) -> bool {
    tensor.permute((0, 2, 3, 1)).is_ok_and(|tensor| tensor.is_contiguous())
}

/// An error where an input shares memory with the output: it would be read while that is written.
pub fn check_apart(name: &str, inputs: &[&Tensor], output: &Tensor) -> Result<()> {
    let memory = |tensor: &Tensor| std::ptr::from_ref::<Storage>(&tensor.storage_and_layout().0);
    let written = memory(output);
    if inputs.iter().any(|input| memory(input) == written) {
        return Err(Error::Model(format!("An input of {name} shares memory with its output.")));
    }
    Ok(())
}
