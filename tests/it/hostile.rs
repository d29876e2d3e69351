//! Small files that claim much, through the real program on every way in: each is told as the fault of data that it is,
//! and takes neither memory nor disk. `docs/limits.md` lists the limits.
//!
//! The peak is the kernel's (`ru_maxrss`), of all processes of the call. A process inherits the peak of the one that
//! starts it, so this binary starts itself anew, as a small process, to start the program.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use flate2::Compression;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use crate::harness::Bench;

const MIB: u64 = 1 << 20;

/// The memory that a call may take. The program itself takes a third of it.
const MEMORY: u64 = 200 * MIB;

/// What a call may leave on the disk, and what it may have there while it runs.
const DISK: u64 = 100 * MIB;

/// No call takes a tenth of it; a machine under load is no fault.
const HANG: Duration = Duration::from_secs(120);

/// How a call ended, and what it took.
#[derive(Debug)]
struct Taken {
    code: Option<i32>,
    told: String,
    memory: u64,
    disk: u64,
}

/// The variables that make [`the_peak_of_a_child_is_seen`] the small process between.
const PROGRAM: &str = "HOSTILE_PROGRAM";
const RESULT: &str = "HOSTILE_RESULT";

/// Runs a command and writes its exit code and the peak of its memory, in bytes, to a file.
fn between(program: &str, result: &str) {
    let words: Vec<String> = serde_json::from_str(program).unwrap();
    let status = Command::new(&words[0]).args(&words[1..]).stdin(Stdio::null()).status().unwrap();
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a whole `rusage`, of which zeros are a value.
    let usage = unsafe {
        assert_eq!(libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()), 0);
        usage.assume_init()
    };
    let code = status.code().unwrap_or_else(|| 1000 + status.signal().unwrap_or(0));
    std::fs::write(result, format!("{code} {}", usage.ru_maxrss * 1024)).unwrap();
}

