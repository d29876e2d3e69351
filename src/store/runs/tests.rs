//! Runs are ordered, named, read while they go on and after their process died, and stored by what is new.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{JOURNAL, RECORD, mark};
use super::*;
use crate::fsio;
use crate::hash::Digest;
use crate::stage::value::Record;
use crate::stage::{Artifact, ArtifactKind, Value};
use crate::store::Store;
use crate::store::records::frame;
use crate::store::testing::store as empty;

/// A record as the program of format 1 wrote it, and one of format 2 with the lists that it names.
const FORMAT_1: &[u8] = include_bytes!("samples/format1.json");
const FORMAT_2: &[u8] = include_bytes!("samples/format2.json");
const FORMAT_2_PLAN: &[u8] = include_bytes!("samples/format2.plan");
const FORMAT_2_NODES: &[u8] = include_bytes!("samples/format2.nodes");

/// The record of a run without nodes.
pub(super) fn run(entry: &RunName, pipeline: &str) -> RunRecord {
    RunRecord {
        format: RunRecord::FORMAT,
        number: entry.number,
        id: entry.id.clone(),
        pipeline: pipeline.into(),
        file: "p.ron".into(),
        profile: None,
        sets: vec![],
        only: vec![],
        resolved: "Pipeline(\n)\n".into(),
        started: "2026-11-29T00:00:00Z".into(),
        finished: None,
        status: RunStatus::Done,
        device: "cpu".into(),
        nodes: vec![],
        machine: BTreeMap::new(),
        versions: BTreeMap::new(),
        numeric: BTreeMap::new(),
        params: BTreeMap::from([("a".into(), Value::Struct(Record::default()))]),
    }
}

/// The record of a node that was in the store.
pub(super) fn node(i: usize) -> RunNodeRecord {
    let digest = Digest::of(&i.to_le_bytes());
    let kind = ArtifactKind::File;
    let out = Artifact { digest, bytes: 3, kind, file: "out".into(), path: None, tree: BTreeMap::new() };
    RunNodeRecord {
        stage: format!("stage{i}"),
        iteration: None,
        kind: "Work".into(),
        yields: "text".into(),
        recipe: digest,
        key: Some(digest),
        status: Status::Hit,
        seconds: 0.0,
        job: None,
        outputs: BTreeMap::from([("out".into(), out)]),
        warnings: Vec::new(),
        metrics: BTreeMap::from([("miou".into(), 0.1 + 0.2)]),
        preimage: BTreeMap::from([("kind".into(), "Work".into()), ("params.text".into(), digest.to_string())]),
        message: String::new(),
    }
}

/// The name of a run.
pub(super) fn entry(number: u64, id: &str, pipeline: &str) -> RunName {
    RunName { number, id: id.into(), mark: Some(mark(pipeline)) }
}

/// Records a run of a pipeline that has no nodes; its id.
pub fn recorded(store: &Store, pipeline: &str) -> String {
    let claim = store.claim_run(pipeline).unwrap();
    store.end_run(&claim, &run(&claim.entry, pipeline)).unwrap();
    claim.id().to_owned()
}

/// Three finished runs; that of the greatest number has the smallest id.
pub(super) fn store() -> (tempfile::TempDir, Store) {
    let (dir, store) = empty();
    for (number, id, name) in [(9, "20270101-aaaa", "voc"), (10, "20260102-bbbb", "smoke"), (11, "20260102-1-c", "voc")]
    {
        let entry = entry(number, id, name);
        store.end(&entry, &run(&entry, name)).unwrap();
    }
    (dir, store)
}

