//! Lists of data sets as people write them, lists that lie elsewhere, and parts of them.

use repro::ml::data::{Labels, Rgb, jpeg, labels};

use crate::harness::{Bench, started};

/// Two data sets of four small images each in the data root `data`; `SOURCE` and `MORE` are to be put in.
const PIPELINE: &str = r#"Pipeline(
    name: "lists",
    stages: { "set": Dataset(source: SOURCE, classes: Named(names: ["a", "b", "c"]) MORE) },
)
"#;

fn picture(bench: &Bench, image: &str, label: &str) {
    let pixels = Rgb::from_fn(16, 20, |y, x| [y as u8 * 9, x as u8 * 9, 7]);
    bench.write(image, jpeg::encode(&pixels, 90, image).unwrap());
    let ids = Labels::from_fn(16, 20, |y, x| ((y + x) % 3) as u8);
    bench.write(label, labels::encode_grey(&ids, label).unwrap());
}

/// A data root of four images whose list has this text.
fn bench(source: &str, more: &str, list: &str) -> Bench {
    let bench = Bench::new();
    bench.write("lists.ron", PIPELINE.replace("SOURCE", source).replace("MORE", more));
    for id in ["a", "b", "c", "d"] {
        picture(&bench, &format!("data/img/{id}.jpg"), &format!("data/lab/{id}.png"));
    }
    bench.write("data/list.txt", list);
    bench
}

const LIST: &str = "/img/a.jpg /lab/a.png\n/img/b.jpg /lab/b.png\n/img/c.jpg /lab/c.png\n/img/d.jpg /lab/d.png\n";
const LISTED: &str = r#"Listed(root: "data", list: "list.txt")"#;

fn line(bench: &Bench, more: &str) -> String {
    format!("run lists.ron --data data={} {more}", bench.path("data").display())
}

/// The ids of the data set that a run makes.
fn ids(bench: &Bench, more: &str) -> Vec<String> {
    bench.ok(&line(bench, more));
    let index = std::fs::read_to_string(bench.newest("lists").join("set/index.csv")).unwrap();
    index.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect()
}

#[test]
fn commas_comments_and_quotes_are_read() {
    let text = "\u{feff}# image, label\r\nimg/a.jpg, lab/a.png\r\n'img/my b.jpg'\tlab/b.png # the second\r\n\r\n";
    let bench = bench(LISTED, "", text);
    picture(&bench, "data/img/my b.jpg", "data/lab/b.png");
    assert_eq!(ids(&bench, ""), ["a", "my b"]);
}

#[test]
fn names_in_another_normal_form_are_found() {
    let bench = bench(LISTED, "", "/img/\u{e9}.jpg /lab/\u{e9}.png\n");
    picture(&bench, "data/img/e\u{301}.jpg", "data/lab/e\u{301}.png");
    assert_eq!(ids(&bench, ""), ["\u{e9}"]);
}

#[test]
fn a_missing_file_is_told_with_what_lies_there_and_where_it_comes_from() {
    let bench = bench(LISTED, "", "/img/A.JPG /lab/a.png\n/img/x.jpg /lab/a1.png\n");
    let answer = bench.call(&line(&bench, ""));
    assert_eq!(answer.code, Some(4), "{answer:?}");
    assert!(answer.err.contains("`a.jpg` lies there: is it meant?"), "{answer:?}");
    assert!(answer.err.contains("The list `list.txt` names it."), "{answer:?}");

    let voc = r#"Voc2012(root: "data", list: Val)"#;
    let lone = self::bench(voc, "", LIST);
    let told = lone.call(&line(&lone, "")).err;
    assert!(told.contains("VOCtrainval_11-May-2012.tar") && told.contains("by `ids`"), "{told}");
    lone.write("data/ImageSets/Segmentation/val.txt", "2007_000033\n");
    let told = lone.call(&line(&lone, "")).err;
    assert!(told.contains("This image of the data set is missing.") && told.contains("VOCtrainval"), "{told}");
    assert!(
        told.contains("This label of the data set is missing.") && told.contains("SegmentationClassAug.zip"),
        "{told}"
    );
}

