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
use crate::stage::{
    ArtifactKind, Extents, InputRef, Job, MatrixCell, NodeSpec, Output, ParamFault, Peers, Produced, StageError,
    TypedKind, Yield,
};
use crate::tensorboard::{self, EventFile};

use super::agree;
use super::history::{self, History, Part, Phase};
use super::support;
use super::yields::{DATASET, FILES, METRICS, MODEL, STATE};

params! {
    /// Writes what trainings and validations logged as TensorBoard's event files. The folder `train` has loss, cross
    /// entropy, running mean IoU, pixel accuracy and learning rate at each step, the IoU of each class after each
    /// iteration, and the graph of the network. `validation` has cross entropy, mean IoU, pixel accuracy and the IoU of
    /// each class after each iteration. `pictures` has images, their labels, and the predictions after each iteration.
    /// If there are several trainings, each has a folder below `train`, and several validations have theirs below
    /// `validation`. The name of such a folder is the cell of the matrix, or else network and seed. Digits at the end
    /// of a folder's name keep two names apart that would have the same folder, or stand for the rest of a long name.
    /// `tensorboard --logdir results` shows the events. The wall time of an event is its step in seconds.
    pub struct EventsParams {
        /// The trainings and validations. Every iteration of each is written.
        from: Vec<Ref>, where to(&[MODEL, METRICS]).nonempty();
        /// The data set whose first images are shown. `None`: no pictures.
        data: Option<Ref> = None, where to(&[DATASET]);
        /// The number of images that are shown.
        images: u32 = 3, where unit("images").min(1.0);
    }
}

/// The event files.
const EVENTS: Output =
    Output::tree("events", "events", "The event files, in folders for trainings, validations and pictures.")
        .published();

/// The kind.
pub struct Events;

impl TypedKind for Events {
    type Params = EventsParams;
    const NAME: &'static str = "Events";
    const VERSION: u32 = 2;
    const YIELDS: Yield = FILES;
    const OUTPUTS: &'static [Output] = &[EVENTS];
    // Predictions compute.
    const COMPUTES: bool = true;

    fn agrees(&self, p: &EventsParams, peers: &Peers<'_>) -> Result<Vec<ParamFault>, StageError> {
        p.data.as_ref().map_or(Ok(Vec::new()), |data| agree::same_classes(data, &p.from, peers))
    }

    fn expand(&self, p: &EventsParams, extents: &dyn Extents) -> Result<Vec<NodeSpec>, Vec<ParamFault>> {
        let mut node = history::node(&p.from, extents);
        if shared(&history::cells_of(&p.from, extents)) {
            node.set.push((APART, true.write()));
        }
        node.inputs.extend(p.data.iter().map(|data| ("data".to_owned(), InputRef::Named(data.0.clone()))));
        Ok(vec![node])
    }

    fn run(&self, p: &EventsParams, job: &Job<'_>) -> Result<Produced, StageError> {
        let histories = history::open(job)?;
        let mut count = 0;
        let mut write = |folder: &str, file: EventFile| {
            count += 1;
            fsio::write_synced(&EVENTS.place(job).join(folder).join(tensorboard::FILE), &file.into_bytes())
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
        EVENTS.add(&mut produced, ArtifactKind::Tree);
        produced.metrics.insert("files".to_owned(), f64::from(count));
        Ok(produced)
    }
}

/// The graph of the network that a training ended with.
fn network(job: &Job<'_>, history: &History) -> Result<tensorboard::proto::GraphDef, StageError> {
    let slot = history.parts.last().map_or("", |part| part.slot.as_str());
    let bytes = support::content(support::artifact(support::input(job, slot)?, &STATE)?)?;
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

/// The field that expansion adds where two cells would have the same folder. Older programs kept the files of one cell only:
/// the field gives such a stage another key, so that their results are not reused.
const APART: &str = "apart";

/// Whether two of the cells would come to one folder.
fn shared(cells: &[Vec<MatrixCell>]) -> bool {
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
        let cells = |labels: &[&str]| {
            let cell = |label: &&str| MatrixCell::from([("way".to_owned(), (*label).to_owned())]);
            vec![labels.iter().map(cell).collect::<Vec<MatrixCell>>()]
        };
        assert!(!shared(&[vec![MatrixCell::new(), MatrixCell::new()]]) && !shared(&cells(&["a", "a", "b"])));
        assert!(shared(&cells(&["base", "other", "base*"])));
    }

    #[test]
    fn folders_have_simple_names() {
        assert_eq!(file_name("prefilter=Average(),seed=1"), "prefilter=Average_,seed=1");
        assert_eq!(file_name("Tiny Average(learned: true) seed 1 (2)"), "Tiny_Average_learned_true_seed_1_2");
    }
}
