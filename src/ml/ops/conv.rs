//! Convolutions of images in NCHW with filters in OIHW, as products of packed weights and unrolled images.
//!
//! With `col` the unrolled image (see [`super::window`]), for one image:
//! - forward: `y[o, p] = sum_k w[o, k] col(x)[k, p]`, `k = (c, i, j)`;
//! - gradient by the input: the same with the filter turned by half a circle, `w'[c, (o, i, j)] =
//!   w[o, c, KH-1-i, KW-1-j]`, over the gradient of the output, with the padding `(K-1) d - before`, and where the
//!   stride is not 1 only at the source positions that it divides;
//! - gradient by the weights: `dw[o, k] = sum_p g[o, p] col(x)[k, p]`, images in order.
//!
//! What surrounds a convolution in the network is folded into the same pass: [`Epilogue`].

use candle_core::Tensor;
use rayon::prelude::*;

use super::gemm::{self, COLUMNS, DEPTH, Isa, Left, Store};
use super::window::{Window, same};
use super::{Kernel, Shared, check, cuda, launch_on_cpu, nchw, zeros};
use crate::ml::error::Result;

/// The columns of the unrolled matrix that a task of a convolution takes: whole register tiles, and few enough that the
/// last task of all does not keep the others waiting.
const PIXELS: usize = 96;
/// The rows of the unrolled matrix that a task of a gradient by the weights takes: whole register tiles, into which the
/// usual numbers of channels divide.
const TAPS: usize = 128;

/// The geometry of a convolution with `SAME` padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2d {
    /// The distance between outputs, in inputs.
    pub stride: usize,
    /// The distance between taps, in inputs.
    pub dilation: usize,
}

/// What happens to the sums of a convolution before they are written, in this order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// Multiplies each output channel: `[O]`.
    pub scale: Option<&'a Tensor>,
    /// Is added to each output channel: `[O]`.
    pub shift: Option<&'a Tensor>,
    /// Is added: the shape of the output.
    pub add: Option<&'a Tensor>,
    /// Negative values become zero.
    pub relu: bool,
    /// Values become zero where this is not positive: the shape of the output.
    pub mask: Option<&'a Tensor>,
}

impl Conv2d {
    fn window(&self, [_, channels, height, width]: [usize; 4], [_, _, kh, kw]: [usize; 4]) -> Window {
        let y = same(height, kh, self.stride, self.dilation);
        let x = same(width, kw, self.stride, self.dilation);
        Window {
            channels,
            source: [height, width],
            grid: [y.outputs, x.outputs],
            kernel: [kh, kw],
            step: self.stride,
            dilation: self.dilation,
            pad: [y.before as isize, x.before as isize],
            divide: 1,
        }
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
        let mut window = self.window(xs, ws);
        let whole = self.whole(window.grid);
        if g.dims() == [xs[0], ws[0], whole[0], whole[1]] {
            window.grid = whole;
        }
        check("The gradient of a convolution's output", g, &[xs[0], ws[0], window.grid[0], window.grid[1]])?;
        Ok(window)
    }

    /// The convolution of `x` with `weights`.
    ///
    /// # Shapes
    /// `x` `[N, C, H, W]`, `weights` `[O, C, KH, KW]` -> `[N, O, ceil(H / stride), ceil(W / stride)]`.
    pub fn forward(&self, x: &Tensor, weights: &Tensor, epilogue: Epilogue<'_>) -> Result<Tensor> {
        let (xs, ws) = (nchw("The input of a convolution", x)?, nchw("A filter", weights)?);
        if cuda::applies(x) {
            return cuda::conv::forward(self, x, weights, self.window(xs, ws).grid, epilogue);
        }
        self.correlate(x, weights, self.window(xs, ws), epilogue)
    }