#[test]
fn a_list_may_lie_anywhere() {
    let source = r#"Listed(root: "data", file: "lists/two.txt")"#;
    let bench = bench(source, "", LIST);
    bench.write("lists/two.txt", "/img/d.jpg /lab/d.png\n/img/a.jpg /lab/a.png\n");
    assert_eq!(ids(&bench, ""), ["d", "a"]);
    let key = bench.record("latest")["nodes"][0]["key"].clone();
    // The content of the list is in the key, and its place is not.
    let path = bench.write("elsewhere/other.txt", std::fs::read(bench.path("lists/two.txt")).unwrap());
    let set = |file: &str| format!("--set set.source.file={file:?}");
    assert_eq!(ids(&bench, &set(path.to_str().unwrap())), ["d", "a"]);
    assert_eq!(bench.record("latest")["nodes"][0]["key"], key);
    assert_eq!(ids(&bench, &set("data:list.txt")), ["a", "b", "c", "d"]);
    let answer = bench.call(&line(&bench, &set("lists/Two.txt")));
    assert!(answer.err.contains("`two.txt` lies there"), "{answer:?}");
    for (source, told) in [
        (r#"Listed(root: "data")"#, "The source names no list."),
        (r#"Listed(root: "data", list: "list.txt", file: "lists/two.txt")"#, "The source names two lists."),
        (r#"Listed(root: "data", list: "/data/list.txt")"#, "This list does not lie below the data root."),
    ] {
        bench.write("lists.ron", PIPELINE.replace("SOURCE", source).replace("MORE", ""));
        let answer = bench.call(&line(&bench, ""));
        assert_eq!(answer.code, Some(2), "{answer:?}");
        assert!(answer.err.contains(told), "{answer:?}");
    }
}

#[test]
fn voc_needs_no_lists_of_its_own_where_ids_are_given() {
    let bench = bench(r#"Voc2012(root: "data", list: TrainAug, ids: "val.txt")"#, "", LIST);
    for id in ["2007_1", "2007_2", "2007_3"] {
        picture(&bench, &format!("data/JPEGImages/{id}.jpg"), &format!("data/SegmentationClassAug/{id}.png"));
    }
    bench.write("data/SegmentationClassAug/._2007_1.png", "no picture");
    bench.write("val.txt", "/JPEGImages/2007_2.jpg /SegmentationClassAug/2007_2.png\n");
    assert_eq!(ids(&bench, ""), ["2007_1", "2007_3"]);
    assert_eq!(ids(&bench, "--set set.source.list=Val"), ["2007_2"]);
}

#[test]
fn a_part_of_a_list_is_taken_by_number_share_or_ids() {
    let bench = bench(LISTED, ", take: First(2)", LIST);
    assert_eq!(ids(&bench, ""), ["a", "b"]);
    assert_eq!(ids(&bench, "--set set.take=First(count:3)"), ["a", "b", "c"]);
    let all = ids(&bench, "--set set.take=All");
    assert_eq!(all, ["a", "b", "c", "d"]);
    let half = ids(&bench, "--set set.take=Fraction(0.5,seed:3)");
    assert_eq!(half.len(), 2);
    assert_eq!(ids(&bench, "--set set.take=Fraction(0.5) --set set.take.seed=3"), half);
    assert_eq!(started(&bench.ok(&line(&bench, "--json --set set.take=Fraction(share:0.5,seed:3)"))), [""; 0]);
    bench.write("small.txt", "d\n/img/a.jpg /lab/a.png\n");
    assert_eq!(ids(&bench, "--set set.take=Ids(\"small.txt\")"), ["a", "d"]);
    bench.write("small.txt", "d\ne\n");
    for (take, code, told) in [
        ("Ids(\"small.txt\")", 4, "The id `e` is not in the list `list.txt`."),
        ("First(5)", 4, "The list has 4 samples, but 5 are to be taken."),
        ("First(0)", 2, "from 1 to"),
        ("Fraction(0.5,share:0.4)", 2, "The field `share` is stated twice."),
        ("Frist(1)", 2, "There is no `Subset` called `Frist`"),
        ("First(1,2)", 2, "`First(…)` without names of fields"),
    ] {
        let answer = bench.call(&line(&bench, &format!("--set set.take={take}")));
        assert_eq!(answer.code, Some(code), "{take}: {answer:?}");
        assert!(answer.err.contains(told), "{take}: {answer:?}");
    }
}

#[test]
fn what_is_expected_is_the_whole_list_and_no_default_enters_a_key() {
    let digest = repro::ml::data::list::digest_of_ids(["a", "b", "c", "d"]);
    let expect = format!(", expect: [(count: 4, digest: \"{digest}\")]");
    let plain = bench(LISTED, &expect, LIST);
    assert_eq!(ids(&plain, "").len(), 4);
    let key = plain.record("latest")["nodes"][0]["key"].clone();
    assert_eq!(ids(&plain, "--set set.take=All"), ["a", "b", "c", "d"]);
    assert_eq!(plain.record("latest")["nodes"][0]["key"], key);
    assert_eq!(ids(&plain, "--set set.take=First(1)"), ["a"]);
    plain.write("data/list.txt", "/img/a.jpg /lab/a.png\n");
    let answer = plain.call(&line(&plain, "--set set.take=First(1)"));
    assert!(answer.err.contains("The set has 1 ids"), "{answer:?}");
}

#[test]
fn labels_beyond_the_classes_are_refused_or_ignored() {
    let bench = bench(LISTED, "", LIST);
    let strange = Labels::from_fn(16, 20, |y, x| if y == 0 { 7 } else { (x % 3) as u8 });
    bench.write("data/lab/b.png", labels::encode_grey(&strange, "b").unwrap());
    let answer = bench.call(&line(&bench, ""));
    assert_eq!(answer.code, Some(4), "{answer:?}");
    assert!(answer.all().contains("The label holds ids that are no class: 7 (20 pixels)"), "{answer:?}");
    let ignore = "--set set.beyond=Ignore";
    let answer = bench.call(&line(&bench, ignore));
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let told = "20 pixels in 1 labels have ids of 3 or above, which are no class. They are ignored.";
    assert!(answer.all().contains(told), "{answer:?}");
    let index = std::fs::read_to_string(bench.newest("lists").join("set/index.csv")).unwrap();
    let column = index.lines().next().unwrap().split(',').position(|name| name == "ignored").unwrap();
    let ignored: Vec<&str> = index.lines().skip(1).map(|line| line.split(',').nth(column).unwrap()).collect();
    assert_eq!(ignored, ["0", "20", "0", "0"]);
    let answer = bench.call("plan lists.ron --set set.source=Shapes(images:1) --set set.beyond=Ignore");
    assert_eq!(answer.code, Some(2), "{answer:?}");
    assert!(answer.err.contains("No label of this data set can be at or above"), "{answer:?}");
}

#[test]
fn parts_of_drawn_scenes_are_taken_too() {
    let bench = bench("Shapes(images: 6, seed: 7, size: (48, 40))", ", take: Fraction(0.5)", LIST);
    bench.edit("lists.ron", r#"Named(names: ["a", "b", "c"])"#, "Shapes");
    let half = ids(&bench, "");
    assert_eq!(half.len(), 3);
    assert!(half.is_sorted());
}
