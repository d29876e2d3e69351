//! Work that is captured and replayed on a GPU: the same bits, and nothing of other work.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use crate::ml::device;
use crate::ml::gpu::graph::capture;
use crate::ml::spec::{Choice, ModelSpec};
use crate::ml::state::{Snapshot, State};
use crate::ml::train::{Batch, Settings, Trainer};
use crate::ml::weights::{Scheme, initialise};
use crate::ml::{ops, optim};
use crate::rng::Rng;

/// Work that panics, or fails, leaves a stream that captures no more, on which other work can be captured.
#[test]
fn a_capture_ends_with_its_work() {
    let Some(device) = device::first_gpu() else { return };
    let [a, b] = [1.0_f32, 2.0].map(|value| Tensor::full(value, 100, &device).unwrap());
    let sum = || ops::update::add_part(&a, &b, 1.0);
    sum().unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        capture(&device, || -> crate::ml::error::Result<()> { panic!("amid the work") }).map(drop)
    }));
    assert!(panicked.is_err());
    assert!(capture(&device, || a.to_vec1::<f32>().map_err(crate::ml::error::Error::from)).is_err());
    assert!(capture(&device, || Ok(Tensor::new(&[1.0_f32], &Device::Cpu)?.to_device(&device)?)).is_err());
    sum().unwrap();
    let (_, graph) = capture(&device, sum).unwrap();
    assert_eq!(a.to_vec1::<f32>().unwrap(), [5.0; 100]);
    graph.replay().unwrap();
    assert_eq!(a.to_vec1::<f32>().unwrap(), [7.0; 100]);
}

/// A state that another thread reads from the GPU during a capture is whole, and the reading is not captured.
#[test]
fn other_threads_wait_for_the_end_of_a_capture() {
    let Some(device) = device::first_gpu() else { return };
    let spec = ModelSpec::new(Choice::new("Tiny"), 4, Choice::new("Regular"));
    let trainer = Trainer::new(initialise(&spec, &device, Scheme::Stable, 7).unwrap()).unwrap();
    let expected = State::write(&trainer, &BTreeMap::new()).unwrap();
    let snapshot = Snapshot::copied(&trainer).unwrap();
    let [a, b] = [1.0_f32, 2.0].map(|value| Tensor::full(value, 100, &device).unwrap());
    ops::update::add_part(&a, &b, 1.0).unwrap();
    let (written, graph) = capture(&device, || {
        let written = std::thread::spawn(move || snapshot.write(&BTreeMap::new()));
        std::thread::sleep(std::time::Duration::from_millis(100));
        ops::update::add_part(&a, &b, 1.0)?;
        Ok(written)
    })
    .unwrap();
    assert!(written.join().unwrap().unwrap() == expected);
    graph.replay().unwrap();
    assert_eq!(a.to_vec1::<f32>().unwrap(), [5.0; 100]);
}

#[test]
fn replayed_passes_have_the_same_bits() {
    let Some(device) = device::first_gpu() else { return };
    let sgd = optim::Sgd { lr: 2e-3, momentum: 0.9, weight_decay: 1e-4, head_lr: 10.0, head_bias_lr: 20.0 };
    let settings = Settings::new(sgd, optim::Schedule::Constant, 6);
    let side = 65;
    let trained = |prefilter: &str, recompute: usize, other_network: u64, graph: bool| {
        let spec = ModelSpec::new(Choice::new("Tiny"), 4, Choice::new(prefilter));
        let mut trainer = Trainer::new(initialise(&spec, &device, Scheme::Stable, 7).unwrap()).unwrap();
        let settings = Settings { recompute, graph, ..settings };
        for step in 0..6 {
            if step == other_network {
                // The weights of another training, which lie elsewhere.
                trainer.network = initialise(&spec, &device, Scheme::Stable, 8).unwrap();
            }
            let mut rng = Rng::new(3, "pixels", step);
            let pixels: Vec<f32> = (0..2 * 3 * side * side).map(|_| rng.range(-100.0, 100.0)).collect();
            let pixels = Tensor::from_vec(pixels, (2, 3, side, side), &Device::Cpu).unwrap();
            let images = ops::activation::enter(&pixels, &device).unwrap();
            let labels: Vec<u8> = (0..2 * side * side).map(|i| (i / (30 + step as usize) % 5) as u8).collect();
            // Memory between the captured places, which a graph may not take for its own.
            let _other = ops::zeros(&[1 << 20], &device).unwrap();
            trainer.update(&settings, &[1.0], &[Batch { images: &images, labels: &labels }]).unwrap();
        }
        State::write(&trainer, &BTreeMap::new()).unwrap()
    };
    for (prefilter, recompute, other) in [
        ("Regular", 0, 6),
        ("Regular", 2, 6),
        ("Regular", 0, 3),
        ("Average", 0, 6),
        ("Gaussian", 0, 6),
        ("GroupInteraction", 0, 6),
    ] {
        let [replayed, others] = [true, false].map(|graph| trained(prefilter, recompute, other, graph));
        assert!(replayed == others, "{prefilter}, another network from step {other} on");
    }
}
