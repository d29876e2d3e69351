//! Checks of the shapes of operands, which operations make before they start.

use candle_core::Tensor;

use crate::ml::error::{Error, Result};

/// An error unless the length of `labels` is that of a tensor of the shape `shape`.
pub(super) fn check_labels(labels: &[u8], shape: [usize; 3]) -> Result<()> {
    if labels.len() == shape.iter().product::<usize>() {
        return Ok(());
    }
    let expected = format!("the labels of {shape:?}");
    Err(Error::Shape { what: "The labels of a batch".to_owned(), found: vec![labels.len()], expected })
}

/// An error unless images of `size` have pixels.
pub(super) fn check_size(what: &str, size: [usize; 2]) -> Result<()> {
    if !size.contains(&0) {
        return Ok(());
    }
    Err(Error::Shape { what: what.to_owned(), found: size.to_vec(), expected: "a height and a width".to_owned() })
}

/// An error where there are more classes than the ids of 8 bits can name.
pub(super) fn check_classes(classes: usize) -> Result<()> {
    const MOST: usize = u8::MAX as usize + 1;
    if classes <= MOST {
        return Ok(());
    }
    let expected = format!("at most {MOST} classes, since predictions are ids of 8 bits");
    Err(Error::Shape { what: "The classes of the logits".to_owned(), found: vec![classes], expected })
}

/// The four sizes of a tensor in NCHW, none of which is 0.
pub(super) fn filled(what: &str, tensor: &Tensor) -> Result<[usize; 4]> {
    let sizes = nchw(what, tensor)?;
    if !sizes.contains(&0) {
        return Ok(sizes);
    }
    Err(Error::Shape {
        what: what.to_owned(),
        found: sizes.to_vec(),
        expected: "a tensor that has elements".to_owned(),
    })
}

/// The four sizes of a tensor in NCHW.
pub fn nchw(what: &str, tensor: &Tensor) -> Result<[usize; 4]> {
    tensor.dims().try_into().map_err(|_| Error::Shape {
        what: what.to_owned(),
        found: tensor.dims().to_vec(),
        expected: "a tensor [images, channels, height, width]".to_owned(),
    })
}

/// An error unless `tensor` has the shape `shape`.
pub fn check(what: &str, tensor: &Tensor, shape: &[usize]) -> Result<()> {
    if tensor.dims() == shape {
        return Ok(());
    }
    Err(Error::Shape { what: what.to_owned(), found: tensor.dims().to_vec(), expected: format!("{shape:?}") })
}
