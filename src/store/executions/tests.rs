//! Executions are recorded once, read back in every format, and kept as long as their run or their key.

use super::*;
use crate::fsio;
use crate::stage::{Artifact, ArtifactKind};
use crate::store::testing::store;

/// A record of format 1 as it was first written.
const FORMAT_1: &[u8] = include_bytes!("samples/format1.json");

pub fn sample() -> Execution {
    let kind = ArtifactKind::File;
    let digest = Digest::of(b"model");
    let model = Artifact { digest, bytes: 5, kind, file: "model".into(), path: None, tree: BTreeMap::new() };
    let id = ExecutionId::new("20261129-010203-456-0007", Digest::of(b"key").to_string());
    Execution {
        format: Execution::FORMAT,
        log: id.log(),
        id,
        stage: "train[seed=1]".into(),
        iteration: Some(2),
        kind: "Train".into(),
        recipe: Digest::of(b"recipe"),
        key: Digest::of(b"key"),
        verdict: Verdict::Done { reused: false },
        outputs: Outputs::from([("model".to_owned(), model)]),
        metrics: BTreeMap::from([("miou".into(), 0.1 + 0.2)]),
        started: "2026-11-29T01:02:03Z".into(),
        seconds: 1.25,
        peak_memory: Some(1 << 30),
        device: "cpu".into(),
        threads: 4,
        host: "example".into(),
        versions: BTreeMap::from([("repro".into(), "0.1.0".into())]),
    }
}

#[test]
fn every_verdict_reads_back_and_a_record_is_never_replaced() {
    let (_dir, store) = store();
    let verdicts = [
        Verdict::Done { reused: true },
        Verdict::Failed(StageError::CorruptInput { digest: Digest::of(b"input") }),
        Verdict::Failed(StageError::Io { message: "Oh.".into(), hint: String::new(), full: true }),
        Verdict::Stopped,
        Verdict::Busy,
    ];
    for (n, verdict) in verdicts.into_iter().enumerate() {
        let execution = Execution { id: ExecutionId::new("run", format!("job-{n}")), verdict, ..sample() };
        assert_eq!(store.execution(&execution.id).unwrap(), None);
        store.write_execution(&execution).unwrap();
        assert_eq!(store.execution(&execution.id).unwrap(), Some(execution.clone()));
        let other = Execution { seconds: 9.0, ..execution.clone() };
        let error = store.write_execution(&other).unwrap_err();
        assert!(error.to_string().contains("never replaced") && !error.hint().is_empty(), "{error}");
        assert_eq!(store.execution(&execution.id).unwrap(), Some(execution));
    }
    let of_run = store.executions("run").unwrap();
    assert_eq!(
        of_run.iter().map(|execution| execution.id.job.as_str()).collect::<Vec<_>>(),
        ["job-0", "job-1", "job-2", "job-3", "job-4"]
    );
    assert!(store.executions("another").unwrap().is_empty());
}

#[test]
fn a_record_of_every_format_reads_and_a_newer_one_is_refused_in_words_and_stays() {
    let (_dir, store) = store();
    let path = store.execution_path(&sample().id);
    fsio::write_atomic(&path, FORMAT_1).unwrap();
    assert_eq!(store.execution(&sample().id).unwrap(), Some(sample()));
    fsio::remove_file(&path).unwrap();
    store.write_execution(&sample()).unwrap();
    assert_eq!(fsio::read(&path).unwrap(), FORMAT_1);
    fsio::remove_file(&path).unwrap();
    store.write_execution(&Execution { format: 2, ..sample() }).unwrap();
    let newer = fsio::read(&path).unwrap();
    let error = store.execution(&sample().id).unwrap_err().to_string();
    assert!(error.contains("`record 2`, which is newer"), "{error}");
    assert!(store.executions(&sample().id.run).unwrap().is_empty());
    assert!(store.take_notices()[0].contains("which is newer"));
    assert_eq!(fsio::read(&path).unwrap(), newer);
}

#[test]
fn a_damaged_record_is_set_aside_and_the_others_are_read() {
    let (_dir, store) = store();
    let ids = ["a", "b"].map(|job| ExecutionId::new("run", job));
    for id in &ids {
        store.write_execution(&Execution { id: id.clone(), ..sample() }).unwrap();
    }
    let path = store.execution_path(&ids[0]);
    let whole = fsio::read(&path).unwrap();
    fsio::write_atomic(&path, &whole[..100]).unwrap();
    let found = store.executions("run").unwrap();
    assert_eq!(found.into_iter().map(|execution| execution.id).collect::<Vec<_>>(), ids[1..]);
    assert!(!fsio::exists(&path) && store.take_notices()[0].contains("set aside"));
    // A record under a name that is not its own tells nothing.
    fsio::write_atomic(&path, &whole.clone()).unwrap();
    fsio::rename(&store.execution_path(&ids[1]), &path).unwrap();
    assert_eq!(store.execution(&ids[0]).unwrap(), None);
}
