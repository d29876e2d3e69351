//! A comparison as tables for people: one table a section, in percent.

use std::collections::{BTreeMap, BTreeSet};

use super::comparison::{Against, ComparedRun, Comparison, FigureRow, ValueRow};
use super::{figures, verdict, words};
use crate::stage::StageName;
use crate::table::{Cell, Column, Table};

/// How many rows of a long list are shown of a stage, where there is one stage.
const SHOWN: usize = 10;

/// The same where there are several stages.
const SHOWN_OF_MANY: usize = 3;

/// How many names of samples are shown.
const NAMES: usize = 5;

/// The mark of a difference that is larger than chance explains.
const MARK: &str = "*";

/// A part of a comparison as people read it.
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// Its rows.
    pub table: Table,
    /// What is said below it.
    pub notes: Vec<String>,
}

/// The sections that have rows; `artifacts` are shown where they are asked for.
pub fn sections(found: &Comparison, artifacts: bool) -> Vec<Section> {
    let mut all = vec![
        runs(found),
        values(found, "parameters", &found.parameters),
        values(found, "inputs", &found.inputs),
        data(found),
        tested(found, "methods, over seeds", &found.methods),
        tested(found, "figures", &found.figures),
        classes(found),
        confusion(found),
        weights(found),
        erf(found),
        metrics(found),
    ];
    if found.differs {
        all.push(costs(found));
    }
    if artifacts {
        all.push(outputs(found));
    }
    all.push(values(found, "environment", &found.environment));
    all.into_iter().flatten().collect()
}

/// A table of texts; none where it has no rows.
fn section(title: &'static str, columns: Vec<String>, rows: Vec<Vec<String>>, notes: Vec<String>) -> Option<Section> {
    if rows.is_empty() {
        return None;
    }
    let columns = columns.into_iter().map(Column::text).collect();
    let rows = rows.into_iter().map(|row| row.into_iter().map(Cell::from).collect()).collect();
    // The columns have names of their own, and the rows their length.
    Table::new(columns, rows).ok().map(|table| Section { title, table, notes })
}

/// What names a row: one column, so that each part of a table that is folded has it.
fn named(path: &str, what: &str) -> String {
    format!("{path} {what}")
}

fn head(first: &[&str], rest: impl IntoIterator<Item = String>) -> Vec<String> {
    first.iter().map(|name| (*name).to_owned()).chain(rest).collect()
}

fn labels(found: &Comparison) -> impl Iterator<Item = String> {
    found.runs.iter().map(|run| run.label.clone())
}

/// The labels of the runs but the first.
fn others(found: &Comparison) -> impl Iterator<Item = &ComparedRun> {
    found.runs.iter().skip(1)
}

/// The label of the reference.
fn reference(found: &Comparison) -> &str {
    found.runs.first().map_or("", |run| run.label.as_str())
}

