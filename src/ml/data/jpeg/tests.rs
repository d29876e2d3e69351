//! The pixels of sound files, and files that are broken or ask for too much.

use super::*;
use crate::ml::rng::Rng;

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
    for bytes in files() {
        pixels.extend_from_slice(decode(&bytes, "x").unwrap().pixels().as_flattened());
    }
    assert_eq!(
        crate::hash::Digest::of(&pixels).to_string(),
        "00297a30bc1b1516089cc0856d9dc49a13f8815a9f313bef358fd7e03f3560cf"
    );
}

/// A file whose codes all have one bit, and whose scan is zeros: as few bits as there can be for its blocks, less `short`
/// bytes. Everything is grey.
fn shortest(frame: u8, (height, width): (u16, u16), sampling: &[u8], short: usize) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8];
    let segment = |bytes: &mut Vec<u8>, marker: u8, content: &[u8]| {
        bytes.extend([0xff, marker]);
        bytes.extend((content.len() as u16 + 2).to_be_bytes());
        bytes.extend(content);
    };
    segment(&mut bytes, 0xdb, &[&[0][..], &[1; 64]].concat());
    for class in [0x00, 0x10] {
        segment(&mut bytes, 0xc4, &[&[class, 1][..], &[0; 15], &[0]].concat());
    }
    let components = sampling.iter().zip(1..).flat_map(|(&factors, name)| [name, factors, 0]);
    let size = [height.to_be_bytes(), width.to_be_bytes()].concat();
    let frame_header: Vec<u8> =
        [&[8][..], &size, &[sampling.len() as u8]].concat().into_iter().chain(components).collect();
    segment(&mut bytes, frame, &frame_header);
    let scanned = sampling.iter().zip(1..).flat_map(|(_, name)| [name, 0]);
    let last = if frame == 0xc2 { 0 } else { 63 };
    let scan: Vec<u8> = [sampling.len() as u8].into_iter().chain(scanned).chain([0, last, 0]).collect();
    segment(&mut bytes, 0xda, &scan);
    let most = sampling.iter().fold((0, 0), |most, factors| (most.0.max(factors >> 4), most.1.max(factors & 15)));
    let units =
        usize::from(width).div_ceil(8 * usize::from(most.0)) * usize::from(height).div_ceil(8 * usize::from(most.1));
    let blocks =
        units * sampling.iter().map(|factors| usize::from(factors >> 4) * usize::from(factors & 15)).sum::<usize>();
    let bits = if frame == 0xc2 { 1 } else { 2 };
    bytes.extend(vec![0; (blocks * bits).div_ceil(8) - short]);
    bytes.extend([0xff, 0xd9]);
    bytes
}

#[test]
fn a_file_may_be_as_short_as_its_codes_allow_and_no_shorter() {
    for (frame, sampling) in [
        (0xc0, &[0x11][..]),
        (0xc0, &[0x22, 0x11, 0x11]),
        (0xc0, &[0x11, 0x11, 0x11]),
        (0xc1, &[0x21, 0x11, 0x11]),
        (0xc2, &[0x11]),
        (0xc2, &[0x22, 0x11, 0x11]),
    ] {
        for size in [(1600, 1601), (9, 4000), (8, 8)] {
            let image = decode(&shortest(frame, size, sampling, 0), "x").unwrap();
            assert_eq!(image.size(), (usize::from(size.0), usize::from(size.1)));
            assert!(image.pixels().iter().all(|pixel| *pixel == [128; 3]), "{frame:x} {sampling:?}");
        }
        // The headers, some 250 bytes, count for the file as well: a bound of what it can hold, not its exact size.
        let fault = decode(&shortest(frame, (1600, 1601), sampling, 2000), "x").unwrap_err();
        assert!(fault.message.starts_with("It claims 1601 x 1600 pixels, which its"), "{fault}");
    }
    let large = shortest(0xc0, (10_000, 10_000), &[0x11], 0);
    assert!(large.len() < 400_000);
    assert_eq!(decode(&large, "x").unwrap().size(), (10_000, 10_000));
}

#[test]
fn images_beyond_the_limits_are_refused_before_anything_is_allocated() {
    let told = |bytes: &[u8]| decode(bytes, "x").unwrap_err().message;
    let zeros = |mut bytes: Vec<u8>| {
        bytes.extend(vec![0; 50_000_000]);
        bytes
    };
    assert!(told(&zeros(shortest(0xc0, (16_385, 16_385), &[0x11], 0))).contains("at most 268435456 are read"));
    let most = zeros(shortest(0xc2, (16_384, 16_384), &[0x11, 0x11, 0x11], 0));
    assert_eq!(told(&most), "Decoding its 16384 x 16384 pixels takes 5637144576 bytes; at most 2147483648 are used.");
    // Sixteen blocks a unit for one row of pixels.
    assert!(told(&shortest(0xc0, (1, 65_535), &[0x44], 0)[..200]).contains("cannot hold"));
}
