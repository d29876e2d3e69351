//! Convolutions of images with filters in OIHW: the operations and what they ask of their operands. What computes them is below:
//! the convolution and its gradient by the input ([`correlate`]), the gradient by the weights ([`weight_gradient`]), and what
//! both ask of a GPU ([`gpu`]).
//!
//! Depthwise convolutions are operations of their own, in [`super::depthwise`].
//!
//! What surrounds a convolution in the network is folded into the same operation: [`Epilogue`].

mod correlate;
mod epilogue;
mod gpu;
#[cfg(test)]
mod tests;
mod weight_gradient;

use candle_core::Tensor;

use self::correlate::Correlate;
pub use self::epilogue::Epilogue;
use self::weight_gradient::WeightGradient;
use super::activation;
use super::dispatch::{launch, make};
use super::shapes::{check, filled};
use crate::ml::error::{Error, Result};
use crate::ml::geometry::{Padding, SlidingWindow};
use crate::ml::gpu::plan::ConvShape;

/// The greatest distance between outputs or taps: more than any image is wide, and little enough for sizes to be numbers.
const GREATEST: usize = 1 << 16;

/// The geometry of a convolution. By default both distances are 1, with TensorFlow's padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2d {
    /// The distance between outputs, in inputs.
    pub stride: usize,
    /// The distance between taps, in inputs.
    pub dilation: usize,
    /// The zeros around the input.
    pub padding: Padding,
}

impl Default for Conv2d {
    fn default() -> Self {
        Conv2d { stride: 1, dilation: 1, padding: Padding::Same }
    }
}

impl Conv2d {
    /// The window of the convolution of `xs` with a filter of `ws`; an error where these do not belong together.
    fn window(
        &self,
        [_, channels, height, width]: [usize; 4],
        [outputs, inputs, kh, kw]: [usize; 4],
    ) -> Result<SlidingWindow> {
        if ![self.stride, self.dilation].iter().all(|distance| (1..=GREATEST).contains(distance)) {
            return Err(Error::Model(format!("A convolution has distances of 1 to {GREATEST}: {self:?} has not.")));
        }
        if inputs != channels {
            let expected = format!("[outputs, {channels}, height, width], for as many channels");
            return Err(Error::Shape { what: "A filter".to_owned(), found: vec![outputs, inputs, kh, kw], expected });
        }
        let [y, x] = [(height, kh), (width, kw)]
            .map(|(size, kernel)| self.padding.along(size, kernel, self.stride, self.dilation));
        if y.outputs == 0 || x.outputs == 0 {
            let expected = format!("at least the size of a window, for a filter of {kh} by {kw} and {self:?}");
            return Err(Error::Shape { what: "An image".to_owned(), found: vec![height, width], expected });
        }
        Ok(SlidingWindow {
            channels,
            source: [height, width],
            grid: [y.outputs, x.outputs],
            kernel: [kh, kw],
            step: self.stride,
            dilation: self.dilation,
            pad: [y.before as isize, x.before as isize],
            divide: 1,
        })
    }

    /// A grid of whole cells of `dilation` by `dilation` outputs, the last of which may reach over the border.
    fn whole(&self, grid: [usize; 2]) -> [usize; 2] {
        grid.map(|size| size.next_multiple_of(self.dilation))
    }

    /// The window of the convolution whose output has the gradient `g`: of [`Conv2d::forward`], or of
    /// [`Conv2d::forward_whole`] where that is larger.
    fn window_of(&self, xs: [usize; 4], ws: [usize; 4], g: &Tensor) -> Result<SlidingWindow> {
        let mut window = self.window(xs, ws)?;
        let whole = self.whole(window.grid);
        if g.dims() == [xs[0], ws[0], whole[0], whole[1]] {
            window.grid = whole;
        }
        activation::check(
            "The gradient of a convolution's output",
            g,
            &[xs[0], ws[0], window.grid[0], window.grid[1]],
        )?;
        Ok(window)
    }

    /// The outputs along an axis of `size` inputs, with a filter of `kernel` taps.
    pub fn outputs(&self, size: usize, kernel: usize) -> usize {
        self.padding.along(size, kernel, self.stride, self.dilation).outputs
    }

    /// What a GPU's library for convolutions is asked for, for `images` images whose planes have the height and width `plane`:
    /// by [`Conv2d::forward_whole`] if `whole`, else by [`Conv2d::forward`]. Its gradients ask for the same sizes.
    ///
    /// # Errors
    /// The filter has no four sizes above 0, or is larger than the plane with its padding.
    pub fn gpu_shape(&self, images: usize, plane: [usize; 2], weights: &Tensor, whole: bool) -> Result<ConvShape> {
        let ws = filter("A filter", weights)?;
        let mut window = self.window([images, ws[1], plane[0], plane[1]], ws)?;
        if whole {
            window.grid = self.whole(window.grid);
        }
        Ok(gpu::shape(gpu::Sizes { images, outputs: ws[0], window: &window }))
    }

