//! What an older version made is found by a later one, whose kinds have more fields.

use crate::engine::testing::{Bench, later_registry, registry};
use crate::engine::{State, plan};
use crate::fsio;
use crate::pipeline::{Request, load};

#[test]
fn a_version_with_more_fields_runs_nothing_again() {
    let mut bench = Bench::new();
    bench.work("a", "plain", &[]).work("b", "plain", &["a"]);
    bench.run();
    let text = fsio::read_to_string(&bench.path("pipeline.ron")).unwrap();
    let states = |text: &str| {
        let file = bench.path("later.ron");
        fsio::write_atomic(&file, text.as_bytes()).unwrap();
        let pipeline = load(&Request { file, ..Request::default() }, &later_registry(), &bench.store).unwrap();
        let later = plan(&pipeline, &later_registry(), &bench.store, &bench.options).unwrap();
        later.nodes.iter().map(|node| matches!(node.state, State::Hit { .. })).collect::<Vec<_>>()
    };
    // In a cell of a matrix, which changes a structure inside, each is the same node again.
    let matrix = "matrix: (axes: {\"how\": (set: \"a.how\", values: {\"same\": Nested(inner: [(depth: 1)])})}), stages";
    for text in [text.clone(), text.replacen("stages", matrix, 1)] {
        assert_eq!(states(&text), [true, true], "{text}");
    }
    let changed = text.replacen("Work(", "Work(how: Nested(inner: [(depth: 1, later: true)]), ", 1);
    assert_eq!(states(&changed), [false, false], "{changed}");
    let plan = plan(&bench.pipeline(), &registry(), &bench.store, &bench.options).unwrap();
    assert!(plan.nodes.iter().all(|node| matches!(node.state, State::Hit { .. })));
}
