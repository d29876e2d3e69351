//! Damage, death, full disks and requests to stop.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{diamond, flip, record_file};
use crate::engine::testing::{Bench, launcher, object_file, registry, statuses};
use crate::engine::{Damaged, Error, LogLine, Observer, RunEvent, plan, run};
use crate::fsio;
use crate::stage::Cancel;
use crate::store::{RunNodeRecord, RunRecord, RunStatus, Status::*, Store};

#[test]
fn whether_inputs_suit_a_node_is_asked_only_where_it_runs() {
    let mut bench = Bench::new();
    bench.work("a", "plain", &[]).work("b", "choosy", &["a"]);
    assert_eq!(statuses(&bench.run()), [Ran, Ran]);
    fsio::write_atomic(&bench.path("gate"), b"").unwrap();
    assert_eq!(statuses(&bench.run()), [Hit, Hit], "a node that is done asks nothing");
    bench.work_with("b", "other", "choosy", &["a"], None);
    let Err(Error::Inputs(faults)) = plan(&bench.pipeline(), &registry(), &bench.store, &bench.options) else {
        panic!("the inputs do not suit it")
    };
    assert_eq!((faults.len(), faults[0].place.as_str()), (1, "the gate"));
}

#[test]
fn an_input_that_changes_during_its_stage_is_not_recorded() {
    let mut bench = Bench::new();
    let file = bench.path("input");
    fsio::write_atomic(&file, b"before").unwrap();
    bench.work_with("a", "a", "meddle", &[], Some(&file));
    let record = bench.run();
    assert_eq!(statuses(&record), [Failed]);
    assert!(bench.failure().contains("changed while the stage was reading"), "{}", bench.failure());
    assert!(bench.store.record(&record.nodes[0].key.unwrap()).unwrap().is_none());
    // Now it holds what the stage writes, so it does not change any more.
    assert_eq!(statuses(&bench.run()), [Ran]);
}

#[test]
fn a_flipped_bit_in_an_output_is_found_when_read_and_made_again() {
    for act in ["plain", "tree"] {
        let mut bench = Bench::new();
        bench.work("a", act, &[]).work("b", "plain", &["a"]);
        let first = bench.run();
        bench.ran();
        let output = first.nodes[0].outputs["out"].digest;
        let victim = if act == "plain" { output } else { bench.store.listing(&output).unwrap()["a"].digest };
        flip(&object_file(&bench.store, &victim));
        bench.work_with("b", "B", "plain", &["a"], None);
        let record = bench.run();
        assert_eq!(bench.ran(), ["B", "a", "B"], "{}", bench.failure());
        assert_eq!(statuses(&record), [Ran, Ran]);
        assert_eq!(record.nodes[0].outputs, first.nodes[0].outputs);
        assert!(bench.events.iter().any(|e| matches!(e, RunEvent::NodeRemade { digest, .. } if *digest == victim)));
        assert_eq!(fsio::list(&bench.store.path().join("quarantine")).unwrap().len(), 1);
        bench.store.verify(&victim).unwrap();
    }
}

/// Finds what is damaged when the run has ended, as whoever publishes results does.
struct Reader<'a> {
    store: &'a Store,
    records: Vec<RunRecord>,
    warnings: usize,
}

impl Observer for Reader<'_> {
    fn event(&mut self, line: &LogLine) {
        self.warnings += usize::from(matches!(line.event, RunEvent::Warning { node: Some(_), .. }));
    }

    fn ended(&mut self, run: &RunRecord) -> Vec<Damaged> {
        self.records.push(run.clone());
        let damaged = |(node, record): (usize, &RunNodeRecord)| {
            let digest = record.outputs["out"].digest;
            self.store.verify(&digest).is_err().then_some(Damaged { node, digest })
        };
        run.nodes.iter().enumerate().filter_map(damaged).collect()
    }
}

#[test]
fn an_output_that_is_damaged_when_the_run_has_ended_is_made_again_in_it() {
    let mut bench = diamond();
    let first = bench.run();
    bench.ran();
    flip(&object_file(&bench.store, &first.nodes[1].outputs["out"].digest));
    let (plan, pipeline, registry) = (bench.plan(), bench.pipeline(), registry());
    assert!(plan.is_done());
    let mut reader = Reader { store: &bench.store, records: Vec::new(), warnings: 0 };
    let cancel = Cancel::default();
    let record = run(&plan, &pipeline, &registry, &bench.store, &bench.options, &cancel, &mut reader).unwrap();
    assert_eq!((reader.records.len(), reader.warnings), (2, 1));
    assert_eq!(statuses(&reader.records[0]), [Hit, Hit, Hit, Hit]);
    assert_eq!(statuses(&record), [Hit, Ran, Hit, Hit]);
    assert_eq!(record.nodes[1].outputs, first.nodes[1].outputs);
    assert_eq!(bench.ran(), ["b"]);
    let told = bench.store.runs(None).unwrap().map(Result::unwrap).map(|run| run.id).collect::<Vec<_>>();
    assert_eq!(told, [record.id, first.id], "one record a run");
}

