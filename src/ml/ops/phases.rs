//! Mixing of phases: a plane is cut into `d * d` phases, each of the pixels `d` apart along both axes, and each output
//! phase is a weighted sum of all phases, pixel by pixel (Wang and Ji, KDD 2018, section 3.2).
//!
//! Phase `p` of `(y, x)` is `(y mod d) d + x mod d`. A plane whose size is no multiple of `d` is filled up with zeros
//! at the bottom and to the right. `out_i = sum_j m[j, i] in_j`, `j` in order.

use candle_core::Tensor;
use rayon::prelude::*;

use super::activation;
use super::dispatch::{Operation, launch};
use super::shapes::check;
use crate::ml::cpu::simd::{Loop, dot, vectorised};
use crate::ml::error::{Error, Result};
use crate::ml::gpu::kernels;
use crate::ml::gpu::plan::Argument::{Absent, Activation, ActivationOutput, Input, Int, Output, Scratch};
use crate::ml::gpu::plan::{GpuPlan, Launch, Operands, ScratchSize};

/// How many planes are summed in one piece, for the gradient by the matrix.
const PIECE: usize = 16;

/// The greatest dilation that the gradient by the matrix has a kernel for.
const MOST_ON_GPU: usize = 8;

/// What happens to mixed phases before they are written, in this order.
#[derive(Debug, Clone, Copy, Default)]
pub struct PhaseEpilogue<'a> {
    /// Multiplies each channel: `[C]`.
    pub scale: Option<&'a Tensor>,
    /// Is added to each channel: `[C]`.
    pub shift: Option<&'a Tensor>,
    /// Negative values become zero.
    pub relu: bool,
}

/// A dilation, whose phases are mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phases {
    /// The distance `d` between the pixels of a phase.
    pub dilation: usize,
}

impl Phases {
    /// The least multiple of the dilation that is not below `size`.
    pub fn whole(&self, size: usize) -> usize {
        size.next_multiple_of(self.dilation.max(1))
    }

    /// The phases of `x` mixed by `matrix`, as planes of `size`: cut there, or filled up with zeros from `x` on.
    ///
    /// # Shapes
    /// `x` `[N, C, H, W]`, `matrix` `[d^2, d^2]` -> `[N, C, size]`; both sizes have the same whole cells.
    pub fn mix(&self, x: &Tensor, matrix: &Tensor, size: [usize; 2], finish: PhaseEpilogue<'_>) -> Result<Tensor> {
        self.run(x, matrix, false, size, finish)
    }

    /// The gradient by the input, of size `size`, from the gradient `g` of the output times `scale`.
    ///
    /// # Shapes
    /// `g` `[N, C, H, W]`, `matrix` `[d^2, d^2]`, `scale` `[C]` -> `[N, C, size]`.
    pub fn backward_input(
        &self,
        g: &Tensor,
        matrix: &Tensor,
        scale: Option<&Tensor>,
        size: [usize; 2],
    ) -> Result<Tensor> {
        self.run(g, matrix, true, size, PhaseEpilogue { scale, ..PhaseEpilogue::default() })
    }

    /// Writes the gradient by the matrix, from the input `x` and the gradient `g` of the output times `scale`, to
    /// `gradient`.
    ///
    /// # Shapes
    /// `x` `[N, C, H, W]`, `g` `[N, C, h, w]`, `scale` `[C]`, `gradient` `[d^2, d^2]`.
    pub fn backward_matrix(&self, x: &Tensor, g: &Tensor, scale: Option<&Tensor>, gradient: &Tensor) -> Result<()> {
        let [n, c, height, width] = activation::sizes("The input of a mixing of phases", x)?;
        let [_, _, h, w] = activation::sizes("The gradient of a mixing of phases", g)?;
        check("The gradient of a mixing of phases", g, &[n, c, h, w])?;
        let cells = self.cells([height, width], [h, w])?;
        check("The gradient of a mixing matrix", gradient, &[self.dilation.pow(2), self.dilation.pow(2)])?;
        if let Some(scale) = scale {
            check("A factor of channels", scale, &[c])?;
        }
        let kernel = Matrix { dilation: self.dilation, channels: c, input: [height, width], output: [h, w], cells };
        let inputs: Vec<&Tensor> = [x, g].into_iter().chain(scale).collect();
        launch(&kernel, &inputs, gradient)
    }

