//! Every operation with operands that do not belong together: an error, and nothing is written. On the processor, and by
//! the kernels of a GPU where these can be run on the processor.
//!
//! Operands lie between guards in buffers of their own. What is written beside an operand, or to one that is only read,
//! shows there.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use syn::visit::{self, Visit};

use super::blend::{Bell, Blend, Factors};
use super::conv::{Conv2d, Epilogue};
use super::dispatch::{applies, read};
use super::phases::{Finish, Phases};
use super::{activation, depthwise, elementwise, fuse, interaction, loss, pool, resize, update, upsampled};
use crate::fsio;
use crate::ml::error::Result;
use crate::ml::gpu::emulated;

/// Elements before and behind an operand.
const GUARD: usize = 64;

/// The sizes that the operands of an operation follow.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    images: usize,
    channels: usize,
    outputs: usize,
    height: usize,
    width: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
}

impl Sizes {
    fn op(&self) -> Conv2d {
        Conv2d { stride: self.stride, dilation: self.dilation }
    }

    fn image(&self, channels: usize) -> Vec<usize> {
        vec![self.images, channels, self.height, self.width]
    }

    fn small(&self) -> Vec<usize> {
        vec![self.images, self.outputs, self.height.div_ceil(self.stride), self.width.div_ceil(self.stride)]
    }

    fn whole(&self, size: usize) -> usize {
        size.next_multiple_of(self.dilation)
    }

    fn cells(&self, channels: usize) -> Vec<usize> {
        vec![self.images, channels, self.whole(self.height), self.whole(self.width)]
    }

    fn filter(&self) -> Vec<usize> {
        vec![self.outputs, self.channels, self.kernel, self.kernel]
    }

    fn phases(&self) -> Vec<usize> {
        vec![self.dilation.pow(2); 2]
    }
}

/// What an operand is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    /// An activation, which lies as the device wants it.
    Activation,
    /// A contiguous tensor.
    Plain,
    /// A contiguous tensor of which the length counts alone.
    Row,
    /// Labels, of which the length counts alone.
    Labels,
    /// A shape, given by a tensor that has it.
    Shape,
}
use Role::{Activation, Labels, Plain, Row, Shape};

/// An operand of an operation.
#[derive(Debug, Clone)]
struct Operand {
    role: Role,
    shape: Vec<usize>,
    /// Whether the operation writes it.
    written: bool,
    /// The axes whose sizes no other operand decides.
    free: &'static [usize],
}

fn given(role: Role, shape: Vec<usize>, free: &'static [usize]) -> Operand {
    Operand { role, shape, written: false, free }
}

fn written(role: Role, shape: Vec<usize>) -> Operand {
    Operand { role, shape, written: true, free: &[] }
}

/// An operation, by its name in the sources.
struct Operation {
    name: &'static str,
    operands: fn(Sizes) -> Vec<Operand>,
    run: fn(Sizes, &[Tensor]) -> Result<()>,
}

/// Those that write nothing and take tensors of any shape, or copy what does not lie as they want it.
const READERS: &[&str] = &[
    "activation::blank",
    "activation::zeros",
    "activation::sizes",
    "activation::check",
    "activation::cast",
    "activation::enter",
    "elementwise::sum_of",
    "elementwise::sum_of_squares",
    "elementwise::sum_of_all_squares",
    "elementwise::is_finite",
    "dispatch::read",
    "shapes::nchw",
    "shapes::check",
];

fn bytes(labels: &Tensor) -> Vec<u8> {
    labels.flatten_all().unwrap().to_vec1().unwrap()
}

fn shape(of: &Tensor) -> [usize; 4] {
    of.dims().try_into().unwrap()
}

/// A blend of all that there is, over nine taps and `channels` averages of four.
fn blend(x: &[Tensor]) -> Blend<'_> {
    let bell = Some(Bell { sigma: 0.75, learned: Some(&x[4]), offset: Some(&x[3]) });
    let factors = Factors::Learned(&x[0], [1, 2]);
    Blend { side: 3, inner: 2, factors, means: Some(&x[1]), bell, separable: Some(&x[2]) }
}

fn blended(s: Sizes, g: bool, written_len: Option<usize>) -> Vec<Operand> {
    let mut all = vec![
        given(Row, vec![4], &[]),
        // Without a gradient nothing else says how many filters there are.
        given(Row, vec![s.channels, 1, 2, 2], if g { &[] } else { &[0] }),
        given(Row, vec![1, 1, 3, 3], &[]),
        given(Row, vec![1, 1, 2, 2], &[]),
        given(Row, vec![1], &[]),
    ];
    all.extend(g.then(|| given(Row, vec![s.channels, 1, 3, 3], &[])));
    all.extend(written_len.map(|len| written(Row, vec![len])));
    all
}

