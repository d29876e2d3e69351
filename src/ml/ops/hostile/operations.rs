//! Every operation, with its operands and how their sizes follow from one another.

use candle_core::{Device, Tensor};

use super::super::blend::{Blend, Gaussian, Part, Term};
use super::super::conv::{Conv2d, Epilogue};
use super::super::norm::Statistics;
use super::super::phases::{PhaseEpilogue, Phases};
use super::super::pool::MaxPool;
use super::super::{depthwise, elementwise, fuse, interaction, loss, norm, resize, update, upsampled};
use super::operands::{Activation, Labels, Operand, Plain, Row, Shape, Sizes, given, written};
use crate::ml::error::Result;
use crate::ml::resample::Sampling;

/// An operation, by its name in the sources.
pub(super) struct Case {
    pub name: &'static str,
    pub operands: fn(Sizes) -> Vec<Operand>,
    pub run: fn(Sizes, &[Tensor]) -> Result<()>,
}

/// Functions that write nothing. They take tensors of any shape, or first copy one that lies in another order than they need.
pub(super) const READERS: &[&str] = &[
    "activation::blank",
    "activation::zeros",
    "activation::sizes",
    "activation::check",
    "activation::cast",
    "activation::enter",
    "conv::Conv2d::gpu_shape",
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

/// A blend of every part that there is, over nine taps and `channels` averages of four.
fn blend(x: &[Tensor]) -> Blend<'_> {
    let gaussian = Gaussian { side: 2, sigma: 0.75, learned: Some(&x[4]), offset: Some(&x[3]) };
    let terms = vec![
        Term { part: Part::Filter(&x[2]), factors: &[3] },
        Term { part: Part::Centre, factors: &[0, 3] },
        Term { part: Part::Gaussian(gaussian), factors: &[2] },
        Term { part: Part::Filter(&x[1]), factors: &[1] },
    ];
    Blend { side: 3, factors: Some(&x[0]), terms }
}

