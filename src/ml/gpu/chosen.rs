//! How the convolutions that a process has computed on a GPU were computed, for people to read.

use candle_core::Device;
use serde::{Deserialize, Serialize};

use crate::ml::error::Result;

/// A pass over operands of one shape and type, and how it is computed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChosenAlgorithm {
    /// What is computed: `Forward`, `Input` or `Weights`.
    pub pass: String,
    /// The sizes: `10 x 3 x 321 x 321 by 64 x 7 x 7 /2 +3 *1` has the source, the filters, the stride, the padding and the
    /// dilation.
    pub shape: String,
    /// The type of the operands.
    pub element: String,
    /// The library's name of the algorithm.
    pub algorithm: String,
    /// How operands are multiplied.
    pub math: String,
    /// Whether the library says that it always adds in one order.
    pub deterministic: bool,
    /// Bytes of workspace.
    pub workspace: u64,
}

/// How each convolution that this process has computed on `device` was computed; none of the processor's.
///
/// # Errors
/// A GPU that this program has not opened.
#[cfg(feature = "cuda")]
pub fn chosen(device: &Device) -> Result<Vec<ChosenAlgorithm>> {
    use super::cudnn::{Chosen, Library};
    let Ok(cuda) = device.as_cuda_device() else { return Ok(Vec::new()) };
    let row = |Chosen { key, way, workspace }: Chosen| {
        let s = key.shape;
        let [h, w] = s.source;
        let [kh, kw] = s.kernel;
        ChosenAlgorithm {
            pass: format!("{:?}", key.direction),
            shape: format!(
                "{} x {} x {h} x {w} by {} x {kh} x {kw} /{} +{} *{}{}",
                s.images,
                s.channels,
                s.outputs,
                s.stride,
                s.pad[0],
                s.dilation,
                if s.exact { " exact" } else { "" }
            ),
            element: format!("{:?}", key.element),
            algorithm: way.algorithm.name().to_owned(),
            math: format!("{:?}", way.math),
            deterministic: way.deterministic,
            workspace: workspace as u64,
        }
    };
    let mut rows: Vec<_> = Library::of(cuda)?.chosen().into_iter().map(row).collect();
    rows.sort();
    Ok(rows)
}

/// None: this program computes nothing on a GPU.
///
/// # Errors
/// None.
#[cfg(not(feature = "cuda"))]
pub fn chosen(_: &Device) -> Result<Vec<ChosenAlgorithm>> {
    Ok(Vec::new())
}
