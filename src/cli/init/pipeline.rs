//! The pipeline that is written: a small network for a processor first, and the paper's settings beside it.

use std::fmt::Write as _;

use super::deal::Dealt;
use super::files::{Place, root_name};
use crate::ml::data::Fault;
use crate::ml::data::list::{self, Form, Sample};
use crate::ml::data::look::classes::{Classes, Names};
use crate::ml::data::look::layout::{Found, Known, Layout};
use crate::ml::data::look::roles::Part;
use crate::ml::data::look::split::covering;
use crate::ml::data::look::survey::Survey;
use crate::table::visible;

/// The side of crops on a processor, and of those of a first look.
const CROP: usize = 161;
const TINY: usize = 65;

/// How many images a first look takes.
const FIRST: usize = 8;

/// The widest line of names.
const WIDEST: usize = 118;

/// What a pipeline is written from.
pub struct Written<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it goes.
    pub place: &'a Place,
    /// What the folder is.
    pub found: &'a Found,
    /// What is trained and validated on.
    pub dealt: &'a Dealt,
    /// What the files hold.
    pub seen: &'a Survey,
    /// What that means.
    pub classes: &'a Classes,
}

impl Written<'_> {
    /// The lists that the pipeline reads and the folder does not have: their names and texts.
    ///
    /// # Errors
    /// A list cannot hold the name of a file.
    pub fn lists(&self) -> Result<Vec<(String, String)>, Fault> {
        let mut lists = Vec::new();
        if self.found.layout != Layout::Folders && self.dealt.stated {
            return Ok(lists);
        }
        for (part, numbers) in [(Part::Train, &self.dealt.train), (Part::Val, &self.dealt.val)] {
            let samples = self.dealt.of_part(numbers);
            let name = self.place.list(part.name());
            lists.push((name.clone(), listed(&samples, &name)?));
        }
        Ok(lists)
    }

    /// The text of the pipeline.
    pub fn text(&self, remarks: &[String]) -> String {
        let Written { name, dealt, .. } = self;
        let root = root_name(name);
        let count = self.classes.names.list().len();
        let (crop, tiny) = (self.crop(CROP), self.crop(TINY));
        let mut head = format!(
            "// Written by `repro init`. {} images are trained on and {} validated on, with {count} classes.\n\
             // Two types of dilated convolution are compared over three seeds. Change what you like: the file is yours.\n//\n\
             //   repro data check FILE --data {root}=FOLDER           what is wrong with the data, if anything\n\
             //   repro run FILE --profile tiny --data {root}=FOLDER   a first look, in about a minute\n\
             //   repro run FILE --data {root}=FOLDER                  the whole experiment\n",
            dealt.train.len(),
            dealt.val.len(),
        );
        if !remarks.is_empty() {
            head += "//\n// What `repro init` could not decide, or assumed:\n";
            remarks.iter().for_each(|remark| head += &comment(remark, "//"));
        }
        let claims = if dealt.can_claim() { self.claims() } else { String::new() };
        let shown = if dealt.can_claim() { "\"claims\", " } else { "" };
        let with_claims = if dealt.can_claim() { ", claims: [\"claims\"]" } else { "" };
        format!(
            r#"{head}Pipeline(
    name: {name:?},
    matrix: (
        axes: {{
            // The plain dilated convolution, and the one that is smoothed by an average. `repro kinds Train` lists all types.
            "prefilter": (set: ["train.model.prefilter"], values: [Regular, Average]),
            // A seed is of the whole training: of the weights that it starts from, and of its batches.
            "seed": (set: ["init.source.seed", "train.seed"], values: [1, 2, 3]),
        }},
    ),
    stages: {{
{train_set}{val_set}
        // A small network, for a processor: it shows that all works, and learns something within minutes. Its figures are
        // not those of a large network.
        "init": Weights(encoder: Tiny, source: Seeded(encoder: Stable, seed: 1)),
        "train": Train(
            data: "train_set", weights: "init",
            model: DeepLabV2(encoder: Tiny, classes: {count}, prefilter: Regular),
            iterations: 1, steps: 400, batch: 4, crop: ({crop}, {crop}),
            optimizer: Sgd(lr: 0.01, momentum: 0.9, weight_decay: 1e-4, head_lr: 10.0, head_bias_lr: 20.0),
            schedule: Poly(power: 0.9),
            // If left and right differ in your images, as in writing, say `mirror: false`.
            augment: (scale: (0.5, 1.5), mirror: true),
        ),
        // The paper's network and settings, for figures to publish. They need a GPU (`--device cuda`), and the weights
        // `deeplab_resnet_init.ckpt` of DeepLab-v2 in a folder that `--data weights=FOLDER` names. Put these two stages in the
        // place of those above, and take "init.source.seed" out of the axis "seed", since these weights have no seed.
        //
        // "init": Weights(encoder: ResNet101, source: Checkpoint(file: "weights:deeplab_resnet_init.ckpt")),
        // "train": Train(
        //     data: "train_set", weights: "init",
        //     model: DeepLabV2(encoder: ResNet101, classes: {count}, prefilter: Regular),
        //     iterations: 20, steps: 1000, batch: 10, crop: (321, 321),
        //     optimizer: Sgd(lr: 1e-3, momentum: 0.9, weight_decay: 5e-4, head_lr: 10.0, head_bias_lr: 20.0),
        //     schedule: Poly(power: 0.9), augment: (scale: (0.5, 1.5), mirror: true),
        // ),
        "validate": Validate(model: "train", data: "val_set"),
        // The predictions of the first seed, of both types.
        "predict": Predict(model: "train[seed=1]", data: "val_set"),
{claims}        "table": Report(from: ["validate"], over: ["seed"]{with_claims}, formats: [Markdown, Csv, Latex]),
        // One file to open in a browser: verdicts, tables, curves, and images with their predictions.
        "page": Page(title: {name:?}, over: ["seed"], from: [{shown}"table", "train", "validate", "predict", "val_set"]),
    }},
    profiles: {{
        // A first look: two seeds, a few images, and hardly any training.
        "tiny": {{
            "matrix": (axes: {{"seed": (values: [1, 2])}}),
            "train_set": (take: First({first_train})),
            "val_set": (take: First({first_val})),
            "train": (steps: 5, batch: 2, crop: ({tiny}, {tiny})),
        }},
    }},
)
"#,
            train_set = self.set("train_set", Part::Train),
            val_set = self.set("val_set", Part::Val),
            first_train = covering(&dealt.train, &self.classes.present, FIRST),
            first_val = covering(&dealt.val, &self.classes.present, FIRST),
        )
    }

    /// The side of square crops of `most` pixels at most: the images' own, where these are smaller.
    fn crop(&self, most: usize) -> usize {
        let least = self.seen.sizes.keys().map(|(width, height)| *width.min(height)).min().unwrap_or(most);
        // The network halves its input three times.
        (8 * (least.saturating_sub(1) / 8) + 1).clamp(33, most)
    }

    /// A data set as a stage.
    fn set(&self, stage: &str, part: Part) -> String {
        let root = root_name(self.name);
        let list = if part == Part::Train { &self.dealt.lists.0 } else { &self.dealt.lists.1 };
        let source = match (self.found.layout, list) {
            (Layout::Voc, _) if self.dealt.stated => {
                format!("Voc2012(root: {root:?}, list: {})", if part == Part::Train { "TrainAug" } else { "Val" })
            }
            (Layout::Cityscapes { coarse }, _) if self.dealt.stated => {
                let list = match (part, coarse) {
                    (Part::Train, false) => "TrainFine",
                    (Part::Train, true) => "TrainCoarse",
                    (_, false) => "Val",
                    (_, true) => "ValCoarse",
                };
                format!("Cityscapes(root: {root:?}, list: {list})")
            }
            (_, Some(list)) => format!("Listed(root: {root:?}, list: {})", text(list)),
            (_, None) => format!("Listed(root: {root:?}, file: {})", text(&self.place.list(part.name()))),
        };
        let mut out = match part {
            Part::Train => {
                format!("        // The folder of the data root `{root}` is named by `--data {root}=FOLDER`.\n")
            }
            _ => String::new(),
        };
        let _ = writeln!(out, "        {stage:?}: Dataset(\n            source: {source},");
        out += &names(&self.classes.names);
        if self.classes.first_id > 0 {
            let _ = writeln!(out, "            first_id: {},", self.classes.first_id);
        }
        if self.found.layout != (Layout::Cityscapes { coarse: false }) {
            let _ = writeln!(
                out,
                "            // The value of pixels that do not count.\n            ignore: {},",
                self.classes.ignore
            );
        }
        if !self.classes.colours.is_empty() {
            out += "            // The class of each colour of the masks. Pixels of `ignore` do not count.\n            colours: {\n";
            for (colour, class) in &self.classes.colours {
                let _ = writeln!(out, "                {colour:?}: {},", text(class));
            }
            out += "            },\n";
        }
        if self.seen.turn {
            out += "            // Labels were drawn on the images as viewers turn them.\n            orientation: Apply,\n";
        }
        out + "        ),\n"
    }

    /// The claims as a stage.
    fn claims(&self) -> String {
        let complete = (0..self.classes.names.list().len()).all(|class| {
            self.dealt.val.iter().any(|at| self.classes.present.get(at).is_some_and(|has| has.contains(&class)))
        });
        let opened = self.dealt.val.iter().all(|at| self.classes.present.contains_key(at));
        let (metric, words, why) = match complete || !opened {
            true => ("MeanIou", "mean IoU", String::new()),
            // A class without a true pixel has no IoU where nothing is predicted as it either.
            false => (
                "PixelAccuracy",
                "pixel accuracy",
                comment(
                    "Some class has no pixel in the validation images, so that the mean IoU is not of the same classes for \
                     every model. Validate on images with all classes, and claim MeanIou.",
                    "                //",
                ),
            ),
        };
        format!(
            r#"        // What is to be shown, tested over seeds and images. `repro claims {name}` lists the verdicts.
        "claims": Claims(
            across: ["seed"],
            claims: {{
{why}                "average_helps": Greater(
                    that: "Average has a higher {words} than Regular",
                    metric: {metric}, of: "validate[prefilter=Average]", than: "validate[prefilter=Regular]",
                ),
            }},
        ),
"#,
            name = self.name
        )
    }
}