/// Runs a command in the bench's folder and measures it.
fn measured(bench: &Bench, command: &Command) -> Taken {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<&str> = words.map(|word| word.to_str().unwrap()).collect();
    let (result, log) = (bench.path("result"), bench.path("told"));
    let told = std::fs::File::create(&log).unwrap();
    let mut between = Command::new(std::env::current_exe().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => between.env(name, value),
            None => between.env_remove(name),
        };
    }
    let mut child = between
        .args(["--exact", "hostile::the_peak_of_a_child_is_seen", "--nocapture", "--test-threads=1"])
        .env(PROGRAM, serde_json::to_string(&words).unwrap())
        .env(RESULT, &result)
        .current_dir(bench.path(""))
        .stdin(Stdio::null())
        .stdout(told.try_clone().unwrap())
        .stderr(told)
        .spawn()
        .unwrap();
    let (began, mut disk) = (Instant::now(), 0);
    while child.try_wait().unwrap().is_none() {
        disk = disk.max(size(&bench.path("store")));
        if began.elapsed() > HANG {
            child.kill().unwrap();
            panic!("hangs: {words:?}\n{}", std::fs::read_to_string(&log).unwrap());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let told = String::from_utf8(std::fs::read(&log).unwrap()).unwrap();
    let line = std::fs::read_to_string(&result).unwrap_or_else(|error| panic!("{error}: {told}"));
    let (code, memory) = line.split_once(' ').unwrap();
    let code = code.parse().ok().filter(|code| *code < 1000);
    Taken { code, told, memory: memory.parse().unwrap(), disk: disk.max(size(&bench.path("store"))) }
}

/// The bytes of all files below a folder, of which some may vanish meanwhile.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}

#[test]
fn the_peak_of_a_child_is_seen() {
    if let (Ok(program), Ok(result)) = (std::env::var(PROGRAM), std::env::var(RESULT)) {
        return between(&program, &result);
    }
    let peak = |script: &str| {
        let mut command = Command::new("sh");
        measured(&Bench::new(), command.args(["-c", script])).memory
    };
    assert!(peak("true") < 50 * MIB);
    assert!(peak("x=$(head -c 60000000 /dev/zero | tr '\\0' a); true") > 60_000_000);
}

/// The pipeline over the folder `data`, and one over an archive.
fn pipeline(source: &str) -> String {
    format!("Pipeline(name: \"d\", stages: {{\"d\": Dataset(source: {source}, classes: Named(names: [\"a\"]))}})")
}

const LISTED: &str = "Listed(root: \"r\", list: \"list.txt\")";

/// Runs the data set of a source over the folder `data`.
fn data_set(bench: &Bench, source: &str) -> Taken {
    bench.write("d.ron", pipeline(source));
    let folder = bench.path("data");
    std::fs::create_dir_all(&folder).unwrap();
    measured(bench, &bench.command(&format!("run d.ron --data r={}", folder.display())))
}

/// A sample whose files are these.
fn sample(image: impl AsRef<[u8]>, label: impl AsRef<[u8]>) -> Bench {
    let bench = Bench::new();
    bench.write("data/list.txt", "i.img l.png\n");
    bench.write("data/i.img", image);
    bench.write("data/l.png", label);
    bench
}

/// A data set that is at fault as `says`, at `place`, and took little to tell.
fn refused(taken: &Taken, place: &str, says: &str) {
    assert_eq!(taken.code, Some(4), "{place}, {says}: {taken:?}");
    let line = taken.told.lines().find(|line| line.contains(place) && line.contains(says));
    assert!(line.is_some_and(|line| line.len() < 1000), "{place}, {says}: {taken:?}");
    little(taken);
}

fn little(taken: &Taken) {
    assert!(taken.memory < MEMORY, "{} MiB: {taken:?}", taken.memory / MIB);
    assert!(taken.disk < DISK, "{} MiB: {taken:?}", taken.disk / MIB);
    assert!(taken.told.len() < 100_000, "{} bytes told", taken.told.len());
}

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
fn label() -> Vec<u8> {
    png((30, 20), [8, 0, 0], &[], &zlib(&[0; 31 * 20]))
}

fn photograph() -> Vec<u8> {
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
    refused(&data_set(&sample(endless, self::label()), LISTED), "i.img: ", "at most 100 are read");
}

/// An entry of a zip file.
struct Entry<'a> {
    name: &'a str,
    /// Where its header is.
    at: u32,
    packed: &'a [u8],
    size: u32,
    crc: u32,
}

