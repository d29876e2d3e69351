//! Cityscapes through the command line, from its tree to what its evaluation server takes.

use repro::ml::data::labels::{Coding, decode, encode_grey, encode_rgb};
use repro::ml::data::{Labels, Rgb, cityscapes, photo};

use crate::harness::{Bench, files};

const STREETS: &str = r#"Pipeline(
    name: "streets",
    stages: {
        "fine": Dataset(source: Cityscapes(root: "cityscapes", list: TrainFine), classes: Cityscapes),
        "coarse": Dataset(source: Cityscapes(root: "cityscapes", list: TrainCoarse), classes: Cityscapes),
        "test": Dataset(source: Cityscapes(root: "cityscapes", list: Test), classes: Cityscapes),
        "start": Weights(encoder: Tiny, source: Seeded(encoder: Stable, seed: 1)),
        "train": Train(
            data: "fine", weights: "start",
            model: DeepLabV2(encoder: Tiny, classes: 19),
            steps: 2, batch: 2, crop: (33, 33), seed: 1,
        ),
        "validate": Validate(model: "train", data: "coarse"),
        "predict": Predict(model: "train", data: "test", inference: (flip: true)),
    },
)
"#;

/// A small tree in Cityscapes' form: two training images with fine and coarse labels, and a test image.
fn streets() -> Bench {
    let bench = Bench::new();
    bench.write("streets.ron", STREETS);
    let image = |n: usize| Rgb::from_fn(34, 50, |y, x| [(7 * y) as u8, (5 * x) as u8, 80 * n as u8]);
    for (n, (split, id)) in
        [("train", "aachen_000000_000019"), ("train", "ulm_000000_000019"), ("test", "bonn_000001_000019")]
            .into_iter()
            .enumerate()
    {
        let city = id.split('_').next().unwrap();
        let write = |path: String, bytes: Vec<u8>| bench.write(&format!("data/{path}"), bytes);
        write(format!("leftImg8bit/{split}/{city}/{id}_leftImg8bit.png"), encode_rgb(&image(n), id).unwrap());
        for kind in ["gtFine", "gtCoarse"].into_iter().filter(|_| split == "train") {
            let ids = Labels::from_fn(34, 50, |y, x| if kind == "gtFine" { ((y + x) % 34) as u8 } else { 7 });
            write(format!("{kind}/{split}/{city}/{id}_{kind}_labelIds.png"), encode_grey(&ids, id).unwrap());
        }
    }
    bench
}

fn run(bench: &Bench, more: &str) -> String {
    format!("run streets.ron --data cityscapes={} {more}", bench.path("data").display())
}

#[test]
fn cityscapes_goes_from_its_tree_to_its_server() {
    let bench = streets();
    bench.ok(&run(&bench, ""));
    let results = bench.path("results");
    let made = files(&results);
    let picture = |end: &str| {
        let path = made.iter().find(|path| path.ends_with(end)).unwrap_or_else(|| panic!("{end}: {made:?}"));
        std::fs::read(results.join(path)).unwrap()
    };
    let id = "bonn_000001_000019_leftImg8bit";
    let ids = decode(&picture(&format!("prediction/{id}_mask.png")), "mask").unwrap();
    assert_eq!(ids.size(), (34, 50));
    let label_ids = picture(&format!("label_ids/{id}_labelIds.png"));
    assert_eq!(Coding::CityscapesLabelIds.decode(&label_ids, "label ids").unwrap(), ids);
    let colors: Vec<[u8; 3]> = cityscapes::classes().map(|label| label.color).collect();
    let visual = photo::decode(&picture(&format!("visual_prediction/{id}_mask_visual.png")), "visual").unwrap();
    assert_eq!(visual, ids.map(|id| colors[usize::from(id)]));
    let mask = photo::decode(&picture(&format!("prediction/{id}_mask.png")), "mask").unwrap();
    assert_eq!(mask, visual);
    let overlay = photo::decode(&picture(&format!("overlay/{id}_overlay.png")), "overlay").unwrap();
    assert_eq!(overlay.size(), visual.size());
}

#[test]
fn a_test_list_is_not_validated_on() {
    let bench = streets();
    bench.edit("streets.ron", "data: \"coarse\"", "data: \"test\"");
    let answer = bench.call(&run(&bench, "--only validate"));
    assert_eq!(answer.code, Some(2));
    assert!(answer.all().contains("The data set `test` has images only, but labels are needed here."), "{answer:?}");
}

#[test]
fn labels_of_another_kind_are_refused() {
    let bench = streets();
    let digest = "0000000000000000000000000000000000000000000000000000000000000000";
    let expect = format!("list: TrainFine), expect: [(labels: \"gtCoarse\", count: 2, digest: \"{digest}\")]");
    bench.edit("streets.ron", "list: TrainFine)", &expect);
    let answer = bench.call(&run(&bench, "--only fine"));
    assert!(answer.err.contains("The set has 0 ids with labels in `gtCoarse`"), "{answer:?}");

    let bench = streets();
    bench.edit(
        "streets.ron",
        "classes: Cityscapes),\n        \"coarse\"",
        "classes: Voc, ignore: 254),\n        \"coarse\"",
    );
    let answer = bench.call(&run(&bench, "--only fine"));
    assert!(answer.err.contains("Cityscapes has 19 classes, not 21."), "{answer:?}");
    assert!(answer.err.contains("become 255, not 254."), "{answer:?}");
}
