//! Every operation on a GPU against its processor's body: on the GPU itself where there is one, and by emulation elsewhere. Inputs of four dimensions are activations there, which lie channels last; a body takes those that are filters by
//! [`parameter`].

mod convolutions;
#[cfg(feature = "cuda")]
mod graph;
mod training;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use candle_core::{DType, Device, Tensor};

use super::blend::{Blend, Gaussian, Part, Term};
use super::conv::{Conv2d, Epilogue};
use super::dispatch::order;
use super::norm::Statistics;
use super::phases::{PhaseEpilogue, Phases};
use super::pool::MaxPool;
use super::{activation, depthwise, elementwise, fuse, interaction, loss, norm, resize, update, upsampled};
use crate::fsio;
use crate::ml::device::first_gpu;
use crate::ml::gpu::emulated;
use crate::ml::gpu::kernels;
use crate::ml::layout::Order;
use crate::ml::resample::Sampling;
use crate::rng::Rng;

/// How far a result may be from the processor's, as a part of the greatest value: for sums in another order.
const SUMS: f32 = 2e-6;

fn random(name: &str, shape: &[usize]) -> Tensor {
    let mut rng = Rng::new(3, name, 0);
    let data: Vec<f32> = (0..shape.iter().product()).map(|_| rng.range(-1.0, 1.0)).collect();
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.to_device(&Device::Cpu).unwrap().to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// How far results may be from the processor's, as a part of the greatest value of theirs.
#[derive(Debug, Clone, Copy)]
struct Tolerance {
    /// Farther than this is told.
    near: f32,
    /// Farther than this is a failure.
    far: f32,
}

/// Nothing is told that does not fail.
fn within(tolerance: f32) -> Tolerance {
    Tolerance { near: tolerance, far: tolerance }
}

/// Comparisons of results with the processor's. Each one prints its greatest gap, and none ends the test: those that are too
/// far are told together when this is dropped, and fail the test then.
#[derive(Default)]
struct Cases {
    count: Cell<usize>,
    failures: RefCell<Vec<String>>,
}

impl Drop for Cases {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let (count, failures) = (self.count.get(), self.failures.take());
        assert!(failures.is_empty(), "{} of {count} results are too far:\n{}", failures.len(), failures.join("\n"));
        assert!(count > 0 || !emulated::possible(), "nothing was compared");
    }
}

impl Cases {
    /// Runs `body` on the processor and by the plans for a GPU, on copies of `inputs`. The tensors that it gives must agree
    /// within `tolerance`.
    fn agree(&self, what: &str, tolerance: f32, inputs: &[Tensor], body: impl Fn(&[Tensor]) -> Vec<Tensor>) {
        self.agree_in(DType::F32, what, within(tolerance), inputs, body);
    }

    /// As [`Cases::agree`], and again with activations in bfloat16, within the rounding of a few of them.
    fn agree_in_both(&self, what: &str, tolerance: f32, inputs: &[Tensor], body: impl Fn(&[Tensor]) -> Vec<Tensor>) {
        self.agree_in(DType::F32, what, within(tolerance), inputs, &body);
        let rounded = |x: &Tensor| match x.rank() {
            4 => x.to_dtype(DType::BF16).unwrap().to_dtype(DType::F32).unwrap(),
            _ => x.clone(),
        };
        let inputs: Vec<Tensor> = inputs.iter().map(rounded).collect();
        self.agree_in(DType::BF16, &format!("{what}, bfloat16,"), within(1.0 / 128.0), &inputs, body);
    }