    /// The convolution of `x` with `weights`.
    ///
    /// # Shapes
    /// `x` `[N, C, H, W]`, `weights` `[O, C, KH, KW]` -> `[N, O, OH, OW]`, the sizes of [`Conv2d::outputs`]: `ceil(H / stride)`
    /// and `ceil(W / stride)`, unless padding is symmetric and the filter even.
    pub fn forward(&self, x: &Tensor, weights: &Tensor, epilogue: Epilogue<'_>) -> Result<Tensor> {
        self.correlate(x, weights, false, epilogue)
    }

    /// As [`Conv2d::forward`], with outputs beyond the bottom and the right border up to a multiple of the dilation:
    /// what a convolution gives of an input that zeros fill up to whole cells.
    ///
    /// # Shapes
    /// As [`Conv2d::forward`], the output's height and width rounded up to multiples of the dilation.
    pub fn forward_whole(&self, x: &Tensor, weights: &Tensor, epilogue: Epilogue<'_>) -> Result<Tensor> {
        self.correlate(x, weights, true, epilogue)
    }

    fn correlate(&self, x: &Tensor, weights: &Tensor, whole: bool, epilogue: Epilogue<'_>) -> Result<Tensor> {
        let (xs, ws) = (activation::sizes("The input of a convolution", x)?, filter("A filter", weights)?);
        let mut window = self.window(xs, ws)?;
        if whole {
            window.grid = self.whole(window.grid);
        }
        let (images, outputs) = (xs[0], ws[0]);
        epilogue.check([images, outputs, window.grid[0], window.grid[1]])?;
        let shape = [images, outputs, window.grid[0], window.grid[1]];
        let operation = Correlate { images, outputs, window, of_gradient: false, factors: false, epilogue };
        make(&operation, &epilogue.inputs(x, weights), shape)
    }

    /// The gradient by the input of shape `shape`, from the gradient `g` of the output times `scale`. The epilogue
    /// applies to the gradient that is returned.
    ///
    /// # Shapes
    /// `g` `[N, O, OH, OW]` of either pass, `weights` `[O, C, KH, KW]`, `scale` `[O]` -> `shape` `[N, C, H, W]`.
    pub fn backward_input(
        &self,
        shape: [usize; 4],
        g: &Tensor,
        weights: &Tensor,
        scale: Option<&Tensor>,
        epilogue: Epilogue<'_>,
    ) -> Result<Tensor> {
        let ws = filter("A filter", weights)?;
        let window = self.window_of(shape, ws, g)?;
        check_scale(scale, ws[0])?;
        epilogue.check(shape)?;
        let (images, outputs, factors) = (shape[0], ws[0], scale.is_some());
        let mut inputs = epilogue.inputs(g, weights);
        inputs.extend(scale);
        make(&Correlate { images, outputs, window, of_gradient: true, factors, epilogue }, &inputs, shape)
    }

    /// Writes the gradient by the weights, from the input `x` and the gradient `g` of the output, to `gradient`; each
    /// output channel times `scale`.
    ///
    /// # Shapes
    /// `x` `[N, C, H, W]`, `g` `[N, O, OH, OW]`, of either forward pass, `scale` `[O]`, `gradient` `[O, C, KH, KW]`.
    pub fn backward_weights(&self, x: &Tensor, g: &Tensor, scale: Option<&Tensor>, gradient: &Tensor) -> Result<()> {
        let xs = activation::sizes("The input of a convolution", x)?;
        let ws = filter("The gradient of a filter", gradient)?;
        let window = self.window_of(xs, ws, g)?;
        check_scale(scale, ws[0])?;
        let operation = WeightGradient { images: xs[0], outputs: ws[0], window, factors: scale.is_some() };
        let inputs: Vec<&Tensor> = [x, g].into_iter().chain(scale).collect();
        launch(&operation, &inputs, gradient)
    }
}

/// The four sizes of a filter, none of which is 0; an error where it is not contiguous.
fn filter(what: &str, filter: &Tensor) -> Result<[usize; 4]> {
    let sizes = filled(what, filter)?;
    if filter.is_contiguous() {
        return Ok(sizes);
    }
    let expected = "a contiguous filter [outputs, channels, height, width]".to_owned();
    Err(Error::Shape { what: what.to_owned(), found: sizes.to_vec(), expected })
}

fn check_scale(scale: Option<&Tensor>, channels: usize) -> Result<()> {
    scale.map_or(Ok(()), |scale| check("The factors of a convolution's outputs", scale, &[channels]))
}
