//! `Events`: what trainings and validations logged, for TensorBoard.

mod graph;
mod pictures;

use std::collections::{BTreeMap, BTreeSet};

use crate::fsio;
use crate::hash::Digest;
use crate::ml::state::State;
use crate::params;
use crate::stage::name::in_words;
use crate::stage::params::{Param, Ref};
use crate::stage::schema::Structure;
use crate::stage::{
    ArtifactKind, Cell, Extents, Fault, InputRef, Job, Kind, Made, Peers, Produced, Publication, StageError, Step,
    Value,
};
use crate::tensorboard::{self, EventFile};

use super::agree;
use super::history::{self, History, Part, Phase};
use super::support;

params! {
    /// Writes what trainings and validations logged as TensorBoard's event files, a folder each: `train` with loss, cross
    /// entropy, running mean IoU and pixel accuracy and the learning rate at each step, the IoU of each class after each
    /// iteration, and the network's graph; `validation` with cross entropy, mean IoU, pixel accuracy and the IoU of each
    /// class after each iteration; `pictures` with images, their labels, and what the network predicts after each iteration.
    /// Several trainings have a folder each below `train`, named by their cell of the matrix, else by network and seed, and so
    /// have validations; where two names would come to one folder, or one is too long, digits that stand for the name end it.
    /// Look at them by `tensorboard --logdir results`. An event's wall time is its step in seconds.
    pub struct EventsParams {
        /// Trainings, of which every iteration is told, and validations.
        from: Vec<Ref>, where to(&["model", "metrics"]).nonempty();
        /// The data set whose first images are shown; without one there are no pictures.
        data: Option<Ref> = None, where to(&["dataset"]);
        /// How many images are shown.
        images: u32 = 3, where unit("images").min(1.0);
    }
}

/// The kind.
pub struct Events;

impl Kind for Events {
    fn name(&self) -> &'static str {
        "Events"
    }

    fn version(&self) -> u32 {
        2
    }

    fn schema(&self) -> Structure {
        support::structure(EventsParams::ty())
    }

    fn yields(&self) -> &'static str {
        "files"
    }

    fn computes(&self) -> bool {
        // Predictions do.
        true
    }

    fn agrees(&self, params: &Value, peers: &Peers<'_>) -> Vec<Fault> {
        let Some(p) = EventsParams::read(params) else { return Vec::new() };
        p.data.map_or_else(Vec::new, |data| agree::same_classes(&data, &p.from, peers))
    }

    fn expand(&self, params: &Value, extents: &dyn Extents) -> Result<Vec<Step>, Vec<Fault>> {
        let Some(p) = EventsParams::read(params) else { return Err(Vec::new()) };
        let mut step = history::step(params, &p.from, extents);
        if shared(&step.params) {
            step.params.set_field(APART, true.write());
        }
        step.inputs.extend(p.data.map(|data| ("data".to_owned(), InputRef::Named(data.0))));
        Ok(vec![step])
    }

    fn publish(&self, _params: &Value) -> Vec<Publication> {
        vec![Publication::copy("events")]
    }

    fn run(&self, job: &Job<'_>) -> Result<Produced, StageError> {
        let p: EventsParams = support::read(job.params)?;
        let histories = history::open(job)?;
        let mut count = 0;
        let mut write = |folder: &str, file: EventFile| {
            count += 1;
            fsio::write_synced(&job.out.join("events").join(folder).join(tensorboard::FILE), &file.into_bytes())
        };
        let of = |phase| histories.iter().filter(|h| h.phase == phase).map(|h| h.name.as_str()).collect::<Vec<_>>();
        let folder = |history: &History, word: &str| match of(history.phase).as_slice() {
            [_] => word.to_owned(),
            names => format!("{word}/{}", folder_name(&history.name, names)),
        };
        for history in &histories {
            let mut file = EventFile::default();
            if history.phase == Phase::Training {
                file.graph(&network(job, history)?);
            }
            history.parts.iter().for_each(|part| scalars(&mut file, part));
            write(&folder(history, history.phase.word()), file)?;
        }
        if p.data.is_some() {
            let trainings: Vec<&History> = histories.iter().filter(|h| h.phase == Phase::Training).collect();
            for (history, file) in trainings.iter().zip(pictures::of(job, p.images as usize, &trainings)?) {
                write(&folder(history, "pictures"), file)?;
            }
        }
        let mut produced = Produced::default();
        produced.outputs.insert("events".to_owned(), Made { path: "events".to_owned(), kind: ArtifactKind::Tree });
        produced.metrics.insert("files".to_owned(), f64::from(count));
        Ok(produced)
    }
}

