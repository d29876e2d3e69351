//! Plans carried out on the processor: the kernels' own sources, compiled by the host's C++ compiler as
//! `tests/emulation/kernels.cpp`, and convolutions by their definition.

use std::cell::Cell;
use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::{CpuStorage, Layout};
use half::bf16;

use super::kernels;
use super::plan::{Argument, Convolution, Direction, Element, GpuPlan, Launch};
use crate::fsio;
use crate::rng::Rng;

thread_local! {
    static ACTIVE: Cell<bool> = const { Cell::new(false) };
}

/// Whether operations on this thread happen by plans, carried out here.
pub fn active() -> bool {
    ACTIVE.get()
}

/// Runs `body`, with every operation of this thread carried out as a GPU would.
pub fn on_gpu<T>(body: impl FnOnce() -> T) -> T {
    struct Ends;
    impl Drop for Ends {
        fn drop(&mut self) {
            ACTIVE.set(false);
        }
    }
    ACTIVE.set(true);
    let _ends = Ends;
    body()
}

/// The address of a tensor's first element, which is only read.
fn address(storage: &CpuStorage, layout: &Layout) -> *mut c_void {
    let start = layout.start_offset();
    match storage {
        CpuStorage::F32(data) => data[start..].as_ptr().cast_mut().cast(),
        CpuStorage::BF16(data) => data[start..].as_ptr().cast_mut().cast(),
        _ => panic!("an operand of no type that kernels know"),
    }
}

/// The address of a tensor's first element, which is written.
fn written(storage: &mut CpuStorage, layout: &Layout) -> *mut c_void {
    let start = layout.start_offset();
    match storage {
        CpuStorage::F32(data) => data[start..].as_mut_ptr().cast(),
        CpuStorage::BF16(data) => data[start..].as_mut_ptr().cast(),
        CpuStorage::F64(data) => data[start..].as_mut_ptr().cast(),
        CpuStorage::U8(data) => data[start..].as_mut_ptr().cast(),
        _ => panic!("an output of no type that kernels know"),
    }
}

/// Carries out `plan`.
///
/// # Safety
/// The plan's launches touch no elements but those of the inputs, the output and the scratch buffers. The operands are of the
/// types that the launches take ([`super::operands::check`]).
pub unsafe fn run(
    plan: &GpuPlan<'_>,
    element: Element,
    inputs: &[(&CpuStorage, &Layout)],
    output: (&mut CpuStorage, &Layout),
) {
    let output = written(output.0, output.1);
    let inputs: Vec<*mut c_void> = inputs.iter().map(|(storage, layout)| address(storage, layout)).collect();
    // Whatever lies in a scratch buffer at first must not matter.
    let mut scratch: Vec<Vec<f32>> =
        plan.scratch.iter().map(|size| vec![f32::NAN; size.bytes(element).div_ceil(4)]).collect();
    let scratch: Vec<*mut c_void> = scratch.iter_mut().map(|buffer| buffer.as_mut_ptr().cast()).collect();
    let at = |argument: Argument<'_>| match argument {
        Argument::Input(number) | Argument::Activation(number) => inputs[number],
        Argument::Output | Argument::Written(_) | Argument::ActivationOutput => output,
        Argument::Scratch(number) => scratch[number],
        Argument::Bytes(bytes) => bytes.as_ptr().cast_mut().cast(),
        _ => std::ptr::null_mut(),
    };
    for launch in &plan.launches {
        match launch {
            Launch::Convolution(convolution) => {
                let operands = convolution.operands.map(at);
                // SAFETY: promised by the caller.
                unsafe {
                    match element {
                        Element::F32 => convolve::<f32>(convolution, operands.map(|at| at.cast())),
                        Element::Bf16 => convolve::<bf16>(convolution, operands.map(|at| at.cast())),
                    }
                }
            }
            Launch::Kernel { kernel, blocks, arguments } => {
                let values = arguments.iter().map(|&argument| match argument {
                    Argument::Int(value) => Value { int: i32::try_from(value).unwrap() },
                    Argument::Float(float) => Value { float },
                    address => Value { address: at(address) },
                });
                let codes: Vec<u8> = arguments.iter().map(|argument| code(*argument)).collect();
                // SAFETY: promised by the caller.
                unsafe { Kernels::get().run(&element.name(*kernel), *blocks, values.collect(), &codes) };
            }
        }
    }
}