    fn run(
        &self,
        x: &Tensor,
        matrix: &Tensor,
        of_gradient: bool,
        to: [usize; 2],
        finish: PhaseEpilogue<'_>,
    ) -> Result<Tensor> {
        let [n, c, height, width] = activation::sizes("The input of a mixing of phases", x)?;
        check("A mixing matrix", matrix, &[self.dilation.pow(2), self.dilation.pow(2)])?;
        let PhaseEpilogue { scale, shift, relu } = finish;
        for tensor in scale.into_iter().chain(shift) {
            check("A factor or summand of channels", tensor, &[c])?;
        }
        let from = [height, width];
        let cells = self.cells(from, to)?;
        let y = activation::blank([n, c, to[0], to[1]], x)?;
        let kernel = Mix {
            dilation: self.dilation,
            channels: c,
            from,
            to,
            cells,
            transposed: of_gradient,
            scale: scale.is_some(),
            shift: shift.is_some(),
            relu,
        };
        let inputs: Vec<&Tensor> = [x, matrix].into_iter().chain(scale).chain(shift).collect();
        launch(&kernel, &inputs, &y)?;
        Ok(y)
    }

    /// Cells of `d` by `d` pixels along each axis, of planes of both sizes; an error where these have not the same.
    fn cells(&self, a: [usize; 2], b: [usize; 2]) -> Result<[usize; 2]> {
        let [of_a, of_b] = [a, b].map(|size| size.map(|size| size.div_ceil(self.dilation.max(1))));
        if self.dilation == 0 || of_a != of_b || of_a.contains(&0) {
            let expected = format!("a size of the cells of {b:?}, each {0} by {0}", self.dilation);
            return Err(Error::Shape {
                what: "The image of a mixing of phases".to_owned(),
                found: a.to_vec(),
                expected,
            });
        }
        Ok(of_a)
    }
}

/// Writes the phases of a plane to `lanes`, one after another, a value a cell.
fn gather(dilation: usize, plane: &[f32], [height, width]: [usize; 2], cells: [usize; 2], lanes: &mut Vec<f32>) {
    lanes.clear();
    lanes.resize(dilation * dilation * cells[0] * cells[1], 0.0);
    for (y, row) in plane.chunks_exact(width.max(1)).enumerate().take(height) {
        for phase in 0..dilation {
            let lane = (y % dilation * dilation + phase) * cells[0] + y / dilation;
            let values = row.iter().skip(phase).step_by(dilation);
            lanes[lane * cells[1]..(lane + 1) * cells[1]].iter_mut().zip(values).for_each(|(to, from)| *to = *from);
        }
    }
}

/// Inputs: source, matrix, and the factors and summands of channels that there are.
struct Mix {
    dilation: usize,
    channels: usize,
    from: [usize; 2],
    to: [usize; 2],
    cells: [usize; 2],
    /// Whether the matrix is transposed, as for the gradient.
    transposed: bool,
    scale: bool,
    shift: bool,
    relu: bool,
}

impl Mix {
    /// `m[j, i]`, or `m[i, j]` for the gradient.
    fn weight(&self, matrix: &[f32], j: usize, i: usize) -> f32 {
        let phases = self.dilation * self.dilation;
        if self.transposed { matrix[i * phases + j] } else { matrix[j * phases + i] }
    }
}

