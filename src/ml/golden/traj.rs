//! Training runs of 21 updates.

use super::net::Small;
use super::{Golden, Worst, difference, nchw, values};
use crate::ml::models::Names;
use crate::ml::optim::{Schedule, Sgd};
use crate::ml::train::{Settings, Trainer};

#[test]
fn training_runs_take_tensorflows_course() {
    let Some(golden) = Golden::open("traj") else { return };
    let Some(net) = Golden::open("net") else { return };
    let (index, batches) = (golden.index(), golden.file("batches"));
    let encoder = net.file("deeplab_weights").below("var/");
    let ((shape, images), (_, labels)) = (batches.floats("images"), batches.bytes("labels"));
    let (pixels, points) = (images.len() / shape[0], labels.len() / shape[0]);
    let settings = Settings {
        optimizer: Sgd { lr: 4e-4, momentum: 0.9, weight_decay: 1e-4, head_lr: 10.0, head_bias_lr: 20.0 },
        schedule: Schedule::Poly { power: 0.9 },
        horizon: 20,
    };
    for (theirs, ours) in [("regular", "Regular"), ("average_filter", "Average")] {
        let (run, file, small) = (&index["runs"][theirs], golden.file(theirs), Small::new(ours));
        let mut tensors = encoder.clone();
        tensors.extend(file.below("init/"));
        let network = small.network(&Names::Deeplab.own(&small.inventory, tensors));
        let mut trainer = Trainer::new(network).unwrap();
        let (mut rates, mut losses, mut weights) = (Worst::within(1e-6), Worst::within(1e-4), Worst::within(1e-3));
        for step in 0..shape[0] {
            let batch = nchw(&shape[1..], &images[step * pixels..(step + 1) * pixels]);
            let report = trainer.step(&settings, &batch, &labels[step * points..(step + 1) * points]).unwrap();
            let expected = |what: &str| run[what][step].as_f64().unwrap();
            let what = format!("{theirs} step {step}");
            rates.note(&what, (f64::from(report.rate) - expected("lr_1x")).abs() / 4e-4);
            losses.note(&what, (report.loss / expected("loss") - 1.0).abs());
        }
        let last = Names::Deeplab.own(&small.inventory, file.below("final/"));
        let parameters = trainer.network.parameters();
        for (id, parameter) in parameters.inventory().iter().filter(|(_, parameter)| parameter.trainable) {
            let found = values(&parameters.view(id).unwrap());
            weights.note(&format!("{theirs} {}", parameter.name), difference(&found, &last[&parameter.name].1));
        }
        eprintln!("{theirs}: {} steps, rates {rates}, losses {losses}, final weights {weights}", trainer.step);
        assert_eq!(trainer.step, 21);
    }
}