fn blended(s: Sizes, g: bool, written_len: Option<usize>) -> Vec<Operand> {
    let mut all = vec![
        // Factors that no term names are allowed, and a filter for each channel instead of one for all.
        given(Row, vec![4], &[0]),
        // Without a gradient nothing else says how many filters there are.
        given(Row, vec![s.channels, 1, 2, 2], if g { &[] } else { &[0] }),
        given(Row, vec![1, 1, 3, 3], &[0]),
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

pub(super) const CASES: &[Case] = &[
    Case {
        name: "blend::Blend::filter",
        operands: |s| blended(s, false, None),
        run: |_, x| blend(x).filter(&Device::Cpu).map(drop),
    },
    Case {
        name: "blend::Blend::by_part",
        operands: |s| blended(s, true, Some(s.channels * 4)),
        run: |_, x| blend(x).by_part(3, &x[5], &x[6]),
    },
    Case {
        name: "blend::Blend::by_factors",
        operands: |s| blended(s, true, Some(4)),
        run: |_, x| blend(x).by_factors(&x[5], &x[6]),
    },
    Case {
        name: "blend::Blend::by_sigma",
        operands: |s| blended(s, true, Some(1)),
        run: |_, x| blend(x).by_sigma(2, &x[5], &x[6], true),
    },
    Case {
        name: "conv::Conv2d::forward",
        operands: |s| {
            // With a stride, images that differ by a pixel may have outputs of one size.
            let [x, w] = [given(Activation, s.image(s.channels), &[2, 3]), given(Plain, s.filter(), &[2, 3])];
            [x, w].into_iter().chain(surroundings(&s.small())).collect()
        },
        run: |s, x| s.op().forward(&x[0], &x[1], epilogue(&x[2..])).map(drop),
    },
    Case {
        name: "conv::Conv2d::forward_whole",
        operands: |s| {
            let [x, w] = [given(Activation, s.image(s.channels), &[2, 3]), given(Plain, s.filter(), &[2, 3])];
            let cells = [s.images, s.outputs, s.whole(s.height), s.whole(s.width)];
            [x, w].into_iter().chain(surroundings(&cells)).collect()
        },
        run: |s, x| Conv2d { stride: 1, ..s.op() }.forward_whole(&x[0], &x[1], epilogue(&x[2..])).map(drop),
    },
    Case {
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
    Case {
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
    Case {
        name: "depthwise::forward",
        operands: |s| {
            let filter = vec![s.channels, 1, s.kernel, s.kernel];
            vec![given(Activation, s.image(s.channels), &[0, 2, 3]), given(Plain, filter, &[2, 3])]
        },
        run: |_, x| depthwise::forward(&x[0], &x[1]).map(drop),
    },
    Case {
        name: "depthwise::backward_input",
        operands: |s| {
            let (image, filter) = (s.image(s.channels), vec![s.channels, 1, s.kernel, s.kernel]);
            vec![given(Activation, image.clone(), &[]), given(Plain, filter, &[2, 3]), given(Activation, image, &[])]
        },
        run: |_, x| depthwise::backward_input(&x[0], &x[1], Some(&x[2])).map(drop),
    },
    Case {
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
    Case {
        name: "elementwise::add",
        operands: |s| [0, 1].map(|_| given(Activation, s.image(s.channels), &[])).to_vec(),
        run: |_, x| elementwise::add(&x[0], &x[1]).map(drop),
    },
    Case {
        name: "elementwise::masked",
        operands: |s| [0, 1].map(|_| given(Activation, s.image(s.channels), &[])).to_vec(),
        run: |_, x| elementwise::masked(&x[0], &x[1]).map(drop),
    },
    Case {
        name: "elementwise::copy",
        operands: |s| vec![given(Activation, s.image(s.channels), &[]), written(Activation, s.image(s.channels))],
        run: |_, x| elementwise::copy(&x[0], &x[1]),
    },
    Case {
        name: "elementwise::sum_by_channel",
        operands: |s| vec![given(Activation, s.image(s.channels), &[0, 2, 3]), written(Plain, vec![s.channels])],
        run: |_, x| elementwise::sum_by_channel(&x[0], &x[1]),
    },
    Case {
        name: "fuse::maximum",
        operands: |s| vec![written(Activation, s.image(s.channels)), given(Activation, s.image(s.channels), &[])],
        run: |_, x| fuse::maximum(&x[0], &x[1]),
    },
    Case {
        name: "fuse::maximum_backward",
        operands: |s| [0; 4].map(|_| given(Activation, s.image(s.channels), &[])).to_vec(),
        run: |_, x| fuse::maximum_backward(&x[..2], &x[2], &x[3]).map(drop),
    },
    Case {
        name: "fuse::log_softmax",
        operands: |s| vec![given(Activation, s.image(s.channels), &[0, 1, 2, 3])],
        run: |_, x| fuse::log_softmax(&x[0]).map(drop),
    },
    Case {
        name: "fuse::log_add",
        operands: |s| vec![written(Activation, s.image(s.channels)), given(Activation, s.image(s.channels), &[])],
        run: |_, x| fuse::log_add(&x[0], &x[1]),
    },
    Case {
        name: "fuse::mirrored",
        operands: |s| vec![given(Activation, s.image(s.channels), &[0, 1, 2, 3])],
        run: |_, x| fuse::mirrored(&x[0]).map(drop),
    },
    Case {
        name: "interaction::matrix",
        operands: |s| vec![given(Plain, s.phases(), &[])],
        run: |_, x| interaction::matrix(&x[0]).map(drop),
    },
    Case {
        name: "interaction::gradient",
        operands: |s| vec![given(Plain, s.phases(), &[]), written(Plain, s.phases())],
        run: |_, x| interaction::gradient(&x[0], &x[1]),
    },
    Case {
        name: "loss::cross_entropy",
        operands: |s| {
            let labels = vec![s.images, s.height, s.width];
            vec![given(Activation, s.image(s.channels), &[1]), given(Labels, labels, &[])]
        },
        run: |_, x| loss::cross_entropy(&x[0], &bytes(&x[1])).map(drop),
    },
    Case {
        name: "loss::cross_entropy_backward",
        operands: |s| {
            let labels = vec![s.images, s.height, s.width];
            vec![given(Activation, s.image(s.channels), &[1]), given(Labels, labels, &[])]
        },
        run: |_, x| loss::cross_entropy_backward(&x[0], &bytes(&x[1]), 3).map(drop),
    },
    Case {
        name: "loss::argmax",
        operands: |s| vec![given(Activation, s.image(s.channels), &[0, 1, 2, 3])],
        run: |_, x| loss::argmax(&x[0]).map(drop),
    },
    Case {
        name: "norm::fold",
        operands: |s| [0; 4].map(|_| given(Plain, vec![s.channels], &[])).to_vec(),
        run: |_, x| norm::fold(&x[0], &x[1], Statistics { mean: &x[2], rate: &x[3] }, 1e-12).map(drop),
    },
    Case {
        name: "norm::by_gamma",
        operands: |s| {
            let [w, dw] = [0; 2].map(|_| given(Plain, s.filter(), &[]));
            let rest = [0; 4].map(|_| given(Plain, vec![s.outputs], &[]));
            [w, dw].into_iter().chain(rest).collect()
        },
        run: |_, x| norm::by_gamma([&x[0], &x[1]], &x[2], &x[3], Statistics { mean: &x[4], rate: &x[5] }).map(drop),
    },
    Case {
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
            let finish = PhaseEpilogue { scale: Some(&x[2]), shift: Some(&x[3]), relu: true };
            Phases { dilation: s.dilation }.mix(&x[0], &x[1], [s.height, s.width], finish).map(drop)
        },
    },
    Case {
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
    Case {
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
    Case {
        name: "pool::MaxPool::forward",
        operands: |s| vec![given(Activation, s.image(s.channels), &[0, 1, 2, 3])],
        run: |_, x| MaxPool::SymmetricCeil.forward(&x[0]).map(drop),
    },
    Case {
        name: "pool::MaxPool::backward",
        operands: |s| {
            let small = vec![s.images, s.channels, s.height.div_ceil(2), s.width.div_ceil(2)];
            // An image that is a pixel larger may have as many maxima.
            vec![given(Activation, s.image(s.channels), &[2, 3]), given(Activation, small, &[])]
        },
        run: |_, x| MaxPool::Same.backward(&x[0], &x[1], true).map(drop),
    },
    Case {
        name: "resize::bilinear",
        operands: |s| vec![given(Activation, s.image(s.channels), &[0, 1, 2, 3])],
        run: |s, x| resize::bilinear(&x[0], s.height + 3, s.width * 2, Sampling::HalfPixel).map(drop),
    },
    Case {
        name: "resize::bilinear_at",
        operands: |s| vec![given(Activation, s.image(s.channels), &[0, 1, 2, 3])],
        run: |s, x| {
            let size = [s.height + 3, s.width * 2];
            resize::bilinear_at(&x[0], size, Sampling::HalfPixel, [0.75, 1.5]).map(drop)
        },
    },
    Case {
        name: "resize::bilinear_backward",
        operands: |s| vec![given(Activation, s.image(s.channels), &[0, 1, 2, 3])],
        run: |s, x| resize::bilinear_backward(&x[0], s.height + 3, s.width * 2, Sampling::HalfPixel).map(drop),
    },
    Case {
        name: "update::step",
        operands: |s| {
            let len = vec![s.height * 100];
            vec![written(Plain, len.clone()), written(Plain, len.clone()), given(Plain, len, &[])]
        },
        run: |_, x| update::step(&x[0], &x[1], &x[2], [0.9, 1e-4, 0.1]),
    },
    Case {
        name: "update::accumulate",
        operands: |s| {
            let len = vec![s.height * 100];
            vec![written(Plain, len.clone()), given(Plain, len.clone(), &[]), given(Plain, len, &[])]
        },
        run: |_, x| update::accumulate(&x[0], &x[1], &x[2], 0.9, 1e-4),
    },
    Case {
        name: "update::descend",
        operands: |s| vec![written(Plain, vec![s.height * 100]), given(Plain, vec![s.height * 100], &[])],
        run: |_, x| update::descend(&x[0], &x[1], 0.1),
    },
    Case {
        name: "update::add_part",
        operands: |s| vec![written(Plain, vec![s.height * 100]), given(Plain, vec![s.height * 100], &[])],
        run: |_, x| update::add_part(&x[0], &x[1], 2.0),
    },
    Case {
        name: "upsampled::argmax",
        operands: |s| vec![given(Activation, s.image(s.channels), &[0, 1, 2, 3])],
        run: |s, x| upsampled::argmax(&x[0], s.height * 3, s.width + 5, Sampling::Legacy).map(drop),
    },
    Case {
        name: "upsampled::cross_entropy",
        operands: |s| {
            let labels = vec![s.images, s.height * 3, s.width + 5];
            vec![given(Activation, s.image(s.channels), &[1, 2, 3]), given(Labels, labels, &[])]
        },
        run: |s, x| {
            upsampled::cross_entropy(&x[0], &bytes(&x[1]), s.height * 3, s.width + 5, Sampling::Legacy).map(drop)
        },
    },
];
