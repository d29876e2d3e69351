//! What is said of malformed inputs, through the real program: every fault with its place and what to do.
//!
//! Pipelines with faults are files in `tests/malformed/program`, each with its snapshot; what else is told lies in
//! `snapshots/`. After a change for the better write them again by
//! `INSTA_UPDATE=always cargo test --release --test it malformed`, and read the difference.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use insta::assert_snapshot;
use repro::ml::data::{Labels, Rgb, jpeg, labels};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::harness::{Bench, SMALL};

/// What is told of the small pipeline by a command line.
fn small(line: &str) -> String {
    Bench::small().told(line)
}

/// What is told of a whole file.
fn file(content: impl AsRef<[u8]>) -> String {
    let bench = Bench::new();
    bench.write("main.ron", content);
    bench.told("plan main.ron")
}

/// Every file and every folder in `tests/malformed/program`, a pipeline with faults, against the snapshot beside it. A file
/// begins with a comment that says what is wrong. Behind it there may be `// --profile NAME` and `// --set PATH=VALUE`. Of
/// a folder, `main.ron` is the pipeline.
#[test]
fn pipelines() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/malformed/program");
    let listed = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let (snapshots, names): (BTreeSet<String>, BTreeSet<String>) =
        listed.filter(|name| !name.ends_with(".snap.new")).partition(|name| name.ends_with(".snap"));
    let mut expected = BTreeSet::new();
    for name in &names {
        let (stem, bench) = (name.trim_end_matches(".ron"), Bench::new());
        let main = if stem == name { "main.ron" } else { name };
        let source = if stem == name { folder.join(name) } else { folder.clone() };
        for entry in std::fs::read_dir(&source).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap())
        {
            if stem == name || entry == *name {
                bench.write(&entry, std::fs::read(source.join(&entry)).unwrap());
            }
        }
        let text = std::fs::read_to_string(source.join(main)).unwrap();
        let comments: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("// ")).collect();
        assert!(!comments.is_empty() && !comments[0].starts_with("--"), "{name} does not say what is wrong");
        let options: Vec<&str> = comments.into_iter().filter(|comment| comment.starts_with("--")).collect();
        insta::with_settings!({
            snapshot_path => &folder, prepend_module_to_snapshot => false, omit_expression => true,
        }, { assert_snapshot!(stem, bench.told(&format!("plan {main} {}", options.join(" ")))) });
        expected.insert(format!("{stem}.snap"));
    }
    assert!(names.len() > 20, "{}", names.len());
    assert_eq!(snapshots.difference(&expected).collect::<Vec<_>>(), Vec::<&String>::new(), "snapshots without a file");
}

/// What no file of text can be, or no file at all.
#[test]
fn files_that_are_no_pipelines() {
    assert_snapshot!("syntax_empty_file", file(""));
    assert_snapshot!("syntax_not_utf8", file(b"Pipeline(\xff\xfe)"));
    assert_snapshot!("includes_no_such_pipeline", Bench::new().told("plan man.ron"));
    assert_snapshot!("includes_a_folder", Bench::new().told("plan ."));
}

#[test]
fn command_lines() {
    assert_snapshot!("lines_only", small("run small.ron --only valdate,train[9]"));
    assert_snapshot!("lines_force", small("plan small.ron --force tabel"));
    assert_snapshot!("lines_device", small("run small.ron --device tpu"));
    assert_snapshot!("lines_jobs", small("run small.ron --jobs 0"));
    assert_snapshot!("lines_data_without_path", small("run small.ron --data album"));
    assert_snapshot!("lines_data_no_folder", small("run small.ron --data album=nowhere"));
    assert_snapshot!("lines_no_run", small("show latest"));
    assert_snapshot!("lines_diff_no_run", small("diff small small~1"));
    let bench = Bench::small();
    bench.write("config/repro/config.ron", "(data: {\"album\" \"/x\"})");
    assert_snapshot!("lines_config", bench.told("plan small.ron"));
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_missing_device() {
    let told = small("run small.ron --device cuda");
    assert!(told.starts_with("exit code 6\n"), "{told}");
    assert_snapshot!("lines_no_gpu", told);
}

#[test]
fn stores() {
    let bench = Bench::small();
    bench.write("store/precious.txt", "mine");
    assert_snapshot!("store_not_a_store", bench.told("run small.ron"));
    let bench = Bench::small();
    bench.write("store/format", "repro store 99\n");
    assert_snapshot!("store_newer", bench.told("run small.ron"));
    let bench = Bench::small();
    bench.write("store", "a file");
    assert_snapshot!("store_is_a_file", bench.told("run small.ron"));
    let bench = Bench::small();
    bench.write("results", "a file");
    let told = bench.told("run small.ron --only start");
    assert!(told.starts_with("exit code 5\n"), "{told}");
    assert_snapshot!("results_are_a_file", told.split_once("--- err\n").unwrap().1);
    // What was computed is kept.
    std::fs::remove_file(bench.path("results")).unwrap();
    assert!(bench.ran("small.ron --only start").is_empty());
}

const ALBUM: &str = r#"Pipeline(name: "album", stages: {
    "photographs": Dataset(source: Listed(root: "album", list: "train.txt"), classes: Shapes),
})"#;

