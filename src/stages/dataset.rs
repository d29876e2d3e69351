//! `Dataset`: a checked list of images and labels, made by the tool, listed in files, or derived from the folders of
//! VOC or Cityscapes.

use std::path::{Path, PathBuf};

use crate::fsio;
use crate::hash::Digest;
use crate::ml::colors;
use crate::ml::data::labels::Coding;
use crate::ml::data::list::{Expected, Form, Sample};
use crate::ml::data::{archive, bounds, cityscapes, index, list, shapes, voc};
use crate::params;
use crate::stage::params::{FileRef, Param};
use crate::stage::schema::Structure;
use crate::stage::{
    ArtifactKind, DataFault, Event, External, Fault, Job, Kind, Made, Produced, Publication, StageError, Value,
};

use super::data::{self, Info};
use super::support;

params! {
    /// A checked list of images and labels. Every file is read: it must be there and decode, image and label must have
    /// the same size, and labels must be ids of classes or the ignore value. Every fault is reported, not the first.
    /// The result is an index with paths, digests, sizes and pixels a class; the images stay where they are, and
    /// are checked against their digests whenever they are used.
    pub struct DatasetParams {
        /// Where the images come from.
        source: Source;
        /// The classes by name: ids count from 0 in this order.
        classes: Classes;
        /// The id of pixels that count nowhere.
        ignore: u8 = 255;
        /// What the list must come to; anything else is an error.
        expect: Vec<Expect> = Vec::new();
    }

    /// A source of images.
    pub enum Source {
        /// Scenes that the tool makes: discs, squares, triangles, wires and textured blobs of several sizes before a
        /// textured background, as JPEG and palette PNG in VOC's folders.
        Shapes {
            /// How many.
            images: u32, where min(1.0).max(100000.0).unit("images");
            /// Where the scenes are drawn from.
            seed: u64 = 1, where max(9007199254740991.0);
            /// The number of the first scene: sets that do not overlap differ in it.
            first: u32 = 0;
            /// The mean width and height of a scene.
            size: (u32, u32) = (128, 96), where min(32.0).max(4096.0).unit("pixels");
        }
        /// A list file as in the reference: `/image/path /label/path` a line, below a root. Images are JPEG or PNG files;
        /// labels are PNG files of ids, as a palette or grey of at most 8 bits. An image's id is its file name without the
        /// extension, and no two may share one.
        Listed {
            /// The data root, given by `--data NAME=PATH`.
            root: Option<String> = None, where unkeyed();
            /// The list file below the root.
            list: String;
            /// Whether the lines hold labels; a test list has images only.
            labels: bool = true;
            /// Archives, as downloaded, that hold everything; then no root is needed.
            archives: Vec<Archive> = Vec::new();
        }
        /// PASCAL VOC 2012 with the folder SegmentationClassAug.
        Voc2012 {
            /// The data root, given by `--data NAME=PATH`.
            root: Option<String> = None, where unkeyed();
            /// Which part.
            list: VocPart;
            /// Archives, as downloaded, that hold everything; then no root is needed.
            archives: Vec<Archive> = Vec::new();
        }
        /// Cityscapes in its original tree: the folders leftImg8bit, gtFine and gtCoarse with the files `…_labelIds.png`,
        /// whose values become the ids of the 19 classes (trainIds), and 255 for all others.
        Cityscapes {
            /// The data root, given by `--data NAME=PATH`.
            root: Option<String> = None, where unkeyed();
            /// Which part.
            list: CityscapesPart;
            /// Archives, as downloaded, that hold everything; then no root is needed.
            archives: Vec<Archive> = Vec::new();
        }
    }

    /// A part of PASCAL VOC 2012.
    pub enum VocPart {
        /// Every id in SegmentationClassAug less those of the validation list.
        TrainAug {}
        /// The ids of ImageSets/Segmentation/val.txt.
        Val {}
        /// The ids of ImageSets/Segmentation/test.txt, of the test archive; images only.
        Test {}
    }

    /// A part of Cityscapes.
    pub enum CityscapesPart {
        /// The training images with fine labels.
        TrainFine {}
        /// The training images with coarse labels.
        TrainCoarse {}
        /// The extra images, which have coarse labels.
        TrainExtra {}
        /// The training images with fine labels, then the extra images with coarse ones.
        TrainFineExtra {}
        /// The validation images with fine labels.
        Val {}
        /// The validation images with coarse labels.
        ValCoarse {}
        /// The test images, without labels.
        Test {}
    }

    /// An archive: tar, tar.gz or zip.
    pub struct Archive {
        /// The file.
        file: FileRef;
        /// The BLAKE3 digest that it must have.
        digest: Option<String> = None;
        /// The folder inside the archive that stands for the root, as `VOCdevkit/VOC2012`.
        folder: Option<String> = None;
    }

    /// What a list, or the part of it with labels in one folder, must come to.
    pub struct Expect {
        /// The folder of the labels, as `gtFine`; then only samples with labels there are meant, and every sample must
        /// be meant by some expectation. `None`: all samples.
        labels: Option<String> = None;
        /// The number of ids.
        count: u64;
        /// BLAKE3 of the sorted ids, one a line, each ended by a newline.
        digest: String;
    }

    /// The classes of a data set.
    pub enum Classes {
        /// The 21 of PASCAL VOC.
        Voc {}
        /// The 19 of Cityscapes (trainIds).
        Cityscapes {}
        /// The 11 of CamVid.
        CamVid {}
        /// The 6 of the made scenes.
        Shapes {}
        /// Any others, by name. They are shown in VOC's colours.
        Named {
            /// The names.
            names: Vec<String>, where nonempty();
        }
    }
}

