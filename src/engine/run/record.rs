//! The run record: what a run leaves to be looked up later.

use super::{Phase, Progress, Run};
use crate::engine::identity::Context;
use crate::engine::machine;
use crate::fsio;
use crate::store::{RunNodeRecord, RunRecord, RunStatus, Status, rfc3339};

impl Run<'_> {
    pub(super) fn status(&self) -> RunStatus {
        let any = |test: &dyn Fn(Phase) -> bool| self.nodes.values().any(|node| test(node.phase));
        if any(&|phase| phase == Phase::Failed) {
            RunStatus::Failed
        } else if any(&|phase| phase != Phase::Done) {
            RunStatus::Interrupted
        } else {
            RunStatus::Done
        }
    }

    pub(super) fn record(&self, status: RunStatus) -> RunRecord {
        let Context { pipeline, options, .. } = self.context;
        RunRecord {
            format: RunRecord::FORMAT,
            id: self.id.to_owned(),
            pipeline: pipeline.name.clone(),
            file: pipeline.file.clone(),
            profile: pipeline.profile.clone(),
            sets: pipeline.sets.clone(),
            resolved: pipeline.resolved.clone(),
            started: rfc3339(self.started),
            finished: (status != RunStatus::Running).then(|| rfc3339(fsio::now())),
            status,
            device: options.device.to_string(),
            nodes: self.nodes.iter().map(|(index, node)| self.node_record(*index, node)).collect(),
            machine: machine::machine(),
            versions: machine::versions(),
            numeric: self.plan.numeric.clone(),
            params: pipeline.stages.iter().map(|(name, stage)| (name.clone(), stage.params.clone())).collect(),
        }
    }

    fn node_record(&self, index: usize, progress: &Progress) -> RunNodeRecord {
        let node = &self.context.pipeline.nodes[index];
        let done = progress.record.as_ref().filter(|_| progress.phase == Phase::Done);
        RunNodeRecord {
            stage: node.stage.clone(),
            iteration: node.iteration,
            kind: node.kind.clone(),
            yields: self.context.registry.kind(&node.kind).map(|kind| kind.yields().to_owned()).unwrap_or_default(),
            recipe: node.recipe,
            key: progress.key,
            status: match progress.phase {
                Phase::Done if progress.ran => Status::Ran,
                Phase::Done => Status::Hit,
                Phase::Failed => Status::Failed,
                Phase::Running | Phase::Interrupted => Status::Interrupted,
                Phase::Pending | Phase::Ready | Phase::Held { .. } => Status::Skipped,
            },
            seconds: progress.seconds,
            outputs: done.map(|record| record.outputs.clone()).unwrap_or_default(),
            metrics: done.map(|record| record.metrics.clone()).unwrap_or_default(),
            preimage: progress.preimage.0.clone(),
            message: progress.message.clone(),
        }
    }
}
