//! Kinds that compute nothing, and pipelines made of them, for tests.

use std::collections::BTreeMap;
use std::io::Write as _;

use super::{EarlierStage, Pipeline, Request, RunLookup, RunNode, load};
use crate::fsio;
use crate::hash::Digest;
use crate::stage::params::{FileRef, Ref};
use crate::stage::schema::Structure;
use crate::stage::{
    Artifact, ArtifactKind, Bare, Extents, Field, InputRef, Job, Kind, MatrixCell, NodeSpec, Outputs, Param,
    ParamFault, Produced, Registry, StageError, Type, Value, Yield,
};
use crate::syntax::Diagnostics;

const fn yields(name: &'static str, bare: Bare) -> Yield {
    Yield { name, bare, outputs: &[] }
}

const DATASET: Yield = yields("dataset", Bare::Last);
const MODEL: Yield = yields("model", Bare::Last);
const METRICS: Yield = yields("metrics", Bare::All);

crate::params! {
    /// Images with labels.
    pub struct Images {
        /// The number of classes.
        classes: u32 = 3, where min(2.0).max(255.0);
        /// A list of images.
        list: Option<FileRef> = None;
        /// What the images show.
        title: String = "images".to_owned();
    }

    /// How the weights change.
    pub enum Optimizer {
        /// Stochastic gradient descent.
        Sgd {
            /// The learning rate.
            lr: f64 = 2e-3, where above(0.0);
            /// Momentum.
            momentum: f64 = 0.9, where min(0.0).below(1.0);
        }
        /// Adam.
        Adam {
            /// The learning rate.
            lr: f64 = 1e-3, where above(0.0);
        }
        /// No change at all.
        Frozen {}
    }

    /// Changes to images.
    pub struct Augment {
        /// The range of scales.
        scale: (f64, f64) = (0.5, 1.5), where above(0.0);
        /// Whether to mirror.
        mirror: bool = true;
    }

    /// A training.
    pub struct Train {
        /// The images.
        data: Ref, where to(&[DATASET]);
        /// Where to start.
        weights: Option<Ref> = None, where to(&[yields("weights", Bare::Last), MODEL]);
        /// Repetitions.
        iterations: u32 = 1, where min(1.0).unkeyed();
        /// Updates in an iteration.
        steps: u32, where min(1.0).unit("updates");
        /// Height and width of a crop.
        crop: (u32, u32) = (321, 321), where min(1.0).unit("pixels");
        /// How the weights change.
        optimizer: Optimizer = Optimizer::Sgd { lr: 0.5, momentum: 0.25 };
        /// Changes to images.
        augment: Option<Augment> = Some(Augment { scale: (0.75, 1.25), mirror: false });
        /// Updates with a small rate.
        warmup: u32 = 0;
        /// Seed of all draws.
        seed: u64 = 1234;
    }

    /// Figures of a model.
    pub struct Score {
        /// The model.
        model: Ref, where to(&[MODEL]);
        /// The images.
        data: Ref, where to(&[DATASET]);
        /// Whether to score the model of each iteration.
        every_iteration: bool = false, where unkeyed();
    }

    /// A format of tables.
    pub enum Format {
        /// Markdown.
        Markdown {}
        /// Comma-separated values.
        Csv {}
    }

    /// A table.
    pub struct Table {
        /// The figures.
        from: Vec<Ref>, where to(&[METRICS]).nonempty();
        /// How to write it.
        formats: Vec<Format> = vec![Format::Markdown {}];
        /// Headings by column.
        labels: BTreeMap<String, String> = BTreeMap::new();
    }

    /// An external program.
    pub struct Tool {
        /// The program.
        script: FileRef;
        /// What it reads.
        inputs: BTreeMap<String, Ref> = BTreeMap::new(), where to(&[DATASET, MODEL]);
    }
}

/// A type as a later version has it: every structure and every variant in it, at any depth, has a field more, with a
/// default and the version that brought it.
pub(crate) fn grown(ty: Type) -> Type {
    let boxed = |ty: Box<Type>| Box::new(grown(*ty));
    match ty {
        Type::List { item, min } => Type::List { item: boxed(item), min },
        Type::Map(item) => Type::Map(boxed(item)),
        Type::Option(item) => Type::Option(boxed(item)),
        Type::Tuple(items) => Type::Tuple(items.into_iter().map(grown).collect()),
        Type::Struct(structure) => Type::Struct(grown_structure(structure)),
        Type::Enum(mut choice) => {
            for variant in &mut choice.variants {
                variant.fields = grown_fields(std::mem::take(&mut variant.fields));
            }
            Type::Enum(choice)
        }
        plain => plain,
    }
}

