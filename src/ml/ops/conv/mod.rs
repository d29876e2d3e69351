//! Convolutions of images in NCHW with filters in OIHW, as products of weights and unrolled images.
//!
//! With `col` the unrolled image (see [`crate::ml::geometry`]), for one image:
//! - forward: `y[o, p] = sum_k w[o, k] col(x)[k, p]`, `k = (c, i, j)`;
//! - gradient by the input: the same with the filter turned by half a circle, `w'[c, (o, i, j)] =
//!   w[o, c, KH-1-i, KW-1-j]`, over the gradient of the output, with the padding `(K-1) d - before`, and where the
//!   stride is not 1 only at the source positions that it divides;
//! - gradient by the weights: `dw[o, k] = sum_p g[o, p] col(x)[k, p]`, images in order.
//!
//! Three taps by three between many channels are tiles of fewer products ([`crate::ml::cpu::winograd`]), and several taps to few
//! channels are shifted sums ([`crate::ml::cpu::taps`]).
//!
//! What surrounds a convolution in the network is folded into the same pass: [`Epilogue`].

mod epilogue;
mod gpu;

use std::mem::MaybeUninit;
use std::ops::Range;

use candle_core::Tensor;
use rayon::prelude::*;

pub use self::epilogue::Epilogue;
use super::activation;
use super::dispatch::{Kernel, applies, launch_on_cpu, made};
use super::shapes::{check, filled};
use crate::ml::cpu::epilogue::{Finish, Sums};
use crate::ml::cpu::gemm::{self, ByRows, Left, Right};
use crate::ml::cpu::isa::Isa;
use crate::ml::cpu::scratch::Lines;
use crate::ml::cpu::shared::{Shared, zeroed};
use crate::ml::cpu::taps::Taps;
use crate::ml::cpu::tasks::{Grid, pitch};
use crate::ml::cpu::transpose::transpose;
use crate::ml::cpu::winograd::{Filter, Winograd};
use crate::ml::error::{Error, Result};
use crate::ml::geometry::{Window, same};

/// The greatest distance between outputs or taps: more than any image is wide, and little enough for sizes to be numbers.
const GREATEST: usize = 1 << 16;

/// The geometry of a convolution with `SAME` padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2d {
    /// The distance between outputs, in inputs.
    pub stride: usize,
    /// The distance between taps, in inputs.
    pub dilation: usize,
}

