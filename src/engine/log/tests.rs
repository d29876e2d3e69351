//! The format, its bounds, and what is read of it.

use super::*;
use crate::engine::failure::NodeFailure;
use crate::hash::Digest;
use crate::stage::StageError;
use crate::store::RunStatus;

/// A log of format 1 as it was first written.
const FORMAT_1: &str = include_str!("../samples/events-1.jsonl");

fn node() -> NodeName {
    NodeName { stage: "train[seed=1]".into(), iteration: Some(2), kind: "Train".into() }
}

fn said(what: Event) -> RunEvent {
    RunEvent::NodeEvent { node: node(), what }
}

fn step(done: u64) -> RunEvent {
    said(Event::Progress { done, total: 900, unit: "steps".into() })
}

/// Every event that there is.
fn sample() -> Vec<LogLine> {
    let key = Digest::of(b"key");
    let figures = BTreeMap::from([("loss".to_owned(), 0.25)]);
    let failure =
        NodeFailure::Stage(StageError::Numeric { message: "The loss is not finite.".into(), hint: "".into() });
    let killed = NodeFailure::Killed { signal: 9, name: "SIGKILL".into() };
    let log = || "/store/jobs/run/key/log.txt".into();
    let events = [
        RunEvent::RunStarted { format: FORMAT, run: "run".into(), pipeline: "small".into(), nodes: 9, done: 1 },
        RunEvent::NodeHit { node: node(), key },
        RunEvent::NodeStarted { node: node(), key, log: log() },
        step(3),
        said(Event::Scalars { step: 3, values: figures.clone() }),
        said(Event::Resumed { step: 2 }),
        said(Event::Checkpoint { step: 4 }),
        said(Event::Log { text: "Some text.".into() }),
        said(Event::Warning { text: "Take care.".into() }),
        RunEvent::NodeWaiting { node: node(), key },
        RunEvent::NodeDone { node: node(), key, seconds: 1.5, metrics: figures },
        RunEvent::NodeFailed { node: node(), failure, tail: "the end\n".into(), log: Some(log()) },
        RunEvent::NodeFailed { node: node(), failure: killed, tail: String::new(), log: None },
        RunEvent::NodeInterrupted { node: node() },
        RunEvent::NodeSkipped { node: node(), reason: "It needs `a`, which is not done.".into() },
        RunEvent::NodeRemade { node: node(), wanted_by: node(), digest: key },
        RunEvent::Warning { node: None, text: "Take care.".into() },
        RunEvent::RunFinished {
            run: "run".into(),
            status: RunStatus::Failed,
            ran: 1,
            hits: 1,
            failed: 1,
            skipped: 1,
            seconds: 2.5,
        },
    ];
    events.into_iter().enumerate().map(|(at, event)| LogLine { at: at as f64 / 4.0, event }).collect()
}

#[test]
fn a_log_of_every_format_reads_and_a_newer_one_is_refused_in_words() {
    let path = Path::new("run.events");
    let written: String = sample().iter().map(|line| line.text() + "\n").collect();
    assert_eq!(read(path, FORMAT_1.as_bytes()).unwrap(), sample());
    assert_eq!(written, FORMAT_1);
    let newer = FORMAT_1.replace("\"format\":1", "\"format\":2");
    let error = read(path, newer.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("`run.events` has the format `events 2`, which is newer"), "{error}");
    // A line that a kill tore is passed over, and so is one that is no event.
    let torn = FORMAT_1[..FORMAT_1.len() - 9].to_owned() + "\nnothing\n{\"event\":\"other\",\"at\":1}\n";
    assert_eq!(read(path, torn.as_bytes()).unwrap(), sample()[..sample().len() - 1]);
    assert!(read(path, b"").unwrap().is_empty());
}

#[test]
fn what_a_stage_says_grows_with_the_logarithm_of_its_time_and_what_becomes_of_it_always_passes() {
    let passed = |hours: u64| {
        let mut sieve = Sieve::default();
        let start = RunEvent::NodeStarted { node: node(), key: Digest::of(b"key"), log: "log".into() };
        assert_eq!(sieve.pass(&start, Duration::ZERO), Passes::Yes);
        let steps = (0..hours * 36_000).filter(|step_no| {
            let now = Duration::from_millis(100 * step_no);
            sieve.pass(&step(*step_no), now) == Passes::Yes
        });
        let count = steps.count();
        for event in sample().into_iter().map(|line| line.event).filter(|e| !matches!(e, RunEvent::NodeEvent { .. })) {
            assert_eq!(sieve.pass(&event, Duration::from_secs(1)), Passes::Yes, "{event:?}");
        }
        count
    };
    let (one, ten, hundred) = (passed(1), passed(10), passed(100));
    assert!(one > 1000 && ten < 2 * one + 1000, "{one}, {ten}");
    assert!(hundred - ten < ten, "{ten}, {hundred}");
    // One that begins again is heard of at once.
    let mut sieve = Sieve::default();
    assert_eq!(sieve.pass(&step(1), Duration::from_secs(1)), Passes::Yes);
    assert_eq!(sieve.pass(&step(2), Duration::from_secs(1)), Passes::No);
    let start = RunEvent::NodeStarted { node: node(), key: Digest::of(b"key"), log: "log".into() };
    sieve.pass(&start, Duration::from_secs(1));
    assert_eq!(sieve.pass(&step(1), Duration::from_secs(1)), Passes::Yes);
}

#[test]
fn the_texts_of_stages_have_an_end() {
    let mut sieve = Sieve::default();
    let text = said(Event::Log { text: "x".repeat(1024) });
    let passes: Vec<Passes> = (0..2000).map(|_| sieve.pass(&text, Duration::ZERO)).collect();
    assert!(passes[..1024].iter().all(|passes| *passes == Passes::Yes));
    assert_eq!(passes[1024], Passes::NoMoreTexts);
    assert!(passes[1025..].iter().all(|passes| *passes == Passes::No));
    assert_eq!(sieve.pass(&step(1), Duration::ZERO), Passes::Yes);
}

#[test]
fn the_progress_is_that_of_stages_at_work() {
    let lines = sample();
    let at = |count: usize| progress(&lines[..count]);
    assert!(at(2).is_empty());
    assert_eq!(at(3)[&node()], NodeProgress::default());
    let scalars = BTreeMap::from([("loss".to_owned(), 0.25)]);
    assert_eq!(at(9)[&node()], NodeProgress { done: Some((3, 900, "steps".into())), scalars });
    assert!(at(11).is_empty(), "it is done");
}
