//! What GPUs of one machine send each other, each GPU of a process of its own, by NVIDIA's library NCCL.
//!
//! Invariants:
//! - no call waits: communicators are non-blocking, and every wait looks, over and over, whether the other ranks are
//!   still there. Where one is not, the wait ends with that error, and the communicator is of no more use: dropping it
//!   ends what still runs on the GPU;
//! - the library is loaded here, by the file's name that its packages have, since the crate that binds the others knows
//!   only those without a version, and panics.
//!
//! NCCL promises the same sum to every rank, and no order of the sum: it follows from the algorithm, the number of
//! channels and the GPUs' links, which it chooses by the length and the machine, and with NVLink SHARP differs from call
//! to call (github.com/NVIDIA/nccl, issues 157, 1461, 1497).

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use candle_core::Device;
use candle_core::cuda_backend::cudarc::driver::{CudaStream, DriverError};
use libloading::Library;

use super::launch::{GpuMemory, address};
use super::libraries::load;
use crate::ml::error::{Error, Result};

/// The library's file, and the least version of it, as it tells them.
const FILE: &str = "libnccl.so.2";
const LEAST: c_int = 21_800;

/// How long a wait sleeps before it looks again: a small part of any step.
const PAUSE: Duration = Duration::from_micros(50);
/// How often it looks after an error, which may only follow from another rank's end.
const LOOKS: usize = 20_000;

/// The library's answers that are no errors.
const SUCCESS: c_int = 0;
const IN_PROGRESS: c_int = 7;

/// Its numbers of 32-bit floats and of sums.
const FLOAT: c_int = 7;
const SUM: c_int = 0;

/// What names a communicator to its ranks.
pub type Id = [u8; 128];

#[repr(C)]
#[derive(Clone, Copy)]
struct UniqueId(Id);

/// A communicator's settings, as of version 2.14, which all later ones take.
#[repr(C)]
struct Config {
    size: usize,
    magic: u32,
    version: u32,
    blocking: c_int,
    unset: c_int,
}

type Handle = *mut c_void;

/// The library's functions by name, of these arguments, each of which gives a status.
macro_rules! functions {
    ($($name:ident($($argument:ty),*);)*) => {
        #[expect(non_snake_case, reason = "the library's own names")]
        struct Functions {
            $($name: unsafe extern "C" fn($($argument),*) -> c_int,)*
        }

        impl Functions {
            fn load(library: &'static Library) -> std::result::Result<Self, libloading::Error> {
                // SAFETY: the signatures are those of nccl.h, the same since version 2.14.
                unsafe { Ok(Functions { $($name: *library.get(stringify!($name))?,)* }) }
            }
        }
    };
}

functions! {
    ncclGetVersion(*mut c_int);
    ncclGetUniqueId(*mut UniqueId);
    ncclCommInitRankConfig(*mut Handle, c_int, UniqueId, c_int, *mut Config);
    ncclCommGetAsyncError(Handle, *mut c_int);
    ncclCommAbort(Handle);
    ncclGroupStart();
    ncclGroupEnd();
    ncclSend(*const c_void, usize, c_int, c_int, Handle, *mut c_void);
    ncclRecv(*mut c_void, usize, c_int, c_int, Handle, *mut c_void);
    ncclAllReduce(*const c_void, *mut c_void, usize, c_int, c_int, Handle, *mut c_void);
}

/// The library, loaded once, or what is wrong with it.
fn library() -> Result<&'static (Functions, &'static Library)> {
    static LIBRARY: OnceLock<std::result::Result<(Functions, &'static Library), String>> = OnceLock::new();
    let loaded = LIBRARY.get_or_init(|| {
        let library: &'static Library = Box::leak(Box::new(load(FILE).ok_or(format!("{FILE} was not found"))?));
        let functions = Functions::load(library).map_err(|error| format!("{FILE} lacks a function: {error}"))?;
        let mut version = 0;
        // SAFETY: the place outlives the call.
        let status = unsafe { (functions.ncclGetVersion)(&raw mut version) };
        if status != SUCCESS || version < LEAST {
            return Err(format!("{FILE} is of version {}", in_words(version)));
        }
        Ok((functions, library))
    });
    loaded.as_ref().map_err(|why| Error::Device {
        message: format!("Ranks on GPUs add their gradients by NCCL {} or newer, but {why}.", in_words(LEAST)),
        hint: "LD_LIBRARY_PATH may name the folder of that library; a training with `ranks: 1` needs none.".to_owned(),
    })
}

fn in_words(version: c_int) -> String {
    format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100)
}

