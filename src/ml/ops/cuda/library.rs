//! The three passes of a convolution by cuDNN.
//!
//! Invariants:
//! - a shape's algorithm is found once and kept: the fastest by a trial, or, where the same bits are wanted every time,
//!   the first deterministic one in the library's own order, which no measurement changes;
//! - all convolutions of a device share one workspace, since they follow one another on its stream;
//! - images and filters lie channels last; sums are 32-bit floats whatever the operands are;
//! - 32-bit products are rounded to TF32 only where the precision says so.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::cuda_backend::DeviceId;
use candle_core::cuda_backend::cudarc::cudnn::{result, sys};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaStream, DevicePtr, result as driver};
use candle_core::{CudaDevice, Error, Result};

use super::Element;
use super::conv::{Geometry, Pass};
use crate::ml::numerics::{Numerics, Precision};

/// The most bytes of workspace that an algorithm may want.
const WORKSPACE: usize = 1 << 30;
/// The alignment that the library's fastest algorithms ask for, in bytes.
const ALIGNMENT: u64 = 16;
/// More algorithms than a pass has.
const CANDIDATES: usize = 16;

/// The library on one device.
pub struct Library {
    handle: sys::cudnnHandle_t,
    stream: Arc<CudaStream>,
    numerics: Numerics,
    prepared: HashMap<(Pass, Geometry, Element), Prepared>,
    workspace: CudaSlice<u8>,
}

// SAFETY: a handle may be used by any thread, one at a time, which the lock around the library sees to.
unsafe impl Send for Library {}

type Libraries = Mutex<HashMap<DeviceId, &'static Mutex<Library>>>;

