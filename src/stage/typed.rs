//! Kinds with typed parameters.
//!
//! A new kind is one file with a `TypedKind`, and one line in the registry. Only this file turns values into the kind's
//! type. Values that passed the check and still do not fit are an error of the program: nothing falls back to a default.

use std::path::PathBuf;

use super::artifact::Produced;
use super::error::{DataFault, StageError};
use super::expansion::{Extents, NodeSpec};
use super::job::{DeviceSpec, Job};
use super::kind::{DataRoot, Kind, ParamFault, Peer, Peers, Supplier};
use super::output::{Output, Yield};
use super::outside::{External, Program};
use super::params::Param;
use super::schema::{Structure, Type};
use super::value::Value;

/// A kind of stage. Only the constants and [`run`](TypedKind::run) have to be stated; see [`Kind`] for what each method
/// is asked.
pub trait TypedKind: Sync + Send {
    /// What a pipeline may state: a structure that [`params!`](crate::params) declares. Its documentation is the kind's.
    type Params: Param;
    /// The name in a pipeline.
    const NAME: &'static str;
    /// Raised whenever the same inputs give other bytes. Enters every identity.
    const VERSION: u32;
    /// What a reference to the stage gives.
    const YIELDS: Yield;
    /// The outputs that nodes make. Empty where the parameters alone say.
    const OUTPUTS: &'static [Output];
    /// Stages of the kind as a pipeline states them, in lines of at most 76 characters. The examples of all kinds together
    /// are one pipeline that passes the check. Every kind of the program has one.
    const EXAMPLE: &'static str = "";
    /// Whether a node's numbers depend on the device and its arithmetic.
    const COMPUTES: bool = false;
    /// Whether its nodes train.
    const TRAINS: bool = false;
    /// Whether a node measures time or memory.
    const MEASURES: bool = false;
    /// Whether the node checks what the user gave.
    const CHECKS: bool = false;