impl Conv2d {
    /// The window of the convolution of `xs` with a filter of `ws`; an error where these do not belong together.
    fn window(
        &self,
        [_, channels, height, width]: [usize; 4],
        [outputs, inputs, kh, kw]: [usize; 4],
    ) -> Result<Window> {
        if ![self.stride, self.dilation].iter().all(|distance| (1..=GREATEST).contains(distance)) {
            return Err(Error::Model(format!("A convolution has distances of 1 to {GREATEST}: {self:?} has not.")));
        }
        if inputs != channels {
            let expected = format!("[outputs, {channels}, height, width], for as many channels");
            return Err(Error::Shape { what: "A filter".to_owned(), found: vec![outputs, inputs, kh, kw], expected });
        }
        let y = same(height, kh, self.stride, self.dilation);
        let x = same(width, kw, self.stride, self.dilation);
        Ok(Window {
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

    /// The window of the gradient by the input: over the gradient of the output, `channels` of them.
    fn turned(&self, window: &Window, channels: usize) -> Window {
        let pad = |axis: usize| ((window.kernel[axis] - 1) * self.dilation) as isize - window.pad[axis];
        Window {
            channels,
            source: window.grid,
            grid: window.source,
            step: 1,
            pad: [pad(0), pad(1)],
            divide: self.stride,
            ..*window
        }
    }

    /// A grid of whole cells of `dilation` by `dilation` outputs, the last of which may reach over the border.
    fn whole(&self, grid: [usize; 2]) -> [usize; 2] {
        grid.map(|size| size.next_multiple_of(self.dilation))
    }

    /// The window of the convolution whose output has the gradient `g`: of [`Conv2d::forward`], or of
    /// [`Conv2d::forward_whole`] where that is larger.
    fn window_of(&self, xs: [usize; 4], ws: [usize; 4], g: &Tensor) -> Result<Window> {
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

    /// The convolution of `x` with `weights`.
    ///
    /// # Shapes
    /// `x` `[N, C, H, W]`, `weights` `[O, C, KH, KW]` -> `[N, O, ceil(H / stride), ceil(W / stride)]`.
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
        if applies(x.device()) {
            return gpu::forward(self, x, weights, window.grid, epilogue);
        }
        Correlate { images, outputs, window, turned: false, epilogue }.run(&epilogue.inputs(x, weights))
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
        let forward = self.window_of(shape, ws, g)?;
        check_scale(scale, ws[0])?;
        epilogue.check(shape)?;
        if applies(g.device()) {
            return gpu::backward_input(self, shape, g, weights, scale, epilogue);
        }
        let window = self.turned(&forward, ws[0]);
        let mut inputs = epilogue.inputs(g, weights);
        inputs.extend(scale);
        Correlate { images: shape[0], outputs: shape[1], window, turned: true, epilogue }.run(&inputs)
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
        if applies(x.device()) {
            return gpu::backward_weights(self, x, g, scale, gradient);
        }
        let kernel = WeightGradient { images: xs[0], outputs: ws[0], window };
        let inputs: Vec<&Tensor> = [x, g].into_iter().chain(scale).collect();
        launch_on_cpu(&kernel, &inputs, gradient)
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

/// A convolution, or the gradient of one by its input (`turned`). Inputs: source, weights, those of the epilogue that
/// there are, and for the gradient the scale.
struct Correlate<'a> {
    images: usize,
    outputs: usize,
    window: Window,
    turned: bool,
    epilogue: Epilogue<'a>,
}

impl Correlate<'_> {
    /// The tensor that it makes.
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        let [height, width] = self.window.grid;
        let shape = [self.images, self.outputs, height, width];
        // SAFETY: every way writes every element: that of tiles and those plane by plane do so by themselves, and products
        // are stored for all rows and columns of all images, be it of no terms.
        unsafe { made("conv2d", inputs, &shape, |inputs, output| self.fill(inputs, output)) }
    }

    fn fill(&self, inputs: &[&[f32]], output: &mut [MaybeUninit<f32>]) {
        let mut rest = inputs[2..].iter().copied();
        let finish = self.epilogue.finish(&mut rest);
        let scale = rest.next().filter(|_| self.turned);
        let out = Shared::new(output);
        let taps = if self.turned { Taps::of_gradient } else { Taps::of };
        match taps(&self.window, self.outputs) {
            Some(taps) if self.turned => {
                return taps.input_gradient(self.images, inputs[0], (inputs[1], scale), out, finish);
            }
            Some(taps) => return taps.correlate(self.images, inputs[0], inputs[1], out, finish),
            None => {}
        }
        if let Some(tiles) = Winograd::of(&self.window, self.outputs).filter(|_| !self.epilogue.exact) {
            let filter = if self.turned { Filter::Turned(inputs[1], scale) } else { Filter::Plain(inputs[1]) };
            return tiles.correlate(self.images, inputs[0], filter, out, finish);
        }
        if self.turned && self.window.kernel == [1, 1] && self.window.divide > 1 {
            return self.of_one_tap(inputs[0], inputs[1], scale, out, finish);
        }
        let (terms, one_tap) = (self.window.rows(), self.window.kernel == [1, 1]);
        let weights = match (self.turned, one_tap) {
            (false, _) => None,
            (true, true) => Some(scaled(inputs[1], self.outputs, scale)),
            (true, false) => Some(turned(inputs[1], self.outputs, self.window.kernel, scale)),
        };
        let left = match &weights {
            None => Left::by_rows(inputs[1], terms, terms),
            Some(weights) if one_tap => Left::by_columns(weights.as_slice(), pitch(self.outputs), terms),
            Some(weights) => Left::by_rows(weights.as_slice(), terms, terms),
        };

        let (isa, area, source) = (Isa::detect(), self.window.columns(), inputs[0].len() / self.images.max(1));
        let tasks = Grid::new(self.images, self.outputs, area, isa);
        tasks.run(|image, rows, columns, panel| {
            let at = image * self.outputs * area;
            let right = Unrolled { window: &self.window, image: &inputs[0][image * source..(image + 1) * source] };
            let sums = Sums { out, start: at, pitch: area, first: true, finish };
            // SAFETY: a grid's tasks differ in the image, or in the rows or the columns.
            unsafe { gemm::multiply(isa, left, rows, &right, columns, panel, &sums) };
        });
    }

    /// The gradient of one tap between inputs that a stride has left out: products for those that it has not, with zeros
    /// between them.
    fn of_one_tap(&self, g: &[f32], weights: &[f32], scale: Option<&[f32]>, output: Shared<'_>, finish: Finish<'_>) {
        let Window { channels, source, grid, divide, .. } = self.window;
        let (isa, small, area) = (Isa::detect(), source[0] * source[1], grid[0] * grid[1]);
        let weights = scaled(weights, self.outputs, scale);
        let left = Left::by_columns(weights.as_slice(), pitch(self.outputs), channels);
        let mut products = Lines::new(self.outputs * small);
        for image in 0..self.images {
            let sums = Sums::scaled(products.shared(), small, true, None);
            let right = ByRows { data: &g[image * channels * small..], pitch: small };
            Grid::new(1, self.outputs, small, isa).run(|_, rows, columns, panel| {
                // SAFETY: a grid's tasks differ in the rows or the columns.
                unsafe { gemm::multiply(isa, left, rows, &right, columns, panel, &sums) };
            });
            let products = products.as_slice();
            (0..self.outputs).into_par_iter().for_each(|channel| {
                let start = (image * self.outputs + channel) * area;
                // SAFETY: tasks differ in channels.
                let plane = zeroed(unsafe { output.slice(start, area) });
                for (y, line) in products[channel * small..][..small].chunks_exact(source[1]).enumerate() {
                    let to = plane[y * divide * grid[1]..].iter_mut().step_by(divide);
                    to.zip(line).for_each(|(to, product)| *to = *product);
                }
                finish.apply(plane, channel, start);
            });
        }
    }
}

/// The weights `[O, C]` of one tap at distance [`pitch`], `w[o, c] scale[o]`.
fn scaled(weights: &[f32], channels: usize, scale: Option<&[f32]>) -> Lines {
    let (outputs, pitch) = (weights.len() / channels.max(1), pitch(channels));
    let mut scaled = Lines::new(outputs * pitch);
    let rows = scaled.as_mut_slice().par_chunks_mut(pitch).with_min_len(16).zip(weights.par_chunks(channels.max(1)));
    rows.enumerate().for_each(|(o, (to, from))| {
        let scale = scale.map_or(1.0, |scale| scale[o]);
        to.iter_mut().zip(from).for_each(|(to, from)| *to = from * scale);
    });
    scaled
}

/// The weights of the gradient by the input, `w'[c, (o, i, j)] = w[o, c, KH-1-i, KW-1-j] scale[o]`.
fn turned(weights: &[f32], channels: usize, kernel: [usize; 2], scale: Option<&[f32]>) -> Lines {
    let taps = kernel[0] * kernel[1];
    let outputs = weights.len() / (channels * taps).max(1);
    let mut turned = Lines::new(weights.len());
    let rows = turned.as_mut_slice().par_chunks_mut((outputs * taps).max(1)).enumerate();
    rows.for_each(|(c, row)| {
        for (o, to) in row.chunks_exact_mut(taps).enumerate() {
            let scale = scale.map_or(1.0, |scale| scale[o]);
            let from = weights[(o * channels + c) * taps..][..taps].iter().rev();
            to.iter_mut().zip(from).for_each(|(to, from)| *to = from * scale);
        }
    });
    turned
}

/// An unrolled image as right operand.
struct Unrolled<'a> {
    window: &'a Window,
    image: &'a [f32],
}

impl Right for Unrolled<'_> {
    fn fill(&self, terms: Range<usize>, columns: Range<usize>, panel: &mut [f32], pitch: usize) {
        self.window.unroll(self.image, terms, columns, panel, pitch);
    }