/// The classes of a data set as a field.
fn names(names: &Names) -> String {
    let known = match names {
        Names::Known(Known::Voc) => "Voc",
        Names::Known(Known::Cityscapes) => "Cityscapes",
        Names::Known(Known::CamVid) => "CamVid",
        Names::Named(names) => {
            let mut out = "            classes: Named(names: [\n".to_owned();
            let mut line = String::new();
            for name in names {
                let name = text(name) + ",";
                if !line.is_empty() && line.len() + name.len() + 17 > WIDEST {
                    let _ = writeln!(out, "                {line}");
                    line.clear();
                }
                if !line.is_empty() {
                    line.push(' ');
                }
                line += &name;
            }
            let _ = writeln!(out, "                {line}\n            ]),");
            return out;
        }
    };
    format!("            classes: {known},\n")
}

/// A text in quotes. What controls a terminal is an escape.
fn text(text: &str) -> String {
    format!("{text:?}").replace("\\'", "'")
}

/// A remark as lines of a comment.
fn comment(remark: &str, start: &str) -> String {
    let mut out = String::new();
    let mut line = start.to_owned();
    for word in visible(remark).split_whitespace() {
        if line.len() + word.len() + 1 > WIDEST && line != start {
            let _ = writeln!(out, "{line}");
            line = start.to_owned();
        }
        line.push(' ');
        line += word;
    }
    out + &line + "\n"
}

/// The text of a list, which reads as it was meant.
fn listed(samples: &[Sample], name: &str) -> Result<String, Fault> {
    let one = |sample: &Sample| {
        let line = list::write(std::slice::from_ref(sample));
        let read = list::parse(&line, name, Form::Labelled).ok();
        if read.as_deref() == Some(std::slice::from_ref(sample)) {
            return Ok(line);
        }
        let hint = "Rename it: use letters, digits, `_`, `-` and blanks.";
        Err(Fault::new(visible(&sample.image), "A list cannot name this image or its label.", hint))
    };
    samples.iter().map(one).collect()
}
