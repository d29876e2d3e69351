//! What a comparison comes to, in one sentence: what differs that could matter, and whether the figures differ by more than
//! chance.
//!
//! Invariants:
//! - what differs is a cause only if an output of its stage differs;
//! - two trained models are never spoken of as two methods.

use std::collections::{BTreeMap, BTreeSet};

use super::comparison::{Against, Comparison, FigureRow, ValueRow};
use super::words;
use crate::stage::StageName;
use crate::store::RunStatus;

/// How many causes are named.
const NAMED: usize = 3;

/// The longest value that is told within the sentence, in characters.
const LONGEST: usize = 40;

/// What the components of a stage's files begin with.
const FILES: &str = ".externals";

/// What the components of a stage's inputs begin with.
const INPUT: &str = ".input.";

/// What of the environment can change results.
const COUNTS: [&str; 2] = ["numeric.", "device"];

/// The parameters and inputs that could be the cause of other results, with their values where all cells have the same.
pub(super) fn causes(found: &Comparison) -> BTreeMap<String, Option<Vec<Option<String>>>> {
    let mut causes: BTreeMap<String, Option<Vec<Option<String>>>> = BTreeMap::new();
    // Another choice of samples, as by a parameter, has other files, too.
    let chosen = |path: &str| {
        let sets = found.data.iter().filter(|row| plain(path) == format!("{}{FILES}", plain(&row.path)));
        let changed = sets.clone().any(|row| !row.images_changed.is_empty() || !row.labels_changed.is_empty());
        let stage = path.split_once(FILES).map_or(path, |(stage, _)| stage);
        let stated = found.parameters.iter().any(|row| row.path.starts_with(&format!("{stage}.")));
        stated && sets.count() > 0 && !changed
    };
    let inputs = found.inputs.iter().filter(|row| !chosen(&row.path));
    for ValueRow { path, values, .. } in found.parameters.iter().chain(inputs).filter(|row| row.effect) {
        let known = causes.entry(plain(path)).or_insert_with(|| Some(values.clone()));
        if known.as_ref() != Some(values) {
            *known = None;
        }
    }
    causes
}

/// The path without cell and iteration.
pub(super) fn plain(path: &str) -> String {
    let mut depth = 0_usize;
    // The dots in a cell do not end the stage's name.
    let end = path.find(|c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == '.' && depth == 0
    });
    let (stage, rest) = path.split_at(end.unwrap_or(path.len()));
    let stage = StageName::read(stage).map_or_else(|_| stage.to_owned(), |name| name.stage);
    let rest = match rest.strip_prefix(INPUT).and_then(|input| input.rsplit_once('.')) {
        // All outputs of a stage of another run are one input.
        Some((slot, _)) => format!("{INPUT}{slot}"),
        None if rest.starts_with(FILES) => FILES.to_owned(),
        None => rest.to_owned(),
    };
    format!("{stage}{rest}")
}

