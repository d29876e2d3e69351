//! Every operation with operands that do not belong together: an error, and nothing is written. On the processor, and by
//! the kernels of a GPU where these can be run on the processor.
//!
//! Operands lie between guards in buffers of their own. What is written beside an operand, or to one that is only read,
//! shows there.

mod operands;
mod operations;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use syn::visit::{self, Visit};

use self::operands::{Activation, Labels, Operand, Plain, Row, Shape, Sizes};
use self::operations::{CASES, Case, READERS};
use super::dispatch::{order, read};
use super::{activation, elementwise};
use crate::fsio;
use crate::ml::gpu::emulated;
use crate::ml::layout::Order;

/// Elements before and behind an operand.
const GUARD: usize = 64;

/// What is wrong with an operand.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// One element fewer along an axis.
    Shorter(usize),
    /// One more.
    Longer(usize),
    /// Nothing along an axis.
    Empty(usize),
    /// An axis fewer.
    Flat,
    /// An axis more.
    Deep,
    /// Another type.
    Of(DType),
    /// Elements that are not its own lie between its own.
    Gaps,
    /// It lies in the memory of the operand that is written.
    Shared,
}

impl Fault {
    fn all(operand: &Operand) -> Vec<Fault> {
        let axes = 0..operand.shape.len();
        let mut all: Vec<Fault> =
            axes.flat_map(|axis| [Fault::Shorter(axis), Fault::Longer(axis), Fault::Empty(axis)]).collect();
        if !matches!(operand.role, Labels | Shape) {
            all.extend([Fault::Flat, Fault::Deep, Fault::Gaps]);
            all.extend([DType::F64, DType::U8, DType::BF16, DType::F16, DType::U32].map(Fault::Of));
            all.extend((!operand.written).then_some(Fault::Shared));
        }
        all
    }

    /// Whether an operation may still take an operand with this fault.
    fn is_bearable(self, operand: &Operand, tensor: &Tensor) -> bool {
        match self {
            Fault::Shorter(axis) | Fault::Longer(axis) => operand.free.contains(&axis),
            Fault::Flat | Fault::Deep => operand.role == Row,
            Fault::Gaps => tensor.is_contiguous(),
            // On a GPU activations may be of it.
            Fault::Of(DType::BF16) => operand.role == Activation && order(&Device::Cpu) == Order::ChannelsLast,
            _ => false,
        }
    }

    fn shape(self, operand: &Operand) -> Vec<usize> {
        let mut shape = operand.shape.clone();
        match self {
            Fault::Shorter(axis) => shape[axis] -= 1,
            Fault::Longer(axis) => shape[axis] += 1,
            Fault::Empty(axis) => shape[axis] = 0,
            Fault::Flat if shape.len() == 1 => shape.clear(),
            Fault::Flat => {
                let last = shape.pop().unwrap();
                *shape.last_mut().unwrap() *= last;
            }
            Fault::Deep => shape.insert(0, 1),
            _ => {}
        }
        shape
    }
}

/// An operand between its guards.
struct Placed {
    flat: Tensor,
    tensor: Tensor,
}

