//! What a pipeline may state of a data set.

use std::collections::BTreeMap;

use crate::ml::colors;
use crate::ml::data::cityscapes;
use crate::ml::data::colours::{self, Colours};
use crate::ml::data::labels::{Coding, IGNORE};
use crate::params;
use crate::stage::params::FileRef;

/// The name of the kind.
pub const KIND: &str = "Dataset";

params! {
    /// A checked list of images and labels. The stage reads every file. Every file must exist and decode. An image and
    /// its label must have the same size. A label may hold only ids of classes and the ignore value. All faults are
    /// reported together. A class that has no pixel in any label is a warning. The result is an index of paths, digests,
    /// sizes, and pixels of each class. The images stay where they are. A stage that reads an image later checks it
    /// against its digest.
    pub struct DatasetParams {
        /// Where the images come from.
        source: Source;
        /// The classes by name. Ids count from 0 in this order.
        classes: Classes;
        /// The id of pixels that are ignored: they count in no loss and in no figure.
        ignore: u8 = 255;
        /// The id of the first class in labels of ids: 1 where 0 stands for pixels without a class. Labels of ADE20K need
        /// `first_id: 1, ignore: 0`.
        first_id: u8 = 0, where since("0.1.0");
        /// What is done with labels at or above the number of classes, other than the ignore value.
        beyond: Beyond = Beyond::Refuse {}, where since("0.1.0");
        /// What the list must hold. Anything else is an error. This is the whole list, whatever `take` takes of it.
        expect: Vec<Expect> = Vec::new();
        /// Which samples of the list make the data set. They keep the order of the list.
        take: Subset = Subset::All {}, where since("0.1.0");
        /// Masks of colours: the class of each colour, as `{"#800000": "aeroplane", "0, 0, 0": "background", "#ffffff":
        /// "ignore"}`. A colour is written as `#` and six digits, or as red, green and blue from 0 to 255. Its class is
        /// a name, an id, or `ignore`. Every colour of the masks must be named. The classes are shown in these colours.
        /// `{}`: masks hold ids.
        colours: BTreeMap<String, String> = BTreeMap::new(), where since("0.1.0");
        /// What is done with images that state an EXIF orientation, as photographs of phones do.
        orientation: Turn = Turn::Ignore {}, where since("0.1.0");
    }

    /// What is done with ids that are no class.
    pub enum Beyond {
        /// They are an error.
        Refuse {}
        /// Their pixels are ignored, as in the original code. The stage warns of them, and says how many they are.
        Ignore {}
    }

    /// A part of a list.
    pub enum Subset {
        /// All samples.
        All {}
        /// The first samples of the list, as `First(100)`.
        First {
            /// How many. The list must have as many.
            count: u32, where min(1.0).unit("samples").unnamed();
        }
        /// A share of the samples, drawn from a seed, as `Fraction(0.1, seed: 1)`. Whether a sample is in it does not depend on
        /// the order of the list. A smaller share of the same seed is within a larger one.
        Fraction {
            /// The share. The number of samples is rounded, and is at least 1.
            share: f64, where above(0.0).max(1.0).unnamed();
            /// The seed.
            seed: u64 = 1, where max(9007199254740991.0);
        }
        /// The samples whose ids a file names, one a line, as `Ids("small.txt")`. Lines of a list file are read too: each means
        /// the id of its image. Every id must be in the list.
        Ids {
            /// The file.
            file: FileRef, where unnamed();
        }
    }

    /// How images are read that state an EXIF orientation. Labels are never turned.
    pub enum Turn {
        /// As they lie in their files. The stage warns of them.
        Ignore {}
        /// Turned as viewers and most labelling tools show them.
        Apply {}
    }

    /// A source of images.
    pub enum Source {
        /// Scenes that the tool draws: discs, squares, triangles, wires and textured blobs of several sizes on a
        /// textured background. They are written as JPEG and palette PNG into VOC's folders.
        Shapes {
            /// The number of scenes.
            images: u32, where min(1.0).max(100000.0).unit("images");
            /// The seed of the scenes.
            seed: u64 = 1, where max(9007199254740991.0);
            /// The number of the first scene. Give two sets different first numbers to keep them apart.
            first: u32 = 0;
            /// The mean width and height of a scene.
            size: (u32, u32) = (128, 96), where min(32.0).max(4096.0).unit("pixels");
        }
        /// A list file as in the original code: a line is `/image/path /label/path`, below a root. Tabs, commas or semicolons may
        /// stand between the two. A path with such characters or with spaces stands in quotes. `#` starts a comment. Images are
        /// JPEG or PNG files. Labels are PNG files of class ids, as a palette or as grey of at most 8 bits. The id of an image
        /// is its file name without the extension. No two images may have the same id.
        Listed {
            /// The name of the data root. Its folder is given by `--data NAME=PATH`.
            root: Option<String> = None, where unkeyed();
            /// The path of the list file below the root.
            list: String = String::new();
            /// The list file, if it lies anywhere else. Its lines are paths below the root all the same.
            file: Option<FileRef> = None, where since("0.1.0");
            /// Whether the lines name labels. A test list names images only.
            labels: bool = true;
            /// Archives, as downloaded, that hold all files. Then no root is needed.
            archives: Vec<Archive> = Vec::new();
        }
        /// PASCAL VOC 2012, with the folder SegmentationClassAug added. VOC's own lists in the folder ImageSets are needed
        /// only without `ids`.
        Voc2012 {
            /// The name of the data root. Its folder is given by `--data NAME=PATH`.
            root: Option<String> = None, where unkeyed();
            /// The part of the data set.
            list: VocPart;
            /// A file with the ids of the validation set (for `TrainAug` and `Val`) or of the test set (for `Test`), one a
            /// line. Lines of a list file are read too: each means the id of its image. `None`: VOC's own list.
            ids: Option<FileRef> = None, where since("0.1.0");
            /// Archives, as downloaded, that hold all files. Then no root is needed.
            archives: Vec<Archive> = Vec::new();
        }
        /// Cityscapes in its original folders leftImg8bit, gtFine and gtCoarse. Labels are the files
        /// `…_labelIds.png`. Their values become the ids of the 19 classes (trainIds), and all others become 255.
        Cityscapes {
            /// The name of the data root. Its folder is given by `--data NAME=PATH`.
            root: Option<String> = None, where unkeyed();
            /// The part of the data set.
            list: CityscapesPart;
            /// Archives, as downloaded, that hold all files. Then no root is needed.
            archives: Vec<Archive> = Vec::new();
        }
    }

    /// A part of PASCAL VOC 2012.
    pub enum VocPart {
        /// Every id in SegmentationClassAug that is not in the validation list.
        TrainAug {}
        /// The ids of ImageSets/Segmentation/val.txt.
        Val {}
        /// The ids of ImageSets/Segmentation/test.txt, which is in the test archive. It has images only.
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
        /// The file of the archive.
        file: FileRef;
        /// The BLAKE3 digest that the archive must have. `None`: any.
        digest: Option<String> = None;
        /// The folder inside the archive that is taken as the root, as `VOCdevkit/VOC2012`.
        folder: Option<String> = None;
    }

    /// What a list must hold, or the part of it whose labels are in one folder.
    pub struct Expect {
        /// The folder of labels that is counted, as `gtFine`. Then every sample must be counted by one expectation.
        /// `None`: all samples are counted.
        labels: Option<String> = None;
        /// The number of samples.
        count: u64;
        /// The BLAKE3 digest of the sorted ids. Each is on a line of its own, and a newline ends every line.
        digest: String;
    }

    /// The classes of a data set.
    pub enum Classes {
        /// The 21 classes of PASCAL VOC.
        Voc {}
        /// The 19 classes of Cityscapes (trainIds).
        Cityscapes {}
        /// The 11 classes of CamVid.
        CamVid {}
        /// The 6 classes of the drawn scenes.
        Shapes {}
        /// Other classes. They are shown in VOC's colours.
        Named {
            /// The names of the classes.
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

    /// The colours that they are shown in, in the same order.
    pub fn colors(&self) -> Vec<[u8; 3]> {
        match self {
            Classes::Cityscapes {} => cityscapes::classes().map(|label| label.color).collect(),
            Classes::CamVid {} => colors::CAMVID_COLORS.to_vec(),
            Classes::Voc {} | Classes::Shapes {} | Classes::Named { .. } => {
                colors::VOC_MAP[..self.names().len()].to_vec()
            }
        }
    }
}

impl DatasetParams {
    /// The colours that the classes are shown in: those of the masks where they are stated, else those of [`Classes`].
    pub fn colors(&self) -> Vec<[u8; 3]> {
        let mut colors = self.classes.colors();
        let mut stated: Vec<(u8, [u8; 3])> =
            self.colours().into_iter().flatten().map(|(color, id)| (id, color)).collect();
        stated.sort_unstable();
        stated.dedup_by_key(|(id, _)| *id);
        for (id, color) in stated {
            if let Some(place) = colors.get_mut(usize::from(id)) {
                *place = color;
            }
        }
        colors
    }

    /// What the values in the label files are; none where `colours` or `beyond` is at fault.
    pub fn coding(&self) -> Option<Coding> {
        if self.beyond == (Beyond::Ignore {}) {
            let classes = u16::try_from(self.classes.names().len()).ok()?;
            return Some(Coding::IdsBelow { classes, ignore: self.ignore });
        }
        if self.colours.is_empty() {
            return Some(match self.source.coding() {
                Coding::Ids if self.first_id > 0 => Coding::From { first: self.first_id, ignore: self.ignore },
                coding => coding,
            });
        }
        Some(Coding::Colours(Colours::new(self.colours()?)))
    }

    /// The id of pixels to ignore, in labels as they are decoded.
    pub fn ignored(&self) -> u8 {
        if self.first_id > 0 { IGNORE } else { self.ignore }
    }

    /// The colours of masks and their ids; none where one of them is at fault.
    fn colours(&self) -> Option<Vec<([u8; 3], u8)>> {
        let names = self.classes.names();
        let stated = self.colours.iter();
        stated.map(|(colour, class)| Some((colours::parse(colour)?, self.id(&names, class)?))).collect()
    }

    /// The id of a class that is stated by its name, by its id, or as `ignore`.
    pub fn id(&self, names: &[String], class: &str) -> Option<u8> {
        let named = names.iter().position(|name| name == class).and_then(|id| u8::try_from(id).ok());
        let number = || class.parse().ok().filter(|id| usize::from(*id) < names.len() || *id == self.ignore);
        named.or_else(|| (class == "ignore").then_some(self.ignore)).or_else(number)
    }
}

impl Source {
    /// The data root that the files are below, unless they come from archives.
    pub fn root(&self) -> Option<&str> {
        match self {
            Source::Shapes { .. } => None,
            Source::Listed { root, archives, .. }
            | Source::Voc2012 { root, archives, .. }
            | Source::Cityscapes { root, archives, .. } => root.as_deref().filter(|_| archives.is_empty()),
        }
    }

    /// The archives that hold everything; none where the files are below a root, or made.
    pub fn archives(&self) -> &[Archive] {
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

    /// What the values in the label files are.
    pub fn coding(&self) -> Coding {
        match self {
            Source::Shapes { .. } | Source::Listed { .. } | Source::Voc2012 { .. } => Coding::Ids,
            Source::Cityscapes { .. } => Coding::CityscapesLabelIds,
        }
    }
}
