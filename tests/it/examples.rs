//! What the examples give.

use std::collections::BTreeMap;

use repro::stage::{Cancel, DeviceSpec, Event, Events, Job, Value, made};

use crate::harness::project;

#[path = "../../examples/convolutions.rs"]
mod convolutions;
#[path = "../../examples/own_kind.rs"]
mod own_kind;
#[path = "../../examples/sequential.rs"]
mod sequential;
#[path = "../../examples/train_and_predict.rs"]
mod train_and_predict;

#[test]
fn a_network_in_a_sequential_gives_probabilities_and_no_gradient() {
    let (probabilities, gradient) = sequential::run().unwrap();
    assert_eq!(probabilities.dims(), [1, 6, sequential::SIDE, sequential::SIDE]);
    let sums = probabilities.sum(1).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5));
    let values = probabilities.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(values.iter().any(|value| (value - values[0]).abs() > 1e-3), "all pixels are alike");
    assert!(gradient.is_none(), "candle found a way through our layers: say so in the example");
}

#[test]
fn a_network_trains_and_predicts_without_a_pipeline() {
    let (losses, accuracy) = train_and_predict::run().unwrap();
    assert!(losses[losses.len() - 1] < 0.7 * losses[0], "{losses:?}");
    assert!(accuracy > 0.3, "{accuracy}");
}

#[test]
fn the_list_of_convolutions_is_that_of_the_shipped_pipelines() {
    let printed = convolutions::run(&project().join("pipelines")).unwrap();
    let path = project().join("tests/cudnn/shapes.txt");
    if std::env::var_os("REPRO_REGENERATE").is_some() {
        std::fs::write(&path, printed).unwrap();
        return;
    }
    let stands = std::fs::read_to_string(&path).unwrap();
    let differing = printed.lines().zip(stands.lines()).find(|(printed, stands)| printed != stands);
    assert!(
        printed == stands,
        "`tests/cudnn/shapes.txt` is old, first at {differing:?}; write it again by `REPRO_REGENERATE=1 cargo test --release`, \
         and then the tables of `docs/cudnn.md` by `.ci/cudnn --markdown`"
    );
}

/// Hears nothing.
struct Silent;

impl Events for Silent {
    fn emit(&self, _: Event) {}
}

#[test]
fn an_own_kind_stands_beside_the_others_and_makes_what_it_declares() {
    let registry = own_kind::registry();
    let names: Vec<&str> = registry.kinds.iter().map(|kind| kind.name()).collect();
    assert!(names.is_sorted() && names.contains(&"Train"), "{names:?}");
    let kind = registry.kind("Words").unwrap();
    let params = Value::record("Words", [("text", Value::Str("three  small\nwords".to_owned()))]);
    let folder = tempfile::tempdir().unwrap();
    let (inputs, files, roots) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let produced = kind.run(&Job {
        read: &|_| None,
        params: &params,
        inputs: &inputs,
        files: &files,
        roots: &roots,
        out: folder.path(),
        temp: folder.path(),
        scratch: folder.path(),
        device: &DeviceSpec::Cpu,
        threads: 1,
        events: &Silent,
        cancel: &Cancel::default(),
    });
    let produced = produced.unwrap();
    made::check(&kind.outputs(&params).unwrap(), &produced).unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("count.txt")).unwrap(), "3\n");
    assert_eq!(produced.metrics, BTreeMap::from([("words".to_owned(), 3.0)]));
}
