//! The pixels of sound files, and files that are broken or ask for too much.

use super::*;
use crate::rng::Rng;

#[test]
fn reads_what_it_writes_and_refuses_what_is_cut_short() {
    let image = Rgb::from_fn(33, 50, |y, x| [(5 * y) as u8, (4 * x) as u8, 90]);
    let bytes = encode(&image, 95, "x").unwrap();
    let read = decode(&bytes, "x").unwrap();
    let worst = image.pixels().iter().zip(read.pixels()).map(|(a, b)| a[1].abs_diff(b[1])).max();
    assert!(worst.unwrap() < 8, "{worst:?}");
    for cut in [0, 1, 20, 300, bytes.len() / 2, bytes.len() - 12, bytes.len() - 2] {
        let fault = decode(&bytes[..cut], "images/x.jpg").unwrap_err();
        assert_eq!(fault.place, "images/x.jpg", "{cut}");
    }
    // Content has no checksum in JPEG: changed bytes may give other pixels or a fault, but never a panic.
    for i in 0..400 {
        let mut changed = bytes.clone();
        let at = i * changed.len() / 400;
        changed[at] ^= 1 << (i % 8);
        let _ = decode(&changed, "x");
    }
    assert!(decode(b"GIF89a", "x").unwrap_err().message.starts_with("The image cannot be decoded"));
    assert!(encode(&Rgb::from_fn(0, 3, |_, _| [0; 3]), 90, "x").is_err());
}

/// Photographs of several sizes and qualities with chroma of every kind, grey ones, progressive ones, and some with
/// restart intervals.
fn files() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for (at, &(height, width)) in [(8, 8), (33, 50), (65, 129), (16, 272), (121, 90)].iter().enumerate() {
        let mut rng = Rng::new(1, "photograph", at as u64);
        let image = Rgb::from_fn(height, width, |y, x| {
            let noise = rng.below(if at % 2 == 0 { 4 } else { 200 });
            [y * 3, x, (y / 9 + x / 7) % 2 * 200].map(|value| (value + noise as usize) as u8)
        });
        for factor in [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_2_2] {
            for quality in [5, 60, 95, 100] {
                let mut bytes = Vec::new();
                let mut encoder = Encoder::new(&mut bytes, quality);
                encoder.set_sampling_factor(factor);
                let (pixels, [w, h]) = (image.pixels().as_flattened(), [width, height].map(|n| n as u16));
                encoder.encode(pixels, w, h, ColorType::Rgb).unwrap();
                files.push(bytes);
            }
        }
        type Change = fn(&mut Encoder<&mut Vec<u8>>);
        let changes: [(ColorType, Change); 5] = [
            (ColorType::Luma, |_| ()),
            (ColorType::Luma, |encoder| encoder.set_progressive(true)),
            (ColorType::Rgb, |encoder| encoder.set_progressive(true)),
            (ColorType::Rgb, |encoder| encoder.set_restart_interval(3)),
            (ColorType::Rgb, |encoder| encoder.set_optimized_huffman_tables(true)),
        ];
        for (colours, change) in changes {
            let mut bytes = Vec::new();
            let mut encoder = Encoder::new(&mut bytes, 75);
            change(&mut encoder);
            let pixels = image.pixels().as_flattened();
            let pixels = if colours == ColorType::Luma { &pixels[..height * width] } else { pixels };
            encoder.encode(pixels, width as u16, height as u16, colours).unwrap();
            files.push(bytes);
        }
    }
    files
}

/// Another decoder, or another version of it, would move the results of every stage that reads images.
#[test]
fn the_pixels_of_every_kind_of_file_stay_as_they_are() {
    let mut pixels = Vec::new();
    let mut rules = [0; 3];
    for bytes in files() {
        let decoded = Decoder::new(bytes.as_slice()).decode().unwrap();
        let spread = |grey: &[u8]| grey.iter().flat_map(|&value| [value; 3]).collect();
        let image = decode(&bytes, "x").unwrap();
        let plain = if decoded.len() == image.pixels().len() { spread(&decoded) } else { decoded };
        let rule = rule(&bytes);
        rules[rule as usize] += 1;
        assert!(rule == 2 || image.pixels().as_flattened() == plain);
        pixels.extend(plain);
    }
    // Those of 4:2:2.
    assert_eq!(rules, [0, 65, 20]);
    assert_eq!(
        crate::hash::Digest::of(&pixels).to_string(),
        "00297a30bc1b1516089cc0856d9dc49a13f8815a9f313bef358fd7e03f3560cf"
    );
}

/// A drawn photograph in a file of `jpeg-encoder`'s.
fn drawn(
    (height, width): (usize, usize),
    factor: SamplingFactor,
    change: impl Fn(&mut Encoder<&mut Vec<u8>>),
) -> Vec<u8> {
    let mut rng = Rng::new(2, "photograph", (height * 100 + width) as u64);
    let image = Rgb::from_fn(height, width, |y, x| {
        [y * 9, x * 7, (y / 3 + x / 4) % 2 * 200].map(|value| (value + rng.below(60) as usize) as u8)
    });
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 90);
    encoder.set_sampling_factor(factor);
    change(&mut encoder);
    encoder.encode(image.pixels().as_flattened(), width as u16, height as u16, ColorType::Rgb).unwrap();
    bytes
}

