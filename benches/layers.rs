//! Layers by themselves, forward and backward, and steps of the smallest encoder, on all cores. Where a count is given,
//! it is of floating-point operations: `Gitem/s` is GFLOP/s.
//!
//! `cargo bench --bench layers [-- FILTER]`; `-- --test` runs each once.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use candle_core::{Device, Tensor};
use divan::Bencher;
use divan::counter::ItemsCount;
use repro::bench::workload::{Work, Workload, WorkloadSpec};
use repro::ml::cpu::memory;
use repro::ml::geometry::Padding;
use repro::ml::layers::prefilter::{self, DilatedConv, Extra, LayerGradients, LayerSize, PREFILTERS};
use repro::ml::layers::{Parameter, Role};
use repro::ml::numerics::Precision;
use repro::ml::ops::conv::{Conv2d, Epilogue};
use repro::ml::ops::zeros;
use repro::ml::spec::{Choice, ModelSpec};
use repro::ml::weights::{Scheme, initial};
use repro::rng::Rng;

fn main() {
    memory::keep_freed();
    divan::main();
}

fn random(shape: &[usize]) -> Tensor {
    let mut rng = Rng::new(1, "values", 0);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.range(-1.0, 1.0)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// The dilated convolutions of group 5, with each type.
mod prefilters {
    use super::*;

    const SIZE: LayerSize = LayerSize { channels: 512, dilation: 4 };
    const PLANE: usize = 41;

    fn names() -> impl Iterator<Item = &'static str> {
        PREFILTERS.iter().map(|entry| entry.name)
    }

    struct Subject {
        kind: Box<dyn DilatedConv>,
        weights: Tensor,
        own: Vec<Tensor>,
        shared: Vec<Tensor>,
        x: Tensor,
    }

    impl Subject {
        fn new(name: &str) -> Self {
            let kind = prefilter::build(&Choice::new(name)).unwrap();
            let start = |extras: Vec<Extra>| extras.into_iter().map(started).collect();
            Subject {
                own: start(kind.layer_parameters(SIZE)),
                shared: start(kind.network_parameters()),
                weights: random(&[SIZE.channels, SIZE.channels, 3, 3]),
                x: random(&[1, SIZE.channels, PLANE, PLANE]),
                kind,
            }
        }

        fn layer(&self) -> prefilter::DilatedLayer<'_> {
            let op = Conv2d { dilation: self.kind.dilation(SIZE.dilation, 0), ..Conv2d::default() };
            let (weights, own, shared) = (&self.weights, self.own.as_slice(), self.shared.as_slice());
            prefilter::DilatedLayer { op, weights, scale: None, shift: None, relu: true, own, shared }
        }
    }

    fn started(extra: Extra) -> Tensor {
        let Extra { name, shape, init, trainable } = extra;
        let parameter =
            Parameter { name: name.to_owned(), shape: shape.clone(), role: Role::Prefilter, trainable, init };
        Tensor::from_vec(initial(Scheme::Plain, 1, &parameter), shape, &Device::Cpu).unwrap()
    }

    fn slots(tensors: &[Tensor]) -> Vec<Option<Tensor>> {
        tensors.iter().map(|tensor| zeros(tensor.dims(), &Device::Cpu).ok()).collect()
    }

    #[divan::bench(args = names())]
    fn forward(bencher: Bencher<'_, '_>, name: &str) {
        let subject = Subject::new(name);
        bencher.bench_local(|| subject.kind.forward(&subject.layer(), &subject.x).unwrap());
    }

    #[divan::bench(args = names())]
    fn backward(bencher: Bencher<'_, '_>, name: &str) {
        let subject = Subject::new(name);
        let (y, saved) = subject.kind.forward(&subject.layer(), &subject.x).unwrap();
        let gradients = LayerGradients {
            exact: false,
            weights: slots(std::slice::from_ref(&subject.weights)).remove(0),
            own: slots(&subject.own),
            shared: slots(&subject.shared),
        };
        let Subject { kind, x, .. } = &subject;
        bencher.bench_local(|| kind.backward(&subject.layer(), x, &saved, &y, &gradients, Some(x)).unwrap());
    }
}

