//! The plain dilated convolution.

use super::contract::{DilatedConv, Entry};

pub(super) const ENTRY: Entry = Entry {
    name: "Regular",
    doc: "The dilated convolution as it is, without a pre-filter.",
    args: Vec::new,
    build: |_| Ok(Box::new(Regular)),
};

/// No pre-filter.
#[derive(Debug)]
pub(crate) struct Regular;

impl DilatedConv for Regular {}
