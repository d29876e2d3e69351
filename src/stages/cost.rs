//! `Cost`: what training steps or predictions of a network take on this machine, in time and memory.
//!
//! Invariants:
//! - each repeat is a process of its own, so that repeats share neither memory nor what an earlier pass left in it. The
//!   process does nothing but passes, and ends with the stage;
//! - the engine runs the stage alone and with all threads, and its key holds the machine (`Kind::measures`): a figure is
//!   never taken over from another machine, from another number of threads, or from another build of the program;
//! - what others did on the machine meanwhile is part of the result.

use crate::bench::figures::{greatest, least, mebibytes, median};
use crate::bench::load::{Busy, Watch};
use crate::bench::peak;
use crate::bench::worker::{Fault, Order, Worker};
use crate::bench::workload::{self, WorkloadSpec};
use crate::ml::device;
use crate::ml::numerics::Numerics;
use crate::stage::{DeviceSpec, Event, Job, Output, ParamFault, Produced, StageError, TypedKind, Yield};
use crate::table::Table;
use crate::{fsio, params, program};

use super::columns::{self, Values};
use super::params::network::{self, Model};
use super::params::train::Precision;
use super::yields::{COST, COSTS, MEASUREMENTS};
use super::{agree, support};

params! {
    /// Measures what a network costs on this machine: the seconds of a training step or of a prediction, and the most memory
    /// that its process held. It reads no data set: a network with random weights works on random images. What `Train` does
    /// beside its steps (reading images, checkpoints) is not measured. Each repeat is a new process that makes `warmup` and
    /// then `rounds` passes; its figure is the median of its rounds. While the stage runs, no other stage of the run does,
    /// and it has all of the run's threads. A figure is never taken over from another machine, another number of threads or
    /// another build of the program: there the stage runs again. A warning tells if other programs kept the machine busy.
    pub struct CostParams {
        /// The network.
        model: Model;
        /// What is measured.
        work: Work = Work::Training {};
        /// The images of a step.
        batch: u32, where min(1.0).max(65536.0).unit("images");
        /// The height and width of the images.
        crop: (u32, u32), where min(1.0).max(8192.0).unit("pixels");
        /// How often it is measured, each time in a new process. What differs between repeats says how sure a figure is.
        repeats: u32 = 5, where min(2.0).max(1000.0).unit("processes");
        /// The passes of a repeat that are measured.
        rounds: u32 = 3, where min(1.0).max(10_000.0).unit("passes");
        /// The passes of a repeat before them that are not.
        warmup: u32 = 1, where max(10_000.0).unit("passes");
        /// Activation checkpointing of training steps, as in `Train`. Here it enters the key, since it changes time and memory.
        recompute: u32 = 0, where max(1024.0).unit("blocks");
        /// CUDA graph capture and replay of training steps, as in `Train`. Here it enters the key as well.
        graph: bool = false;
        /// The precision of training steps, as in `Train`.
        precision: Precision = Precision::Fp32 {};
        /// Whether the same step always gives the same bits, as in `Train`.
        deterministic: bool = true;
    }

    /// What is measured.
    pub enum Work {
        /// Training steps: forward pass, backward pass and update.
        Training {}
        /// Predictions: forward pass, and the classes of the images' pixels.
        Prediction {}
    }
}

/// The kind.
pub struct Cost;

impl TypedKind for Cost {
    type Params = CostParams;
    const NAME: &'static str = "Cost";
    const VERSION: u32 = 1;
    const YIELDS: Yield = COST;
    const OUTPUTS: &'static [Output] = &[COSTS, MEASUREMENTS];
    const EXAMPLE: &'static str = r#""cost": Cost(
    model: DeepLabV2(encoder: ResNet101, classes: 21, prefilter: Average()),
    batch: 1, crop: (321, 321), repeats: 5,
),"#;
    const COMPUTES: bool = true;
    const MEASURES: bool = true;

    fn check(&self, p: &CostParams) -> Vec<ParamFault> {
        let mut faults = Vec::from_iter(agree::twice(&p.model.spec()));
        if matches!(p.work, Work::Prediction {}) {
            let exact = p.precision == Precision::Fp32 {};
            let stated = [
                ("recompute", p.recompute > 0),
                ("graph", p.graph),
                ("precision", !exact),
                ("deterministic", !p.deterministic),
            ];
            faults.extend(stated.into_iter().filter(|(_, stated)| *stated).map(|(field, _)| {
                let message = format!("`{field}` is of training steps, but predictions are measured.");
                ParamFault::new(field, message, "Leave it out, or write `work: Training`.")
            }));
        }
        faults
    }

    fn runs_on(&self, p: &CostParams, device: &DeviceSpec) -> Result<(), StageError> {
        support::trains_on(device, p.numerics(), p.graph, 1)?;
        device::look_for(device.gpu()).map_err(|error| support::ml_error(error, "device"))
    }

    fn run(&self, p: &CostParams, job: &Job<'_>) -> Result<Produced, StageError> {
        let order =
            Order { workload: p.workload(), gpu: job.device.gpu(), numerics: p.numerics(), threads: job.threads };
        let mut repeats = Vec::new();
        for done in 1..=p.repeats {
            repeats.push(measure(p, job, &order)?);
            let total = u64::from(p.repeats);
            job.events.emit(Event::Progress { done: u64::from(done), total, unit: "repeats".into() });
        }
        produce(p, job, &repeats)
    }
}

