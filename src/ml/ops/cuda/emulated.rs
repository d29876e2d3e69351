//! Plans carried out on the processor: the kernels' own sources, compiled by the host's C++ compiler, and convolutions
//! by their definition.

use std::cell::Cell;
use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::{CpuStorage, InplaceOp1, Layout, Storage, Tensor};

use super::conv::{Convolution, Pass};
use super::{Argument, Plan, Step};
use crate::fsio;
use crate::ml::error::Result;

thread_local! {
    static ACTIVE: Cell<bool> = const { Cell::new(false) };
}

/// Whether operations on this thread happen by plans, carried out here.
pub fn active() -> bool {
    ACTIVE.get()
}

/// Runs `body`, with every operation of this thread carried out as a GPU would.
pub fn on_gpu<T>(body: impl FnOnce() -> T) -> T {
    ACTIVE.set(true);
    let result = body();
    ACTIVE.set(false);
    result
}

/// Runs `plan` where the output is.
pub fn run(plan: &Plan<'_>, inputs: &[&Tensor], output: &Tensor) -> Result<()> {
    Ok(output.inplace_op1(&Run { plan, inputs })?)
}

struct Run<'a> {
    plan: &'a Plan<'a>,
    inputs: &'a [&'a Tensor],
}

fn address(storage: &CpuStorage, layout: &Layout) -> *mut c_void {
    let start = layout.start_offset();
    match storage {
        CpuStorage::F32(data) => data[start..].as_ptr().cast_mut().cast(),
        CpuStorage::F64(data) => data[start..].as_ptr().cast_mut().cast(),
        CpuStorage::U8(data) => data[start..].as_ptr().cast_mut().cast(),
        _ => panic!("an operand of no type that kernels know"),
    }
}

impl InplaceOp1 for Run<'_> {
    fn name(&self) -> &'static str {
        "an emulated plan"
    }

    fn cpu_fwd(&self, output: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let output = address(output, layout);
        let inputs: Vec<*mut c_void> = self
            .inputs
            .iter()
            .map(|tensor| {
                let (guard, layout) = tensor.storage_and_layout();
                let Storage::Cpu(storage) = &*guard else { panic!("an operand on another device") };
                address(storage, layout)
            })
            .collect();
        // Whatever lies in a scratch buffer at first must not matter.
        let mut scratch: Vec<Vec<f32>> = self.plan.scratch.iter().map(|len| vec![f32::NAN; len.div_ceil(4)]).collect();
        let scratch: Vec<*mut c_void> = scratch.iter_mut().map(|buffer| buffer.as_mut_ptr().cast()).collect();
        let at = |argument: Argument<'_>| match argument {
            Argument::Input(number) => inputs[number],
            Argument::Output => output,
            Argument::Scratch(number) => scratch[number],
            Argument::Bytes(bytes) => bytes.as_ptr().cast_mut().cast(),
            _ => std::ptr::null_mut(),
        };
        for step in &self.plan.steps {
            match step {
                Step::Conv(conv) => convolve(conv, at(conv.x).cast(), at(conv.w).cast(), at(conv.y).cast()),
                Step::Kernel { name, blocks, arguments } => {
                    let values = arguments.iter().map(|&argument| match argument {
                        Argument::Int(value) => Value { int: i32::try_from(value).unwrap() },
                        Argument::Float(float) => Value { float },
                        address => Value { address: at(address) },
                    });
                    let codes: Vec<u8> = arguments.iter().map(|argument| code(*argument)).collect();
                    Kernels::get().run(name, *blocks, values.collect(), &codes);
                }
            }
        }
        Ok(())
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
        let source = sources();
        let text = fsio::read_to_string(&source.join("emulated.cpp")).unwrap();
        let entries: String = names().iter().map(|name| format!("ENTRY({name})\n")).collect();
        let entry = "#define ENTRY(name) extern \"C\" bool run_##name(unsigned blocks, void** values, const char* codes, \
                     std::size_t count) { return run(name, blocks, values, codes, count); }\n";
        let (file, library) = (folder.path().join("emulated.cpp"), folder.path().join("emulated.so"));
        fsio::write_atomic(&file, format!("{text}\n{entry}{entries}").as_bytes()).unwrap();
        let mut compiler = Command::new("c++");
        compiler.args(["-std=c++17", "-O1", "-shared", "-fPIC", "-ffp-contract=off", "-Wall", "-Werror", "-I"]);
        let status = compiler.arg(source.join("kernels")).arg("-o").arg(&library).arg(&file).status().unwrap();
        assert!(status.success(), "the kernels do not compile");
        // SAFETY: the library has no initialisers.
        Kernels(unsafe { libloading::Library::new(&library).unwrap() })
    }

    fn run(&self, name: &str, blocks: usize, values: Vec<Value>, codes: &[u8]) {
        let pointers: Vec<*const Value> = values.iter().map(std::ptr::from_ref).collect();
        // SAFETY: the entry compares the arguments with the kernel's signature; the addresses are those of the plan.
        let ran = unsafe {
            let entry = self.0.get::<Entry>(format!("run_{name}")).unwrap();
            entry(u32::try_from(blocks).unwrap(), pointers.as_ptr(), codes.as_ptr(), codes.len())
        };
        assert!(ran, "the kernel `{name}` takes other arguments");
    }
}