    fn agree_in(
        &self,
        dtype: DType,
        what: &str,
        tolerance: Tolerance,
        inputs: &[Tensor],
        body: impl Fn(&[Tensor]) -> Vec<Tensor>,
    ) {
        let copies = |device: &Device| -> Vec<Tensor> {
            let copy = |x: &Tensor| match x.rank() {
                4 if order(device) == Order::ChannelsLast => {
                    activation::cast(&activation::enter(x, device).unwrap(), dtype).unwrap()
                }
                _ => x.copy().unwrap().to_device(device).unwrap(),
            };
            inputs.iter().map(copy).collect()
        };
        let expected: Vec<Vec<f32>> = body(&copies(&Device::Cpu)).iter().map(values).collect();
        if let Some(place) = Place::all() {
            let what = format!("{what} {}", place.name());
            // One that panics is a failure as others are.
            let found = catch_unwind(AssertUnwindSafe(|| {
                place.run(|device| body(&copies(device)).iter().map(values).collect::<Vec<_>>())
            }));
            match found {
                Ok(found) => self.compare(&what, tolerance, &found, &expected),
                Err(panic) => self.fail(format!("gap FAR panic of {:.0e}: {what}: {}", tolerance.far, said(&*panic))),
            }
        }
    }

    /// Compares results with those that are expected, and tells the greatest gap.
    fn compare(&self, what: &str, tolerance: Tolerance, found: &[Vec<f32>], expected: &[Vec<f32>]) {
        self.count.set(self.count.get() + 1);
        let lens = |all: &[Vec<f32>]| all.iter().map(Vec::len).collect::<Vec<_>>();
        if lens(found) != lens(expected) {
            return self.fail(format!("gap FAR: {what}: {:?} elements for {:?}", lens(found), lens(expected)));
        }
        // The gap, the number of the result and the element.
        let (mut worst, mut place) = (0.0_f32, (0, 0));
        for (number, (found, expected)) in found.iter().zip(expected).enumerate() {
            let finite = expected.iter().map(|value| value.abs()).filter(|value| value.is_finite());
            let greatest = finite.fold(f32::MIN_POSITIVE, f32::max);
            for (at, (a, b)) in found.iter().zip(expected).enumerate() {
                let same = a == b || a.is_nan() && b.is_nan();
                let gap = if same { 0.0 } else { (a - b).abs() / greatest };
                let gap = if gap.is_nan() { f32::INFINITY } else { gap };
                if gap > worst {
                    (worst, place) = (gap, (number, at));
                }
            }
        }
        let (number, at) = place;
        let place = || {
            let (a, b) = (found[number][at], expected[number][at]);
            format!(", result {number}, element {at}: {a} for {b}")
        };
        self.judge(what, tolerance, worst, place);
    }

    /// As [`Cases::compare`] for one result, by the norm of the difference as a part of the norm of what is expected. Rounding
    /// moves a value that is nearly zero to the other side of a ReLU, now and then. That moves few elements far, and the norm
    /// hardly.
    fn compare_norms(&self, what: &str, tolerance: Tolerance, found: &[f32], expected: &[f32]) {
        self.count.set(self.count.get() + 1);
        if found.len() != expected.len() {
            return self.fail(format!("gap FAR: {what}: {} elements for {}", found.len(), expected.len()));
        }
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
        let difference = norm(&mut found.iter().zip(expected).map(|(a, b)| f64::from(*a) - f64::from(*b)));
        let whole = norm(&mut expected.iter().map(|b| f64::from(*b)));
        let gap = if difference == 0.0 { 0.0 } else { (difference / whole) as f32 };
        let gap = if gap.is_nan() { f32::INFINITY } else { gap };
        self.judge(what, tolerance, gap, || format!(": of the norm {whole:.3e}"));
    }

    /// Tells a gap, and notes one that is too far, with `place`.
    fn judge(&self, what: &str, tolerance: Tolerance, worst: f32, place: impl Fn() -> String) {
        let Tolerance { near, far } = tolerance;
        let (word, limit) = match worst {
            worst if worst <= near => ("ok", near),
            worst if worst <= far => ("near", far),
            _ => ("FAR", far),
        };
        let line = format!("gap {word} {worst:.1e} of {limit:.0e}: {what}");
        if worst <= far {
            return eprintln!("{line}");
        }
        self.fail(format!("{line}{}", place()));
    }

