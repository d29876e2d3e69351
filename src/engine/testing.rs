//! Fake kinds, pipelines that are made of them, and child processes that run this test binary itself.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{LogLine, Options, Plan, RunEvent, exec, plan, run};
use crate::fsio::{self, Point, set_failpoints};
use crate::hash::Digest;
use crate::pipeline::testing::grown_structure;
use crate::pipeline::{Pipeline, Request, load};
use crate::stage::schema::{Enumeration, Structure};
use crate::stage::{
    ArtifactKind, Bare, Cancel, DataFault, DataRoot, DeviceSpec, Event, Extents, External, Field, Job, Kind, NodeSpec,
    Output, ParamFault, Produced, Registry, StageError, Supplier, Type, Value, Variant, Yield,
};
use crate::store::{RunRecord, Status, Store};

#[path = "../../tests/failpoints/mod.rs"]
mod failpoints;

/// The variable by which a child learns its job file.
const JOB: &str = "REPRO_TEST_JOB";

/// Children are this test binary, running only the test [`child`].
pub fn launcher(job: &Path) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--exact", "engine::testing::child", "--nocapture", "--test-threads=1"]).env(JOB, job);
    // A file `fail` beside the store sets the child's failpoints.
    if let Some(Ok(points)) = job.ancestors().nth(5).map(|dir| fsio::read_to_string(&dir.join("fail"))) {
        command.env(failpoints::VARIABLE, points);
    }
    Ok(command)
}

#[test]
fn child() {
    let Ok(job) = std::env::var(JOB) else {
        let command = launcher(Path::new("job.json")).unwrap();
        assert_eq!(command.get_envs().count(), 1);
        return;
    };
    failpoints::heed();
    std::process::exit(i32::from(exec(Path::new(&job), &registry())));
}

pub fn registry() -> Registry {
    kinds(false)
}

/// The kinds as a later version has them: every structure in the parameters of `Work` has a field more.
pub fn later_registry() -> Registry {
    kinds(true)
}

fn kinds(later: bool) -> Registry {
    Registry {
        kinds: vec![Box::new(Gauge), Box::new(Photos), Box::new(Work { later })],
        numeric_profile: |device: &DeviceSpec| Ok(BTreeMap::from([("device".to_owned(), device.to_string())])),
    }
}

fn text(params: &Value, field: &str) -> String {
    match params.at(field) {
        Some(Value::Str(text) | Value::File(text)) => text.clone(),
        _ => String::new(),
    }
}

/// Tells that a stage ran, in a file that several processes add to.
fn trace(params: &Value) {
    let line = format!("{}\n", text(params, "text"));
    fsio::append(Path::new(&text(params, "trace"))).unwrap().write_all(line.as_bytes()).unwrap();
}

/// Takes texts from its inputs, adds its own, and misbehaves on demand.
struct Work {
    /// Whether a later version has added fields.
    later: bool,
}

