//! What brings several predictions of the same pixels together: maxima, probabilities, mirroring.

use candle_core::Tensor;
use rayon::prelude::*;

use super::activation;
use super::dispatch::{Operation, launch};
use crate::ml::error::Result;
use crate::ml::gpu::kernels;
use crate::ml::gpu::plan::Argument::{Input, Int, Output};
use crate::ml::gpu::plan::{GpuPlan, Operands};

/// Elements that one task takes.
const PIECE: usize = 1 << 14;

/// `y = max(y, x)`, element by element.
pub fn maximum(y: &Tensor, x: &Tensor) -> Result<()> {
    activation::check("A member of a maximum", x, &activation::sizes("A maximum", y)?)?;
    launch(&Maximum, &[x], y)
}

/// The gradients by the members of a maximum `y` from the gradient `g` by it. As TensorFlow's `reduce_max`, equal
/// members share it equally.
pub fn maximum_backward(members: &[Tensor], y: &Tensor, g: &Tensor) -> Result<Vec<Tensor>> {
    let shape = activation::sizes("A maximum", y)?;
    activation::check("The gradient of a maximum", g, &shape)?;
    let winners = activation::zeros(shape, y)?;
    for member in members {
        activation::check("A member of a maximum", member, &shape)?;
        launch(&Count, &[member, y], &winners)?;
    }
    let share = |member: &Tensor| {
        let out = activation::blank(shape, y)?;
        launch(&Share, &[member, y, g, &winners], &out)?;
        Ok(out)
    };
    members.iter().map(share).collect()
}

/// The logarithm of the softmax over the classes.
///
/// # Shapes
/// `[N, C, H, W]` -> `[N, C, H, W]`.
pub fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    let shape = activation::sizes("The logits", logits)?;
    let [_, classes, height, width] = shape;
    let out = activation::blank(shape, logits)?;
    launch(&LogSoftmax { classes, area: height * width }, &[logits], &out)?;
    Ok(out)
}

/// `y = log(exp(y) + exp(x))`, element by element: the sum of probabilities whose logarithms these are.
pub fn log_add(y: &Tensor, x: &Tensor) -> Result<()> {
    activation::check("A member of a sum of probabilities", x, &activation::sizes("A sum of probabilities", y)?)?;
    launch(&LogAdd, &[x], y)
}

/// Left and right exchanged.
///
/// # Shapes
/// `[N, C, H, W]` -> `[N, C, H, W]`.
pub fn mirrored(x: &Tensor) -> Result<Tensor> {
    let shape = activation::sizes("An image to be mirrored", x)?;
    let [_, channels, _, width] = shape;
    let out = activation::blank(shape, x)?;
    launch(&Mirror { channels, width }, &[x], &out)?;
    Ok(out)
}

struct Maximum;

// SAFETY: `maximum` compares the shapes of both.
unsafe impl Operation for Maximum {
    const NAME: &'static str = "maximum";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], y: &mut [f32]) {
        y.iter_mut().zip(inputs[0]).for_each(|(y, x)| *y = y.max(*x));
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        GpuPlan::each(kernels::MAXIMUM, operands.output, [Input(0), Output])
    }
}

struct Count;

// SAFETY: `maximum_backward` compares the shapes of all operands.
unsafe impl Operation for Count {
    const NAME: &'static str = "the winners of a maximum";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], winners: &mut [f32]) {
        let equal = inputs[0].iter().zip(inputs[1]).map(|(x, y)| if x == y { 1.0 } else { 0.0 });
        winners.iter_mut().zip(equal).for_each(|(winners, one)| *winners += one);
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        GpuPlan::each(kernels::WINNERS, operands.output, [Input(0), Input(1), Output])
    }
}

struct Share;

// SAFETY: `maximum_backward` compares the shapes of all operands.
unsafe impl Operation for Share {
    const NAME: &'static str = "the gradient of a maximum";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], out: &mut [f32]) {
        let [member, y, g, winners] = [inputs[0], inputs[1], inputs[2], inputs[3]];
        for (at, out) in out.iter_mut().enumerate() {
            *out = if member[at] == y[at] { g[at] / winners[at] } else { 0.0 };
        }
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        GpuPlan::each(kernels::SHARE, operands.output, [Input(0), Input(1), Input(2), Input(3), Output])
    }
}

struct LogSoftmax {
    classes: usize,
    area: usize,
}

