//! CUDA graphs: what a GPU was asked for is captured once and replayed as a whole, one call in place of a thousand.
//!
//! Invariants:
//! - while work is captured nothing happens. The work may neither wait for the GPU nor touch the processor's memory: work that
//!   does is an error, and none of it is kept. The driver itself captures a copy from or to the processor's memory, and each
//!   replay would use that place again. So the tensor library is told to refuse such copies meanwhile;
//! - a capture ends with the work, also where that fails or panics. No other thread uses the stream meanwhile
//!   ([`exclusively`]);
//! - a replay uses the addresses that the work had when it was captured. Memory that the work allocates belongs to the graph and
//!   stays in its place. The same graph frees it, or another graph does before the first one is replayed.

use std::fmt;
use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::{CudaGraph, CudaStream, DriverError, sys};
use candle_core::{CudaDevice, Device};

use super::counts::{self, Counts};
use super::cudnn::Library;
use super::exclusive::exclusively;
use super::pool;
use crate::ml::error::{Error, Result};

/// Captured work.
pub struct Graph {
    graph: CudaGraph,
    device: CudaDevice,
    workspace: u64,
    /// What the work asks of the GPU.
    work: Counts,
}

// SAFETY: a graph may be used by any thread, one at a time, and this one is not shared.
unsafe impl Send for Graph {}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Graph")
    }
}

/// Captures what `body` asks of `device`. The device must have done the same work before: then algorithms are found, and
/// kernels are loaded.
///
/// # Errors
/// Work that fails, and work that cannot be captured.
pub fn capture<T>(device: &Device, body: impl FnOnce() -> Result<T>) -> Result<(T, Graph)> {
    exclusively(|| capture_alone(device, body))
}

/// A stream whose work is captured until this is dropped.
struct Capture(Option<Arc<CudaStream>>);

impl Capture {
    /// Begins to capture. What another thread asks of another stream does not matter.
    fn begin(stream: &Arc<CudaStream>) -> std::result::Result<Self, DriverError> {
        stream.begin_capture(sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)?;
        Ok(Capture(Some(stream.clone())))
    }

    /// What was captured, if anything was.
    fn end(mut self) -> std::result::Result<Option<CudaGraph>, DriverError> {
        self.0.take().map_or(Ok(None), |stream| stream.end_capture(sys::CUgraphInstantiate_flags(0)))
    }
}

impl Drop for Capture {
    /// Ends the capture that nobody has ended, since the work panicked. What was captured is of no use.
    fn drop(&mut self) {
        if let Some(stream) = self.0.take() {
            drop(stream.end_capture(sys::CUgraphInstantiate_flags(0)));
        }
    }
}

fn capture_alone<T>(device: &Device, body: impl FnOnce() -> Result<T>) -> Result<(T, Graph)> {
    let failed = |error: String| Error::Device {
        message: format!("The passes of a step could not be captured: {error}."),
        hint: "Train without `graph`.".to_owned(),
    };
    let cuda = device.as_cuda_device().map_err(|error| failed(error.to_string()))?.clone();
    let stream = cuda.cuda_stream();
    counts::waited();
    stream.synchronize().map_err(|error| failed(error.to_string()))?;
    // What is not in use would be of no use to a graph.
    pool::give_back_freed(stream.context().cu_device()).map_err(failed)?;
    let before = counts::now();
    let capture = Capture::begin(&stream).map_err(|error| failed(error.to_string()))?;
    // What is not in the library's cache is refused, and the cache is empty: it is filled only where no work is captured.
    let refusing = cuda.enable_cuda_graph_htod_cache();
    let made = body();
    drop(refusing);
    let work = counts::captured(before);
    // Where the body failed, so does this.
    let ended = capture.end();
    let made = made.map_err(|error| failed(error.to_string()))?;
    let graph = ended.map_err(|error| failed(error.to_string()))?;
    let graph = graph.ok_or_else(|| failed("nothing was asked of the GPU".to_owned()))?;
    let workspace = Library::of(&cuda)?.workspace();
    Ok((made, Graph { graph, device: cuda, workspace, work }))
}

impl Graph {
    /// Asks the GPU for the work again, after what it has been asked for.
    ///
    /// # Errors
    /// Work whose workspace a later convolution has outgrown.
    pub fn replay(&self) -> Result<()> {
        if Library::of(&self.device)?.workspace() != self.workspace {
            return Err(Error::Model("Captured work needs a workspace that has been replaced.".to_owned()));
        }
        counts::launched(self.work.operand_bytes);
        let failed = |error| Error::gpu("captured work", &candle_core::Error::wrap(error));
        self.graph.launch().map_err(failed)
    }
}