/// A zip file of these bytes, and a directory of entries that say what they like.
fn zip(content: &[u8], entries: &[Entry<'_>]) -> Vec<u8> {
    let mut directory = Vec::new();
    for Entry { name, at, packed, size, crc } in entries {
        let words = |out: &mut Vec<u8>, words: &[u16]| words.iter().for_each(|word| out.extend(word.to_le_bytes()));
        directory.extend(b"PK\x01\x02");
        words(&mut directory, &[20, 20, 0, 8, 0, 0]);
        [*crc, packed.len() as u32, *size].iter().for_each(|number| directory.extend(number.to_le_bytes()));
        words(&mut directory, &[name.len() as u16, 0, 0, 0, 0, 0, 0]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let mut out = content.to_vec();
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    (0..2).for_each(|_| out.extend((entries.len() as u16).to_le_bytes()));
    [directory.len() as u32, content.len() as u32].iter().for_each(|number| out.extend(number.to_le_bytes()));
    out.extend([0, 0]);
    out
}

/// The header of an entry in its place, and the deflated content behind it.
fn local(name: &str, packed: &[u8], size: u32, crc: u32) -> Vec<u8> {
    let mut out = b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0".to_vec();
    [crc, packed.len() as u32, size].iter().for_each(|number| out.extend(number.to_le_bytes()));
    out.extend((name.len() as u16).to_le_bytes());
    out.extend([0, 0]);
    out.extend(name.as_bytes());
    out.extend(packed);
    out
}

fn deflated(content: &[u8]) -> (Vec<u8>, u32) {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    let mut crc = flate2::Crc::new();
    crc.update(content);
    (encoder.finish().unwrap(), crc.sum())
}

fn gzipped(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A header of a tar file, which may say what it likes.
fn header(kind: u8, name: &[u8], size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_size(size);
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn archive(content: impl AsRef<[u8]>) -> Taken {
    let bench = Bench::new();
    bench.write("a.bin", content);
    data_set(&bench, "Listed(list: \"x\", archives: [(file: \"a.bin\")])")
}

#[test]
fn zips_whose_entries_overlap_or_lie_write_nothing() {
    let (packed, crc) = deflated(&vec![0; 50_000_000]);
    let size = 50_000_000;
    let names: Vec<String> = (0..200).map(|at| format!("x{at:04}")).collect();
    let one = local("a", &packed, size, crc);
    let entries: Vec<Entry> = names.iter().map(|name| Entry { name, at: 0, packed: &packed, size, crc }).collect();
    let taken = archive(zip(&one, &entries));
    refused(&taken, "a.bin: ", "lie over one another");
    // Each a little further into the one before it.
    let nested: Vec<u8> = names.iter().flat_map(|name| local(name, &[], size, crc)).chain(packed.clone()).collect();
    let length = local(&names[0], &[], 0, 0).len() as u32;
    let entries: Vec<Entry> =
        names.iter().zip(0..).map(|(name, at)| Entry { name, at: at * length, packed: &packed, size, crc }).collect();
    assert_eq!(archive(zip(&nested, &entries)).code, Some(4));
    // Apart from one another, and far too many bytes together.
    let (mut content, mut starts) = (Vec::new(), Vec::new());
    for name in &names {
        starts.push(content.len() as u32);
        content.extend(local(name, &packed, size, crc));
    }
    let entries: Vec<Entry> =
        names.iter().zip(starts).map(|(name, at)| Entry { name, at, packed: &packed, size, crc }).collect();
    let taken = archive(zip(&content, &entries));
    refused(&taken, "a.bin: ", "unpacks to more than");
    assert!(taken.disk < MIB, "{taken:?}");
    // Small, its directory says, and long, as it is.
    let taken = archive(zip(&one, &[Entry { name: "a", at: 0, packed: &packed, size: 10, crc }]));
    refused(&taken, "a.bin/a: ", "larger than its declared");
}

#[test]
fn tars_that_unpack_without_end_are_cut_short() {
    let zeros = vec![0; 120_000_000];
    let whole = [header(b'0', b"a", zeros.len() as u64), zeros.clone()].concat();
    let taken = archive(gzipped(&whole));
    refused(&taken, "a.bin/a: ", "unpacks to more than");
    assert!(taken.disk < MIB, "{taken:?}");
    for kind in [b'L', b'K', b'x', b'g'] {
        let long = [header(kind, b"n", zeros.len() as u64), zeros.clone()].concat();
        refused(
            &archive(gzipped(&long)),
            "a.bin: ",
            if kind == b'L' || kind == b'x' { "are the most" } else { "unpacks to more than" },
        );
    }
    refused(&archive(gzipped(&header(b'2', b"link", 0).repeat(200_000))), "a.bin: ", "unpacks to more than");
    let many: Vec<u8> = (0..20_000).flat_map(|at| header(b'2', format!("{at}").as_bytes(), 0)).collect();
    refused(&archive(many), "a.bin", "There are 19951 more faults");
    // Nothing but an end.
    refused(&archive(gzipped(&zeros)), "x: ", "Could not");
    let zstd = zstd::stream::encode_all(&zeros[..], 1).unwrap();
    refused(&archive(zstd), "a.bin: ", "The archive cannot be read");
}

#[test]
fn names_in_archives_end_where_those_of_files_do() {
    let block = |content: &[u8]| [content, &vec![0; content.len().next_multiple_of(512) - content.len()]].concat();
    let long =
        |name: &[u8]| [header(b'L', b"n", name.len() as u64), block(name), header(b'0', b"n", 1), block(b"1")].concat();
    refused(&archive(long(&[b'n'; 300])), "a.bin/nnn", "more than 255 bytes");
    refused(&archive(long(&b"n/".repeat(2100))), "a.bin: ", "are the most");
    refused(&archive(long(b"a\xff")), "a.bin/a", "not UTF-8");
    refused(&archive(long(b"a\x1b[31m/../b")), "a.bin/a\\u{1b}[31m/../b", "leaves the data root");
    let twice = [header(b'0', b"a", 1), block(b"1"), header(b'0', b"a/b", 1), block(b"2")].concat();
    refused(&archive(twice), "a.bin/a/b: ", "It cannot be made");
}

#[test]
fn lists_of_one_endless_line_are_told_at_once_and_in_few_words() {
    let list = |text: Vec<u8>| {
        let bench = sample(photograph(), label());
        bench.write("data/list.txt", text);
        data_set(&bench, LISTED)
    };
    refused(&list(b"a ".repeat(1 << 20)), "list.txt:1:5: ", "one field too many");
    refused(&list(vec![b'a'; 2 << 20]), "list.txt:1:1: ", "more than 4096 bytes");
    refused(&list(b"a/".repeat(1 << 20)), "list.txt:1:1: ", "more than 4096 bytes");
    refused(&list([&[b' '; 2 << 20][..], b"a"].concat()), "list.txt:1:2097154: ", "The label is missing");
    refused(&list(b"../a.jpg ../b.png\n".repeat(100_000)), "list.txt:", "299950 more faults");
    refused(&list(vec![b'\n'; 4 << 20]), "list.txt: ", "names no sample");

    let bench = Bench::new();
    bench.write("data/ImageSets/Segmentation/val.txt", vec![b'a'; 2 << 20]);
    refused(&data_set(&bench, "Voc2012(root: \"r\", list: Val)"), "val.txt:1:1: ", "is not an id");
    bench.write("data/ImageSets/Segmentation/val.txt", b"a b\n".repeat(100_000));
    refused(&data_set(&bench, "Voc2012(root: \"r\", list: Val)"), "val.txt:", "99951 more faults");
}

#[test]
fn a_list_of_a_terabyte_is_not_read() {
    let bench = sample(photograph(), label());
    std::fs::File::create(bench.path("data/list.txt")).unwrap().set_len(1 << 40).unwrap();
    refused(&data_set(&bench, LISTED), "list.txt", "more than 1073741824 bytes");
}

/// What `weights inspect`, `weights convert` and a stage say of a file of weights: each time exit code 4, and the same
/// words.
fn weights(name: &str, content: &[u8], says: &str) {
    let bench = Bench::new();
    bench.write(name, content);
    let pipeline = format!(
        "Pipeline(name: \"w\", stages: {{\"w\": Weights(encoder: Tiny, source: Checkpoint(file: \"{name}\"))}})"
    );
    bench.write("w.ron", pipeline);
    for line in
        [format!("weights inspect {name}"), format!("weights convert {name} out.safetensors"), "run w.ron".into()]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
        command.args(line.split_whitespace());
        let command = if line.starts_with("run") { bench.command(&line) } else { command };
        refused(&measured(&bench, &command), name, says);
        assert!(!bench.path("out.safetensors").exists());
    }
}

/// A `.pth` of this pickle and a storage of 48 bytes.
fn torch(pickle: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in [("m/data.pkl", [b"\x80\x02", pickle].concat()), ("m/data/0", vec![0; 48])] {
        zip.start_file(name, stored).unwrap();
        zip.write_all(&content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A tensor of a pickle, its shape and strides as pickles of their own.
fn tensor(shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let start = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n";
    [&start[..], b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x0ctQK\x00", shape, strides, b"\x89NtR"].concat()
}

#[test]
fn weights_whose_headers_lie_are_refused_on_every_way_in() {
    let header = |length: u64, text: &str| [&length.to_le_bytes()[..], text.as_bytes()].concat();
    weights("m.safetensors", &header(1 << 60, "{}"), "its header is of 1152921504606846976 bytes");
    weights("m.safetensors", &header(99_000_000, "{}"), "its header is of 99000000 bytes");
    let tensors = |place: &str, shape: &str| {
        let text = format!("{{\"a\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":{place}}}}}");
        header(text.len() as u64, &text)
    };
    weights("m.safetensors", &tensors("[0,4611686018427387904]", "[1152921504606846976]"), "overflow computing");
    weights("m.safetensors", &tensors("[0,4000000000000]", "[1000000000000]"), "need 4000000000000 bytes");
    weights("m.safetensors", &tensors("[0,0]", "[4294967296,4294967296,4294967296]"), "m.safetensors");
    weights("m.safetensors", &header(2_000_000, &"[".repeat(2_000_000)), "not a whole safetensors file");

    let npy = |header: &str, values: &[u8]| {
        let array =
            [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), values].concat();
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("a.npy", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&array).unwrap();
        zip.finish().unwrap().into_inner()
    };
    let shape = |shape: &str| format!("{{'descr': '<f4', 'fortran_order': True, 'shape': {shape}, }}\n");
    weights("m.npz", &npy(&shape("(4294967296, 4294967296, 4)"), b""), "does not go with 0 bytes");
    weights("m.npz", &npy(&shape("(1000000000000,)"), &[0; 64]), "does not go with 64 bytes");
    weights("m.npz", &npy(&shape("(10000000,)"), &vec![0; 40_000_000]), "as no weights do");
}

#[test]
fn pickles_that_ask_for_much_are_refused_on_every_way_in() {
    weights("m.pth", &torch(b"X\xff\xff\xff\x7fa."), "not a whole pickle");
    weights("m.pth", &torch(b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7fa."), "not a whole pickle");
    weights("m.pth", &torch(b"\x8b\xff\xff\xff\x7f."), "not a whole pickle");
    weights("m.pth", &torch(&vec![b']'; 2 << 20]), "more than 1048576 operations");
    weights("m.pth", &torch(&[&b"(".repeat(1_000_000)[..], b"."].concat()), "m.pth");
    // Each list holds the one before it twice.
    let bomb = [b"]q\x00".to_vec(), b"]q\x00(h\x00h\x00e".repeat(100_000), b".".to_vec()].concat();
    weights("m.pth", &torch(&bomb), "m.pth");
    let huge = tensor(b"\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x40\x85", b"K\x00\x85");
    weights("m.pth", &torch(&[&b"}(X\x01\x00\x00\x00a"[..], &huge, b"u."].concat()), "does not fit 48 bytes");
    let legacy = [&b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."[..], &b"]".repeat(3 << 20)].concat();
    weights("m.pth", &legacy, "more than 1048576 operations");
}

#[test]
fn a_large_file_of_weights_takes_the_memory_of_its_largest_tensor() {
    // Sixteen tensors of 64 MiB, in a file that is a hole but for its header.
    let bytes = 64 * MIB;
    let tensors: Vec<String> = (0..16)
        .map(|at| {
            format!(
                "\"t{at:02}\":{{\"dtype\":\"F32\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                bytes / 4,
                at * bytes,
                (at + 1) * bytes
            )
        })
        .collect();
    let header = format!("{{{}}}", tensors.join(","));
    let bench = Bench::new();
    let path = bench.write("m.safetensors", [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat());
    std::fs::File::options().write(true).open(&path).unwrap().set_len(8 + header.len() as u64 + 16 * bytes).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
    let taken = measured(&bench, command.args(["weights", "inspect", "m.safetensors"]));
    assert_eq!(taken.code, Some(0), "{taken:?}");
    assert!(taken.told.contains("16 tensors"), "{taken:?}");
    little(&taken);
    // Neither is what is no file of weights at all.
    std::fs::write(&path, b"no weights").unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    std::fs::rename(&path, bench.path("m.bin")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
    refused(&measured(&bench, command.args(["weights", "inspect", "m.bin"])), "m.bin", "in none of the formats");
}