impl Classes {
    /// The names in the order of their ids.
    pub fn names(&self) -> Vec<String> {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        match self {
            Classes::Voc {} => own(&colors::VOC),
            Classes::Cityscapes {} => cityscapes::classes().map(|label| label.name.to_owned()).collect(),
            Classes::CamVid {} => own(&colors::CAMVID),
            Classes::Shapes {} => own(&colors::SHAPES),
            Classes::Named { names } => names.clone(),
        }
    }

    fn colors(&self) -> Vec<[u8; 3]> {
        match self {
            Classes::Cityscapes {} => cityscapes::classes().map(|label| label.color).collect(),
            Classes::CamVid {} => colors::CAMVID_COLORS.to_vec(),
            Classes::Voc {} | Classes::Shapes {} | Classes::Named { .. } => {
                colors::VOC_MAP[..self.names().len()].to_vec()
            }
        }
    }
}

impl Source {
    fn root(&self) -> Option<&str> {
        match self {
            Source::Shapes { .. } => None,
            Source::Listed { root, archives, .. }
            | Source::Voc2012 { root, archives, .. }
            | Source::Cityscapes { root, archives, .. } => root.as_deref().filter(|_| archives.is_empty()),
        }
    }

    fn archives(&self) -> &[Archive] {
        match self {
            Source::Shapes { .. } => &[],
            Source::Listed { archives, .. }
            | Source::Voc2012 { archives, .. }
            | Source::Cityscapes { archives, .. } => archives,
        }
    }

    /// Whether the samples have labels.
    pub fn has_labels(&self) -> bool {
        match self {
            Source::Shapes { .. } => true,
            Source::Listed { labels, .. } => *labels,
            Source::Voc2012 { list, .. } => *list != VocPart::Test {},
            Source::Cityscapes { list, .. } => *list != CityscapesPart::Test {},
        }
    }

    fn coding(&self) -> Coding {
        match self {
            Source::Shapes { .. } | Source::Listed { .. } | Source::Voc2012 { .. } => Coding::Ids,
            Source::Cityscapes { .. } => Coding::CityscapesLabelIds,
        }
    }

