//! `Events`: what trainings and validations logged, for TensorBoard.

mod graph;
mod pictures;

use std::collections::{BTreeMap, BTreeSet};

use crate::fsio;
use crate::fsio::filenames::{self, Alphabet, Named, Room};
use crate::ml::state::State;
use crate::params;
use crate::stage::name::in_words;
use crate::stage::params::{Param, Ref};
use crate::stage::{
    ArtifactKind, Extents, InputRef, Job, MatrixCell, NodeSpec, Output, ParamFault, Peers, Produced, StageError,
    TypedKind, Value, Yield,
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
    /// of a folder's name keep two names apart that a disk would take for one. They also stand for the rest of a long name,
    /// and for characters outside of ASCII.
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
    const EXAMPLE: &'static str = r#""events": Events(from: ["train", "validate"], data: "val_set"),"#;
    // Predictions compute.
    const COMPUTES: bool = true;

    fn agrees(&self, p: &EventsParams, peers: &Peers<'_>) -> Result<Vec<ParamFault>, StageError> {
        p.data.as_ref().map_or(Ok(Vec::new()), |data| agree::same_classes(data, &p.from, peers))
    }

    fn expand(&self, p: &EventsParams, extents: &dyn Extents) -> Result<Vec<NodeSpec>, Vec<ParamFault>> {
        let mut node = history::node(&p.from, extents);
        node.set.extend(apart(&history::cells_of(&p.from, extents)).map(|value| (APART, value)));
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
        let folder = |history: &History, word: &str| {
            let names = of(history.phase);
            let own = names.iter().zip(folders(&names)).find(|(name, _)| **name == history.name);
            match own {
                Some((_, own)) if names.len() > 1 => format!("{word}/{own}"),
                _ => word.to_owned(),
            }
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

/// The field that expansion adds where some cell has no plain folder. Programs before kept the files of one cell only where
/// several would have come to one folder, and later ones told only these apart. The field gives such a stage another key, so
/// that their results are not reused.
const APART: &str = "apart";

/// The value of [`APART`]: which of the older programs named the folders of these cells otherwise. None where all did as this
/// one does.
fn apart(cells: &[Vec<MatrixCell>]) -> Option<Value> {
    let names: BTreeSet<String> = cells.iter().flatten().map(in_words).collect();
    let named: Vec<Named> = names.into_iter().map(named).collect();
    let count = |fold: fn(&str) -> String| named.iter().map(|Named { plain, .. }| fold(plain)).collect::<BTreeSet<_>>();
    let (plain, folded) = (count(str::to_owned).len(), count(str::to_lowercase).len());
    if folded < plain || named.iter().any(|Named { text, plain }| !filenames::is_plain(text, plain)) {
        return Some(2_usize.write());
    }
    (plain < named.len()).then(|| true.write())
}

/// A cell or a training in words, with its plain name.
fn named(text: String) -> Named {
    let plain = Alphabet::WORDS.plain(&text);
    Named { text, plain }
}

/// The folder of each of these names.
fn folders(names: &[&str]) -> Vec<String> {
    filenames::distinct(&names.iter().map(|name| named((*name).to_owned())).collect::<Vec<_>>(), Room::FOLDER)
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
        let folders = folders(&names);
        assert_eq!(folders[3], "way=other");
        assert!(folders[0].starts_with("way=base~") && folders.iter().all(|f| !f.is_empty() && f.len() < 230));
        assert_eq!(folders.iter().collect::<BTreeSet<_>>().len(), names.len(), "{folders:?}");
        assert_eq!(super::folders(&["way=base", "way=base"]), ["way=base", "way=base"]);
    }

    #[test]
    fn the_key_moves_only_where_older_programs_named_a_folder_otherwise() {
        let apart = |labels: &[&str]| {
            let cell = |label: &&str| MatrixCell::from([("way".to_owned(), (*label).to_owned())]);
            super::apart(&[labels.iter().map(cell).collect::<Vec<MatrixCell>>()])
        };
        assert_eq!(super::apart(&[vec![MatrixCell::new(), MatrixCell::new()]]), None);
        let long = "x".repeat(300);
        assert_eq!([apart(&["a", "a", "b"]), apart(&["Average(learned: true)", &long])], [None, None]);
        assert_eq!(apart(&["base", "other", "base*"]), Some(true.write()));
        for labels in [["base", "BASE"], ["α", "b"], ["a", "b."]] {
            assert_eq!(apart(&labels), Some(2_usize.write()), "{labels:?}");
        }
    }

    #[test]
    fn folders_have_simple_names() {
        assert_eq!(folders(&["prefilter=Average(),seed=1"]), ["prefilter=Average_,seed=1"]);
        assert_eq!(folders(&["Tiny Average(learned: true) seed 1 (2)"]), ["Tiny_Average_learned_true_seed_1_2"]);
    }
}