fn libraries() -> MutexGuard<'static, HashMap<DeviceId, &'static Mutex<Library>>> {
    static LIBRARIES: std::sync::LazyLock<Libraries> = std::sync::LazyLock::new(Mutex::default);
    LIBRARIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The descriptors of a pass over one shape, kept as long as the program runs, and its algorithm.
#[derive(Clone, Copy)]
struct Prepared {
    x: sys::cudnnTensorDescriptor_t,
    w: sys::cudnnFilterDescriptor_t,
    y: sys::cudnnTensorDescriptor_t,
    conv: sys::cudnnConvolutionDescriptor_t,
    algorithm: Algorithm,
    workspace: usize,
}

#[derive(Debug, Clone, Copy)]
enum Algorithm {
    Forward(sys::cudnnConvolutionFwdAlgo_t),
    Input(sys::cudnnConvolutionBwdDataAlgo_t),
    Weights(sys::cudnnConvolutionBwdFilterAlgo_t),
}

impl Algorithm {
    /// Whether it sums products of what is given, not of transforms, whose rounding is no zero where the sum is one.
    fn is_exact(self) -> bool {
        use sys::{cudnnConvolutionBwdDataAlgo_t as Input, cudnnConvolutionFwdAlgo_t as Forward};
        match self {
            Algorithm::Forward(algorithm) => matches!(
                algorithm,
                Forward::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM
                    | Forward::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM
                    | Forward::CUDNN_CONVOLUTION_FWD_ALGO_GEMM
            ),
            Algorithm::Input(algorithm) => {
                matches!(algorithm, Input::CUDNN_CONVOLUTION_BWD_DATA_ALGO_0 | Input::CUDNN_CONVOLUTION_BWD_DATA_ALGO_1)
            }
            Algorithm::Weights(_) => false,
        }
    }
}

/// What the library says of an algorithm.
struct Candidate {
    algorithm: Algorithm,
    status: sys::cudnnStatus_t,
    memory: usize,
    determinism: sys::cudnnDeterminism_t,
    math: sys::cudnnMathType_t,
}

/// The candidates of a pass from the library's answer of that type.
macro_rules! candidates {
    ($variant:ident, $perf:ty, $call:expr) => {{
        // SAFETY: numbers and enumerations that have a variant of value 0.
        let mut perf: [$perf; CANDIDATES] = unsafe { std::mem::zeroed() };
        let mut count: c_int = 0;
        ($call)(CANDIDATES as c_int, &raw mut count, perf.as_mut_ptr()).map_err(Error::wrap)?;
        let found = perf[..usize::try_from(count).unwrap_or(0).min(CANDIDATES)].iter().map(|perf| Candidate {
            algorithm: Algorithm::$variant(perf.algo),
            status: perf.status,
            memory: perf.memory,
            determinism: perf.determinism,
            math: perf.mathType,
        });
        found.collect::<Vec<_>>()
    }};
}

impl Library {
    /// Opens the library on `device`, to compute as `numerics` say.
    pub fn open(device: &CudaDevice, numerics: Numerics) -> Result<()> {
        let stream = device.cuda_stream();
        stream.context().bind_to_thread().map_err(Error::wrap)?;
        let handle = result::create_handle().map_err(Error::wrap)?;
        // SAFETY: the stream lives as long as the library, which holds it.
        unsafe { result::set_stream(handle, stream.cu_stream().cast()) }.map_err(Error::wrap)?;
        // SAFETY: no algorithm reads from its workspace what it did not write.
        let workspace = unsafe { device.alloc::<u8>(1 << 20) }?;
        let library = Library { handle, stream, numerics, prepared: HashMap::new(), workspace };
        libraries().insert(device.id(), Box::leak(Box::new(Mutex::new(library))));
        Ok(())
    }

    /// The library on `device`.
    pub fn of(device: &CudaDevice) -> Result<MutexGuard<'static, Library>> {
        let library = libraries().get(&device.id()).copied();
        let library = library.ok_or_else(|| Error::Msg("the GPU was not opened by this program's own way".into()))?;
        Ok(library.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The address of the workspace.
    pub fn workspace(&self) -> u64 {
        self.workspace.device_ptr(&self.stream).0
    }

    /// Runs a pass over the operands at these addresses, one of which it overwrites.
    pub fn run(&mut self, pass: Pass, geometry: &Geometry, element: Element, x: u64, w: u64, y: u64) -> Result<()> {
        self.stream.context().bind_to_thread().map_err(Error::wrap)?;
        let len = geometry.outputs * geometry.channels * geometry.kernel.iter().product::<usize>() * element.size();
        // A filter's place in a flat buffer may lie anywhere; sources and outputs have memory of their own.
        if w.is_multiple_of(ALIGNMENT) {
            return self.run_aligned(pass, geometry, element, x, w, y);
        }
        // SAFETY: it is filled before it is read, here or by the pass.
        let copy = unsafe { self.stream.alloc::<u8>(len) }.map_err(Error::wrap)?;
        let at = copy.device_ptr(&self.stream).0;
        let stream = self.stream.cu_stream();
        // SAFETY: both places have `len` bytes, and the stream orders the copies with the pass and the release.
        unsafe {
            if pass != Pass::Weights {
                driver::memcpy_dtod_async(at, w, len, stream).map_err(Error::wrap)?;
            }
            self.run_aligned(pass, geometry, element, x, at, y)?;
            if pass == Pass::Weights {
                driver::memcpy_dtod_async(w, at, len, stream).map_err(Error::wrap)?;
            }
        }
        Ok(())
    }

    fn run_aligned(&mut self, pass: Pass, geometry: &Geometry, element: Element, x: u64, w: u64, y: u64) -> Result<()> {
        let prepared = match self.prepared.get(&(pass, *geometry, element)) {
            Some(prepared) => *prepared,
            None => {
                let prepared = self.prepare(pass, geometry, element, x, w, y)?;
                self.prepared.insert((pass, *geometry, element), prepared);
                prepared
            }
        };
        self.reserve(prepared.workspace)?;
        let space = self.workspace.device_ptr(&self.stream).0 as *mut c_void;
        let (one, zero) = (1.0_f32, 0.0_f32);
        let (one, zero) = ((&raw const one).cast::<c_void>(), (&raw const zero).cast::<c_void>());
        let (x, w, y) = (x as *mut c_void, w as *mut c_void, y as *mut c_void);
        let Prepared { x: xd, w: wd, y: yd, conv, workspace: bytes, .. } = prepared;
        // SAFETY: the operands have the sizes of the descriptors, which the plan's maker checked, and the workspace has
        // the bytes that the algorithm asked for.
        unsafe {
            match prepared.algorithm {
                Algorithm::Forward(algorithm) => result::convolution_forward(
                    self.handle,
                    one,
                    xd,
                    x,
                    wd,
                    w,
                    conv,
                    algorithm,
                    space,
                    bytes,
                    zero,
                    yd,
                    y,
                ),
                Algorithm::Input(algorithm) => result::convolution_backward_data(
                    self.handle,
                    one,
                    wd,
                    w,
                    yd,
                    y,
                    conv,
                    algorithm,
                    space,
                    bytes,
                    zero,
                    xd,
                    x,
                ),
                Algorithm::Weights(algorithm) => result::convolution_backward_filter(
                    self.handle,
                    one,
                    xd,
                    x,
                    yd,
                    y,
                    conv,
                    algorithm,
                    space,
                    bytes,
                    zero,
                    wd,
                    w,
                ),
            }
        }
        .map_err(Error::wrap)
    }

    /// Lets the workspace have at least so many bytes.
    fn reserve(&mut self, bytes: usize) -> Result<()> {
        if self.workspace.num_bytes() < bytes {
            // SAFETY: as in `open`.
            self.workspace = unsafe { self.stream.alloc::<u8>(bytes) }.map_err(Error::wrap)?;
        }
        Ok(())
    }

    /// Describes a pass and finds its algorithm, for which it may overwrite what the pass will.
    fn prepare(
        &mut self,
        pass: Pass,
        geometry: &Geometry,
        element: Element,
        x: u64,
        w: u64,
        y: u64,
    ) -> Result<Prepared> {
        let mut prepared = self.describe(geometry, element)?;
        let Prepared { x: xd, w: wd, y: yd, conv, .. } = prepared;
        let handle = self.handle;
        // SAFETY: the descriptors are those of the operands at these addresses, and the workspace has its length.
        let candidates = if self.numerics.deterministic {
            match pass {
                Pass::Forward => candidates!(Forward, sys::cudnnConvolutionFwdAlgoPerf_t, |n, count, perf| unsafe {
                    result::get_convolution_forward_algorithm(handle, xd, wd, conv, yd, n, count, perf)
                }),
                Pass::Input => candidates!(Input, sys::cudnnConvolutionBwdDataAlgoPerf_t, |n, count, perf| unsafe {
                    result::get_convolution_backward_data_algorithm(handle, wd, yd, conv, xd, n, count, perf)
                }),
                Pass::Weights => {
                    candidates!(Weights, sys::cudnnConvolutionBwdFilterAlgoPerf_t, |n, count, perf| unsafe {
                        result::get_convolution_backward_filter_algorithm(handle, xd, yd, conv, wd, n, count, perf)
                    })
                }
            }
        } else {
            // SAFETY: as for the workspace.
            let trial = unsafe { self.stream.alloc::<u8>(WORKSPACE) }.map_err(Error::wrap)?;
            let (space, bytes) = (trial.device_ptr(&self.stream).0 as *mut c_void, WORKSPACE);
            let (x, w, y) = (x as *mut c_void, w as *mut c_void, y as *mut c_void);
            match pass {
                Pass::Forward => candidates!(Forward, sys::cudnnConvolutionFwdAlgoPerf_t, |n, count, perf| unsafe {
                    sys::cudnnFindConvolutionForwardAlgorithmEx(
                        handle, xd, x, wd, w, conv, yd, y, n, count, perf, space, bytes,
                    )
                    .result()
                }),
                Pass::Input => candidates!(Input, sys::cudnnConvolutionBwdDataAlgoPerf_t, |n, count, perf| unsafe {
                    sys::cudnnFindConvolutionBackwardDataAlgorithmEx(
                        handle, wd, w, yd, y, conv, xd, x, n, count, perf, space, bytes,
                    )
                    .result()
                }),
                Pass::Weights => {
                    candidates!(Weights, sys::cudnnConvolutionBwdFilterAlgoPerf_t, |n, count, perf| unsafe {
                        sys::cudnnFindConvolutionBackwardFilterAlgorithmEx(
                            handle, xd, x, yd, y, conv, wd, w, n, count, perf, space, bytes,
                        )
                        .result()
                    })
                }
            }
        };
        let fits = |candidate: &&Candidate| {
            let deterministic = candidate.determinism == sys::cudnnDeterminism_t::CUDNN_DETERMINISTIC;
            let done = candidate.status == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS;
            let exact = candidate.algorithm.is_exact() || !geometry.exact;
            done && exact && candidate.memory <= WORKSPACE && (deterministic || !self.numerics.deterministic)
        };
        let chosen = candidates.iter().find(fits).ok_or_else(|| {
            let mode = if self.numerics.deterministic { " deterministic" } else { "" };
            Error::Msg(format!("cuDNN has no{mode} algorithm for the pass {pass:?} of {geometry:?}"))
        })?;
        (prepared.algorithm, prepared.workspace) = (chosen.algorithm, chosen.memory);
        // SAFETY: the descriptor is alive.
        unsafe { result::set_convolution_math_type(conv, chosen.math) }.map_err(Error::wrap)?;
        Ok(prepared)
    }

    /// The descriptors of a shape.
    fn describe(&self, geometry: &Geometry, element: Element) -> Result<Prepared> {
        let int = |size: usize| c_int::try_from(size).map_err(Error::wrap);
        let data = match element {
            Element::F32 => FLOAT,
            Element::Bf16 => sys::cudnnDataType_t::CUDNN_DATA_BFLOAT16,
        };
        let tensor = |channels: usize, [height, width]: [usize; 2]| -> Result<_> {
            let descriptor = result::create_tensor_descriptor().map_err(Error::wrap)?;
            let sizes = [int(geometry.images)?, int(channels)?, int(height)?, int(width)?];
            // SAFETY: the descriptor was just made.
            unsafe { result::set_tensor4d_descriptor(descriptor, LAYOUT, data, sizes) }.map_err(Error::wrap)?;
            Ok(descriptor)
        };
        let (x, y) = (tensor(geometry.channels, geometry.source)?, tensor(geometry.outputs, geometry.grid)?);
        let w = result::create_filter_descriptor().map_err(Error::wrap)?;
        let [kh, kw] = geometry.kernel;
        let sizes = [int(geometry.outputs)?, int(geometry.channels)?, int(kh)?, int(kw)?];
        let conv = result::create_convolution_descriptor().map_err(Error::wrap)?;
        let (pad, stride, dilation) = (geometry.pad, int(geometry.stride)?, int(geometry.dilation)?);
        let mode = sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
        let math = match (element, self.numerics.precision) {
            (Element::Bf16, _) => sys::cudnnMathType_t::CUDNN_TENSOR_OP_MATH,
            (Element::F32, Precision::Fp32) => sys::cudnnMathType_t::CUDNN_FMA_MATH,
            (Element::F32, _) => sys::cudnnMathType_t::CUDNN_DEFAULT_MATH,
        };
        // SAFETY: the descriptors were just made.
        unsafe {
            result::set_filter4d_descriptor(w, data, LAYOUT, sizes).map_err(Error::wrap)?;
            result::set_convolution2d_descriptor(
                conv,
                int(pad[0])?,
                int(pad[1])?,
                stride,
                stride,
                dilation,
                dilation,
                mode,
                FLOAT,
            )
            .map_err(Error::wrap)?;
            result::set_convolution_math_type(conv, math).map_err(Error::wrap)?;
        }
        let algorithm = Algorithm::Forward(sys::cudnnConvolutionFwdAlgo_t::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM);
        Ok(Prepared { x, w, y, conv, algorithm, workspace: 0 })
    }
}

const LAYOUT: sys::cudnnTensorFormat_t = sys::cudnnTensorFormat_t::CUDNN_TENSOR_NHWC;
const FLOAT: sys::cudnnDataType_t = sys::cudnnDataType_t::CUDNN_DATA_FLOAT;