    fn fail(&self, line: String) {
        eprintln!("{line}");
        self.failures.borrow_mut().push(line);
    }
}

/// What a panic says.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it says nothing").to_owned()
}

/// Where the plans for a GPU are carried out.
enum Place {
    /// On the processor.
    Emulated,
    Gpu(Device),
}

impl Place {
    /// The GPU, where there is one. Else the processor, where it has a compiler for the kernels.
    fn all() -> Option<Place> {
        match first_gpu() {
            Some(device) => Some(Place::Gpu(device)),
            None => emulated::possible().then_some(Place::Emulated),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Place::Emulated => "emulated",
            Place::Gpu(_) => "on the GPU",
        }
    }

    fn run<T>(&self, body: impl FnOnce(&Device) -> T) -> T {
        match self {
            Place::Emulated => emulated::on_gpu(|| body(&Device::Cpu)),
            Place::Gpu(device) => body(device),
        }
    }
}

/// The filter that was given as an activation.
fn parameter(x: &Tensor) -> Tensor {
    let there = x.to_device(&Device::Cpu).unwrap().to_dtype(DType::F32).unwrap();
    there.contiguous().unwrap().to_device(x.device()).unwrap()
}

/// A tensor that a body may overwrite, with what must not be left of it.
fn stale(shape: &[usize], device: &Device) -> Tensor {
    Tensor::full(f32::NAN, shape, device).unwrap()
}

#[test]
fn elementwise_operations_agree() {
    let cases = Cases::default();
    let inputs = [random("a", &[3, 5, 7, 9]), random("b", &[3, 5, 7, 9])];
    cases.agree_in_both("masked", 0.0, &inputs, |x| vec![elementwise::masked(&x[0], &x[1]).unwrap()]);
    cases.agree_in_both("a sum of two", 0.0, &inputs, |x| vec![elementwise::add(&x[0], &x[1]).unwrap()]);
    cases.agree("copy", 0.0, &inputs, |x| {
        elementwise::copy(&x[0], &x[1]).unwrap();
        vec![x[1].clone()]
    });
    cases.agree_in_both("sums of channels", SUMS, &inputs, |x| {
        let sums = stale(&[5], x[0].device());
        elementwise::sum_by_channel(&x[0], &sums).unwrap();
        vec![sums]
    });
    let scalar = |value: f64| Tensor::new(value as f32, &Device::Cpu).unwrap();
    cases.agree("sums", SUMS, &[random("many", &[300_001])], |x| {
        vec![scalar(elementwise::sum_of(&x[0]).unwrap()), scalar(elementwise::sum_of_all_squares(x).unwrap())]
    });
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
        let x = Tensor::new(&[1.0, odd, 2.0], &Device::Cpu).unwrap();
        cases.agree("the search for infinities", 0.0, &[x], |x| {
            vec![scalar(f64::from(u8::from(elementwise::is_finite(&x[0]).unwrap())))]
        });
    }
}

#[test]
fn steps_of_the_optimiser_agree() {
    let cases = Cases::default();
    let inputs = ["v", "g", "w"].map(|name| random(name, &[1000]));
    cases.agree("the optimiser", 0.0, &inputs, |x| {
        update::accumulate(&x[0], &x[1], &x[2], 0.9, 1e-4).unwrap();
        update::descend(&x[2], &x[0], 0.03).unwrap();
        update::add_part(&x[1], &x[0], 3.0).unwrap();
        x.to_vec()
    });
    cases.agree("an upload", 0.0, &inputs, |x| {
        let again = |x: &Tensor| {
            let x4 = x.to_device(&Device::Cpu).unwrap().reshape((2, 5, 4, 25)).unwrap();
            activation::enter(&x4, x.device()).unwrap()
        };
        x.iter().chain(x).map(again).collect()
    });
    // A slot of a flat buffer.
    cases.agree("a slot", 0.0, &inputs, |x| {
        update::descend(&x[2].narrow(0, 33, 500).unwrap(), &x[0].narrow(0, 101, 500).unwrap(), 0.5).unwrap();
        vec![x[2].clone()]
    });
}

