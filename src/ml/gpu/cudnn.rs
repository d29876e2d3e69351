//! Convolutions and their gradients by NVIDIA's library cuDNN.
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

use super::algorithms::{Algorithm, Candidate};
use super::libraries::{CUDNN, load};
use super::plan::{ConvShape, Direction, Element};
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
    prepared: HashMap<ConvKey, Prepared>,
    workspace: CudaSlice<u8>,
    /// The library itself, whose functions that the bindings give no numbers for are called by name.
    functions: libloading::Library,
}

// SAFETY: a handle may be used by any thread, one at a time, which the lock around the library sees to.
unsafe impl Send for Library {}

type Libraries = Mutex<HashMap<DeviceId, &'static Mutex<Library>>>;

fn libraries() -> MutexGuard<'static, HashMap<DeviceId, &'static Mutex<Library>>> {
    static LIBRARIES: std::sync::LazyLock<Libraries> = std::sync::LazyLock::new(Mutex::default);
    LIBRARIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a convolution's algorithm is chosen for: one of the three passes, over operands of one shape and type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvKey {
    /// What is computed.
    pub direction: Direction,
    /// The sizes.
    pub shape: ConvShape,
    /// The type of all three operands.
    pub element: Element,
}

impl ConvKey {
    /// Bytes of a filter.
    fn filter_len(&self) -> usize {
        let ConvShape { outputs, channels, kernel: [height, width], .. } = self.shape;
        outputs * channels * height * width * self.element.size()
    }
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

/// A function that lists the algorithms of a pass without a trial: the handle, the descriptors, and room for answers.
type List = unsafe extern "C" fn(Any, Any, Any, Any, Any, c_int, *mut c_int, *mut Candidate) -> c_int;
/// One that tries them, with the operand behind the descriptor of each, and with a workspace.
type Try = unsafe extern "C" fn(
    Any,
    Any,
    Any,
    Any,
    Any,
    Any,
    Any,
    Any,
    c_int,
    *mut c_int,
    *mut Candidate,
    Any,
    usize,
) -> c_int;
type Any = *mut c_void;

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
        let functions = load(CUDNN).ok_or_else(|| Error::Msg(format!("{CUDNN} was not found")))?;
        let library = Library { handle, stream, numerics, prepared: HashMap::new(), workspace, functions };
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

    /// Runs a pass over the source, the filter and the output, or the gradients by them, at these addresses. It overwrites one
    /// of them.
    ///
    /// # Safety
    /// At the addresses lie operands on this device of the sizes of the pass, which live until the stream has come there.
    pub unsafe fn run(&mut self, key: ConvKey, [x, w, y]: [u64; 3]) -> Result<()> {
        self.stream.context().bind_to_thread().map_err(Error::wrap)?;
        // A filter's place in a flat buffer may lie anywhere; sources and outputs have memory of their own.
        if w.is_multiple_of(ALIGNMENT) {
            // SAFETY: promised by the caller.
            return unsafe { self.run_aligned(key, [x, w, y]) };
        }
        let (len, writes_filter) = (key.filter_len(), key.direction == Direction::Weights);
        // SAFETY: it is filled before it is read, here or by the pass.
        let copy = unsafe { self.stream.alloc::<u8>(len) }.map_err(Error::wrap)?;
        let at = copy.device_ptr(&self.stream).0;
        let stream = self.stream.cu_stream();
        // SAFETY: both places have `len` bytes, and the stream orders the copies with the pass and the release.
        unsafe {
            if !writes_filter {
                driver::memcpy_dtod_async(at, w, len, stream).map_err(Error::wrap)?;
            }
            self.run_aligned(key, [x, at, y])?;
            if writes_filter {
                driver::memcpy_dtod_async(w, at, len, stream).map_err(Error::wrap)?;
            }
        }
        Ok(())
    }