impl CostParams {
    fn numerics(&self) -> Numerics {
        Numerics { precision: self.precision.spec(), deterministic: self.deterministic }
    }

    fn workload(&self) -> WorkloadSpec {
        WorkloadSpec {
            model: self.model.spec(),
            work: match self.work {
                Work::Training {} => workload::Work::Training,
                Work::Prediction {} => workload::Work::Prediction,
            },
            batch: self.batch as usize,
            size: [self.crop.0 as usize, self.crop.1 as usize],
            recompute: self.recompute as usize,
            graph: self.graph,
            precision: self.precision.spec(),
        }
    }
}

/// What one process did.
struct Repeat {
    /// The median seconds of its rounds.
    seconds: f64,
    /// The most memory that it held, in bytes. None where a GPU computes, whose memory this is not.
    memory: Option<u64>,
    /// The most operations a second that the processor reached before it.
    peak: Option<f64>,
    /// The load average before and after it.
    load: [Option<f64>; 2],
    /// How busy the machine was during its rounds.
    busy: Option<Busy>,
    parameters: u64,
    operations: u64,
}

fn measure(p: &CostParams, job: &Job<'_>, order: &Order) -> Result<Repeat, StageError> {
    let wrong = |fault| refused(&order.in_words(), fault);
    let on_gpu = job.device.gpu().is_some();
    let before = fsio::load_average();
    let peak = if on_gpu { None } else { Some(support::pool(job.threads)?.install(peak::measure)) };
    let stop = || job.cancel.requested();
    let mut worker = Worker::start(order, &stop).map_err(wrong)?;
    for _ in 0..p.warmup {
        worker.pass().map_err(wrong)?;
    }
    let watch = Watch::begin(worker.process());
    let seconds =
        (0..p.rounds).map(|_| Ok(worker.pass()?.seconds)).collect::<Result<Vec<f64>, Fault>>().map_err(wrong)?;
    let busy = watch.end();
    let (parameters, operations) = (worker.parameters, worker.operations);
    let memory = worker.end().map_err(wrong)?.memory.filter(|_| !on_gpu);
    let load = [before, fsio::load_average()];
    Ok(Repeat { seconds: median(&seconds), memory, peak, load, busy, parameters, operations })
}

/// Why the process for `what` gives no answer.
fn refused(what: &str, fault: Fault) -> StageError {
    let message = format!("The process for {what} {fault}.");
    match fault {
        Fault::Stopped => StageError::Cancelled,
        Fault::Bug(_) => StageError::Bug(message),
        Fault::Start(_) => {
            StageError::Io { message, hint: "End other programs, and run again.".to_owned(), full: false }
        }
        Fault::Ended(_) => StageError::Command {
            message,
            hint: "The log has what it said. Less memory is needed for a smaller `crop` or `batch`, or with `recompute: 6`."
                .to_owned(),
        },
    }
}

fn produce(p: &CostParams, job: &Job<'_>, repeats: &[Repeat]) -> Result<Produced, StageError> {
    let mut produced = Produced::default();
    let seconds: Vec<f64> = repeats.iter().map(|repeat| repeat.seconds).collect();
    let memory = repeats.iter().filter_map(|repeat| repeat.memory).max().map(mebibytes);
    produced.metrics.insert("seconds_per_step".to_owned(), median(&seconds));
    produced.metrics.extend(memory.map(|memory| ("memory_mib".to_owned(), memory)));
    support::write_table(job, &mut produced, &MEASUREMENTS, &measurements(p, repeats)?)?;
    support::write_table(job, &mut produced, &COSTS, &summary(p, job, repeats, &seconds, memory)?)?;
    let told = disturbances(repeats, fsio::ticks().is_some());
    told.into_iter().for_each(|text| job.warn(&mut produced.warnings, text));
    Ok(produced)
}

/// A row a repeat.
fn measurements(p: &CostParams, repeats: &[Repeat]) -> Result<Table, StageError> {
    let floats = |of: &dyn Fn(&Repeat) -> Option<f64>| Values::Float(repeats.iter().map(of).collect());
    columns::new_table(vec![
        ("repeat".to_owned(), Values::Int((1..=repeats.len()).map(|number| Some(number as i64)).collect())),
        ("seconds_per_step".to_owned(), floats(&|repeat| Some(repeat.seconds))),
        ("images_per_s".to_owned(), floats(&|repeat| Some(f64::from(p.batch) / repeat.seconds))),
        ("memory_mib".to_owned(), floats(&|repeat| repeat.memory.map(mebibytes))),
        ("peak_gflop_per_s".to_owned(), floats(&|repeat| repeat.peak.map(|peak| peak / 1e9))),
        ("cores_busy".to_owned(), floats(&|repeat| repeat.busy.map(|busy| busy.own))),
        ("cores_busy_with_others".to_owned(), floats(&|repeat| repeat.busy.map(|busy| busy.others))),
        ("load_before".to_owned(), floats(&|repeat| repeat.load[0])),
        ("load_after".to_owned(), floats(&|repeat| repeat.load[1])),
    ])
}

