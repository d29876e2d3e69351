//! Tensors on their way to a GPU: through memory that the GPU reads by itself, so that the processor does not wait.
//!
//! Two buffers take turns: one is filled while the other is still being read.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use candle_core::cuda_backend::DeviceId;
use candle_core::cuda_backend::cudarc::driver::{CudaEvent, PinnedHostSlice};
use candle_core::{CpuStorage, CudaDevice, CudaStorage, Error, InplaceOp1, Layout, Result};
use rayon::prelude::*;

use super::counts;

/// Elements that one task copies.
const PIECE: usize = 1 << 16;

/// A buffer, and what ends when the GPU has read it.
struct Buffer {
    memory: PinnedHostSlice<f32>,
    read: Option<CudaEvent>,
}

/// The buffers of each device, the one that is next first.
static BUFFERS: Mutex<Option<HashMap<DeviceId, [Option<Buffer>; 2]>>> = Mutex::new(None);

/// Fills a tensor on a GPU with these elements.
pub struct Upload<'a>(pub &'a [f32]);

impl InplaceOp1 for Upload<'_> {
    fn name(&self) -> &'static str {
        "an upload"
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout) -> Result<()> {
        candle_core::bail!("an upload goes to a GPU")
    }

    fn cuda_fwd(&self, storage: &mut CudaStorage, layout: &Layout) -> Result<()> {
        let (device, len) = (storage.device.clone(), self.0.len());
        let stream = device.cuda_stream();
        let mut target =
            storage.as_cuda_slice_mut::<f32>()?.slice_mut(layout.start_offset()..layout.start_offset() + len);
        let mut all = BUFFERS.lock().unwrap_or_else(PoisonError::into_inner);
        let buffers = all.get_or_insert_default().entry(device.id()).or_default();
        let mut buffer = match buffers[0].take() {
            Some(buffer) if buffer.memory.len() >= len => buffer,
            _ => Buffer::new(&device, len)?,
        };
        if let Some(read) = buffer.read.take() {
            counts::waited();
            read.synchronize().map_err(Error::wrap)?;
        }
        let memory = &mut buffer.memory.as_mut_slice().map_err(Error::wrap)?[..len];
        memory.par_chunks_mut(PIECE).zip(self.0.par_chunks(PIECE)).for_each(|(to, from)| to.copy_from_slice(from));
        stream.memcpy_htod(&*memory, &mut target).map_err(Error::wrap)?;
        match stream.record_event(None) {
            Ok(read) => buffer.read = Some(read),
            // Nothing else tells when it has been read.
            Err(_) => {
                counts::waited();
                stream.synchronize().map_err(Error::wrap)?;
            }
        }
        buffers[0] = Some(buffer);
        buffers.swap(0, 1);
        Ok(())
    }
}

impl Buffer {
    fn new(device: &CudaDevice, len: usize) -> Result<Self> {
        // SAFETY: every pattern of bits is a float, and what is read was written before.
        let memory = unsafe { device.cuda_stream().context().alloc_pinned::<f32>(len) }.map_err(Error::wrap)?;
        Ok(Buffer { memory, read: None })
    }
}

impl Drop for Buffer {
    /// Waits until the GPU has read it: only then may its memory be given back.
    fn drop(&mut self) {
        if let Some(read) = self.read.take() {
            // An error is of a GPU that does nothing any more.
            let _ = read.synchronize();
        }
    }
}
