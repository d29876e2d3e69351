//! The engine with real child processes, over fake kinds.

mod faults;
mod later;
mod measured;

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use super::testing::{Bench, object_file, registry, statuses};
use super::{Error, LogLine, RunEvent, State, Why, plan, run};
use crate::fsio;
use crate::hash::Digest;
use crate::pipeline::RunLookup;
use crate::stage::{Cancel, StageError};
use crate::store::{ActionRecord, ExecutionId, RunRecord, RunStatus, Status, Status::*, Store, Verdict};

/// a -> b -> d, and c on its own.
fn diamond() -> Bench {
    let mut bench = Bench::new();
    bench.work("a", "plain", &[]).work("b", "plain", &["a"]).work("c", "plain", &[]).work("d", "plain", &["b"]);
    bench
}

fn flip(path: &Path) {
    let mut bytes = fsio::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fsio::write_atomic(path, &bytes).unwrap();
}

/// The file of a node's action record.
fn record_file(store: &Store, key: &Digest) -> std::path::PathBuf {
    let name = key.to_string();
    store.path().join("actions").join(&name[..2]).join(format!("{}.json", &name[2..]))
}

#[test]
fn a_stage_that_makes_other_outputs_than_its_kind_declares_is_an_error_of_the_program() {
    for (act, told) in [("omit", "did not make its output `out`"), ("extra", "made an output `more`")] {
        let mut bench = Bench::new();
        let record = bench.work("a", act, &[]).run();
        assert_eq!(statuses(&record), [Status::Failed], "{act}");
        let failure = bench.failure();
        assert!(failure.contains(told) && failure.contains("This is a bug in repro."), "{failure}");
    }
}

#[test]
fn a_second_run_executes_nothing_and_is_quick() {
    let mut bench = diamond();
    let first = bench.run();
    assert_eq!(first.status, RunStatus::Done);
    assert_eq!(statuses(&first), [Ran; 4]);
    assert_eq!(bench.output(&first, "d"), "abd");
    assert_eq!(first.nodes[3].metrics["length"], 3.0);
    assert_eq!(bench.ran(), ["a", "b", "c", "d"]);
    let begin = Instant::now();
    let second = bench.run();
    assert!(begin.elapsed() < Duration::from_millis(500), "{:?}", begin.elapsed());
    assert_eq!(statuses(&second), [Hit; 4]);
    assert_eq!(second.nodes[3].outputs, first.nodes[3].outputs);
    assert!(bench.ran().is_empty());
    assert!(second.id > first.id || second.started == first.started);
    assert_eq!(bench.store.find_run("test").unwrap().run.status, RunStatus::Done);
}

#[test]
fn what_a_job_leaves_is_its_log_alone() {
    let mut bench = Bench::new();
    bench.work("a", "noise", &[]);
    let record = bench.run();
    let folder = bench.store.jobs(&record.id).join(record.nodes[0].key.unwrap().to_string());
    assert_eq!(fsio::list(&folder).unwrap(), ["events", "job.json", "log.txt"]);
    let log = fsio::read_to_string(&folder.join("log.txt")).unwrap();
    assert!(log.contains("made a") && log.contains("no line end here"), "{log}");
    assert!(fsio::list(&bench.store.path().join("scratch")).unwrap().is_empty());
    assert!(bench.events.iter().any(|event| matches!(event, RunEvent::NodeEvent { .. })));
}

#[test]
fn each_job_leaves_its_execution_and_a_run_names_those_that_ran() {
    let mut bench = Bench::new();
    bench.work("a", "plain", &[]).work("b", "fail", &["a"]);
    let record = bench.run();
    let of = |run: &RunRecord, node: usize| {
        let id = ExecutionId::new(&run.id, run.nodes[node].job.as_ref()?);
        Some(bench.store.execution(&id).unwrap().unwrap())
    };
    let (made, failed) = (of(&record, 0).unwrap(), of(&record, 1).unwrap());
    assert_eq!((made.verdict, made.key), (Verdict::Done { reused: false }, record.nodes[0].key.unwrap()));
    assert_eq!((&made.outputs, &made.metrics), (&record.nodes[0].outputs, &record.nodes[0].metrics));
    assert!((0.0..=record.nodes[0].seconds).contains(&made.seconds) && made.peak_memory > Some(1 << 20));
    assert!(!made.host.is_empty() && made.versions.contains_key("repro") && made.device == "cpu");
    assert!(fsio::is_file(&bench.store.path().join(&made.log)));
    assert!(matches!(failed.verdict, Verdict::Failed(StageError::Command { .. })), "{:?}", failed.verdict);
    assert!(failed.outputs.is_empty() && failed.metrics.is_empty());
    assert_eq!(bench.store.executions(&record.id).unwrap().len(), 2);
    bench.work("b", "plain", &["a"]);
    let second = bench.run();
    let job = second.nodes[1].job.clone().unwrap();
    assert_eq!(second.nodes.into_iter().map(|node| node.job).collect::<Vec<_>>(), [None, Some(job)]);
    let third = bench.run();
    assert!(third.nodes.iter().all(|node| node.job.is_none()));
    assert!(!fsio::exists(&bench.store.path().join("executions").join(&third.id)));
}