#[test]
fn fusions_agree() {
    let cases = Cases::default();
    let inputs = ["a", "b", "c"].map(|name| (random(name, &[2, 3, 4, 5]) * 2.0).unwrap().round().unwrap());
    cases.agree("the maximum", 0.0, &inputs, |x| {
        let y = x[0].copy().unwrap();
        fuse::maximum(&y, &x[1]).unwrap();
        let mut all = fuse::maximum_backward(&x[..2], &y, &x[2]).unwrap();
        all.push(y);
        all
    });
    cases.agree("probabilities", 1e-6, &inputs, |x| {
        let y = fuse::log_softmax(&x[0]).unwrap();
        fuse::log_add(&y, &x[1]).unwrap();
        vec![y, fuse::mirrored(&x[2]).unwrap()]
    });
}

#[test]
fn pooling_agrees() {
    let cases = Cases::default();
    let sizes = [[9, 8], [8, 13], [1, 2], [3, 1], [2, 3]];
    let pools = [MaxPool::Same, MaxPool::Symmetric, MaxPool::SymmetricCeil];
    for ([height, width], pool) in sizes.into_iter().flat_map(|size| pools.map(|pool| (size, pool))) {
        // Few values, so that maxima are shared; and one that is no number.
        let mut data = values(&(random("x", &[2, 3, height, width]) * 2.0).unwrap().round().unwrap());
        data[height * width / 2] = f32::NAN;
        let x = Tensor::from_vec(data, (2, 3, height, width), &Device::Cpu).unwrap();
        let g = random("g", &[2, 3, pool.outputs(height), pool.outputs(width)]);
        cases.agree_in_both(&format!("the max pool {pool:?} of {height} x {width}"), 0.0, &[x, g], |x| {
            let of = |mask| pool.backward(&x[0], &x[1], mask).unwrap();
            vec![pool.forward(&x[0]).unwrap(), of(false), of(true)]
        });
    }
}

#[test]
fn resizing_agrees() {
    let cases = Cases::default();
    let sizes = [
        ([5, 7], [37, 50]),
        ([41, 41], [321, 321]),
        ([33, 40], [7, 11]),
        ([1, 6], [4, 1]),
        ([9, 6], [9, 6]),
        ([2, 3], [1, 16]),
        ([7, 2], [2, 1]),
    ];
    let samplings = [Sampling::Legacy, Sampling::HalfPixel, Sampling::AlignCorners];
    for (([h, w], [height, width]), sampling) in sizes.into_iter().flat_map(|size| samplings.map(|s| (size, s))) {
        let inputs = [random("x", &[1, 2, h, w]), random("g", &[1, 2, height, width])];
        let labels: Vec<u8> = (0..height * width).map(|i| [0, 255, 1, 2][i % 4]).collect();
        cases.agree(&format!("the resize {sampling:?} of {h} x {w} to {height} x {width}"), 0.0, &inputs, |x| {
            let classes = upsampled::argmax(&x[0], height, width, sampling).unwrap().into_iter().map(f32::from);
            vec![
                resize::bilinear(&x[0], height, width, sampling).unwrap(),
                resize::bilinear_backward(&x[1], h, w, sampling).unwrap(),
                Tensor::from_iter(classes, &Device::Cpu).unwrap(),
            ]
        });
        cases.agree(&format!("losses {sampling:?} of {h} x {w} at {height} x {width}"), 1e-6, &inputs[..1], |x| {
            vec![upsampled::cross_entropy(&x[0], &labels, height, width, sampling).unwrap()]
        });
    }
}