    /// The samples below `root`, and the files besides them that the list follows from.
    fn samples(&self, root: &Path, expected: &[Expected]) -> Result<(Vec<Sample>, Vec<String>), StageError> {
        match self {
            Source::Shapes { .. } => Err(StageError::Bug("Made scenes have no list.".into())),
            Source::Listed { list: name, labels, .. } => {
                let path = root.join(name);
                let text = fsio::read_to_string_within(&path, bounds::FILE).map_err(|error| {
                    let hint =
                        if error.is_missing() { "Name the list file below the data root." } else { error.hint() };
                    DataFault::new(path.display(), error.to_string(), hint)
                })?;
                let form = if *labels { Form::Labelled } else { Form::ImagesOnly };
                let samples = list::parse(&text, name, form).map_err(support::faults)?;
                list::check(&samples, expected, name).map_err(|fault| support::faults(vec![fault]))?;
                Ok((samples, vec![name.clone()]))
            }
            Source::Voc2012 { list, .. } => {
                let (part, file) = match list {
                    VocPart::TrainAug {} => (voc::Part::TrainAug, "val"),
                    VocPart::Val {} => (voc::Part::Val, "val"),
                    VocPart::Test {} => (voc::Part::Test, "test"),
                };
                let samples = voc::samples(root, part, expected).map_err(support::data_error)?;
                Ok((samples, vec![format!("ImageSets/Segmentation/{file}.txt")]))
            }
            Source::Cityscapes { list, .. } => {
                let part = match list {
                    CityscapesPart::TrainFine {} => cityscapes::Part::TrainFine,
                    CityscapesPart::TrainCoarse {} => cityscapes::Part::TrainCoarse,
                    CityscapesPart::TrainExtra {} => cityscapes::Part::TrainExtra,
                    CityscapesPart::TrainFineExtra {} => cityscapes::Part::TrainFineExtra,
                    CityscapesPart::Val {} => cityscapes::Part::Val,
                    CityscapesPart::ValCoarse {} => cityscapes::Part::ValCoarse,
                    CityscapesPart::Test {} => cityscapes::Part::Test,
                };
                let samples = cityscapes::samples(root, part, expected).map_err(support::data_error)?;
                Ok((samples, Vec::new()))
            }
        }
    }
}

/// The kind.
pub struct Dataset;