#[test]
fn a_changed_parameter_runs_only_what_depends_on_it_and_says_why() {
    let mut bench = diamond();
    bench.run();
    bench.ran();
    bench.work_with("b", "B", "plain", &["a"], None);
    let plan = bench.plan();
    assert!(matches!(plan.nodes[0].state, State::Hit { .. }) && matches!(plan.nodes[2].state, State::Hit { .. }));
    let State::Run { why: Why::Changed { changes, note }, .. } = &plan.nodes[1].state else {
        panic!("{:?}", plan.nodes[1].state)
    };
    assert_eq!(note, "A note.");
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].component, "params.text");
    assert!(changes[0].old.as_ref().is_some_and(|old| old.contains('b')));
    assert!(changes[0].new.as_ref().is_some_and(|new| new.contains('B')));
    bench.work_with("c", "c", "noise", &[], None);
    let State::Run { why: Why::Changed { changes, note }, .. } = &bench.plan().nodes[2].state else {
        panic!("no change")
    };
    assert_eq!((changes[0].component.as_str(), note.as_str()), ("params.act", ""), "a remark is on one field");
    bench.work_with("c", "c", "plain", &[], None);
    let State::Depends { on, why: Why::Upstream } = &plan.nodes[3].state else { panic!("{:?}", plan.nodes[3].state) };
    assert_eq!(on, &[1]);
    let record = bench.run();
    assert_eq!(bench.ran(), ["B", "d"]);
    assert_eq!(statuses(&record), [Hit, Ran, Hit, Ran]);
    assert_eq!(bench.output(&record, "d"), "aBd");
}

#[test]
fn what_waits_for_nothing_and_computes_nothing_comes_first() {
    let mut bench = Bench::new();
    for name in ["a.jpg", "sub/b.jpg"] {
        fsio::write_atomic(&bench.path("photos").join(name), name.as_bytes()).unwrap();
    }
    bench.options.roots.insert("photos".to_owned(), bench.path("photos"));
    bench.work("a", "plain", &[]).work("b", "plain", &["a"]).photos("z").work("c", "plain", &["b", "z"]);
    bench.run();
    assert_eq!(bench.ran(), ["z", "a", "b", "c"]);
}

#[test]
fn reasons_are_new_forced_unfinished_and_output_missing() {
    let mut bench = diamond();
    let why = |bench: &Bench| match bench.plan().nodes[0].state.clone() {
        State::Run { why, .. } => format!("{why:?}"),
        other => panic!("{other:?}"),
    };
    assert_eq!(why(&bench), "New");
    let record = bench.run();
    bench.options.force = vec!["a".into()];
    assert_eq!(why(&bench), "Forced");
    bench.options.force.clear();
    let digest = record.nodes[0].outputs["out"].digest;
    fsio::remove_file(&object_file(&bench.store, &digest)).unwrap();
    assert_eq!(why(&bench), format!("OutputMissing(Digest({digest}))"));
    fsio::remove_file(&record_file(&bench.store, &record.nodes[0].key.unwrap())).unwrap();
    assert_eq!(why(&bench), "Unfinished");
    let again = bench.run();
    assert_eq!(statuses(&again), [Ran, Hit, Hit, Hit]);
}

#[test]
fn equal_output_stops_the_cascade() {
    let mut bench = Bench::new();
    bench.work("a", "plain", &[]).work_with("b", "same", "constant", &["a"], None).work("c", "plain", &["b"]);
    bench.run();
    bench.ran();
    bench.work_with("a", "other", "plain", &[], None);
    let record = bench.run();
    assert_eq!(bench.ran(), ["other", "same"]);
    assert_eq!(statuses(&record), [Ran, Ran, Hit]);
}

