//! The matrix that mixes phases as the code of GroupInteraction's reference has it, from its parameter `w`, `[d^2, d^2]`:
//! `out_i = w[0, i] in_i + sum_{j >= 1} w[j, i] in_j`, so that the first row stands on the diagonal.

use candle_core::Tensor;

use super::dispatch::{Operation, blank, launch};
use super::shapes::check;
use crate::ml::error::{Error, Result};
use crate::ml::gpu::kernels;
use crate::ml::gpu::plan::Argument::{Input, Int, Output};
use crate::ml::gpu::plan::{GpuPlan, Operands};

/// The matrix.
pub fn matrix(w: &Tensor) -> Result<Tensor> {
    let phases = phases("The parameter of a group interaction", w)?;
    let matrix = blank(w.dims(), w.device())?;
    launch(&Matrix { phases }, &[w], &matrix)?;
    Ok(matrix)
}

/// Writes the gradient by the parameter from the one by the matrix.
pub fn gradient(by_matrix: &Tensor, gradient: &Tensor) -> Result<()> {
    let phases = phases("The gradient of a mixing matrix", by_matrix)?;
    check("The gradient of a group interaction", gradient, &[phases, phases])?;
    launch(&Gradient { phases }, &[by_matrix], gradient)
}

/// How many phases a matrix mixes: one at least.
fn phases(what: &str, matrix: &Tensor) -> Result<usize> {
    match *matrix.dims() {
        [rows, columns] if rows == columns && rows > 0 => Ok(rows),
        _ => Err(Error::Shape {
            what: what.to_owned(),
            found: matrix.dims().to_vec(),
            expected: "a matrix of as many rows as columns".to_owned(),
        }),
    }
}

struct Matrix {
    phases: usize,
}

// SAFETY: `matrix` sees that the parameter is square, and makes the output of its shape.
unsafe impl Operation for Matrix {
    const NAME: &'static str = "the matrix of a group interaction";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], matrix: &mut [f32]) {
        let (w, phases) = (inputs[0], self.phases);
        matrix.copy_from_slice(w);
        for i in 1..phases {
            matrix[i] = 0.0;
            matrix[i * phases + i] = (f64::from(w[i * phases + i]) + f64::from(w[i])) as f32;
        }
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        GpuPlan::each(kernels::INTERACTION, operands.output, [Input(0), Output, Int(self.phases)])
    }
}

struct Gradient {
    phases: usize,
}

// SAFETY: `gradient` compares the shapes of both, which are square.
unsafe impl Operation for Gradient {
    const NAME: &'static str = "the gradient of a group interaction";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], w: &mut [f32]) {
        w.copy_from_slice(inputs[0]);
        (1..self.phases).for_each(|i| w[i] = inputs[0][i * self.phases + i]);
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        GpuPlan::each(kernels::INTERACTION_GRADIENT, operands.output, [Input(0), Output, Int(self.phases)])
    }
}