    /// As [`Conv2d::forward`], with outputs beyond the bottom and the right border up to a multiple of the dilation:
    /// what a convolution gives of an input that zeros fill up to whole cells.
    ///
    /// # Shapes
    /// As [`Conv2d::forward`], the output's height and width rounded up to multiples of the dilation.
    pub fn forward_whole(&self, x: &Tensor, weights: &Tensor, epilogue: Epilogue<'_>) -> Result<Tensor> {
        let (xs, ws) = (nchw("The input of a convolution", x)?, nchw("A filter", weights)?);
        let window = self.window(xs, ws);
        if cuda::applies(x) {
            return cuda::conv::forward(self, x, weights, self.whole(window.grid), epilogue);
        }
        self.correlate(x, weights, Window { grid: self.whole(window.grid), ..window }, epilogue)
    }

    fn correlate(&self, x: &Tensor, weights: &Tensor, window: Window, epilogue: Epilogue<'_>) -> Result<Tensor> {
        let (xs, ws) = (nchw("The input of a convolution", x)?, nchw("A filter", weights)?);
        check("The input of a convolution", x, &[xs[0], ws[1], xs[2], xs[3]])?;
        let y = zeros(&[xs[0], ws[0], window.grid[0], window.grid[1]], x.device())?;
        epilogue.check(&y)?;
        let (scale, inputs) = (epilogue.scale.is_some(), epilogue.inputs(x, weights));
        let kernel = Correlate { images: xs[0], outputs: ws[0], window, turned: false, scale, epilogue };
        launch_on_cpu(&kernel, &inputs, &y)?;
        Ok(y)
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
        let ws = nchw("A filter", weights)?;
        let forward = self.window_of(shape, ws, g)?;
        if cuda::applies(g) {
            return cuda::conv::backward_input(self, shape, g, weights, scale, epilogue);
        }
        let window = self.turned(&forward, ws[0]);
        let dx = zeros(&shape, g.device())?;
        epilogue.check(&dx)?;
        let mut inputs = epilogue.inputs(g, weights);
        inputs.extend(scale);
        let kernel =
            Correlate { images: shape[0], outputs: shape[1], window, turned: true, scale: scale.is_some(), epilogue };
        launch_on_cpu(&kernel, &inputs, &dx)?;
        Ok(dx)
    }

    /// Writes the gradient by the weights, from the input `x` and the gradient `g` of the output, to `gradient`; each
    /// output channel times `scale`.
    ///
    /// # Shapes
    /// `x` `[N, C, H, W]`, `g` `[N, O, OH, OW]`, of either forward pass, `scale` `[O]`, `gradient` `[O, C, KH, KW]`.
    pub fn backward_weights(&self, x: &Tensor, g: &Tensor, scale: Option<&Tensor>, gradient: &Tensor) -> Result<()> {
        let xs = nchw("The input of a convolution", x)?;
        let ws = nchw("The gradient of a filter", gradient)?;
        let window = self.window_of(xs, ws, g)?;
        check("The input of a convolution", x, &[xs[0], ws[1], xs[2], xs[3]])?;
        if cuda::applies(x) {
            return cuda::conv::backward_weights(self, x, g, scale, gradient);
        }
        let kernel = WeightGradient { images: xs[0], outputs: ws[0], window };
        let inputs: Vec<&Tensor> = [x, g].into_iter().chain(scale).collect();
        launch_on_cpu(&kernel, &inputs, gradient)
    }
}

impl<'a> Epilogue<'a> {
    /// The operands of a kernel: the two given, then those of the epilogue that there are.
    fn inputs(&self, x: &'a Tensor, weights: &'a Tensor) -> Vec<&'a Tensor> {
        [Some(x), Some(weights), self.scale, self.shift, self.add, self.mask].into_iter().flatten().collect()
    }

    pub(super) fn check(&self, output: &Tensor) -> Result<()> {
        let channels = output.dims()[1];
        for tensor in self.scale.into_iter().chain(self.shift) {
            check("A factor or summand of channels", tensor, &[channels])?;
        }
        for tensor in self.add.into_iter().chain(self.mask) {
            check("A summand or mask of a convolution", tensor, output.dims())?;
        }
        Ok(())
    }
}

/// A convolution, or the gradient of one by its input (`turned`). Inputs: source, weights, those of the epilogue that
/// there are, and for the gradient the scale.
struct Correlate<'a> {
    images: usize,
    outputs: usize,
    window: Window,
    turned: bool,
    scale: bool,
    epilogue: Epilogue<'a>,
}