#[test]
fn renamed_and_reordered_stages_are_hits() {
    let mut bench = diamond();
    bench.run();
    bench.ran();
    bench.clear().work_with("third", "c", "plain", &[], None).work_with("first", "a", "plain", &[], None);
    bench.work_with("second", "b", "plain", &["first"], None);
    assert_eq!(statuses(&bench.run()), [Hit; 3]);
    assert!(bench.ran().is_empty());
}

#[test]
fn touched_and_moved_data_are_hits_and_changed_data_are_not() {
    let mut bench = Bench::new();
    bench.photos("data").work("train", "plain", &["data"]);
    let error = plan(&bench.pipeline(), &registry(), &bench.store, &bench.options).unwrap_err();
    assert!(error.to_string().contains("`--data photos=PATH` or the variable REPRO_DATA_PHOTOS"), "{error}");
    let root = bench.path("photos");
    fsio::write_atomic(&root.join("other"), b"").unwrap();
    bench.options.roots.insert("photos".into(), root.clone());
    let Err(Error::Inputs(faults)) = plan(&bench.pipeline(), &registry(), &bench.store, &bench.options) else {
        panic!("both files are missing")
    };
    assert_eq!(faults.len(), 2, "{faults:?}");
    fsio::write_atomic(&root.join("a.jpg"), b"a").unwrap();
    fsio::write_atomic(&root.join("sub/b.jpg"), b"b").unwrap();
    assert_eq!(statuses(&bench.run()), [Ran, Ran]);
    fsio::open(&root.join("a.jpg")).unwrap().set_modified(SystemTime::now()).unwrap();
    assert_eq!(statuses(&bench.run()), [Hit, Hit]);
    let moved = bench.path("elsewhere");
    fsio::rename(&root, &moved).unwrap();
    bench.options.roots.insert("photos".into(), moved.clone());
    assert_eq!(statuses(&bench.run()), [Hit, Hit]);
    fsio::write_atomic(&moved.join("a.jpg"), b"A").unwrap();
    assert_eq!(statuses(&bench.run()), [Ran, Ran]);
    bench.options.only = vec!["other".into()];
    let error = plan(&bench.pipeline(), &registry(), &bench.store, &bench.options).unwrap_err();
    assert!(matches!(error, Error::Selection(_)), "{error}");
}

#[test]
fn two_runs_at_once_compute_once() {
    let mut one = Bench::new();
    one.work("a", "wait", &[]).work("b", "plain", &["a"]);
    let (path, gate, trace) = (one.store.path().to_owned(), one.path("gate"), one.path("trace"));
    let mut two = Bench::new();
    two.store = Store::open(&path).unwrap();
    two.work("a", "wait", &[]).work("b", "plain", &["a"]).work("own", "plain", &[]);
    // Neither paths of gates nor of traces enter a key.
    let other = std::thread::spawn(move || {
        let record = one.run();
        (one, record)
    });
    let begin = Instant::now();
    while !fsio::exists(&trace) {
        assert!(begin.elapsed() < Duration::from_secs(120));
        std::thread::sleep(Duration::from_millis(5));
    }
    let record = two.run_with(&Cancel::default(), |event| {
        // What does not depend on the other run goes on; only then does the other one go on.
        if matches!(event, RunEvent::NodeDone { node, .. } if node.stage == "own") {
            fsio::write_atomic(&gate, b"").unwrap();
        }
    });
    let (one, first) = other.join().unwrap();
    assert_eq!((statuses(&first)[0], statuses(&record)[0]), (Ran, Hit));
    // Whichever run is the first to see that `a` is done makes `b`.
    let makers = [&first, &record].into_iter().filter(|run| statuses(run)[1] == Ran).count();
    assert_eq!((makers, first.status, record.status), (1, RunStatus::Done, RunStatus::Done));
    assert!(two.events.iter().any(|event| matches!(event, RunEvent::NodeWaiting { node, .. } if node.stage == "a")));
    let both = one.ran().into_iter().chain(two.ran()).collect::<Vec<_>>();
    assert_eq!(both.iter().filter(|text| *text == "a").count(), 1);
    assert_eq!(both.iter().filter(|text| *text == "b").count(), 1);
    assert_ne!(first.id, record.id);
}

