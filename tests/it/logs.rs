//! What `Events`, `Curves` and `repro export` leave, held against the tables of the same run.

use std::collections::BTreeMap;

use repro::hash::Digest;
use repro::tensorboard::proto::event::What;
use repro::tensorboard::proto::value::Content;
use repro::tensorboard::{self, FILE};
use serde_json::Value as Json;

use crate::harness::{Bench, unpacked};

/// The small pipeline with its logs, for TensorBoard and as pictures.
fn bench() -> Bench {
    let bench = Bench::small();
    let logs = r#""events": Events(from: ["train", "validate"], data: "others", images: 1),
        "curves": Curves(from: ["train", "validate"]),
        "table": "#;
    bench.edit("small.ron", r#""table": "#, logs);
    bench
}

/// What an event file holds: figures by tag, and the tags and steps of pictures.
#[derive(Default)]
struct Logged {
    curves: BTreeMap<String, Vec<(i64, f32)>>,
    pictures: Vec<(String, i64)>,
    graphs: usize,
}

fn logged(bench: &Bench, folder: &str) -> Logged {
    let path = bench.newest("small").join("events").join(folder).join(FILE);
    let mut logged = Logged::default();
    for event in tensorboard::read(&std::fs::read(path).unwrap()).unwrap() {
        match event.what.unwrap() {
            What::Summary(summary) => {
                for value in summary.value {
                    match value.content.unwrap() {
                        Content::SimpleValue(figure) => {
                            logged.curves.entry(value.tag).or_default().push((event.step, figure));
                        }
                        Content::Image(image) => {
                            let mut decoder = png::Decoder::new(std::io::Cursor::new(&image.encoded_image_string));
                            let header = decoder.read_header_info().unwrap();
                            assert_eq!((header.height, header.width), (image.height as u32, image.width as u32));
                            logged.pictures.push((value.tag, event.step));
                        }
                    }
                }
            }
            What::GraphDef(_) => logged.graphs += 1,
            What::FileVersion(_) => {}
        }
    }
    logged
}

/// A column of a published table.
fn column(bench: &Bench, path: &str, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(bench.newest("small").join(path)).unwrap();
    let mut lines = text.lines().map(|line| line.split(','));
    let at = lines.next().unwrap().position(|column| column == name).unwrap();
    lines.map(|mut cells| cells.nth(at).unwrap().to_owned()).collect()
}

#[test]
fn events_hold_the_figures_of_the_tables() {
    let bench = bench();
    assert_eq!(bench.ran("small.ron").len(), 11);
    let train = logged(&bench, "train");
    assert_eq!(train.graphs, 1);
    for (tag, name) in
        [("loss", "loss"), ("mIoU", "mean_iou"), ("pixel_accuracy", "pixel_accuracy"), ("learning_rate", "rate")]
    {
        let tables = ["train/1/steps.csv", "train/2/steps.csv"];
        let figures = tables.iter().flat_map(|table| column(&bench, table, name));
        let expected: Vec<(i64, f32)> = (0..).zip(figures.map(|cell| cell.parse::<f64>().unwrap() as f32)).collect();
        assert_eq!(expected.len(), 6);
        assert_eq!(train.curves[tag], expected, "{tag}");
    }
    let validation = logged(&bench, "validation");
    for (at, step) in [3, 6].into_iter().enumerate() {
        let folder = format!("validate/{}", at + 1);
        let points = |tag: &str| validation.curves.get(tag).into_iter().flatten();
        let figure = |tag: &str| points(tag).find(|(s, _)| *s == step).map(|(_, value)| *value);
        for (tag, name) in
            ["cross_entropy", "pixel_accuracy"].map(|name| (name, name)).into_iter().chain([("mIoU", "mean_iou")])
        {
            let cell = &column(&bench, &format!("{folder}/summary.csv"), name)[0];
            assert_eq!(figure(tag), Some(cell.parse::<f64>().unwrap() as f32), "{tag}");
        }
        for (phase, curves) in [("train", &train.curves), ("validate", &validation.curves)] {
            let classes = format!("{phase}/{}/classes.csv", at + 1);
            for (class, iou) in column(&bench, &classes, "name").iter().zip(column(&bench, &classes, "iou")) {
                let points = curves.get(&format!("IoU/{class}")).into_iter().flatten();
                let figure = points.copied().find(|(s, _)| *s == step).map(|(_, value)| value);
                assert_eq!(figure, iou.parse::<f64>().ok().map(|iou| iou as f32), "{phase} {class}");
            }
        }
    }
    let id = &column(&bench, "others/index.csv", "id")[0];
    let expected = [("input", 3), ("label", 3), ("prediction", 3), ("prediction", 6)];
    assert_eq!(logged(&bench, "pictures").pictures, expected.map(|(tag, step)| (format!("{tag}/{id}"), step)));
    for name in ["loss", "miou"] {
        let svg = std::fs::read_to_string(bench.path(&format!("results/small/curves/{name}.svg"))).unwrap();
        // Text is outlines; the first series is blue.
        assert!(svg.starts_with("<svg") && svg.contains("stroke=\"#1c2ffb\"") && !svg.contains("<text"), "{svg}");
    }
}

#[test]
fn several_trainings_have_folders_of_their_own() {
    let bench = bench();
    bench.ran("small.ron");
    let events = r#"events.from=["train","run:small/train","validate","train[2]"]"#;
    assert_eq!(bench.ran(&format!("small.ron --set {events} --set events.images=2")), ["events"]);
    let name = "Tiny_Average_seed_1";
    let numbered = |number: u32| match number {
        1 => format!("train/{name}"),
        n => format!("train/{name}_{n}"),
    };
    let steps = [1, 2, 3].map(|number| {
        let loss = &logged(&bench, &numbered(number)).curves["loss"];
        (loss[0].0, loss.len())
    });
    assert_eq!(steps, [(0, 6), (0, 6), (3, 3)]);
    assert_eq!(logged(&bench, "validation").curves["mIoU"].len(), 2);
    assert_eq!(logged(&bench, &format!("pictures/{name}_3")).pictures.len(), 6);
}

#[test]
fn every_cell_of_a_matrix_has_a_folder_of_its_own() {
    let bench = bench();
    bench.edit(
        "small.ron",
        "stages: {",
        r#"matrix: (axes: { "seed": (set: ["train.seed"], values: [1, 2]) }), stages: {"#,
    );
    bench.edit("small.ron", "iterations: 2, steps: 3", "iterations: 2, steps: 1");
    bench.ran("small.ron");
    for seed in [1, 2] {
        let loss = &logged(&bench, &format!("train/seed={seed}")).curves["loss"];
        assert_eq!(loss.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(logged(&bench, &format!("validation/seed={seed}")).curves["mIoU"].len(), 2);
        assert_eq!(logged(&bench, &format!("pictures/seed={seed}")).pictures.len(), 4);
    }
    let svg = std::fs::read_to_string(bench.path("results/small/curves/loss.svg")).unwrap();
    for colour in ["#1c2ffb", "#c38600"] {
        assert!(svg.contains(colour), "each seed has a colour: {svg}");
    }
}

#[test]
fn logs_have_the_same_bytes_whatever_the_threads() {
    let run = |threads: &str| {
        let bench = bench();
        bench.ran(&format!("small.ron --oversubscribe --threads {threads}"));
        bench
            .digests()
            .into_iter()
            .filter(|(name, _)| name.starts_with("events.") || name.starts_with("curves."))
            .collect::<Vec<_>>()
    };
    let one = run("1");
    assert_eq!(one.len(), 3);
    assert_eq!(one, run("3"));
}

#[test]
fn an_archive_holds_what_its_manifest_says() {
    let bench = bench();
    bench.ran("small.ron");
    let said = bench.ok("export small out/small.tar.zst");
    assert!(said.starts_with("out/small.tar.zst: "), "{said}");
    let files = unpacked(&bench, "out/small.tar.zst");
    assert_eq!(files[0].0, "small/manifest.json");
    let manifest: Json = serde_json::from_slice(&files[0].1).unwrap();
    let listed = manifest["files"].as_array().unwrap();
    assert_eq!(listed.len(), files.len() - 1);
    for (entry, (path, bytes)) in listed.iter().zip(&files[1..]) {
        assert_eq!(&format!("small/{}", entry["path"].as_str().unwrap()), path);
        assert_eq!(
            (entry["blake3"].as_str().unwrap(), entry["bytes"].as_u64().unwrap()),
            (Digest::of(bytes).to_string().as_str(), bytes.len() as u64),
            "{path}"
        );
    }
    let origin = |path: &str| {
        let entry = listed.iter().find(|entry| entry["path"] == path).unwrap_or_else(|| panic!("no {path}"));
        (entry["node"].clone(), entry["output"].clone())
    };
    assert_eq!(origin("train/2/model.safetensors"), ("train[2]".into(), "model".into()));
    assert_eq!(origin("train/1/log.txt"), ("train[1]".into(), "log".into()));
    assert_eq!(origin("validate/1/summary.csv"), ("validate[1]".into(), "summary".into()));
    assert_eq!(origin(&format!("events/train/{FILE}")), ("events".into(), "events".into()));
    assert_eq!(origin("pipeline.ron"), (Json::Null, Json::Null));
    assert_eq!(origin("log.txt"), (Json::Null, Json::Null));
    // Everything below `results/` is there as it is there, but for what lists it.
    let content: BTreeMap<&str, &Vec<u8>> = files.iter().map(|(path, bytes)| (path.as_str(), bytes)).collect();
    for name in crate::harness::files(&bench.path("results/small")) {
        if name != "manifest.json" {
            let published = std::fs::read(bench.path("results/small").join(&name)).unwrap();
            assert_eq!(content.get(format!("small/{name}").as_str()), Some(&&published), "{name}");
        }
    }
    let record: Json = serde_json::from_slice(content["small/run.json"]).unwrap();
    assert_eq!(record["id"], manifest["run"]);
}

#[test]
fn an_archive_of_a_run_has_the_same_bytes_each_time() {
    let bench = bench();
    bench.ran("small.ron");
    bench.ok("export latest a.tar.zst");
    bench.ok("export latest b.tar.zst");
    let bytes = |name: &str| std::fs::read(bench.path(name)).unwrap();
    assert_eq!(bytes("a.tar.zst"), bytes("b.tar.zst"));
    bench.ok("export latest a.tar.zst --force --without-checkpoints");
    let names = |name: &str| unpacked(&bench, name).into_iter().map(|(path, _)| path).collect::<Vec<_>>();
    let models = |name: &str| names(name).iter().filter(|path| path.ends_with("model.safetensors")).count();
    assert_eq!(
        (models("a.tar.zst"), models("b.tar.zst"), names("b.tar.zst").len() - names("a.tar.zst").len()),
        (0, 2, 2)
    );
}

#[test]
fn what_cannot_be_exported_is_told() {
    let bench = Bench::small();
    assert_eq!(bench.call("export nothing x.tar.zst").code, Some(2));
    bench.ran("small.ron");
    bench.write("x.tar.zst", "mine");
    let answer = bench.call("export latest x.tar.zst");
    assert!(answer.code == Some(2) && answer.err.contains("`x.tar.zst` is there already"), "{answer:?}");
    // A disk that fills up leaves the old file, and nothing beside it.
    for failpoint in ["export:write@1=full", "export:sync@1=full", "export:rename@1=full"] {
        let answer = bench.call_failing("export latest x.tar.zst --force", failpoint);
        assert!(answer.code == Some(5) && answer.err.contains("Free some space"), "{failpoint}: {answer:?}");
        assert_eq!(std::fs::read(bench.path("x.tar.zst")).unwrap(), b"mine");
        assert!(
            crate::harness::files(&bench.path("")).iter().all(|name| !name.ends_with(".tmp") || name.contains('/'))
        );
    }
    // An object that is gone, and one that is damaged.
    let model = bench.object(&bench.digests()["train[2].model"]);
    let whole = std::fs::read(&model).unwrap();
    std::fs::remove_file(&model).unwrap();
    let answer = bench.call("export latest y.tar.zst");
    assert!(
        answer.code == Some(5) && answer.err.contains("is missing") && answer.err.contains("repro run"),
        "{answer:?}"
    );
    std::fs::write(&model, &whole[1..]).unwrap();
    let answer = bench.call("export latest y.tar.zst");
    assert!(answer.code == Some(5) && answer.err.contains("is damaged"), "{answer:?}");
    assert!(!bench.path("y.tar.zst").exists());
}