/// An argument as a kernel takes it.
#[repr(C)]
union Value {
    int: i32,
    float: f32,
    address: *mut c_void,
}

fn code(argument: Argument<'_>) -> u8 {
    match argument {
        Argument::Int(_) => b'i',
        Argument::Float(_) => b'f',
        _ => b'p',
    }
}

/// The compiled kernels.
struct Kernels(libloading::Library);

type Entry = unsafe extern "C" fn(u32, *const *const Value, *const u8, usize) -> bool;

impl Kernels {
    /// The kernels, for one user at a time: blocks share their variables.
    fn get() -> MutexGuard<'static, Self> {
        static KERNELS: Mutex<Option<&'static Mutex<Kernels>>> = Mutex::new(None);
        let mut kernels = KERNELS.lock().unwrap_or_else(PoisonError::into_inner);
        kernels.get_or_insert_with(|| Box::leak(Box::new(Mutex::new(Self::build())))).lock().unwrap()
    }

    fn build() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = fsio::read_to_string(&sources(EMULATION).join("kernels.cpp")).unwrap();
        let entries = kernels::entries("ENTRY");
        let entry = "#define ENTRY(name) extern \"C\" bool run_##name(unsigned blocks, void** values, const char* codes, \
                     std::size_t count) { return run(name, blocks, values, codes, count); }\n";
        let (file, library) = (folder.path().join("emulated.cpp"), folder.path().join("emulated.so"));
        fsio::write_atomic(&folder.path().join("kernels.cu"), kernels::translation_unit().as_bytes()).unwrap();
        fsio::write_atomic(&file, format!("{text}\n{entry}{entries}").as_bytes()).unwrap();
        let mut compiler = Command::new("c++");
        compiler.args(["-std=c++17", "-O1", "-shared", "-fPIC", "-ffp-contract=off", "-Wall", "-Werror", "-I"]);
        let status = compiler
            .arg(sources(KERNELS))
            .arg("-I")
            .arg(folder.path())
            .arg("-o")
            .arg(&library)
            .arg(&file)
            .status()
            .unwrap();
        assert!(status.success(), "the kernels do not compile");
        // SAFETY: the library has no initialisers.
        Kernels(unsafe { libloading::Library::new(&library).unwrap() })
    }

    /// # Safety
    /// With these arguments, the kernel touches no elements but those of the plan's operands.
    unsafe fn run(&self, name: &str, blocks: usize, values: Vec<Value>, codes: &[u8]) {
        let pointers: Vec<*const Value> = values.iter().map(std::ptr::from_ref).collect();
        // SAFETY: the entry compares the arguments with the kernel's signature; what it touches, the caller promises.
        let ran = unsafe {
            let entry = self.0.get::<Entry>(format!("run_{name}")).unwrap();
            entry(u32::try_from(blocks).unwrap(), pointers.as_ptr(), codes.as_ptr(), codes.len())
        };
        assert!(ran, "the kernel `{name}` takes other arguments");
    }
}

/// A folder of the sources; a program that was carried elsewhere does not have it.
fn sources(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

/// The kernels' sources.
const KERNELS: &str = "src/ml/gpu/kernels";
/// What runs them on the processor.
const EMULATION: &str = "tests/emulation";

/// Whether plans can be carried out here; says so where they cannot.
pub fn possible() -> bool {
    let possible = sources(KERNELS).exists() && Command::new("c++").arg("--version").output().is_ok();
    if !possible {
        eprintln!("skipped: there is no C++ compiler here, or no source, to run the GPU's kernels on the processor");
    }
    possible
}

/// A number that convolutions take.
trait Number: Copy {
    fn wide(self) -> f32;
    fn rounded(sum: f32) -> Self;
}

impl Number for f32 {
    fn wide(self) -> f32 {
        self
    }

    fn rounded(sum: f32) -> Self {
        sum
    }
}

impl Number for bf16 {
    fn wide(self) -> f32 {
        self.to_f32()
    }

    fn rounded(sum: f32) -> Self {
        bf16::from_f32(sum)
    }
}

/// The numbers below `len` in an order that only `len` decides.
fn shuffled(len: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..len).collect();
    let mut rng = Rng::new(5, "the order of a sum", len as u64);
    for last in (1..len).rev() {
        all.swap(last, rng.below(last as u32 + 1) as usize);
    }
    all
}

