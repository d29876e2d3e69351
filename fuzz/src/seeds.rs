//! Writes small sound files for the targets to start from: `seeds FOLDER` fills a folder a target.

use std::io::Write as _;
use std::path::PathBuf;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use repro_fuzz::fsio;
use repro_fuzz::ml::data::{Labels, Rgb, labels};

fn jpeg(progressive: bool, color: ColorType, factor: SamplingFactor, interval: Option<u16>) -> Vec<u8> {
    let components = match color {
        ColorType::Luma => 1,
        ColorType::Cmyk => 4,
        _ => 3,
    };
    let samples: Vec<u8> = (0..24 * 17 * components).map(|at| (at * at / 7) as u8).collect();
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 60);
    encoder.set_progressive(progressive);
    encoder.set_sampling_factor(factor);
    interval.into_iter().for_each(|interval| encoder.set_restart_interval(interval));
    encoder.encode(&samples, 24, 17, color).expect("an image");
    bytes
}

fn png(color: png::ColorType, depth: png::BitDepth) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 16, 9);
    encoder.set_color(color);
    encoder.set_depth(depth);
    encoder.set_palette(vec![7; 6]);
    let bits = color.samples() * depth as usize * 16;
    encoder.write_header().and_then(|mut w| w.write_image_data(&vec![0; bits.div_ceil(8) * 9])).expect("an image");
    bytes
}

fn images() -> Vec<Vec<u8>> {
    use SamplingFactor::{F_1_1, F_2_1, F_2_2, F_4_1};
    let mut all = Vec::new();
    for progressive in [false, true] {
        for factor in [F_1_1, F_2_1, F_2_2, F_4_1] {
            all.push(jpeg(progressive, ColorType::Rgb, factor, None));
        }
        all.push(jpeg(progressive, ColorType::Luma, F_1_1, Some(2)));
        all.push(jpeg(progressive, ColorType::Cmyk, F_1_1, None));
    }
    for (color, depth) in [
        (png::ColorType::Grayscale, png::BitDepth::One),
        (png::ColorType::Indexed, png::BitDepth::One),
        (png::ColorType::Rgba, png::BitDepth::Eight),
        (png::ColorType::Rgb, png::BitDepth::Sixteen),
    ] {
        all.push(png(color, depth));
    }
    let ids = Labels::from_fn(9, 9, |y, x| (y + x) as u8);
    all.push(labels::encode_grey(&ids, "x").expect("a label"));
    all.push(labels::encode_rgb(&Rgb::from_fn(9, 9, |y, x| [y as u8, x as u8, 0]), "x").expect("an image"));
    all
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).expect("an entry");
        zip.write_all(content).expect("an entry");
    }
    zip.finish().expect("an archive").into_inner()
}

fn archives() -> Vec<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let long = "n".repeat(200);
    for (name, content) in [("a/b.txt", &b"bee"[..]), (&long[..], &b"long"[..])] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, content).expect("an entry");
    }
    let tar = tar.into_inner().expect("an archive");
    let mut extended = b"29 path=a/extended/name.txt.\n".to_vec();
    let size = extended.len() as u64;
    extended.resize(512, 0);
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::XHeader);
    header.set_size(size);
    header.set_cksum();
    let posix = [&header.as_bytes()[..], &extended, &tar[..1024]].concat();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(&tar).expect("a stream");
    vec![gz.finish().expect("a stream"), tar, posix, zip(&[("a/b.txt", &b"bee"[..]), ("c", &[0; 900][..])])]
}

fn array() -> Vec<u8> {
    let header = "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 4), }\n";
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &[1; 48]].concat()
}

fn pickle() -> Vec<u8> {
    let mut out = b"\x80\x02}q\x00X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storage".to_vec();
    out.extend(b"ctorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x0ctQK\x00K\x03K\x04\x86K\x04K\x01\x86\x89NtRs.");
    out
}

/// A pipeline with a matrix and a profile, and what `--set` may say.
fn pipelines() -> Vec<Vec<u8>> {
    let whole = r#"// A comment.
Pipeline(
    name: "x",
    matrix: (axes: {"n": (set: ["a.nodes"], values: [1, 2]), "c": (set: ["b.choice"], values: {"one": One(size: (1, 2e-3)), "two": Two})},
        exclude: [{"n": 1, "c": "two"}], include: [{"n": 3, "c": "two"}]),
    stages: {
        "a": Any(nodes: 3, texts: {"k": "v\u{e9}"}, file: Some("root:x")),
        "b": Any(from: ["a", "a[n=2]"], one: "a[2]", on: false),
    },
    profiles: {"p": {"a": (nodes: 2), "matrix": (axes: {"c": None})}},
)
"#;
    vec![whole.into(), b"nodes=5".to_vec(), br#"texts["k"]="x""#.to_vec(), b"from=[r#\"b\"#, 'c', 0x1f, .5]".to_vec()]
}

fn main() {
    let folder = PathBuf::from(std::env::args_os().nth(1).expect("a folder"));
    let tensors = r#"{"a":{"dtype":"F32","shape":[4,4],"data_offsets":[0,64]},"b":{"dtype":"U8","shape":[4032],"data_offsets":[64,4096]}}"#;
    let safetensors = [&(tensors.len() as u64).to_le_bytes()[..], tensors.as_bytes(), &[0; 4096]].concat();
    let torch = zip(&[("m/data.pkl", &pickle()[..]), ("m/data/0", &[0; 48][..])]);
    let seeds: [(&str, Vec<Vec<u8>>); 7] = [
        ("pipeline", pipelines()),
        ("image", images()),
        ("archive", archives()),
        ("list", vec![b"/i/a.jpg /l/a.png\r\n\n/i/b.jpg /l/b.png\n".to_vec(), "\u{feff}a b c\n../é x//y\n".into()]),
        ("safetensors", vec![tensors.into()]),
        ("npz", vec![array()]),
        ("file", vec![safetensors, torch, zip(&[("a.npy", &array()[..])])]),
    ];
    for (target, files) in seeds.into_iter().chain([("pickle", vec![pickle()])]) {
        for (at, content) in files.iter().enumerate() {
            fsio::write_atomic(&folder.join(target).join(format!("seed-{at}")), content).expect("a seed");
        }
    }
}
