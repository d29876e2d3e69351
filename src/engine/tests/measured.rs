//! Nodes that measure: alone at work, with all threads, and never taken over from another machine.

use super::super::testing::{Bench, statuses};
use super::super::{RunEvent, State, Why};
use crate::fsio;
use crate::store::Status::{Hit, Ran};

#[test]
fn what_measures_runs_alone_and_with_all_threads() {
    let mut bench = Bench::new();
    (bench.options.jobs, bench.options.threads) = (3, 6);
    bench.work("a", "plain", &[]).gauge("b").work("c", "plain", &[]).gauge("d").work("e", "plain", &["b"]);
    let record = bench.run();
    assert_eq!(statuses(&record), [Ran; 5]);
    let (mut running, mut most) = (Vec::new(), 0);
    for event in &bench.events {
        match event {
            RunEvent::NodeStarted { node, .. } => running.push(node.stage.clone()),
            RunEvent::NodeDone { node, .. } => running.retain(|stage| *stage != node.stage),
            _ => {}
        }
        let measures = running.iter().any(|stage| ["b", "d"].contains(&stage.as_str()));
        assert!(!measures || running.len() == 1, "{running:?}");
        most = most.max(running.len());
    }
    assert_eq!(most, 3, "what does not measure runs side by side");
    assert!(bench.output(&record, "b").starts_with("6 threads"));
}

#[test]
fn a_measurement_is_a_hit_on_its_own_machine_alone() {
    let mut bench = Bench::new();
    bench.gauge("a").work("b", "plain", &[]);
    let first = bench.run();
    let machine = |of: &str| first.nodes[0].preimage[&format!("machine.{of}")].clone();
    assert!(!machine("host").is_empty() && machine("program").contains("build "));
    assert!(first.nodes[1].preimage.keys().all(|component| !component.starts_with("machine.")));
    assert_eq!(statuses(&bench.run()), [Hit, Hit]);

    // Another number of threads is another measurement, on the same machine.
    bench.options.threads = 2;
    let why = |bench: &Bench| match &bench.plan().nodes[0].state {
        State::Run { why: Why::Changed { changes, note }, .. } => {
            (changes.iter().map(|change| change.component.clone()).collect::<Vec<_>>(), note.clone())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(why(&bench), (vec!["machine.threads".to_owned()], String::new()));
    bench.options.threads = 1;

    // The records of runs move to another machine with the store: there the same stage is measured again, and it is said why.
    let mut elsewhere = first.clone();
    elsewhere.nodes[0].preimage.insert("machine.host".to_owned(), "another".to_owned());
    let moved = Bench::new();
    let claim = moved.store.claim_run("test").unwrap();
    moved.store.end_run(&claim, &elsewhere).unwrap();
    let mut here = moved;
    here.gauge("a").work("b", "plain", &[]);
    let (changes, note) = why(&here);
    assert_eq!(changes, ["machine.host"]);
    assert!(note.contains("The machine is another"), "{note}");
}

#[test]
fn a_measurement_that_is_made_again_is_no_fault() {
    let mut bench = Bench::new();
    bench.gauge("a");
    let first = bench.run();
    bench.options.force = vec!["a".into()];
    let second = bench.run();
    assert_ne!(bench.output(&first, "a"), bench.output(&second, "a"));
    assert!(bench.warnings().is_empty(), "{:?}", bench.warnings());
    bench.options.force.clear();
    assert_eq!(statuses(&bench.run()), [Hit]);
    assert_eq!(fsio::list(&bench.store.path().join("scratch")).unwrap().len(), 0);
}
