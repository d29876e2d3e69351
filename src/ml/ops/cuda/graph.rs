//! What a GPU was once asked for, kept to be asked for again as a whole: one call in place of a thousand.
//!
//! Invariants:
//! - while work is recorded nothing happens, so that it may neither wait for the GPU nor touch the processor's memory;
//!   work that does is an error, and none of it is kept;
//! - recorded work is done with the addresses that it had. What it allocates has its place for good and belongs to it; it is
//!   either freed by the same graph, or by another before the first runs again.

use std::fmt;

use candle_core::cuda_backend::cudarc::driver::{CudaGraph, result, sys};
use candle_core::{CudaDevice, Device};

use super::library::Library;
use crate::ml::error::{Error, Result};

/// Recorded work.
pub struct Graph {
    graph: CudaGraph,
    device: CudaDevice,
    workspace: u64,
}

// SAFETY: a graph may be used by any thread, one at a time, and this one is not shared.
unsafe impl Send for Graph {}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Graph")
    }
}

/// Records what `body` asks of `device`, which is to have done the like before: by then algorithms are found, and kernels
/// loaded.
pub fn record<T>(device: &Device, body: impl FnOnce() -> Result<T>) -> Result<(T, Graph)> {
    let failed = |error: String| Error::Device {
        message: format!("The passes of a step could not be recorded: {error}."),
        hint: "Pre-filters and norms that are made on the processor cannot be: train without `graph`.".to_owned(),
    };
    let cuda = device.as_cuda_device().map_err(|error| failed(error.to_string()))?.clone();
    let stream = cuda.cuda_stream();
    let start = || {
        stream.synchronize()?;
        // SAFETY: the pool is the device's, and what is in use stays. What is not would be of no use to a graph.
        unsafe { sys::cuMemPoolTrimTo(result::device::get_default_mem_pool(stream.context().cu_device())?, 0) }
            .result()?;
        stream.begin_capture(sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
    };
    start().map_err(|error| failed(error.to_string()))?;
    let made = body();
    // The recording ends in any case; where the body failed, so does this.
    let ended = stream.end_capture(sys::CUgraphInstantiate_flags(0));
    let made = made.map_err(|error| failed(error.to_string()))?;
    let graph = ended.map_err(|error| failed(error.to_string()))?;
    let graph = graph.ok_or_else(|| failed("nothing was asked of the GPU".to_owned()))?;
    let workspace = Library::of(&cuda)?.workspace();
    Ok((made, Graph { graph, device: cuda, workspace }))
}

impl Graph {
    /// Asks the GPU for the work again, behind what it has to do.
    pub fn run(&self) -> Result<()> {
        if Library::of(&self.device)?.workspace() != self.workspace {
            return Err(Error::Model("What was recorded needs a workspace that is no more.".to_owned()));
        }
        Ok(self.graph.launch().map_err(candle_core::Error::wrap)?)
    }
}
