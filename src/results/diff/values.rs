//! Parameters, inputs and environments that differ.

use std::collections::{BTreeMap, BTreeSet};

use super::comparison::ValueRow;
use super::pairs::StageRow;
use super::side::Side;
use crate::pipeline::key::ANSWERS;
use crate::stage::{Registry, StageName, Type, Value};
use crate::store::{RunNodeRecord, RunRecord};

/// A map's values in each run; none where a run has no such map.
type Maps<'a> = Vec<Option<&'a BTreeMap<String, String>>>;

/// A map of a run's record.
type MapOf = fn(&RunRecord) -> &BTreeMap<String, String>;

/// How references are compared.
struct References<'a> {
    rows: &'a [StageRow<'a>],
    /// Whether only single stages are compared. What they were made from is then found by contents, not by name.
    by_content: bool,
}

/// The parameters that differ, without what no result depends on.
pub(super) fn parameters(sides: &[Side<'_>], registry: &Registry, rows: &[StageRow<'_>]) -> Vec<ValueRow> {
    let references = References { rows, by_content: sides.iter().any(|side| side.stage.is_some()) };
    let mut found = Vec::new();
    for row in rows {
        let values: Vec<Option<Value>> =
            sides.iter().zip(&row.names).map(|(side, name)| identity(&side.run, registry, name.as_ref()?)).collect();
        let values: Vec<Option<&Value>> = values.iter().map(Option::as_ref).collect();
        let start = found.len();
        walk(&row.path, &values, Some(&references), &mut found);
        let effect = row.differs();
        found[start..].iter_mut().for_each(|found| found.effect = effect);
    }
    found
}

/// The iterations that are compared, where they are not the same ones.
pub(super) fn iterations(rows: &[StageRow<'_>]) -> Vec<ValueRow> {
    let mut found = Vec::new();
    for node in rows.iter().flat_map(|row| &row.nodes) {
        let there = node.nodes.iter().flatten();
        if there.clone().any(|other| Some(other.iteration) != there.clone().next().map(|first| first.iteration)) {
            let number = |node: &RunNodeRecord| node.iteration.unwrap_or(1).to_string();
            let values = node.nodes.iter().map(|node| node.map(number)).collect();
            found.push(ValueRow { path: format!("{}.iteration", node.path), values, effect: node.differs() });
        }
    }
    found
}

/// The parameters of a stage that its results depend on.
pub(super) fn identity(run: &RunRecord, registry: &Registry, name: &str) -> Option<Value> {
    let kind = run.nodes.iter().find(|node| node.stage == name).map(|node| node.kind.as_str())?;
    let value = run.params.get(name)?;
    Some(registry.kind(kind).map_or_else(|| value.clone(), |kind| Type::Struct(kind.schema()).identity(value)))
}

/// The paths at which two values differ; references are not compared.
pub(super) fn differing(a: &Value, b: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk("", &[Some(a), Some(b)], None, &mut found);
    found.into_iter().map(|row| row.path).collect()
}

/// Walks values together and notes the smallest parts that differ.
fn walk(path: &str, values: &[Option<&Value>], references: Option<&References<'_>>, out: &mut Vec<ValueRow>) {
    let Some(first) = values.first() else { return };
    if values.iter().all(|value| value == first) {
        return;
    }
    let files = values.iter().all(|value| matches!(value, Some(Value::File(_))));
    let refs: Option<Vec<&String>> =
        values.iter().map(|value| if let Some(Value::Ref(name)) = value { Some(name) } else { None }).collect();
    let renamed = refs.is_some_and(|refs| references.is_none_or(|references| references.are_one(&refs)));
    // What a file holds is an input.
    if files || renamed {
        return;
    }
    let structs: Option<Vec<_>> =
        values.iter().map(|value| if let Some(Value::Struct(record)) = value { Some(record) } else { None }).collect();
    let lists: Option<Vec<&Vec<Value>>> =
        values.iter().map(|value| if let Some(Value::List(items)) = value { Some(items) } else { None }).collect();
    if let Some(records) = structs
        && records.iter().all(|record| record.name == records[0].name)
    {
        let keys: BTreeSet<&String> = records.iter().flat_map(|record| record.fields.keys()).collect();
        for key in keys {
            let fields: Vec<Option<&Value>> = records.iter().map(|record| record.fields.get(key)).collect();
            walk(&format!("{path}.{key}"), &fields, references, out);
        }
    } else if let Some(lists) = lists
        && lists.iter().all(|list| list.len() == lists[0].len())
    {
        for i in 0..lists[0].len() {
            let items: Vec<Option<&Value>> = lists.iter().map(|list| list.get(i)).collect();
            walk(&format!("{path}[{i}]"), &items, references, out);
        }
    } else {
        let values = values.iter().map(|value| value.map(ToString::to_string)).collect();
        out.push(ValueRow { path: path.to_owned(), values, effect: false });
    }
}

impl References<'_> {
    /// Whether references name the stages of one row.
    fn are_one(&self, names: &[&String]) -> bool {
        let Some(names) = names.iter().map(|name| StageName::read(name).ok()).collect::<Option<Vec<_>>>() else {
            return false;
        };
        let same = names.iter().all(|name| (name.iteration, &name.cell) == (names[0].iteration, &names[0].cell));
        let paired = |row: &StageRow<'_>| {
            row.names.iter().zip(&names).all(|(stage, name)| {
                stage.as_deref().and_then(|stage| StageName::read(stage).ok()).is_some_and(|stage| name.covers(&stage))
            })
        };
        self.by_content || same && self.rows.iter().any(paired)
    }
}