impl Correlate<'_> {
    /// The weights as left operand `[outputs, rows of the unrolled source]`.
    fn left(&self, weights: &[f32], scale: Option<&[f32]>) -> Left {
        let rows = self.window.rows();
        if !self.turned {
            return Left::pack(Isa::detect(), self.outputs, rows, |o, k| weights[o * rows + k]);
        }
        let taps = self.window.kernel[0] * self.window.kernel[1];
        Left::pack(Isa::detect(), self.outputs, rows, |c, k| {
            let (o, tap) = (k / taps, k % taps);
            weights[(o * self.outputs + c) * taps + taps - 1 - tap] * scale.map_or(1.0, |scale| scale[o])
        })
    }
}

impl Kernel for Correlate<'_> {
    const NAME: &'static str = "conv2d";

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let mut rest = inputs[2..].iter().copied();
        let mut next = |there: bool| if there { rest.next() } else { None };
        let scale = next(self.epilogue.scale.is_some());
        let shift = next(self.epilogue.shift.is_some());
        let add = next(self.epilogue.add.is_some());
        let mask = next(self.epilogue.mask.is_some());
        let left = self.left(inputs[1], next(self.turned && self.scale));

        let (area, source) = (self.window.columns(), inputs[0].len() / self.images.max(1));
        let tiles = area.div_ceil(PIXELS);
        // Where images and tiles are few, rows are divided as well; that unrolls the source again for each part.
        let parts = left.divide(8_usize.div_ceil((self.images * tiles).max(1)), 64);
        let tasks = self.images * tiles * parts.len();
        let out = Shared(output.as_mut_ptr());
        (0..tasks).into_par_iter().for_each_init(
            || vec![0.0; DEPTH * COLUMNS],
            |unrolled, task| {
                let (part, at) = (task % parts.len(), task / parts.len());
                let (image, tile) = (at / tiles, at % tiles);
                let columns = tile * PIXELS..area.min((tile + 1) * PIXELS);
                let start = image * self.outputs * area;
                let of_image = |operand: &'_ [f32]| start..(start + self.outputs * area).min(operand.len());
                let mut sums = Sums {
                    out,
                    start,
                    area,
                    column: columns.start,
                    first: true,
                    last: false,
                    scale,
                    shift,
                    add: add.map(|add| &add[of_image(add)]),
                    relu: self.epilogue.relu,
                    mask: mask.map(|mask| &mask[of_image(mask)]),
                };
                let pixels = &inputs[0][image * source..(image + 1) * source];
                for block in 0..left.blocks() {
                    self.window.unroll(pixels, left.terms(block), columns.clone(), unrolled, COLUMNS);
                    (sums.first, sums.last) = (block == 0, block + 1 == left.blocks());
                    let (rows, wide) = (parts[part].clone(), columns.len());
                    gemm::multiply(&left, rows, block, unrolled, COLUMNS, wide, &mut sums);
                }
            },
        );
    }
}

/// Adds up the blocks of sums in the output, and finishes them after the last.
struct Sums<'a> {
    out: Shared,
    start: usize,
    area: usize,
    column: usize,
    first: bool,
    last: bool,
    scale: Option<&'a [f32]>,
    shift: Option<&'a [f32]>,
    add: Option<&'a [f32]>,
    relu: bool,
    mask: Option<&'a [f32]>,
}