/// Row `y` of a plane of chroma as `jpeg-decoder` upsamples it in an image of this width.
fn as_the_decoder(plane: &[u8], columns: usize, (down, across): (usize, usize), y: usize, width: usize) -> Vec<u8> {
    let rows = plane.len() / columns;
    let line =
        |at: usize| plane[at * columns..(at + 1) * columns].iter().map(|&value| u32::from(value)).collect::<Vec<_>>();
    let (near, far) = match (down, y % 2) {
        (1, _) => (line(y), line(y)),
        (_, 0) => (line(y / 2), line((y / 2).saturating_sub(1))),
        _ => (line(y / 2), line((y / 2 + 1).min(rows - 1))),
    };
    // Four times the value, or the value itself.
    let sum: Vec<u32> =
        near.iter().zip(&far).map(|(near, far)| if down == 1 { *near } else { 3 * near + far }).collect();
    let scale = if down == 1 { 1 } else { 4 };
    let rounded = |sum: u32, scale: u32| ((sum + scale / 2) / scale) as u8;
    if across == 1 || width == 1 {
        return sum.iter().map(|&sum| rounded(sum, scale)).collect();
    }
    (0..width)
        .map(|x| {
            let at = x / 2;
            let beside = if x % 2 == 0 { at.checked_sub(1) } else { Some(at + 1).filter(|at| *at < columns) };
            match beside {
                Some(beside) => rounded(3 * sum[at] + sum[beside], 4 * scale),
                None => rounded(sum[at], scale),
            }
        })
        .collect()
}

/// What the second image holds is the chroma as it is stored: upsampled as the decoder does it, it is what the decoder gives.
#[test]
fn the_second_image_holds_the_chroma_as_it_is_stored() {
    let mut seen = 0;
    for (factor, shared) in
        [(SamplingFactor::F_2_1, (1, 2)), (SamplingFactor::F_1_2, (2, 1)), (SamplingFactor::F_2_2, (2, 2))]
    {
        for height in [1, 2, 3, 15, 16, 17, 34] {
            for width in [1, 2, 3, 4, 5, 7, 16, 17, 33] {
                for form in 0..4 {
                    let bytes = drawn((height, width), factor, |encoder| match form {
                        0 => {}
                        1 => encoder.set_progressive(true),
                        2 => encoder.set_restart_interval(2),
                        _ => encoder.set_optimized_huffman_tables(true),
                    });
                    let found = Chroma::of(&bytes);
                    assert_eq!(found.is_some(), shared != (2, 2) || width <= 4, "{factor:?} {height} x {width}");
                    let Some(found) = found else { continue };
                    let mut decoder = Decoder::new(bytes.as_slice());
                    decoder.set_color_transform(ColorTransform::RGB);
                    let plain = decoder.decode().unwrap();
                    let planes = found.planes(&samples(&found).unwrap()).unwrap();
                    for (plane, channel) in planes.iter().zip(1..) {
                        // In an image of one row the decoder mixes no rows.
                        let down = if height == 1 { 1 } else { shared.0 };
                        for y in 0..height {
                            let row = as_the_decoder(plane, found.size.1, (down, shared.1), y, width);
                            let given = plain[3 * y * width..].iter().skip(channel).step_by(3).take(width);
                            assert!(row.iter().eq(given), "{factor:?} {height} x {width}, form {form}, row {y}");
                        }
                    }
                    seen += 1;
                }
            }
        }
    }
    assert_eq!(seen, 7 * 4 * (9 + 9 + 4));
}

#[test]
fn files_with_strange_factors_have_no_second_image() {
    let file = drawn((9, 9), SamplingFactor::F_2_1, |_| ());
    let frame = file.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    assert!(Chroma::of(&file).is_some());
    for component in 0..3 {
        for factors in [0x00, 0x01, 0x10, 0x33, 0xff] {
            let mut changed = file.clone();
            changed[frame + 11 + 3 * component] = factors;
            assert!(Chroma::of(&changed).is_none(), "{component} {factors:x}");
            let _ = decode(&changed, "x");
        }
    }
}

/// Files, and their pixels as libjpeg-turbo 3.2 decodes them (Pillow's `Image.open(file).convert("RGB").tobytes()`).
#[test]
fn chroma_is_upsampled_as_libjpeg_does_it() {
    macro_rules! recorded {
        ($($name:literal)*) => {
            [$((
                $name,
                include_bytes!(concat!("recorded/", $name, ".jpg")).as_slice(),
                include_bytes!(concat!("recorded/", $name, ".rgb")).as_slice(),
            )),*]
        };
    }
    for (name, file, pixels) in
        recorded!["422_base_16x33" "422_prog_17x18" "422_base_8x3" "420_base_8x3" "420_rst_17x4" "440_base_18x17"]
    {
        assert_eq!(rule(file), 2, "{name}");
        let difference = |image: &[u8]| {
            let each = || image.iter().zip(pixels).map(|(a, b)| u64::from(a.abs_diff(*b)));
            (each().max().unwrap(), each().sum::<u64>() as f64 / pixels.len() as f64)
        };
        let (worst, mean) = difference(decode(file, "x").unwrap().pixels().as_flattened());
        assert!(worst <= 3 && mean < 0.1, "{name}: {worst}, {mean}");
        let (_, plain) = difference(&Decoder::new(file).decode().unwrap());
        assert!(plain > 2.0 * mean, "{name}: {plain}, {mean}");
    }
}
