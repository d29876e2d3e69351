//! The child process: one node's work, from the job file to the action record and the record of the execution.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::failure::stage_hint;
use super::folder::{OUT, TEMP, is_still, tidy};
use super::hit::missing_output;
use super::job::{JobFile, code};
use super::machine;
use super::programs;
use super::said::{Said, Voice};
use crate::fsio::{self, Found};
use crate::hash::Digest;
use crate::pipeline::key::{KeyChange, MACHINE, NUMERIC, Preimage, answers};
use crate::stage::DataFault;
use crate::stage::made::check;
use crate::stage::{Artifact, ArtifactKind, Cancel, Event, Events, InputNode, Job, Kind, Made, Produced};
use crate::stage::{Registry, StageError};
use crate::store::{self, ActionRecord, Execution, ExecutionId, Lease, Lock, Store, Validation, Verdict, Wanted};

/// Runs the job file at `job` as a child process: standard output and standard error are the log, and the end of standard
/// input, or `stop` there, asks to stop. The verdict is written into the store. Returns the exit code.
pub fn exec(job: &Path, registry: &Registry) -> u8 {
    let voice = Voice::new(job.parent().unwrap_or(Path::new(".")));
    // Without a verdict, this is all that is told.
    let unrecorded = |error: StageError| {
        voice.log(&format!("The stage's verdict cannot be written. {error} {}", stage_hint(&error)));
        match error {
            StageError::Io { full: true, .. } => code::FULL,
            StageError::Io { .. } => code::UNRECORDED,
            _ => code::FAILED,
        }
    };
    let opened = JobFile::read(job).and_then(|file| Ok((Store::open(&file.store).map_err(stage_error)?, file)));
    let (store, file) = match opened {
        Ok(opened) => opened,
        Err(error) => return unrecorded(error),
    };
    let clock = Clock::start();
    // Whoever waits for the key's lock finds the verdict on record.
    let mut lock = None;
    let ended = work(&file, job, &store, registry, &voice, &mut lock);
    if let Err(error) = &ended {
        voice.log(&format!("The stage failed: {error}"));
    }
    match record(&file, job, &store, &clock, &ended) {
        // The same job ran before: the verdict of that time stands.
        Ok(()) | Err(store::Error::Taken(_)) => {}
        Err(error) => return unrecorded(stage_error(error)),
    }
    match ended {
        Ok((Ended::Made | Ended::Found, _)) => code::DONE,
        Ok((Ended::Busy, _)) => code::BUSY,
        Err(StageError::Cancelled) => code::STOPPED,
        Err(_) => code::FAILED,
    }
}

/// How work ends that does not fail.
#[derive(Clone, Copy)]
enum Ended {
    /// The stage ran.
    Made,
    /// What it makes was there.
    Found,
    /// Another process works on the same key.
    Busy,
}

/// When a job began.
struct Clock {
    began: i128,
    since: Instant,
}

impl Clock {
    fn start() -> Self {
        Clock { began: fsio::now(), since: Instant::now() }
    }
}

/// Leaves the record of this execution, which holds its verdict.
fn record(
    job: &JobFile,
    path: &Path,
    store: &Store,
    clock: &Clock,
    ended: &Result<(Ended, Option<ActionRecord>), StageError>,
) -> store::Result<()> {
    let verdict = match ended {
        Ok((Ended::Made, _)) => Verdict::Done { reused: false },
        Ok((Ended::Found, _)) => Verdict::Done { reused: true },
        Ok((Ended::Busy, _)) => Verdict::Busy,
        Err(StageError::Cancelled) => Verdict::Stopped,
        Err(error) => Verdict::Failed(error.clone()),
    };
    let made = ended.as_ref().ok().and_then(|(_, record)| record.as_ref());
    let name = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let id = ExecutionId::new(&job.run, name);
    store.write_execution(&Execution {
        format: Execution::FORMAT,
        log: id.log(),
        id,
        stage: job.node.stage.clone(),
        iteration: job.node.iteration,
        kind: job.node.kind.clone(),
        recipe: job.recipe,
        key: job.key,
        verdict,
        outputs: made.map(|record| record.outputs.clone()).unwrap_or_default(),
        metrics: made.map(|record| record.metrics.clone()).unwrap_or_default(),
        started: store::rfc3339(clock.began),
        seconds: clock.since.elapsed().as_secs_f64(),
        peak_memory: fsio::peak_memory(),
        device: job.device.to_string(),
        threads: job.threads,
        host: fsio::host(),
        versions: machine::versions(),
    })
}

