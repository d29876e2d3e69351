//! Chroma brought to the size of luma, and both to red, green and blue, a row at a time, as `jpeg-decoder` does it.

/// A row of chroma twice as wide, from the nearer and the farther row of its samples, three parts to one. Ends keep the
/// last sample.
#[inline(always)]
pub(super) fn double_both_ways(near: &[u8], far: &[u8], sums: &mut [u16], row: &mut [[u8; 2]]) {
    for ((sum, &near), &far) in sums.iter_mut().zip(near).zip(far) {
        *sum = 3 * u16::from(near) + u16::from(far);
    }
    let last = near.len() - 1;
    let mix = |near: u16, far: u16| ((3 * near + far + 8) >> 4) as u8;
    for (two, sums) in row[1..last].iter_mut().zip(sums.windows(3)) {
        *two = [mix(sums[1], sums[0]), mix(sums[1], sums[2])];
    }
    row[0] = [((sums[0] + 2) >> 2) as u8, mix(sums[0], sums[1])];
    row[last] = [mix(sums[last], sums[last - 1]), ((sums[last] + 2) >> 2) as u8];
}

/// A row of chroma twice as wide, each sample three parts to one of its neighbour. Ends keep the last sample.
#[inline(always)]
pub(super) fn double(samples: &[u8], row: &mut [[u8; 2]]) {
    let last = samples.len() - 1;
    let mix = |near: u8, far: u8| ((3 * u16::from(near) + u16::from(far) + 2) >> 2) as u8;
    for (two, samples) in row[1..last].iter_mut().zip(samples.windows(3)) {
        *two = [mix(samples[1], samples[0]), mix(samples[1], samples[2])];
    }
    row[0] = [samples[0], mix(samples[0], samples[1])];
    row[last] = [mix(samples[last], samples[last - 1]), samples[last]];
}

/// Colours (ITU-R BT.601) with twenty bits behind the point.
#[inline(always)]
pub(super) fn convert(luma: &[u8], blue: &[u8], red: &[u8], [r, g, b]: [&mut [u8]; 3]) {
    let level = |value: i32| (value >> 20).clamp(0, 255) as u8;
    let samples = luma.iter().zip(blue).zip(red);
    for (((r, g), b), ((&y, &cb), &cr)) in r.iter_mut().zip(g).zip(b).zip(samples) {
        let (y, cb, cr) = ((i32::from(y) << 20) + (1 << 19), i32::from(cb) - 128, i32::from(cr) - 128);
        *r = level(y + 1_470_104 * cr);
        *g = level(y - 360_857 * cb - 748_830 * cr);
        *b = level(y + 1_858_077 * cb);
    }
}
