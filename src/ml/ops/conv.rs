//! Convolutions of images in NCHW with filters in OIHW, as products of weights and unrolled images.
//!
//! With `col` the unrolled image (see [`super::window`]), for one image:
//! - forward: `y[o, p] = sum_k w[o, k] col(x)[k, p]`, `k = (c, i, j)`;
//! - gradient by the input: the same with the filter turned by half a circle, `w'[c, (o, i, j)] =
//!   w[o, c, KH-1-i, KW-1-j]`, over the gradient of the output, with the padding `(K-1) d - before`, and where the
//!   stride is not 1 only at the source positions that it divides;
//! - gradient by the weights: `dw[o, k] = sum_p g[o, p] col(x)[k, p]`, images in order.
//!
//! Three taps by three between many channels are tiles of fewer products ([`super::winograd`]), and several taps to few
//! channels are shifted sums ([`super::taps`]).
//!
//! What surrounds a convolution in the network is folded into the same pass: [`Epilogue`].

use std::ops::Range;

use candle_core::Tensor;
use rayon::prelude::*;

use super::gemm::{self, Block, ByRows, Isa, Panel, Right, Rows, Store};
use super::scratch::Lines;
use super::taps::Taps;
use super::window::{Window, same};
use super::winograd::{Filter, Winograd};
use super::{Kernel, Shared, activation, check, cuda, launch_on_cpu, nchw, undefined};
use crate::ml::error::Result;

/// Tasks into which a pass over one image is divided: enough that the last one does not keep the others waiting.
const TASKS: usize = 16;

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
    /// Sums without a product that differs from zero are zero: not so by tiles, which leave the rounding of sums that
    /// cancel.
    pub exact: bool,
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
        let (xs, ws) = (activation::sizes("The input of a convolution", x)?, nchw("A filter", weights)?);
        if cuda::applies(x.device()) {
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
        let (xs, ws) = (activation::sizes("The input of a convolution", x)?, nchw("A filter", weights)?);
        let window = self.window(xs, ws);
        if cuda::applies(x.device()) {
            return cuda::conv::forward(self, x, weights, self.whole(window.grid), epilogue);
        }
        self.correlate(x, weights, Window { grid: self.whole(window.grid), ..window }, epilogue)
    }

    fn correlate(&self, x: &Tensor, weights: &Tensor, window: Window, epilogue: Epilogue<'_>) -> Result<Tensor> {
        let (xs, ws) = (activation::sizes("The input of a convolution", x)?, nchw("A filter", weights)?);
        check("The input of a convolution", x, &[xs[0], ws[1], xs[2], xs[3]])?;
        let y = undefined(&[xs[0], ws[0], window.grid[0], window.grid[1]], x.device())?;
        epilogue.check(&y)?;
        let kernel = Correlate { images: xs[0], outputs: ws[0], window, turned: false, epilogue };
        launch_on_cpu(&kernel, &epilogue.inputs(x, weights), &y)?;
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
        if cuda::applies(g.device()) {
            return cuda::conv::backward_input(self, shape, g, weights, scale, epilogue);
        }
        let window = self.turned(&forward, ws[0]);
        let dx = undefined(&shape, g.device())?;
        epilogue.check(&dx)?;
        let mut inputs = epilogue.inputs(g, weights);
        inputs.extend(scale);
        let kernel = Correlate { images: shape[0], outputs: shape[1], window, turned: true, epilogue };
        launch_on_cpu(&kernel, &inputs, &dx)?;
        Ok(dx)
    }

    /// Writes the gradient by the weights, from the input `x` and the gradient `g` of the output, to `gradient`; each
    /// output channel times `scale`.
    ///
    /// # Shapes
    /// `x` `[N, C, H, W]`, `g` `[N, O, OH, OW]`, of either forward pass, `scale` `[O]`, `gradient` `[O, C, KH, KW]`.
    pub fn backward_weights(&self, x: &Tensor, g: &Tensor, scale: Option<&Tensor>, gradient: &Tensor) -> Result<()> {
        let xs = activation::sizes("The input of a convolution", x)?;
        let ws = nchw("The gradient of a filter", gradient)?;
        let window = self.window_of(xs, ws, g)?;
        check("The input of a convolution", x, &[xs[0], ws[1], xs[2], xs[3]])?;
        if cuda::applies(x.device()) {
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
            activation::check("A summand or mask of a convolution", tensor, output.dims())?;
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
    epilogue: Epilogue<'a>,
}

impl Kernel for Correlate<'_> {
    const NAME: &'static str = "conv2d";

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let mut rest = inputs[2..].iter().copied();
        let finish = Finish::new(&self.epilogue, &mut rest);
        let scale = rest.next().filter(|_| self.turned);
        if let Some(taps) = Taps::of(&self.window, self.outputs).filter(|_| !self.turned) {
            return taps.correlate(self.images, inputs[0], inputs[1], Shared(output.as_mut_ptr()), finish);
        }
        if let Some(tiles) = Winograd::of(&self.window, self.outputs).filter(|_| !self.epilogue.exact) {
            let filter = if self.turned { Filter::Turned(inputs[1], scale) } else { Filter::Plain(inputs[1]) };
            return tiles.correlate(self.images, inputs[0], filter, Shared(output.as_mut_ptr()), finish);
        }
        let turned = self.turned.then(|| turned(inputs[1], self.outputs, self.window.kernel, scale));
        let weights = turned.as_ref().map_or(inputs[1], Lines::as_slice);
        let rows = self.window.rows();
        let left = Rows { data: weights, pitch: rows, terms: rows };

        let (isa, area, source) = (Isa::detect(), self.window.columns(), inputs[0].len() / self.images.max(1));
        let tasks = Grid::new(self.images, self.outputs, area, isa);
        let out = Shared(output.as_mut_ptr());
        tasks.run(|image, rows, columns, panel| {
            let start = image * self.outputs * area;
            let right = Unrolled { window: &self.window, image: &inputs[0][image * source..(image + 1) * source] };
            let mut sums = Sums { out, start, area, finish };
            gemm::multiply(isa, left, rows, &right, columns, panel, &mut sums);
        });
    }
}

