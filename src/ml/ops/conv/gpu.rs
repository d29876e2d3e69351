//! Convolutions on a GPU: what the library for convolutions is asked for, and the kernels around it.
//!
//! The library knows paddings that are equal on both sides of an axis. Where `SAME` asks for more behind than before
//! (even sizes at stride 2, outputs beyond the border), the source is first copied into a frame of zeros.
//!
//! It wants filters in the order of their images, output, row, column, channel, and of their type. Ours are 32-bit floats
//! in the order output, channel, row, column, so that they and their gradients are arranged on the way; where they have
//! one tap, both orders are the same.

use candle_core::Tensor;

use super::super::activation;
use super::super::shapes::nchw;
use super::{Conv2d, Epilogue};
use crate::ml::error::Result;
use crate::ml::geometry::same;
use crate::ml::gpu::plan::{Argument, Convolution, Element, Geometry, Pass, Plan, Room, Step};
use crate::ml::gpu::run::run;

/// A convolution as the network means it, and the frame that its source needs, if any.
#[derive(Debug, Clone, Copy)]
struct Framed {
    geometry: Geometry,
    /// Height and width of the source itself, and the zeros before it in the frame.
    frame: Option<([usize; 2], [usize; 2])>,
}

impl Framed {
    fn new(op: &Conv2d, xs: [usize; 4], ws: [usize; 4], grid: [usize; 2]) -> Self {
        let (source, kernel) = ([xs[2], xs[3]], [ws[2], ws[3]]);
        let reach = kernel.map(|taps| (taps - 1) * op.dilation + 1);
        let before = [0, 1].map(|axis| same(source[axis], kernel[axis], op.stride, op.dilation).before);
        let equal = |axis: usize| {
            let room = source[axis] + 2 * before[axis];
            room >= reach[axis] && (room - reach[axis]) / op.stride + 1 == grid[axis]
        };
        let [images, channels, ..] = xs;
        let (stride, dilation) = (op.stride, op.dilation);
        let geometry = Geometry {
            images,
            channels,
            outputs: ws[0],
            source,
            grid,
            kernel,
            pad: before,
            stride,
            dilation,
            exact: false,
        };
        if equal(0) && equal(1) {
            return Framed { geometry, frame: None };
        }
        let whole = [0, 1].map(|axis| (grid[axis].max(1) - 1) * op.stride + reach[axis]);
        Framed { geometry: Geometry { source: whole, pad: [0, 0], ..geometry }, frame: Some((source, before)) }
    }

    /// The filter as the library may read it, each output times its factor of `scale`, after the step that is added. It
    /// may be `w` where that is of the type of activations, as `own` says.
    fn filter(
        &self,
        w: Argument<'static>,
        scale: Argument<'static>,
        own: bool,
        plan: &mut Plan<'_>,
    ) -> Argument<'static> {
        let (len, taps) = (self.filter_len(), self.taps());
        if own && taps == 1 && scale == Argument::Absent {
            return w;
        }
        let arranged = room(plan, len);
        let sizes = [self.geometry.channels, taps].map(Argument::Int);
        plan.steps.push(Step::each("arranged", len, [&[w, scale, arranged], &sizes[..]].concat()));
        arranged
    }

    fn taps(&self) -> usize {
        self.geometry.kernel.iter().product()
    }

    fn filter_len(&self) -> usize {
        self.geometry.outputs * self.geometry.channels * self.taps()
    }

    /// Elements of the source, or of the frame around it.
    fn len(&self) -> usize {
        self.geometry.images * self.geometry.channels * self.geometry.source.iter().product::<usize>()
    }

    /// The source as the library may read it, after the steps that are added.
    fn source(&self, x: Argument<'static>, plan: &mut Plan<'_>) -> Argument<'static> {
        let Some(sizes) = self.sizes() else { return x };
        let framed = room(plan, self.len());
        plan.steps.push(Step::each("frame", self.len(), [&[x, framed], &sizes[..]].concat()));
        framed
    }

    /// Channels, height and width of source and frame, and the zeros before.
    fn sizes(&self) -> Option<[Argument<'static>; 7]> {
        let ([h, w], [top, left]) = self.frame?;
        let [height, width] = self.geometry.source;
        Some([self.geometry.channels, h, w, height, width, top, left].map(Argument::Int))
    }
}

/// A scratch buffer of `len` activations.
fn room(plan: &mut Plan<'_>, len: usize) -> Argument<'static> {
    plan.scratch.push(Room::Activations(len));
    Argument::Scratch(plan.scratch.len() - 1)
}

/// Elements that a kernel's thread takes together: those of 16 bytes, where they divide the channels. Activations have
/// memory of their own, which begins at a multiple of as many bytes.
fn pack(element: Element, channels: usize) -> usize {
    let most = 16 / element.size();
    if channels.is_multiple_of(most) { most } else { 1 }
}

/// Operands, and their places among the inputs.
#[derive(Default)]
struct Operands<'a>(Vec<&'a Tensor>);