/// The convolutions of which ResNet-101 mostly consists, for one image of 321 x 321.
mod convolutions {
    use super::*;

    #[derive(Debug, Clone, Copy)]
    struct Conv {
        input: usize,
        output: usize,
        kernel: usize,
        op: Conv2d,
        plane: usize,
    }

    impl std::fmt::Display for Conv {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            let Conv { input, output, kernel, op: Conv2d { stride, dilation, .. }, plane } = self;
            write!(f, "{kernel}x{kernel}/{stride} d{dilation} {input}->{output}, {plane}")
        }
    }

    const fn conv(kernel: usize, stride: usize, dilation: usize, input: usize, output: usize, plane: usize) -> Conv {
        Conv { input, output, kernel, op: Conv2d { stride, dilation, padding: Padding::Same }, plane }
    }

    const CONVS: [Conv; 9] = [
        conv(7, 2, 1, 3, 64, 321),
        conv(1, 1, 1, 256, 64, 81),
        conv(3, 1, 1, 64, 64, 81),
        conv(1, 2, 1, 256, 512, 81),
        conv(3, 1, 2, 256, 256, 41),
        conv(1, 1, 1, 1024, 256, 41),
        conv(1, 1, 1, 256, 1024, 41),
        conv(3, 1, 4, 512, 512, 41),
        conv(3, 1, 12, 2048, 21, 41),
    ];

    impl Conv {
        fn operands(self) -> (Tensor, Tensor) {
            let Conv { input, output, kernel, plane, .. } = self;
            (random(&[1, input, plane, plane]), random(&[output, input, kernel, kernel]))
        }

        fn operations(self) -> ItemsCount {
            let outputs = self.plane.div_ceil(self.op.stride).pow(2);
            ItemsCount::new(2 * self.input * self.output * self.kernel.pow(2) * outputs)
        }
    }

    #[divan::bench(args = CONVS)]
    fn forward(bencher: Bencher<'_, '_>, conv: Conv) {
        let (x, weights) = conv.operands();
        let pass = || conv.op.forward(&x, &weights, Epilogue::default()).unwrap();
        bencher.counter(conv.operations()).bench_local(pass);
    }

    #[divan::bench(args = CONVS)]
    fn backward_input(bencher: Bencher<'_, '_>, conv: Conv) {
        let (x, weights) = conv.operands();
        let g = conv.op.forward(&x, &weights, Epilogue::default()).unwrap();
        let shape = [1, conv.input, conv.plane, conv.plane];
        let pass = || conv.op.backward_input(shape, &g, &weights, None, Epilogue::default()).unwrap();
        bencher.counter(conv.operations()).bench_local(pass);
    }

    #[divan::bench(args = CONVS)]
    fn backward_weights(bencher: Bencher<'_, '_>, conv: Conv) {
        let (x, weights) = conv.operands();
        let g = conv.op.forward(&x, &weights, Epilogue::default()).unwrap();
        let slot = zeros(weights.dims(), &Device::Cpu).unwrap();
        bencher.counter(conv.operations()).bench_local(|| conv.op.backward_weights(&x, &g, None, &slot).unwrap());
    }
}

/// The Tiny encoder on two images of 65 x 65, with each type.
mod tiny {
    use super::*;

    fn pass(bencher: Bencher<'_, '_>, name: &str, work: Work) {
        let model = ModelSpec::new(Choice::new("Tiny"), 21, Choice::new(name));
        let precision = Precision::Fp32;
        let workload = WorkloadSpec { model, work, batch: 2, size: [65, 65], recompute: 0, graph: false, precision };
        let mut workload = Workload::new(workload, &Device::Cpu).unwrap();
        bencher.counter(ItemsCount::new(workload.operations())).bench_local(|| workload.run().unwrap());
    }

    #[divan::bench(args = PREFILTERS.iter().map(|entry| entry.name))]
    fn training(bencher: Bencher<'_, '_>, name: &str) {
        pass(bencher, name, Work::Training);
    }

    #[divan::bench(args = PREFILTERS.iter().map(|entry| entry.name))]
    fn prediction(bencher: Bencher<'_, '_>, name: &str) {
        pass(bencher, name, Work::Prediction);
    }
}
