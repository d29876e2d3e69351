//! What stages took: time and memory, from the executions on record. They say what was, and are no cause.

use super::comparison::CostRow;
use super::pairs::StageRow;
use super::side::{Origin, Side};
use crate::store::{Cost, Costs, ExecutionId, RunNodeRecord, Status, Verdict};

/// What each stage took, over all its iterations. Where an iteration was not measured, the whole is not known.
pub(super) fn of_stages(sides: &[Side<'_>], rows: &[StageRow<'_>]) -> Vec<CostRow> {
    let earlier: Vec<Costs> = sides.iter().map(earlier).collect();
    let mut found = Vec::new();
    for row in rows {
        let of_side = |at: usize| -> Vec<Option<Cost>> {
            let nodes = row.nodes.iter().filter_map(|node| node.nodes[at]);
            nodes.map(|node| of_node(&sides[at], node, &earlier[at])).collect()
        };
        let all: Vec<Vec<Option<Cost>>> = (0..sides.len()).map(of_side).collect();
        let seconds = |costs: &Vec<Option<Cost>>| -> Option<f64> {
            if costs.is_empty() { None } else { costs.iter().map(|cost| Some((*cost)?.seconds)).sum() }
        };
        let memory = |costs: &Vec<Option<Cost>>| costs.iter().filter_map(|cost| (*cost)?.peak_memory).max();
        let row = CostRow {
            path: row.path.clone(),
            seconds: all.iter().map(seconds).collect(),
            peak_memory: all.iter().map(memory).collect(),
        };
        if row.seconds.iter().any(Option::is_some) {
            found.push(row);
        }
    }
    found
}

/// The costs of earlier runs of a run's pipeline: a stage that was in the store was measured by one of them.
pub fn earlier(side: &Side<'_>) -> Costs {
    match &side.origin {
        Origin::Store(store) => store.costs(Some(&side.run.pipeline)).unwrap_or_default(),
        Origin::Archive(_) => Costs::default(),
    }
}

/// What a node took, by its own execution or else by one of earlier runs; none where neither is on record.
pub fn of_node(side: &Side<'_>, node: &RunNodeRecord, earlier: &Costs) -> Option<Cost> {
    if let (Origin::Store(store), Some(job)) = (&side.origin, &node.job)
        && let Ok(Some(execution)) = store.execution(&ExecutionId::new(&side.run.id, job))
        && execution.verdict == (Verdict::Done { reused: false })
    {
        return Some(Cost { seconds: execution.seconds, peak_memory: execution.peak_memory });
    }
    if node.status == Status::Ran {
        return Some(Cost { seconds: node.seconds, peak_memory: None });
    }
    node.key.and_then(|key| earlier.of_key(&key))
}
