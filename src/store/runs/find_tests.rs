//! What the names of runs stand for, and what is told of the runs that they do not stand for.

use super::tests::{entry, node, run, store as three};
use super::*;
use crate::stage::StageName;
use crate::store::Store;
use crate::store::testing::store as empty;

/// What a run differs in from a finished one of a whole pipeline.
type Change = fn(&mut RunRecord);

/// A store in which runs of `voc` follow each other: number, and what is changed in its record.
fn store(runs: &[(u64, Change)]) -> (tempfile::TempDir, Store) {
    let (dir, store) = empty();
    for (number, change) in runs {
        let entry = entry(*number, &format!("run{number}"), "voc");
        let mut record = RunRecord { finished: Some("2026-11-29T00:00:09Z".into()), ..run(&entry, "voc") };
        change(&mut record);
        store.end(&entry, &record).unwrap();
    }
    (dir, store)
}

fn whole(_: &mut RunRecord) {}

fn set(run: &mut RunRecord) {
    run.sets = vec!["a.b=1".into(), "c=2".into()];
}

fn only(run: &mut RunRecord) {
    run.only = vec!["a".into()];
}

fn tiny(run: &mut RunRecord) {
    run.profile = Some("tiny".into());
}

fn failed(run: &mut RunRecord) {
    run.status = RunStatus::Failed;
}

