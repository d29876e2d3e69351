//! Data roots as people name them, and faults of all data sets in one go.

use repro::ml::data::labels::{encode_grey, encode_rgb};
use repro::ml::data::{Labels, Rgb};

use crate::harness::{Answer, Bench};

/// A pipeline of three data sets below the data root `photos`, with lists of their own.
fn bench() -> Bench {
    let bench = Bench::new();
    let set = |n: usize| {
        format!(
            "\"set{n}\": Dataset(source: Listed(root: \"photos\", list: \"list{n}.txt\"), classes: Named(names: [\"a\", \"b\"])),"
        )
    };
    bench.write("p.ron", format!("Pipeline(name: \"p\", stages: {{{}}})", [0, 1, 2].map(set).concat()));
    bench.write("home/d/i.png", encode_rgb(&Rgb::from_fn(9, 9, |_, _| [9; 3]), "x").unwrap());
    let label = |id| encode_grey(&Labels::from_fn(9, 9, |y, _| if y == 0 { id } else { 0 }), "x").unwrap();
    for n in 0..3 {
        bench.write(&format!("home/d/l{n}.png"), label(1));
        bench.write(&format!("home/d/list{n}.txt"), format!("i.png l{n}.png\n"));
    }
    bench
}

/// A call with the home folder `home`.
fn call(bench: &Bench, line: &str) -> Answer {
    Answer::of(bench.command(line).env("HOME", bench.path("home")).output().unwrap())
}

#[test]
fn the_home_folder_may_be_written_as_the_shell_leaves_it() {
    let bench = bench();
    let answer = call(&bench, "run p.ron --data photos=~/d");
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""), "{answer:?}");
    bench.write("config/repro/config.ron", "(data: {\"photos\": \"~/d\"})");
    assert_eq!(call(&bench, "plan p.ron").code, Some(0));
    let answer = call(&bench, "plan p.ron --data photos=~/gone");
    let told = format!("`{}` is not a folder", bench.path("home/gone").display());
    assert!(answer.code == Some(4) && answer.err.contains(&told), "{answer:?}");
    // A folder of that name is what is named.
    std::fs::rename(bench.path("home/d"), bench.path("~")).unwrap();
    assert_eq!(call(&bench, "plan p.ron --data photos=~").code, Some(0));
}

#[test]
fn a_data_root_that_nothing_reads_is_told_with_the_nearest_that_is_read() {
    let bench = bench();
    for command in ["plan", "run"] {
        let answer = call(&bench, &format!("{command} p.ron --data photos=~/d --data phots=~/d"));
        let told =
            "warning: `--data phots=…` is not used: this pipeline reads the data root `photos`, did you mean `photos`?";
        assert!(answer.code == Some(0) && answer.err.contains(told), "{answer:?}");
    }
    let answer = call(&bench, "run p.ron --data photo=~/d");
    assert_eq!(answer.code, Some(4), "{answer:?}");
    let told = "data root `photos`: The path of this data root is not set, but that of `photo` is.";
    assert!(answer.err.contains(told) && answer.err.contains("did you mean `photos`?"), "{answer:?}");
    let answer = call(&bench, "plan p.ron --data a=~/gone --data b=~/d/i.png");
    assert!(answer.err.contains("a=~/gone") && answer.err.contains("b=~/d/i.png"), "both are told: {answer:?}");
}

#[test]
fn one_run_tells_the_faults_of_all_data_sets() {
    let bench = bench();
    let strange = encode_grey(&Labels::from_fn(9, 9, |_, _| 77), "x").unwrap();
    for n in 0..3 {
        bench.write(&format!("home/d/l{n}.png"), &strange);
    }
    let answer = call(&bench, "run p.ron --data photos=~/d");
    assert_eq!(answer.code, Some(4), "{answer:?}");
    for n in 0..3 {
        assert!(answer.out.contains(&format!("set{n}: failed. l{n}.png: The label holds ids that are no class: 77")));
    }
    for n in 0..3 {
        bench.write(&format!("home/d/list{n}.txt"), "i.png\n");
    }
    let answer = call(&bench, "plan p.ron --data photos=~/d");
    assert!((0..3).all(|n| answer.err.contains(&format!("list{n}.txt:1:6: The label is missing."))), "{answer:?}");
}

#[test]
fn archives_of_other_formats_are_told_by_their_names_before_anything_runs() {
    let bench = Bench::new();
    let path = bench.path("").display().to_string();
    let set = |name: &str| {
        format!(
            "\"{}\": Dataset(source: Listed(list: \"l\", archives: [(file: \"{path}/{name}\")]), classes: Shapes),",
            name.replace('.', "_")
        )
    };
    let files: [(&str, &[u8]); 3] = [
        ("a.tar.xz", b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4F"),
        ("a.tar", b"7z\xbc\xaf\x27\x1c\0\x04"),
        ("a.zip", b"<!DOCTYPE html><html>Quota exceeded"),
    ];
    files.iter().for_each(|(name, bytes)| drop(bench.write(name, bytes)));
    bench.write("p.ron", format!("Pipeline(name: \"p\", stages: {{{}}})", files.map(|(name, _)| set(name)).concat()));
    let answer = bench.call("run p.ron");
    assert_eq!(answer.code, Some(4), "{answer:?}");
    for told in ["a.tar.xz: It is an xz file.", "a.tar: It is a 7-Zip archive.", "a.zip: It is a web page."] {
        assert!(answer.err.contains(told), "{told}: {answer:?}");
    }
    assert!(answer.all().bytes().all(|byte| byte == b'\n' || byte >= b' ') && !answer.all().contains('\u{fffd}'));
}