#[test]
fn a_flipped_bit_and_a_torn_record_are_misses() {
    let mut bench = diamond();
    let first = bench.run();
    bench.ran();
    flip(&record_file(&bench.store, &first.nodes[0].key.unwrap()));
    fsio::write_atomic(&record_file(&bench.store, &first.nodes[2].key.unwrap()), b"").unwrap();
    assert_eq!(statuses(&bench.run()), [Ran, Hit, Ran, Hit]);
    assert_eq!(bench.warnings().len(), 2);
    assert_eq!(bench.ran(), ["a", "c"]);
}

#[test]
fn a_panic_a_signal_and_an_error_each_end_one_stage_and_are_told() {
    let fails = |act: &str| {
        let mut bench = Bench::new();
        bench.work("a", act, &[]).work("b", "plain", &["a"]);
        let record = bench.run();
        assert_eq!((record.status, statuses(&record)), (RunStatus::Failed, vec![Failed, Skipped]), "{act}");
        let folder = bench.store.jobs(&record.id).join(record.nodes[0].key.unwrap().to_string());
        assert!(!fsio::exists(&folder.join("out")));
        bench.failure()
    };
    let panic = fails("panic");
    assert!(panic.starts_with("a: The stage panicked: on purpose. This is a bug in repro."), "{panic}");
    assert!(panic.contains("src/engine/testing.rs"), "the log shows where: {panic}");
    let killed = fails("kill");
    assert!(killed.starts_with("a: The stage's process was killed by SIGKILL (signal 9)."), "{killed}");
    assert!(killed.contains("out-of-memory killer"), "{killed}");
    let failed = fails("fail");
    assert!(failed.starts_with("a: It failed. Do better."), "{failed}");
}

/// Children as [`launcher`] starts them, and a command of the shell after each. It finds the run's executions at `$0`.
fn and_then(job: &Path, after: &str) -> std::io::Result<Command> {
    let child = launcher(job)?;
    let store = job.ancestors().nth(4).unwrap();
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("\"$@\"; {after}")).arg(store.join("executions"));
    command.arg(child.get_program()).args(child.get_args());
    command.envs(child.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Ok(command)
}

#[test]
fn a_verdict_counts_however_the_process_ends_after_it() {
    let mut bench = Bench::new();
    bench.options.launcher = |job| and_then(job, "kill -9 $$");
    bench.work("a", "plain", &[]).work("b", "fail", &["a"]);
    assert_eq!(statuses(&bench.run()), [Ran, Failed]);
    assert!(bench.failure().starts_with("b: It failed. Do better."), "{}", bench.failure());
}

#[test]
fn a_job_killed_before_its_verdict_is_done_where_its_record_is_there_and_has_failed_elsewhere() {
    for torn in [false, true] {
        let mut bench = Bench::new();
        bench.options.launcher = match torn {
            false => |job| and_then(job, "rm -r $0; kill -9 $$"),
            true => |job| and_then(job, "for f in $0/*/*; do rm $f; echo torn > $f; done; kill -9 $$"),
        };
        bench.work("a", "plain", &[]);
        assert_eq!(statuses(&bench.run()), [Ran], "{}", bench.failure());
        assert_eq!(bench.warnings().len(), usize::from(torn), "{:?}", bench.warnings());
        // It ran before, so its record does not tell whether it ran again.
        bench.options.force = vec!["a".into()];
        assert_eq!(statuses(&bench.run()), [Failed]);
        assert!(bench.failure().contains("killed by SIGKILL"), "{}", bench.failure());
        bench.options.force.clear();
        bench.work("b", "fail", &["a"]);
        assert_eq!(statuses(&bench.run()), [Hit, Failed]);
        assert!(bench.failure().contains("killed by SIGKILL"), "{}", bench.failure());
    }
}

#[test]
fn a_killed_stage_goes_on_from_its_scratch() {
    let mut bench = Bench::new();
    bench.work("a", "resume", &[]);
    assert_eq!(statuses(&bench.run()), [Failed]);
    assert_eq!(statuses(&bench.run()), [Ran]);
    let resumed = |event: &RunEvent| format!("{event:?}").contains("Resumed { step: 1 }");
    assert!(bench.events.iter().any(resumed));
}

