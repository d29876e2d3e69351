//! The spike behind the seam of `ml`: a bottleneck block of ResNet-101 (1x1 to a quarter, 3x3, 1x1 back, frozen batch
//! norm as factor and summand, residual, ReLU), one of group 2 at 81x81 and one of group 4 at 41x41, forward and
//! backward, once through candle's stock operations and its autograd, once through the fused operations of `ml::ops`;
//! then single layers of the network.
//!
//! `cargo bench --bench bottleneck [-- THREADS]`

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use std::time::Instant;

use candle_core::{DType, Device, Tensor, Var};
use repro::ml::ops::conv::{Conv2d, Epilogue};
use repro::ml::ops::elementwise::{masked, sum_of_squares};
use repro::ml::ops::zeros;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const ROUNDS: usize = 9;

fn main() -> Result<()> {
    let threads = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(2);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    println!("{threads} threads; milliseconds, least and median of {ROUNDS}\n");
    for (channels, size, dilation) in [(256, 81, 1), (1024, 41, 2)] {
        let name = format!("bottleneck {channels}, {size}x{size}, d{dilation}");
        println!("{name:<44} {:>9} {:>9}", "least", "median");
        let block = Block::new(channels, size, dilation)?;
        let (mut stock, mut fused) = (Vec::new(), Vec::new());
        for _ in 0..=ROUNDS {
            stock.push(time(|| block.stock().map(drop))?);
            fused.push(time(|| block.fused().map(drop))?);
        }
        let stock = report("candle, forward and backward", &mut stock);
        let fused = report("fused, forward and backward", &mut fused);
        println!("{:<44} {:>9.2} {:>9.2}", "ratio", stock.0 / fused.0, stock.1 / fused.1);
        // Ours is also masked for the layer below.
        let (a, b) = (masked(&block.stock()?, &block.x)?, block.fused()?);
        let gap = sum_of_squares(&(&a - &b)?)? / sum_of_squares(&a)?;
        // A value before a ReLU that rounding puts on the other side of zero alone makes some 1e-3.
        println!("{:<44} {:>9.1e}\n", "difference of the gradients by the input", gap.sqrt());
    }
    println!("{:<44} {:>9} {:>9}", "layer", "least", "median");
    // Inputs, outputs, kernel, stride, dilation, size.
    let layers = [
        (3, 64, 7, 2, 1, 321),
        (256, 64, 1, 1, 1, 81),
        (64, 64, 3, 1, 1, 81),
        (256, 512, 1, 2, 1, 81),
        (256, 256, 3, 1, 2, 41),
        (1024, 256, 1, 1, 1, 41),
        (256, 1024, 1, 1, 1, 41),
        (512, 512, 3, 1, 4, 41),
        (2048, 21, 3, 1, 12, 41),
    ];
    for (input, output, kernel, stride, dilation, size) in layers {
        let op = Conv2d { stride, dilation, ..Conv2d::default() };
        let name = format!("{kernel}x{kernel}/{stride} d{dilation} {input}->{output}, {size}");
        let x = random(&[1, input, size, size])?;
        let weights = random(&[output, input, kernel, kernel])?;
        let y = op.forward(&x, &weights, Epilogue::default())?;
        measure(&format!("{name} forward"), || {
            op.forward(&x, &weights, Epilogue::default())?;
            Ok(())
        })?;
        let shape = [1, input, size, size];
        measure(&format!("{name} dx"), || {
            op.backward_input(shape, &y, &weights, None, Epilogue::default())?;
            Ok(())
        })?;
        let gradient = zeros(weights.dims(), &Device::Cpu)?;
        measure(&format!("{name} dw"), || Ok(op.backward_weights(&x, &y, None, &gradient)?))?;
    }
    Ok(())
}

fn random(shape: &[usize]) -> Result<Tensor> {
    Ok(Tensor::randn(0.0_f32, 0.1, shape, &Device::Cpu)?)
}

