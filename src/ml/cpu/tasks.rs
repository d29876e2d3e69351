//! Products cut into tasks for threads.

use std::ops::Range;

use rayon::prelude::*;

use super::gemm::Panel;
use super::isa::Isa;

/// Tasks into which a pass over one image is divided: enough that the last one does not keep the others waiting.
const TASKS: usize = 16;

/// From a row of `columns` values to the next: a cache line more than whole ones, so that what lies below each other
/// does not all fall into the same sets of a cache.
pub(in crate::ml) fn pitch(columns: usize) -> usize {
    columns.next_multiple_of(16) + 16
}

/// The tasks of products for several images: each takes some columns and, where these are few, some rows.
pub(in crate::ml) struct Grid {
    images: usize,
    rows: usize,
    high: usize,
    columns: usize,
    wide: usize,
}

impl Grid {
    /// Products of `rows` by `columns` sums.
    pub fn new(images: usize, rows: usize, columns: usize, isa: Isa) -> Self {
        // Two register tiles, so that what is read of the left operand serves twice as long.
        let wide = 2 * isa.columns();
        let parts = TASKS.div_ceil((images * columns.div_ceil(wide)).max(1)).min(rows / 64).max(1);
        Grid { images, rows, high: rows.div_ceil(parts).next_multiple_of(8), columns, wide }
    }

    /// Calls `task` with every image, some of the rows, and some of the columns.
    pub fn run(&self, task: impl Fn(usize, Range<usize>, Range<usize>, &mut Panel) + Sync) {
        let (parts, tiles) = (self.rows.div_ceil(self.high), self.columns.div_ceil(self.wide));
        (0..self.images * tiles * parts).into_par_iter().for_each_init(Panel::default, |panel, at| {
            let (image, tile, part) = (at / parts / tiles, at / parts % tiles, at % parts);
            let rows = part * self.high..self.rows.min((part + 1) * self.high);
            task(image, rows, tile * self.wide..self.columns.min((tile + 1) * self.wide), panel);
        });
    }
}
