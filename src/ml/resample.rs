//! Where a resized image reads: TensorFlow's legacy sampling, without aligned corners and without half-pixel centres.
//! Output index `i` reads at the input coordinate `i * (in / out)`, computed in 32-bit floats.
//!
//! Photographs, labels and tensors are all resized by these positions.

/// Where an output reads along one axis: two neighbours, and the weight of the second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tap {
    /// The lower neighbour, which is also the nearest pixel.
    pub low: usize,
    /// The upper neighbour, the lower one at the end.
    pub high: usize,
    /// The weight of the upper neighbour.
    pub weight: f32,
}

/// The taps of a bilinear resize along one axis, one an output.
pub fn bilinear_taps(from: usize, to: usize) -> Vec<Tap> {
    let scale = from as f32 / to as f32;
    let tap = |i: usize| {
        let at = i as f32 * scale;
        let low = (at as usize).min(from - 1);
        Tap { low, high: (low + 1).min(from - 1), weight: at - low as f32 }
    };
    (0..to).map(tap).collect()
}

/// The input index that each output of a nearest-neighbour resize reads along one axis: the lower neighbour.
pub fn nearest_indices(from: usize, to: usize) -> Vec<usize> {
    bilinear_taps(from, to).into_iter().map(|tap| tap.low).collect()
}

/// Labels brought to another size by nearest neighbour.
///
/// # Shapes
/// `labels` `[N, H, W]` -> `[N, height, width]`.
pub fn nearest_labels(labels: &[u8], from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
    let (rows, columns) = (nearest_indices(from[0], to[0]), nearest_indices(from[1], to[1]));
    let mut out = Vec::with_capacity(labels.len() / (from[0] * from[1]).max(1) * to[0] * to[1]);
    for image in labels.chunks_exact((from[0] * from[1]).max(1)) {
        for &y in &rows {
            let line = &image[y * from[1]..(y + 1) * from[1]];
            out.extend(columns.iter().map(|&x| line[x]));
        }
    }
    out
}

/// A side after scaling by `factor`: the product in 32-bit floats, truncated, at least 1.
pub fn scaled(side: usize, factor: f32) -> usize {
    ((side as f32 * factor) as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_truncated_single_precision_products() {
        assert_eq!(scaled(500, 0.73), 365);
        assert_eq!(scaled(1, 0.5), 1);
    }
}
