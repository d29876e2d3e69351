//! What the optimiser does to flat buffers.

use candle_core::Tensor;
use rayon::prelude::*;

use super::dispatch::{Operation, launch, together};
use super::shapes::check;
use crate::ml::error::Result;
use crate::ml::gpu::kernels;
use crate::ml::gpu::plan::Argument::{Float, Input, Output};
use crate::ml::gpu::plan::{GpuPlan, Operands};
use crate::ml::layout::check_apart;

/// Elements that one task takes.
const PIECE: usize = 1 << 14;

/// [`accumulate`], then [`descend`], for flat buffers of one length.
pub fn step(w: &Tensor, v: &Tensor, g: &Tensor, [momentum, decay, rate]: [f32; 3]) -> Result<()> {
    let len = w.dims1()?;
    check("The momentum of gradient descent", v, &[len])?;
    check("The gradient of gradient descent", g, &[len])?;
    check_apart("gradient descent", &[v, g], w)?;
    let size = together(w.device()).min(len.max(1));
    for start in (0..len).step_by(size) {
        let part = |flat: &Tensor| flat.narrow(0, start, size.min(len - start));
        let (w, v, g) = (part(w)?, part(v)?, part(g)?);
        accumulate(&v, &g, &w, momentum, decay)?;
        descend(&w, &v, rate)?;
    }
    Ok(())
}

/// `v = momentum * v + (g + decay * w)`.
pub fn accumulate(v: &Tensor, g: &Tensor, w: &Tensor, momentum: f32, decay: f32) -> Result<()> {
    check("The gradient of gradient descent", g, v.dims())?;
    check("The weights of gradient descent", w, v.dims())?;
    launch(&Accumulate { momentum, decay }, &[g, w], v)
}

/// `w = w - rate * v`.
pub fn descend(w: &Tensor, v: &Tensor, rate: f32) -> Result<()> {
    check("The momentum of gradient descent", v, w.dims())?;
    launch(&Descend { rate }, &[v], w)
}

/// `sum = sum + part / divisor`: a part of a mean.
pub fn add_part(sum: &Tensor, part: &Tensor, divisor: f32) -> Result<()> {
    check("A part of a mean", part, sum.dims())?;
    launch(&AddPart { divisor }, &[part], sum)
}

struct AddPart {
    divisor: f32,
}

// SAFETY: `add_part` compares the shapes of both.
unsafe impl Operation for AddPart {
    const NAME: &'static str = "the sum of gradients";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], sum: &mut [f32]) {
        sum.par_chunks_mut(PIECE).zip(inputs[0].par_chunks(PIECE)).for_each(|(sum, part)| {
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part / self.divisor);
        });
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        GpuPlan::each(kernels::ADD_PART, operands.output, [Input(0), Output, Float(self.divisor)])
    }
}

struct Accumulate {
    momentum: f32,
    decay: f32,
}

// SAFETY: `accumulate` compares the shapes of all operands.
unsafe impl Operation for Accumulate {
    const NAME: &'static str = "the momentum of gradient descent";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], v: &mut [f32]) {
        let gradients = inputs[0].par_chunks(PIECE).zip(inputs[1].par_chunks(PIECE));
        v.par_chunks_mut(PIECE).zip(gradients).for_each(|(v, (g, w))| {
            for ((v, g), w) in v.iter_mut().zip(g).zip(w) {
                *v = self.momentum * *v + (g + self.decay * w);
            }
        });
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        GpuPlan::each(
            kernels::ACCUMULATE,
            operands.output,
            [Input(0), Input(1), Output, Float(self.momentum), Float(self.decay)],
        )
    }
}

struct Descend {
    rate: f32,
}

// SAFETY: `descend` compares the shapes of both.
unsafe impl Operation for Descend {
    const NAME: &'static str = "the step of gradient descent";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], w: &mut [f32]) {
        w.par_chunks_mut(PIECE).zip(inputs[0].par_chunks(PIECE)).for_each(|(w, v)| {
            w.iter_mut().zip(v).for_each(|(w, v)| *w -= self.rate * v);
        });
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        GpuPlan::each(kernels::DESCEND, operands.output, [Input(0), Output, Float(self.rate)])
    }
}
