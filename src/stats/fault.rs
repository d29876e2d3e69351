//! Why nothing can be said of some figures.

/// The fewest images with counted pixels of which anything is said.
pub(super) const LEAST_IMAGES: usize = 6;

/// Why no estimate is given. Each is a sentence for the person who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Fewer than two seeds.
    #[error("one seed says nothing about how seeds spread; train with at least two seeds")]
    OneSeed,
    /// Fewer seeds than the crossed bootstrap can draw from.
    #[error(
        "there are {0} seeds, and drawing seeds says too much with fewer than {1}; use the interval of Student's t"
    )]
    FewSeeds(usize, usize),
    /// Two methods to be compared seed by seed, with different numbers of seeds.
    #[error("seeds can be compared one by one only where both methods have the same seeds, and they have {0} and {1}")]
    Unpaired(usize, usize),
    /// Fewer than two images with counted pixels.
    #[error("one image says nothing about how images spread; validate on more images")]
    OneImage,
    /// Fewer images with counted pixels than any test over images can decide from.
    #[error(
        "the figure is counted in {0} images, and with fewer than {1} nothing can be said; validate on more images"
    )]
    FewImages(usize, usize),
    /// An image, counted from 0, whose true pixels are not the same on both sides.
    #[error(
        "the figures are not of the same labels: image {0}, counted from 0, has other true pixels; compare validations of the same data"
    )]
    Labels(usize),
    /// A class that has no true pixel.
    #[error(
        "class {0} has no true pixel in these images, so that its IoU says nothing; validate on images that have the class"
    )]
    Absent(usize),
    /// A class of no true pixels, which some models predict and others do not.
    #[error(
        "class {0} has no true pixel and is predicted by some of the models only, so that their means count it and those of the others \
         do not; compare the IoU of classes, or validate on images that have the class"
    )]
    Class(usize),
    /// Different numbers of images.
    #[error("the figures are not of the same images: there are {0} and {1}")]
    Images(usize, usize),
    /// Different numbers of classes.
    #[error("the figures are not of the same classes: there are {0} and {1}")]
    Classes(usize, usize),
    /// No pixel is counted that the figure could be of.
    #[error("no pixel is counted that this figure could be computed from")]
    Nothing,
    /// A figure is not a number, or infinite.
    #[error("a figure is not a finite number")]
    NotFinite,
}