#[test]
fn losses_agree() {
    let cases = Cases::default();
    let logits = (random("logits", &[2, 5, 6, 7]) * 4.0).unwrap();
    let labels: Vec<u8> = (0..2 * 42).map(|i| [0, 255, 3, 5, 4, 1, 2][i % 7]).collect();
    cases.agree("cross entropy", 1e-6, &[logits], |x| {
        let classes = loss::argmax(&x[0]).unwrap().into_iter().map(f32::from);
        vec![
            loss::cross_entropy(&x[0], &labels).unwrap(),
            loss::cross_entropy_backward(&x[0], &labels, 60).unwrap(),
            Tensor::from_iter(classes, &Device::Cpu).unwrap(),
        ]
    });
}

#[test]
fn trained_norms_agree() {
    let cases = Cases::default();
    let mut gamma = values(&random("gamma", &[5]));
    (gamma[1], gamma[3]) = (0.0, -0.0);
    let vector = |name: &str| random(name, &[5]);
    let inputs = [
        Tensor::new(gamma, &Device::Cpu).unwrap(),
        vector("beta"),
        vector("mean"),
        vector("rate"),
        random("w", &[5, 37, 3, 3]),
        random("dw", &[5, 37, 3, 3]),
        vector("by_beta"),
    ];
    cases.agree("a batch norm", SUMS, &inputs, |x| {
        let statistics = Statistics { mean: &x[2], rate: &x[3] };
        let [w, dw] = [4, 5].map(|at: usize| parameter(&x[at]));
        let fold = |nothing| norm::fold(&x[0], &x[1], statistics, nothing).unwrap();
        let scale = fold(0.125).get(0).unwrap();
        vec![fold(0.0), fold(0.125), norm::by_gamma([&w, &dw], &scale, &x[6], statistics).unwrap()]
    });
}

#[test]
fn depthwise_convolutions_agree() {
    let cases = Cases::default();
    for (kernel, [height, width]) in [(1, [4, 5]), (2, [6, 5]), (3, [9, 17]), (7, [5, 12]), (3, [1, 2])] {
        for filters in [3, 1] {
            let size = [2, 3, height, width];
            let inputs = [random("x", &size), random("w", &[filters, 1, kernel, kernel]), random("g", &size)];
            cases.agree_in_both(&format!("depthwise {kernel} of {filters}"), SUMS, &inputs, |x| {
                let (w, dw) = (parameter(&x[1]), stale(x[1].dims(), x[1].device()));
                depthwise::backward_weights(&x[0], &x[2], &dw).unwrap();
                let dx = |mask| depthwise::backward_input(&x[2], &w, mask).unwrap();
                vec![depthwise::forward(&x[0], &w).unwrap(), dx(None), dx(Some(&x[0])), dw]
            });
        }
    }
}

#[test]
fn mixing_of_phases_agrees() {
    let cases = Cases::default();
    for (d, [height, width]) in [(2, [5, 7]), (4, [13, 10]), (3, [6, 9])] {
        let whole = [height, width].map(|size: usize| size.next_multiple_of(d));
        let shape = |size: [usize; 2]| [2, 3, size[0], size[1]];
        let inputs = [
            random("x", &shape(whole)),
            random("m", &[d * d, d * d]),
            random("scale", &[3]),
            random("shift", &[3]),
            random("g", &shape([height, width])),
        ];
        cases.agree_in_both(&format!("phases {d}"), SUMS, &inputs, |x| {
            let phases = Phases { dilation: d };
            let finish = PhaseEpilogue { scale: Some(&x[2]), shift: Some(&x[3]), relu: true };
            let dm = |scale| {
                let dm = stale(x[1].dims(), x[1].device());
                phases.backward_matrix(&x[0], &x[4], scale, &dm).unwrap();
                dm
            };
            vec![
                phases.mix(&x[0], &x[1], [height, width], finish).unwrap(),
                phases
                    .mix(&x[4], &x[1], whole, PhaseEpilogue { shift: Some(&x[3]), ..PhaseEpilogue::default() })
                    .unwrap(),
                phases.backward_input(&x[4], &x[1], Some(&x[2]), whole).unwrap(),
                dm(Some(&x[2])),
                dm(None),
            ]
        });
    }
}