// SAFETY: `Phases::run` compares the shapes of all operands, and makes the output; the kernel reads no pixel beyond a border.
unsafe impl Operation for Mix {
    const NAME: &'static str = "mixing of phases";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let (from, to) = (self.from[0] * self.from[1], self.to[0] * self.to[1]);
        let scale = self.scale.then(|| inputs[2]);
        let shift = self.shift.then(|| inputs[2 + usize::from(self.scale)]);
        let (phases, count) = (self.dilation * self.dilation, self.cells[0] * self.cells[1]);
        let weights: Vec<f32> =
            (0..phases * phases).map(|at| self.weight(inputs[1], at % phases, at / phases)).collect();
        output.par_chunks_mut(to.max(1)).enumerate().for_each_init(
            || (Vec::new(), vec![0.0; count]),
            |(lanes, mixed), (at, out)| {
                gather(self.dilation, &inputs[0][at * from..(at + 1) * from], self.from, self.cells, lanes);
                let channel = at % self.channels;
                let (factor, summand) = (scale.map(|s| s[channel]), shift.map(|s| s[channel]));
                for (phase, weights) in weights.chunks_exact(phases).enumerate() {
                    vectorised(Combine { lanes, weights, out: mixed });
                    if let Some(factor) = factor {
                        mixed.iter_mut().for_each(|y| *y *= factor);
                    }
                    if let Some(summand) = summand {
                        mixed.iter_mut().for_each(|y| *y += summand);
                    }
                    if self.relu {
                        // Written so that a value that is not a number stays one.
                        mixed.iter_mut().for_each(|y| *y = if *y < 0.0 { 0.0 } else { *y });
                    }
                    self.scatter(phase, mixed, out);
                }
            },
        );
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        let scale = if self.scale { Input(2) } else { Absent };
        let shift = if self.shift { Input(2 + usize::from(self.scale)) } else { Absent };
        let ([h, w], [height, width]) = (self.from, self.to);
        let switches = [self.relu, self.transposed].map(usize::from);
        let sizes = [switches[0], switches[1], self.dilation, self.channels, h, w, height, width].map(Int);
        GpuPlan::each(
            kernels::MIX,
            operands.output,
            [&[Activation(0), Input(1), scale, shift, ActivationOutput], &sizes[..]].concat(),
        )
    }
}

impl Mix {
    /// Writes a phase to its pixels.
    fn scatter(&self, phase: usize, values: &[f32], out: &mut [f32]) {
        let (first, column) = (phase / self.dilation, phase % self.dilation);
        let rows = out.chunks_exact_mut(self.to[1].max(1)).skip(first).step_by(self.dilation);
        for (row, values) in rows.zip(values.chunks_exact(self.cells[1].max(1))) {
            row.iter_mut().skip(column).step_by(self.dilation).zip(values).for_each(|(to, from)| *to = *from);
        }
    }
}

/// `out = sum_j weights[j] lanes[j]`.
struct Combine<'a> {
    lanes: &'a [f32],
    weights: &'a [f32],
    out: &'a mut [f32],
}

impl Loop for Combine<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.out.fill(0.0);
        for (lane, weight) in self.lanes.chunks_exact(self.out.len().max(1)).zip(self.weights) {
            self.out.iter_mut().zip(lane).for_each(|(y, x)| *y += weight * x);
        }
    }
}

/// Inputs: the mixing's input, the gradient of its output, and optionally a factor for each channel. A plane is summed
/// in sixteen interleaved chains; planes are then added in order, in 64-bit arithmetic.
struct Matrix {
    dilation: usize,
    channels: usize,
    input: [usize; 2],
    output: [usize; 2],
    cells: [usize; 2],
}

