//! Tensors whose elements do not lie one behind the other: PyTorch's views, and NumPy's arrays in Fortran's order.

use prost::bytes::Bytes;
use safetensors::Dtype;

use super::content::Content;
use super::error::{Error, Result};
use super::tensors::{Source, elements, limit, width};

/// A view of a content: element `[i, j, …]` is at `offset + i strides[0] + j strides[1] + …`, counted in elements.
pub struct Strided {
    content: Content,
    width: usize,
    offset: usize,
    /// One behind the last element.
    end: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl Strided {
    /// A view that lies within `content`. If it has more elements than that, as one of stride 0 does, they are no more than
    /// [`limit`] allows.
    pub fn new(content: Content, dtype: Dtype, offset: usize, shape: &[usize], strides: &[usize]) -> Result<Self> {
        let wrong = || {
            let held = content.len();
            let what = format!(
                "Its shape {shape:?} with strides {strides:?} from element {offset} does not fit {held} bytes."
            );
            Error::damaged("", what)
        };
        let width = width(dtype).ok_or_else(wrong)?;
        let held = content.len() / width;
        let most = if strides.contains(&0) { limit(content.len()) / width } else { held };
        let count = elements(shape).filter(|count| *count <= most).ok_or_else(wrong)?;
        if strides.len() != shape.len() {
            return Err(wrong());
        }
        let mut end = offset;
        if count > 0 {
            let reach =
                |last: usize, (size, stride): (&usize, &usize)| last.checked_add((size - 1).checked_mul(*stride)?);
            let last = shape.iter().zip(strides).try_fold(offset, reach);
            end = last.filter(|last| *last < held).ok_or_else(wrong)? + 1;
        }
        Ok(Strided { width, offset, end, shape: shape.to_vec(), strides: strides.to_vec(), content })
    }

    /// The bytes from the first element to the last, which reading it takes.
    pub fn span(&self) -> usize {
        (self.end - self.offset) * self.width
    }

    /// The strides of a shape whose last (C) or first (Fortran) axis runs fastest.
    pub fn dense(shape: &[usize], fortran: bool) -> Vec<usize> {
        let mut strides = vec![1; shape.len()];
        let mut product = 1_usize;
        let mut set = |axis: usize| {
            strides[axis] = product;
            product = product.saturating_mul(shape[axis]);
        };
        if fortran {
            (0..shape.len()).for_each(&mut set)
        } else {
            (0..shape.len()).rev().for_each(&mut set)
        }
        strides
    }

    fn is_dense(&self) -> bool {
        let dense = Strided::dense(&self.shape, false);
        (0..self.shape.len()).all(|axis| self.shape[axis] == 1 || self.strides[axis] == dense[axis])
    }
}

impl Source for Strided {
    fn read(&self) -> Result<Bytes> {
        // Counted when the view was made.
        let count = elements(&self.shape).unwrap_or(0);
        if count == 0 {
            return Ok(Bytes::new());
        }
        let width = self.width;
        let outside = || Error::damaged("", "It does not lie within its file.");
        let span = self.content.part(self.offset * width..self.end * width).ok_or_else(outside)?;
        let bytes = span.read()?;
        if self.is_dense() {
            return Ok(bytes);
        }
        let mut out = Vec::with_capacity(count * width);
        let mut index = vec![0; self.shape.len()];
        let mut at = 0;
        for _ in 0..count {
            out.extend_from_slice(&bytes[at * width..(at + 1) * width]);
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                at += self.strides[axis];
                if index[axis] < self.shape[axis] {
                    break;
                }
                at -= index[axis] * self.strides[axis];
                index[axis] = 0;
            }
        }
        Ok(out.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_read_in_the_order_of_their_indices() {
        let bytes = Bytes::from((0..24).collect::<Vec<u8>>());
        let read = |offset, shape: &[usize], strides: &[usize]| {
            Strided::new(bytes.clone().into(), Dtype::U8, offset, shape, strides).and_then(|view| view.read())
        };
        assert_eq!(read(4, &[2, 3], &[3, 1]).unwrap()[..], [4, 5, 6, 7, 8, 9]);
        assert_eq!(read(0, &[3, 2], &Strided::dense(&[3, 2], true)).unwrap()[..], [0, 3, 1, 4, 2, 5]);
        assert_eq!(read(1, &[2, 2, 2], &[12, 1, 6]).unwrap()[..], [1, 7, 2, 8, 13, 19, 14, 20]);
        assert_eq!(read(3, &[4], &[0]).unwrap()[..], [3; 4]);
        assert_eq!(read(99, &[0, 5], &[1, 1]).unwrap().len(), 0);
        assert!(read(20, &[5], &[1]).is_err());
        assert_eq!(read(7, &[2, 25], &[1, 0]).unwrap()[..], [[7; 25], [8; 25]].concat());
        assert!(read(0, &[25], &[1]).is_err());
        assert!(read(0, &[limit(24) + 1], &[0]).is_err());
        assert!(read(0, &[2, 2], &[usize::MAX, 2]).is_err());
        assert!(read(0, &[usize::MAX, 2], &[0, 0]).is_err());
    }
}