/// A convolution of channels-last operands by its definition, in 32-bit floats; what is written, is overwritten. Sums are in an
/// order that is not the processor's, as a GPU's are.
///
/// # Safety
/// The operands have the lengths that the geometry says, and the one that is written shares memory with no other.
unsafe fn convolve<T: Number>(convolution: &Convolution, operands: [*mut T; 3]) {
    let Convolution { direction, shape: g, .. } = convolution;
    let ([h, width], [rows, columns], [kh, kw]) = (g.source, g.grid, g.kernel);
    let len =
        [g.images * g.channels * h * width, g.outputs * g.channels * kh * kw, g.images * g.outputs * rows * columns];
    // The library's own rule for the size of an output.
    for axis in 0..2 {
        let room = g.source[axis] + 2 * g.pad[axis] - ((g.kernel[axis] - 1) * g.dilation + 1);
        assert_eq!(g.grid[axis], room / g.stride + 1, "{g:?}");
    }
    // SAFETY: promised by the caller; nothing is written yet.
    let [x, w, y] = [0, 1, 2].map(|at: usize| unsafe { std::slice::from_raw_parts(operands[at], len[at]) });
    let target = match direction {
        Direction::Input => 0,
        Direction::Weights => 1,
        Direction::Forward => 2,
    };
    let [x, w, y] = [x, w, y].map(|of| of.iter().map(|value| value.wide()).collect::<Vec<f32>>());
    let mut sums = vec![0.0_f32; len[target]];
    let place = |at: usize, tap: usize, axis: usize| {
        let at = (at * g.stride + tap * g.dilation).checked_sub(g.pad[axis])?;
        (at < g.source[axis]).then_some(at)
    };
    let (taps, inner, outer) = (kh * kw, g.channels, g.outputs);
    let [tap_order, channels, outputs] = [taps, inner, outer].map(shuffled);
    // The filter in the order row, column, channel, output.
    let mut turned = vec![0.0; w.len()];
    for (at, value) in w.iter().enumerate() {
        let (o, k, c) = (at / inner / taps, at / inner % taps, at % inner);
        turned[(k * inner + c) * outer + o] = *value;
    }
    let add = |sums: &mut [f32], factor: f32, values: &[f32]| {
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += factor * value);
    };
    // Image, row and column of the output; row and column of the filter.
    for p in shuffled(g.images * rows * columns) {
        let (column, row, image) = (p % columns, p / columns % rows, p / columns / rows);
        for &k in &tap_order {
            let (Some(row), Some(column)) = (place(row, k / kw, 0), place(column, k % kw, 1)) else { continue };
            let source = ((image * h + row) * width + column) * inner;
            let tap = |o: usize| (o * taps + k) * inner;
            match direction {
                Direction::Forward => channels.iter().for_each(|c| {
                    let filter = (k * inner + c) * outer;
                    add(&mut sums[p * outer..][..outer], x[source + c], &turned[filter..][..outer]);
                }),
                Direction::Input => outputs.iter().for_each(|&o| {
                    add(&mut sums[source..][..inner], y[p * outer + o], &w[tap(o)..][..inner]);
                }),
                Direction::Weights => outputs.iter().for_each(|&o| {
                    add(&mut sums[tap(o)..][..inner], y[p * outer + o], &x[source..][..inner]);
                }),
            }
        }
    }
    // SAFETY: promised by the caller; nothing is read any more.
    let target = unsafe { std::slice::from_raw_parts_mut(operands[target], len[target]) };
    target.iter_mut().zip(sums).for_each(|(target, sum)| *target = T::rounded(sum));
}