#[test]
fn numbers_and_ids_are_claimed_once_by_any_number_of_processes() {
    let (_dir, store) = store();
    let claims = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for i in 0..20 {
                    let claim = store.claim_run("voc").unwrap();
                    // Some end before others begin, some go on, some never write a record.
                    if i % 3 == 0 {
                        store.end_run(&claim, &run(&claim.entry, "voc")).unwrap();
                        claims.lock().unwrap().push((claim.entry.clone(), None));
                    } else {
                        claims.lock().unwrap().push((claim.entry.clone(), Some(claim)));
                    }
                }
            });
        }
    });
    let claims = claims.into_inner().unwrap();
    let numbers: BTreeSet<u64> = claims.iter().map(|(entry, _)| entry.number).collect();
    let ids: BTreeSet<&str> = claims.iter().map(|(entry, _)| entry.id.as_str()).collect();
    assert_eq!((numbers.len(), ids.len(), *numbers.first().unwrap()), (80, 80, 12));
    let newest = claims.iter().filter(|(_, claim)| claim.is_none()).map(|(entry, _)| entry).max().unwrap();
    assert_eq!(store.find_run("latest").unwrap().run.number, newest.number);
}

#[test]
fn a_run_that_goes_on_is_read_from_its_journal_and_one_that_was_killed_keeps_what_it_finished() {
    let (_dir, store) = store();
    let claim = store.claim_run("voc").unwrap();
    let begun = RunRecord { status: RunStatus::Running, ..run(&claim.entry, "voc") };
    let mut journal = store.begin_run(&claim, &begun).unwrap();
    let statuses =
        || -> Vec<Status> { store.find_run("latest").unwrap().run.nodes.iter().map(|node| node.status).collect() };
    for i in 0..3 {
        let unknown = RunNodeRecord { key: None, outputs: BTreeMap::new(), ..node(i) };
        journal.note(i, &RunNodeRecord { status: Status::Waiting, ..unknown }, true);
    }
    journal.write().unwrap();
    assert_eq!(statuses(), [Status::Waiting; 3]);
    journal.note(1, &RunNodeRecord { status: Status::Running, ..node(1) }, false);
    journal.note(0, &RunNodeRecord { status: Status::Ran, seconds: 2.5, ..node(0) }, true);
    journal.write().unwrap();
    let (path, text) =
        (store.run_path(&claim.entry, JOURNAL), fsio::read(&store.run_path(&claim.entry, JOURNAL)).unwrap());
    fsio::write_atomic(&path, &[&text[..], b"12345678 {\"what\":{\"at\":2,\"sta"].concat()).unwrap();
    assert_eq!(statuses(), [Status::Ran, Status::Running, Status::Waiting], "a torn line is passed over");
    let now = store.find_run("latest").unwrap().run;
    assert_eq!((now.status, now.nodes[0].seconds, &now.nodes[0].outputs), (RunStatus::Running, 2.5, &node(0).outputs));
    assert_eq!((now.resolved, now.params), (begun.resolved.clone(), begun.params.clone()));
    let line = store.run_summaries(None, false, |_| true).unwrap().next().unwrap().unwrap().line;
    assert_eq!((line.status, line.ran, line.running, line.waiting), (RunStatus::Running, 1, 1, 1));
    let entry = claim.entry.clone();
    drop(claim);
    let killed = store.find_run("latest").unwrap().run;
    assert_eq!(killed.status, RunStatus::Interrupted);
    assert_eq!(statuses(), [Status::Ran, Status::Interrupted, Status::Skipped]);
    store.end_killed_run(&entry).unwrap();
    assert!(!fsio::exists(&path));
    assert_eq!(store.find_run("latest").unwrap().run, killed, "the record that is written for it says the same");
}