fn runs(found: &Comparison) -> Option<Section> {
    let rows = found.runs.iter().map(|run| {
        let profile = run.profile.iter().map(|profile| format!("@{profile}"));
        let name = std::iter::once(run.pipeline.clone()).chain(profile).collect::<String>();
        let only = (!run.only.is_empty()).then(|| format!("only {}", run.only.join(", ")));
        let trial: Vec<String> = run.sets.iter().cloned().chain(only).collect();
        let name = if trial.is_empty() { name } else { format!("{name} ({})", trial.join(", ")) };
        let stage = run.stage.clone().unwrap_or_default();
        let from = run.archive.clone().unwrap_or_else(|| "the store".to_owned());
        vec![run.label.clone(), run.asked.clone(), run.run.clone(), name, stage, from]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    section("runs", head(&["", "asked for", "run", "pipeline", "stage", "from"], []), rows, Vec::new())
}

fn values(found: &Comparison, title: &'static str, rows: &[ValueRow]) -> Option<Section> {
    let mut notes = Vec::new();
    if title != "environment" && rows.iter().any(|row| !row.effect) {
        notes.push("(no effect): the outputs of the stage are the same.".to_owned());
    }
    // What is the same in several cells is one row.
    let mut folded: Vec<(String, &ValueRow, usize)> = Vec::new();
    for row in rows {
        let path = verdict::plain(&row.path);
        match folded
            .iter_mut()
            .find(|(known, same, _)| *known == path && (&same.values, same.effect) == (&row.values, row.effect))
        {
            Some((.., count)) => *count += 1,
            None => folded.push((path, row, 1)),
        }
    }
    let rows = folded.into_iter().map(|(path, row, count)| {
        let path = if count > 1 { format!("{path} ({count} times)") } else { row.path.clone() };
        let path = if row.effect { path } else { format!("{path} (no effect)") };
        std::iter::once(path).chain(row.values.iter().map(|value| words::short(value.as_deref()))).collect()
    });
    section(title, head(&["what"], labels(found)), rows.collect(), notes)
}

fn data(found: &Comparison) -> Option<Section> {
    let part = |names: &[String]| match names {
        [] => "0".to_owned(),
        names => {
            let more = if names.len() > NAMES { ", …" } else { "" };
            format!("{} ({}{more})", names.len(), names[..names.len().min(NAMES)].join(", "))
        }
    };
    let rows = found.data.iter().map(|row| {
        let [a, b] = row.samples;
        vec![
            row.path.clone(),
            row.run.clone(),
            format!("{a} -> {b}"),
            part(&row.added),
            part(&row.removed),
            part(&row.images_changed),
            part(&row.labels_changed),
            if row.reordered { "yes" } else { "no" }.to_owned(),
        ]
    });
    let columns = ["data set", "run", "samples", "added", "removed", "other image", "other label", "other order"];
    section("data sets", head(&columns, []), rows.collect(), Vec::new())
}

/// The columns of differences: of two runs in full, of more than two with the run's label.
fn differences(found: &Comparison) -> Vec<String> {
    let of = |run: &ComparedRun| {
        let (a, b) = (reference(found), &run.label);
        [b.clone(), format!("{b} - {a}"), format!("interval {b}"), format!("p {b}")]
    };
    others(found).flat_map(of).collect()
}

/// The cells of these columns.
fn cells(values: &[Option<f64>], against: &[Against]) -> Vec<String> {
    let of = |(value, against): (&Option<f64>, &Against)| {
        let mark = if against.beyond_chance { format!(" {MARK}") } else { String::new() };
        [
            words::percent(*value),
            format!("{}{mark}", words::points(against.difference)),
            if against.p.is_some() { words::interval(against) } else { "not tested".to_owned() },
            words::p(against.p_corrected),
        ]
    };
    values.iter().skip(1).zip(against).flat_map(of).collect()
}

/// What the columns of differences mean, and why some differences have no test.
fn explained<'a>(against: impl Iterator<Item = &'a Against> + Clone) -> Vec<String> {
    let mut notes = Vec::new();
    let mut tested = against.clone().filter(|against| against.p.is_some());
    if let Some(some) = tested.clone().find(|against| against.family > 0).or(tested.next()) {
        let corrected = match some.family {
            0 => String::new(),
            1 => format!("{MARK}: more than chance, at 5 %."),
            family => {
                format!(
                    "Intervals and p are corrected by Holm for {family} differences. {MARK}: more than chance, at 5 %."
                )
            }
        };
        let from = some.note.trim_end_matches('.');
        let from = if some.family == 0 { format!("{from}.") } else { format!("From {from}. {corrected}") };
        notes.push(format!("In percent, differences in points. {from}"));
    }
    for against in against.filter(|against| against.p.is_none() && !against.note.is_empty()) {
        let note = format!("Not tested: {}", words::lowered(&against.note));
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
}

fn tested(found: &Comparison, title: &'static str, rows: &[FigureRow]) -> Option<Section> {
    let notes = explained(rows.iter().flat_map(|row| &row.against));
    let rows = rows.iter().map(|row| {
        let first = [named(&row.path, words::figure(&row.figure)), words::percent(row.values[0])];
        first.into_iter().chain(cells(&row.values, &row.against)).collect()
    });
    let first = ["figure", reference(found)];
    section(title, head(&first, differences(found)), rows.collect(), notes)
}

fn classes(found: &Comparison) -> Option<Section> {
    let mut notes = explained(found.classes.iter().flat_map(|row| &row.against));
    let differs = found.classes.iter().filter(|row| row.values.iter().any(|value| *value != row.values[0]));
    let several = found.classes.iter().any(|row| row.path != found.classes[0].path);
    let shown: Vec<_> = if several { first(differs, |row| &row.path, &mut notes) } else { differs.collect() };
    let rows = shown.into_iter().map(|row| {
        let first = [named(&row.path, &row.name), words::percent(row.values[0])];
        first.into_iter().chain(cells(&row.values, &row.against)).collect()
    });
    let first = ["class", reference(found)];
    section("IoU of classes, by effect", head(&first, differences(found)), rows.collect(), notes)
}

fn confusion(found: &Comparison) -> Option<Section> {
    let mut notes = vec!["In percent of the pixels of the true class.".to_owned()];
    let rows = first(&found.confusion, |row| &row.path, &mut notes).into_iter().map(|row| {
        let moved = format!("{} -> {}", row.truth, row.predicted);
        let first = [named(&row.path, &moved), words::percent(row.shares.first().copied())];
        let rest = row.shares.iter().skip(1).zip(&row.differences);
        let rest = rest.flat_map(|(share, difference)| [words::percent(Some(*share)), format!("{difference:+}")]);
        first.into_iter().chain(rest).collect()
    });
    let of = |run: &ComparedRun| [run.label.clone(), format!("pixels {} - {}", run.label, reference(found))];
    let first = ["true -> predicted", reference(found)];
    let rows = rows.collect();
    section("what confusion moved", head(&first, others(found).flat_map(of)), rows, notes)
}

/// The first rows of each stage, and a note where there are more.
fn first<'a, T>(rows: impl IntoIterator<Item = &'a T>, path: fn(&T) -> &str, notes: &mut Vec<String>) -> Vec<&'a T> {
    let rows: Vec<&T> = rows.into_iter().collect();
    let stages: BTreeSet<&str> = rows.iter().map(|row| path(row)).collect();
    let most = if stages.len() > 1 { SHOWN_OF_MANY } else { SHOWN };
    let (all, mut seen) = (rows.len(), BTreeMap::new());
    let shown: Vec<&T> = rows
        .into_iter()
        .filter(|row| {
            let count = seen.entry(path(row)).or_insert(0);
            *count += 1;
            *count <= most
        })
        .collect();
    if shown.len() < all {
        notes.push(format!("{} of {all} rows; `--format json` has all.", shown.len()));
    }
    shown
}

