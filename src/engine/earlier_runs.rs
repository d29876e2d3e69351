//! References to earlier runs, `run:NAME/STAGE`, resolved when a pipeline is loaded.

use crate::pipeline::{EarlierStage, RunLookup, RunNode};
use crate::stage::StageName;
use crate::store::{RunNodeRecord, Store};

/// How many stages an error lists.
const SHOWN: usize = 20;

impl RunLookup for Store {
    fn find(&self, run: &str, stage: &str) -> Result<EarlierStage, String> {
        let name = StageName::read(stage)?;
        let found = self.find_run_with(run, &name).map_err(|error| format!("{error} {}", error.hint()))?;
        let Some(nodes) = found.run.finished_stage(&name) else {
            let mut stages: Vec<&str> = found.run.nodes.iter().map(|node| node.stage.as_str()).collect();
            stages.dedup();
            let more = if stages.len() > SHOWN { " and more" } else { "" };
            stages.truncate(SHOWN);
            let known = stages.join("`, `");
            return Err(format!(
                "Run `{}` did not finish a stage `{stage}`; its stages are `{known}`{more}.",
                found.run.id
            ));
        };
        Ok(EarlierStage {
            nodes: nodes.into_iter().filter_map(run_node).collect(),
            taken: found.taken(),
            passed_over: found.passed_over(run),
        })
    }
}

/// A node as an input. A node that is done has a key.
fn run_node(node: &RunNodeRecord) -> Option<RunNode> {
    Some(RunNode { outputs: node.outputs.clone(), yields: node.yields.clone(), key: node.key?, cell: node.name().cell })
}