/// The contents that differ of files, of what else lies outside the store, and of other runs' results.
pub(super) fn inputs(sides: &[Side<'_>], rows: &[StageRow<'_>]) -> Vec<ValueRow> {
    // What the runs made themselves; any other input came from another run.
    let outputs = sides.iter().flat_map(|side| &side.run.nodes).flat_map(|node| node.outputs.values());
    let own: BTreeSet<String> = outputs.map(|artifact| artifact.digest.to_string()).collect();
    let outside = |key: &str| ["externals", "file.", ANSWERS].iter().any(|part| key.starts_with(part));
    each_node(rows, &|key, values| {
        outside(key) || key.starts_with("input.") && values.iter().flatten().any(|digest| !own.contains(digest))
    })
}

/// Machine, versions and arithmetic.
pub(super) fn environment(sides: &[Side<'_>], rows: &[StageRow<'_>]) -> Vec<ValueRow> {
    let mut found = each_node(rows, &|key, _| key == "version");
    let groups: [(&str, MapOf); 3] =
        [("machine", |run| &run.machine), ("versions", |run| &run.versions), ("numeric", |run| &run.numeric)];
    for (group, of) in groups {
        let maps = sides.iter().map(|side| Some(of(&side.run))).collect();
        changes(&format!("{group}."), &maps, &|_, _| true, &mut found);
    }
    let devices: Vec<Option<String>> = sides.iter().map(|side| Some(side.run.device.clone())).collect();
    if devices.iter().any(|device| *device != devices[0]) {
        found.push(ValueRow { path: "device".to_owned(), values: devices, effect: true });
    }
    found
}

/// The components that differ of nodes that at least two runs have.
fn each_node(rows: &[StageRow<'_>], wanted: &dyn Fn(&str, &[Option<String>]) -> bool) -> Vec<ValueRow> {
    let mut found = Vec::new();
    for node in rows.iter().flat_map(|row| &row.nodes) {
        let maps: Maps<'_> = node.nodes.iter().map(|node| node.map(|node: &RunNodeRecord| &node.preimage)).collect();
        let start = found.len();
        if maps.iter().flatten().count() > 1 {
            changes(&format!("{}.", node.path), &maps, wanted, &mut found);
        }
        let effect = node.differs();
        found[start..].iter_mut().for_each(|found| found.effect = effect);
    }
    found
}

fn changes(prefix: &str, maps: &Maps<'_>, wanted: &dyn Fn(&str, &[Option<String>]) -> bool, out: &mut Vec<ValueRow>) {
    for key in maps.iter().flatten().flat_map(|map| map.keys()).collect::<BTreeSet<_>>() {
        let values: Vec<Option<String>> = maps.iter().map(|map| (*map)?.get(key).cloned()).collect();
        // A run without the node says nothing of it.
        let there: Vec<&Option<String>> =
            maps.iter().zip(&values).filter(|(map, _)| map.is_some()).map(|(_, value)| value).collect();
        if there.iter().any(|value| *value != there[0]) && wanted(key, &values) {
            out.push(ValueRow { path: format!("{prefix}{key}"), values, effect: true });
        }
    }
}
