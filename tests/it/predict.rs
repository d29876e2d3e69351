//! `repro predict`: pictures without a pipeline.

use repro::ml::data::labels::{decode, encode_grey};
use repro::ml::data::{Labels, Rgb, jpeg};

use crate::harness::{Bench, files};

const PIPELINE: &str = r#"Pipeline(
    name: "m",
    stages: {
        "set": Dataset(source: Listed(root: "album", list: "list.txt"), classes: Named(names: ["a", "b", "c"])),
        "drawn": Weights(encoder: Tiny, source: Seeded(seed: 3, classes: Some(3))),
        "net": Model(weights: "drawn", model: DeepLabV2(encoder: Tiny, classes: 3),
            classes: Some(Named(names: ["a", "b", "c"]))),
        "show": Predict(model: "net", data: "set"),
    },
)
"#;

/// A run with a model that predicted two photographs, in `photos/`.
fn predicted() -> Bench {
    let bench = Bench::new();
    bench.write("m.ron", PIPELINE);
    for (id, height, width) in [("one", 33, 50), ("two", 41, 30)] {
        let image = Rgb::from_fn(height, width, |y, x| [(7 * y) as u8, (5 * x) as u8, (y * x) as u8]);
        bench.write(&format!("photos/{id}.jpg"), jpeg::encode(&image, 90, id).unwrap());
        bench.write(&format!("photos/{id}.png"), encode_grey(&Labels::from_fn(height, width, |_, _| 1), id).unwrap());
    }
    bench.write("photos/list.txt", "/one.jpg /one.png\n/two.jpg /two.png\n");
    bench.ok("run m.ron --data album=photos");
    bench
}

/// The pictures below a folder, with their bytes.
fn pictures(bench: &Bench, folder: &str) -> Vec<(String, Vec<u8>)> {
    let root = bench.path(folder);
    let found: Vec<_> =
        files(&root).into_iter().map(|path| (path.clone(), std::fs::read(root.join(path)).unwrap())).collect();
    assert!(!found.is_empty(), "{folder}");
    found
}

#[test]
fn a_model_of_any_origin_gives_the_pictures_of_the_pipeline() {
    let bench = predicted();
    let published = bench.path("results/m/show");
    assert!(published.is_dir(), "{:?}", files(&bench.path("results")));
    let expected = pictures(&bench, "results/m/show");
    let of = |model: &str, out: &str| {
        bench.ok(&format!("predict {model} photos/one.jpg photos/two.jpg -o {out}"));
        pictures(&bench, out)
    };
    assert_eq!(of("net", "a"), expected);
    assert_eq!(of("m:net", "b"), expected);
    bench.ok("export latest run.tar.zst");
    assert_eq!(of("run.tar.zst", "c"), expected);
    assert_eq!(of("run.tar.zst:net", "d"), expected);
    let digests = bench.digests();
    std::fs::copy(bench.object(&digests["net.model"]), bench.path("net.safetensors")).unwrap();
    assert_eq!(of("net.safetensors", "e"), expected);
    // As a file of another program: it holds tensors, and does not say of which network.
    let weights = digests.iter().find(|(name, _)| name.starts_with("drawn.") && !name.contains("report")).unwrap();
    std::fs::copy(bench.object(weights.1), bench.path("other.safetensors")).unwrap();
    assert_eq!(of("other.safetensors", "f"), expected);
    // Under the names of the reference, which do not tell the dilations of the head.
    bench.ok("weights convert other.safetensors reference.npz --to Deeplab");
    assert_eq!(of("reference.npz", "g"), expected);
}

#[test]
fn images_come_from_folders_and_are_scaled_and_mirrored() {
    let bench = predicted();
    std::fs::remove_file(bench.path("photos/one.png")).unwrap();
    std::fs::remove_file(bench.path("photos/two.png")).unwrap();
    bench.write("photos/._one.jpg", "no image");
    bench.write("photos/Thumbs.db", "no image");
    bench.ok("predict net photos -o plain");
    bench.ok("predict net photos -o more --scales 1,0.75 --flip --threads 2 --oversubscribe");
    let (plain, more) = (pictures(&bench, "plain"), pictures(&bench, "more"));
    assert_eq!(plain.len(), 6, "{:?}", plain.iter().map(|(path, _)| path).collect::<Vec<_>>());
    assert_eq!(
        plain.iter().map(|(path, _)| path).collect::<Vec<_>>(),
        more.iter().map(|(path, _)| path).collect::<Vec<_>>()
    );
    for (path, bytes) in plain.iter().chain(&more).filter(|(path, _)| path.starts_with("prediction/")) {
        assert_eq!(decode(bytes, path).unwrap().size(), if path.contains("one") { (33, 50) } else { (41, 30) });
    }
}

#[test]
fn what_cannot_be_done_is_told_before_anything_is_written() {
    let bench = predicted();
    let told = |line: &str, code: i32, words: &[&str]| {
        let answer = bench.call(line);
        assert_eq!(answer.code, Some(code), "{line}: {answer:?}");
        for words in words {
            assert!(answer.err.contains(words), "{line}: {words}: {answer:?}");
        }
    };
    told(
        "predict nett photos/one.jpg -o out",
        2,
        &["has no model `nett`", "Models there: `net`", "There is no file `nett`"],
    );
    told("predict m~7:net photos/one.jpg -o out", 2, &[]);
    told("predict net photos/three.jpg -o out", 4, &["photos/three.jpg: There is no such file"]);
    told("predict net photos/one.jpg photos/one.png -o out", 2, &["would have the same pictures"]);
    told("predict net photos/one.jpg -o out --encoder Tiny", 2, &["for checkpoints of other programs"]);
    told("predict photos/one.jpg photos/one.jpg -o out", 4, &["photos/one.jpg"]);
    told("predict net photos/one.jpg -o out --encoder Large", 2, &["ResNet101"]);
    told("predict net photos/one.jpg -o out --geometry Round", 2, &["Torchvision"]);
    told("predict net photos/one.jpg -o out --scales 1,0", 2, &["above 0"]);
    assert!(!bench.path("out").exists());
    bench.ok("predict net photos/one.jpg -o out");
    told("predict net photos/one.jpg -o out", 2, &["3 pictures are there already", "--force"]);
    bench.ok("predict net photos/one.jpg -o out --force");
    // What is no image is told, and the others are predicted.
    bench.write("photos/bad.jpg", "GIF89a");
    told("predict net photos/bad.jpg photos/two.jpg -o next", 4, &["photos/bad.jpg: The image is a GIF file."]);
    assert_eq!(pictures(&bench, "next").len(), 3);
}