    fn rows(&self) -> Option<ByRows<'_>> {
        self.window.is_identity().then(|| ByRows { data: self.image, pitch: self.window.columns() })
    }
}

/// The gradient by the weights. Inputs: the convolution's input, the gradient of its output, and optionally a factor
/// for each output channel.
struct WeightGradient {
    images: usize,
    outputs: usize,
    window: Window,
}

impl Kernel for WeightGradient {
    const NAME: &'static str = "the gradient of conv2d by its weights";

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        if let Some(taps) = Taps::of(&self.window, self.outputs) {
            return taps.weight_gradient(self.images, inputs[0], inputs[1], inputs.get(2).copied(), output);
        }
        if let Some(tiles) = Winograd::of(&self.window, self.outputs) {
            return tiles.weight_gradient(self.images, inputs[0], inputs[1], inputs.get(2).copied(), output);
        }
        if self.window.is_identity() {
            return self.of_one_tap(inputs[0], inputs[1], inputs.get(2).copied(), output);
        }
        let (isa, taps, area) = (Isa::detect(), self.window.rows(), self.window.columns());
        let source = inputs[0].len() / self.images.max(1);
        let out = Shared::of(output);
        for image in 0..self.images {
            let g = &inputs[1][image * self.outputs * area..(image + 1) * self.outputs * area];
            let pixels = &inputs[0][image * source..(image + 1) * source];
            let left = Left::by_rows(g, area, area);
            let (first, last) = (image == 0, image + 1 == self.images);
            let sums = Sums::scaled(out, taps, first, inputs.get(2).copied().filter(|_| last));
            Grid::new(1, self.outputs, taps, isa).run(|_, rows, columns, panel| {
                let right = Turned { window: &self.window, image: pixels };
                // SAFETY: a grid's tasks differ in the rows or the columns; the first image's sums overwrite.
                unsafe { gemm::multiply(isa, left, rows, &right, columns, panel, &sums) };
            });
        }
    }
}