// SAFETY: `log_softmax` makes the output of the input's shape, whose classes the kernel has.
unsafe impl Operation for LogSoftmax {
    const NAME: &'static str = "the logarithm of the softmax";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let (classes, area) = (self.classes, self.area.max(1));
        let size = (classes * area).max(1);
        output.par_chunks_mut(size).zip(inputs[0].par_chunks(size)).for_each(|(out, logits)| {
            for p in 0..area {
                let of = |class: usize| logits[class * area + p];
                let greatest = (0..classes).map(of).fold(f32::NEG_INFINITY, f32::max);
                let sum: f32 = (0..classes).map(|class| libm::expf(of(class) - greatest)).sum();
                let log = libm::logf(sum);
                (0..classes).for_each(|class| out[class * area + p] = of(class) - greatest - log);
            }
        });
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        GpuPlan::each(
            kernels::LOG_SOFTMAX,
            operands.output / self.classes.max(1),
            [Input(0), Output, Int(self.classes)],
        )
    }
}

struct LogAdd;

// SAFETY: `log_add` compares the shapes of both.
unsafe impl Operation for LogAdd {
    const NAME: &'static str = "the sum of probabilities";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], y: &mut [f32]) {
        y.par_chunks_mut(PIECE).zip(inputs[0].par_chunks(PIECE)).for_each(|(y, x)| {
            for (y, x) in y.iter_mut().zip(x) {
                *y = y.max(*x) + libm::log1pf(libm::expf(-(*y - x).abs()));
            }
        });
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        GpuPlan::each(kernels::LOG_ADD, operands.output, [Input(0), Output])
    }
}

struct Mirror {
    channels: usize,
    width: usize,
}

// SAFETY: `mirrored` makes the output of the input's shape, whose sizes the kernel has.
unsafe impl Operation for Mirror {
    const NAME: &'static str = "mirroring";
    type Output = f32;

    fn cpu(&self, inputs: &[&[f32]], output: &mut [f32]) {
        let width = self.width.max(1);
        for (out, row) in output.chunks_exact_mut(width).zip(inputs[0].chunks_exact(width)) {
            out.iter_mut().zip(row.iter().rev()).for_each(|(out, x)| *out = *x);
        }
    }
    fn gpu(&self, operands: Operands<'_>) -> GpuPlan<'_> {
        GpuPlan::each(kernels::MIRROR, operands.output, [Input(0), Output, Int(self.channels), Int(self.width)])
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn tensor(data: &[f32]) -> Tensor {
        Tensor::from_slice(data, (1, data.len(), 1, 1), &Device::Cpu).unwrap()
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn a_maximum_gives_its_gradient_to_the_greatest_and_equal_ones_share_it() {
        let members = [tensor(&[1.0, 5.0, 2.0]), tensor(&[3.0, 5.0, -1.0]), tensor(&[2.0, 0.0, 2.0])];
        let y = members[0].copy().unwrap();
        members[1..].iter().for_each(|x| maximum(&y, x).unwrap());
        assert_eq!(values(&y), [3.0, 5.0, 2.0]);
        let gradients = maximum_backward(&members, &y, &tensor(&[1.0, 4.0, 6.0])).unwrap();
        let gradients: Vec<_> = gradients.iter().map(values).collect();
        assert_eq!(gradients, [[0.0, 2.0, 3.0], [1.0, 2.0, 0.0], [0.0, 0.0, 3.0]]);
    }

    #[test]
    fn probabilities_add_up_in_their_logarithms() {
        let logits = [[1.0, -2.0, 0.5], [90.0, -90.0, 3.0], [0.0, 0.0, 0.0]];
        let sum = log_softmax(&tensor(&logits[0])).unwrap();
        logits[1..].iter().for_each(|x| log_add(&sum, &log_softmax(&tensor(x)).unwrap()).unwrap());
        for (class, found) in values(&sum).iter().enumerate() {
            let of = |x: &[f32; 3]| {
                let e = x.map(|x| f64::from(x).exp());
                e[class] / e.iter().sum::<f64>()
            };
            let expected: f64 = logits.iter().map(of).sum();
            assert!((f64::from(*found).exp() / expected - 1.0).abs() < 1e-6, "{class}");
        }
    }

    #[test]
    fn mirroring_twice_changes_nothing() {
        let x = Tensor::arange(0.0_f32, 24.0, &Device::Cpu).unwrap().reshape((1, 2, 4, 3)).unwrap();
        let once = mirrored(&x).unwrap();
        assert_eq!(values(&once)[..6], [2.0, 1.0, 0.0, 5.0, 4.0, 3.0]);
        assert_eq!(values(&mirrored(&once).unwrap()), values(&x));
    }
}