/// The same for a kind's own structure.
pub(crate) fn grown_structure(structure: Structure) -> Structure {
    Structure { fields: grown_fields(structure.fields), ..structure }
}

fn grown_fields(fields: Vec<Field>) -> Vec<Field> {
    // Defaults of an older version lack what a later one adds, as `Some(Augment { mirror: false })` does; as typed code
    // has to state the new field there, so must this.
    let complete = |field: Field| {
        let ty = grown(field.ty.clone());
        let default = field.default.as_ref().map(|default| completed(&ty, default));
        Field { ty, default, ..field }
    };
    let later = Field::new("later", "What a later version adds.", Type::Option(Box::new(Type::Bool)));
    fields.into_iter().map(complete).chain([later.default(Value::Option(None)).since("9.9.9")]).collect()
}

/// `value` with the fields that a grown type has more.
fn completed(ty: &Type, value: &Value) -> Value {
    match (ty, value) {
        (Type::List { item, .. }, Value::List(items)) => {
            Value::List(items.iter().map(|value| completed(item, value)).collect())
        }
        (Type::Map(item), Value::Map(map)) => {
            Value::Map(map.iter().map(|(key, value)| (key.clone(), completed(item, value))).collect())
        }
        (Type::Tuple(types), Value::Tuple(items)) => {
            Value::Tuple(types.iter().zip(items).map(|(ty, value)| completed(ty, value)).collect())
        }
        (Type::Option(item), Value::Option(Some(value))) => Value::Option(Some(Box::new(completed(item, value)))),
        (Type::Struct(_) | Type::Enum(_), Value::Struct(record)) => {
            let mut record = record.clone();
            for field in ty.fields_of(&record.name).unwrap_or_default() {
                let stated = record.fields.get(field.name).map(|value| completed(&field.ty, value));
                let value = stated.or_else(|| field.default.clone()).expect("a default of each new field");
                record.fields.insert(field.name.to_owned(), value);
            }
            Value::Struct(record)
        }
        (_, value) => value.clone(),
    }
}

struct Fake {
    name: &'static str,
    yields: Yield,
    ty: fn() -> Type,
}

impl Kind for Fake {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self, _params: &Value) -> u32 {
        1
    }

    fn schema(&self) -> Structure {
        match (self.ty)() {
            Type::Struct(structure) => structure,
            other => panic!("{other:?} is no structure"),
        }
    }

    fn yields(&self) -> Yield {
        self.yields
    }

    fn check(&self, params: &Value) -> Vec<ParamFault> {
        let Some(train) = Train::read(params).filter(|train| train.warmup >= train.steps) else { return Vec::new() };
        vec![ParamFault {
            field: "warmup".to_owned(),
            message: format!("The warm-up ({} updates) is not shorter than the training.", train.warmup),
            hint: format!("Write less than {}.", train.steps),
        }]
    }

    fn count(&self, params: &Value, extents: &dyn Extents) -> usize {
        let every = Score::read(params).filter(|score| score.every_iteration);
        let nodes = every.map(|score| extents.nodes(&score.model.0));
        nodes.or(Train::read(params).map(|train| train.iterations as usize)).unwrap_or(1)
    }

    /// A training is a chain of nodes; a score with `every_iteration` has a node beside each.
    fn expand(&self, params: &Value, extents: &dyn Extents) -> Result<Vec<NodeSpec>, Vec<ParamFault>> {
        let only = || NodeSpec::only(params);
        if let Some(train) = Train::read(params) {
            let node = |i: u32| {
                let mut node = only();
                node.iteration = Some(i + 1);
                node.set.push(("first", Value::Int(i64::from(i * train.steps))));
                if let Some(before) = i.checked_sub(1) {
                    node.inputs.retain(|(slot, _)| slot == "data");
                    node.inputs.push(("previous".to_owned(), InputRef::Sibling(before as usize)));
                }
                node
            };
            return Ok((0..train.iterations).map(node).collect());
        }
        match Score::read(params).filter(|score| score.every_iteration) {
            Some(score) => {
                let of = |i| ("model".to_owned(), InputRef::Node(score.model.0.clone(), i as usize));
                let data = ("data".to_owned(), InputRef::Named(score.data.0.clone()));
                let node = |i| {
                    let inputs = vec![of(i), data.clone()];
                    NodeSpec { iteration: Some(i + 1), inputs, ..NodeSpec::default() }
                };
                Ok((0..u32::try_from(extents.nodes(&score.model.0)).unwrap()).map(node).collect())
            }
            None => Ok(vec![only()]),
        }
    }

    fn run(&self, _job: &Job<'_>) -> Result<Produced, StageError> {
        Ok(Produced::default())
    }
}