/// The folder of this module; a program that was carried elsewhere does not have it.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ml/ops/cuda")
}

/// Whether plans can be carried out here; says so where they cannot.
pub fn possible() -> bool {
    let possible = sources().exists() && Command::new("c++").arg("--version").output().is_ok();
    if !possible {
        eprintln!("skipped: there is no C++ compiler here, or no source, to run the GPU's kernels on the processor");
    }
    possible
}

/// The names of all kernels.
pub fn names() -> Vec<String> {
    let all = fsio::read_to_string(&sources().join("kernels/all.cu")).unwrap();
    let files = all.lines().filter_map(|line| line.strip_prefix("#include \"")?.strip_suffix('"'));
    let texts = files.map(|file| fsio::read_to_string(&sources().join("kernels").join(file)).unwrap());
    let names = |text: String| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix("KERNEL "));
        lines.filter_map(|line| Some(line.split_once('(')?.0.to_owned())).collect()
    };
    texts.flat_map(names).collect()
}

/// A convolution by its definition, in 64-bit arithmetic; what is written, is overwritten.
fn convolve(conv: &Convolution, x: *mut f32, w: *mut f32, y: *mut f32) {
    let g = &conv.geometry;
    let ([h, width], [rows, columns], [kh, kw]) = (g.source, g.grid, g.kernel);
    let len =
        [g.images * g.channels * h * width, g.outputs * g.channels * kh * kw, g.images * g.outputs * rows * columns];
    // The library's own rule for the size of an output.
    for axis in 0..2 {
        let room = g.source[axis] + 2 * g.pad[axis] - ((g.kernel[axis] - 1) * g.dilation + 1);
        assert_eq!(g.grid[axis], room / g.stride + 1, "{g:?}");
    }
    // SAFETY: the plan's buffers have these lengths, and no two of them are one.
    let (x, w, y) = unsafe {
        let slice = |at: *mut f32, len| std::slice::from_raw_parts_mut(at, len);
        (slice(x, len[0]), slice(w, len[1]), slice(y, len[2]))
    };
    let mut sums = vec![
        0.0_f64;
        match conv.pass {
            Pass::Forward => len[2],
            Pass::Input => len[0],
            Pass::Weights => len[1],
        }
    ];
    let place = |at: usize, tap: usize, axis: usize| {
        let at = (at * g.stride + tap * g.dilation).checked_sub(g.pad[axis])?;
        (at < g.source[axis]).then_some(at)
    };
    // Image, output, and row of the output; channel, row and column of the filter.
    for (line, k) in (0..g.images * g.outputs * rows).flat_map(|l| (0..g.channels * kh * kw).map(move |k| (l, k))) {
        let (o, image) = (line / rows % g.outputs, line / rows / g.outputs);
        let (c, i, j) = (k / kh / kw, k / kw % kh, k % kw);
        let Some(row) = place(line % rows, i, 0) else { continue };
        let (source, tap) = (((image * g.channels + c) * h + row) * width, o * g.channels * kh * kw + k);
        for ox in 0..columns {
            let Some(column) = place(ox, j, 1) else { continue };
            let (at, p) = (source + column, line * columns + ox);
            let (sum, a, b) = match conv.pass {
                Pass::Forward => (p, x[at], w[tap]),
                Pass::Input => (at, y[p], w[tap]),
                Pass::Weights => (tap, y[p], x[at]),
            };
            sums[sum] += f64::from(a) * f64::from(b);
        }
    }
    let target = match conv.pass {
        Pass::Forward => y,
        Pass::Input => x,
        Pass::Weights => w,
    };
    target.iter_mut().zip(sums).for_each(|(target, sum)| *target = sum as f32);
}