/// Everything between the job file and the verdict.
fn work(
    job: &JobFile,
    path: &Path,
    store: &Store,
    registry: &Registry,
    voice: &Voice,
    held: &mut Option<Lock>,
) -> Result<(Ended, Option<ActionRecord>), StageError> {
    if !job.program.is_own()? {
        let message = "Another program planned this job, and what is computed would stand under a key of that one.";
        let hint = "Run the pipeline again, with this program; what is finished is kept.";
        return Err(StageError::Command { message: message.to_owned(), hint: hint.to_owned() });
    }
    let of_version = |kind: &&dyn Kind| kind.version(&job.params) == job.version;
    let kind = registry.kind(&job.node.kind).filter(of_version).ok_or_else(|| {
        let (kind, version) = (&job.node.kind, job.version);
        StageError::Bug(format!("The job asks for version {version} of the kind `{kind}`, which there is not."))
    })?;
    check_identity(job, kind, registry)?;
    *held = store.lock(&job.key).map_err(stage_error)?;
    if held.is_none() {
        return Ok((Ended::Busy, None));
    }
    if !job.force
        && let Some(record) = store.record(&job.key).map_err(stage_error)?
        && missing_output(store, &record).map_err(stage_error)?.is_none()
    {
        return Ok((Ended::Found, Some(record)));
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    fsio::create_dir_all(&folder.join(OUT))?;
    let folder = fsio::canonical(folder)?;
    let result = make(job, kind, store, &folder, voice);
    if let Err(StageError::CorruptInput { digest }) = &result {
        // Whatever the verdict, a damaged object is set aside by now; a missing one is for the parent to make again.
        let _ = store.verify(digest);
    }
    for text in store.take_notices() {
        voice.emit(Event::Warning { text });
    }
    let removed = tidy(&folder);
    let record = result?;
    removed?;
    store.write_record(&record).map_err(stage_error)?;
    fsio::remove_dir_all(&store.scratch(&job.key))?;
    Ok((Ended::Made, Some(record)))
}

/// An error if this process would compute under another key than planned: with another GPU or another library, or from
/// other inputs.
fn check_identity(job: &JobFile, kind: &dyn Kind, registry: &Registry) -> Result<(), StageError> {
    let profile = match kind.computes() {
        true => Some((registry.numeric_profile)(&job.device)?),
        false => None,
    };
    let measured = kind.measures().then(|| machine::measured(&job.program, job.threads));
    let planned = Preimage(job.preimage.clone());
    let changes = job.identity(kind, profile.as_ref(), measured.as_ref()).changes(&planned);
    let told = |side: Option<String>| side.unwrap_or_else(|| "nothing".to_owned());
    let differ = |name: &str, change: &KeyChange| {
        format!("{name} is {}, not {}", told(change.new.clone()), told(change.old.clone()))
    };
    let (mut numeric, mut machine, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for change in &changes {
        let below = |prefix| change.component.strip_prefix(prefix);
        match (below(NUMERIC), below(MACHINE)) {
            (Some(name), _) => numeric.push(differ(name, change)),
            (_, Some(name)) => machine.push(differ(name, change)),
            (None, None) => others.push(differ(&change.component, change)),
        }
    }
    if !others.is_empty() {
        return Err(StageError::Bug(format!("The job is not what the run planned: {}.", others.join("; "))));
    }
    if !machine.is_empty() {
        return Err(StageError::Device {
            message: format!("This machine is not the one that the run was planned for: {}.", machine.join("; ")),
            hint: "Run again: a measurement of this machine has another key.".to_owned(),
        });
    }
    if !numeric.is_empty() {
        return Err(StageError::Device {
            message: format!(
                "The device `{}` is not what the run was planned for: {}.",
                job.device,
                numeric.join("; ")
            ),
            hint: "Run again: a result of this device has another key.".to_owned(),
        });
    }
    if planned.digest() != job.key {
        return Err(StageError::Bug("The job's key is not that of its components.".to_owned()));
    }
    // The devices of other ranks are in no profile: they have to be like this one.
    if kind.computes() { kind.runs_on(&job.params, &job.device) } else { Ok(()) }
}

/// Runs the stage in the job's folder and stores what it made.
fn make(
    job: &JobFile,
    kind: &dyn Kind,
    store: &Store,
    folder: &Path,
    voice: &Voice,
) -> Result<ActionRecord, StageError> {
    let (out, temp) = (&folder.join(OUT), &folder.join(TEMP));
    let scratch = store.scratch(&job.key);
    store.make_way(&scratch.join("any"))?;
    fsio::create_dir_all(&scratch)?;
    // The lease goes when the inputs are read for the last time.
    let (inputs, _lease) = fill_in(&job.inputs, store)?;
    let cancel = Cancel::default();
    stop_on_request(&cancel, job.grace);
    // The pool exists already where a test runs several jobs in one process; then it stays as it is.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(job.threads).build_global();
    let read = |digest: &Digest| store.read(digest).ok();
    let work = Job {
        read: &read,
        params: &job.params,
        inputs: &inputs,
        files: &job.files,
        roots: &job.roots,
        out,
        temp,
        scratch: &scratch,
        device: &job.device,
        threads: job.threads,
        events: voice,
        cancel: &cancel,
    };
    voice.say(&Said::Started { pid: std::process::id() });
    programs::still_answer(&kind.programs(&job.params)?, &job.files, &answers(&job.preimage))?;
    let produced = catch_unwind(AssertUnwindSafe(|| kind.run(&work)))
        .unwrap_or_else(|panic| Err(StageError::Bug(format!("The stage panicked: {}.", panic_text(&*panic)))))?;
    recheck(job, store)?;
    check(&kind.outputs(&job.params)?, &produced)?;
    if let Some((name, _)) = produced.metrics.iter().find(|(_, value)| !value.is_finite()) {
        return Err(StageError::Bug(format!("The stage reports a figure `{name}` that is not a finite number.")));
    }
    if !is_still(out) {
        return Err(StageError::Command {
            message: format!("The job's folder `{}` was removed or replaced while the stage ran.", out.display()),
            hint: "Write outputs into that folder, and leave it where it is.".to_owned(),
        });
    }
    fsio::open_up(out)?;
    let outputs = produced
        .outputs
        .iter()
        .map(|(name, made)| Ok((name.clone(), put(store, out, name, made)?)))
        .collect::<Result<_, StageError>>()?;
    let Produced { metrics, warnings, .. } = produced;
    Ok(ActionRecord {
        format: ActionRecord::FORMAT,
        key: job.key,
        recipe: job.recipe,
        kind: job.node.kind.clone(),
        version: job.version,
        preimage: job.preimage.clone(),
        outputs,
        metrics,
        warnings,
        root: kind.root(&job.params)?,
    })
}

/// Leases the inputs, and says where their contents are. A missing input counts as a corrupt one: its maker runs again.
fn fill_in<'a>(
    inputs: &BTreeMap<String, Vec<InputNode>>,
    store: &'a Store,
) -> Result<(BTreeMap<String, Vec<InputNode>>, Lease<'a>), StageError> {
    let mut filled = inputs.clone();
    let wanted = |artifact: &Artifact| {
        // The size of a tree is that of its files, not that of its listing.
        let bytes = (artifact.kind != ArtifactKind::Tree).then_some(artifact.bytes);
        Wanted { digest: artifact.digest, bytes }
    };
    let all: Vec<Wanted> = filled.values().flatten().flat_map(|node| node.outputs.values()).map(wanted).collect();
    let lease = store.ensure(&all, Validation::Fast).map_err(stage_error)?;
    for artifact in filled.values_mut().flatten().flat_map(|node| node.outputs.values_mut()) {
        artifact.path = lease.path(&artifact.digest);
        if artifact.kind == ArtifactKind::Tree {
            let listing = store.listing(&artifact.digest).map_err(stage_error)?;
            let files: Vec<Wanted> =
                listing.values().map(|entry| Wanted { digest: entry.digest, bytes: Some(entry.bytes) }).collect();
            lease.ensure(&files, Validation::Fast).map_err(stage_error)?;
            let leaf = |file: &String, entry: store::TreeEntry| Artifact {
                digest: entry.digest,
                bytes: entry.bytes,
                kind: ArtifactKind::File,
                file: file.clone(),
                path: lease.path(&entry.digest),
                tree: BTreeMap::new(),
            };
            artifact.tree = listing.into_iter().map(|(file, entry)| (file.clone(), leaf(&file, entry))).collect();
        }
    }
    Ok((filled, lease))
}

/// Whether the files outside the store are what they were when the key was computed.
fn recheck(job: &JobFile, store: &Store) -> Result<(), StageError> {
    let externals: Vec<_> = job.checks.iter().map(super::job::Check::external).collect();
    let digests = store.fingerprints().digests(&externals);
    let changed = job.checks.iter().zip(digests).filter(|(check, now)| !now.as_ref().is_ok_and(|d| *d == check.digest));
    let faults: Vec<DataFault> = changed
        .map(|(check, now)| {
            let what = if now.is_ok() { "changed" } else { "went away" };
            let message = format!("This file {what} while the stage was reading, so its result is not kept.");
            DataFault::new(check.path.display(), message, "Run again when nothing writes there any more.")
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(StageError::Data(faults)) }
}

/// Stores one output: a regular file or a folder of them, below the job's own folder and reached through no link.
fn put(store: &Store, out: &Path, name: &str, made: &Made) -> Result<Artifact, StageError> {
    let relative = Path::new(&made.path);
    let (true, Some(file)) =
        (fsio::is_beneath(&made.path), relative.file_name().map(|file| file.to_string_lossy().into_owned()))
    else {
        return Err(StageError::Bug(format!("The output `{name}` has the path `{}`.", made.path)));
    };
    let path = out.join(relative);
    let lost = || StageError::Bug(format!("The stage did not make its output `{name}` at `{}`.", made.path));
    let found = fsio::found_below(out, relative).map_err(store::Error::from);
    if found
        .as_ref()
        .is_ok_and(|what| *what == Found::Nothing || (*what == Found::Folder) != (made.kind == ArtifactKind::Tree))
    {
        return Err(lost());
    }
    let stored = found.and_then(|what| match what {
        Found::Folder => store.put_tree(&path, &file),
        _ => store.put_file(&path).map(|(digest, bytes)| {
            let kind = made.kind;
            Artifact { digest, bytes, kind, file, path: None, tree: BTreeMap::new() }
        }),
    });
    stored.map_err(|error| match error {
        store::Error::Io(error) if error.is_irregular() => StageError::Command {
            message: format!("The output `{name}` cannot be stored. {error}"),
            hint:
                "An output is a regular file, or a folder of them below the job's own. A link inside that folder may \
                   lead to a regular file of it."
                    .to_owned(),
        },
        error => stage_error(error),
    })
}

/// Turns `stop`, and the end of standard input (the parent is gone), into a request; a stage that does not heed it
/// within the grace is ended, so that no orphan goes on. The end of the input after `stop` says that nobody waits for
/// the stage any more: it is ended at once.
fn stop_on_request(cancel: &Cancel, grace: Duration) {
    let cancel = cancel.clone();
    let end = || std::process::exit(i32::from(code::STOPPED));
    thread::spawn(move || {
        let mut word = [0; 16];
        let asked = std::io::stdin().read(&mut word).is_ok_and(|bytes| bytes > 0);
        cancel.request();
        thread::spawn(move || {
            thread::sleep(grace);
            end()
        });
        if asked {
            while std::io::stdin().read(&mut word).is_ok_and(|bytes| bytes > 0) {}
            end()
        }
    });
}

fn stage_error(error: store::Error) -> StageError {
    match error {
        store::Error::Corrupt { digest, .. } | store::Error::Missing(digest) => StageError::CorruptInput { digest },
        // The makers of the others run again when they are met as the first.
        store::Error::Lacking(all) if !all.is_empty() => StageError::CorruptInput { digest: all[0] },
        error => StageError::Io { message: error.to_string(), hint: error.hint(), full: error.is_full() },
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it did not say why")
}
