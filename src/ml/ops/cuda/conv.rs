//! Convolutions on a GPU: what the library for convolutions is asked for, and the kernels around it.
//!
//! The library knows paddings that are equal on both sides of an axis. Where `SAME` asks for more behind than before
//! (even sizes at stride 2, outputs beyond the border), the source is first copied into a frame of zeros.

use candle_core::Tensor;

use super::super::conv::{Conv2d, Epilogue};
use super::super::{blank, check, nchw, same};
use super::{Argument, Plan, Step, run};
use crate::ml::error::Result;

/// Which of the three passes a convolution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pass {
    /// From source and filter to output.
    Forward,
    /// From the output's gradient and the filter to the source's.
    Input,
    /// From the source and the output's gradient to the filter's.
    Weights,
}

/// The sizes of a convolution with equal padding before and behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// Images of source and output.
    pub images: usize,
    /// Channels of the source.
    pub channels: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// Height and width of the source.
    pub source: [usize; 2],
    /// Height and width of the output.
    pub grid: [usize; 2],
    /// Height and width of the filter.
    pub kernel: [usize; 2],
    /// Zeros before, and as many behind.
    pub pad: [usize; 2],
    /// The distance between outputs.
    pub stride: usize,
    /// The distance between taps.
    pub dilation: usize,
    /// [`Epilogue::exact`].
    pub exact: bool,
}

/// One pass over operands of a plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Convolution {
    /// The pass.
    pub pass: Pass,
    /// The sizes.
    pub geometry: Geometry,
    /// The source or its gradient.
    pub x: Argument<'static>,
    /// The filter or its gradient.
    pub w: Argument<'static>,
    /// The output or its gradient.
    pub y: Argument<'static>,
}

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

    /// Elements of the source, or of the frame around it.
    fn len(&self) -> usize {
        self.geometry.images * self.geometry.channels * self.geometry.source.iter().product::<usize>()
    }

    /// The source as the library may read it, after the steps that are added.
    fn source(&self, x: Argument<'static>, plan: &mut Plan<'_>) -> Argument<'static> {
        let Some(sizes) = self.sizes() else { return x };
        let framed = scratch(plan, self.len());
        plan.steps.push(Step::each("frame", self.len(), [&[x, framed], &sizes[..]].concat()));
        framed
    }

    /// Height and width of source and frame, and the zeros before.
    fn sizes(&self) -> Option<[Argument<'static>; 6]> {
        let ([h, w], [top, left]) = self.frame?;
        let [height, width] = self.geometry.source;
        Some([h, w, height, width, top, left].map(Argument::Int))
    }
}

/// A scratch buffer of `len` 32-bit floats.
fn scratch(plan: &mut Plan<'_>, len: usize) -> Argument<'static> {
    plan.scratch.push(len * size_of::<f32>());
    Argument::Scratch(plan.scratch.len() - 1)
}

/// Operands, and their places among the inputs.
#[derive(Default)]
struct Operands<'a>(Vec<&'a Tensor>);

