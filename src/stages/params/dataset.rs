//! What a pipeline may state of a data set.

use crate::ml::colors;
use crate::ml::data::cityscapes;
use crate::ml::data::labels::Coding;
use crate::params;
use crate::stage::params::FileRef;

/// The name of the kind.
pub const KIND: &str = "Dataset";

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
