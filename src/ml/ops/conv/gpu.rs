//! Plans of convolutions: what a GPU's library for convolutions is asked for, and the kernels around it.
//!
//! The library knows paddings that are equal on both sides of an axis. Where `SAME` asks for more behind than before
//! (even sizes at stride 2, outputs beyond the border), the source is first copied into a frame of zeros.
//!
//! It wants filters in the order of their images, output, row, column, channel, and of their type. Ours are 32-bit floats
//! in the order output, channel, row, column, so that they and their gradients are arranged on the way; where they have
//! one tap, both orders are the same.

use super::Epilogue;
use crate::ml::geometry::SlidingWindow;
use crate::ml::gpu::kernels;
use crate::ml::gpu::plan::{
    Argument, ConvShape, Convolution, Direction, Element, GpuPlan, Launch, Operands, ScratchSize,
};

/// The sizes of a convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes<'a> {
    pub images: usize,
    /// The channels of the output.
    pub outputs: usize,
    pub window: &'a SlidingWindow,
}

/// A convolution as the network means it, and the frame that its source needs, if any.
#[derive(Debug, Clone, Copy)]
struct Framed {
    shape: ConvShape,
    /// Height and width of the source itself, and the zeros before it in the frame.
    frame: Option<([usize; 2], [usize; 2])>,
}

impl Framed {
    fn new(Sizes { images, outputs, window }: Sizes<'_>) -> Self {
        let SlidingWindow { channels, source, grid, kernel, step: stride, dilation, pad, .. } = *window;
        let reach = kernel.map(|taps| (taps - 1) * dilation + 1);
        let before = pad.map(isize::unsigned_abs);
        let equal = |axis: usize| {
            let room = source[axis] + 2 * before[axis];
            room >= reach[axis] && (room - reach[axis]) / stride + 1 == grid[axis]
        };
        let exact = false;
        let shape = ConvShape { images, channels, outputs, source, grid, kernel, pad: before, stride, dilation, exact };
        if equal(0) && equal(1) {
            return Framed { shape, frame: None };
        }
        let whole = [0, 1].map(|axis| (grid[axis].max(1) - 1) * stride + reach[axis]);
        Framed { shape: ConvShape { source: whole, pad: [0, 0], ..shape }, frame: Some((source, before)) }
    }

    /// The filter as the library may read it, each output times its factor, after the launch that is added. It may be `w`
    /// itself where activations are 32-bit floats, as filters are.
    fn filter(
        &self,
        [w, factors]: [Argument<'static>; 2],
        element: Element,
        plan: &mut GpuPlan<'_>,
    ) -> Argument<'static> {
        let (len, taps) = (self.filter_len(), self.taps());
        if element == Element::F32 && taps == 1 && factors == Argument::Absent {
            return w;
        }
        let arranged = scratch(plan, len);
        let sizes = [self.shape.channels, taps].map(Argument::Int);
        plan.launches.push(Launch::each(kernels::ARRANGED, len, [&[w, factors, arranged], &sizes[..]].concat()));
        arranged
    }

    fn taps(&self) -> usize {
        self.shape.kernel.iter().product()
    }

    fn filter_len(&self) -> usize {
        self.shape.outputs * self.shape.channels * self.taps()
    }

    /// Elements of the source, or of the frame around it.
    fn len(&self) -> usize {
        self.shape.images * self.shape.channels * self.shape.source.iter().product::<usize>()
    }

