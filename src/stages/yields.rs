//! What references to stages give: the yields, and the outputs that stages read of one another.
//!
//! An output that no other stage reads is declared in its kind's own file.

use crate::stage::{Bare, Format, Note, Output, Reason, Yield};

/// A data set.
pub const DATASET: Yield = Yield { name: "dataset", bare: Bare::Last, outputs: &[INDEX, INFO] };

/// Weights that a network starts from.
pub const WEIGHTS: Yield = Yield { name: "weights", bare: Bare::Last, outputs: &[TENSORS] };

/// A trained model, and how its training went.
pub const MODEL: Yield = Yield { name: "model", bare: Bare::Last, outputs: &[STATE, STEPS, TRAINING_CLASSES] };

/// A model of imported weights. There is no training that it could show.
pub const IMPORTED: Yield = Yield { name: "imported model", bare: Bare::Last, outputs: &[STATE] };

/// The figures of a validation.
pub const METRICS: Yield =
    Yield { name: "metrics", bare: Bare::All, outputs: &[SUMMARY, CLASSES, CONFUSION, BOUNDARY] };

/// The figures of an effective receptive field.
pub const ERF: Yield = Yield { name: "erf", bare: Bare::Last, outputs: &[FIGURES] };

/// What a network costs on a machine: time and memory.
pub const COST: Yield = Yield { name: "cost", bare: Bare::Last, outputs: &[COSTS, MEASUREMENTS] };

/// A table of figures that were gathered.
pub const REPORT: Yield = Yield { name: "report", bare: Bare::Last, outputs: &[TABLE] };

/// The verdicts of claims.
pub const CLAIMS: Yield = Yield { name: "claims", bare: Bare::Last, outputs: &[VERDICTS] };

/// Files that only programs and people read.
pub const FILES: Yield = Yield { name: "files", bare: Bare::Last, outputs: &[] };

/// Every yield there is: what a stage takes that reads any output.
pub const ALL: [Yield; 10] = [DATASET, WEIGHTS, MODEL, IMPORTED, METRICS, ERF, COST, REPORT, CLAIMS, FILES];

/// The index of a data set.
pub const INDEX: Output = Output::table(
    "index",
    "index.table",
    &[Format::Parquet, Format::Csv],
    "A row for each sample: its files, their digests, its size and its pixels of each class.",
);

/// What a data set says of itself.
pub const INFO: Output =
    Output::file("info", "info.json", "The classes, their colours, the ignore value, and how labels are coded.");

/// The files of a data set that are in the store.
pub const SET_FILES: Output =
    Output::tree("files", "files", "The images and labels, where the tool made them or unpacked them.").optional();

/// The tensors of weights.
pub const TENSORS: Output =
    Output::file("weights", "weights.safetensors", "The weights, under this program's own names.");

/// The state of a training after a node, or a model of imported weights, which has no momentum.
pub const STATE: Output =
    Output::file("model", "model.safetensors", "The trained network, its momentum and its step.").checkpoint();

/// The updates of a training.
pub const STEPS: Output = Output::table(
    "steps",
    "steps.table",
    &[Format::Csv, Format::Parquet],
    "A row for each update: loss, cross entropy, rate, running mean IoU and pixel accuracy.",
);

/// The classes of a training's data set.
pub const TRAINING_CLASSES: Output = Output::table(
    "classes",
    "classes.table",
    &[Format::Csv, Format::Parquet],
    "A row for each class, over all updates of the node: its IoU and its pixels.",
);

/// What a validation comes to.
pub const SUMMARY: Output = Output::table(
    "summary",
    "summary.table",
    &[Format::Csv, Format::Parquet],
    "One row: mean IoU, boundary IoU, pixel accuracy, cross entropy and the figures beside them.",
);

/// The classes of a validation.
pub const CLASSES: Output = Output::table(
    "classes",
    "classes.table",
    &[Format::Markdown, Format::Csv, Format::Parquet],
    "A row for each class: its IoU, its boundary IoU and its pixels.",
)
.noting(&[
    Note { when: Reason::Zero { count: "truth", name: "name" }, text: "No pixel of the labels is of" },
    Note { when: Reason::Zero { count: "predicted", name: "name" }, text: "No pixel was predicted as" },
]);

/// The counts of each image of a validation.
pub const CONFUSION: Output = Output::table(
    "confusion",
    "confusion.table",
    &[Format::Parquet],
    "The pixels of each image by true and predicted class. An image without counted pixels has one row, of 0 pixels.",
);

/// The boundary counts of each image of a validation.
pub const BOUNDARY: Output = Output::table(
    "boundary",
    "boundary.table",
    &[Format::Parquet],
    "The pixels of the boundary bands of each image and class: in both bands, in the truth's, in the prediction's.",
);

/// The figures of an effective receptive field.
pub const FIGURES: Output = Output::table(
    "figures",
    "figures.table",
    &[Format::Markdown, Format::Csv, Format::Parquet],
    "One row: the figures of the receptive field.",
);

/// What a measurement comes to, and where it was made.
pub const COSTS: Output = Output::table(
    "cost",
    "cost.table",
    &[Format::Markdown, Format::Csv, Format::Parquet],
    "One row: the median, least and greatest seconds of a step over the repeats, the most memory, what the network computes, \
     and the machine.",
);

/// The repeats of a measurement.
pub const MEASUREMENTS: Output = Output::table(
    "measurements",
    "measurements.table",
    &[Format::Csv, Format::Parquet],
    "A row for each repeat: the seconds of a step, images a second, the most memory, and the load of the machine.",
);

/// The table of a report.
pub const TABLE: Output = Output::table(
    "table",
    "table.table",
    &[Format::Markdown, Format::Csv],
    "The figures that were gathered, in the formats that `formats` states.",
);

/// The verdicts of claims.
pub const VERDICTS: Output = Output::table(
    "claims",
    "claims.table",
    &[Format::Markdown, Format::Latex, Format::Csv, Format::Parquet, Format::Html],
    "A row for each claim: its verdict, the effect with its interval, the p-value, and what was resampled.",
)
.laid_out_by("layout");

/// What a stage logs, in the original code's form.
pub const LOG: Output = Output::file("log", "log.txt", "The log in the form of the original code's.").log();