fn weights(found: &Comparison) -> Option<Section> {
    let a = reference(found);
    let mut notes = vec![format!("The norm of the difference, divided by that of {a}'s weights, without momentum.")];
    let shown = first(&found.weights, |row| &row.path, &mut notes);
    if shown.iter().any(|row| row.distances.contains(&None)) {
        notes.push(format!("-: no such layer, another shape, or only zeros in {a}."));
    }
    let rows = shown.into_iter().map(|row| {
        let distance = |distance: &Option<f64>| distance.map_or_else(|| "-".to_owned(), |d| format!("{d:.4}"));
        let first = [named(&row.path, &row.layer), row.weights.to_string()];
        first.into_iter().chain(row.distances.iter().map(distance)).collect()
    });
    let columns = others(found).map(|run| run.label.clone());
    section("distance of weights", head(&["layer", "weights"], columns), rows.collect(), notes)
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.6}"))
}

fn signed(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:+.6}"))
}

/// The columns of values and plain differences.
fn plain(found: &Comparison, first: &str) -> Vec<String> {
    let of = |run: &ComparedRun| [run.label.clone(), format!("{} - {}", run.label, reference(found))];
    head(&[first, reference(found)], others(found).flat_map(of))
}

fn plain_cells(path: &str, values: &[Option<f64>], differences: &[Option<f64>]) -> Vec<String> {
    let rest = values.iter().skip(1).zip(differences).flat_map(|(value, d)| [number(*value), signed(*d)]);
    [path.to_owned(), number(values.first().copied().flatten())].into_iter().chain(rest).collect()
}