    /// The source as the library may read it, after the launches that are added.
    fn source(&self, x: Argument<'static>, plan: &mut GpuPlan<'_>) -> Argument<'static> {
        let Some(sizes) = self.frame_sizes() else { return x };
        let framed = scratch(plan, self.len());
        plan.launches.push(Launch::each(kernels::FRAME, self.len(), [&[x, framed], &sizes[..]].concat()));
        framed
    }

    /// Channels, height and width of source and frame, and the zeros before.
    fn frame_sizes(&self) -> Option<[Argument<'static>; 7]> {
        let ([h, w], [top, left]) = self.frame?;
        let [height, width] = self.shape.source;
        Some([self.shape.channels, h, w, height, width, top, left].map(Argument::Int))
    }

    fn convolution(&self, direction: Direction, operands: [Argument<'static>; 3]) -> Launch<'static> {
        Launch::Convolution(Convolution { direction, shape: self.shape, operands })
    }
}

/// What the library is asked for. The source has the sizes of its frame, where it needs one.
pub(super) fn shape(sizes: Sizes<'_>) -> ConvShape {
    Framed::new(sizes).shape
}

/// A new scratch buffer of `len` activations.
fn scratch(plan: &mut GpuPlan<'_>, len: usize) -> Argument<'static> {
    plan.scratch.push(ScratchSize::Activations(len));
    Argument::Scratch(plan.scratch.len() - 1)
}

/// Elements that a kernel's thread takes together: those of 16 bytes, where they divide the channels. Activations have
/// memory of their own, which begins at a multiple of as many bytes.
fn pack(element: Element, channels: usize) -> usize {
    let most = 16 / element.size();
    if channels.is_multiple_of(most) { most } else { 1 }
}

/// The place of the next input, if there is one.
fn next(count: &mut usize, there: bool, argument: fn(usize) -> Argument<'static>) -> Argument<'static> {
    *count += usize::from(there);
    if there { argument(*count - 1) } else { Argument::Absent }
}

/// Adds what follows a convolution, in place on the output of `channels` channels. Its operands are the inputs from `count`
/// on.
fn finish(epilogue: &Epilogue<'_>, count: &mut usize, channels: usize, operands: Operands<'_>, plan: &mut GpuPlan<'_>) {
    let Epilogue { scale, shift, add, relu, mask, exact: _ } = epilogue;
    let scale = next(count, scale.is_some(), Argument::Input);
    let shift = next(count, shift.is_some(), Argument::Input);
    let add = next(count, add.is_some(), Argument::Activation);
    let mask = next(count, mask.is_some(), Argument::Activation);
    if !relu && [scale, shift, add, mask].iter().all(|operand| *operand == Argument::Absent) {
        return;
    }
    let pack = pack(operands.element, channels);
    let sizes = [usize::from(*relu), channels, pack].map(Argument::Int);
    let arguments = [&[scale, shift, add, mask, Argument::ActivationOutput], &sizes[..]].concat();
    plan.launches.push(Launch::each(kernels::EPILOGUE, operands.output / pack, arguments));
}

/// A convolution. Inputs: the source, the weights, and those of the epilogue.
pub(super) fn forward<'a>(sizes: Sizes<'_>, epilogue: &Epilogue<'_>, operands: Operands<'_>) -> GpuPlan<'a> {
    let (mut plan, framed) = (GpuPlan::default(), Framed::new(sizes));
    let x = framed.source(Argument::Activation(0), &mut plan);
    let w = framed.filter([Argument::Input(1), Argument::Absent], operands.element, &mut plan);
    plan.launches.push(framed.convolution(Direction::Forward, [x, w, Argument::ActivationOutput]));
    finish(epilogue, &mut 2, sizes.outputs, operands, &mut plan);
    plan
}

/// The gradient by the input. Inputs: the gradient of the output, the weights, those of the epilogue, and the factors, if
/// any.
pub(super) fn input_gradient<'a>(
    sizes: Sizes<'_>,
    factors: bool,
    epilogue: &Epilogue<'_>,
    operands: Operands<'_>,
) -> GpuPlan<'a> {
    let (mut plan, mut framed) = (GpuPlan::default(), Framed::new(sizes));
    framed.shape.exact = epilogue.exact;
    let factors = if factors { Argument::Input(operands.inputs.len() - 1) } else { Argument::Absent };
    let w = framed.filter([Argument::Input(1), factors], operands.element, &mut plan);
    let x = if framed.frame.is_some() { scratch(&mut plan, framed.len()) } else { Argument::ActivationOutput };
    plan.launches.push(framed.convolution(Direction::Input, [x, w, Argument::Activation(0)]));
    if let Some(frame) = framed.frame_sizes() {
        let arguments = [&[x, Argument::ActivationOutput], &frame[..]].concat();
        plan.launches.push(Launch::each(kernels::UNFRAME, operands.output, arguments));
    }
    finish(epilogue, &mut 2, sizes.window.channels, operands, &mut plan);
    plan
}

/// The gradient by the weights. Inputs: the source, the gradient of the output, and the factors, if any.
pub(super) fn weight_gradient<'a>(sizes: Sizes<'_>, factors: bool, operands: Operands<'_>) -> GpuPlan<'a> {
    let (mut plan, framed) = (GpuPlan::default(), Framed::new(sizes));
    let in_place = operands.element == Element::F32 && framed.taps() == 1;
    let x = framed.source(Argument::Activation(0), &mut plan);
    let w = if in_place { Argument::Output } else { scratch(&mut plan, framed.filter_len()) };
    plan.launches.push(framed.convolution(Direction::Weights, [x, w, Argument::Activation(1)]));
    if !in_place || factors {
        let factors = if factors { Argument::Input(2) } else { Argument::Absent };
        let sizes = [framed.shape.channels, framed.taps()].map(Argument::Int);
        let arguments = [&[w, factors, Argument::Output], &sizes[..]].concat();
        plan.launches.push(Launch::each(kernels::RESTORED, framed.filter_len(), arguments));
    }
    plan
}