impl Placed {
    /// One that is sound, or has that fault; if it is to share memory, in that of `other`.
    fn new(operand: &Operand, fault: Option<Fault>, other: Option<&Placed>) -> Self {
        let shape = fault.map_or_else(|| operand.shape.clone(), |fault| fault.shape(operand));
        let shape = if operand.role == Row && shape.is_empty() { vec![operand.shape[0]] } else { shape };
        let len: usize = shape.iter().product();
        let dtype = match (operand.role, fault) {
            (Labels, _) => DType::U8,
            (_, Some(Fault::Of(dtype))) => dtype,
            _ => DType::F32,
        };
        let gaps = if fault == Some(Fault::Gaps) { 2 } else { 1 };
        let flat = match other {
            Some(other) => other.flat.clone(),
            None => {
                let values = (0..len * gaps + 2 * GUARD).map(|at| (at % 5) as f32).collect::<Vec<_>>();
                Tensor::new(values, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
            }
        };
        let start = if other.is_some() { 0 } else { GUARD };
        let own = flat.narrow(0, start, len * gaps).unwrap();
        let own =
            if gaps == 2 { own.reshape((len, 2)).unwrap().narrow(1, 0, 1).unwrap().squeeze(1).unwrap() } else { own };
        let strided = |shape: &[usize]| match gaps {
            // Every other element: each axis is taken apart from what lies in steps of two.
            2 => {
                let mut wide = shape.to_vec();
                wide.push(2);
                let all = flat.narrow(0, start, len * 2).unwrap().reshape(wide).unwrap();
                all.narrow(shape.len(), 0, 1).unwrap().squeeze(shape.len()).unwrap()
            }
            _ => own.reshape(shape).unwrap(),
        };
        let tensor = match (operand.role, &shape[..]) {
            (Activation, &[n, c, h, w]) if order(&Device::Cpu) == Order::ChannelsLast => {
                strided(&[n, h, w, c]).permute((0, 3, 1, 2)).unwrap()
            }
            _ => strided(&shape),
        };
        Placed { flat, tensor }
    }

    /// All that lies in the buffer, exactly.
    fn values(&self) -> Vec<u64> {
        let wide = self.flat.to_dtype(DType::F64).unwrap();
        wide.to_vec1::<f64>().unwrap().into_iter().map(f64::to_bits).collect()
    }
}

/// Runs an operation, with the fault in the operand of that number if there is one. Gives whether it was refused, or what
/// it did that it should not.
fn run(operation: &Case, sizes: Sizes, fault: Option<(usize, Fault)>) -> std::result::Result<bool, String> {
    let operands = (operation.operands)(sizes);
    let told = |what: &str| Err(format!("{} {what}, of {sizes:?} with {fault:?}", operation.name));
    let of = |number: usize| fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault);
    let mut placed: Vec<Placed> =
        operands.iter().enumerate().map(|(at, operand)| Placed::new(operand, of(at), None)).collect();
    if let Some((at, Fault::Shared)) = fault {
        // The written operand moves into a buffer that both have room in, behind the input.
        let output = operands.iter().position(|operand| operand.written).unwrap();
        let (input, len) = (operands[at].shape.iter().product::<usize>(), placed[output].tensor.elem_count());
        let both = Operand { shape: vec![input + len], role: Plain, ..operands[at].clone() };
        let both = Placed::new(&both, None, None);
        let place = |operand: &Operand, start: usize, len: usize| {
            let own = both.flat.narrow(0, GUARD + start, len).unwrap();
            match (operand.role, &operand.shape[..]) {
                (Activation, &[n, c, h, w]) if order(&Device::Cpu) == Order::ChannelsLast => {
                    own.reshape((n, h, w, c)).unwrap().permute((0, 3, 1, 2)).unwrap()
                }
                (_, shape) => own.reshape(shape).unwrap(),
            }
        };
        let (flat, other) = (both.flat.clone(), both.flat.clone());
        placed[at] = Placed { tensor: place(&operands[at], 0, input), flat };
        placed[output] = Placed { tensor: place(&operands[output], input, len), flat: other };
    }
    let before: Vec<Vec<u64>> = placed.iter().map(Placed::values).collect();
    let tensors: Vec<Tensor> = placed.iter().map(|placed| placed.tensor.clone()).collect();
    let result = catch_unwind(AssertUnwindSafe(|| (operation.run)(sizes, &tensors)));
    let Ok(result) = result else { return told("panicked") };
    for ((operand, placed), before) in operands.iter().zip(&placed).zip(before) {
        let (after, end) = (placed.values(), before.len() - GUARD);
        if operand.written && result.is_ok() {
            if after[..GUARD] != before[..GUARD] || after[end..] != before[end..] {
                return told("wrote beside its output");
            }
        } else if after != before {
            return told("wrote what is not its own, or before it refused");
        }
    }
    match (fault, result) {
        (None, Err(error)) => told(&format!("refused what is sound ({error})")),
        (Some((at, fault)), Ok(())) if !fault.is_bearable(&operands[at], &placed[at].tensor) => told("did not refuse"),
        (_, result) => Ok(result.is_err()),
    }
}

