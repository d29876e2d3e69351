//! What a GPU was once asked for, kept to be asked for again as a whole: one call in place of a thousand.
//!
//! Invariants:
//! - while work is recorded nothing happens, so that it may neither wait for the GPU nor touch the processor's memory;
//!   work that does is an error, and none of it is kept;
//! - the recording ends with the work, also where that fails or panics, and no other thread uses the stream meanwhile
//!   ([`in_turn`]);
//! - recorded work is done with the addresses that it had. What it allocates has its place for good and belongs to it; it is
//!   either freed by the same graph, or by another before the first runs again.

use std::fmt;
use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::{CudaGraph, CudaStream, DriverError, sys};
use candle_core::{CudaDevice, Device};

use super::exclusive::in_turn;
use super::library::Library;
use super::pool;
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
    in_turn(|| record_alone(device, body))
}

/// A stream whose work is recorded until this is dropped.
struct Recording(Option<Arc<CudaStream>>);

impl Recording {
    /// Begins to record. Work that another thread asks for elsewhere is not looked at.
    fn begin(stream: &Arc<CudaStream>) -> std::result::Result<Self, DriverError> {
        stream.begin_capture(sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)?;
        Ok(Recording(Some(stream.clone())))
    }

    /// What was recorded, if anything was.
    fn end(mut self) -> std::result::Result<Option<CudaGraph>, DriverError> {
        self.0.take().map_or(Ok(None), |stream| stream.end_capture(sys::CUgraphInstantiate_flags(0)))
    }
}

impl Drop for Recording {
    /// Ends the recording that nobody has ended, since the work panicked; what was recorded is of no use.
    fn drop(&mut self) {
        if let Some(stream) = self.0.take() {
            drop(stream.end_capture(sys::CUgraphInstantiate_flags(0)));
        }
    }
}