#[test]
fn a_run_with_nothing_to_do_adds_its_head_alone_and_a_change_what_changed() {
    let (_dir, store) = empty();
    let mut nodes: Vec<RunNodeRecord> = (0..500).map(node).collect();
    let bytes = || -> u64 {
        let files = fsio::walk(store.path()).unwrap();
        files.iter().map(|file| fsio::stat(&store.path().join(file)).unwrap().bytes).sum()
    };
    let add = |nodes: &[RunNodeRecord]| {
        let (before, claim) = (bytes(), store.claim_run("voc").unwrap());
        let (sets, only) = (vec!["a.b=1".into()], vec!["a".into()]);
        let record = RunRecord { nodes: nodes.to_vec(), sets, only, ..run(&claim.entry, "voc") };
        store.end_run(&claim, &record).unwrap();
        drop(claim);
        assert_eq!(store.find_run("latest").unwrap().run, record);
        bytes() - before
    };
    let ran = |node: &RunNodeRecord| {
        let job = node.key.map(|key| key.to_string());
        RunNodeRecord { status: Status::Ran, seconds: 1.5, job, ..node.clone() }
    };
    assert!(add(&nodes.iter().map(ran).collect::<Vec<_>>()) > 100_000);
    for _ in 0..3 {
        let more = add(&nodes);
        assert!(more < 1024, "nothing to do costs {more} bytes");
    }
    nodes[100] = RunNodeRecord { key: Some(Digest::of(b"new")), ..node(100) };
    let mut changed = nodes.clone();
    changed[100] = ran(&nodes[100]);
    let more = add(&changed);
    assert!(more < 2048, "one changed node costs {more} bytes");
    let more = add(&nodes);
    assert!(more < 1024, "nothing to do after a change costs {more} bytes");
}

#[test]
fn records_of_all_formats_are_read_and_those_without_a_number_come_first() {
    let (_dir, store) = empty();
    let place = |name: &str, text: &[u8]| fsio::write_atomic(&store.path().join("runs").join(name), text).unwrap();
    place("20991231-235959-999-ffff.json", FORMAT_1);
    let old = store.find_run("latest").unwrap().run;
    assert_eq!((old.format, old.number, old.pipeline.as_str(), old.status), (1, 0, "sample", RunStatus::Failed));
    let statuses = |run: &RunRecord| -> Vec<Status> { run.nodes.iter().map(|node| node.status).collect() };
    assert_eq!(statuses(&old), [Status::Ran, Status::Failed, Status::Skipped]);
    for list in [FORMAT_2_PLAN, FORMAT_2_NODES] {
        store.put_bytes(list).unwrap();
    }
    let name = format!("00000007.20261129-010203-456-0007.{}.json", mark("sample"));
    place(&name, FORMAT_2);
    let new = store.find_run("latest").unwrap().run;
    assert_eq!((new.format, new.number, new.id.as_str()), (2, 7, "20261129-010203-456-0007"));
    assert_eq!(statuses(&new), statuses(&old));
    assert_eq!((&new.resolved, &new.params, &new.sets), (&old.resolved, &old.params, &old.sets));
    for (new, old) in new.nodes.iter().zip(&old.nodes) {
        assert_eq!((&new.outputs, &new.preimage, &new.message), (&old.outputs, &old.preimage, &old.message));
    }
    assert_eq!(store.find_run("latest~1").unwrap().run, old);
    assert_eq!(store.claim_run("sample").unwrap().number(), 8);
}

#[test]
fn a_record_is_read_as_far_as_it_goes_and_one_of_a_newer_format_stays() {
    let (_dir, store) = store();
    let path = store.path().join("runs").join(format!("00000012.20260103-d.{}.json", mark("voc")));
    let text = br#"{"format":1,"id":"20260103-d","pipeline":"voc","status":"done","machine":7,"nodes":[{"stage":1},
        {"stage":"a","kind":"Work","recipe":"00"},
        {"stage":"b","kind":"Work","status":"ran","recipe":"0000000000000000000000000000000000000000000000000000000000000000"}]}"#;
    fsio::write_atomic(&path, &frame(text)).unwrap();
    let run = store.find_run("latest").unwrap().run;
    assert_eq!((run.id.as_str(), run.status, run.nodes.len()), ("20260103-d", RunStatus::Done, 1));
    for text in [&br#"{"format":3,"id":"20260103-d"}"#[..], b"[]"] {
        fsio::write_atomic(&path, &frame(text)).unwrap();
        assert_eq!(store.find_run("latest").unwrap().run.id, "20260102-1-c");
        let told = store.take_notices().join(" ");
        assert!(told.contains("The record of run 20260103-d") && told.contains("left out"), "{told}");
        assert_eq!(fsio::read(&path).unwrap(), frame(text));
    }
}

