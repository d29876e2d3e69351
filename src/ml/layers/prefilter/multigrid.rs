//! Multigrid: plain dilated convolutions whose dilations differ within a group of blocks (Chen et al., arXiv
//! 1706.05587, section 3.3).

use super::contract::{DilatedConv, Entry};
use crate::ml::spec::{Arg, ArgSpec};

pub(super) const ENTRY: Entry = Entry {
    name: "Multigrid",
    doc: "Multiplies the dilation by a factor for each block of a group, without a pre-filter.",
    args: || {
        vec![ArgSpec::new(
            "rates",
            "The factors of the dilation in the blocks of groups 4 and 5. The first block of a group has the \
             first factor, and so on. If a group has more blocks than there are factors, they start again.",
            Arg::Ints(vec![1, 2, 4]),
        )]
    },
    build: |args| {
        let rates = match args.get("rates") {
            Some(Arg::Ints(rates)) => rates.iter().filter_map(|&rate| usize::try_from(rate).ok()).collect(),
            _ => Vec::new(),
        };
        Ok(Box::new(Multigrid { rates }))
    },
};

/// Dilations by block.
#[derive(Debug)]
struct Multigrid {
    rates: Vec<usize>,
}

impl DilatedConv for Multigrid {
    fn dilation(&self, dilation: usize, block: usize) -> usize {
        dilation * self.rates.get(block % self.rates.len().max(1)).copied().unwrap_or(1)
    }
}