/// A pipeline over the folder `album` with images `a` to `e` of 48 x 40, their labels, and a list.
fn album() -> Bench {
    let bench = Bench::new();
    bench.write("album.ron", ALBUM);
    let mut list = String::new();
    for (i, id) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        let image = Rgb::from_fn(40, 48, |y, x| [(5 * y) as u8, (4 * x) as u8, 40 * i as u8]);
        let ids = Labels::from_fn(40, 48, |y, x| ((x + y) % 6) as u8);
        bench.write(&format!("album/{id}.jpg"), jpeg::encode(&image, 92, id).unwrap());
        bench.write(&format!("album/{id}.png"), labels::encode_grey(&ids, id).unwrap());
        list += &format!("/{id}.jpg /{id}.png\n");
    }
    bench.write("album/train.txt", list);
    bench
}

fn run(bench: &Bench) -> String {
    bench.told(&format!("run album.ron --data album={}", bench.path("album").display()))
}

/// The same without what depends on how long a run took, and without what each failed run ends with.
fn failure(bench: &Bench) -> String {
    timeless(&run(bench))
}

fn timeless(told: &str) -> String {
    let is_end = |line: &&str| line.starts_with("Failed after ") || line.starts_with("Next: ");
    told.lines().filter(|line| !is_end(line)).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_sound_album_passes() {
    assert!(run(&album()).starts_with("exit code 0"));
}

#[test]
fn data_roots() {
    assert_snapshot!("root_unknown", album().told("run album.ron"));
    let bench = album();
    std::fs::remove_file(bench.path("album/train.txt")).unwrap();
    assert_snapshot!("root_without_list", run(&bench));
    let bench = album();
    bench.edit("album.ron", "Listed(root: \"album\", list: \"train.txt\")", "Voc2012(root: \"album\", list: TrainAug)");
    assert_snapshot!("root_is_no_voc", run(&bench));
}

#[test]
fn lists() {
    let bench = album();
    bench.write(
        "album/train.txt",
        "/a.jpg /a.png\n/b.jpg\n\n/c.jpg /c.png extra\n../d.jpg /d.png\n/x/a.jpg /e.png\n//e.jpg ./e.png\n",
    );
    assert_snapshot!("list_several_faults", run(&bench));
    bench.write("album/train.txt", "\n  \n");
    assert_snapshot!("list_empty", run(&bench));
    bench.write("album/train.txt", b"/a.jpg /\xff.png\n");
    assert_snapshot!("list_not_utf8", run(&bench));
    bench.write("album/train.txt", "/a.jpg /a.png\n/gone.jpg /b.png\n/c.jpg /gone.png\n");
    assert_snapshot!("list_missing_files", run(&bench));
    let bench = album();
    bench.edit("album.ron", "classes: Shapes", "classes: Shapes, expect: [(count: 7, digest: \"0000000000000000000000000000000000000000000000000000000000000000\")]");
    assert_snapshot!("list_unexpected_count", run(&bench));
    bench.edit("album.ron", "count: 7", "count: 5");
    assert_snapshot!("list_unexpected_digest", run(&bench));
}

#[test]
fn images() {
    let bench = album();
    let whole = std::fs::read(bench.path("album/a.jpg")).unwrap();
    bench.write("album/a.jpg", &whole[..whole.len() / 2]);
    bench.write("album/b.jpg", "GIF89a");
    bench.write("album/c.jpg", "");
    let other = Rgb::from_fn(41, 48, |_, _| [1, 2, 3]);
    bench.write("album/d.jpg", jpeg::encode(&other, 92, "d").unwrap());
    assert_snapshot!("images_truncated_other_empty_and_other_size", failure(&bench));
}

/// A PNG of 48 x 40 with 16 bits a sample.
fn deep() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 48, 40);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Sixteen);
    encoder.write_header().unwrap().write_image_data(&[0; 48 * 40 * 2]).unwrap();
    bytes
}

#[test]
fn label_files() {
    let bench = album();
    let colours = Rgb::from_fn(40, 48, |_, _| [128, 0, 0]);
    bench.write("album/a.png", labels::encode_rgb(&colours, "a").unwrap());
    let ids = Labels::from_fn(40, 48, |y, _| if y == 3 { 9 } else { 255 });
    bench.write("album/b.png", labels::encode_grey(&ids, "b").unwrap());
    bench.write("album/c.png", deep());
    let whole = std::fs::read(bench.path("album/d.png")).unwrap();
    bench.write("album/d.png", &whole[..whole.len() - 20]);
    bench.write("album/e.png", "PNG?");
    assert_snapshot!("labels_colours_ids_depth_truncated_and_other", failure(&bench));
}