/// The library's version, or `none` where there is none that can be used.
pub fn version() -> String {
    let Ok((functions, _)) = library() else { return "none".to_owned() };
    let mut version = 0;
    // SAFETY: the place outlives the call.
    let status = unsafe { (functions.ncclGetVersion)(&raw mut version) };
    if status == SUCCESS { in_words(version) } else { "none".to_owned() }
}

/// An error unless the library is there.
pub fn look_for() -> Result<()> {
    library().map(drop)
}

/// The name of a communicator that is still to be made: one rank makes it, and tells all others.
pub fn id() -> Result<Id> {
    let mut id = UniqueId([0; 128]);
    // SAFETY: the place outlives the call.
    let status = unsafe { (library()?.0.ncclGetUniqueId)(&raw mut id) };
    if status == SUCCESS { Ok(id.0) } else { Err(failed("A name of ranks could not be made", status)) }
}

/// What a rank sends another, and gets from it: contiguous 32-bit floats on its GPU. Where there are none, nothing is sent.
pub struct Transfer<'a> {
    /// The other rank.
    pub peer: usize,
    /// What goes there.
    pub send: GpuMemory<'a>,
    /// What is overwritten by that rank's.
    pub receive: GpuMemory<'a>,
}

/// A rank's end of what it shares with the others.
pub struct Comm {
    handle: Handle,
    stream: Arc<CudaStream>,
}

// SAFETY: a communicator may be used by any thread, one at a time, and this one is not shared.
unsafe impl Send for Comm {}

impl fmt::Debug for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Comm")
    }
}

/// Looks whether the other ranks are still there; an error ends what is waited for.
pub type Watch<'a> = &'a mut dyn FnMut() -> Result<()>;

impl Comm {
    /// Rank `rank` of `size`, on the GPU `device`. All ranks join at once.
    pub fn join(device: &Device, id: Id, (rank, size): (usize, usize), watch: Watch<'_>) -> Result<Self> {
        let (functions, _) = library()?;
        let stream = device.as_cuda_device()?.cuda_stream();
        driver(stream.context().bind_to_thread())?;
        let mut comm = Comm { handle: std::ptr::null_mut(), stream };
        let size_of = size_of::<Config>();
        let mut config = Config { size: size_of, magic: 0xcafe_beef, version: 21_400, blocking: 0, unset: c_int::MIN };
        // SAFETY: the places outlive the call, which copies the settings.
        let status = unsafe {
            let (size, rank) = (size as c_int, rank as c_int);
            (functions.ncclCommInitRankConfig)(&raw mut comm.handle, size, UniqueId(id), rank, &raw mut config)
        };
        comm.settle("The ranks could not be joined", status, watch)?;
        Ok(comm)
    }