fn epilogue(x: &[Tensor]) -> Epilogue<'_> {
    Epilogue { scale: Some(&x[0]), shift: Some(&x[1]), add: Some(&x[2]), relu: true, mask: Some(&x[3]), exact: false }
}

fn surroundings(shape: &[usize]) -> [Operand; 4] {
    [
        given(Plain, vec![shape[1]], &[]),
        given(Plain, vec![shape[1]], &[]),
        given(Activation, shape.to_vec(), &[]),
        given(Activation, shape.to_vec(), &[]),
    ]
}

const OPERATIONS: &[Operation] = &[
    Operation {
        name: "blend::Blend::filter",
        operands: |s| blended(s, false, None),
        run: |_, x| blend(x).filter(&Device::Cpu).map(drop),
    },
    Operation {
        name: "blend::Blend::by_separable",
        operands: |s| blended(s, true, Some(9)),
        run: |_, x| blend(x).by_separable(&x[5], &x[6]),
    },
    Operation {
        name: "blend::Blend::by_means",
        operands: |s| blended(s, true, Some(s.channels * 4)),
        run: |_, x| blend(x).by_means(&x[5], &x[6]),
    },
    Operation {
        name: "blend::Blend::by_factors",
        operands: |s| blended(s, true, Some(4)),
        run: |_, x| blend(x).by_factors(&x[5], &x[6]),
    },
    Operation {
        name: "blend::Blend::by_sigma",
        operands: |s| blended(s, true, Some(1)),
        run: |_, x| blend(x).by_sigma(&x[5], &x[6], true),
    },
    Operation {
        name: "conv::Conv2d::forward",
        operands: |s| {
            // With a stride, images that differ by a pixel may have outputs of one size.
            let [x, w] = [given(Activation, s.image(s.channels), &[2, 3]), given(Plain, s.filter(), &[2, 3])];
            [x, w].into_iter().chain(surroundings(&s.small())).collect()
        },
        run: |s, x| s.op().forward(&x[0], &x[1], epilogue(&x[2..])).map(drop),
    },
    Operation {
        name: "conv::Conv2d::forward_whole",
        operands: |s| {
            let [x, w] = [given(Activation, s.image(s.channels), &[2, 3]), given(Plain, s.filter(), &[2, 3])];
            let cells = [s.images, s.outputs, s.whole(s.height), s.whole(s.width)];
            [x, w].into_iter().chain(surroundings(&cells)).collect()
        },
        run: |s, x| Conv2d { stride: 1, ..s.op() }.forward_whole(&x[0], &x[1], epilogue(&x[2..])).map(drop),
    },
    Operation {
        name: "conv::Conv2d::backward_input",
        operands: |s| {
            let shape = s.image(s.channels);
            let first = [
                given(Shape, shape.clone(), &[]),
                // There may be outputs up to whole cells.
                given(Activation, s.small(), &[2, 3]),
                given(Plain, s.filter(), &[2, 3]),
                given(Plain, vec![s.outputs], &[]),
            ];
            first.into_iter().chain(surroundings(&shape)).collect()
        },
        run: |s, x| s.op().backward_input(shape(&x[0]), &x[1], &x[2], Some(&x[3]), epilogue(&x[4..])).map(drop),
    },
    Operation {
        name: "conv::Conv2d::backward_weights",
        operands: |s| {
            vec![
                given(Activation, s.image(s.channels), &[2, 3]),
                given(Activation, s.small(), &[2, 3]),
                given(Plain, vec![s.outputs], &[]),
                Operand { free: &[2, 3], ..written(Plain, s.filter()) },
            ]
        },
        run: |s, x| s.op().backward_weights(&x[0], &x[1], Some(&x[2]), &x[3]),
    },
    Operation {
        name: "depthwise::forward",
        operands: |s| {
            let filter = vec![s.channels, 1, s.kernel, s.kernel];
            vec![given(Activation, s.image(s.channels), &[0, 2, 3]), given(Plain, filter, &[2, 3])]
        },
        run: |_, x| depthwise::forward(&x[0], &x[1]).map(drop),
    },
    Operation {
        name: "depthwise::backward_input",
        operands: |s| {
            let (image, filter) = (s.image(s.channels), vec![s.channels, 1, s.kernel, s.kernel]);
            vec![given(Activation, image.clone(), &[]), given(Plain, filter, &[2, 3]), given(Activation, image, &[])]
        },
        run: |_, x| depthwise::backward_input(&x[0], &x[1], Some(&x[2])).map(drop),
    },
    Operation {
        name: "depthwise::backward_weights",
        operands: |s| {
            let (image, filter) = (s.image(s.channels), vec![s.channels, 1, s.kernel, s.kernel]);
            vec![
                given(Activation, image.clone(), &[]),
                given(Activation, image, &[]),
                Operand { free: &[2, 3], ..written(Plain, filter) },
            ]
        },
        run: |_, x| depthwise::backward_weights(&x[0], &x[1], &x[2]),
    },
    Operation {
        name: "elementwise::add",
        operands: |s| [0, 1].map(|_| given(Activation, s.image(s.channels), &[])).to_vec(),
        run: |_, x| elementwise::add(&x[0], &x[1]).map(drop),
    },
    Operation {
        name: "elementwise::masked",
        operands: |s| [0, 1].map(|_| given(Activation, s.image(s.channels), &[])).to_vec(),
        run: |_, x| elementwise::masked(&x[0], &x[1]).map(drop),
    },
    Operation {
        name: "elementwise::copy",
        operands: |s| vec![given(Activation, s.image(s.channels), &[]), written(Activation, s.image(s.channels))],
        run: |_, x| elementwise::copy(&x[0], &x[1]),
    },
    Operation {
        name: "elementwise::sum_by_channel",
        operands: |s| vec![given(Activation, s.image(s.channels), &[0, 2, 3]), written(Plain, vec![s.channels])],
        run: |_, x| elementwise::sum_by_channel(&x[0], &x[1]),
    },
    Operation {
        name: "fuse::maximum",
        operands: |s| vec![written(Activation, s.image(s.channels)), given(Activation, s.image(s.channels), &[])],
        run: |_, x| fuse::maximum(&x[0], &x[1]),
    },
    Operation {
        name: "fuse::maximum_backward",
        operands: |s| [0; 4].map(|_| given(Activation, s.image(s.channels), &[])).to_vec(),
        run: |_, x| fuse::maximum_backward(&x[..2], &x[2], &x[3]).map(drop),
    },
    Operation {
        name: "fuse::log_softmax",
        operands: |s| vec![given(Activation, s.image(s.channels), &[0, 1, 2, 3])],
        run: |_, x| fuse::log_softmax(&x[0]).map(drop),
    },
    Operation {
        name: "fuse::log_add",
        operands: |s| vec![written(Activation, s.image(s.channels)), given(Activation, s.image(s.channels), &[])],
        run: |_, x| fuse::log_add(&x[0], &x[1]),
    },
    Operation {
        name: "fuse::mirrored",
        operands: |s| vec![given(Activation, s.image(s.channels), &[0, 1, 2, 3])],
        run: |_, x| fuse::mirrored(&x[0]).map(drop),
    },
    Operation {
        name: "interaction::matrix",
        operands: |s| vec![given(Plain, s.phases(), &[])],
        run: |_, x| interaction::matrix(&x[0]).map(drop),
    },
    Operation {
        name: "interaction::gradient",
        operands: |s| vec![given(Plain, s.phases(), &[]), written(Plain, s.phases())],
        run: |_, x| interaction::gradient(&x[0], &x[1]),
    },
    Operation {
        name: "loss::cross_entropy",
        operands: |s| {
            let labels = vec![s.images, s.height, s.width];
            vec![given(Activation, s.image(s.channels), &[1]), given(Labels, labels, &[])]
        },
        run: |_, x| loss::cross_entropy(&x[0], &bytes(&x[1])).map(drop),
    },
    Operation {
        name: "loss::cross_entropy_backward",
        operands: |s| {
            let labels = vec![s.images, s.height, s.width];
            vec![given(Activation, s.image(s.channels), &[1]), given(Labels, labels, &[])]
        },
        run: |_, x| loss::cross_entropy_backward(&x[0], &bytes(&x[1]), 3).map(drop),
    },
    Operation {
        name: "loss::argmax",
        operands: |s| vec![given(Activation, s.image(s.channels), &[0, 1, 2, 3])],
        run: |_, x| loss::argmax(&x[0]).map(drop),
    },
    Operation {
        name: "phases::Phases::mix",
        operands: |s| {
            vec![
                given(Activation, s.cells(s.channels), &[0, 2, 3]),
                given(Plain, s.phases(), &[]),
                given(Plain, vec![s.channels], &[]),
                given(Plain, vec![s.channels], &[]),
            ]
        },
        run: |s, x| {
            let finish = Finish { scale: Some(&x[2]), shift: Some(&x[3]), relu: true };
            Phases { dilation: s.dilation }.mix(&x[0], &x[1], [s.height, s.width], finish).map(drop)
        },
    },
    Operation {
        name: "phases::Phases::backward_input",
        operands: |s| {
            vec![
                given(Activation, s.image(s.channels), &[0, 2, 3]),
                given(Plain, s.phases(), &[]),
                given(Plain, vec![s.channels], &[]),
            ]
        },
        run: |s, x| {
            let size = [s.whole(s.height), s.whole(s.width)];
            Phases { dilation: s.dilation }.backward_input(&x[0], &x[1], Some(&x[2]), size).map(drop)
        },
    },
    Operation {
        name: "phases::Phases::backward_matrix",
        operands: |s| {
            vec![
                given(Activation, s.cells(s.channels), &[2, 3]),
                given(Activation, s.image(s.channels), &[2, 3]),
                given(Plain, vec![s.channels], &[]),
                written(Plain, s.phases()),
            ]
        },
        run: |s, x| Phases { dilation: s.dilation }.backward_matrix(&x[0], &x[1], Some(&x[2]), &x[3]),
    },
    Operation {
        name: "pool::forward",
        operands: |s| vec![given(Activation, s.image(s.channels), &[0, 1, 2, 3])],
        run: |_, x| pool::forward(&x[0]).map(drop),
    },
    Operation {
        name: "pool::backward",
        operands: |s| {
            let small = vec![s.images, s.channels, s.height.div_ceil(2), s.width.div_ceil(2)];
            // An image that is a pixel larger may have as many maxima.
            vec![given(Activation, s.image(s.channels), &[2, 3]), given(Activation, small, &[])]
        },
        run: |_, x| pool::backward(&x[0], &x[1], true).map(drop),
    },
    Operation {
        name: "resize::bilinear",
        operands: |s| vec![given(Activation, s.image(s.channels), &[0, 1, 2, 3])],
        run: |s, x| resize::bilinear(&x[0], s.height + 3, s.width * 2).map(drop),
    },
    Operation {
        name: "resize::bilinear_backward",
        operands: |s| vec![given(Activation, s.image(s.channels), &[0, 1, 2, 3])],
        run: |s, x| resize::bilinear_backward(&x[0], s.height + 3, s.width * 2).map(drop),
    },
    Operation {
        name: "update::step",
        operands: |s| {
            let len = vec![s.height * 100];
            vec![written(Plain, len.clone()), written(Plain, len.clone()), given(Plain, len, &[])]
        },
        run: |_, x| update::step(&x[0], &x[1], &x[2], [0.9, 1e-4, 0.1]),
    },
    Operation {
        name: "update::accumulate",
        operands: |s| {
            let len = vec![s.height * 100];
            vec![written(Plain, len.clone()), given(Plain, len.clone(), &[]), given(Plain, len, &[])]
        },
        run: |_, x| update::accumulate(&x[0], &x[1], &x[2], 0.9, 1e-4),
    },
    Operation {
        name: "update::descend",
        operands: |s| vec![written(Plain, vec![s.height * 100]), given(Plain, vec![s.height * 100], &[])],
        run: |_, x| update::descend(&x[0], &x[1], 0.1),
    },
    Operation {
        name: "update::add_part",
        operands: |s| vec![written(Plain, vec![s.height * 100]), given(Plain, vec![s.height * 100], &[])],
        run: |_, x| update::add_part(&x[0], &x[1], 2.0),
    },
    Operation {
        name: "upsampled::argmax",
        operands: |s| vec![given(Activation, s.image(s.channels), &[0, 1, 2, 3])],
        run: |s, x| upsampled::argmax(&x[0], s.height * 3, s.width + 5).map(drop),
    },
    Operation {
        name: "upsampled::cross_entropy",
        operands: |s| {
            let labels = vec![s.images, s.height * 3, s.width + 5];
            vec![given(Activation, s.image(s.channels), &[1, 2, 3]), given(Labels, labels, &[])]
        },
        run: |s, x| upsampled::cross_entropy(&x[0], &bytes(&x[1]), s.height * 3, s.width + 5).map(drop),
    },
];

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
            Fault::Of(DType::BF16) => operand.role == Activation && applies(&Device::Cpu),
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
            (Activation, &[n, c, h, w]) if applies(&Device::Cpu) => {
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
fn run(operation: &Operation, sizes: Sizes, fault: Option<(usize, Fault)>) -> std::result::Result<bool, String> {
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
                (Activation, &[n, c, h, w]) if applies(&Device::Cpu) => {
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
        for operation in OPERATIONS {
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

/// The public functions of this room that take tensors, or belong to what holds some, by their names.
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
    let tried = OPERATIONS.iter().map(|operation| operation.name).chain(READERS.iter().copied());
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