fn time(mut body: impl FnMut() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    body()?;
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

/// Prints the least and the median of `times`, the first not counted, and gives them.
fn report(name: &str, times: &mut Vec<f64>) -> (f64, f64) {
    times.remove(0);
    times.sort_by(f64::total_cmp);
    let found = (times[0], times[times.len() / 2]);
    println!("{name:<44} {:>9.2} {:>9.2}", found.0, found.1);
    found
}

fn measure(name: &str, mut body: impl FnMut() -> Result<()>) -> Result<()> {
    let mut times = (0..=ROUNDS).map(|_| time(&mut body)).collect::<Result<Vec<_>>>()?;
    report(name, &mut times);
    Ok(())
}

struct Block {
    dilation: usize,
    x: Tensor,
    g: Tensor,
    weights: [Tensor; 3],
    scales: [Tensor; 3],
}

impl Block {
    fn new(channels: usize, size: usize, dilation: usize) -> Result<Self> {
        let inner = channels / 4;
        let shapes = [[inner, channels, 1, 1], [inner, inner, 3, 3], [channels, inner, 1, 1]];
        let [reduce, middle, expand] = shapes.map(|shape| random(&shape));
        let ones = |channels: usize| Tensor::ones(channels, DType::F32, &Device::Cpu);
        let scales = [ones(inner)?, ones(inner)?, ones(channels)?];
        let shape = [1, channels, size, size];
        let (x, g) = (random(&shape)?.relu()?, random(&shape)?);
        Ok(Block { dilation, x, g, weights: [reduce?, middle?, expand?], scales })
    }

    fn stock(&self) -> Result<Tensor> {
        let x = Var::from_tensor(&self.x)?;
        let weights = [0, 1, 2].map(|at| Var::from_tensor(&self.weights[at]));
        let [a, b, c] = weights;
        let weights = [a?, b?, c?];
        let norm = |y: Tensor, at: usize| -> Result<Tensor> {
            let factor = self.scales[at].reshape((1, (), 1, 1))?;
            Ok(y.broadcast_mul(&factor)?.broadcast_add(&factor)?)
        };
        let y = norm(x.conv2d(&weights[0], 0, 1, 1, 1)?, 0)?.relu()?;
        let y = norm(y.conv2d(&weights[1], self.dilation, 1, self.dilation, 1)?, 1)?.relu()?;
        let y = (norm(y.conv2d(&weights[2], 0, 1, 1, 1)?, 2)? + x.as_tensor())?.relu()?;
        let gradients = (y * &self.g)?.sum_all()?.backward()?;
        Ok(gradients.get(&x).ok_or("no gradient")?.clone())
    }

    fn fused(&self) -> Result<Tensor> {
        let ops = [1, self.dilation, 1].map(|dilation| Conv2d { dilation, ..Conv2d::default() });
        let forward = |at: usize, x: &Tensor, add: Option<&Tensor>| {
            let scale = Some(&self.scales[at]);
            ops[at].forward(
                x,
                &self.weights[at],
                Epilogue { scale, shift: scale, add, relu: true, ..Epilogue::default() },
            )
        };
        let a = forward(0, &self.x, None)?;
        let b = forward(1, &a, None)?;
        let y = forward(2, &b, Some(&self.x))?;
        let mut g = masked(&self.g, &y)?;
        let residual = g.clone();
        for (at, x) in [(2, &b), (1, &a), (0, &self.x)] {
            let dw = zeros(self.weights[at].dims(), &Device::Cpu)?;
            ops[at].backward_weights(x, &g, Some(&self.scales[at]), &dw)?;
            let add = (at == 0).then_some(&residual);
            let [n, c, h, w] = repro::ml::ops::nchw("x", x)?;
            let epilogue = Epilogue { add, mask: Some(x), ..Epilogue::default() };
            g = ops[at].backward_input([n, c, h, w], &g, &self.weights[at], Some(&self.scales[at]), epilogue)?;
        }
        Ok(g)
    }
}