/// The kinds `Images`, `Train`, `Score`, `Table` and `Tool` of a later version, whose parameters are [`grown`].
pub(super) fn later_registry() -> Registry {
    let kind = |name, yields, ty| Box::new(Fake { name, yields, ty }) as Box<dyn Kind>;
    let kinds = vec![
        kind("Images", DATASET, || grown(Images::ty())),
        kind("Score", METRICS, || grown(Score::ty())),
        kind("Table", yields("report", Bare::Last), || grown(Table::ty())),
        kind("Tool", yields("files", Bare::Last), || grown(Tool::ty())),
        kind("Train", MODEL, || grown(Train::ty())),
    ];
    Registry { kinds, numeric_profile: |_| Ok(BTreeMap::new()) }
}

/// The kinds `Images`, `Train`, `Score`, `Table` and `Tool`.
pub(super) fn registry() -> Registry {
    let kind = |name, yields, ty| Box::new(Fake { name, yields, ty }) as Box<dyn Kind>;
    let kinds = vec![
        kind("Images", DATASET, Images::ty),
        kind("Score", METRICS, Score::ty),
        kind("Table", yields("report", Bare::Last), Table::ty),
        kind("Tool", yields("files", Bare::Last), Tool::ty),
        kind("Train", MODEL, Train::ty),
    ];
    Registry { kinds, numeric_profile: |_| Ok(BTreeMap::new()) }
}

/// Outputs with one file of that content.
pub(super) fn outputs(name: &str, content: &str) -> Outputs {
    let digest = Digest::of(content.as_bytes());
    let (kind, file, tree) = (ArtifactKind::File, name.to_owned(), BTreeMap::new());
    BTreeMap::from([(name.to_owned(), Artifact { digest, bytes: 1, kind, file, path: None, tree })])
}

/// Knows the run `old` alone, in which `score` has two nodes and `train` one.
pub(super) struct OldRun;

impl RunLookup for OldRun {
    fn find(&self, run: &str, stage: &str) -> Result<EarlierStage, String> {
        let node = |yields: &str, content: &str| RunNode {
            outputs: outputs(yields, content),
            yields: yields.to_owned(),
            key: Digest::of(content.as_bytes()),
            cell: MatrixCell::new(),
        };
        let found = |nodes| Ok(EarlierStage { nodes, taken: "run 1 of old".to_owned(), passed_over: None });
        match (run, stage) {
            ("old", "score") => found(vec![node("metrics", "one"), node("metrics", "two")]),
            ("old", "train") => found(vec![node("model", "weights")]),
            ("old", _) => Err(format!("The run `old` has no stage `{stage}`.")),
            _ => Err(format!("There is no run `{run}`.")),
        }
    }
}

/// A folder with files, and what is asked of them.
pub(super) struct Case {
    dir: tempfile::TempDir,
    pub request: Request,
}

impl Case {
    /// A pipeline alone in a folder.
    pub fn new(pipeline: &str) -> Self {
        Case::with(&[("main.ron", pipeline)])
    }

    /// Several files, the pipeline's first.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fsio::create(&dir.path().join(name)).unwrap().write_all(content.as_bytes()).unwrap();
        }
        let file = dir.path().join(files[0].0);
        Case { dir, request: Request { file, ..Request::default() } }
    }

    /// A pipeline that states nothing but these stages.
    pub fn stages(stages: &str) -> Self {
        Case::new(&format!("Pipeline(name: \"test\", stages: {{\n{stages}\n}})"))
    }

    pub fn profile(mut self, profile: &str) -> Self {
        self.request.profile = Some(profile.to_owned());
        self
    }

    pub fn set(mut self, argument: &str) -> Self {
        self.request.sets.push(argument.to_owned());
        self
    }

    pub fn load(&self) -> Result<Pipeline, Diagnostics> {
        load(&self.request, &registry(), &OldRun)
    }

    /// The pipeline, which must have no fault.
    pub fn good(&self) -> Pipeline {
        self.load().unwrap_or_else(|faults| panic!("{faults}"))
    }

    /// The faults as text, with the folder left out. There must be some.
    pub fn faults(&self) -> String {
        let text = self.load().expect_err("no fault was found").to_string();
        let folder = fsio::canonical(self.dir.path()).unwrap();
        [self.dir.path(), &folder].iter().fold(text, |text, dir| text.replace(&format!("{}/", dir.display()), ""))
    }
}

/// Images, a training of two iterations, its scores and a table.
pub(super) const WHOLE: &str = r#"
    "images": Images(classes: 5),
    "train": Train(data: "images", iterations: 2, steps: 10, optimizer: Sgd(lr: 2e-3), augment: (mirror: true)),
    "score": Score(model: "train", data: "images", every_iteration: true),
    "table": Table(from: ["score", "run:old/score"], formats: [Markdown, Csv], labels: { "iou": "IoU" }),
"#;