/// One row over all repeats.
fn summary(
    p: &CostParams,
    job: &Job<'_>,
    repeats: &[Repeat],
    seconds: &[f64],
    memory: Option<f64>,
) -> Result<Table, StageError> {
    let spec = p.model.spec();
    let text = |value: String| Values::Text(vec![Some(value)]);
    let int = |value: u64| Values::Int(vec![Some(value as i64)]);
    let float = |value: Option<f64>| Values::Float(vec![value]);
    let (middle, low, high) = (median(seconds), least(seconds), greatest(seconds));
    let first = repeats.first();
    let work = if matches!(p.work, Work::Training {}) { "training" } else { "prediction" };
    let mut columns = vec![
        ("work", text(work.to_owned())),
        ("encoder", text(network::encoder_in_words(&spec))),
        ("prefilter", text(network::in_words(&spec.prefilter))),
        ("seconds_per_step", float(Some(middle))),
        ("least_s", float(Some(low))),
        ("greatest_s", float(Some(high))),
        ("spread", float(Some((high - low) / middle))),
        ("images_per_s", float(Some(f64::from(p.batch) / middle))),
        ("memory_mib", float(memory)),
        ("parameters", int(first.map_or(0, |repeat| repeat.parameters))),
        ("gflop", float(first.map(|repeat| repeat.operations as f64 / 1e9))),
        ("batch", int(u64::from(p.batch))),
        ("height", int(u64::from(p.crop.0))),
        ("width", int(u64::from(p.crop.1))),
        ("recompute", int(u64::from(p.recompute))),
        ("graph", int(u64::from(p.graph))),
        ("precision", text(p.precision.spec().name().to_owned())),
        ("deterministic", int(u64::from(p.deterministic))),
        ("repeats", int(u64::from(p.repeats))),
        ("rounds", int(u64::from(p.rounds))),
        ("warmup", int(u64::from(p.warmup))),
        ("device", text(job.device.to_string())),
        ("threads", int(job.threads as u64)),
        ("program", text(program::VERSION.to_owned())),
    ];
    let mut machine = fsio::machine();
    for name in ["host", "cpu", "cores", "memory", "os"] {
        columns.push((name, Values::Text(vec![machine.remove(name)])));
    }
    columns::new_table(columns.into_iter().map(|(name, values)| (name.to_owned(), values)).collect())
}

/// What the user should know of what else the machine did. `tells`: the system says how busy it is.
fn disturbances(repeats: &[Repeat], tells: bool) -> Option<String> {
    if !tells {
        let text =
            "This system does not tell how busy other programs keep it, so they may have disturbed the measurement.";
        return Some(text.to_owned());
    }
    let disturbed: Vec<Busy> = repeats.iter().filter_map(|repeat| repeat.busy).filter(Busy::is_disturbed).collect();
    disturbed.iter().max_by(|a, b| a.others.total_cmp(&b.others)).map(|most| {
        format!(
            "Other programs kept up to {:.1} of {} cores busy during {} of {} repeats, so the figures may be too high. \
             Measure again on an idle machine (`--force`).",
            most.others,
            most.cores,
            disturbed.len(),
            repeats.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeat(others: Option<f64>) -> Repeat {
        let busy = others.map(|others| Busy { own: 1.0, others, cores: 2 });
        Repeat { seconds: 1.0, memory: None, peak: None, load: [None; 2], busy, parameters: 1, operations: 1 }
    }

    #[test]
    fn a_warning_tells_of_other_programs_that_kept_the_machine_busy() {
        let told = |others: &[Option<f64>]| {
            disturbances(&others.iter().map(|others| repeat(*others)).collect::<Vec<_>>(), true)
        };
        assert_eq!([told(&[Some(0.1), Some(0.25)]), told(&[None, None])], [None, None]);
        let text = told(&[Some(0.3), Some(1.26), None, Some(0.0)]).unwrap();
        assert!(text.contains("up to 1.3 of 2 cores busy during 2 of 4 repeats"), "{text}");
        assert!(disturbances(&[repeat(None)], false).unwrap().contains("does not tell"));
    }

    #[test]
    fn a_process_that_ends_is_the_stages_fault_and_one_that_is_stopped_is_not() {
        assert_eq!(refused("training with Average", Fault::Stopped), StageError::Cancelled);
        let ended = refused("training with Average", Fault::Ended(None));
        assert!(
            matches!(&ended, StageError::Command { message, .. }
            if message == "The process for training with Average ended early."),
            "{ended}"
        );
    }
}
