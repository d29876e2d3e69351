//! Convolutions and their gradients by NVIDIA's library cuDNN.
//!
//! Invariants:
//! - a shape's algorithm is found once and kept: the fastest by a trial, or, where the same bits are wanted every time,
//!   the first deterministic one in the library's own order, which no measurement changes. An algorithm that the library
//!   lists may still refuse to run: then the next one is tried;
//! - all convolutions of a device share one workspace, since they follow one another on its stream;
//! - images and filters lie channels last; sums are 32-bit floats whatever the operands are;
//! - 32-bit products are rounded to TF32 only where the precision says so;
//! - every function is called by its name in one loaded library, and what it answers is a number: another version of the
//!   library may answer what no list here has.

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::cuda_backend::DeviceId;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaStream, DevicePtr, result as driver};
use candle_core::{CudaDevice, Error, Result};

use super::algorithms::{Candidate, Math, SUCCESS, Wanted, Way, ways};
use super::libraries::{CUDNN, load};
use super::plan::{ConvShape, Direction, Element};
use crate::ml::numerics::{Numerics, Precision};

/// The most bytes of workspace that an algorithm may want.
const WORKSPACE: usize = 1 << 30;
/// The alignment that the library's fastest algorithms ask for, in bytes.
const ALIGNMENT: u64 = 16;
/// The statuses that say that an algorithm does not do what is asked: `CUDNN_STATUS_BAD_PARAM` and `_NOT_SUPPORTED`, and
/// `_INTERNAL_ERROR`, of an algorithm that could not be compiled or started, with what they are divided into. One that has run
/// and failed is `CUDNN_STATUS_EXECUTION_FAILED`, from 5000 on.
const REFUSALS: std::ops::Range<c_int> = 2000..5000;
/// Those among them of a machine without memory: which algorithm is taken must not depend on that.
const NO_MEMORY: std::ops::RangeInclusive<c_int> = 4003..=4004;
/// The most bytes of the library's reason for an error.
const REASON: usize = 256;
/// More algorithms than a pass has.
const CANDIDATES: usize = 16;

/// The library on one device.
pub struct Library {
    handle: Any,
    stream: Arc<CudaStream>,
    numerics: Numerics,
    prepared: HashMap<ConvKey, Prepared>,
    workspace: CudaSlice<u8>,
    functions: Functions,
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

/// The descriptors of a pass over one shape, kept as long as the program runs, and how it is computed.
#[derive(Clone, Copy)]
struct Prepared {
    /// Of the two operands that are read and the one that is written, in the library's order.
    operands: [Any; 3],
    conv: Any,
    way: Way,
    workspace: usize,
}

/// How a pass over operands of one shape and type is computed.
#[derive(Debug, Clone, Copy)]
pub struct Chosen {
    /// The pass.
    pub key: ConvKey,
    /// The way.
    pub way: Way,
    /// Bytes of workspace.
    pub workspace: usize,
}

type Any = *mut c_void;
/// A function that makes something in the place that is given.
type Create = unsafe extern "C" fn(*mut Any) -> c_int;
type SetStream = unsafe extern "C" fn(Any, Any) -> c_int;
/// Four sizes behind the layout and the type, in the one order or the other.
type SetSizes = unsafe extern "C" fn(Any, c_int, c_int, c_int, c_int, c_int, c_int) -> c_int;
/// Padding, stride and dilation, each for rows and columns, the mode and the type of sums.
type SetConv = unsafe extern "C" fn(Any, c_int, c_int, c_int, c_int, c_int, c_int, c_int, c_int) -> c_int;
type SetMath = unsafe extern "C" fn(Any, c_int) -> c_int;
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
/// One that says how much workspace an algorithm wants.
type Size = unsafe extern "C" fn(Any, Any, Any, Any, Any, c_int, *mut usize) -> c_int;
/// One that computes a pass: the handle, a factor, two operands behind their descriptors, the convolution, the algorithm, the
/// workspace, a factor, and what is written behind its descriptor.
type Run =
    unsafe extern "C" fn(Any, *const f32, Any, Any, Any, Any, Any, c_int, Any, usize, *const f32, Any, Any) -> c_int;

/// The functions of a pass.
#[derive(Clone, Copy)]
struct Pass {
    list: List,
    tried: Try,
    size: Size,
    run: Run,
}

/// The library's functions.
struct Functions {
    create_tensor: Create,
    create_filter: Create,
    create_conv: Create,
    set_tensor: SetSizes,
    set_filter: SetSizes,
    set_conv: SetConv,
    set_math: SetMath,
    passes: [Pass; 3],
    library: ManuallyDrop<libloading::Library>,
}

impl Functions {
    fn load() -> Result<Self> {
        let library = load(CUDNN).ok_or_else(|| Error::Msg(format!("{CUDNN} was not found")))?;
        fn named<F: Copy>(library: &libloading::Library, name: &str) -> Result<F> {
            // SAFETY: the callers name the type of the function of that name.
            let function = unsafe { library.get::<F>(name) };
            function.map(|found| *found).map_err(|error| Error::Msg(format!("cuDNN lacks a function: {error}")))
        }
        let pass = |name: &str| -> Result<Pass> {
            Ok(Pass {
                list: named(&library, &format!("cudnnGetConvolution{name}Algorithm_v7"))?,
                tried: named(&library, &format!("cudnnFindConvolution{name}AlgorithmEx"))?,
                size: named(&library, &format!("cudnnGetConvolution{name}WorkspaceSize"))?,
                run: named(&library, &format!("cudnnConvolution{name}"))?,
            })
        };
        Ok(Functions {
            create_tensor: named(&library, "cudnnCreateTensorDescriptor")?,
            create_filter: named(&library, "cudnnCreateFilterDescriptor")?,
            create_conv: named(&library, "cudnnCreateConvolutionDescriptor")?,
            set_tensor: named(&library, "cudnnSetTensor4dDescriptor")?,
            set_filter: named(&library, "cudnnSetFilter4dDescriptor")?,
            set_conv: named(&library, "cudnnSetConvolution2dDescriptor")?,
            set_math: named(&library, "cudnnSetConvolutionMathType")?,
            passes: [pass("Forward")?, pass("BackwardData")?, pass("BackwardFilter")?],
            library,
        })
    }