impl Store for Sums<'_> {
    #[inline(always)]
    fn expect(&self, row: usize, column: usize, columns: usize) {
        let at = row * self.area + self.column + column;
        gemm::prefetch(self.out.at(self.start + at), columns);
        for operand in [self.add, self.mask].into_iter().flatten().filter(|_| self.last) {
            gemm::prefetch(&operand[at], columns);
        }
    }

    #[inline(always)]
    fn store(&mut self, row: usize, column: usize, sums: &[f32]) {
        let at = row * self.area + self.column + column;
        // SAFETY: tasks differ in image, rows or columns, so no two write the same elements.
        let out = unsafe { self.out.slice(self.start + at, sums.len()) };
        if self.first {
            out.copy_from_slice(sums);
        } else {
            out.iter_mut().zip(sums).for_each(|(y, s)| *y += s);
        }
        if !self.last {
            return;
        }
        if let Some(scale) = self.scale {
            out.iter_mut().for_each(|y| *y *= scale[row]);
        }
        if let Some(shift) = self.shift {
            out.iter_mut().for_each(|y| *y += shift[row]);
        }
        if let Some(add) = self.add {
            out.iter_mut().zip(&add[at..]).for_each(|(y, a)| *y += a);
        }
        if self.relu {
            // Written so that a value that is not a number stays one.
            out.iter_mut().for_each(|y| *y = if *y < 0.0 { 0.0 } else { *y });
        }
        if let Some(mask) = self.mask {
            out.iter_mut().zip(&mask[at..]).for_each(|(y, m)| *y = if *m > 0.0 { *y } else { 0.0 });
        }
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
        let (rows, area) = (self.window.rows(), self.window.columns());
        let source = inputs[0].len() / self.images.max(1);
        let tiles = rows.div_ceil(TAPS);
        output.fill(0.0);
        let out = Shared(output.as_mut_ptr());
        for image in 0..self.images {
            let g = &inputs[1][image * self.outputs * area..(image + 1) * self.outputs * area];
            let left = Left::pack(Isa::detect(), self.outputs, area, |o, p| g[o * area + p]);
            let pixels = &inputs[0][image * source..(image + 1) * source];
            let parts = left.divide(8_usize.div_ceil(tiles.max(1)), 64);
            (0..tiles * parts.len()).into_par_iter().for_each_init(
                || (vec![0.0; COLUMNS * DEPTH], vec![0.0; DEPTH * COLUMNS]),
                |(unrolled, turned), task| {
                    let (tile, part) = (task / parts.len(), task % parts.len());
                    let taps = tile * TAPS..rows.min((tile + 1) * TAPS);
                    for block in 0..left.blocks() {
                        let terms = left.terms(block);
                        self.window.unroll(pixels, taps.clone(), terms.clone(), unrolled, DEPTH);
                        transpose(unrolled, turned, taps.len(), terms.len());
                        let last = image + 1 == self.images && block + 1 == left.blocks();
                        let scale = if last { inputs.get(2).copied() } else { None };
                        let mut sums = RowSums { out, rows, column: taps.start, scale };
                        gemm::multiply(&left, parts[part].clone(), block, turned, COLUMNS, taps.len(), &mut sums);
                    }
                },
            );
        }
    }
}

/// `to[c, r] = from[r, c]` for `rows` rows at distance [`DEPTH`], written at distance [`COLUMNS`]; sixteen rows at a
/// time, so that whole cache lines are written.
fn transpose(from: &[f32], to: &mut [f32], rows: usize, columns: usize) {
    for row in (0..rows).step_by(16) {
        let height = 16.min(rows - row);
        for column in 0..columns {
            let line = &mut to[column * COLUMNS + row..][..height];
            for (i, value) in line.iter_mut().enumerate() {
                *value = from[(row + i) * DEPTH + column];
            }
        }
    }
}

/// Adds sums to rows of the gradient, and scales the rows when they are complete.
struct RowSums<'a> {
    out: Shared,
    rows: usize,
    column: usize,
    scale: Option<&'a [f32]>,
}

impl Store for RowSums<'_> {
    #[inline(always)]
    fn expect(&self, row: usize, column: usize, columns: usize) {
        gemm::prefetch(self.out.at(row * self.rows + self.column + column), columns);
    }

    #[inline(always)]
    fn store(&mut self, row: usize, column: usize, sums: &[f32]) {
        // SAFETY: tasks differ in rows or columns, so no two write the same elements.
        let out = unsafe { self.out.slice(row * self.rows + self.column + column, sums.len()) };
        out.iter_mut().zip(sums).for_each(|(w, s)| *w += s);
        if let Some(scale) = self.scale {
            out.iter_mut().for_each(|w| *w *= scale[row]);
        }
    }
}
