//! Small files that claim much, through the real program on every way in: each is told as the fault of data that it is,
//! and takes neither memory nor disk. `docs/limits.md` lists the limits.
//!
//! The peak is the kernel's (`ru_maxrss`), of all processes of the call. A process inherits the peak of the one that
//! starts it, so this binary starts itself anew, as a small process, to start the program.

mod archives;
mod images;
mod weights;

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use images::{label, photograph};

use crate::harness::{Bench, like};

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
    let mut between = like(command, std::env::current_exe().unwrap());
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