#[test]
fn small_filters_agree() {
    let cases = Cases::default();
    for (side, inner) in [(7, 3), (3, 1), (5, 2), (11, 5)] {
        let taps = side * side;
        let inputs = [
            random("factors", &[4]),
            random("means", &[300, 1, inner, inner]),
            random("separable", &[1, 1, side, side]),
            (random("offset", &[inner * inner]) * 0.1).unwrap(),
            Tensor::new(&[1.3_f32], &Device::Cpu).unwrap(),
            random("g", &[300, taps]),
        ];
        let places: [[&[usize]; 2]; 2] = [[&[1], &[2]], [&[2], &[1]]];
        for (places, paper, learned) in [(places[0], false, false), (places[1], true, true), (places[0], true, false)] {
            cases.agree(&format!("a blend of {side} and {inner}, {paper} {learned}"), 1e-6, &inputs, |x| {
                let offset = (!paper).then_some(&x[3]);
                let gaussian = Gaussian { side: inner, sigma: 0.75, learned: learned.then_some(&x[4]), offset };
                let [means, separable] = [&x[1], &x[2]].map(parameter);
                let terms = vec![
                    Term { part: Part::Filter(&separable), factors: &[3] },
                    Term { part: Part::Centre, factors: &[0, 3] },
                    Term { part: Part::Gaussian(gaussian), factors: places[1] },
                    Term { part: Part::Filter(&means), factors: places[0] },
                ];
                let blend = Blend { side, factors: Some(&x[0]), terms };
                let by = |len: usize, write: &dyn Fn(&Tensor)| {
                    let gradient = Tensor::ones(len, DType::F32, x[0].device()).unwrap();
                    write(&gradient);
                    gradient
                };
                let alone = |side, parts: &[Part<'_>]| {
                    let terms = parts.iter().map(|&part| Term { part, factors: &[] }).collect();
                    Blend { side, factors: None, terms }.filter(x[0].device()).unwrap()
                };
                vec![
                    blend.filter(x[0].device()).unwrap(),
                    by(taps, &|slot| blend.by_part(0, &x[5], slot).unwrap()),
                    by(300 * inner * inner, &|slot| blend.by_part(3, &x[5], slot).unwrap()),
                    by(4, &|slot| blend.by_factors(&x[5], slot).unwrap()),
                    by(1, &|slot| blend.by_sigma(2, &x[5], slot, true).unwrap()),
                    by(1, &|slot| blend.by_sigma(2, &x[5], slot, false).unwrap()),
                    alone(inner, &[Part::Gaussian(gaussian)]),
                    alone(side, &[Part::Filter(&separable), Part::Centre]),
                ]
            });
        }
    }
    cases.agree("the matrix of an interaction", 1e-7, &[random("w", &[16, 16])], |x| {
        let gradient = stale(&[16, 16], x[0].device());
        interaction::gradient(&x[0], &gradient).unwrap();
        vec![interaction::matrix(&x[0]).unwrap(), gradient]
    });
}

