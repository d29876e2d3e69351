//! Both decoders against one another, and files that are broken.

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

/// Photographs of several sizes and qualities, all kinds of chroma.
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
    }
    files
}

#[test]
fn both_decoders_give_the_same_pixels() {
    for bytes in files() {
        let ours = baseline::decode(&bytes, &Window::whole).expect("a file that is known");
        assert_eq!(ours.to_rgb(), decode_any(&bytes, "x").unwrap());
    }
}

#[test]
fn a_part_is_cut_from_the_whole() {
    for bytes in files() {
        let image = decode(&bytes, "x").unwrap();
        let (height, width) = image.size();
        for rows in [0..height, 0..1, height / 3..height / 2, height - 1..height] {
            for columns in [0..width, 1..2, width / 3..width / 2 + 1, width - 2..width] {
                let window = Window { rows: rows.clone(), columns: columns.clone() };
                let part = decode_part(&bytes, "x", &|_| window.clone()).unwrap();
                assert_eq!(part, Planes::of(&image, window));
            }
        }
    }
}

/// Where the fast decoder gives pixels of a broken file, they are the other one's.
#[test]
fn broken_files_are_judged_by_one_decoder() {
    let mut given = 0;
    for bytes in files().iter().filter(|bytes| bytes.len() < 20_000) {
        for i in 0..60 {
            let mut changed = bytes.clone();
            let at = (i * 7919 + 11) % changed.len();
            changed[at] ^= 1 << (i % 8);
            if let Some(ours) = baseline::decode(&changed, &Window::whole) {
                assert_eq!(Ok(ours.to_rgb()), decode_any(&changed, "x"), "byte {at}");
                given += 1;
            }
        }
    }
    assert!(given > 0);
}

#[test]
fn what_is_not_baseline_goes_to_the_other_decoder() {
    let image = Rgb::from_fn(40, 50, |y, x| [(5 * y) as u8, (4 * x) as u8, 90]);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 90);
    encoder.set_progressive(true);
    encoder.encode(image.pixels().as_flattened(), 50, 40, ColorType::Rgb).unwrap();
    assert!(baseline::decode(&bytes, &Window::whole).is_none());
    let window = Window { rows: 3..20, columns: 5..50 };
    let part = decode_part(&bytes, "x", &|_| window.clone()).unwrap();
    assert_eq!(part, Planes::of(&decode(&bytes, "x").unwrap(), window));
}