impl Kind for Work {
    fn name(&self) -> &'static str {
        "Work"
    }
    fn version(&self, _params: &Value) -> u32 {
        1
    }
    fn schema(&self) -> Structure {
        let depth = Field::new("depth", "", Type::Int { min: 0, max: 9 });
        let inner = Type::Struct(Structure { name: "Inner", doc: "", fields: vec![depth] });
        let inner = Field::new("inner", "", Type::List { item: Box::new(inner), min: 0 });
        let how = Enumeration {
            name: "How",
            doc: "",
            variants: vec![Variant { name: "Nested", doc: "", fields: vec![inner] }],
        };
        let nested = Value::record("Inner", [("depth", Value::Int(1))]);
        let nested = Value::record("Nested", [("inner", Value::List(vec![nested]))]);
        let fields = vec![
            Field::new("how", "", Type::Enum(how)).default(nested),
            Field::new("text", "", Type::Str),
            Field::new("act", "", Type::Str),
            Field::new("from", "", Type::List { item: Box::new(Type::Ref(vec!["text"])), min: 0 }),
            Field::new("file", "", Type::Option(Box::new(Type::File))),
            Field::new("trace", "", Type::Str).unkeyed(),
            Field::new("gate", "", Type::Str).unkeyed(),
        ];
        let structure = Structure { name: "Work", doc: "", fields };
        if self.later { grown_structure(structure) } else { structure }
    }
    fn yields(&self) -> Yield {
        TEXT
    }
    fn outputs(&self, params: &Value) -> Result<Vec<Output>, StageError> {
        Ok(vec![declared(&text(params, "act"))])
    }
    fn expand(&self, params: &Value, _extents: &dyn Extents) -> Result<Vec<NodeSpec>, Vec<ParamFault>> {
        let notes = BTreeMap::from([("text".to_owned(), "A note.".to_owned())]);
        Ok(vec![NodeSpec { notes, ..NodeSpec::only(params) }])
    }
    fn computes(&self) -> bool {
        true
    }
    fn suits(&self, params: &Value, suppliers: &[(&str, Supplier<'_>)]) -> Result<(), StageError> {
        if text(params, "act") == "choosy" && !suppliers.is_empty() && fsio::exists(Path::new(&text(params, "gate"))) {
            return Err(DataFault::new("the gate", "It is there.", "").into());
        }
        Ok(())
    }
    fn run(&self, job: &Job<'_>) -> Result<Produced, StageError> {
        trace(job.params);
        let gate = PathBuf::from(text(job.params, "gate"));
        let mut made = String::new();
        for artifact in job.inputs.values().flatten().flat_map(|node| node.outputs.values()) {
            let leaves =
                if artifact.kind == ArtifactKind::Tree { artifact.tree.values().collect() } else { vec![artifact] };
            for leaf in leaves {
                let bytes = leaf.verified(fsio::read(leaf.path.as_deref().unwrap())?)?;
                made.push_str(std::str::from_utf8(&bytes).unwrap());
            }
        }
        for file in job.files.values() {
            made.push_str(&fsio::read_to_string(file)?);
        }
        match text(job.params, "act").as_str() {
            "panic" => panic!("on purpose"),
            "fail" => return Err(StageError::Command { message: "It failed.".into(), hint: "Do better.".into() }),
            "kill" => std::process::Command::new("kill")
                .args(["-9", &std::process::id().to_string()])
                .status()
                .map(drop)
                .unwrap(),
            "wait" => {
                while !fsio::exists(&gate) {
                    job.cancel.check()?;
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
            "orphan" => drop(std::process::Command::new("sleep").arg("3600").spawn().unwrap()),
            "deaf" => std::thread::sleep(Duration::from_secs(3600)),
            "resume" => {
                let mark = job.scratch.join("mark");
                if !fsio::exists(&mark) {
                    fsio::write_atomic(&mark, b"")?;
                    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
                }
                job.events.emit(Event::Resumed { step: 1 });
            }
            "meddle" => {
                for file in job.files.values() {
                    fsio::write_atomic(file, b"meddled")?;
                }
            }
            "wobble" => made.push_str(&fsio::now().to_string()),
            "constant" => made.clear(),
            "noise" => std::io::stdout().write_all(b"no line end here").unwrap(),
            _ => {}
        }
        made.push_str(&text(job.params, "text"));
        job.events.emit(Event::Log { text: format!("made {made}") });
        if text(job.params, "act") == "tree" {
            fsio::write_atomic(&job.out.join("files/a"), made.as_bytes())?;
            fsio::write_atomic(&job.out.join("files/sub/b"), b"b")?;
            let mut produced = Produced::default();
            declared("tree").add(&mut produced, ArtifactKind::Tree);
            return Ok(produced);
        }
        let metrics = BTreeMap::from([("length".to_owned(), made.len() as f64)]);
        let mut produced = Produced { metrics, ..Produced::default() };
        match text(job.params, "act").as_str() {
            "omit" => {}
            "extra" => {
                OUT.write(job, &mut produced, made.as_bytes())?;
                Output::file("more", "more.txt", "").write(job, &mut produced, b"more")?;
            }
            _ => OUT.write(job, &mut produced, made.as_bytes())?,
        }
        Ok(produced)
    }
}

const TEXT: Yield = Yield { name: "text", bare: Bare::Last, outputs: &[] };

const OUT: Output = Output::file("out", "out.txt", "The text.");

/// What `Work` declares to make.
fn declared(act: &str) -> Output {
    if act == "tree" { Output::tree("out", "files", "Texts.") } else { OUT }
}

/// Reads two files below the data root `photos`.
struct Photos;

const INDEX: Output = Output::file("index", "index", "The digests of the photos.");

impl Kind for Photos {
    fn name(&self) -> &'static str {
        "Photos"
    }
    fn version(&self, _params: &Value) -> u32 {
        1
    }
    fn schema(&self) -> Structure {
        let field = |name| Field::new(name, "", Type::Str).unkeyed();
        Structure { name: "Photos", doc: "", fields: vec![field("text"), field("trace")] }
    }
    fn yields(&self) -> Yield {
        TEXT
    }
    fn externals(&self, _params: &Value, root: &DataRoot<'_>) -> Result<Vec<External>, StageError> {
        let root = root("photos")?;
        Ok(["a.jpg", "sub/b.jpg"].map(|name| External::below(&root, name)).to_vec())
    }
    fn root(&self, _params: &Value) -> Result<Option<String>, StageError> {
        Ok(Some("photos".to_owned()))
    }
    fn outputs(&self, _params: &Value) -> Result<Vec<Output>, StageError> {
        Ok(vec![INDEX])
    }
    fn run(&self, job: &Job<'_>) -> Result<Produced, StageError> {
        trace(job.params);
        let root = &job.roots["photos"];
        let index = format!("{}{}", fsio::blake3(&root.join("a.jpg"))?, fsio::blake3(&root.join("sub/b.jpg"))?);
        let mut produced = Produced::default();
        INDEX.write(job, &mut produced, index.as_bytes())?;
        Ok(produced)
    }
}

/// Measures, and makes something else each time: the time, and how many threads it has.
struct Gauge;

impl Kind for Gauge {
    fn name(&self) -> &'static str {
        "Gauge"
    }
    fn version(&self, _params: &Value) -> u32 {
        1
    }
    fn schema(&self) -> Structure {
        let trace = Field::new("trace", "", Type::Str).unkeyed();
        Structure { name: "Gauge", doc: "", fields: vec![Field::new("text", "", Type::Str), trace] }
    }
    fn yields(&self) -> Yield {
        TEXT
    }
    fn outputs(&self, _params: &Value) -> Result<Vec<Output>, StageError> {
        Ok(vec![OUT])
    }
    fn measures(&self) -> bool {
        true
    }
    fn run(&self, job: &Job<'_>) -> Result<Produced, StageError> {
        trace(job.params);
        let mut produced = Produced::default();
        OUT.write(job, &mut produced, format!("{} threads at {}", job.threads, fsio::now()).as_bytes())?;
        Ok(produced)
    }
}

/// A folder with a store, a trace of what ran, and the stages of a pipeline to come.
pub struct Bench {
    pub dir: tempfile::TempDir,
    pub store: Store,
    pub options: Options,
    pub events: Vec<RunEvent>,
    stages: Vec<(String, Value)>,
}

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let options = Options { launcher, ..Options::default() };
        Bench { dir, store, options, events: Vec::new(), stages: Vec::new() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Adds a stage, or replaces the one of that name. Its text is its name.
    pub fn work(&mut self, name: &str, act: &str, from: &[&str]) -> &mut Self {
        self.work_with(name, name, act, from, None)
    }

    pub fn work_with(&mut self, name: &str, text: &str, act: &str, from: &[&str], file: Option<&Path>) -> &mut Self {
        let str = |text: &str| Value::Str(text.to_owned());
        let file = file.map(|path| Box::new(Value::File(path.to_str().unwrap().to_owned())));
        let params = Value::record(
            "Work",
            [
                ("text", str(text)),
                ("act", str(act)),
                ("from", Value::List(from.iter().map(|name| Value::Ref((*name).to_owned())).collect())),
                ("file", Value::Option(file)),
                ("trace", str(self.path("trace").to_str().unwrap())),
                ("gate", str(self.path("gate").to_str().unwrap())),
            ],
        );
        self.put(name, params)
    }

    pub fn photos(&mut self, name: &str) -> &mut Self {
        self.plain(name, "Photos")
    }

    pub fn gauge(&mut self, name: &str) -> &mut Self {
        self.plain(name, "Gauge")
    }

    fn plain(&mut self, name: &str, kind: &str) -> &mut Self {
        let trace = Value::Str(self.path("trace").to_str().unwrap().to_owned());
        let params = Value::record(kind, [("text", Value::Str(name.to_owned())), ("trace", trace)]);
        self.put(name, params)
    }

    fn put(&mut self, name: &str, params: Value) -> &mut Self {
        self.stages.retain(|stage| stage.0 != name);
        self.stages.push((name.to_owned(), params));
        self
    }

    pub fn clear(&mut self) -> &mut Self {
        self.stages.clear();
        self
    }

    /// The stages as a pipeline, by way of its file.
    pub fn pipeline(&self) -> Pipeline {
        let stages: Vec<String> = self.stages.iter().map(|(name, params)| format!("{name:?}: {params}")).collect();
        let text = format!("Pipeline(name: \"test\", stages: {{ {} }})", stages.join(",\n"));
        let file = self.path("pipeline.ron");
        fsio::write_atomic(&file, text.as_bytes()).unwrap();
        let request = Request { file, ..Request::default() };
        load(&request, &registry(), &self.store).unwrap_or_else(|faults| panic!("{faults}"))
    }

    pub fn plan(&self) -> Plan {
        plan(&self.pipeline(), &registry(), &self.store, &self.options).unwrap()
    }

    pub fn run(&mut self) -> RunRecord {
        self.run_with(&Cancel::default(), |_| {})
    }

    /// Runs everything; `watch` sees each event as it comes.
    pub fn run_with(&mut self, cancel: &Cancel, watch: impl Fn(&RunEvent)) -> RunRecord {
        let (plan, pipeline, registry) = (self.plan(), self.pipeline(), registry());
        self.events.clear();
        let events = &mut self.events;
        let mut sink = |line: &LogLine| {
            watch(&line.event);
            events.push(line.event.clone());
        };
        run(&plan, &pipeline, &registry, &self.store, &self.options, cancel, &mut sink).unwrap()
    }

    /// The texts of the stages that ran, in order, since this was last asked.
    pub fn ran(&self) -> Vec<String> {
        let text = fsio::read_to_string(&self.path("trace")).unwrap_or_default();
        fsio::remove_file(&self.path("trace")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// The content of a stage's output.
    pub fn output(&self, record: &RunRecord, stage: &str) -> String {
        let node = record.nodes.iter().find(|node| node.stage == stage).unwrap();
        String::from_utf8(self.store.read(&node.outputs["out"].digest).unwrap()).unwrap()
    }

    /// The failure that the events of the last run tell, with its hint and the end of the log.
    pub fn failure(&self) -> String {
        let failed = self.events.iter().find_map(|event| match event {
            RunEvent::NodeFailed { node, failure, tail, .. } => {
                Some(format!("{node}: {failure} {}\n{tail}", failure.hint()))
            }
            _ => None,
        });
        failed.unwrap_or_default()
    }

    pub fn warnings(&self) -> Vec<&str> {
        let mut texts = Vec::new();
        for event in &self.events {
            if let RunEvent::Warning { text, .. } = event {
                texts.push(text.as_str());
            }
        }
        texts
    }
}

/// The file of an object in a store.
pub fn object_file(store: &Store, digest: &Digest) -> PathBuf {
    let name = digest.to_string();
    store.path().join("objects").join(&name[..2]).join(&name[2..])
}

/// How each node ended, in order.
pub fn statuses(record: &RunRecord) -> Vec<Status> {
    record.nodes.iter().map(|node| node.status).collect()
}