/// The graph of the network that a training ended with.
fn network(job: &Job<'_>, history: &History) -> Result<tensorboard::proto::GraphDef, StageError> {
    let slot = history.parts.last().map_or("", |part| part.slot.as_str());
    let bytes = support::content(support::artifact(support::input(job, slot)?, "model")?)?;
    let wrong = |error| support::ml_error(error, "from");
    graph::graph(&State::read(&bytes).map_err(wrong)?.spec).map_err(wrong)
}

/// Adds the figures of a part, step by step.
fn scalars(file: &mut EventFile, part: &Part) {
    let mut steps: BTreeMap<u64, Vec<(String, f64)>> = BTreeMap::new();
    for (tag, points) in &part.curves {
        points.iter().for_each(|(step, value)| steps.entry(*step).or_default().push((tag.clone(), *value)));
    }
    steps.into_iter().for_each(|(step, values)| file.scalars(step, values));
}

/// What expansion adds to the parameters where cells would come to one folder. Programs before kept one of their files
/// alone, so that their results are not taken for these.
const APART: &str = "apart";

/// Whether two cells of the parameters would come to one folder.
fn shared(params: &Value) -> bool {
    let cells: Vec<Vec<Cell>> = params.field(support::CELLS).and_then(Param::read).unwrap_or_default();
    let names: BTreeSet<String> = cells.iter().flatten().map(in_words).collect();
    let folders: BTreeSet<String> = names.iter().map(|name| file_name(name)).collect();
    folders.len() < names.len()
}

/// The longest name of a folder that says the whole name, in bytes.
const LONGEST: usize = 200;

/// The folder of `name` among all `names`, each of which has one of its own.
fn folder_name(name: &str, names: &[&str]) -> String {
    let folder = file_name(name);
    let shared = names.iter().any(|other| *other != name && file_name(other) == folder);
    match shared || folder.len() > LONGEST {
        true => format!("{}~{}", &folder[..folder.len().min(LONGEST)], Digest::of(name.as_bytes()).short()),
        false => folder,
    }
}

/// A name as a folder's: letters, digits, what binds the labels of a cell, and `_` for everything between.
fn file_name(name: &str) -> String {
    let parts =
        name.split(|c: char| !(c.is_ascii_alphanumeric() || ".,=+-".contains(c))).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensorboard::proto::event::What;

    #[test]
    fn the_figures_of_a_step_are_one_event() {
        let curves = [("b", vec![(1, 0.5), (2, 0.25)]), ("a", vec![(2, 4.0)])];
        let curves = curves.into_iter().map(|(tag, points)| (tag.to_owned(), points)).collect();
        let mut file = EventFile::default();
        scalars(&mut file, &Part { slot: String::new(), curves });
        let events = tensorboard::read(&file.into_bytes()).unwrap();
        let tags: Vec<(i64, Vec<&str>)> = events[1..]
            .iter()
            .map(|event| match &event.what {
                Some(What::Summary(summary)) => (event.step, summary.value.iter().map(|v| v.tag.as_str()).collect()),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(tags, [(1, vec!["b"]), (2, vec!["a", "b"])]);
    }

    #[test]
    fn each_name_has_a_folder_of_its_own() {
        let long = ["a", "b"].map(|end| format!("{}{end}", "x".repeat(300)));
        let names = ["way=base", "way=base*", "way=(base)", "way=other", "?", "!", &long[0], &long[1]];
        let folders: Vec<String> = names.iter().map(|name| folder_name(name, &names)).collect();
        assert_eq!(folders[3], "way=other");
        assert!(folders[0].starts_with("way=base~") && folders.iter().all(|f| !f.is_empty() && f.len() < 230));
        assert_eq!(folders.iter().collect::<BTreeSet<_>>().len(), names.len(), "{folders:?}");
        assert_eq!(folder_name("way=base", &["way=base", "way=base"]), "way=base");
    }

    #[test]
    fn the_key_moves_only_where_cells_would_have_shared_a_folder() {
        let params = |labels: &[&str]| {
            let cell = |label: &&str| Cell::from([("way".to_owned(), (*label).to_owned())]);
            let mut params = Value::record("Events", []);
            params.set_field(support::CELLS, vec![labels.iter().map(cell).collect::<Vec<Cell>>()].write());
            params
        };
        assert!(!shared(&Value::record("Events", [])) && !shared(&params(&["a", "a", "b"])));
        assert!(shared(&params(&["base", "other", "base*"])));
    }

    #[test]
    fn folders_have_simple_names() {
        assert_eq!(file_name("prefilter=Average(),seed=1"), "prefilter=Average_,seed=1");
        assert_eq!(file_name("Tiny Average(learned: true) seed 1 (2)"), "Tiny_Average_learned_true_seed_1_2");
    }
}