#[test]
fn a_request_to_stop_stops_running_stages_and_starts_no_more() {
    let mut bench = Bench::new();
    bench.work("a", "wait", &[]).work("b", "plain", &["a"]);
    let cancel = Cancel::default();
    let begin = Instant::now();
    let record = bench.run_with(&cancel, |event| {
        if matches!(event, RunEvent::NodeStarted { .. }) {
            cancel.request();
        }
    });
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!((record.status, statuses(&record)), (RunStatus::Interrupted, vec![Interrupted, Skipped]));
    assert_eq!(bench.store.find_run("latest").unwrap().run.status, RunStatus::Interrupted);
}

#[test]
fn a_deaf_stage_is_killed_after_the_grace() {
    let mut bench = Bench::new();
    bench.options.grace = Duration::from_millis(300);
    bench.work("a", "deaf", &[]);
    let cancel = Cancel::default();
    let begin = Instant::now();
    let record = bench.run_with(&cancel, |event| {
        if matches!(event, RunEvent::NodeStarted { .. }) {
            cancel.request();
        }
    });
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(statuses(&record), [Interrupted]);
}

#[test]
fn what_a_stage_leaves_running_is_ended_with_it() {
    let mut bench = Bench::new();
    bench.work("a", "orphan", &[]);
    let begin = Instant::now();
    assert_eq!(statuses(&bench.run()), [Ran]);
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}

#[test]
fn a_child_stops_when_its_parent_is_gone() {
    let mut bench = Bench::new();
    bench.work("a", "wait", &[]);
    let cancel = Cancel::default();
    cancel.request();
    let stopped = bench.run_with(&cancel, |_| {});
    assert_eq!(statuses(&stopped), [Skipped]);
    let cancel = Cancel::default();
    let record = bench.run_with(&cancel, |event| {
        if matches!(event, RunEvent::NodeStarted { .. }) {
            cancel.request();
        }
    });
    let job = bench.store.jobs(&record.id).join(record.nodes[0].key.unwrap().to_string()).join("job.json");
    bench.ran();
    let mut command = launcher(&job).unwrap();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    while !fsio::exists(&bench.path("trace")) {
        assert!(begin.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(bench.store.lock(&record.nodes[0].key.unwrap()).unwrap().is_none(), "the child holds the lock");
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(bench.store.lock(&record.nodes[0].key.unwrap()).unwrap().is_some());
}

/// Runs with the `n`-th passing of each failpoint broken by `action`, for every `n` there is, and says how often that
/// was and what was told. After each failure the next run must succeed with the same output.
fn at_every_failpoint(act: &str, action: &str) -> (usize, String) {
    let (mut hits, mut told) = (0, String::new());
    for point in ["write", "sync", "rename"] {
        for n in 1.. {
            let mut bench = Bench::new();
            bench.work("a", act, &[]).work("b", "plain", &["a"]);
            bench.options.only = vec!["a".into()];
            fsio::write_atomic(&bench.path("fail"), format!("{point}@{n}={action}").as_bytes()).unwrap();
            let broken = bench.run();
            if broken.status == RunStatus::Done {
                break;
            }
            (hits, told) = (hits + 1, bench.failure());
            fsio::remove_file(&bench.path("fail")).unwrap();
            bench.options.only.clear();
            let record = bench.run();
            assert_eq!(record.status, RunStatus::Done, "{point}@{n}: {}", bench.failure());
            assert!(bench.output(&record, "b").starts_with('a'));
            for name in fsio::walk(&bench.store.path().join("objects")).unwrap() {
                bench.store.verify(&name.replace('/', "").parse().unwrap()).unwrap();
            }
            assert!(!fsio::exists(&bench.store.path().join("quarantine")));
        }
    }
    (hits, told)
}

#[test]
fn a_child_killed_at_any_write_sync_or_rename_leaves_a_good_store() {
    let (hits, told) = at_every_failpoint("tree", "kill");
    assert!(hits >= 15, "{hits}");
    assert!(told.contains("SIGKILL"), "{told}");
}

#[test]
fn a_full_disk_is_told_and_overcome() {
    let (hits, told) = at_every_failpoint("plain", "full");
    assert!(hits >= 8, "{hits}");
    assert!(told.contains("Free some space or move the store"), "{told}");
}

#[test]
fn a_damaged_output_of_another_run_is_told() {
    let mut bench = Bench::new();
    bench.work("a", "plain", &[]);
    let record = bench.run();
    bench.clear().work("b", "plain", &["run:test/a"]);
    flip(&object_file(&bench.store, &record.nodes[0].outputs["out"].digest));
    assert_eq!(statuses(&bench.run()), [Failed]);
    assert!(bench.failure().contains("run the pipeline that made it"), "{}", bench.failure());
}