/// bfloat16 rounds to the nearest, to the even one of two, as the processor's conversion does, odd values included.
#[test]
fn rounding_to_bfloat16_agrees() {
    let Some(place) = Place::all() else { return };
    let mut odd: Vec<f32> = [0x3f80_8000, 0x3f81_8000, 0x3f80_8001, 0x7f7f_ffff, 0x0000_0001, 0x8000_8000, 0x7f80_0000]
        .map(f32::from_bits)
        .to_vec();
    odd.extend([f32::NAN, f32::NEG_INFINITY, -0.0, 1.0, std::f32::consts::PI, -1e-40]);
    odd.extend((0..299).map(|i| f32::from_bits(0x0123_4567_u32.wrapping_mul(2 * i + 1))));
    let x = Tensor::from_vec(odd, (1, 3, 8, 13), &Device::Cpu).unwrap();
    let expected: Vec<u32> = values(&x.to_dtype(DType::BF16).unwrap()).into_iter().map(f32::to_bits).collect();
    let there = place.run(|device| {
        let x = activation::cast(&activation::enter(&x, device).unwrap(), DType::BF16).unwrap();
        assert_eq!(x.dtype(), DType::BF16);
        activation::cast(&x, DType::F32).unwrap()
    });
    for (found, expected) in values(&there).into_iter().zip(expected) {
        let expected = f32::from_bits(expected);
        assert!(found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan(), "{found} {expected}");
    }
}

/// An activation that lies as the processor's do, a filter that does not, and mixed types are refused in words.
#[test]
fn operands_that_lie_otherwise_are_refused() {
    let Some(place) = Place::all() else { return };
    let (x, w) = (random("x", &[2, 3, 5, 6]), random("w", &[3, 1, 3, 3]));
    place.run(|device| {
        let lies_otherwise = x.to_device(device).unwrap();
        let refused = MaxPool::Same.forward(&lies_otherwise).unwrap_err().to_string();
        assert!(refused.contains("channels last"), "{refused}");
        let entered = activation::enter(&x, device).unwrap();
        let narrow = activation::cast(&entered, DType::BF16).unwrap();
        let refused = elementwise::masked(&entered, &narrow).unwrap_err().to_string();
        assert!(refused.contains("F32") && refused.contains("BF16"), "{refused}");
        let refused = fuse::maximum(&narrow, &narrow).unwrap_err().to_string();
        assert!(refused.contains("BF16"), "{refused}");
        let turned = activation::enter(&w.broadcast_as((3, 2, 3, 3)).unwrap().contiguous().unwrap(), device);
        let y = Conv2d::default().forward(&narrow, &turned.unwrap(), Epilogue::default());
        assert!(y.is_err());
    });
}

/// A kernel that nothing launches would be dead weight, and held against nothing.
#[test]
fn every_kernel_is_part_of_a_plan() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ml");
    if !folder.exists() {
        return eprintln!("skipped: the sources are not here");
    }
    let read = |path: &Path| fsio::read_to_string(path).unwrap();
    let files = fsio::list(&folder.join("ops")).unwrap().into_iter().filter(|name| name.ends_with(".rs"));
    let operations: Vec<String> =
        files.chain(["conv/gpu.rs".to_owned()]).map(|name| read(&folder.join("ops").join(name))).collect();
    for kernel in kernels::ALL {
        let named = format!("kernels::{}", kernel.name.to_uppercase());
        assert!(operations.iter().any(|text| text.contains(&named)), "nothing launches {named}");
    }
    // What a source defines is in the list, and the other way round.
    let sources = folder.join("gpu/kernels");
    for name in fsio::list(&sources).unwrap() {
        let text = read(&sources.join(&name));
        let starts = |prefix: &'static str, end: char| {
            let rest = text.lines().filter_map(move |line| line.strip_prefix(prefix));
            rest.filter_map(move |line| Some(line.split_once(end)?.0))
        };
        let mut defined: Vec<(&str, bool)> = starts("KERNEL ", '(').map(|name| (name, false)).collect();
        defined.extend(starts("TYPED(", ')').map(|name| (name, true)));
        let listed = kernels::ALL.iter().filter(|kernel| kernel.source == name);
        let listed: Vec<(&str, bool)> = listed.map(|kernel| (kernel.name, kernel.typed)).collect();
        assert_eq!(defined, listed, "{name}");
    }
}
