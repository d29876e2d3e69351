//! The kind `Train`.

use super::run;
use super::updates::node_params;
use crate::ml::device::look_for_ranks;
use crate::stage::params::Param;
use crate::stage::schema::Structure;
use crate::stage::{
    DeviceSpec, Extents, Fault, InputRef, Job, Kind, Peers, Produced, Publication, StageError, Step, Value,
};
use crate::stages::params::train::TrainParams;
use crate::stages::{agree, support};

/// The kind.
pub struct Train;

impl Kind for Train {
    fn name(&self) -> &'static str {
        "Train"
    }

    fn version(&self) -> u32 {
        4
    }

    fn schema(&self) -> Structure {
        support::structure(TrainParams::ty())
    }

    fn yields(&self) -> &'static str {
        "model"
    }

    fn computes(&self) -> bool {
        true
    }

    fn check(&self, params: &Value) -> Vec<Fault> {
        let Some(p) = TrainParams::read(params) else { return Vec::new() };
        let mut faults = Vec::new();
        let total = u64::from(p.iterations) * u64::from(p.steps);
        if let Some(horizon) = p.horizon.filter(|horizon| *horizon < total) {
            faults.push(Fault {
                field: "horizon".into(),
                message: format!(
                    "The schedule spans {horizon} updates, but {} x {} are trained.",
                    p.iterations, p.steps
                ),
                hint: format!("State a horizon of at least {total}, or leave it out."),
            });
        }
        if p.ranks > p.batch {
            faults.push(Fault {
                field: "ranks".into(),
                message: format!("{} processes cannot share a batch of {} images.", p.ranks, p.batch),
                hint: "State at most as many ranks as a batch has images.".into(),
            });
        }
        if let Some((low, high)) = p.augment.scale.filter(|(low, high)| low > high) {
            faults.push(Fault {
                field: "augment.scale".into(),
                message: format!("The scale's lower bound {low} is above its upper bound {high}."),
                hint: "Write the smaller bound first.".into(),
            });
        }
        faults
    }

    fn agrees(&self, params: &Value, peers: &Peers<'_>) -> Vec<Fault> {
        TrainParams::read(params).map_or_else(Vec::new, |p| agree::training(&p, peers))
    }

    fn count(&self, params: &Value, _extents: &dyn Extents) -> usize {
        TrainParams::read(params).map_or(1, |p| p.iterations as usize)
    }

    fn expand(&self, params: &Value, _extents: &dyn Extents) -> Result<Vec<Step>, Vec<Fault>> {
        let Some(p) = TrainParams::read(params) else { return Err(Vec::new()) };
        let stated = p.horizon.is_some();
        let horizon = p.horizon.unwrap_or(u64::from(p.iterations) * u64::from(p.steps));
        let mut node = params.clone();
        if let Value::Struct(record) = &mut node {
            record.fields.remove("iterations");
            record.fields.insert("horizon".into(), Some(horizon).write());
        }
        let note = "The horizon is not stated, so it follows from iterations x steps; state `horizon` to keep finished iterations.";
        let steps = (0..p.iterations).map(|i| {
            let mut params = node.clone();
            params.set_field("first_step", (u64::from(i) * u64::from(p.steps)).write());
            let mut inputs = vec![("data".to_owned(), InputRef::Named(p.data.0.clone()))];
            inputs.push(match i.checked_sub(1) {
                None => ("weights".to_owned(), InputRef::Named(p.weights.0.clone())),
                Some(before) => ("state".to_owned(), InputRef::Sibling(before as usize)),
            });
            let notes = (!stated).then(|| ("horizon".to_owned(), note.to_owned())).into_iter().collect();
            Step { iteration: (p.iterations > 1).then_some(i + 1), params, inputs, notes }
        });
        Ok(steps.collect())
    }

    fn runs_on(&self, params: &Value, device: &DeviceSpec) -> Result<(), StageError> {
        let p = node_params(params)?;
        let wrong = |error| support::ml_error(error, "precision");
        let (gpu, size) = (device.gpu(), p.ranks as usize);
        if p.graph && gpu.is_none() {
            let message = "`graph: true` was asked for, but the device `cpu` records no work.".to_owned();
            return Err(StageError::Device {
                message,
                hint: "Leave it out, or train on a GPU: `--device cuda`.".to_owned(),
            });
        }
        p.numerics().check(gpu).and_then(|()| look_for_ranks(gpu, size)).map_err(wrong)
    }

    fn publish(&self, _params: &Value) -> Vec<Publication> {
        vec![Publication::table("steps", &["Csv", "Parquet"]), Publication::table("classes", &["Csv", "Parquet"])]
    }

    fn run(&self, job: &Job<'_>) -> Result<Produced, StageError> {
        run::run(job)
    }
}