// SAFETY: `Phases::backward_matrix` compares the shapes of all operands, and dilations end where the kernel's room does.
unsafe impl Operation for Matrix {
    const NAME: &'static str = "the gradient of mixing of phases by its matrix";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let (input, size) = ((self.input[0] * self.input[1]).max(1), (self.output[0] * self.output[1]).max(1));
        let count = self.cells[0] * self.cells[1];
        let planes = inputs[0].len() / input;
        let piece = |piece: usize| {
            let mut sums = vec![0.0_f64; output.len()];
            let (mut x, mut g) = (Vec::new(), Vec::new());
            for plane in piece * PIECE..planes.min((piece + 1) * PIECE) {
                gather(self.dilation, &inputs[0][plane * input..(plane + 1) * input], self.input, self.cells, &mut x);
                gather(self.dilation, &inputs[1][plane * size..(plane + 1) * size], self.output, self.cells, &mut g);
                let scale = inputs.get(2).map_or(1.0, |scale| scale[plane % self.channels]);
                vectorised(Products { x: &x, g: &g, count, scale, sums: &mut sums });
            }
            sums
        };
        let parts: Vec<Vec<f64>> = (0..planes.div_ceil(PIECE)).into_par_iter().map(piece).collect();
        for (at, out) in output.iter_mut().enumerate() {
            *out = parts.iter().map(|part| part[at]).sum::<f64>() as f32;
        }
    }
    fn lacks_on_gpu(&self) -> Option<String> {
        let dilation = self.dilation;
        (dilation > MOST_ON_GPU)
            .then(|| format!("Phases are mixed up to dilation {MOST_ON_GPU} on a GPU, not {dilation}."))
    }

    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        let ([h, w], [height, width], [rows, columns]) = (self.input, self.output, self.cells);
        let blocks = operands.inputs[0] / (h * w * self.channels).max(1) * rows * columns;
        let scale = if operands.inputs.len() > 2 { Input(2) } else { Absent };
        let sizes = [self.dilation, self.channels, h, w, height, width, rows, columns].map(Int);
        let products = [&[Activation(0), Activation(1), scale, Scratch(0)], &sizes[..]].concat();
        let sums = [&[Scratch(0), Output], &[operands.output, 1, blocks].map(Int)[..]].concat();
        GpuPlan {
            scratch: vec![ScratchSize::Bytes(blocks * operands.output * size_of::<f64>())],
            launches: vec![
                Launch::blocks(kernels::MIX_PRODUCTS, blocks, products),
                Launch::blocks(kernels::SUM_PLANES, operands.output, sums),
            ],
        }
    }
}

/// Adds `scale sum_cells x_j g_i` to `sums[j, i]`, phases of `count` cells.
struct Products<'a> {
    x: &'a [f32],
    g: &'a [f32],
    count: usize,
    scale: f32,
    sums: &'a mut [f64],
}

impl Loop for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Products { x, g, count, scale, sums } = self;
        let pairs = x.chunks_exact(count.max(1)).flat_map(|x| g.chunks_exact(count.max(1)).map(move |g| (x, g)));
        for ((x, g), sum) in pairs.zip(sums) {
            *sum += f64::from(scale) * f64::from(dot(x, g));
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::super::differences::{CELLS, STEP, differences, like, quarters, tensor, values, weighted};
    use super::super::elementwise;
    use super::*;

    #[test]
    fn mixing_of_phases_has_the_gradients_of_differences() {
        for (dilation, [height, width]) in CELLS {
            let what = format!("{height} x {width}, dilation {dilation}");
            let phases = Phases { dilation };
            let whole = [height, width].map(|size| size.next_multiple_of(dilation));
            let (x, m) =
                (quarters("x", &[2, 3, whole[0], whole[1]]), quarters("m", &[dilation.pow(2), dilation.pow(2)]));
            let (scale, shift) =
                (tensor(&[3], vec![1.0, -1.0, 2.0]), tensor(&[3], vec![-5.0 / 32.0, 3.0 / 32.0, 1.0 / 32.0]));
            let finish = PhaseEpilogue { scale: Some(&scale), shift: Some(&shift), relu: true };
            let forward = |x: &Tensor, m: &Tensor| phases.mix(x, m, [height, width], finish).unwrap();
            let (y, r) = (forward(&x, &m), quarters("r", &[2, 3, height, width]));
            assert!(values(&y).contains(&0.0), "{what}: the ReLU does nothing");
            let g = elementwise::masked(&r, &y).unwrap();
            let dx = phases.backward_input(&g, &m, Some(&scale), whole).unwrap();
            let dm = like(&m);
            phases.backward_matrix(&x, &g, Some(&scale), &dm).unwrap();
            differences(&format!("x of {what}"), &x, &dx, STEP, 0.0, |x| weighted(&forward(x, &m), &r));
            differences(&format!("m of {what}"), &m, &dm, STEP, 0.0, |m| weighted(&forward(&x, m), &r));
            let eye = Tensor::eye(dilation.pow(2), candle_core::DType::F32, &Device::Cpu).unwrap();
            let kept = phases.mix(&x, &eye, whole, PhaseEpilogue::default()).unwrap();
            assert_eq!(values(&kept), values(&x), "{what}");
        }
    }
}
