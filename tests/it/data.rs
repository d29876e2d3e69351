//! Cityscapes through the command line, from its tree to what its evaluation server takes.

use repro::ml::data::labels::{Coding, decode, encode_grey, encode_rgb};
use repro::ml::data::{Labels, Rgb, cityscapes, jpeg, photo};

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

const ALBUM: &str = r#"Pipeline(
    name: "album",
    stages: {
        "set": Dataset(source: Listed(root: "album", list: "list.txt"), classes: Named(names: ["sky", "ground"])),
    },
)
"#;

/// A photograph that states an EXIF orientation.
fn stating(image: &Rgb, number: u8) -> Vec<u8> {
    let plain = jpeg::encode(image, 95, "x").unwrap();
    let entry = [0x12, 0x01, 3, 0, 1, 0, 0, 0, number, 0, 0, 0];
    let tiff = [b"II*\0\x08\0\0\0\x01\0".as_slice(), &entry, &[0; 4]].concat();
    let exif = [b"Exif\0\0".as_slice(), &tiff].concat();
    [&plain[..2], &[0xff, 0xe1], &(exif.len() as u16 + 2).to_be_bytes(), &exif, &plain[2..]].concat()
}

/// A data set of two photographs with labels; the first is stored on its side, and its label stands upright.
fn album(size: (usize, usize)) -> Bench {
    let bench = Bench::new();
    bench.write("album.ron", ALBUM);
    let image = |(height, width): (usize, usize)| Rgb::from_fn(height, width, |y, x| [(6 * y) as u8, (4 * x) as u8, 9]);
    bench.write("data/a.jpg", stating(&image(size), 6));
    bench.write("data/b.jpg", jpeg::encode(&image((40, 40)), 95, "b").unwrap());
    let label = |(height, width)| encode_grey(&Labels::from_fn(height, width, |y, _| u8::from(y > 9)), "x").unwrap();
    bench.write("data/a.png", label((size.1, size.0)));
    bench.write("data/b.png", label((40, 40)));
    bench.write("data/list.txt", "/a.jpg /a.png\n/b.jpg /b.png\n");
    bench
}

/// A model that is drawn, and what uses it on the album.
const NET: &str = r#"
        "drawn": Weights(encoder: Tiny, source: Seeded(seed: 3, classes: Some(2))),
        "net": Model(weights: "drawn", model: DeepLabV2(encoder: Tiny, classes: 2)),
        "show": Predict(model: "net", data: "set"),
        "judged": Validate(model: "net", data: "set"),"#;

const ALBUM_RUN: &str = "run album.ron --data album=data";

#[test]
fn an_orientation_explains_a_difference_of_sizes_and_is_applied_on_request() {
    let bench = album((30, 50));
    let answer = bench.call(ALBUM_RUN);
    assert_eq!(answer.code, Some(4));
    assert!(answer.all().contains("The image states the EXIF orientation 6"), "{answer:?}");
    assert!(answer.all().contains("`orientation: Apply`"), "{answer:?}");
    let set = "names: [\"sky\", \"ground\"])";
    bench.edit("album.ron", set, &format!("{set}, orientation: Apply"));
    let answer = bench.call(ALBUM_RUN);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(!answer.all().contains("EXIF"), "{answer:?}");
    let index = std::fs::read_to_string(bench.path("results/album/set/index.csv")).unwrap();
    let rows: Vec<&str> = index.lines().collect();
    assert!(rows[0].contains("orientation") && rows[1].contains(",50,30,"), "{index}");
    // Whoever reads the index turns the image too.
    bench.edit("album.ron", "    },\n)", &format!("{NET}\n    }},\n)"));
    bench.ok(ALBUM_RUN);
    let mask = std::fs::read(bench.path("results/album/show/prediction/a_mask.png")).unwrap();
    assert_eq!(decode(&mask, "a").unwrap().size(), (50, 30));
}

#[test]
fn an_orientation_that_changes_no_size_is_warned_of() {
    let bench = album((50, 50));
    let answer = bench.call(ALBUM_RUN);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert_eq!(answer.all().matches("1 of 2 images state an EXIF orientation").count(), 1, "{answer:?}");
    let index = std::fs::read_to_string(bench.path("results/album/set/index.csv")).unwrap();
    assert!(!index.contains("orientation"), "{index}");
}

#[test]
fn masks_of_colours_are_read_where_their_colours_are_stated() {
    let bench = album((50, 50));
    let mask = |ids: [u8; 3]| Rgb::from_fn(50, 50, |y, _| if y < 10 { ids } else { [0, 128, 0] });
    bench.write("data/a.png", encode_rgb(&mask([0, 0, 200]), "a").unwrap());
    let answer = bench.call(ALBUM_RUN);
    assert_eq!(answer.code, Some(4));
    assert!(answer.all().contains("RGB colours of 8 bits") && answer.all().contains("`colours: {"), "{answer:?}");

    let set = "names: [\"sky\", \"ground\"])";
    let stated = |colours: &str| {
        let bench = album((50, 50));
        bench.write("data/a.png", encode_rgb(&mask([0, 0, 200]), "a").unwrap());
        let label = Rgb::from_fn(40, 40, |y, _| if y < 4 { [255; 3] } else { [0, 128, 0] });
        bench.write("data/b.png", encode_rgb(&label, "b").unwrap());
        bench.edit("album.ron", set, &format!("{set}, colours: {{{colours}}}"));
        bench
    };
    let bench = stated(r##""0, 0, 200": "sky", "#008000": "1", "#ffffff": "ignore""##);
    bench.ok(ALBUM_RUN);
    let index = std::fs::read_to_string(bench.path("results/album/set/index.csv")).unwrap();
    assert!(index.contains(",50,50,0,500,2000") && index.contains(",40,40,160,0,1440"), "{index}");
    bench.edit("album.ron", "    },\n)", &format!("{NET}\n    }},\n)"));
    bench.ok(ALBUM_RUN);
    let judged = std::fs::read_to_string(bench.path("results/album/judged/classes.csv")).unwrap();
    let at = judged.lines().next().unwrap().split(',').position(|name| name == "truth").unwrap();
    let truth: Vec<&str> = judged.lines().skip(1).map(|line| line.split(',').nth(at).unwrap()).collect();
    assert_eq!(truth, ["500", "3440"], "{judged}");
    // The classes are shown in the colours of the masks.
    let shown = std::fs::read(bench.path("results/album/show/visual_prediction/a_mask_visual.png")).unwrap();
    let shown = photo::decode(&shown, "a").unwrap();
    assert!(shown.pixels().iter().all(|pixel| [[0, 0, 200], [0, 128, 0]].contains(pixel)));

    let bench = stated(r##""0, 0, 200": "sky", "#008000": "1""##);
    let answer = bench.call(ALBUM_RUN);
    assert_eq!(answer.code, Some(4));
    assert!(answer.all().contains("#ffffff (160 pixels, first at row 0, column 0)"), "{answer:?}");

    let bench = stated(r##""0, 0, 300": "sky", "#008000": "grund", "0 128 0": "ground""##);
    let answer = bench.call(ALBUM_RUN);
    assert_eq!(answer.code, Some(2));
    for told in ["`0, 0, 300` is no colour", "`grund` is no class", "are the same colour"] {
        assert!(answer.all().contains(told), "{told}: {answer:?}");
    }
}