    /// A handle whose work is on `stream`.
    fn handle(&self, stream: Any) -> Result<Any> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: the functions' documented signatures; the stream lives as long as the library, which holds it.
        unsafe {
            let create = self.library.get::<Create>("cudnnCreate").map_err(Error::wrap)?;
            self.check(create(&raw mut handle), "a handle was to be made")?;
            let set = self.library.get::<SetStream>("cudnnSetStream").map_err(Error::wrap)?;
            self.check(set(handle, stream), "the stream was set")?;
        }
        Ok(handle)
    }

    fn pass(&self, direction: Direction) -> Pass {
        self.passes[match direction {
            Direction::Forward => 0,
            Direction::Input => 1,
            Direction::Weights => 2,
        }]
    }

    /// An error that says what was asked for, unless the status is success.
    fn check(&self, status: c_int, what: &str) -> Result<()> {
        if status == SUCCESS {
            return Ok(());
        }
        Err(Error::Msg(format!("cuDNN answers with error {}, where {what}", self.name(status))))
    }

    /// A status with its name, and with why the library answered last with an error, where it says that.
    fn name(&self, status: c_int) -> String {
        type Name = unsafe extern "C" fn(c_int) -> *const c_char;
        // SAFETY: the function's documented signature; the text that it gives is the library's own and ends.
        let name = unsafe {
            let text = self.library.get::<Name>("cudnnGetErrorString").ok().map(|of| of(status));
            text.filter(|text| !text.is_null()).map(|text| CStr::from_ptr(text).to_string_lossy().into_owned())
        };
        let words: Vec<String> = name.into_iter().chain(self.reason()).collect();
        if words.is_empty() { status.to_string() } else { format!("{status} ({})", words.join(": ")) }
    }

    /// Why the library answered last with an error, in its own words, which it then forgets.
    fn reason(&self) -> Option<String> {
        type Reason = unsafe extern "C" fn(*mut c_char, usize);
        let mut text = [0_u8; REASON];
        // SAFETY: the function's documented signature: a place, and its length.
        unsafe { self.library.get::<Reason>("cudnnGetLastErrorString").ok()?(text.as_mut_ptr().cast(), REASON - 1) };
        let text = CStr::from_bytes_until_nul(&text).ok()?.to_string_lossy();
        let words: Vec<&str> = text.split_whitespace().collect();
        (!words.is_empty()).then(|| words.join(" "))
    }
}

/// Of the source, the filter and the output, those that a pass reads and then the one that it writes, in the library's order.
fn in_order<T>(direction: Direction, [x, w, y]: [T; 3]) -> [T; 3] {
    match direction {
        Direction::Forward => [x, w, y],
        Direction::Input => [w, y, x],
        Direction::Weights => [x, y, w],
    }
}

