//! Which source element each tap of a sliding window reads, and the im2col matrix of an image: a column for each place of the
//! window, a row for each tap of each channel.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Which zeros surround an image that a window slides over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Padding {
    /// TensorFlow's `SAME`: as many zeros as `ceil(size / stride)` windows need, half of them before (rounded down) and the
    /// rest after. Where the stride is above 1, the size of the image decides where the windows begin.
    #[default]
    Same,
    /// As PyTorch's layers state it: `dilation * (kernel - 1) / 2` zeros (rounded down) before and as many after, whatever the
    /// size.
    Symmetric,
}

/// The windows along one axis of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// Zeros before the first element.
    pub before: usize,
    /// The windows, each of which gives an output.
    pub outputs: usize,
}

impl Padding {
    /// The windows of `kernel` taps along an axis of `size` elements. With [`Padding::Symmetric`] there is none where the window
    /// is longer than the padded axis, which only an even kernel can be.
    pub fn along(self, size: usize, kernel: usize, stride: usize, dilation: usize) -> Axis {
        let span = (kernel - 1) * dilation;
        match self {
            Padding::Same => {
                let outputs = size.div_ceil(stride);
                let total = ((outputs.max(1) - 1) * stride + span + 1).saturating_sub(size);
                Axis { before: total / 2, outputs }
            }
            Padding::Symmetric => {
                let before = span / 2;
                let room = (size + 2 * before).checked_sub(span + 1);
                Axis { before, outputs: room.map_or(0, |room| room / stride + 1) }
            }
        }
    }
}

/// A sliding window over one image `[channels, source height, source width]`.
///
/// Column `p = (oy, ox)` and row `k = (c, i, j)` of the im2col matrix hold the source element of channel `c` at
/// `y = (oy * step + i * dilation - pad_y) / divide` and likewise `x`, or zero where that is outside or no integer.
/// `divide` is 1 for a convolution and the stride for the gradient of one.
#[derive(Debug, Clone, Copy)]
pub(in crate::ml) struct SlidingWindow {
    pub channels: usize,
    pub source: [usize; 2],
    pub grid: [usize; 2],
    pub kernel: [usize; 2],
    pub step: usize,
    pub dilation: usize,
    pub pad: [isize; 2],
    pub divide: usize,
}

impl SlidingWindow {
    /// The window of the convolution's gradient by its input: over the gradient of the output, of `outputs` channels.
    pub fn of_gradient(&self, outputs: usize) -> SlidingWindow {
        let pad = |axis: usize| ((self.kernel[axis] - 1) * self.dilation) as isize - self.pad[axis];
        SlidingWindow {
            channels: outputs,
            source: self.grid,
            grid: self.source,
            step: 1,
            pad: [pad(0), pad(1)],
            divide: self.step,
            ..*self
        }
    }

    /// Rows of the im2col matrix.
    pub fn rows(&self) -> usize {
        self.channels * self.kernel[0] * self.kernel[1]
    }