#[test]
fn what_is_damaged_is_told_and_left_out_and_later_runs_do_not_rest_on_it() {
    let (_dir, store) = store();
    let path = store.run_path(&entry(11, "20260102-1-c", "voc"), RECORD);
    fsio::write_atomic(&path, b"torn").unwrap();
    assert_eq!(store.runs(None).unwrap().count(), 2);
    assert!(!fsio::exists(&path));
    assert_eq!(store.find_run("voc").unwrap().run.id, "20270101-aaaa");
    let claim = store.claim_run("voc").unwrap();
    let record = RunRecord { nodes: (0..9).map(node).collect(), ..run(&claim.entry, "voc") };
    store.end_run(&claim, &record).unwrap();
    let lists = store.stored(&claim.entry).unwrap().unwrap().lists.unwrap();
    fsio::remove_file(&store.objects.file(&lists.nodes.unwrap())).unwrap();
    assert_eq!(store.find_run("voc").unwrap().run.id, "20270101-aaaa");
    assert!(store.take_notices().iter().any(|text| text.contains("a part of its record is lost")));
    let next = store.claim_run("voc").unwrap();
    let record = RunRecord { number: next.number(), id: next.id().into(), ..record };
    store.end_run(&next, &record).unwrap();
    assert_eq!(store.find_run("voc").unwrap().run, record);
}

#[test]
fn a_list_has_the_figures_of_nodes_the_parameters_and_how_long_runs_took() {
    let (_dir, store) = empty();
    for number in 1..=3 {
        let entry = entry(number, &format!("r{number}"), "voc");
        let finished = Some("2026-11-29T01:01:05Z".into());
        let status = if number == 2 { RunStatus::Failed } else { RunStatus::Done };
        let nodes = (0..3).map(node).collect();
        store.end(&entry, &RunRecord { nodes, finished, status, ..run(&entry, "voc") }).unwrap();
    }
    let list = |params, keep: fn(&RunLine) -> bool| -> Vec<RunSummary> {
        store.run_summaries(Some("voc"), params, keep).unwrap().map(Result::unwrap).collect()
    };
    let all = list(true, |_| true);
    let ids: Vec<&str> = all.iter().map(|run| run.line.id.as_str()).collect();
    assert_eq!(ids, ["r3", "r2", "r1"]);
    assert_eq!((all[0].line.number, all[0].line.seconds, all[0].line.cached), (3, Some(3665), 3));
    assert_eq!(all[0].figures.len(), 3);
    assert_eq!((all[0].figures[1].stage.as_str(), all[0].figures[1].metrics["miou"]), ("stage1", 0.1 + 0.2));
    assert_eq!(*all[0].params, run(&entry(1, "r1", "voc"), "voc").params);
    let failed = list(false, |line| line.status == RunStatus::Failed);
    assert_eq!((failed.len(), failed[0].line.id.as_str(), failed[0].params.len()), (1, "r2", 0));
    assert_eq!(store.run_summaries(Some("coco"), false, |_| true).unwrap().count(), 0);
    // A run whose nodes are lost is listed without their figures.
    let lists = store.stored(&entry(1, "r1", "voc")).unwrap().unwrap().lists.unwrap();
    fsio::remove_file(&store.objects.file(&lists.nodes.unwrap())).unwrap();
    assert!(list(false, |_| true).iter().all(|run| run.figures.is_empty()));
    assert!(store.take_notices()[0].contains("A part of the record of run r3 is lost."));
}
