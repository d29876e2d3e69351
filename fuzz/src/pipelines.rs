//! Pipelines of one kind that has a field of every type, for fuzzing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::fsio;
use crate::pipeline::{Request, RunLookup, RunNode, limits, load};
use crate::stage::schema::{Bounds, Enumeration, Structure, Variant};
use crate::stage::{
    Bare, Extents, Field, Job, Kind, NodeSpec, ParamFault, Produced, Registry, StageError, Type, Value, Yield,
};
use crate::syntax;

/// A stage of as many nodes as it says.
struct Any;

impl Kind for Any {
    fn name(&self) -> &'static str {
        "Any"
    }

    fn version(&self, _: &Value) -> u32 {
        1
    }

    fn schema(&self) -> Structure {
        let any = || Type::Ref(vec!["any"]);
        let list = |item| Type::List { item: Box::new(item), min: 0 };
        let variant = |name, fields| Variant { name, doc: "", fields };
        let size = Type::Tuple(vec![Type::Int { min: 1, max: 9 }, Type::Float(Bounds::ANY)]);
        let size = Field::new("size", "", size).default(Value::Tuple(vec![Value::Int(1), Value::Float(0.5)]));
        let choice =
            Enumeration { name: "Choice", doc: "", variants: vec![variant("One", vec![size]), variant("Two", vec![])] };
        let fields = vec![
            Field::new("nodes", "", Type::Int { min: 1, max: 1000 }).default(Value::Int(1)),
            Field::new("from", "", list(any())).default(Value::List(vec![])),
            Field::new("one", "", Type::Option(Box::new(any()))).default(Value::Option(None)),
            Field::new("texts", "", Type::Map(Box::new(Type::Str))).default(Value::Map(BTreeMap::new())),
            Field::new("file", "", Type::Option(Box::new(Type::File))).default(Value::Option(None)),
            Field::new("choice", "", Type::Enum(choice)).default(Value::record("Two", [])),
            Field::new("on", "", Type::Bool).default(Value::Bool(true)),
        ];
        Structure { name: "Any", doc: "", fields }
    }

    fn yields(&self) -> Yield {
        Yield { name: "any", bare: Bare::Last, outputs: &[] }
    }

    fn count(&self, params: &Value, _extents: &dyn Extents) -> usize {
        match params.field("nodes") {
            Some(Value::Int(nodes)) => usize::try_from(*nodes).unwrap_or(1),
            _ => 1,
        }
    }

    fn expand(&self, params: &Value, extents: &dyn Extents) -> Result<Vec<NodeSpec>, Vec<ParamFault>> {
        let node = |at: usize| NodeSpec { iteration: u32::try_from(at + 1).ok(), ..NodeSpec::only(params) };
        Ok((0..self.count(params, extents)).map(node).collect())
    }

    fn run(&self, _job: &Job<'_>) -> Result<Produced, StageError> {
        Ok(Produced::default())
    }
}

struct NoRuns;

impl RunLookup for NoRuns {
    fn find(&self, run: &str, _stage: &str) -> Result<Vec<RunNode>, String> {
        Err(format!("There is no run `{run}`."))
    }
}

/// Loads a pipeline with the profile `p`, and one from a `--set` of the same bytes. What is said of it has its bound.
pub fn read(data: &[u8]) {
    let folder = PathBuf::from(std::env::var_os("FUZZ_SCRATCH").unwrap_or_else(|| std::env::temp_dir().into()));
    let file = folder.join(format!("pipeline-{}.ron", std::process::id()));
    let registry = Registry { kinds: vec![Box::new(Any)], numeric_profile: |_| Ok(BTreeMap::new()) };
    let plain = "Pipeline(name: \"x\", stages: {\"a\": Any()})";
    let set = std::str::from_utf8(data).map(|text| format!("a.{text}"));
    let cases = [(data, Some("p".to_owned()), None), (data, None, None), (plain.as_bytes(), None, set.ok())];
    for (content, profile, set) in cases {
        if fsio::write_atomic(&file, content).is_err() {
            return;
        }
        let sets = set.into_iter().collect();
        match load(&Request { file: file.clone(), profile, sets }, &registry, &NoRuns) {
            Ok(pipeline) => assert!(pipeline.nodes.len() <= limits::NODES),
            Err(faults) => assert!(faults.render(true).len() <= syntax::limits::MESSAGES),
        }
    }
}
