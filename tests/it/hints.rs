//! Advice of data sets, followed: what a fault or a warning says to write is written, and then the data set is read.

use crate::harness::Bench;
use crate::warnings::labelled;

/// A pipeline of one data set with these classes and these other fields.
fn set(bench: &Bench, classes: usize, more: &str) -> String {
    let names: Vec<String> = (0..classes).map(|class| format!("c{class}")).collect();
    bench.write(
        "p.ron",
        format!(
            "Pipeline(name: \"p\", stages: {{\"set\": Dataset(source: Listed(root: \"d\", list: \"list.txt\"), \
             classes: Named(names: {names:?}){more})}})"
        ),
    );
    let answer = bench.call(&format!("run p.ron --data d={}", bench.path("d").display()));
    format!("{:?} {}", answer.code, answer.all())
}

#[test]
fn what_is_advised_is_read() {
    type Values = fn(usize, usize, usize) -> u8;
    let cases: [(&str, Values, usize, &str, &str, &str); 7] = [
        (
            "ADE20K",
            |_, y, x| ((y * 50 + x) % 151) as u8,
            150,
            "",
            "`first_id: 1, ignore: 0`",
            ", first_id: 1, ignore: 0",
        ),
        ("ADE20K with 0", |_, y, x| ((y * 50 + x) % 151) as u8, 150, "", "there are 151 classes", ""),
        ("from 1", |_, y, _| if y < 20 { 1 } else { 2 }, 2, "", "`first_id: 1`", ", first_id: 1"),
        (
            "0 and 255",
            |_, y, _| if y < 20 { 0 } else { 255 },
            2,
            "",
            r##"`colours: {"#000000": "c0", "#ffffff": "c1"}`"##,
            r##", colours: {"#000000": "c0", "#ffffff": "c1"}"##,
        ),
        ("another value to ignore", |_, y, x| [0, 1, 255][(y + x) % 3], 2, ", ignore: 254", "`ignore: 255`", ""),
        ("void is 0", |_, y, x| ((y + x) % 3) as u8, 2, ", ignore: 0", "`first_id: 1`", ", ignore: 0, first_id: 1"),
        ("void is 1", |_, y, x| [0, 1][(y + x) % 2], 2, ", ignore: 1", "as 255", ", ignore: 255"),
    ];
    for (name, values, classes, before, advice, after) in cases {
        let bench = labelled(values);
        let told = set(&bench, classes, before);
        assert!(told.contains(advice), "{name}: {told}");
        // What is advised is what is written, but for the number of classes.
        let classes = if advice.ends_with("classes") { classes + 1 } else { classes };
        let told = set(&bench, classes, after);
        assert!(told.starts_with("Some(0)") && !told.contains("warning"), "{name}: {told}");
    }
}

#[test]
fn the_void_of_ade20k_is_not_advised_to_be_255() {
    let bench = labelled(|_, y, x| ((y * 50 + x) % 151) as u8);
    let told = set(&bench, 150, ", ignore: 0");
    assert!(
        told.starts_with("Some(2)") && told.contains("is the id of the class `c0`") && !told.contains("255"),
        "{told}"
    );
}

#[test]
fn more_classes_than_ids_are_a_fault_and_so_are_ids_behind_the_last() {
    let bench = labelled(|_, y, x| ((y + x) % 2) as u8);
    assert!(set(&bench, 255, "").starts_with("Some(0)"));
    for classes in [256, 300] {
        let told = set(&bench, classes, "");
        assert!(told.starts_with("Some(2)") && told.contains("Name at most 255 classes."), "{told}");
    }
    let told = set(&bench, 2, ", first_id: 255");
    assert!(told.starts_with("Some(2)") && told.contains("Write at most 254."), "{told}");
    let told = set(&bench, 2, ", first_id: 254, ignore: 0");
    assert!(told.starts_with("Some(4)") && told.contains("The label holds 1, but ids count from 254"), "{told}");
}
