//! The inverse cosine transform of blocks of 8 x 8, in integers: that of stb_image, which `jpeg-decoder` has too, on
//! several blocks at a time.

use std::num::Wrapping;

/// The blocks that are transformed together: a vector's worth.
pub(super) const BLOCKS: usize = 16;

/// Coefficients of blocks that lie side by side: by their places, row by row, then by block.
pub(super) type Group = [[i16; BLOCKS]; 64];

/// Writes the samples of the blocks in eight rows, `stride` apart. From 2^19 on, the product of a coefficient and its
/// quantiser gives other bits than in stb_image, which takes a short way where a column has its first coefficient alone.
#[inline(always)]
pub(super) fn samples(group: &Group, quantisers: &[i32; 64], out: &mut [u8], stride: usize) {
    let mut between = [[[0_i32; BLOCKS]; 8]; 8];
    for x in 0..8 {
        for block in 0..BLOCKS {
            let number = |y: usize| i32::from(group[8 * y + x][block]) * quantisers[8 * y + x];
            // Two bits more than the samples have stay for the second pass.
            let column = pass(number, 512);
            for y in 0..8 {
                between[y][x][block] = column[y].0 >> 10;
            }
        }
    }
    for (row, out) in between.iter().zip(out.chunks_mut(stride)) {
        let mut levels = [[0; BLOCKS]; 8];
        for block in 0..BLOCKS {
            // The factor of 2^12 twice, less 10 bits, and 8 from the transform itself; half a level, and 128.
            let values = pass(|x| row[x][block], (1 << 16) + (128 << 17));
            for x in 0..8 {
                levels[x][block] = (values[x].0 >> 17).clamp(0, 255) as u8;
            }
        }
        for (block, eight) in out.as_chunks_mut::<8>().0.iter_mut().take(BLOCKS).enumerate() {
            for (out, level) in eight.iter_mut().zip(&levels) {
                *out = level[block];
            }
        }
    }
}

/// The transform of eight numbers, times 2^12, plus `round`.
#[inline(always)]
fn pass(number: impl Fn(usize) -> i32, round: i32) -> [Wrapping<i32>; 8] {
    let (w, s) = (Wrapping::<i32>, |at: usize| Wrapping(number(at)));
    let turn = (s(2) + s(6)) * w(2217);
    let (t2, t3) = (turn + s(6) * w(-7567), turn + s(2) * w(3135));
    let (t0, t1) = ((s(0) + s(4)) * w(4096) + w(round), (s(0) - s(4)) * w(4096) + w(round));
    let (x0, x1, x2, x3) = (t0 + t3, t1 + t2, t1 - t2, t0 - t3);

    let (p3, p4) = (s(7) + s(3), s(5) + s(1));
    let turn = (p3 + p4) * w(4816);
    let (p1, p2) = (turn + (s(7) + s(1)) * w(-3685), turn + (s(5) + s(3)) * w(-10497));
    let (p3, p4) = (p3 * w(-8034), p4 * w(-1597));
    let t3 = s(1) * w(6149) + p1 + p4;
    let t2 = s(3) * w(12586) + p2 + p3;
    let t1 = s(5) * w(8410) + p2 + p4;
    let t0 = s(7) * w(1223) + p1 + p3;
    [x0 + t3, x1 + t2, x2 + t1, x3 + t0, x3 - t0, x2 - t1, x1 - t2, x0 - t3]
}