/// The weights of the gradient by the input, `w'[c, (o, i, j)] = w[o, c, KH-1-i, KW-1-j] scale[o]`.
fn turned(weights: &[f32], channels: usize, kernel: [usize; 2], scale: Option<&[f32]>) -> Lines {
    let taps = kernel[0] * kernel[1];
    let outputs = weights.len() / (channels * taps).max(1);
    let mut turned = Lines::new(weights.len());
    let rows = turned.as_mut_slice().par_chunks_mut((16 * outputs * taps).max(1)).enumerate();
    rows.for_each(|(block, rows)| {
        if taps == 1 {
            gemm::transpose(&weights[block * 16..], channels, outputs, rows.len() / outputs, rows, outputs);
        }
        for (c, row) in rows.chunks_exact_mut(outputs * taps).enumerate() {
            for (o, to) in row.chunks_exact_mut(taps).enumerate() {
                let scale = scale.map_or(1.0, |scale| scale[o]);
                if taps == 1 {
                    to[0] *= scale;
                } else {
                    let from = weights[(o * channels + block * 16 + c) * taps..][..taps].iter().rev();
                    to.iter_mut().zip(from).for_each(|(to, from)| *to = from * scale);
                }
            }
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
}

/// The tasks of products for several images: each takes some columns and, where these are few, some rows.
pub(super) struct Grid {
    images: usize,
    rows: usize,
    high: usize,
    columns: usize,
    wide: usize,
}

impl Grid {
    /// Products of `rows` by `columns` sums.
    pub fn new(images: usize, rows: usize, columns: usize, isa: Isa) -> Self {
        // Two register tiles, so that what is read of the left operand serves twice as long.
        let wide = 2 * isa.columns();
        let parts = TASKS.div_ceil((images * columns.div_ceil(wide)).max(1)).min(rows / 64).max(1);
        Grid { images, rows, high: rows.div_ceil(parts).next_multiple_of(8), columns, wide }
    }

    /// Calls `task` with every image, some of the rows, and some of the columns.
    pub fn run(&self, task: impl Fn(usize, Range<usize>, Range<usize>, &mut Panel) + Sync) {
        let (parts, tiles) = (self.rows.div_ceil(self.high), self.columns.div_ceil(self.wide));
        (0..self.images * tiles * parts).into_par_iter().for_each_init(Panel::default, |panel, at| {
            let (image, tile, part) = (at / parts / tiles, at / parts % tiles, at % parts);
            let rows = part * self.high..self.rows.min((part + 1) * self.high);
            task(image, rows, tile * self.wide..self.columns.min((tile + 1) * self.wide), panel);
        });
    }
}

/// The operands of an epilogue.
#[derive(Clone, Copy)]
pub(super) struct Finish<'a> {
    scale: Option<&'a [f32]>,
    shift: Option<&'a [f32]>,
    add: Option<&'a [f32]>,
    relu: bool,
    mask: Option<&'a [f32]>,
}

impl<'a> Finish<'a> {
    /// Takes those that there are from `inputs`, in the order of [`Epilogue::inputs`].
    fn new(epilogue: &Epilogue<'_>, inputs: &mut impl Iterator<Item = &'a [f32]>) -> Self {
        let mut next = |there: bool| if there { inputs.next() } else { None };
        Finish {
            scale: next(epilogue.scale.is_some()),
            shift: next(epilogue.shift.is_some()),
            add: next(epilogue.add.is_some()),
            relu: epilogue.relu,
            mask: next(epilogue.mask.is_some()),
        }
    }

    /// Finishes the sums `y` of channel `channel`, which begin at element `at` of the output.
    #[inline(always)]
    pub fn apply(&self, y: &mut [f32], channel: usize, at: usize) {
        if let Some(scale) = self.scale {
            y.iter_mut().for_each(|y| *y *= scale[channel]);
        }
        if let Some(shift) = self.shift {
            y.iter_mut().for_each(|y| *y += shift[channel]);
        }
        if let Some(add) = self.add {
            y.iter_mut().zip(&add[at..]).for_each(|(y, a)| *y += a);
        }
        if self.relu {
            // Written so that a value that is not a number stays one.
            y.iter_mut().for_each(|y| *y = if *y < 0.0 { 0.0 } else { *y });
        }
        if let Some(mask) = self.mask {
            y.iter_mut().zip(&mask[at..]).for_each(|(y, m)| *y = if *m > 0.0 { *y } else { 0.0 });
        }
    }

    /// Fetches what finishing `len` sums from element `at` on reads.
    #[inline(always)]
    pub fn expect(&self, at: usize, len: usize) {
        for operand in [self.add, self.mask].into_iter().flatten() {
            gemm::prefetch(&operand[at], len);
        }
    }
}

/// Adds up the blocks of sums in the output, and finishes them after the last.
struct Sums<'a> {
    out: Shared,
    start: usize,
    area: usize,
    finish: Finish<'a>,
}

impl Store for Sums<'_> {
    #[inline(always)]
    fn expect(&self, row: usize, column: usize, columns: usize, block: Block) {
        let at = self.start + row * self.area + column;
        gemm::prefetch(self.out.at(at), columns);
        if block.last {
            self.finish.expect(at, columns);
        }
    }

    #[inline(always)]
    fn store(&mut self, row: usize, column: usize, sums: &[f32], block: Block) {
        let at = self.start + row * self.area + column;
        // SAFETY: tasks differ in image, rows or columns, so no two write the same elements.
        let out = unsafe { self.out.slice(at, sums.len()) };
        match block.first {
            true => out.copy_from_slice(sums),
            false => out.iter_mut().zip(sums).for_each(|(y, s)| *y += s),
        }
        if block.last {
            self.finish.apply(out, row, at);
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
        let out = Shared(output.as_mut_ptr());
        for image in 0..self.images {
            let g = &inputs[1][image * self.outputs * area..(image + 1) * self.outputs * area];
            let pixels = &inputs[0][image * source..(image + 1) * source];
            let left = Rows { data: g, pitch: area, terms: area };
            let (first, last) = (image == 0, image + 1 == self.images);
            let sums = RowSums { out, pitch: taps, first, scale: inputs.get(2).copied().filter(|_| last) };
            Grid::new(1, self.outputs, taps, isa).run(|_, rows, columns, panel| {
                let right = Turned { window: &self.window, image: pixels };
                gemm::multiply(isa, left, rows, &right, columns, panel, &mut { sums });
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
        // A cache line more than whole ones, so that rows do not all fall into the same sets of a cache.
        let pitch = columns.next_multiple_of(16) + 16;
        let mut turned = Lines::new(area * pitch);
        let mut sums = Lines::new(if across { rows * columns } else { 0 });
        let out = if across { sums.shared() } else { Shared(output.as_mut_ptr()) };
        for image in 0..self.images {
            turned.as_mut_slice().par_chunks_mut(64 * pitch).enumerate().for_each(|(block, to)| {
                let from = &few[image * columns * area + block * 64..];
                gemm::transpose(from, area, columns, to.len() / pitch, to, pitch);
            });
            let left = Rows { data: &many[image * rows * area..], pitch: area, terms: area };
            let right = ByRows { data: turned.as_slice(), pitch };
            let (first, last) = (image == 0, image + 1 == self.images);
            let sums = RowSums { out, pitch: columns, first, scale: scale.filter(|_| last && !across) };
            Grid::new(1, rows, columns, isa).run(|_, rows, columns, panel| {
                gemm::multiply(isa, left, rows, &right, columns, panel, &mut { sums });
            });
        }
        if !across {
            return;
        }
        let sums = sums.as_slice();
        output.par_chunks_mut(16 * channels).enumerate().for_each(|(block, to)| {
            gemm::transpose(&sums[block * 16..], columns, channels, to.len() / channels, to, channels);
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
        gemm::transpose(unrolled, terms.len(), columns.len(), terms.len(), panel, pitch);
    }
}

/// Adds sums to rows at distance `pitch`, or overwrites them where they are the `first`, and scales them when they are
/// complete.
#[derive(Clone, Copy)]
pub(super) struct RowSums<'a> {
    pub out: Shared,
    pub pitch: usize,
    pub first: bool,
    pub scale: Option<&'a [f32]>,
}

impl Store for RowSums<'_> {
    #[inline(always)]
    fn expect(&self, row: usize, column: usize, columns: usize, _: Block) {
        gemm::prefetch(self.out.at(row * self.pitch + column), columns);
    }

    #[inline(always)]
    fn store(&mut self, row: usize, column: usize, sums: &[f32], block: Block) {
        // SAFETY: tasks differ in rows or columns, so no two write the same elements.
        let out = unsafe { self.out.slice(row * self.pitch + column, sums.len()) };
        match self.first && block.first {
            true => out.copy_from_slice(sums),
            false => out.iter_mut().zip(sums).for_each(|(w, s)| *w += s),
        }
        if let Some(scale) = self.scale.filter(|_| block.last) {
            out.iter_mut().for_each(|w| *w *= scale[row]);
        }
    }
}