impl Library {
    /// Opens the library on `device`, to compute as `numerics` say.
    pub fn open(device: &CudaDevice, numerics: Numerics) -> Result<()> {
        let stream = device.cuda_stream();
        stream.context().bind_to_thread().map_err(Error::wrap)?;
        let functions = Functions::load()?;
        let handle = functions.handle(stream.cu_stream().cast())?;
        // SAFETY: no algorithm reads from its workspace what it did not write.
        let workspace = unsafe { device.alloc::<u8>(1 << 20) }?;
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
        let operands = in_order(key.direction, addresses.map(|address| address as Any));
        let Some(prepared) = self.prepared.get(&key).copied() else {
            // SAFETY: promised by the caller.
            let prepared = unsafe { self.first(key, operands)? };
            self.prepared.insert(key, prepared);
            return Ok(());
        };
        // SAFETY: promised by the caller.
        let status = unsafe { self.compute(key.direction, &prepared, operands)? };
        if status == SUCCESS {
            // Each convolution of each step comes here: no words are made for it.
            return Ok(());
        }
        self.functions.check(status, &format!("{key:?} was computed"))
    }

    /// Computes a pass, and gives the library's answer.
    ///
    /// # Safety
    /// As for [`Library::run`].
    unsafe fn compute(&mut self, direction: Direction, prepared: &Prepared, operands: [Any; 3]) -> Result<c_int> {
        let Prepared { operands: [ad, bd, cd], conv, way, workspace } = *prepared;
        self.reserve(workspace)?;
        let space = self.workspace.device_ptr(&self.stream).0 as Any;
        let ([a, b, c], one, zero) = (operands, 1.0_f32, 0.0_f32);
        let (run, number) = (self.functions.pass(direction).run, way.algorithm.number);
        // SAFETY: the function's documented signature. The operands have the sizes of the descriptors, as the caller promises,
        // and the workspace has the bytes that the algorithm asked for.
        Ok(unsafe {
            run(self.handle, &raw const one, ad, a, bd, b, conv, number, space, workspace, &raw const zero, cd, c)
        })
    }

    /// Lets the workspace have at least so many bytes.
    fn reserve(&mut self, bytes: usize) -> Result<()> {
        if self.workspace.num_bytes() < bytes {
            // SAFETY: as in `open`.
            self.workspace = unsafe { self.stream.alloc::<u8>(bytes) }.map_err(Error::wrap)?;
        }
        Ok(())
    }

    /// Describes a pass, finds a way that runs, and computes the pass by it.
    ///
    /// # Safety
    /// As for [`Library::run`].
    unsafe fn first(&mut self, key: ConvKey, operands: [Any; 3]) -> Result<Prepared> {
        let (descriptors, conv) = self.describe(key)?;
        // SAFETY: promised by the caller; the descriptors are those of the pass.
        let found = unsafe { self.list(key, descriptors, conv, operands)? };
        let fma = key.element == Element::F32 && self.numerics.precision == Precision::Fp32;
        let Numerics { deterministic, .. } = self.numerics;
        let wanted =
            Wanted { direction: key.direction, exact: key.shape.exact, deterministic, fma, workspace: WORKSPACE };
        let mut refused = Vec::new();
        for way in ways(&found, wanted) {
            let Way { algorithm, math, .. } = way;
            let mut bytes = 0;
            let [a, b, c] = descriptors;
            // SAFETY: the functions' documented signatures, live descriptors, and a place that outlives the call.
            let status = unsafe {
                match (self.functions.set_math)(conv, math as c_int) {
                    SUCCESS => {
                        let size = self.functions.pass(key.direction).size;
                        size(self.handle, a, b, conv, c, algorithm.number, &raw mut bytes)
                    }
                    status => status,
                }
            };
            let status = if status == SUCCESS && bytes <= WORKSPACE {
                let prepared = Prepared { operands: descriptors, conv, way, workspace: bytes };
                // SAFETY: promised by the caller.
                let status = unsafe { self.compute(key.direction, &prepared, operands)? };
                if status == SUCCESS {
                    return Ok(prepared);
                }
                status
            } else {
                status
            };
            // After any other error the GPU may answer nothing any more.
            if status != SUCCESS && (!REFUSALS.contains(&status) || NO_MEMORY.contains(&status)) {
                self.functions.check(status, &format!("{key:?} was computed by {}", algorithm.name()))?;
            }
            let why = if status == SUCCESS {
                format!("it wants {bytes} bytes of workspace")
            } else {
                self.functions.name(status)
            };
            refused.push(format!("{} with {math:?} products: {why}", algorithm.name()));
        }
        let mode = if deterministic { " deterministic" } else { "" };
        let tried = if refused.is_empty() { "it lists none".to_owned() } else { refused.join("; ") };
        Err(Error::Msg(format!("cuDNN has no{mode} algorithm that runs for {key:?}: {tried}")))
    }