impl<'a> Operands<'a> {
    fn add(&mut self, tensor: Option<&'a Tensor>) -> Argument<'static> {
        let Some(tensor) = tensor else { return Argument::Absent };
        self.0.push(tensor);
        Argument::Input(self.0.len() - 1)
    }

    /// What follows a convolution, in place on the output of `channels` planes of `area` elements.
    fn finish(&mut self, epilogue: Epilogue<'a>, output: &Tensor, plan: &mut Plan<'_>) {
        let Epilogue { scale, shift, add, relu, mask, exact: _ } = epilogue;
        if !relu && [scale, shift, add, mask].iter().all(Option::is_none) {
            return;
        }
        let [scale, shift, add, mask] = [scale, shift, add, mask].map(|tensor| self.add(tensor));
        let (channels, area) = (output.dims()[1], output.dims()[2] * output.dims()[3]);
        let sizes = [usize::from(relu), channels, area].map(Argument::Int);
        let arguments = [&[scale, shift, add, mask, Argument::Output], &sizes[..]].concat();
        plan.steps.push(Step::each("epilogue", output.elem_count(), arguments));
    }
}

/// As [`Conv2d::forward`]; with outputs up to whole cells where `grid` says so.
pub fn forward(op: &Conv2d, x: &Tensor, weights: &Tensor, grid: [usize; 2], epilogue: Epilogue<'_>) -> Result<Tensor> {
    let (xs, ws) = (nchw("The input of a convolution", x)?, nchw("A filter", weights)?);
    check("The input of a convolution", x, &[xs[0], ws[1], xs[2], xs[3]])?;
    let y = blank(&[xs[0], ws[0], grid[0], grid[1]], x.device())?;
    epilogue.check(&y)?;
    let (mut plan, mut operands) = (Plan::default(), Operands::default());
    let framed = Framed::new(op, xs, ws, grid);
    let x = framed.source(operands.add(Some(x)), &mut plan);
    let w = operands.add(Some(weights));
    let (pass, geometry) = (Pass::Forward, framed.geometry);
    plan.steps.push(Step::Conv(Convolution { pass, geometry, x, w, y: Argument::Output }));
    operands.finish(epilogue, &y, &mut plan);
    run("conv2d", &plan, &operands.0, &y)?;
    Ok(y)
}

/// As [`Conv2d::backward_input`], with the sizes of the output's gradient in `grid`.
pub fn backward_input(
    op: &Conv2d,
    shape: [usize; 4],
    g: &Tensor,
    weights: &Tensor,
    scale: Option<&Tensor>,
    epilogue: Epilogue<'_>,
) -> Result<Tensor> {
    let (ws, [_, _, height, width]) = (nchw("A filter", weights)?, nchw("A gradient", g)?);
    let dx = blank(&shape, g.device())?;
    epilogue.check(&dx)?;
    let (mut plan, mut operands) = (Plan::default(), Operands::default());
    let mut framed = Framed::new(op, shape, ws, [height, width]);
    framed.geometry.exact = epilogue.exact;
    let y = operands.add(Some(g));
    let mut w = operands.add(Some(weights));
    if scale.is_some() {
        let (len, scaled) = (weights.elem_count(), scratch(&mut plan, weights.elem_count()));
        let row = Argument::Int(len / ws[0].max(1));
        plan.steps.push(Step::each("scale_rows", len, [w, operands.add(scale), scaled, row]));
        w = scaled;
    }
    let x = if framed.frame.is_some() { scratch(&mut plan, framed.len()) } else { Argument::Output };
    plan.steps.push(Step::Conv(Convolution { pass: Pass::Input, geometry: framed.geometry, x, w, y }));
    if let Some(sizes) = framed.sizes() {
        plan.steps.push(Step::each("unframe", dx.elem_count(), [&[x, Argument::Output], &sizes[..]].concat()));
    }
    operands.finish(epilogue, &dx, &mut plan);
    run("the gradient of conv2d by its input", &plan, &operands.0, &dx)?;
    Ok(dx)
}

/// As [`Conv2d::backward_weights`].
pub fn backward_weights(op: &Conv2d, x: &Tensor, g: &Tensor, scale: Option<&Tensor>, gradient: &Tensor) -> Result<()> {
    let (xs, ws) = (nchw("The input of a convolution", x)?, nchw("The gradient of a filter", gradient)?);
    let [_, _, height, width] = nchw("A gradient", g)?;
    let (mut plan, mut operands) = (Plan::default(), Operands::default());
    let framed = Framed::new(op, xs, ws, [height, width]);
    let x = framed.source(operands.add(Some(x)), &mut plan);
    let y = operands.add(Some(g));
    let (pass, geometry, w) = (Pass::Weights, framed.geometry, Argument::Output);
    plan.steps.push(Step::Conv(Convolution { pass, geometry, x, w, y }));
    if scale.is_some() {
        let row = Argument::Int(gradient.elem_count() / ws[0].max(1));
        plan.steps.push(Step::each("scale_rows", gradient.elem_count(), [w, operands.add(scale), w, row]));
    }
    run("the gradient of conv2d by its weights", &plan, &operands.0, gradient)
}