fn erf(found: &Comparison) -> Option<Section> {
    let differs = found.erf.iter().filter(|row| row.values.iter().any(|value| *value != row.values[0]));
    let rows = differs.map(|row| plain_cells(&row.path, &row.values, &row.differences));
    section("receptive fields", plain(found, "figure"), rows.collect(), Vec::new())
}

/// The other figures that were recorded, of the last iterations.
fn metrics(found: &Comparison) -> Option<Section> {
    let elsewhere = |path: &str| {
        let (node, name) = path.rsplit_once('.').unwrap_or((path, ""));
        found.erf.iter().any(|row| row.path == path)
            || figures::is_tested(name)
                && found.figures.iter().any(|row| figures::stage_of(&row.path) == figures::stage_of(node))
    };
    let mut last: BTreeMap<String, Option<usize>> = BTreeMap::new();
    for row in &found.metrics {
        let (stage, iteration) = parts(&row.path);
        let most = last.entry(stage).or_default();
        *most = iteration.max(*most);
    }
    let is_last = |path: &str| {
        let (stage, iteration) = parts(path);
        last.get(&stage) == Some(&iteration)
    };
    let rows: Vec<_> = found.metrics.iter().filter(|row| !elsewhere(&row.path)).collect();
    let shown: Vec<_> = rows.iter().filter(|row| is_last(&row.path)).collect();
    let mut notes = vec!["As recorded. They are not tested: these differences may be chance.".to_owned()];
    if shown.len() < rows.len() {
        let more = rows.len() - shown.len();
        notes
            .push(format!("{more} figures of earlier iterations are in `--format json`; `RUN/STAGE[1]` compares one."));
    }
    let rows = shown.into_iter().map(|row| plain_cells(&row.path, &row.values, &row.differences));
    section("other figures", plain(found, "figure"), rows.collect(), notes)
}

/// The stage of a figure's path, and its iteration.
fn parts(path: &str) -> (String, Option<usize>) {
    let node = stage(path);
    (figures::stage_of(node), StageName::read(node).ok().and_then(|name| name.iteration))
}

/// The node of a figure's path.
fn stage(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(stage, _)| stage)
}

fn costs(found: &Comparison) -> Option<Section> {
    let seconds = |value: &Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    let memory = |value: &Option<u64>| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{:.0}", value as f64 / f64::from(1 << 20)))
    };
    let rows = found.costs.iter().map(|row| {
        let both = row.seconds.iter().map(seconds).chain(row.peak_memory.iter().map(memory));
        std::iter::once(row.path.clone()).chain(both).collect()
    });
    let columns =
        labels(found).map(|run| format!("seconds {run}")).chain(labels(found).map(|run| format!("MiB {run}")));
    let mut notes = vec!["As measured when the stages ran, perhaps elsewhere and beside other work.".to_owned()];
    if found.costs.iter().any(|row| row.seconds.contains(&None)) {
        notes.push("-: not measured by runs of this pipeline.".to_owned());
    }
    section("time and memory", head(&["stage"], columns), rows.collect(), notes)
}

fn outputs(found: &Comparison) -> Option<Section> {
    let rows = found.artifacts.iter().map(|row| {
        let first = [row.path.clone(), words::short(row.values[0].as_deref())];
        let rest = row.values.iter().skip(1).zip(&row.details);
        let rest = rest.flat_map(|(value, detail)| [words::short(value.as_deref()), detail.clone()]);
        first.into_iter().chain(rest).collect()
    });
    let of = |run: &ComparedRun| [run.label.clone(), format!("rows of {}", run.label)];
    let columns = head(&["output", reference(found)], others(found).flat_map(of));
    section("artifacts", columns, rows.collect(), Vec::new())
}