    /// What the library says of the algorithms of a pass, best first. A trial may overwrite what the pass will.
    ///
    /// # Safety
    /// As for [`Library::run`], with the descriptors of the operands.
    unsafe fn list(
        &mut self,
        key: ConvKey,
        [ad, bd, cd]: [Any; 3],
        conv: Any,
        [a, b, c]: [Any; 3],
    ) -> Result<Vec<Candidate>> {
        let (mut found, mut count) = ([Candidate::default(); CANDIDATES], 0);
        let (n, at, to) = (CANDIDATES as c_int, &raw mut count, found.as_mut_ptr());
        let Pass { list, tried, .. } = self.functions.pass(key.direction);
        let status = if self.numerics.deterministic {
            // SAFETY: the function's documented signature; the descriptors are those of the pass, and there is room for so
            // many answers.
            unsafe { list(self.handle, ad, bd, conv, cd, n, at, to) }
        } else {
            // SAFETY: as for the workspace.
            let trial = unsafe { self.stream.alloc::<u8>(WORKSPACE) }.map_err(Error::wrap)?;
            let space = trial.device_ptr(&self.stream).0 as Any;
            // SAFETY: as above; the operands are those of the descriptors, and the workspace has its length.
            unsafe { tried(self.handle, ad, a, bd, b, conv, cd, c, n, at, to, space, WORKSPACE) }
        };
        self.functions.check(status, &format!("the algorithms for {key:?} were asked for"))?;
        Ok(found[..usize::try_from(count).unwrap_or(0).min(CANDIDATES)].to_vec())
    }

    /// How each pass that was computed so far is computed.
    pub fn chosen(&self) -> Vec<Chosen> {
        let chosen = |(key, prepared): (&ConvKey, &Prepared)| Chosen {
            key: *key,
            way: prepared.way,
            workspace: prepared.workspace,
        };
        self.prepared.iter().map(chosen).collect()
    }

    /// The descriptors of the operands of a pass, in the library's order, and of the convolution.
    fn describe(&self, key: ConvKey) -> Result<([Any; 3], Any)> {
        let ConvKey { shape, element, direction } = key;
        let int = |size: usize| c_int::try_from(size).map_err(Error::wrap);
        let data = match element {
            Element::F32 => FLOAT,
            Element::Bf16 => BFLOAT16,
        };
        let functions = &self.functions;
        let made = |create: Create| -> Result<Any> {
            let mut made = std::ptr::null_mut();
            // SAFETY: the function's documented signature, and a place that outlives the call.
            functions.check(unsafe { create(&raw mut made) }, "a descriptor was to be made")?;
            Ok(made)
        };
        let refused = format!("{key:?} was described");
        let tensor = |channels: usize, [height, width]: [usize; 2]| -> Result<Any> {
            let descriptor = made(functions.create_tensor)?;
            let [n, c, h, w] = [int(shape.images)?, int(channels)?, int(height)?, int(width)?];
            // SAFETY: the function's documented signature; the descriptor was just made.
            functions.check(unsafe { (functions.set_tensor)(descriptor, NHWC, data, n, c, h, w) }, &refused)?;
            Ok(descriptor)
        };
        let (x, y) = (tensor(shape.channels, shape.source)?, tensor(shape.outputs, shape.grid)?);
        let (w, conv) = (made(functions.create_filter)?, made(functions.create_conv)?);
        let ([kh, kw], [ph, pw]) = (shape.kernel, shape.pad);
        let [k, c, kh, kw] = [int(shape.outputs)?, int(shape.channels)?, int(kh)?, int(kw)?];
        let [ph, pw, stride, dilation] = [int(ph)?, int(pw)?, int(shape.stride)?, int(shape.dilation)?];
        let math = match (element, self.numerics.precision) {
            (Element::Bf16, _) => Math::TensorOp,
            (Element::F32, Precision::Fp32) => Math::Fma,
            (Element::F32, _) => Math::Default,
        };
        // SAFETY: the functions' documented signatures; the descriptors were just made.
        unsafe {
            functions.check((functions.set_filter)(w, data, NHWC, k, c, kh, kw), &refused)?;
            let set = (functions.set_conv)(conv, ph, pw, stride, stride, dilation, dilation, CROSS_CORRELATION, FLOAT);
            functions.check(set, &refused)?;
            functions.check((functions.set_math)(conv, math as c_int), &refused)?;
        }
        Ok((in_order(direction, [x, w, y]), conv))
    }
}

/// `CUDNN_TENSOR_NHWC`.
const NHWC: c_int = 1;
/// `CUDNN_CROSS_CORRELATION`.
const CROSS_CORRELATION: c_int = 1;
/// `CUDNN_DATA_FLOAT`.
const FLOAT: c_int = 0;
/// `CUDNN_DATA_BFLOAT16`.
const BFLOAT16: c_int = 9;