impl Kind for Dataset {
    fn name(&self) -> &'static str {
        "Dataset"
    }

    fn version(&self) -> u32 {
        2
    }

    fn schema(&self) -> Structure {
        support::structure(DatasetParams::ty())
    }

    fn yields(&self) -> &'static str {
        "dataset"
    }

    fn check(&self, params: &Value) -> Vec<Fault> {
        let Some(p) = DatasetParams::read(params) else { return Vec::new() };
        let mut faults = Vec::new();
        let mut fault = |field: &str, message: String, hint: &str| {
            faults.push(Fault { field: field.into(), message, hint: hint.into() });
        };
        let made = matches!(p.source, Source::Shapes { .. });
        if !made && p.source.root().is_none() && p.source.archives().is_empty() {
            let hint = "Name a data root, as `root: \"voc2012\"`, or the archives.";
            fault("source", "The source says neither where its files are nor what archives hold them.".into(), hint);
        }
        let plain = |root: &str| root.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if let Some(root) = p.source.root().filter(|root| !plain(root)) {
            let hint = "Use `a`-`z`, `0`-`9` and `_`, so that `REPRO_DATA_NAME` can name it too.";
            fault("source.root", format!("`{root}` is not a name for a data root."), hint);
        }
        for (at, archive) in p.source.archives().iter().enumerate() {
            if let Some(Err(error)) = archive.digest.as_ref().map(|digest| digest.parse::<Digest>()) {
                fault(&format!("source.archives[{at}].digest"), format!("{error}."), "Write what `b3sum` prints.");
            }
        }
        for (at, expect) in p.expect.iter().enumerate() {
            if let Err(error) = expect.digest.parse::<Digest>() {
                let hint = "Write what `b3sum` prints for the sorted ids.";
                fault(&format!("expect[{at}].digest"), format!("{error}."), hint);
            }
        }
        let names = p.classes.names();
        if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            fault(
                "classes.names",
                format!("Two classes have the name `{}`.", twice.1),
                "Give each class its own name.",
            );
        }
        if matches!(p.source, Source::Cityscapes { .. }) {
            let classes = cityscapes::classes().count();
            if names.len() != classes {
                let message = format!("Cityscapes has {classes} classes, not {}.", names.len());
                fault("classes", message, "Write `classes: Cityscapes`.");
            }
            if p.ignore != cityscapes::IGNORE {
                let message = format!("Labels of Cityscapes that count nowhere become 255, not {}.", p.ignore);
                fault("ignore", message, "Write 255.");
            }
        }
        if usize::from(p.ignore) < names.len() {
            fault("ignore", format!("The ignore value {} is the id of a class.", p.ignore), "Write 255.");
        }
        faults
    }

    fn root(&self, params: &Value) -> Option<String> {
        DatasetParams::read(params)?.source.root().map(str::to_owned)
    }

    fn externals(
        &self,
        params: &Value,
        root: &dyn Fn(&str) -> Result<PathBuf, StageError>,
    ) -> Result<Vec<External>, StageError> {
        let p: DatasetParams = support::read(params)?;
        let Some(name) = p.source.root() else { return Ok(Vec::new()) };
        let root = root(name)?;
        let (samples, lists) = p.source.samples(&root, &expected(&p))?;
        let files = samples.into_iter().flat_map(|sample| [Some(sample.image), sample.label]).flatten();
        Ok(lists.into_iter().chain(files).map(|file| External::below(&root, &file)).collect())
    }

    fn publish(&self, _params: &Value) -> Vec<Publication> {
        vec![Publication::table("index", &["Parquet", "Csv"])]
    }

    fn run(&self, job: &Job<'_>) -> Result<Produced, StageError> {
        let p: DatasetParams = support::read(job.params)?;
        let coding = p.source.coding();
        let info = Info { classes: p.classes.names(), colors: p.classes.colors(), ignore: p.ignore, coding };
        let mut produced = Produced::default();
        let pool = support::pool(job.threads)?;
        let (root, samples) = match &p.source {
            Source::Shapes { images, seed, first, size } => {
                let folder = job.out.join("files");
                let sizes = shapes::Shapes { width: size.0, height: size.1 };
                let numbers = *first..first.saturating_add(*images);
                let written = pool.install(|| shapes::write(&folder, *seed, numbers, &sizes));
                let samples: Vec<Sample> = written.map_err(support::data_error)?;
                list::check(&samples, &expected(&p), "source").map_err(|fault| support::faults(vec![fault]))?;
                (folder, samples)
            }
            source if source.archives().is_empty() => {
                let root = source.root().and_then(|name| job.roots.get(name)).cloned();
                let root = root.ok_or_else(|| StageError::Bug("The data root was not handed over.".into()))?;
                let (samples, _) = source.samples(&root, &expected(&p))?;
                (root, samples)
            }
            source => {
                let folder = job.out.join("files");
                unpack(source.archives(), job, &folder)?;
                let (samples, _) = source.samples(&folder, &expected(&p))?;
                (folder, samples)
            }
        };
        if root.starts_with(job.out) {
            produced.outputs.insert("files".into(), Made { path: "files".into(), kind: ArtifactKind::Tree });
        }
        job.events.emit(Event::Log { text: format!("Checking {} samples.", samples.len()) });
        let resolve = |path: &str| root.join(path);
        let allowed = index::Allowed { coding, classes: info.classes.len(), ignore: info.ignore };
        let rows = pool.install(|| index::build(&samples, &resolve, allowed));
        let rows = rows.map_err(support::data_error)?;
        support::write_table(job, &mut produced, "index", &data::index_table(&rows, &info)?)?;
        support::write_json(job, &mut produced, "info", &info)?;
        produced.metrics.insert("images".into(), rows.len() as f64);
        produced.metrics.insert("pixels".into(), rows.iter().map(|row| (row.width * row.height) as f64).sum());
        Ok(produced)
    }
}

fn expected(p: &DatasetParams) -> Vec<Expected> {
    // Digests passed the check.
    let one = |expect: &Expect| {
        let (labels, count) = (expect.labels.clone(), usize::try_from(expect.count).ok()?);
        Some(Expected { labels, count, digest: expect.digest.parse().ok()? })
    };
    p.expect.iter().filter_map(one).collect()
}

fn unpack(archives: &[Archive], job: &Job<'_>, folder: &Path) -> Result<(), StageError> {
    for (at, archive) in archives.iter().enumerate() {
        let slot = format!("source.archives[{at}].file");
        let file = job.files.get(&slot).ok_or_else(|| StageError::Bug(format!("`{slot}` was not handed over.")))?;
        let digest = archive.digest.as_ref().and_then(|digest| digest.parse().ok());
        job.events.emit(Event::Log { text: format!("Unpacking {}.", file.display()) });
        let prefix = archive.folder.as_deref().unwrap_or_default().trim_matches('/');
        let place = |path: &str| -> Option<String> {
            let rest = if prefix.is_empty() { path } else { path.strip_prefix(prefix)?.strip_prefix('/')? };
            Some(rest.to_owned())
        };
        archive::extract(file, &file.display().to_string(), digest, folder, &place).map_err(support::data_error)?;
    }
    Ok(())
}