#[test]
fn images_and_labels_and_a_list_at_once() {
    let bench = album();
    bench.write("album/a.jpg", "not an image");
    bench.write("album/a.png", "not a label");
    std::fs::remove_file(bench.path("album/b.jpg")).unwrap();
    std::fs::remove_file(bench.path("album/c.png")).unwrap();
    assert_snapshot!("several_files_at_once", failure(&bench));
}

#[test]
fn archives() {
    let bench = album();
    let archive = |digest: &str| {
        ALBUM.replace(
            "root: \"album\"",
            &format!("archives: [(file: \"album:photos.tar\", digest: {digest}, folder: \"photos\")]"),
        )
    };
    bench.write("album.ron", archive("None"));
    assert_snapshot!("archive_missing", run(&bench));
    bench.write("album/photos.tar", "this is no archive at all, but a text of some length. ".repeat(20));
    assert_snapshot!("archive_is_none", failure(&bench));
    bench.write("album.ron", archive("\"0000000000000000000000000000000000000000000000000000000000000000\""));
    assert_snapshot!("archive_digest", failure(&bench));
    bench.write("album.ron", archive("\"zero\""));
    assert_snapshot!("archive_digest_is_none", run(&bench));
}

const IMPORT: &str = r#"Pipeline(name: "import", stages: {
    "start": Weights(encoder: Tiny, source: Safetensors(file: "start.safetensors")),
})"#;

/// The tensors of the Tiny encoder, drawn by the tool itself.
fn drawn() -> BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)> {
    let bench = Bench::small();
    bench.ran("small.ron --only start");
    let bytes = std::fs::read(bench.object(&bench.digests()["start.weights"])).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let entry =
        |(name, view): (String, TensorView<'_>)| (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()));
    file.tensors().into_iter().map(entry).collect()
}

fn safetensors(tensors: &BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>) -> Vec<u8> {
    let views = tensors
        .iter()
        .map(|(name, (dtype, shape, data))| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn weights() {
    let told = |content: &[u8]| {
        let bench = Bench::new();
        bench.write("import.ron", IMPORT);
        bench.write("start.safetensors", content);
        timeless(&bench.told("run import.ron"))
    };
    let mut tensors = drawn();
    let whole = safetensors(&tensors);
    assert!(told(&whole).starts_with("exit code 0"));
    assert_snapshot!("weights_truncated", told(&whole[..whole.len() / 2]));
    assert_snapshot!("weights_other_file", told(b"import torch"));
    assert_snapshot!("weights_empty", told(b""));

    let names: Vec<String> = tensors.keys().cloned().collect();
    let convolutions: Vec<&String> = names.iter().filter(|name| tensors[*name].1.len() == 4).collect();
    let (shape, gone, nan, kept) = (convolutions[0], convolutions[1], convolutions[2], convolutions[3]);
    tensors.get_mut(shape).unwrap().1.reverse();
    let removed = tensors.remove(gone).unwrap();
    tensors.get_mut(nan).unwrap().2[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
    tensors.insert("something/else".to_owned(), (Dtype::F32, vec![1], vec![0; 4]));
    assert_snapshot!("weights_shape_missing_and_nan", told(&safetensors(&tensors)));
    let integers = tensors[kept].1.iter().product::<usize>() * 2;
    tensors.insert(gone.clone(), removed);
    tensors.insert(kept.clone(), (Dtype::I16, tensors[kept].1.clone(), vec![0; integers]));
    assert_snapshot!("weights_dtype", told(&safetensors(&tensors)));

    let bench = Bench::new();
    bench.write("import.ron", IMPORT);
    assert_snapshot!("weights_no_file", bench.told("run import.ron"));
}

#[test]
fn stages_that_do_not_fit_each_other() {
    let told = |edits: &[(&str, &str)]| {
        let bench = Bench::new();
        bench.write("small.ron", SMALL);
        edits.iter().for_each(|(old, new)| bench.edit("small.ron", old, new));
        timeless(&bench.told("run small.ron --only train"))
    };
    assert_snapshot!("fit_classes", told(&[("classes: 6", "classes: 5")]));
    let diverging = [("iterations: 2, steps: 3", "steps: 40, optimizer: Sgd(lr: 1e30)")];
    let told = told(&diverging);
    assert!(told.starts_with("exit code 7\n"), "{told}");
    assert!(told.contains("not finite") && told.contains("hint: "), "{told}");

    let bench = album();
    bench.edit("album.ron", "list: \"train.txt\"", "list: \"test.txt\", labels: false");
    bench.write("album/test.txt", "/a.jpg\n/b.jpg\n");
    assert!(run(&bench).starts_with("exit code 0"));
    bench.edit("album.ron", "\n})", "\n    \"start\": Weights(encoder: Tiny, source: Seeded()),\n    \"train\": Train(data: \"run:latest/photographs\", weights: \"start\", model: DeepLabV2(encoder: Tiny, classes: 6), steps: 1, batch: 2, crop: (33, 33)),\n})");
    let told = failure(&bench);
    let told = told.split_once("train: ").unwrap().1;
    // Behind it stands which run was taken, with its time.
    assert_snapshot!("fit_no_labels", told.split("--- err").next().unwrap().trim_end());
}
