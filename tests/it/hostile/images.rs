//! Photographs and labels.

use std::io::Write as _;

use flate2::Compression;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::{LISTED, data_set, little, refused, sample};

fn jpeg(progressive: bool, color: ColorType, (width, height): (u16, u16)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 90);
    encoder.set_progressive(progressive);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    let components = match color {
        ColorType::Luma => 1,
        ColorType::Cmyk => 4,
        _ => 3,
    };
    let samples = usize::from(width) * usize::from(height) * components;
    encoder.encode(&vec![90; samples], width, height, color).unwrap();
    bytes
}

/// A JPEG file with another size in its frame's header.
fn claiming(mut file: Vec<u8>, width: u16, height: u16) -> Vec<u8> {
    let at = (0..file.len()).find(|&at| file[at] == 0xff && matches!(file[at + 1], 0xc0..=0xc2)).unwrap();
    file[at + 5..at + 7].copy_from_slice(&height.to_be_bytes());
    file[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
    file
}

fn chunk(out: &mut Vec<u8>, kind: &[u8; 4], content: &[u8]) {
    out.extend((content.len() as u32).to_be_bytes());
    let from = out.len();
    out.extend(kind);
    out.extend(content);
    let mut crc = flate2::Crc::new();
    crc.update(&out[from..]);
    out.extend(crc.sum().to_be_bytes());
}

fn zlib(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A PNG file of zeros with this depth, kind of colours and interlace, and what stands before its pixels.
fn png(
    (width, height): (u32, u32),
    [depth, color, interlace]: [u8; 3],
    before: &[(&[u8; 4], Vec<u8>)],
    data: &[u8],
) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    chunk(&mut out, b"IHDR", &[&size[..], &[depth, color, 0, 0, interlace]].concat());
    before.iter().for_each(|(kind, content)| chunk(&mut out, kind, content));
    chunk(&mut out, b"IDAT", data);
    chunk(&mut out, b"IEND", b"");
    out
}

/// A sound label of 30 x 20 zeros.
pub fn label() -> Vec<u8> {
    png((30, 20), [8, 0, 0], &[], &zlib(&[0; 31 * 20]))
}

/// A sound photograph of the same size.
pub fn photograph() -> Vec<u8> {
    jpeg(false, ColorType::Rgb, (30, 20))
}

#[test]
fn photographs_that_claim_more_than_their_bytes_can_hold_are_refused() {
    let (most, cannot) = (u16::MAX, "bytes cannot hold");
    for (name, image) in [
        ("baseline", claiming(photograph(), most, most)),
        ("grey", claiming(jpeg(false, ColorType::Luma, (30, 20)), most, most)),
        ("progressive", claiming(jpeg(true, ColorType::Rgb, (30, 20)), most, most)),
        ("four colours", claiming(jpeg(false, ColorType::Cmyk, (30, 20)), most, most)),
        ("one row", claiming(photograph(), most, 1)),
        ("RGB", png((60_000, 60_000), [8, 2, 0], &[], &zlib(b"x"))),
        ("deep", png((60_000, 60_000), [16, 6, 1], &[], &zlib(b"x"))),
        ("widest", png((i32::MAX as u32, i32::MAX as u32), [16, 6, 0], &[], &zlib(b"x"))),
    ] {
        let taken = data_set(&sample(image, label()), LISTED);
        assert!(taken.told.contains("i.img"), "{name}: {taken:?}");
        refused(&taken, "i.img: ", if name == "widest" { "The image cannot be decoded" } else { cannot });
    }
    // So long a file could hold them: the limit itself is told.
    let mut long = claiming(photograph(), most, most);
    long.splice(2..2, [&[0xff, 0xfe, 0xff, 0xff][..], &[0; 65_533]].concat().repeat(400));
    refused(&data_set(&sample(long, label()), LISTED), "i.img: ", "at most 268435456 are read");
    let tall = png((60_000, 40_000), [1, 3, 0], &[(b"PLTE", vec![0; 6])], &vec![7; 300_000]);
    refused(&data_set(&sample(&tall, label()), LISTED), "i.img: ", "at most 268435456 are read");
    refused(&data_set(&sample(photograph(), tall), LISTED), "l.png: ", "at most 268435456 are read");
}

#[test]
fn labels_that_claim_much_are_refused() {
    for (depth, color, interlace) in [(1, 0, 0), (1, 3, 1), (8, 0, 0), (8, 3, 1)] {
        let small = png((60_000, 40_000), [depth, color, interlace], &[(b"PLTE", vec![0; 6])], &zlib(&[0; 5000]));
        refused(&data_set(&sample(photograph(), small), LISTED), "l.png: ", "bytes cannot hold");
    }
}

#[test]
fn images_with_compressed_texts_and_endless_scans_take_little() {
    let bomb = zlib(&vec![0; 60_000_000]);
    let profile = [&b"p\0\0"[..], &bomb].concat();
    let text = [&b"t\0\0"[..], &bomb].concat();
    let wide = [&b"t\0\x01\0\0\0"[..], &bomb].concat();
    let before = [(b"iCCP", profile), (b"zTXt", text), (b"iTXt", wide)];
    let label = png((30, 20), [8, 0, 0], &before, &zlib(&[0; 31 * 20]));
    let image = png((30, 20), [8, 2, 0], &before, &zlib(&[0; 91 * 20]));
    let taken = data_set(&sample(image, label), LISTED);
    assert_eq!(taken.code, Some(0), "{taken:?}");
    little(&taken);

    let file = jpeg(true, ColorType::Luma, (2000, 2000));
    let scan = file.windows(2).rposition(|two| two == [0xff, 0xda]).unwrap();
    let (before, end) = (&file[..scan], &file[scan..file.len() - 2]);
    let endless = [before, &end.repeat(200), &[0xff, 0xd9]].concat();
    refused(&data_set(&sample(endless, super::label()), LISTED), "i.img: ", "at most 100 are read");
}
