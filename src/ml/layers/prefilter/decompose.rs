//! Decompose: the dilated convolution as a dense one of each of the `d * d` phases (Wang and Ji, KDD 2018, section
//! 3.1).
//!
//! It is the regular dilated convolution, product by product: the unrolled matrix of [`crate::ml::ops::conv`] holds the
//! same elements in the same order either way, so there is one kernel for both.

use super::contract::Entry;
use super::regular::Regular;

pub(super) const ENTRY: Entry = Entry {
    name: "Decompose",
    doc: "The dilated convolution as dense convolutions of interleaved images. The result is that of Regular.",
    args: Vec::new,
    build: |_| Ok(Box::new(Regular)),
};