    /// Columns of the im2col matrix.
    pub fn columns(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    /// Whether the im2col matrix is the image itself.
    pub fn is_identity(&self) -> bool {
        self.kernel == [1, 1] && self.step == 1 && self.divide == 1 && self.pad == [0, 0] && self.source == self.grid
    }

    /// Writes the given part of the im2col matrix to `out`, row by row at distance `ld`.
    pub fn im2col(&self, image: &[f32], rows: Range<usize>, columns: Range<usize>, out: &mut [f32], ld: usize) {
        let area = self.source[0] * self.source[1];
        if self.is_identity() {
            for (row, k) in rows.enumerate() {
                let from = k * area + columns.start;
                out[row * ld..row * ld + columns.len()].copy_from_slice(&image[from..from + columns.len()]);
            }
            return;
        }
        let taps = self.kernel[0] * self.kernel[1];
        for (row, k) in rows.enumerate() {
            let (channel, tap) = (k / taps, k % taps);
            let offset = |axis: usize, tap: usize| (tap * self.dilation) as isize - self.pad[axis];
            let dy = offset(0, tap / self.kernel[1]);
            let dx = offset(1, tap % self.kernel[1]);
            let plane = &image[channel * area..(channel + 1) * area];
            let out = &mut out[row * ld..row * ld + columns.len()];
            let mut done = 0;
            while done < out.len() {
                let p = columns.start + done;
                let (oy, ox) = (p / self.grid[1], p % self.grid[1]);
                let run = (self.grid[1] - ox).min(out.len() - done);
                let run_out = &mut out[done..done + run];
                match self.line(oy, dy) {
                    None => run_out.fill(0.0),
                    Some(y) => self.copy_line(&plane[y * self.source[1]..(y + 1) * self.source[1]], ox, dx, run_out),
                }
                done += run;
            }
        }
    }

    /// The source row behind grid row `oy` at offset `dy`.
    fn line(&self, oy: usize, dy: isize) -> Option<usize> {
        let at = (oy * self.step) as isize + dy;
        let divide = self.divide as isize;
        (at >= 0 && at % divide == 0 && at / divide < self.source[0] as isize).then(|| (at / divide) as usize)
    }

    /// Copies the source elements behind grid columns `ox..` at offset `dx`.
    fn copy_line(&self, line: &[f32], ox: usize, dx: isize, out: &mut [f32]) {
        let first = (ox * self.step) as isize + dx;
        if self.divide == 1 {
            let (len, step) = (out.len() as isize, self.step as isize);
            let up_to = |end: isize| (end - first + step - 1).div_euclid(step);
            let low = up_to(0).clamp(0, len);
            let high = up_to(line.len() as isize).clamp(low, len);
            out[..low as usize].fill(0.0);
            if low < high {
                let (from, to) = (&line[(first + low * step) as usize..], &mut out[low as usize..high as usize]);
                match self.step {
                    1 => to.copy_from_slice(&from[..to.len()]),
                    step => to.iter_mut().zip(from.iter().step_by(step)).for_each(|(to, from)| *to = *from),
                }
            }
            out[high as usize..].fill(0.0);
            return;
        }
        // Only every `divide`-th column meets a source element, and `step` is 1.
        let divide = self.divide as isize;
        let skip = (-first).rem_euclid(divide) as usize;
        out.fill(0.0);
        for (i, value) in out.iter_mut().enumerate().skip(skip).step_by(self.divide) {
            let at = (first + i as isize) / divide;
            *value = if at >= 0 { line.get(at as usize).copied().unwrap_or(0.0) } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_is_tensorflows() {
        let same = |size, kernel, stride, dilation| Padding::Same.along(size, kernel, stride, dilation);
        assert_eq!(same(321, 7, 2, 1), Axis { before: 3, outputs: 161 });
        assert_eq!(same(32, 7, 2, 1), Axis { before: 2, outputs: 16 });
        assert_eq!(same(32, 3, 2, 1), Axis { before: 0, outputs: 16 });
        assert_eq!(same(33, 3, 2, 1), Axis { before: 1, outputs: 17 });
        assert_eq!(same(41, 3, 1, 12), Axis { before: 12, outputs: 41 });
        assert_eq!(same(9, 2, 1, 1), Axis { before: 0, outputs: 9 });
        assert_eq!(same(41, 1, 2, 1), Axis { before: 0, outputs: 21 });
    }

    #[test]
    fn symmetric_padding_is_pytorchs() {
        let symmetric = |size, kernel, stride, dilation| Padding::Symmetric.along(size, kernel, stride, dilation);
        assert_eq!(symmetric(321, 7, 2, 1), Axis { before: 3, outputs: 161 });
        assert_eq!(symmetric(32, 7, 2, 1), Axis { before: 3, outputs: 16 });
        assert_eq!(symmetric(32, 3, 2, 1), Axis { before: 1, outputs: 16 });
        assert_eq!(symmetric(33, 3, 2, 1), Axis { before: 1, outputs: 17 });
        assert_eq!(symmetric(41, 3, 1, 12), Axis { before: 12, outputs: 41 });
        assert_eq!(symmetric(40, 1, 2, 1), Axis { before: 0, outputs: 20 });
        assert_eq!(symmetric(1, 7, 2, 1), Axis { before: 3, outputs: 1 });
        assert_eq!(symmetric(9, 2, 1, 1), Axis { before: 0, outputs: 8 });
        assert_eq!(symmetric(1, 2, 1, 1), Axis { before: 0, outputs: 0 });
    }

    #[test]
    fn a_part_of_the_unrolled_matrix_is_the_matrix_of_the_definition() {
        let image: Vec<f32> = (1..=2 * 5 * 6).map(|v| v as f32).collect();
        for (step, divide, dilation) in [(1, 1, 2), (2, 1, 1), (1, 2, 1)] {
            let window = SlidingWindow {
                channels: 2,
                source: [5, 6],
                grid: [4, 7],
                kernel: [3, 2],
                step,
                dilation,
                pad: [1, 2],
                divide,
            };
            let (rows, columns) = (2..11, 3..26);
            let mut out = vec![f32::NAN; 9 * 30];
            window.im2col(&image, rows.clone(), columns.clone(), &mut out, 30);
            for k in rows.clone() {
                for p in columns.clone() {
                    let source = |grid: usize, tap: usize, pad: isize, size: usize| {
                        let at = (grid * step + tap * dilation) as isize - pad;
                        let inside = at >= 0 && at % divide as isize == 0 && at / (divide as isize) < size as isize;
                        inside.then(|| at as usize / divide)
                    };
                    let (c, i, j) = (k / 6, k / 2 % 3, k % 2);
                    let expected = match (source(p / 7, i, 1, 5), source(p % 7, j, 2, 6)) {
                        (Some(y), Some(x)) => image[c * 30 + y * 6 + x],
                        _ => 0.0,
                    };
                    assert_eq!(out[(k - rows.start) * 30 + p - columns.start], expected, "{k} {p}");
                }
            }
        }
    }
}
