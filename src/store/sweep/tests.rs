//! What nobody needs goes, what somebody holds stays.

use std::collections::BTreeMap;

use super::*;
use crate::stage::Outputs;
use crate::store::testing::store;
use crate::store::{ActionRecord, Execution, RunClaim, RunRecord, RunStatus, Verdict};

fn key(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn record(claim: &RunClaim, status: RunStatus) -> RunRecord {
    RunRecord {
        format: RunRecord::FORMAT,
        number: claim.number(),
        id: claim.id().to_owned(),
        pipeline: "p".into(),
        file: String::new(),
        profile: None,
        sets: vec![],
        only: vec![],
        resolved: String::new(),
        started: String::new(),
        finished: None,
        status,
        device: String::new(),
        nodes: vec![],
        machine: BTreeMap::new(),
        versions: BTreeMap::new(),
        numeric: BTreeMap::new(),
        params: BTreeMap::new(),
    }
}

fn done(text: &str) -> ActionRecord {
    ActionRecord {
        format: ActionRecord::FORMAT,
        key: key(text),
        recipe: key(text),
        kind: "Work".into(),
        version: 1,
        preimage: BTreeMap::new(),
        outputs: Outputs::new(),
        warnings: Vec::new(),
        metrics: BTreeMap::new(),
        root: None,
    }
}

/// Begins a run with a job that works on `text`; its folder.
fn begin(store: &Store, text: &str) -> (RunClaim, PathBuf) {
    let claim = store.claim_run("p").unwrap();
    store.begin_run(&claim, &record(&claim, RunStatus::Running)).unwrap();
    let folder = store.jobs(claim.id()).join(key(text).to_string());
    for name in ["job.json", "log.txt", "out/half"] {
        fsio::write_atomic(&folder.join(name), b"x").unwrap();
    }
    fsio::write_atomic(&store.scratch(&key(text)).join("checkpoint"), b"x").unwrap();
    (claim, folder)
}

#[test]
fn what_a_killed_run_left_goes_and_its_log_and_its_checkpoint_stay() {
    let (_dir, store) = store();
    let (claim, folder) = begin(&store, "a");
    let id = claim.id().to_owned();
    let lock = store.lock(&key("a")).unwrap();
    store.sweep_runs().unwrap();
    assert!(fsio::exists(&folder.join("out/half")), "the run lives");
    drop(claim);
    store.sweep_runs().unwrap();
    assert!(fsio::exists(&folder.join("out/half")), "its stage lives");
    drop(lock);
    store.sweep_runs().unwrap();
    assert_eq!(fsio::list(&folder).unwrap(), ["job.json", "log.txt"]);
    assert!(fsio::exists(&store.scratch(&key("a")).join("checkpoint")));
    assert_eq!(store.find_run("latest").unwrap().run.id, id);
    let runs = fsio::list(&store.path().join("runs")).unwrap();
    assert!(runs.len() == 1 && runs[0].ends_with(".json"), "{runs:?}");
    assert!(fsio::list(&store.path().join("locks")).unwrap().is_empty());
}

#[test]
fn locks_that_nobody_holds_go() {
    let (_dir, store) = store();
    let locks = store.path().join("locks");
    fsio::write_atomic(&locks.join("left"), b"").unwrap();
    fsio::create_dir_all(&locks.join("folder")).unwrap();
    let _held = store.lock(&key("a")).unwrap();
    store.sweep_runs().unwrap();
    let mut names = vec![key("a").to_string(), "folder".to_owned()];
    names.sort();
    assert_eq!(fsio::list(&locks).unwrap(), names);
}

#[test]
fn checkpoints_go_when_their_node_is_done_or_too_many_runs_left_some_since() {
    let (_dir, store) = store();
    let left = || fsio::list(&store.path().join("scratch")).unwrap().len();
    for i in 0..RUNS_WITH_SCRATCH + 2 {
        drop(begin(&store, &i.to_string()));
    }
    fsio::create_dir_all(&store.scratch(&key("empty"))).unwrap();
    store.sweep_runs().unwrap();
    assert_eq!(left(), RUNS_WITH_SCRATCH);
    assert!(!fsio::exists(&store.scratch(&key("0"))) && !fsio::exists(&store.scratch(&key("1"))));
    store.write_record(&done("5")).unwrap();
    store.sweep_runs().unwrap();
    assert_eq!(left(), RUNS_WITH_SCRATCH - 1);
}

#[test]
fn logs_of_old_runs_go_but_for_those_that_live_or_left_a_checkpoint() {
    let (_dir, store) = store();
    let (alive, living) = begin(&store, "alive");
    let (_, unfinished) = begin(&store, "unfinished");
    let (_, old) = begin(&store, "old");
    // As an older program left them: `jobs/<recipe>/<run>`.
    let older = store.path().join("jobs").join(key("recipe").to_string()).join("20260101-000000-000-aaaa-2");
    fsio::write_atomic(&older.join("out/half"), b"x").unwrap();
    store.sweep_runs().unwrap();
    assert!(fsio::exists(&older) && !fsio::exists(&older.join("out")));
    fsio::remove_dir_all(&store.scratch(&key("old"))).unwrap();
    for _ in 0..RUNS_WITH_LOGS {
        let (claim, folder) = begin(&store, "new");
        fsio::remove_dir_all(&store.scratch(&key("new"))).unwrap();
        store.end_run(&claim, &record(&claim, RunStatus::Done)).unwrap();
        drop(claim);
        assert!(fsio::exists(&folder));
    }
    store.sweep_runs().unwrap();
    let gone = [&old, old.parent().unwrap(), &older, older.parent().unwrap()].map(fsio::exists);
    assert_eq!(gone, [false; 4]);
    assert!(fsio::exists(&living.join("out/half")) && fsio::exists(&unfinished.join("log.txt")));
    drop(alive);
}

#[test]
fn an_execution_stays_as_long_as_its_run_or_its_key() {
    let (_dir, store) = store();
    let execution = |run: &str, text: &str| {
        let id = ExecutionId::new(run, key(text).to_string());
        let execution = Execution {
            format: Execution::FORMAT,
            log: id.log(),
            id: id.clone(),
            stage: text.into(),
            iteration: None,
            kind: "Work".into(),
            recipe: key(text),
            key: key(text),
            verdict: Verdict::Stopped,
            outputs: Outputs::new(),
            metrics: BTreeMap::new(),
            started: String::new(),
            seconds: 1.0,
            peak_memory: None,
            device: "cpu".into(),
            threads: 1,
            host: String::new(),
            versions: BTreeMap::new(),
        };
        store.write_execution(&execution).unwrap();
        id
    };
    let (claim, _) = begin(&store, "a");
    let of_run = execution(claim.id(), "a");
    let ids = [of_run, execution("gone", "done"), execution("gone", "never")];
    store.write_record(&done("done")).unwrap();
    let damaged = store.path().join("executions/gone/damaged.json");
    fsio::write_atomic(&damaged, b"torn").unwrap();
    let there = || ids.each_ref().map(|id| store.execution(id).unwrap().is_some());
    store.sweep_runs().unwrap();
    assert_eq!(there(), [true, true, false]);
    assert!(!fsio::exists(&damaged), "it is set aside");
    drop(claim);
    for name in fsio::list(&store.path().join("runs")).unwrap() {
        fsio::remove_file(&store.path().join("runs").join(name)).unwrap();
    }
    fsio::remove_dir_all(&store.path().join("actions")).unwrap();
    store.sweep_runs().unwrap();
    assert_eq!(there(), [false; 3]);
    assert!(fsio::list(&store.path().join("executions")).unwrap().is_empty());
}

#[test]
fn nothing_is_reached_through_a_link() {
    let (dir, store) = store();
    let mine = dir.path().join("mine");
    fsio::write_atomic(&mine.join("thesis/out/text"), b"x").unwrap();
    let (claim, folder) = begin(&store, "a");
    drop(claim);
    fsio::remove_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink(mine.join("thesis"), &folder).unwrap();
    let old = store.path().join("jobs").join(key("recipe").to_string());
    std::os::unix::fs::symlink(&mine, old).unwrap();
    store.sweep_runs().unwrap();
    assert!(fsio::exists(&mine.join("thesis/out/text")));
}