impl WeightGradient {
    /// `dw[o, c] = sum_p g[o, p] x[c, p]`. Of the two, the one with fewer channels is turned, once for all rows.
    fn of_one_tap(&self, x: &[f32], g: &[f32], scale: Option<&[f32]>, output: &mut [f32]) {
        let (isa, channels, area) = (Isa::detect(), self.window.channels, self.window.columns());
        let across = channels > self.outputs;
        let ((many, rows), (few, columns)) = match across {
            true => ((x, channels), (g, self.outputs)),
            false => ((g, self.outputs), (x, channels)),
        };
        let pitch = pitch(columns);
        let mut turned = Lines::new(area * pitch);
        let mut sums = Lines::new(if across { rows * columns } else { 0 });
        let out = if across { sums.shared() } else { Shared::of(output) };
        for image in 0..self.images {
            turned.as_mut_slice().par_chunks_mut(64 * pitch).enumerate().for_each(|(block, to)| {
                let from = &few[image * columns * area + block * 64..];
                transpose(from, area, columns, to.len() / pitch, to, pitch);
            });
            let left = Left::by_rows(&many[image * rows * area..], area, area);
            let right = ByRows { data: turned.as_slice(), pitch };
            let (first, last) = (image == 0, image + 1 == self.images);
            let sums = Sums::scaled(out, columns, first, scale.filter(|_| last && !across));
            Grid::new(1, rows, columns, isa).run(|_, rows, columns, panel| {
                // SAFETY: a grid's tasks differ in the rows or the columns; the first image's sums overwrite.
                unsafe { gemm::multiply(isa, left, rows, &right, columns, panel, &sums) };
            });
        }
        if !across {
            return;
        }
        let sums = sums.as_slice();
        output.par_chunks_mut(16 * channels).enumerate().for_each(|(block, to)| {
            transpose(&sums[block * 16..], columns, channels, to.len() / channels, to, channels);
            for (row, to) in to.chunks_exact_mut(channels).enumerate() {
                let scale = scale.map_or(1.0, |scale| scale[block * 16 + row]);
                to.iter_mut().for_each(|w| *w *= scale);
            }
        });
    }
}

/// An unrolled image, transposed, as right operand.
struct Turned<'a> {
    window: &'a Window,
    image: &'a [f32],
}

impl Right for Turned<'_> {
    fn fill(&self, terms: Range<usize>, columns: Range<usize>, panel: &mut [f32], pitch: usize) {
        let mut unrolled = Lines::new(columns.len() * terms.len());
        let unrolled = unrolled.as_mut_slice();
        self.window.unroll(self.image, columns.clone(), terms.clone(), unrolled, terms.len());
        transpose(unrolled, terms.len(), columns.len(), terms.len(), panel, pitch);
    }
}
