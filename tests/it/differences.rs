//! What `repro diff` says of figures, seeds, single stages, archives and several runs.

use serde_json::Value as Json;

use crate::diff::{diff, paths};
use crate::harness::Bench;

/// Three trainings with other seeds, validated on eight scenes: they predict different things.
const SEEDS: &str = r#"Pipeline(
    name: "average",
    matrix: (axes: {"again": (set: ["train.seed"], values: [1, 2, 3])}),
    stages: {
        "pictures": Dataset(source: Shapes(images: 4, seed: 7, size: (48, 40)), classes: Shapes),
        "others": Dataset(source: Shapes(images: 8, seed: 7, first: 100, size: (48, 40)), classes: Shapes),
        "start": Weights(encoder: Tiny, source: Seeded(encoder: Stable, seed: 1)),
        "train": Train(
            data: "pictures", weights: "start",
            model: DeepLabV2(encoder: Tiny, classes: 6, prefilter: Average()),
            iterations: 1, steps: 6, batch: 1, crop: (33, 33), seed: 1, optimizer: Sgd(lr: 0.1),
        ),
        "validate": Validate(model: "train", data: "others"),
        "erf": Erf(model: "train", data: "others", images: 2),
    },
)
"#;

/// The pipeline with Average, and one with Regular.
fn seeds() -> Bench {
    let bench = Bench::new();
    bench.write("average.ron", SEEDS);
    bench.write("regular.ron", SEEDS.replace("\"average\"", "\"regular\"").replace("Average()", "Regular"));
    bench.ran("regular.ron");
    bench.ran("average.ron");
    bench
}

fn number(value: &Json) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Whether a tested difference holds together: its interval holds it, and holds 0 where it may be chance.
fn is_sound(against: &Json) {
    let difference = number(&against["difference"]);
    // An end that is not there is infinite: so few images cannot settle so many differences.
    let low = against["low"].as_f64().unwrap_or(f64::NEG_INFINITY);
    let high = against["high"].as_f64().unwrap_or(f64::INFINITY);
    assert!(low <= difference && difference <= high, "{against}");
    let [p, corrected] = ["p", "p_corrected"].map(|name| number(&against[name]));
    assert!((0.0..=1.0).contains(&p) && p <= corrected && corrected <= 1.0, "{against}");
    let beyond = against["beyond_chance"] == true;
    assert_eq!(beyond, corrected < 0.05, "{against}");
    assert_eq!(beyond, low > 0.0 || high < 0.0, "{against}");
}