/// The id, and what is told of the runs that were passed over.
fn told(store: &Store, name: &str) -> (String, String) {
    let found = store.find_run(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    let passed = found.passed_over(name).unwrap_or_default();
    (found.run.id, passed)
}

/// The error of a name that stands for no run.
fn refused(store: &Store, name: &str) -> String {
    let error = store.find_run(name).unwrap_err();
    format!("{error} {}", error.hint())
}

#[test]
fn runs_are_found_by_number_id_prefix_pipeline_and_age() {
    let (_dir, store) = three();
    let id = |name: &str| store.find_run(name).unwrap().run.id;
    assert_eq!(id("latest"), "20260102-1-c");
    assert_eq!(id("latest~1"), "20260102-bbbb");
    assert_eq!(id("latest~2"), "20270101-aaaa");
    assert_eq!(id("voc"), "20260102-1-c");
    assert_eq!(id("voc~1"), "20270101-aaaa");
    assert_eq!(id("2027"), "20270101-aaaa");
    assert_eq!(id("20260102-1-c"), "20260102-1-c");
    assert_eq!(store.runs(Some("voc")).unwrap().count(), 2);
    assert_eq!(store.run_summaries(None, false, |_| true).unwrap().count(), 3);
}

#[test]
fn names_of_no_run_are_explained() {
    let (_dir, store) = three();
    let say = |name: &str| refused(&store, name);
    insta::assert_snapshot!(say("smok"), @"There is no run `smok` in the store. Did you mean `smoke`?");
    insta::assert_snapshot!(say("voc~2"), @"There is no run `voc~2`: the store has 2 finished runs of `voc`, not counting trials and runs with a profile. List the runs by `repro runs`.");
    insta::assert_snapshot!(say("latest~7"), @"There is no run `latest~7`: the store has 3 runs. List the runs by `repro runs`.");
    insta::assert_snapshot!(say("voc@tiny"), @"There is no run `voc@tiny` in the store: no run of `voc` has the profile `tiny`. Name a run by its id or the start of it, by its pipeline's name (`smoke`, or `smoke@tiny` with a profile), or by `latest` or `latest~1`.");
    insta::assert_snapshot!(say("2026"), @"`2026` is the start of 2 run ids, from `20260102-bbbb` to `20260102-1-c`. Give more digits.");
    insta::assert_snapshot!(say("latest~x"), @"`~x` in `latest~x` is not a number of runs. Name a run by its id or the start of it, by its pipeline's name (`smoke`, or `smoke@tiny` with a profile), or by `latest` or `latest~1`.");
    insta::assert_snapshot!(say("zzz"), @"There is no run `zzz` in the store. Name a run by its id or the start of it, by its pipeline's name (`smoke`, or `smoke@tiny` with a profile), or by `latest` or `latest~1`.");
    insta::assert_snapshot!(refused(&empty().1, "latest"), @"There are no runs yet. Run a pipeline: `repro run FILE`.");
}

#[test]
fn a_name_means_the_newest_finished_run_that_is_no_trial_and_newer_ones_are_told_of() {
    let (_dir, store) = store(&[(1, tiny), (2, whole), (3, whole), (4, tiny), (5, set), (6, failed), (7, only)]);
    assert_eq!(told(&store, "latest"), ("run7".into(), String::new()));
    assert_eq!(told(&store, "latest~1"), ("run6".into(), String::new()));
    let (id, passed) = told(&store, "voc");
    assert_eq!(id, "run3");
    insta::assert_snapshot!(passed, @"For `voc`, newer runs were passed over: run7 is a trial (only a); run6 failed; run5 is a trial (a.b=1; c=2); and 1 more.");
    assert_eq!(told(&store, "voc~1").0, "run2");
    let (id, passed) = told(&store, "voc@tiny");
    assert_eq!((id.as_str(), passed.as_str()), ("run4", ""), "runs without the profile are none of its runs");
    assert_eq!(told(&store, "voc@tiny~1").0, "run1");
    // An id means its run, whatever it is.
    assert_eq!(told(&store, "run5"), ("run5".into(), String::new()));
    insta::assert_snapshot!(store.find_run("run5").unwrap().taken(), @"run run5 of voc (a trial: a.b=1; c=2), finished 2026-11-29T00:00:09Z");
    insta::assert_snapshot!(store.find_run("run4").unwrap().taken(), @"run run4 of voc@tiny, finished 2026-11-29T00:00:09Z");
    insta::assert_snapshot!(store.find_run("run6").unwrap().taken(), @"run run6 of voc, failed 2026-11-29T00:00:09Z");
    insta::assert_snapshot!(refused(&store, "voc~2"), @"There is no run `voc~2`: the store has 2 finished runs of `voc`, not counting trials and runs with a profile. Passed over: run7 is a trial (only a); run6 failed; run5 is a trial (a.b=1; c=2); and 2 more. Name a run that was passed over by its id, as `run7`; `repro runs` lists all.");
}

#[test]
fn a_name_that_only_other_runs_have_is_an_error_with_their_ids() {
    let (_dir, one) = store(&[(1, set), (2, only)]);
    insta::assert_snapshot!(refused(&one, "voc"), @"There is no run `voc`: the store has no finished run of `voc`, not counting trials and runs with a profile. Passed over: run2 is a trial (only a); run1 is a trial (a.b=1; c=2). Name a run that was passed over by its id, as `run2`; `repro runs` lists all.");
    let (_dir, two) = store(&[
        (1, tiny),
        (2, failed),
        (3, |run| {
            tiny(run);
            set(run);
        }),
    ]);
    insta::assert_snapshot!(refused(&two, "voc"), @"There is no run `voc`: the store has no finished run of `voc`, not counting trials and runs with a profile. Passed over: run3 has the profile `tiny`; run2 failed; run1 has the profile `tiny`. Name a run that was passed over by its id, as `run3`; `repro runs` lists all.");
    assert_eq!(
        told(&two, "voc@tiny"),
        ("run1".into(), "For `voc@tiny`, a newer run was passed over: run3 is a trial (a.b=1; c=2).".into())
    );
    insta::assert_snapshot!(refused(&two, "voc@tinny"), @"There is no run `voc@tinny` in the store: no run of `voc` has the profile `tinny`. Did you mean `voc@tiny`?");
}

#[test]
fn a_run_that_goes_on_or_was_killed_is_passed_over() {
    let (_dir, store) = store(&[(1, whole)]);
    let claim = store.claim_run("voc").unwrap();
    let begun = RunRecord { status: RunStatus::Running, ..run(&claim.entry, "voc") };
    let _journal = store.begin_run(&claim, &begun).unwrap();
    let (id, passed) = told(&store, "voc");
    assert_eq!(
        (id.as_str(), passed),
        ("run1", format!("For `voc`, a newer run was passed over: {} is still running.", claim.id()))
    );
    let killed = claim.id().to_owned();
    drop(claim);
    assert_eq!(told(&store, "voc").1, format!("For `voc`, a newer run was passed over: {killed} was interrupted."));
    assert_eq!(told(&store, "latest").0, killed);
}

#[test]
fn a_profile_may_have_any_name() {
    let (_dir, store) =
        store(&[(1, |run| run.profile = Some("a~1".into())), (2, |run| run.profile = Some("b@c".into()))]);
    assert_eq!(told(&store, "voc@a~1").0, "run1");
    assert_eq!(told(&store, "voc@b@c~0").0, "run2");
}

#[test]
fn for_a_stage_a_finished_run_comes_first_and_then_one_that_finished_the_stage() {
    fn with(run: &mut RunRecord, second: Status) {
        run.nodes = vec![node(0), RunNodeRecord { status: second, ..node(1) }];
        if !second.is_done() {
            run.status = RunStatus::Failed;
        }
    }
    let (_dir, store) = store(&[
        (1, |run| with(run, Status::Failed)),
        (2, |run| run.nodes = vec![node(0)]),
        (3, |run| with(run, Status::Failed)),
        (4, |run| {
            with(run, Status::Hit);
            set(run);
        }),
        (5, failed),
    ]);
    let find = |name: &str, stage: &str| {
        let found = store.find_run_with(name, &StageName::read(stage).unwrap());
        found.map(|found| (found.passed_over(name).unwrap_or_default(), found.run.id))
    };
    let (passed, id) = find("voc", "stage0").unwrap();
    assert_eq!(id, "run2");
    insta::assert_snapshot!(passed, @"For `voc`, newer runs were passed over: run5 did not finish the stage `stage0`; run4 is a trial (a.b=1; c=2); run3 failed.");
    // No finished run that is no trial has the second stage, and no run at all finished it but the trial.
    let error = find("voc", "stage1").unwrap_err();
    insta::assert_snapshot!(format!("{error} {}", error.hint()), @"There is no run `voc`: the store has no finished run of `voc` with the stage `stage1`, not counting trials and runs with a profile. Passed over: run5 did not finish the stage `stage1`; run4 is a trial (a.b=1; c=2); run3 did not finish the stage `stage1`; and 2 more. Name a run that was passed over by its id; `repro runs` lists all.");
    assert_eq!(find("latest", "stage1").unwrap().1, "run4");
    assert_eq!(find("latest~1", "stage0").unwrap().1, "run3");
    assert_eq!(find("run1", "stage1").unwrap().1, "run1", "an id means its run");
    let (_dir, partly) =
        self::store(&[(1, |run| with(run, Status::Failed)), (2, |run| with(run, Status::Failed)), (3, set)]);
    let found = partly.find_run_with("voc", &StageName::read("stage0").unwrap()).unwrap();
    assert_eq!(found.run.id, "run2");
    insta::assert_snapshot!(found.passed_over("voc").unwrap(), @"For `voc`, a newer run was passed over: run3 is a trial (a.b=1; c=2).");
}