/// The sentence.
pub(super) fn sentence(found: &Comparison, whole: bool) -> String {
    if whole && let Some(run) = found.runs.iter().find(|run| run.status != RunStatus::Done) {
        return format!("The run {} did not finish, so what it lacks says nothing.", run.run);
    }
    let results = !found.metrics.is_empty() || !found.artifacts.is_empty();
    let kinds: Vec<&str> = [
        ("parameters", !found.parameters.is_empty()),
        ("inputs", !found.inputs.is_empty()),
        ("the environment", !found.environment.is_empty()),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect();
    if !results {
        return match kinds.as_slice() {
            [] => "Nothing differs.".to_owned(),
            kinds => format!("The results are identical; what differs ({}) does not matter.", kinds.join(", ")),
        };
    }
    let causes = causes(found);
    let what = match causes.len() {
        0 if found.environment.is_empty() => {
            "The results differ though nothing that they depend on does: a stage is not reproducible".to_owned()
        }
        0 => "The results differ, and only the environment does: see `numeric` and `versions` for the cause".to_owned(),
        _ => told(found, &causes),
    };
    format!("{what}{}.", figures(found))
}

/// What differs that could be the cause.
fn told(found: &Comparison, causes: &BTreeMap<String, Option<Vec<Option<String>>>>) -> String {
    let counts = |row: &&ValueRow| {
        COUNTS.iter().any(|part| row.path.starts_with(part))
            || row.path.ends_with(".version") && !row.path.starts_with("versions.")
    };
    let beside = match found.environment.iter().find(counts) {
        Some(row) => format!(", beside the environment (`{}`)", row.path),
        None => String::new(),
    };
    let mut causes = causes.iter();
    match (causes.len(), causes.next()) {
        (1, Some((name, values))) => {
            let values = values
                .as_ref()
                .filter(|values| name.contains('.') && !values.iter().flatten().any(|value| words::is_digest(value)))
                .map(|values| {
                    let shown: Vec<String> = values.iter().map(|value| shortened(value.as_deref())).collect();
                    format!(" ({})", shown.join(" -> "))
                });
            format!("{} alone differs{}{beside}", called(name), values.unwrap_or_default())
        }
        (count, first) => {
            let names: Vec<String> =
                first.into_iter().chain(causes).take(NAMED).map(|(name, _)| called(name)).collect();
            let names = match count.saturating_sub(names.len()) {
                0 => words::joined(&names),
                more => format!("{} and {more} more", names.join(", ")),
            };
            format!("{count} things differ that could be the cause, {names}{beside}")
        }
    }
}

/// A cause in words.
fn called(name: &str) -> String {
    match name.strip_suffix(FILES) {
        Some(stage) => format!("what `{stage}` reads"),
        None => format!("`{name}`"),
    }
}

fn shortened(value: Option<&str>) -> String {
    let text = words::short(value);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Whether the figures differ by more than chance; begins with a comma, unless there are none.
fn figures(found: &Comparison) -> String {
    let methods = !found.methods.is_empty();
    let rows = if methods { &found.methods } else { &found.figures };
    let all: Vec<(&FigureRow, usize, &Against)> = rows
        .iter()
        .flat_map(|row| row.against.iter().enumerate().map(move |(at, against)| (row, at + 1, against)))
        .collect();
    if all.is_empty() {
        return String::new();
    }
    let tested = all.iter().filter(|(.., against)| against.p.is_some());
    let unlike: Vec<&(&FigureRow, usize, &Against)> =
        tested.clone().filter(|(.., against)| against.family > 0).collect();
    if unlike.is_empty() {
        return match tested.count() == all.len() {
            true => ", but the predictions are the same".to_owned(),
            false => {
                let why: BTreeSet<&str> = all
                    .iter()
                    .filter(|(.., against)| against.p.is_none())
                    .map(|(.., against)| against.note.as_str())
                    .collect();
                let why = why.into_iter().next().unwrap_or_default().trim_end_matches('.');
                format!(", and no figure could be tested: {}", words::lowered(why))
            }
        };
    }
    let beyond = unlike.iter().filter(|(.., against)| against.beyond_chance).count();
    let count = match (beyond, unlike.len()) {
        (0, 1) => "the figure does not differ by more than chance".to_owned(),
        (0, _) => "no figure differs by more than chance".to_owned(),
        (1, 1) => "the figure differs by more than chance".to_owned(),
        (1, all) => format!("1 of {all} figures differs by more than chance"),
        (2, 2) => "both figures differ by more than chance".to_owned(),
        (beyond, all) if beyond == all => format!("all {all} figures differ by more than chance"),
        (beyond, all) => format!("{beyond} of {all} figures differ by more than chance"),
    };
    // The figure that papers state, where it differs most.
    let size = |against: &Against| against.difference.map_or(0.0, f64::abs);
    let main = |row: &FigureRow| row.figure == "mean_iou";
    let shown = unlike.iter().max_by(|a, b| {
        (main(a.0), size(a.2)).partial_cmp(&(main(b.0), size(b.2))).unwrap_or(std::cmp::Ordering::Equal)
    });
    let example = shown.map_or_else(String::new, |(row, at, against)| {
        let run = if found.runs.len() > 2 { format!(" in {}", found.runs[*at].label) } else { String::new() };
        let name = words::figure(&row.figure);
        format!(" ({name} of `{}`{run}: {})", row.path, words::difference(against))
    });
    let of = match (methods, found.runs.len()) {
        (true, _) => shown.map_or_else(String::new, |(.., against)| format!("over {}", against.note)),
        (false, 2) => "of these two trained models, not of the methods".to_owned(),
        (false, _) => "of these trained models, not of the methods".to_owned(),
    };
    format!(", and {count}{example}, {of}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::diff::comparison::{ComparedRun, MetricRow};

    fn run(label: &str) -> ComparedRun {
        ComparedRun {
            label: label.into(),
            asked: label.into(),
            run: label.into(),
            pipeline: "p".into(),
            profile: None,
            sets: Vec::new(),
            only: Vec::new(),
            status: RunStatus::Done,
            stage: None,
            archive: None,
        }
    }

    fn value(path: &str, a: &str, b: &str, effect: bool) -> ValueRow {
        ValueRow { path: path.into(), values: vec![Some(a.into()), Some(b.into())], effect }
    }

    fn comparison(parameters: Vec<ValueRow>) -> Comparison {
        let metrics = vec![MetricRow { path: "m".into(), values: vec![None, Some(1.0)], differences: vec![None] }];
        Comparison { runs: vec![run("A"), run("B")], parameters, metrics, ..Comparison::default() }
    }

    fn figure(against: Against) -> FigureRow {
        FigureRow {
            path: "validate".into(),
            figure: "mean_iou".into(),
            values: vec![Some(0.4), Some(0.5)],
            trainings: vec![1, 1],
            against: vec![against],
        }
    }

    #[test]
    fn one_cause_is_named_and_several_are_said_to_be_several() {
        let told = |parameters| sentence(&comparison(parameters), true);
        let one = |cell: &str| value(&format!("train[{cell}].model.prefilter"), "Regular", "Average", true);
        assert_eq!(
            told(vec![one("seed=1"), one("seed=2"), value("table.digits", "1", "2", false)]),
            "`train.model.prefilter` alone differs (Regular -> Average)."
        );
        let seeds = [("seed=1", "1", "4"), ("seed=2", "2", "5")];
        let seeds = seeds.map(|(cell, a, b)| value(&format!("train[{cell}].seed"), a, b, true)).to_vec();
        assert_eq!(told(seeds), "`train.seed` alone differs.");
        let two = told(vec![value("train.seed", "1", "2", true), value("train.steps", "1", "2", true)]);
        assert_eq!(two, "2 things differ that could be the cause, `train.seed` and `train.steps`.");
        let many = ["a", "b", "c", "d"].map(|name| value(&format!("train.{name}"), "1", "2", true)).to_vec();
        assert_eq!(told(many), "4 things differ that could be the cause, `train.a`, `train.b`, `train.c` and 1 more.");
        let mut beside = comparison(vec![value("train.seed", "1", "2", true)]);
        beside.environment.push(value("numeric.device", "cpu", "cuda", true));
        assert_eq!(
            sentence(&beside, true),
            "`train.seed` alone differs (1 -> 2), beside the environment (`numeric.device`)."
        );
    }

    #[test]
    fn a_figure_is_told_with_its_interval_and_of_what_it_speaks() {
        let mut found = comparison(vec![value("train.seed", "1", "2", true)]);
        let against = Against {
            difference: Some(0.0042),
            low: Some(-0.005),
            high: Some(0.0134),
            level: Some(0.95),
            p: Some(0.41),
            p_corrected: Some(0.41),
            family: 1,
            ..Against::default()
        };
        found.figures.push(figure(against.clone()));
        assert_eq!(
            sentence(&found, true),
            "`train.seed` alone differs (1 -> 2), and the figure does not differ by more than chance (mean IoU of \
             `validate`: +0.42 points [-0.50, 1.34], p 0.410), of these two trained models, not of the methods."
        );
        found.methods.push(figure(Against {
            beyond_chance: true,
            note: "3 seeds, 6 images".into(),
            ..against.clone()
        }));
        assert!(sentence(&found, true).ends_with("p 0.410), over 3 seeds, 6 images."), "{}", sentence(&found, true));
        found.methods.clear();
        found.figures = vec![figure(Against { note: "There is one image.".into(), ..Against::default() })];
        assert!(sentence(&found, true).ends_with(", and no figure could be tested: there is one image."));
    }

    #[test]
    fn what_has_no_effect_is_no_cause() {
        let mut found = comparison(vec![value("table.digits", "1", "2", false)]);
        let unexplained = "The results differ though nothing that they depend on does: a stage is not reproducible.";
        assert_eq!(sentence(&found, true), unexplained);
        found.metrics.clear();
        assert_eq!(sentence(&found, true), "The results are identical; what differs (parameters) does not matter.");
        assert_eq!(sentence(&Comparison { parameters: Vec::new(), ..found }, true), "Nothing differs.");
    }
}
