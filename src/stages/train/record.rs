//! What a node has logged so far, and its outputs: a model, a row for each update, a row for each class, a log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ml::metrics::Confusion;
use crate::ml::state::State;
use crate::ml::train::{StepReport, Trainer};
use crate::stage::{Event, Job, Produced, StageError};
use crate::stages::columns::{self, Values};
use crate::stages::data::Data;
use crate::stages::subject::About;
use crate::stages::support;
use crate::stages::yields::{LOG, STATE, STEPS, TRAINING_CLASSES};
use crate::table::Table;

/// A line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Line {
    step: u64,
    loss: f64,
    cross_entropy: f64,
    rate: f32,
    counted: u64,
    mean_iou: f64,
    pixel_accuracy: Option<f64>,
}

/// What a node has seen so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The step of the node's first update, where the weights or the state before say another than expansion saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_step: Option<u64>,
    /// A line for each update.
    pub lines: Vec<Line>,
    /// The counts of pixels by true and predicted class.
    pub confusion: Vec<u64>,
}

/// Logs an update, and says how far the node is.
pub fn tell(
    job: &Job<'_>,
    report: &StepReport,
    confusion: &Confusion,
    (done, total): (u64, u64),
    progress: &mut Progress,
) {
    // The others are counted when the node ends.
    if report.counted == 0 && progress.lines.iter().all(|line| line.counted > 0) {
        let text = format!(
            "No pixel counts at step {}: every label of the batch is ignored. Such steps are counted at the end.",
            report.step
        );
        job.events.emit(Event::Warning { text });
    }
    let line = Line {
        step: report.step,
        loss: report.loss,
        cross_entropy: report.cross_entropy,
        rate: report.rate,
        counted: report.counted as u64,
        mean_iou: confusion.streaming_mean_iou(),
        pixel_accuracy: confusion.pixel_accuracy(),
    };
    let values = BTreeMap::from([("loss".to_owned(), line.loss), ("mIoU".to_owned(), line.mean_iou)]);
    job.events.emit(Event::Scalars { step: line.step, values });
    job.events.emit(Event::Progress { done, total, unit: "steps".into() });
    progress.lines.push(line);
}

/// Writes the outputs.
pub fn produce(
    job: &Job<'_>,
    data: &Data,
    trainer: &Trainer,
    progress: &Progress,
    confusion: &Confusion,
    about: &About,
) -> Result<Produced, StageError> {
    let lines = &progress.lines;
    let model = State::write(trainer, &about.extra()?).map_err(|error| support::ml_error(error, "model"))?;
    let mut produced = Produced::default();
    STATE.write(job, &mut produced, &model)?;
    support::write_table(job, &mut produced, &STEPS, &steps(lines)?)?;
    let names = data.info.classes.iter().map(|name| Some(name.clone())).collect();
    let classes = columns::new_table(
        [("step".to_owned(), Values::Int(vec![Some(trainer.step as i64); confusion.classes()]))]
            .into_iter()
            .chain(columns::classes(names, confusion))
            .collect(),
    )?;
    support::write_table(job, &mut produced, &TRAINING_CLASSES, &classes)?;
    LOG.write(job, &mut produced, log(lines).as_bytes())?;
    let idle = lines.iter().filter(|line| line.counted == 0).count();
    if idle > 0 {
        let text = format!(
            "{idle} of {} updates had no pixel that counts, since every label of their batches is ignored. In these, only \
             momentum and weight decay changed the model.",
            lines.len()
        );
        job.warn(&mut produced.warnings, text);
    }
    let mean = lines.iter().map(|line| line.loss).sum::<f64>() / lines.len().max(1) as f64;
    produced.metrics.insert("mean_loss".to_owned(), mean);
    if let Some(last) = lines.last() {
        produced.metrics.insert("last_loss".to_owned(), last.loss);
        produced.metrics.insert("running_mean_iou".to_owned(), last.mean_iou);
    }
    Ok(produced)
}

/// A row for each update.
fn steps(lines: &[Line]) -> Result<Table, StageError> {
    let int = |f: &dyn Fn(&Line) -> u64| Values::Int(lines.iter().map(|line| Some(f(line) as i64)).collect());
    let float = |f: &dyn Fn(&Line) -> Option<f64>| Values::Float(lines.iter().map(f).collect());
    columns::new_table(vec![
        ("step".to_owned(), int(&|line| line.step)),
        ("loss".to_owned(), float(&|line| Some(line.loss))),
        ("cross_entropy".to_owned(), float(&|line| Some(line.cross_entropy))),
        ("rate".to_owned(), float(&|line| Some(f64::from(line.rate)))),
        ("counted".to_owned(), int(&|line| line.counted)),
        ("mean_iou".to_owned(), float(&|line| Some(line.mean_iou))),
        ("pixel_accuracy".to_owned(), float(&|line| line.pixel_accuracy)),
    ])
}

/// The iteration in the form of the reference's log.
fn log(lines: &[Line]) -> String {
    let from = match lines.first().map_or(0, |line| line.step) {
        0 => "the weights".to_owned(),
        step => format!("step {step}"),
    };
    let lines: String =
        lines.iter().map(|line| StepReport::log_line(line.step, line.loss, line.mean_iou) + "\n").collect();
    format!("Restored model parameters from {from}.\n{lines}The checkpoint has been created.\n")
}
