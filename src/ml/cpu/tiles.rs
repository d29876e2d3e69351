//! The transformations of Winograd's tiles, sixteen channels at a time. See [`super::winograd`] for the matrices.

use super::simd::{LANES, Lanes};

/// A transformation of one axis of a tile.
pub(super) trait Transform<const N: usize, const M: usize>: Copy + Sync {
    fn apply(self, values: [Lanes; N]) -> [Lanes; M];
}

/// `B' x`.
#[derive(Clone, Copy)]
pub(super) struct OfInputs;

impl Transform<5, 5> for OfInputs {
    #[inline(always)]
    fn apply(self, [a, b, c, d, e]: [Lanes; 5]) -> [Lanes; 5] {
        let twice = b + b;
        [(a + a) - b - (c + c) + d, d - c - twice, d - c * 3.0 + twice, d - b, e - (d + d) - c + twice]
    }
}

/// `G w`.
#[derive(Clone, Copy)]
pub(super) struct OfFilter;

impl Transform<3, 5> for OfFilter {
    #[inline(always)]
    fn apply(self, [a, b, c]: [Lanes; 3]) -> [Lanes; 5] {
        let sixth = 1.0 / 6.0;
        [a * 0.5, (a + b + c) * -0.5, (b - a - c) * sixth, (a + b * 2.0 + c * 4.0) * sixth, c]
    }
}

/// `A' m`.
#[derive(Clone, Copy)]
pub(super) struct OfProducts;

impl Transform<5, 3> for OfProducts {
    #[inline(always)]
    fn apply(self, [a, b, c, d, e]: [Lanes; 5]) -> [Lanes; 3] {
        [a + b + c + d, b - c + (d + d), b + c + d * 4.0 + e]
    }
}

/// Applies a transformation to the columns of the tile that `load` gives, then to the rows of what comes, and hands the
/// result to `store`, each with its row and column.
#[inline(always)]
pub(super) fn tile<const N: usize, const M: usize>(
    of: impl Transform<N, M>,
    load: impl Fn(usize, usize) -> Lanes,
    mut store: impl FnMut(usize, usize, &[f32; LANES]),
) {
    let mut half = [[Lanes([0.0; LANES]); N]; M];
    for j in 0..N {
        let mut column = [Lanes([0.0; LANES]); N];
        for (i, lanes) in column.iter_mut().enumerate() {
            *lanes = load(i, j);
        }
        let column = of.apply(column);
        for (row, lanes) in half.iter_mut().zip(column) {
            row[j] = lanes;
        }
    }
    for (i, row) in half.iter().enumerate() {
        for (j, lanes) in of.apply(*row).iter().enumerate() {
            store(i, j, &lanes.0);
        }
    }
}