fn record_alone<T>(device: &Device, body: impl FnOnce() -> Result<T>) -> Result<(T, Graph)> {
    let failed = |error: String| Error::Device {
        message: format!("The passes of a step could not be recorded: {error}."),
        hint: "Norms that training changes cannot be: train without `graph`.".to_owned(),
    };
    let cuda = device.as_cuda_device().map_err(|error| failed(error.to_string()))?.clone();
    let stream = cuda.cuda_stream();
    stream.synchronize().map_err(|error| failed(error.to_string()))?;
    // What is not in use would be of no use to a graph.
    pool::give_back_freed(stream.context().cu_device()).map_err(failed)?;
    let recording = Recording::begin(&stream).map_err(|error| failed(error.to_string()))?;
    let made = body();
    // Where the body failed, so does this.
    let ended = recording.end();
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::ml::numerics::Numerics;
    use crate::ml::rng::Rng;
    use crate::ml::spec::{Choice, ModelSpec};
    use crate::ml::state::{Snapshot, State};
    use crate::ml::train::{Batch, Settings, Trainer};
    use crate::ml::weights::{Scheme, initialise};
    use crate::ml::{ops, optim};

    use super::{Device, record};

    /// Work that panics, or fails, leaves a stream that is recorded no more, and on which other work can be.
    #[test]
    fn a_recording_ends_with_its_work() {
        let device = match Numerics::default().device(Some(0)) {
            Ok(device) => device,
            Err(error) => return eprintln!("skipped on the GPU: {error}"),
        };
        let [a, b] = [1.0_f32, 2.0].map(|value| candle_core::Tensor::full(value, 100, &device).unwrap());
        let sum = || ops::update::add_part(&a, &b, 1.0);
        sum().unwrap();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            record(&device, || -> crate::ml::error::Result<()> { panic!("amid the work") }).map(drop)
        }));
        assert!(panicked.is_err());
        assert!(record(&device, || a.to_vec1::<f32>().map_err(crate::ml::error::Error::from)).is_err());
        sum().unwrap();
        let (_, graph) = record(&device, sum).unwrap();
        assert_eq!(a.to_vec1::<f32>().unwrap(), [5.0; 100]);
        graph.run().unwrap();
        assert_eq!(a.to_vec1::<f32>().unwrap(), [7.0; 100]);
    }

    /// A state that another thread reads off the GPU meanwhile is no part of what is recorded, and is the state.
    #[test]
    fn other_threads_wait_for_the_end_of_a_recording() {
        let device = match Numerics::default().device(Some(0)) {
            Ok(device) => device,
            Err(error) => return eprintln!("skipped on the GPU: {error}"),
        };
        let spec = ModelSpec { encoder: Choice::new("Tiny"), classes: 4, prefilter: Choice::new("Regular") };
        let trainer = Trainer::new(initialise(&spec, &device, Scheme::Stable, 7).unwrap()).unwrap();
        let expected = State::write(&trainer, &BTreeMap::new()).unwrap();
        let snapshot = Snapshot::copied(&trainer).unwrap();
        let [a, b] = [1.0_f32, 2.0].map(|value| candle_core::Tensor::full(value, 100, &device).unwrap());
        ops::update::add_part(&a, &b, 1.0).unwrap();
        let (written, graph) = record(&device, || {
            let written = std::thread::spawn(move || snapshot.write(&BTreeMap::new()));
            std::thread::sleep(std::time::Duration::from_millis(100));
            ops::update::add_part(&a, &b, 1.0)?;
            Ok(written)
        })
        .unwrap();
        assert!(written.join().unwrap().unwrap() == expected);
        graph.run().unwrap();
        assert_eq!(a.to_vec1::<f32>().unwrap(), [5.0; 100]);
    }

    #[test]
    fn recorded_passes_have_the_same_bits() {
        let device = match Numerics::default().device(Some(0)) {
            Ok(device) => device,
            Err(error) => return eprintln!("skipped on the GPU: {error}"),
        };
        let settings = Settings {
            optimizer: optim::Sgd { lr: 2e-3, momentum: 0.9, weight_decay: 1e-4, head_lr: 10.0, head_bias_lr: 20.0 },
            schedule: optim::Schedule::Constant,
            horizon: 6,
        };
        let side = 65;
        let trained = |prefilter: &str, recompute: usize, other_network: u64, graph: bool| {
            let spec = ModelSpec { encoder: Choice::new("Tiny"), classes: 4, prefilter: Choice::new(prefilter) };
            let mut trainer = Trainer::new(initialise(&spec, &device, Scheme::Stable, 7).unwrap()).unwrap();
            (trainer.recompute, trainer.graph) = (recompute, graph);
            for step in 0..6 {
                if step == other_network {
                    // The weights of another training, which lie elsewhere.
                    trainer.network = initialise(&spec, &device, Scheme::Stable, 8).unwrap();
                }
                let mut rng = Rng::new(3, "pixels", step);
                let pixels: Vec<f32> = (0..2 * 3 * side * side).map(|_| rng.range(-100.0, 100.0)).collect();
                let pixels = candle_core::Tensor::from_vec(pixels, (2, 3, side, side), &Device::Cpu).unwrap();
                let images = ops::activation::enter(&pixels, &device).unwrap();
                let labels: Vec<u8> = (0..2 * side * side).map(|i| (i / (30 + step as usize) % 5) as u8).collect();
                // Memory between the recorded places, which a graph may not take for its own.
                let _other = ops::zeros(&[1 << 20], &device).unwrap();
                trainer.update(&settings, &[1.0], &[Batch { images: &images, labels: &labels }]).unwrap();
            }
            State::write(&trainer, &BTreeMap::new()).unwrap()
        };
        for (prefilter, recompute, other) in [
            ("Regular", 0, 6),
            ("Regular", 2, 6),
            ("Regular", 0, 3),
            ("Average", 0, 6),
            ("Gaussian", 0, 6),
            ("GroupInteraction", 0, 6),
        ] {
            let [recorded, others] = [true, false].map(|graph| trained(prefilter, recompute, other, graph));
            assert!(recorded == others, "{prefilter}, another network from step {other} on");
        }
    }
}