#[test]
fn two_stages_that_mean_the_same_are_computed_once() {
    let mut bench = Bench::new();
    bench.options.jobs = 2;
    bench.work_with("one", "x", "plain", &[], None).work_with("two", "x", "plain", &[], None);
    let record = bench.run();
    assert_eq!(statuses(&record), [Ran, Hit]);
    assert_eq!(bench.ran(), ["x"]);
}

#[test]
fn keep_going_runs_what_does_not_depend_on_the_failure() {
    let mut bench = Bench::new();
    bench.work("a", "fail", &[]).work("b", "plain", &["a"]).work("c", "plain", &[]).work("d", "plain", &["c"]);
    assert_eq!(statuses(&bench.run()), [Failed, Skipped, Skipped, Skipped]);
    bench.options.keep_going = true;
    let record = bench.run();
    assert_eq!((record.status, statuses(&record)), (RunStatus::Failed, vec![Failed, Skipped, Ran, Ran]));
    assert_eq!(record.nodes[1].message, "It needs `a`, which is not done.");
}

#[test]
fn only_runs_what_is_named_and_what_it_needs() {
    let mut bench = diamond();
    bench.options.only = vec!["b".into()];
    let record = bench.run();
    assert_eq!(record.nodes.iter().map(|node| node.stage.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn force_runs_again_and_warns_of_other_outputs() {
    let mut bench = Bench::new();
    bench.work("a", "plain", &[]).work("w", "wobble", &[]).work("z", "plain", &["a"]);
    bench.run();
    bench.options.force = vec!["a".into(), "w".into()];
    let record = bench.run();
    assert_eq!(statuses(&record), [Ran, Ran, Hit]);
    let warnings = bench.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("`w` is not reproducible") && warnings[0].contains("`out`"), "{warnings:?}");
}

#[test]
fn many_hits_are_quick() {
    let mut bench = Bench::new();
    bench.options.jobs = 4;
    for i in 0..15 {
        bench.work(&format!("s{i:02}"), "plain", if i == 0 { &[] } else { &["s00"] });
    }
    bench.run();
    let pipeline = bench.pipeline();
    let begin = Instant::now();
    let plan = plan(&pipeline, &registry(), &bench.store, &bench.options).unwrap();
    let (cancel, registry) = (Cancel::default(), registry());
    run(&plan, &pipeline, &registry, &bench.store, &bench.options, &cancel, &mut |_: &LogLine| {}).unwrap();
    let took = begin.elapsed();
    eprintln!("15 hits took {took:?}");
    assert!(plan.is_done() && took < Duration::from_millis(500), "{took:?}");
}

#[test]
fn a_finished_stage_of_a_run_can_be_referred_to() {
    let mut bench = diamond();
    let record = bench.run();
    let nodes = bench.store.find("test", "d").unwrap().nodes;
    assert_eq!(nodes.len(), 1);
    assert_eq!((&nodes[0].outputs, nodes[0].yields.as_str()), (&record.nodes[3].outputs, "text"));
    bench.work("d", "fail", &["b"]);
    let failed = bench.run();
    assert_eq!(bench.store.find("test", "d").unwrap().nodes[0].key, nodes[0].key, "the failed run is passed over");
    let message = bench.store.find(&failed.id, "d").err().unwrap();
    assert!(message.contains("did not finish a stage `d`"), "{message}");
    bench.clear().work("e", "plain", &["run:test/c"]);
    let other = bench.run();
    assert_eq!(bench.output(&other, "e"), "ce");
    let message = bench.store.find("tset", "d").err().unwrap();
    assert!(message.contains("Did you mean `test`?"), "{message}");
}

#[test]
fn records_hold_nothing_of_the_run() {
    let mut bench = Bench::new();
    bench.work("a", "plain", &[]);
    let record = bench.run();
    let key = record.nodes[0].key.unwrap();
    let first: ActionRecord = bench.store.record(&key).unwrap().unwrap();
    let bytes = fsio::read(&record_file(&bench.store, &key)).unwrap();
    bench.options.force = vec!["a".into()];
    bench.run();
    assert_eq!(fsio::read(&record_file(&bench.store, &key)).unwrap(), bytes);
    assert_eq!(first.preimage["numeric.device"], "cpu");
    assert_eq!(statuses(&record), [Status::Ran]);
}
