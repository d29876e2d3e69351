//! Why a node runs: what changed since the newest run that knew it.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::hash::Digest;
use crate::pipeline::Node;
use crate::pipeline::key::{KeyChange, MACHINE, PARAMS, Preimage};
use crate::store::{self, Store};

/// How many runs are looked through, newest first.
const DEPTH: usize = 100;

/// How many nodes these may have together before the rest is left aside: a run of a large matrix has thousands.
const MOST_NODES: usize = 20_000;

/// Why a node is not taken from the store.
#[derive(Debug, Clone)]
pub enum Why {
    /// No earlier run of the pipeline knew it.
    New,
    /// The user asked for it.
    Forced,
    /// Components of its key are not what they were.
    Changed {
        /// Old and new, by component.
        changes: Vec<KeyChange>,
        /// The kind's remarks on what changed; may be empty.
        note: String,
    },
    /// Nothing but its inputs may change: they are made first.
    Upstream,
    /// It was done, but this output is gone from the store.
    OutputMissing(Digest),
    /// Nothing changed, and it was never finished, or its record was damaged.
    Unfinished,
}

/// The newest runs of a pipeline, read when first needed.
pub(super) struct History<'a> {
    store: &'a Store,
    pipeline: &'a str,
    known: Option<LastMet>,
}

/// The components of keys when they were last met.
#[derive(Default)]
struct LastMet {
    by_place: BTreeMap<(String, Option<u32>), Rc<Components>>,
    by_recipe: BTreeMap<Digest, Rc<Components>>,
}

type Components = BTreeMap<String, String>;

impl<'a> History<'a> {
    pub fn new(store: &'a Store, pipeline: &'a str) -> Self {
        History { store, pipeline, known: None }
    }

    /// Why `node` runs. Components of the slots in `unknown` are left out of account: their inputs are not made yet.
    pub fn why(&mut self, node: &Node, preimage: &Preimage, unknown: &[&str]) -> store::Result<Why> {
        let Some(old) = self.find(node)? else { return Ok(Why::New) };
        let (new, old) = (without(&preimage.0, unknown), without(&old, unknown));
        let changes = new.changes(&old);
        let changed = |field: &str| changes.iter().any(|change| change.component == format!("{PARAMS}.{field}"));
        let notes = node.notes.iter().filter(|(field, _)| changed(field)).map(|(_, note)| note.as_str());
        let mut note = notes.collect::<Vec<_>>().join(" ");
        if note.is_empty() && changes.iter().any(|change| is_of_machine(&change.component)) {
            note = "The machine is another, and a measurement is of the machine that made it.".to_owned();
        }
        Ok(match (changes.is_empty(), unknown.is_empty()) {
            (true, true) => Why::Unfinished,
            (true, false) => Why::Upstream,
            (false, _) => Why::Changed { changes, note },
        })
    }

    /// The key's components when the same stage and iteration was last met; else, when the same recipe was.
    fn find(&mut self, node: &Node) -> store::Result<Option<Rc<Components>>> {
        let known = match self.known.take() {
            Some(known) => known,
            None => self.read()?,
        };
        let place = (node.stage.clone(), node.iteration);
        let found = known.by_place.get(&place).or_else(|| known.by_recipe.get(&node.recipe)).cloned();
        self.known = Some(known);
        Ok(found)
    }

    fn read(&self) -> store::Result<LastMet> {
        let (mut known, mut runs, mut nodes) = (LastMet::default(), 0, 0);
        for run in self.store.runs(Some(self.pipeline))? {
            let run = run?;
            if runs == DEPTH || nodes > MOST_NODES {
                break;
            }
            (runs, nodes) = (runs + 1, nodes + run.nodes.len());
            for node in run.nodes.into_iter().filter(|node| !node.preimage.is_empty()) {
                let components = Rc::new(node.preimage);
                known.by_place.entry((node.stage, node.iteration)).or_insert_with(|| components.clone());
                known.by_recipe.entry(node.recipe).or_insert(components);
            }
        }
        Ok(known)
    }
}

/// Whether a component of a key tells one machine from another.
fn is_of_machine(component: &str) -> bool {
    component.strip_prefix(MACHINE).is_some_and(|name| !["program", "threads"].contains(&name))
}

fn without(components: &BTreeMap<String, String>, slots: &[&str]) -> Preimage {
    let of_slot = |name: &str| {
        let rest = name.strip_prefix("input.");
        slots
            .iter()
            .any(|slot| rest.and_then(|rest| rest.strip_prefix(slot)).is_some_and(|r| r.starts_with(['.', '['])))
    };
    Preimage(components.iter().filter(|(name, _)| !of_slot(name)).map(|(k, v)| (k.clone(), v.clone())).collect())
}