    /// Starts all of `transfers` at once, behind what the GPU has to do.
    pub fn exchange(&self, transfers: &[Transfer<'_>], watch: Watch<'_>) -> Result<()> {
        let (functions, _) = library()?;
        let what = "Gradients could not be sent";
        self.grouped(what, watch, || {
            for Transfer { peer, send, receive } in transfers {
                let (peer, stream) = (*peer as c_int, self.stream.cu_stream().cast());
                let ((to, sent), (from, got)) = (self.place(*send)?, self.place(*receive)?);
                // SAFETY: both places have so many elements, and are freed behind this on the GPU's stream.
                let statuses = unsafe {
                    let send = || (functions.ncclSend)(to as *const c_void, sent, FLOAT, peer, self.handle, stream);
                    let receive = || (functions.ncclRecv)(from as *mut c_void, got, FLOAT, peer, self.handle, stream);
                    [if sent > 0 { send() } else { SUCCESS }, if got > 0 { receive() } else { SUCCESS }]
                };
                statuses.into_iter().try_for_each(|status| accepted(what, status))?;
            }
            Ok(())
        })
    }

    /// Starts to replace `flat` by the sum of all ranks', in whatever order is fastest, behind what the GPU has to do.
    pub fn add(&self, flat: GpuMemory<'_>, watch: Watch<'_>) -> Result<()> {
        let (functions, _) = library()?;
        let what = "Gradients could not be added";
        self.grouped(what, watch, || {
            let ((at, len), stream) = (self.place(flat)?, self.stream.cu_stream().cast());
            // SAFETY: the place has so many elements, and is freed behind this on the GPU's stream.
            let status = unsafe {
                (functions.ncclAllReduce)(at as *const c_void, at as *mut c_void, len, FLOAT, SUM, self.handle, stream)
            };
            accepted(what, status)
        })
    }

    /// Waits until the GPU has done all that was started.
    pub fn finish(&self, watch: Watch<'_>) -> Result<()> {
        let end = driver(self.stream.record_event(None))?;
        while !driver(end.try_is_complete())? {
            self.state("Gradients did not arrive", watch)?;
            self.wait(watch)?;
        }
        Ok(())
    }

    /// Calls `body` between the marks of a group, and waits until what it asks for stands in line on the GPU.
    fn grouped(&self, what: &str, watch: Watch<'_>, body: impl FnOnce() -> Result<()>) -> Result<()> {
        let (functions, _) = library()?;
        driver(self.stream.context().bind_to_thread())?;
        // SAFETY: takes nothing.
        accepted(what, unsafe { (functions.ncclGroupStart)() })?;
        let asked = body();
        // SAFETY: as above. A group is ended in any case.
        let status = unsafe { (functions.ncclGroupEnd)() };
        asked?;
        self.settle(what, status, watch)
    }

    /// Waits until a call has ended that gave this status.
    fn settle(&self, what: &str, status: c_int, watch: Watch<'_>) -> Result<()> {
        accepted(what, status)?;
        while self.state(what, watch)? == IN_PROGRESS {
            self.wait(watch)?;
        }
        Ok(())
    }

    /// The communicator's state. Where that is an error because another rank has ended, the error is that.
    fn state(&self, what: &str, watch: Watch<'_>) -> Result<c_int> {
        let mut state = SUCCESS;
        // SAFETY: the place outlives the call.
        let status = unsafe { (library()?.0.ncclCommGetAsyncError)(self.handle, &raw mut state) };
        if let Err(error) = accepted(what, status).and_then(|()| accepted(what, state)) {
            (0..LOOKS).try_for_each(|_| self.wait(watch))?;
            return Err(error);
        }
        Ok(state)
    }

    fn wait(&self, watch: Watch<'_>) -> Result<()> {
        watch()?;
        thread::sleep(PAUSE);
        Ok(())
    }

    /// The address of the first element, and the number of elements.
    fn place(&self, memory: GpuMemory<'_>) -> Result<(u64, usize)> {
        let GpuMemory { storage, layout } = memory;
        if !layout.is_contiguous() || storage.as_cuda_slice::<f32>().is_err() {
            let message = "what goes to another GPU is no row of 32-bit floats";
            return Err(candle_core::Error::Msg(message.to_owned()).into());
        }
        Ok((address(memory, &self.stream)?, layout.shape().elem_count()))
    }
}

impl Drop for Comm {
    /// Leaves the others without waiting for them: what was waited for is done, and what was not never will be.
    fn drop(&mut self) {
        if let (false, Ok((functions, _))) = (self.handle.is_null(), library()) {
            // SAFETY: the communicator is used no more.
            unsafe { (functions.ncclCommAbort)(self.handle) };
        }
    }
}

fn driver<T>(result: std::result::Result<T, DriverError>) -> Result<T> {
    Ok(result.map_err(candle_core::Error::wrap)?)
}

/// An error unless a call was taken.
fn accepted(what: &str, status: c_int) -> Result<()> {
    if matches!(status, SUCCESS | IN_PROGRESS) { Ok(()) } else { Err(failed(what, status)) }
}

/// The error of a call, in the library's words.
fn failed(what: &str, status: c_int) -> Error {
    type Word = unsafe extern "C" fn(c_int) -> *const c_char;
    type Last = unsafe extern "C" fn(Handle) -> *const c_char;
    // SAFETY: the functions' documented signatures; the texts are the library's own and end.
    let texts = library().ok().map(|(_, library)| unsafe {
        let text = |text: *const c_char| {
            if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().trim().to_owned() }
        };
        let word = library.get::<Word>("ncclGetErrorString").map_or(String::new(), |of| text(of(status)));
        let last = library.get::<Last>("ncclGetLastError").map_or(String::new(), |of| text(of(std::ptr::null_mut())));
        [word, last].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ")
    });
    Error::Device {
        message: format!("{what}: NCCL answers with error {status} ({}).", texts.unwrap_or_default()),
        hint: "`NCCL_DEBUG=WARN` in the environment lets NCCL say more.".to_owned(),
    }
}