/// Every fault of every operand of every operation, for as many sizes.
fn all(cases: u32) {
    let channels = select(vec![(3, 5), (8, 2), (64, 5), (5, 64), (33, 40)]);
    // Filters of one tap and of several; strides that leave pixels out.
    let filters = select(vec![(1, 1, 1), (1, 2, 1), (3, 1, 1), (3, 1, 2), (3, 2, 1), (2, 1, 3), (3, 1, 4)]);
    let sizes = (1_usize..3, channels, 3_usize..14, 3_usize..14, filters).prop_map(
        |(images, (channels, outputs), height, width, (kernel, stride, dilation))| Sizes {
            images,
            channels,
            outputs,
            height,
            width,
            kernel,
            stride,
            dilation,
        },
    );
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 32, ..Config::default() };
    let tried = TestRunner::new(config).run(&sizes, |sizes| {
        let mut wrong = Vec::new();
        for operation in CASES {
            let operands = (operation.operands)(sizes);
            let shares = operands.iter().any(|operand| operand.written);
            let faults = operands.iter().enumerate().flat_map(|(at, operand)| {
                Fault::all(operand)
                    .into_iter()
                    .filter(|fault| shares || *fault != Fault::Shared)
                    .map(move |fault| (at, fault))
            });
            let mut refused = 0;
            for fault in [None].into_iter().chain(faults.map(Some)) {
                match run(operation, sizes, fault) {
                    Ok(was_refused) => refused += usize::from(was_refused),
                    Err(what) => wrong.push(what),
                }
            }
            prop_assert!(refused > operands.len(), "{}: {refused} faults were refused", operation.name);
        }
        prop_assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn operands_that_do_not_belong_together_are_refused_and_nothing_is_written() {
    all(8);
}

#[test]
fn kernels_of_a_gpu_are_never_run_over_operands_that_do_not_belong_together() {
    if emulated::possible() {
        emulated::on_gpu(|| all(3));
    }
}

/// What is read must not be read beyond its end either: whatever tensors readers are given, they return.
#[test]
fn readers_take_tensors_of_any_shape() {
    let tensors = |dtype| {
        let wide = Tensor::ones((3, 4, 5, 6), dtype, &Device::Cpu).unwrap();
        [
            wide.narrow(3, 1, 4).unwrap(),
            wide.permute((0, 2, 3, 1)).unwrap(),
            wide.narrow(0, 0, 0).unwrap(),
            wide.flatten_all().unwrap(),
            wide,
        ]
    };
    for x in [DType::F32, DType::F64, DType::U8].into_iter().flat_map(tensors) {
        let floats = x.dtype() == DType::F32;
        let len = x.elem_count();
        let read = read("a test", &x, |values| values.len());
        assert!(if floats { read.unwrap() == len } else { read.is_err() }, "{x:?}");
        assert_eq!(elementwise::sum_of(&x).is_ok(), floats, "{x:?}");
        assert_eq!(elementwise::sum_of_all_squares(&[x.clone(), x.clone()]).is_ok(), floats, "{x:?}");
        assert_eq!(elementwise::sum_of_squares(&x).is_ok(), floats, "{x:?}");
        assert_eq!(elementwise::is_finite(&x).is_ok(), floats, "{x:?}");
        assert_eq!(activation::enter(&x, &Device::Cpu).is_ok(), activation::cast(&x, x.dtype()).is_ok(), "{x:?}");
    }
}

/// The tests above try all public functions of this folder that take tensors, and all of types that hold tensors.
#[test]
fn every_operation_is_tried() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ml/ops");
    if !folder.exists() {
        return eprintln!("skipped: the sources are not here");
    }
    let mut found = BTreeSet::new();
    for name in fsio::list(&folder).unwrap() {
        let room = name.strip_suffix(".rs").unwrap_or(&name);
        let file = if name == room { folder.join(room).join("mod.rs") } else { folder.join(&name) };
        let parsed = syn::parse_file(&fsio::read_to_string(&file).unwrap()).unwrap();
        found.extend(functions(room, &parsed));
    }
    let tried = CASES.iter().map(|operation| operation.name).chain(READERS.iter().copied());
    let tried: BTreeSet<String> = tried.map(str::to_owned).collect();
    assert_eq!(tried, found, "an operation that is tried is not there, or one that is there is not tried");
}

/// The names of those functions of a file.
fn functions(room: &str, file: &syn::File) -> Vec<String> {
    let is_public = |visibility: &syn::Visibility| matches!(visibility, syn::Visibility::Public(_));
    let holders: BTreeSet<String> = file.items.iter().filter_map(holder).collect();
    let mut names = Vec::new();
    for item in &file.items {
        match item {
            syn::Item::Fn(item) if is_public(&item.vis) && takes_tensor(&item.sig) => {
                names.push(format!("{room}::{}", item.sig.ident));
            }
            syn::Item::Impl(item) if item.trait_.is_none() => {
                let syn::Type::Path(of) = &*item.self_ty else { continue };
                let of = of.path.segments.last().unwrap().ident.to_string();
                for function in &item.items {
                    let syn::ImplItem::Fn(function) = function else { continue };
                    if is_public(&function.vis) && (takes_tensor(&function.sig) || holders.contains(&of)) {
                        names.push(format!("{room}::{of}::{}", function.sig.ident));
                    }
                }
            }
            _ => {}
        }
    }
    names
}

/// Looks for tensors among types.
#[derive(Default)]
struct Tensors(bool);

impl Visit<'_> for Tensors {
    fn visit_path_segment(&mut self, segment: &syn::PathSegment) {
        self.0 |= segment.ident == "Tensor";
        visit::visit_path_segment(self, segment);
    }
}

fn takes_tensor(signature: &syn::Signature) -> bool {
    let mut tensors = Tensors::default();
    signature.inputs.iter().for_each(|input| tensors.visit_fn_arg(input));
    tensors.0
}

/// The name of a type that holds tensors.
fn holder(item: &syn::Item) -> Option<String> {
    let syn::Item::Struct(item) = item else { return None };
    let mut tensors = Tensors::default();
    tensors.visit_fields(&item.fields);
    tensors.0.then(|| item.ident.to_string())
}