#[test]
fn methods_are_compared_over_seeds_and_models_by_images() {
    let bench = seeds();
    let (code, found) = diff(&bench, "regular average");
    assert_eq!(code, Some(1));
    assert_eq!(found["causes"], Json::from(vec!["train.model.prefilter"]));
    let methods = found["methods"].as_array().unwrap();
    let names: Vec<_> =
        methods.iter().map(|row| (row["path"].as_str().unwrap(), row["figure"].as_str().unwrap())).collect();
    assert!(names.starts_with(&[("validate", "mean_iou"), ("validate", "pixel_accuracy")]), "{names:?}");
    for row in methods {
        assert_eq!(row["trainings"], Json::from(vec![3, 3]));
        let against = &row["against"][0];
        is_sound(against);
        assert!(against["note"].as_str().unwrap().contains("3 shared seeds and 8 images"), "{against}");
    }
    let verdict = found["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("`train.model.prefilter` alone differs (Regular -> Average(learned: true)), and "));
    assert!(
        verdict.contains("mean IoU of `validate`: ") && verdict.ends_with(", over 3 shared seeds and 8 images."),
        "{verdict}"
    );
    assert!(!verdict.contains("trained models"), "{verdict}");
    // The figures of the single trainings stand with their own tests.
    let figures = found["figures"].as_array().unwrap();
    assert!(figures.iter().any(|row| row["path"] == "validate[again=2]" && row["figure"] == "mean_iou"), "{figures:?}");
    let tested: Vec<&Json> =
        figures.iter().map(|row| &row["against"][0]).filter(|against| against["family"] != 0).collect();
    assert!(!tested.is_empty());
    for against in tested {
        is_sound(against);
        assert!(against["note"].as_str().unwrap().starts_with("8 images, "), "{against}");
    }
}

#[test]
fn two_seeds_are_told_as_two_models_and_not_as_methods() {
    let bench = seeds();
    let (code, found) = diff(&bench, "average/validate[again=1] average/validate[again=2]");
    assert_eq!(code, Some(1));
    assert_eq!(paths(&found["parameters"]), ["train.seed"]);
    let verdict = found["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("`train.seed` alone differs (1 -> 2), and "), "{verdict}");
    assert!(verdict.ends_with(", of these two trained models, not of the methods."), "{verdict}");
    assert!(verdict.contains(" points [") && verdict.contains(", p "), "{verdict}");
    assert_eq!(found["methods"], Json::from(Vec::<Json>::new()));
    let mean = &found["figures"][0];
    assert_eq!((mean["path"].as_str(), mean["figure"].as_str()), (Some("validate"), Some("mean_iou")));
    is_sound(&mean["against"][0]);
    let value = |run: usize| number(&mean["values"][run]);
    assert!((number(&mean["against"][0]["difference"]) - (value(1) - value(0))).abs() < 1e-12);

    // The classes stand by the size of their difference.
    let classes = found["classes"].as_array().unwrap();
    let effects: Vec<f64> =
        classes.iter().filter_map(|row| row["against"][0]["difference"].as_f64()).map(f64::abs).collect();
    assert!(classes.len() == 6 && effects.len() > 1 && effects.is_sorted_by(|a, b| a >= b), "{effects:?}");

    // What confusion moved agrees with the counts: no pixel of a class is gained or lost.
    let confusion = found["confusion"].as_array().unwrap();
    assert!(!confusion.is_empty());
    for row in confusion {
        let pixels = |run: usize| row["pixels"][run].as_i64().unwrap();
        assert_ne!(row["truth"], row["predicted"]);
        assert_eq!(row["differences"][0].as_i64().unwrap(), pixels(1) - pixels(0), "{row}");
    }

    // The weights of every layer but the frozen ones moved, and the list begins with the farthest.
    let distances: Vec<f64> =
        found["weights"].as_array().unwrap().iter().map(|row| number(&row["distances"][0])).collect();
    assert!(distances.len() > 10 && distances[0] > 0.0 && distances.is_sorted_by(|a, b| a >= b), "{distances:?}");
    assert!(found["weights"].as_array().unwrap().iter().all(|row| row["path"] == "train"));
}

#[test]
fn a_model_against_itself_differs_nowhere() {
    let bench = Bench::new();
    bench.write("average.ron", SEEDS.replace("[1, 2, 3]", "[1, 2]"));
    bench.ran("average.ron");
    for runs in
        ["average average", "average/validate average/validate", "average/train[again=1] average/train[again=1]"]
    {
        let (code, found) = diff(&bench, runs);
        assert_eq!((code, found["verdict"].as_str()), (Some(0), Some("Nothing differs.")), "{runs}: {found}");
        for row in found["figures"].as_array().unwrap().iter().chain(found["methods"].as_array().unwrap()) {
            let against = &row["against"][0];
            assert_eq!(
                (&against["difference"], &against["low"], &against["high"]),
                (&0.0.into(), &0.0.into(), &0.0.into())
            );
            assert_eq!((&against["p"], &against["beyond_chance"]), (&1.0.into(), &false.into()));
        }
        assert_eq!(found["weights"], Json::from(Vec::<Json>::new()));
    }
    assert!(bench.ok("diff average average").starts_with("Nothing differs.\n"));
}

#[test]
fn several_causes_are_said_to_be_several_and_runs_are_columns() {
    let bench = Bench::new();
    bench.write("one.ron", SEEDS.replace("\"average\"", "\"one\"").replace("[1, 2, 3]", "[1]"));
    bench.ran("one.ron");
    bench.ran("one.ron --set train.optimizer.lr=0.05");
    bench.ran("one.ron --set train.optimizer.lr=0.05 --set train.steps=5");
    let (code, found) = diff(&bench, "latest~2 latest");
    assert_eq!(code, Some(1));
    let verdict = found["verdict"].as_str().unwrap();
    let several = "2 things differ that could be the cause, `train.optimizer.lr` and `train.steps`, and ";
    assert!(verdict.starts_with(several), "{verdict}");
    // More than two runs: the first is the reference.
    let (code, found) = diff(&bench, "latest~2 latest~1 latest");
    assert_eq!(code, Some(1));
    let labels: Vec<&str> =
        found["runs"].as_array().unwrap().iter().map(|run| run["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["A", "B", "C"]);
    let steps =
        &found["parameters"].as_array().unwrap().iter().find(|row| row["path"] == "train[again=1].steps").unwrap();
    assert_eq!(steps["values"], Json::from(vec!["6", "6", "5"]));
    for row in found["figures"].as_array().unwrap() {
        assert_eq!((row["values"].as_array().unwrap().len(), row["against"].as_array().unwrap().len()), (3, 2));
        for at in 0..2 {
            let difference = number(&row["values"][at + 1]) - number(&row["values"][0]);
            assert!((number(&row["against"][at]["difference"]) - difference).abs() < 1e-12, "{row}");
        }
    }
    let text = bench.call("diff latest~2 latest~1 latest").out;
    for column in ["B - A", "C - A", "p B", "p C"] {
        assert!(text.contains(column), "{column} is no column: {text}");
    }
}

#[test]
fn an_archive_is_compared_as_the_run_it_was_made_of() {
    let bench = seeds();
    bench.ok("export average a.tar.zst");
    bench.ok("export average small.tar.zst --without-checkpoints");
    let (code, found) = diff(&bench, "average a.tar.zst");
    assert_eq!((code, found["verdict"].as_str()), (Some(0), Some("Nothing differs.")), "{found}");
    assert_eq!(found["runs"][1]["archive"], "a.tar.zst");
    let (_, of_store) = diff(&bench, "regular average");
    let (_, of_archive) = diff(&bench, "regular a.tar.zst");
    for part in ["verdict", "figures", "methods", "classes", "confusion", "weights", "erf", "metrics", "parameters"] {
        assert_eq!(of_store[part], of_archive[part], "{part}");
    }
    // What an archive lacks is said.
    let (code, found) = diff(&bench, "regular small.tar.zst");
    assert_eq!(code, Some(1));
    let notes = found["notes"].as_array().unwrap();
    let told = |note: &Json| note.as_str().unwrap().starts_with("The weights of `train[again=1]` are not compared.");
    assert!(notes.iter().any(told), "{notes:?}");
    assert_eq!(of_store["figures"], found["figures"]);
    let (_, single) = diff(&bench, "a.tar.zst/validate[again=1] regular/validate[again=1]");
    assert_eq!(paths(&single["parameters"]), ["train[again=1].model.prefilter"]);

    let bytes = std::fs::read(bench.path("a.tar.zst")).unwrap();
    bench.write("cut.tar.zst", &bytes[..bytes.len() / 2]);
    bench.write("none.tar.zst", "no archive");
    for (archive, code, words) in [
        ("cut.tar.zst", 4, "cannot be read as an exported run"),
        ("none.tar.zst", 4, "cannot be read as an exported run"),
        ("gone.tar.zst", 5, "Could not open `gone.tar.zst`"),
    ] {
        let answer = bench.call(&format!("diff average {archive}"));
        assert!(answer.code == Some(code) && answer.err.contains(words), "{answer:?}");
        assert_eq!(answer.err.matches("error:").count(), 1, "{answer:?}");
    }
}

#[test]
fn other_images_are_never_tested() {
    let bench = Bench::new();
    bench.write("one.ron", SEEDS.replace("\"average\"", "\"one\"").replace("[1, 2, 3]", "[1]"));
    bench.ran("one.ron --only validate");
    bench.ran("one.ron --only validate --set others.source.first=104");
    let (code, found) = diff(&bench, "latest~1 latest");
    assert_eq!(code, Some(1));
    let against = &found["figures"][0]["against"][0];
    assert_eq!((&against["p"], &against["low"], &against["beyond_chance"]), (&Json::Null, &Json::Null, &false.into()));
    assert!(against["note"].as_str().unwrap().starts_with("It was validated on other images: "), "{against}");
    let verdict = found["verdict"].as_str().unwrap();
    assert!(
        verdict.starts_with("`others.source.first` alone differs (100 -> 104), and no figure could be tested: it was ")
    );
    assert_eq!(found["confusion"], Json::from(Vec::<Json>::new()));
    // The data set is told down to its samples.
    let data = &found["data"][0];
    assert_eq!((data["path"].as_str(), &data["samples"]), (Some("others"), &Json::from(vec![8, 8])));
    let count = |part: &str| data[part].as_array().unwrap().len();
    assert_eq!(["added", "removed", "images_changed", "labels_changed"].map(count), [4, 4, 0, 0], "{data}");
    assert!(bench.call("diff latest~1 latest").out.contains("not tested"));
}

#[test]
fn what_cannot_be_compared_is_one_clear_error() {
    let bench = Bench::small();
    bench.ran("small.ron");
    for (line, words) in [
        ("small/valdate small/validate", ["has no stage `valdate`", "Did you mean `validate`?"]),
        ("small/validate[3] small/validate", ["no such iteration: `validate[3]`", "It has 2 of them"]),
        ("small/validate[x=1] small/validate", ["has no stage `validate[x=1]`", "Did you mean `validate`?"]),
        ("small/train small/validate", ["of the kind Train", "Stages of one kind can be compared."]),
        ("small small/validate", ["names a stage", "Name a stage of each run, or of none."]),
        ("small/validate[ small", ["`validate[` lacks a `]`", ""]),
        ("small", ["required", "RUN"]),
    ] {
        let answer = bench.call(&format!("diff {line}"));
        assert_eq!(answer.code, Some(2), "{line}: {answer:?}");
        assert!(words.iter().all(|words| answer.err.contains(words)), "{line}: {answer:?}");
        assert_eq!(answer.err.matches("error:").count(), 1, "{line}: {answer:?}");
    }
    // An older iteration against the last one of the same run.
    let (code, found) = diff(&bench, "small/validate[1] small/validate[2]");
    assert_eq!(code, Some(1));
    assert_eq!(found["causes"], Json::from(vec!["validate.iteration"]), "{found}");
}

/// Holds a value to a JSON Schema, as far as `docs/diff.schema.json` uses them. Every field must be stated, and be there.
fn hold(schema: &Json, whole: &Json, value: &Json, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        return hold(&whole["$defs"][name.trim_start_matches("#/$defs/")], whole, value, at);
    }
    if let Some(constant) = schema.get("const") {
        assert_eq!(value, constant, "{at}");
    }
    if let Some(values) = schema["enum"].as_array() {
        assert!(values.contains(value), "{at}: {value}");
    }
    let kind = match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    let fits = |stated: &Json| stated == kind || (stated == "number" && kind == "integer");
    match &schema["type"] {
        Json::Null => {}
        Json::Array(kinds) => assert!(kinds.iter().any(fits), "{at}: {value} is none of {kinds:?}"),
        stated => assert!(fits(stated), "{at}: {value} is no {stated}"),
    }
    if let Some(items) = value.as_array() {
        items.iter().enumerate().for_each(|(i, item)| hold(&schema["items"], whole, item, &format!("{at}[{i}]")));
    }
    if let Some(fields) = value.as_object() {
        let stated: Vec<&String> =
            schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name).collect();
        let found: Vec<&String> = fields.keys().collect();
        assert_eq!(found, stated, "{at}");
        assert!(schema["required"].as_array().is_some_and(|all| all.len() == stated.len()), "{at}");
        fields
            .iter()
            .for_each(|(name, field)| hold(&schema["properties"][name], whole, field, &format!("{at}.{name}")));
    }
}

#[test]
fn json_is_as_its_schema_says() {
    let schema: Json = serde_json::from_str(include_str!("../../docs/diff.schema.json")).unwrap();
    let bench = seeds();
    bench.ran("regular.ron --only validate --set others.source.images=9 --set train.steps=5");
    bench.ok("export average a.tar.zst");
    let mut seen = std::collections::BTreeSet::new();
    for runs in
        ["regular average latest a.tar.zst", "average average", "regular/validate[again=1] a.tar.zst/validate[again=2]"]
    {
        let (_, found) = diff(&bench, runs);
        hold(&schema, &schema, &found, "diff");
        let lists =
            found.as_object().unwrap().iter().filter(|(_, list)| list.as_array().is_some_and(|list| !list.is_empty()));
        seen.extend(lists.map(|(name, _)| name.clone()));
    }
    // The runs show every kind of row but inputs and environments, which have the form of parameters.
    let rows = [
        "artifacts",
        "classes",
        "confusion",
        "costs",
        "data",
        "erf",
        "figures",
        "methods",
        "metrics",
        "parameters",
        "weights",
    ];
    assert!(rows.iter().all(|name| seen.contains(*name)), "{seen:?}");
}