    /// # Safety
    /// As for [`Library::run`].
    unsafe fn run_aligned(&mut self, key: ConvKey, addresses: [u64; 3]) -> Result<()> {
        let operands = addresses.map(|address| address as Any);
        let prepared = match self.prepared.get(&key) {
            Some(prepared) => *prepared,
            None => {
                // SAFETY: promised by the caller.
                let prepared = unsafe { self.prepare(key, operands)? };
                self.prepared.insert(key, prepared);
                prepared
            }
        };
        self.reserve(prepared.workspace)?;
        let space = self.workspace.device_ptr(&self.stream).0 as *mut c_void;
        let (one, zero) = (1.0_f32, 0.0_f32);
        let (one, zero) = ((&raw const one).cast::<c_void>(), (&raw const zero).cast::<c_void>());
        let [x, w, y] = operands;
        let Prepared { x: xd, w: wd, y: yd, conv, workspace: bytes, .. } = prepared;
        // SAFETY: the operands have the sizes of the descriptors, as the caller promises, and the workspace has the bytes
        // that the algorithm asked for.
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
    ///
    /// # Safety
    /// As for [`Library::run`].
    unsafe fn prepare(&mut self, key: ConvKey, [x, w, y]: [Any; 3]) -> Result<Prepared> {
        let mut prepared = self.describe(key)?;
        let Prepared { x: xd, w: wd, y: yd, conv, .. } = prepared;
        let (mut found, mut count) = ([Candidate::default(); CANDIDATES], 0);
        let (n, at, to) = (CANDIDATES as c_int, &raw mut count, found.as_mut_ptr());
        let (handle, xd, wd, yd, through): (Any, Any, Any, Any, Any) =
            (self.handle.cast(), xd.cast(), wd.cast(), yd.cast(), conv.cast());
        let missing = |error| Error::Msg(format!("cuDNN lacks a function: {error}"));
        let status = if self.numerics.deterministic {
            let (name, [a, b, c]) = match key.direction {
                Direction::Forward => ("cudnnGetConvolutionForwardAlgorithm_v7", [xd, wd, yd]),
                Direction::Input => ("cudnnGetConvolutionBackwardDataAlgorithm_v7", [wd, yd, xd]),
                Direction::Weights => ("cudnnGetConvolutionBackwardFilterAlgorithm_v7", [xd, yd, wd]),
            };
            // SAFETY: the functions' documented signatures; the descriptors are those of the pass, and there is room for so
            // many answers.
            unsafe { (self.functions.get::<List>(name).map_err(missing)?)(handle, a, b, through, c, n, at, to) }
        } else {
            // SAFETY: as for the workspace.
            let trial = unsafe { self.stream.alloc::<u8>(WORKSPACE) }.map_err(Error::wrap)?;
            let space = trial.device_ptr(&self.stream).0 as Any;
            let (x, w, y) = ((xd, x), (wd, w), (yd, y));
            let (name, [a, b, c]) = match key.direction {
                Direction::Forward => ("cudnnFindConvolutionForwardAlgorithmEx", [x, w, y]),
                Direction::Input => ("cudnnFindConvolutionBackwardDataAlgorithmEx", [w, y, x]),
                Direction::Weights => ("cudnnFindConvolutionBackwardFilterAlgorithmEx", [x, y, w]),
            };
            // SAFETY: as above; the descriptors are those of the operands at these addresses, and the workspace has its
            // length.
            unsafe {
                let find = self.functions.get::<Try>(name).map_err(missing)?;
                find(handle, a.0, a.1, b.0, b.1, through, c.0, c.1, n, at, to, space, WORKSPACE)
            }
        };
        if status != 0 {
            return Err(Error::Msg(format!("cuDNN answers with error {status} where algorithms are asked for")));
        }
        let found = &found[..usize::try_from(count).unwrap_or(0).min(CANDIDATES)];
        let fits = |candidate: &Candidate| {
            let (algorithm, math) = candidate.known(key.direction)?;
            let deterministic = candidate.determinism == sys::cudnnDeterminism_t::CUDNN_DETERMINISTIC as c_int;
            let done = candidate.status == 0;
            let exact = algorithm.is_exact() || !key.shape.exact;
            let fits =
                done && exact && candidate.memory <= WORKSPACE && (deterministic || !self.numerics.deterministic);
            fits.then_some((algorithm, math, candidate.memory))
        };
        let (algorithm, math, workspace) = found.iter().find_map(fits).ok_or_else(|| {
            let mode = if self.numerics.deterministic { " deterministic" } else { "" };
            Error::Msg(format!("cuDNN has no{mode} algorithm for {key:?}"))
        })?;
        (prepared.algorithm, prepared.workspace) = (algorithm, workspace);
        // SAFETY: the descriptor is alive.
        unsafe { result::set_convolution_math_type(conv, math) }.map_err(Error::wrap)?;
        Ok(prepared)
    }

    /// The descriptors of a shape.
    fn describe(&self, key: ConvKey) -> Result<Prepared> {
        let ConvKey { shape, element, .. } = key;
        let int = |size: usize| c_int::try_from(size).map_err(Error::wrap);
        let data = match element {
            Element::F32 => FLOAT,
            Element::Bf16 => sys::cudnnDataType_t::CUDNN_DATA_BFLOAT16,
        };
        let tensor = |channels: usize, [height, width]: [usize; 2]| -> Result<_> {
            let descriptor = result::create_tensor_descriptor().map_err(Error::wrap)?;
            let sizes = [int(shape.images)?, int(channels)?, int(height)?, int(width)?];
            // SAFETY: the descriptor was just made.
            unsafe { result::set_tensor4d_descriptor(descriptor, LAYOUT, data, sizes) }.map_err(Error::wrap)?;
            Ok(descriptor)
        };
        let (x, y) = (tensor(shape.channels, shape.source)?, tensor(shape.outputs, shape.grid)?);
        let w = result::create_filter_descriptor().map_err(Error::wrap)?;
        let [kh, kw] = shape.kernel;
        let sizes = [int(shape.outputs)?, int(shape.channels)?, int(kh)?, int(kw)?];
        let conv = result::create_convolution_descriptor().map_err(Error::wrap)?;
        let (pad, stride, dilation) = (shape.pad, int(shape.stride)?, int(shape.dilation)?);
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