    /// The outputs that a node makes with these parameters.
    fn outputs(&self, _params: &Self::Params) -> Vec<Output> {
        Self::OUTPUTS.to_vec()
    }
    /// Rules between fields.
    fn check(&self, _params: &Self::Params) -> Vec<ParamFault> {
        Vec::new()
    }
    /// Rules between a stage and those that it refers to.
    ///
    /// # Errors
    /// The parameters of another stage do not read, which is an error of the program.
    fn agrees(&self, _params: &Self::Params, _peers: &Peers<'_>) -> Result<Vec<ParamFault>, StageError> {
        Ok(Vec::new())
    }
    /// What to do where the stage `name` is referred to, but one of the yields `wanted` is needed.
    fn instead(&self, _name: &str, _wanted: &[&str]) -> Option<String> {
        None
    }
    /// How many nodes a stage has at most.
    fn count(&self, _params: &Self::Params, _extents: &dyn Extents) -> usize {
        1
    }
    /// The nodes of a stage, in order.
    fn expand(&self, params: &Self::Params, _extents: &dyn Extents) -> Result<Vec<NodeSpec>, Vec<ParamFault>> {
        Ok(vec![NodeSpec::only(&params.write())])
    }
    /// The files outside the store that the node reads, besides the `File` parameters.
    ///
    /// # Errors
    /// They are missing or at fault.
    fn externals(&self, _params: &Self::Params, _root: &DataRoot<'_>) -> Result<Vec<External>, StageError> {
        Ok(Vec::new())
    }
    /// The files that the `File` parameter `slot` stands for.
    ///
    /// # Errors
    /// They are missing or at fault.
    fn parts(&self, _slot: &str, path: PathBuf) -> Result<Vec<PathBuf>, StageError> {
        Ok(vec![path])
    }
    /// What to tell of a missing file: one that [`externals`](TypedKind::externals) named, or one of a `File` parameter
    /// under its slot. None: only that it is missing.
    fn missing(&self, _params: &Self::Params, _file: &External) -> Option<DataFault> {
        None
    }
    /// The programs outside the store that the node starts, and those that it depends on.
    fn programs(&self, _params: &Self::Params) -> Vec<Program> {
        Vec::new()
    }
    /// The data root whose folder consumers of the node's outputs need, if any.
    fn root(&self, _params: &Self::Params) -> Option<String> {
        None
    }
    /// Whether the files from which the inputs of a node are made fit the node.
    ///
    /// # Errors
    /// They do not.
    fn suits(&self, _params: &Self::Params, _suppliers: &[(&str, Supplier<'_>)]) -> Result<(), StageError> {
        Ok(())
    }
    /// Whether a device can compute a node as its parameters ask.
    ///
    /// # Errors
    /// It cannot.
    fn runs_on(&self, _params: &Self::Params, _device: &DeviceSpec) -> Result<(), StageError> {
        Ok(())
    }
    /// The version with these parameters, where the outputs of some did not change when [`TypedKind::VERSION`] was raised.
    fn version(&self, _params: &Self::Params) -> u32 {
        Self::VERSION
    }
    /// What the user should know of a node before it runs, as far as its parameters alone show it.
    fn warnings(&self, _params: &Self::Params) -> Vec<String> {
        Vec::new()
    }
    /// Does the work.
    ///
    /// # Errors
    /// It failed, or was stopped.
    fn run(&self, params: &Self::Params, job: &Job<'_>) -> Result<Produced, StageError>;
}

impl<K: TypedKind> Kind for K {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn version(&self, params: &Value) -> u32 {
        recorded(K::NAME, params).map_or(K::VERSION, |params| TypedKind::version(self, &params))
    }

    fn schema(&self) -> Structure {
        match K::Params::ty() {
            Type::Struct(structure) => structure,
            other => panic!("The parameters of the kind `{}` are {}, not a structure.", K::NAME, other.describe()),
        }
    }

    fn yields(&self) -> Yield {
        K::YIELDS
    }

    fn declared(&self) -> &'static [Output] {
        K::OUTPUTS
    }

    fn example(&self) -> &'static str {
        K::EXAMPLE
    }

    fn outputs(&self, params: &Value) -> Result<Vec<Output>, StageError> {
        Ok(TypedKind::outputs(self, &recorded(K::NAME, params)?))
    }

    fn check(&self, params: &Value) -> Vec<ParamFault> {
        read(params).map_or_else(|bug| vec![ParamFault::bug(&bug)], |params| TypedKind::check(self, &params))
    }

    fn agrees(&self, params: &Value, peers: &Peers<'_>) -> Vec<ParamFault> {
        let faults = read(params).and_then(|params| TypedKind::agrees(self, &params, peers));
        faults.unwrap_or_else(|bug| vec![ParamFault::bug(&bug)])
    }

    fn instead(&self, name: &str, wanted: &[&str]) -> Option<String> {
        TypedKind::instead(self, name, wanted)
    }

    fn count(&self, params: &Value, extents: &dyn Extents) -> usize {
        // Parameters that do not read have no nodes: expansion says why.
        read(params).map_or(0, |params| TypedKind::count(self, &params, extents))
    }

    fn expand(&self, params: &Value, extents: &dyn Extents) -> Result<Vec<NodeSpec>, Vec<ParamFault>> {
        let params = read(params).map_err(|bug| vec![ParamFault::bug(&bug)])?;
        TypedKind::expand(self, &params, extents)
    }

    fn externals(&self, params: &Value, root: &DataRoot<'_>) -> Result<Vec<External>, StageError> {
        TypedKind::externals(self, &read(params)?, root)
    }

    fn parts(&self, slot: &str, path: PathBuf) -> Result<Vec<PathBuf>, StageError> {
        TypedKind::parts(self, slot, path)
    }

    fn missing(&self, params: &Value, file: &External) -> Option<DataFault> {
        // Parameters that do not read were an error before any file was looked for.
        TypedKind::missing(self, &read(params).ok()?, file)
    }

    fn programs(&self, params: &Value) -> Result<Vec<Program>, StageError> {
        Ok(TypedKind::programs(self, &read(params)?))
    }

    fn root(&self, params: &Value) -> Result<Option<String>, StageError> {
        Ok(TypedKind::root(self, &read(params)?))
    }

    fn warnings(&self, params: &Value) -> Vec<String> {
        read(params).map(|params| TypedKind::warnings(self, &params)).unwrap_or_default()
    }

    fn measures(&self) -> bool {
        K::MEASURES
    }

    fn trains(&self) -> bool {
        K::TRAINS
    }

    fn computes(&self) -> bool {
        K::COMPUTES
    }

    fn suits(&self, params: &Value, suppliers: &[(&str, Supplier<'_>)]) -> Result<(), StageError> {
        TypedKind::suits(self, &read(params)?, suppliers)
    }

    fn checks(&self) -> bool {
        K::CHECKS
    }

    fn runs_on(&self, params: &Value, device: &DeviceSpec) -> Result<(), StageError> {
        TypedKind::runs_on(self, &read(params)?, device)
    }

    fn run(&self, job: &Job<'_>) -> Result<Produced, StageError> {
        TypedKind::run(self, &read(job.params)?, job)
    }
}

impl Peer<'_> {
    /// The parameters of a stage of the kind `kind`; none where the stage is of another.
    ///
    /// # Errors
    /// They do not read, which is an error of the program.
    pub fn params_of<P: Param>(&self, kind: &str) -> Result<Option<P>, StageError> {
        if self.kind.name() == kind { read(self.params).map(Some) } else { Ok(None) }
    }
}

/// Parameters that passed the check.
///
/// # Errors
/// They do not fit their own schema, which is an error of the program.
pub fn read<P: Param>(params: &Value) -> Result<P, StageError> {
    P::read(params).ok_or_else(|| StageError::Bug(format!("The parameters {params} do not fit their own schema.")))
}

/// Parameters that a run recorded, maybe of an older program: a field that came later has its default.
fn recorded<P: Param>(kind: &str, params: &Value) -> Result<P, StageError> {
    let complete = || P::read(&P::ty().complete(params));
    P::read(params).or_else(complete).ok_or_else(|| {
        let message = format!("They do not fit the kind `{kind}` of this program: {params}.");
        DataFault::new("the recorded parameters", message, "Use the program that recorded them.").into()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::stage::output::{Bare, Format};
    use crate::stage::params::Ref;

    crate::params! {
        /// Counts.
        struct CountParams {
            /// What is counted.
            from: Ref;
            /// How many times.
            times: u32 = 1, where min(1.0);
        }
    }

    const COUNTS: Output = Output::table("counts", "counts.table", &[Format::Csv], "The counts.");

    struct Count;

    impl TypedKind for Count {
        type Params = CountParams;
        const NAME: &'static str = "Count";
        const VERSION: u32 = 1;
        const YIELDS: Yield = Yield { name: "counts", bare: Bare::Last, outputs: &[COUNTS] };
        const OUTPUTS: &'static [Output] = &[COUNTS];

        fn check(&self, params: &CountParams) -> Vec<ParamFault> {
            (params.times > 3).then(|| ParamFault::new("times", "Too often.", "")).into_iter().collect()
        }

        fn run(&self, _: &CountParams, _: &Job<'_>) -> Result<Produced, StageError> {
            Ok(Produced::default())
        }
    }

    fn params(times: Value) -> Value {
        Value::record("Count", [("from", Value::Ref("a".to_owned())), ("times", times)])
    }

    #[test]
    fn a_kind_is_asked_with_its_own_type() {
        let kind: &dyn Kind = &Count;
        assert_eq!((kind.name(), kind.schema().fields.len(), kind.yields().name), ("Count", 2, "counts"));
        assert_eq!(kind.check(&params(Value::Int(3))), []);
        assert_eq!(kind.check(&params(Value::Int(4)))[0].field, "times");
        assert_eq!(kind.outputs(&params(Value::Int(1))), Ok(vec![COUNTS]));
    }

    #[test]
    fn checked_values_that_do_not_read_are_an_error_of_the_program() {
        struct None;
        impl Extents for None {
            fn nodes(&self, _: &str) -> usize {
                0
            }
            fn cells(&self, _: &str) -> Vec<crate::stage::StageName> {
                Vec::new()
            }
        }
        let (kind, wrong): (&dyn Kind, _) = (&Count, params(Value::Bool(true)));
        let told = |faults: Vec<ParamFault>| faults[0].message.ends_with("This is a bug in repro.");
        assert!(told(kind.check(&wrong)) && told(kind.agrees(&wrong, &|_| Vec::new())));
        assert!(told(kind.expand(&wrong, &None).unwrap_err()));
        let bug = |error: StageError| matches!(error, StageError::Bug(_));
        assert!(bug(kind.externals(&wrong, &|_| Ok(PathBuf::new())).unwrap_err()));
        assert!(bug(kind.programs(&wrong).unwrap_err()) && bug(kind.root(&wrong).unwrap_err()));
        assert!(bug(kind.runs_on(&wrong, &DeviceSpec::Cpu).unwrap_err()));
    }

    #[test]
    fn what_an_older_program_recorded_has_the_defaults_of_later_fields() {
        let kind: &dyn Kind = &Count;
        let old = Value::Struct(crate::stage::value::Record {
            name: "Count".to_owned(),
            fields: BTreeMap::from([("from".to_owned(), Value::Ref("a".to_owned()))]),
        });
        assert_eq!(kind.outputs(&old), Ok(vec![COUNTS]));
        let other = kind.outputs(&params(Value::Bool(true))).unwrap_err();
        assert!(other.to_string().contains("do not fit the kind `Count` of this program"), "{other}");
    }
}
