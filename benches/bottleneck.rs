//! One bottleneck block, forward and backward: the tensor library's operations with its autograd, against ours.
//!
//! `cargo bench --bench bottleneck`. Both compute the same numbers from the same values, on as many threads as the
//! machine has (or `RAYON_NUM_THREADS` says); runs alternate, so that a busy machine slows both.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::{Device, Tensor, Var};
use repro::ml::error::Result;
use repro::ml::layers::conv::{ConvSize, Folded};
use repro::ml::layers::{ConvNorm, Gradients, Inventory, Parameters};
use repro::ml::ops::conv::Conv2d;
use repro::ml::ops::elementwise;
use repro::ml::weights::{Scheme, initial};

const RUNS: usize = 7;

/// A block with an identity shortcut: `channels` in and out, a quarter of them inside.
struct Case {
    name: &'static str,
    channels: usize,
    size: usize,
    dilation: usize,
}

/// The output, the gradient by the input, and those by the three filters.
type Outcome = (Tensor, Tensor, Vec<Tensor>);

struct Block {
    inventory: Arc<Inventory>,
    convs: [Folded; 3],
}

impl Block {
    fn new(case: &Case) -> Result<Self> {
        let mut inventory = Inventory::default();
        let mut add = |name: &str, input, output, kernel, dilation| {
            let size = ConvSize { input, output, kernel, op: Conv2d { stride: 1, dilation } };
            ConvNorm::add(&mut inventory, name, size, 1.0, 1.0)
        };
        let (wide, narrow) = (case.channels, case.channels / 4);
        let plans = [
            add("reduce", wide, narrow, 1, 1),
            add("middle", narrow, narrow, 3, case.dilation),
            add("expand", narrow, wide, 1, 1),
        ];
        let inventory = Arc::new(inventory);
        let start = |parameter: &_| Ok(initial(Scheme::Stable, 1, parameter));
        let parameters = Parameters::build(inventory.clone(), &Device::Cpu, start)?;
        let [reduce, middle, expand] = plans.map(|plan| plan.fold(&parameters));
        Ok(Block { inventory, convs: [reduce?, middle?, expand?] })
    }

    /// As `models::pass` walks a block.
    fn fused(&self, x: &Tensor, g: &Tensor) -> Result<Outcome> {
        let [reduce, middle, expand] = &self.convs;
        let gradients = Gradients::zeros(self.inventory.clone(), &Device::Cpu)?;
        let reduced = reduce.forward(x, None, true)?;
        let inner = middle.forward(&reduced, None, true)?;
        let y = expand.forward(&inner, Some(x), true)?;
        let g = elementwise::masked(g, &y)?;
        let below = expand.backward(&inner, &g, Some(&gradients), None, Some(&inner))?;
        let below = middle.backward(&reduced, &below, Some(&gradients), None, Some(&reduced))?;
        let dx = reduce.backward(x, &below, Some(&gradients), Some(&g), None)?;
        let slots = self.convs.iter().map(|conv| gradients.slot(conv.id)).collect::<Result<Vec<_>>>()?;
        Ok((y, dx, slots.into_iter().flatten().collect()))
    }

    fn stock(&self, x: &Var, filters: &[Var], g: &Tensor) -> Result<Outcome> {
        let layer = |x: &Tensor, at: usize| -> Result<Tensor> {
            let conv = &self.convs[at];
            let padding = filters[at].dims()[2] / 2 * conv.op.dilation;
            let y = x.conv2d(&filters[at], padding, 1, conv.op.dilation, 1)?;
            let by_channel = |values: &Tensor| values.reshape((1, values.elem_count(), 1, 1));
            let y = y.broadcast_mul(&by_channel(&conv.affine.scale)?)?;
            Ok(y.broadcast_add(&by_channel(&conv.affine.shift)?)?)
        };
        let inner = layer(&layer(x, 0)?.relu()?, 1)?.relu()?;
        let y = (layer(&inner, 2)? + x.as_tensor())?.relu()?;
        let gradients = (&y * g)?.sum_all()?.backward()?;
        let of = |var: &Var| gradients.get(var).cloned().ok_or_else(|| candle_core::Error::Msg("no gradient".into()));
        Ok((y.clone(), of(x)?, filters.iter().map(of).collect::<candle_core::Result<_>>()?))
    }
}

/// The norm of the difference over the norm. Not the greatest difference: where a value before a ReLU is within
/// rounding of zero, the two may fall on different sides, and single gradients differ by as much as they are.
fn difference(a: &Tensor, b: &Tensor) -> Result<f64> {
    Ok((elementwise::sum_of_squares(&(a - b)?)? / elementwise::sum_of_squares(b)?).sqrt())
}

fn main() -> Result<()> {
    let cases = [
        Case { name: "group 2: 256, 81x81", channels: 256, size: 81, dilation: 1 },
        Case { name: "group 4: 1024, 41x41, dilation 2", channels: 1024, size: 41, dilation: 2 },
    ];
    println!("{:<34}{:>22}{:>22}{:>9}{:>12}", "block", "stock min/median", "ours min/median", "ratio", "difference");
    for case in cases {
        let block = Block::new(&case)?;
        let shape = (1, case.channels, case.size, case.size);
        let x = Var::from_tensor(&Tensor::randn(0.0_f32, 1.0, shape, &Device::Cpu)?)?;
        let g = Tensor::randn(0.0_f32, 1.0, shape, &Device::Cpu)?;
        let filters = block.convs.iter().map(|conv| Ok(Var::from_tensor(&conv.weights.copy()?)?));
        let filters = filters.collect::<Result<Vec<_>>>()?;
        let (mut times, mut worst) = ([Vec::new(), Vec::new()], 0.0_f64);
        for _ in 0..RUNS {
            let start = Instant::now();
            let stock = block.stock(&x, &filters, &g)?;
            times[0].push(start.elapsed());
            let start = Instant::now();
            let ours = block.fused(x.as_tensor(), &g)?;
            times[1].push(start.elapsed());
            worst = worst.max(difference(&ours.0, &stock.0)?).max(difference(&ours.1, &stock.1)?);
            for (ours, stock) in ours.2.iter().zip(&stock.2) {
                worst = worst.max(difference(ours, stock)?);
            }
        }
        let [stock, ours] = times.map(|mut times| {
            times.sort();
            (times[0], times[RUNS / 2])
        });
        let shown = |(least, median): (Duration, Duration)| {
            format!("{:.1} / {:.1} ms", least.as_secs_f64() * 1e3, median.as_secs_f64() * 1e3)
        };
        let ratio = stock.1.as_secs_f64() / ours.1.as_secs_f64();
        println!("{:<34}{:>22}{:>22}{:>8.1}x{:>12.1e}", case.name, shown(stock), shown(ours), ratio, worst);
    }
    Ok(())
}