impl<'a> Operands<'a> {
    /// A tensor of 32-bit floats, which are no activations.
    fn parameter(&mut self, tensor: Option<&'a Tensor>) -> Argument<'static> {
        let Some(tensor) = tensor else { return Argument::Absent };
        self.0.push(tensor);
        Argument::Input(self.0.len() - 1)
    }

    fn activation(&mut self, tensor: Option<&'a Tensor>) -> Argument<'static> {
        let Some(tensor) = tensor else { return Argument::Absent };
        self.0.push(tensor);
        Argument::Activation(self.0.len() - 1)
    }

    /// What follows a convolution, in place on the output.
    fn finish(&mut self, epilogue: Epilogue<'a>, output: &Tensor, plan: &mut Plan<'_>) -> Result<()> {
        let Epilogue { scale, shift, add, relu, mask, exact: _ } = epilogue;
        if !relu && [scale, shift, add, mask].iter().all(Option::is_none) {
            return Ok(());
        }
        let ([scale, shift], [add, mask]) =
            ([scale, shift].map(|tensor| self.parameter(tensor)), [add, mask].map(|tensor| self.activation(tensor)));
        let channels = output.dims()[1];
        let pack = pack(Element::of(output)?, channels);
        let sizes = [usize::from(relu), channels, pack].map(Argument::Int);
        let arguments = [&[scale, shift, add, mask, Argument::ActivationOutput], &sizes[..]].concat();
        plan.steps.push(Step::each("epilogue", output.elem_count() / pack, arguments));
        Ok(())
    }
}

/// As [`Conv2d::forward`]; with outputs up to whole cells where `grid` says so. Here and below the shapes were checked.
pub(super) fn forward(
    op: &Conv2d,
    x: &Tensor,
    weights: &Tensor,
    grid: [usize; 2],
    epilogue: Epilogue<'_>,
) -> Result<Tensor> {
    let ws = nchw("A filter", weights)?;
    let [images, _, height, width] = activation::sizes("The input of a convolution", x)?;
    let y = activation::blank([images, ws[0], grid[0], grid[1]], x)?;
    let (mut plan, mut operands) = (Plan::default(), Operands::default());
    let framed = Framed::new(op, [images, ws[1], height, width], ws, grid);
    let own = Element::of(x)? == Element::F32;
    let x = framed.source(operands.activation(Some(x)), &mut plan);
    let w = framed.filter(operands.parameter(Some(weights)), Argument::Absent, own, &mut plan);
    let (pass, geometry) = (Pass::Forward, framed.geometry);
    plan.steps.push(Step::Conv(Convolution { pass, geometry, x, w, y: Argument::ActivationOutput }));
    operands.finish(epilogue, &y, &mut plan)?;
    // SAFETY: `Conv2d` compares the shapes of all operands, and scratch buffers have the sizes that the plan was made for.
    unsafe { run("conv2d", &plan, &operands.0, &y)? };
    Ok(y)
}

/// As [`Conv2d::backward_input`], with the sizes of the output's gradient in `grid`.
pub(super) fn backward_input(
    op: &Conv2d,
    shape: [usize; 4],
    g: &Tensor,
    weights: &Tensor,
    scale: Option<&Tensor>,
    epilogue: Epilogue<'_>,
) -> Result<Tensor> {
    let (ws, [_, _, height, width]) = (nchw("A filter", weights)?, activation::sizes("A gradient", g)?);
    let dx = activation::blank(shape, g)?;
    let (mut plan, mut operands) = (Plan::default(), Operands::default());
    let mut framed = Framed::new(op, shape, ws, [height, width]);
    framed.geometry.exact = epilogue.exact;
    let y = operands.activation(Some(g));
    let [w, scale] = [Some(weights), scale].map(|tensor| operands.parameter(tensor));
    let w = framed.filter(w, scale, Element::of(g)? == Element::F32, &mut plan);
    let x = if framed.frame.is_some() { room(&mut plan, framed.len()) } else { Argument::ActivationOutput };
    plan.steps.push(Step::Conv(Convolution { pass: Pass::Input, geometry: framed.geometry, x, w, y }));
    if let Some(sizes) = framed.sizes() {
        let arguments = [&[x, Argument::ActivationOutput], &sizes[..]].concat();
        plan.steps.push(Step::each("unframe", dx.elem_count(), arguments));
    }
    operands.finish(epilogue, &dx, &mut plan)?;
    // SAFETY: as for the forward pass.
    unsafe { run("the gradient of conv2d by its input", &plan, &operands.0, &dx)? };
    Ok(dx)
}

/// As [`Conv2d::backward_weights`].
pub(super) fn backward_weights(
    op: &Conv2d,
    x: &Tensor,
    g: &Tensor,
    scale: Option<&Tensor>,
    gradient: &Tensor,
) -> Result<()> {
    let (xs, ws) = (activation::sizes("The input of a convolution", x)?, nchw("A filter", gradient)?);
    let [_, _, height, width] = activation::sizes("A gradient", g)?;
    let (mut plan, mut operands) = (Plan::default(), Operands::default());
    let framed = Framed::new(op, xs, ws, [height, width]);
    let own = Element::of(x)? == Element::F32 && framed.taps() == 1;
    let x = framed.source(operands.activation(Some(x)), &mut plan);
    let y = operands.activation(Some(g));
    let w = if own { Argument::Output } else { room(&mut plan, framed.filter_len()) };
    plan.steps.push(Step::Conv(Convolution { pass: Pass::Weights, geometry: framed.geometry, x, w, y }));
    if !own || scale.is_some() {
        let sizes = [framed.geometry.channels, framed.taps()].map(Argument::Int);
        let arguments = [&[w, operands.parameter(scale), Argument::Output], &sizes[..]].concat();
        plan.steps.push(Step::each("restored", framed.filter_len(), arguments));
    }
    // SAFETY: as for the forward pass.
    unsafe { run("the gradient of conv2d by its weights", &plan, &operands.0, gradient) }
}
