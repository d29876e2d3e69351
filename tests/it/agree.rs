//! Stages that do not fit each other are told of while planning, each in its own cell of the matrix.

use insta::assert_snapshot;
use repro::pipeline::{Request, load};
use repro::stages::registry;

use crate::harness::Bench;
use crate::pipelines::NoRuns;

/// The faults of the small pipeline with some texts replaced, a line each: place, message, what to do.
pub fn faults(edits: &[(&str, &str)], sets: &[&str]) -> String {
    let bench = Bench::small();
    edits.iter().for_each(|(old, new)| bench.edit("small.ron", old, new));
    let sets = sets.iter().map(|set| (*set).to_owned()).collect();
    let request = Request { file: bench.path("small.ron"), profile: None, sets };
    let told = match load(&request, &registry(), &NoRuns) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.faults,
    };
    let line = |fault: &repro::syntax::Diagnostic| {
        let file = fault.file().rsplit('/').next().unwrap_or_default();
        let (line, column) = fault.position();
        format!("{file}:{line}:{column}: {} {}", fault.message, fault.hint)
    };
    told.iter().map(line).collect::<Vec<_>>().join("\n")
}

const SEEDED: &str = "Seeded(encoder: Stable, seed: 1)";
const PICTURES: &str = "source: Shapes(images: 4, seed: 7, size: (48, 40)), classes: Shapes";
const OTHERS: &str = "source: Shapes(images: 2, seed: 7, first: 100, size: (48, 40)), classes: Shapes";
const LISTED: &str = "source: Listed(root: \"album\", list: \"test.txt\", labels: false), classes: Shapes";

#[test]
fn what_is_trained_on_or_validated_needs_labels() {
    assert_snapshot!(faults(&[(PICTURES, LISTED)], &[]), @"small.ron:8:19: The data set `pictures` has images only, but labels are needed here. Use a data set with labels here.");
    assert_snapshot!(faults(&[(OTHERS, LISTED)], &[]), @"small.ron:12:52: The data set `others` has images only, but labels are needed here. Use a data set with labels here.");
    let voc = [(PICTURES, "source: Voc2012(root: \"a\", list: Test), classes: Shapes")];
    assert_snapshot!(faults(&voc, &[]), @"small.ron:8:19: The data set `pictures` has images only, but labels are needed here. Use a data set with labels here.");
    let cityscapes = [
        ("classes: 6", "classes: 19"),
        (PICTURES, "source: Cityscapes(root: \"a\", list: Val), classes: Cityscapes"),
        (OTHERS, "source: Cityscapes(root: \"a\", list: Test), classes: Cityscapes"),
    ];
    assert_snapshot!(faults(&cityscapes, &[]), @"small.ron:12:52: The data set `others` has images only, but labels are needed here. Use a data set with labels here.");
    let predicted = [
        (OTHERS, LISTED),
        ("\"validate\": Validate(model: \"train\", data: \"others\", every_iteration: true),", ""),
        ("\"table\": Report(from: [\"validate\"]),", ""),
    ];
    assert_eq!(faults(&predicted, &[]), "", "a prediction needs no labels");
}

#[test]
fn a_model_and_data_sets_need_the_same_classes() {
    assert_snapshot!(faults(&[("classes: 6", "classes: 5")], &[]), @"small.ron:9:54: The model has 5 classes, the data set 6 (background, disc, square, triangle, wire, blob). Write `classes: 6`.");
    assert_snapshot!(faults(&[], &["train.model.classes=7"]), @"--set 'train.model.classes=7':1:21: The model has 7 classes, the data set 6 (background, disc, square, triangle, wire, blob). Write `classes: 6`.");
    let events = "\"events\": Events(from: [\"validate\", \"train\"], data: \"others\"),\n        \"table\"";
    let named = ["others.classes=Named(names: [\"disc\", \"background\"])"];
    assert_snapshot!(faults(&[("\"table\"", events)], &named), @r"
    small.ron:12:52: The model was trained on the classes background, disc, square, triangle, wire, blob; the data set has disc, background. Use a data set with the same classes in the same order.
    small.ron:13:50: The model was trained on the classes background, disc, square, triangle, wire, blob; the data set has disc, background. Use a data set with the same classes in the same order.
    small.ron:14:61: The model was trained on the classes background, disc, square, triangle, wire, blob; the data set has disc, background. Use a data set with the same classes in the same order.
    ");
}

#[test]
fn weights_and_the_model_need_one_network() {
    assert_snapshot!(faults(&[("encoder: Tiny, classes", "encoder: ResNet50, classes")], &[]), @"small.ron:8:40: `start` is for Tiny, but the model's encoder is ResNet50. State the same encoder in both.");
    let trained = ["train.model.encoder=Tiny(trainable_norm: true)"];
    assert_eq!(faults(&[], &trained), "", "how an encoder is trained is no matter of its weights");
    let file = [(SEEDED, "Checkpoint(file: \"model.ckpt\", take: Model(prefilter: Average(learned: false)))")];
    assert_snapshot!(faults(&file, &[]), @"small.ron:8:40: `start` takes the pre-filter Average(learned: false), but the model's is Average. State the same pre-filter in both.");
    assert_eq!(faults(&file, &["train.model.prefilter=Average(learned: false)"]), "");
}

#[test]
fn each_cell_of_a_matrix_is_a_pair_of_its_own() {
    let matrix = |axes: &str| format!("name: \"small\",\n    matrix: (axes: {{ {axes} }}),");
    let told = |axes: &str| faults(&[("name: \"small\",", &matrix(axes))], &[]);
    let encoder = |set: &str| format!("\"encoder\": (set: [{set}], values: [Tiny, ResNet50])");
    assert_eq!(told(&encoder("\"train.model.encoder\", \"start.encoder\"")), "");
    assert_snapshot!(told(&encoder("\"train.model.encoder\"")), @"small.ron:9:40: `start` is for Tiny, but the model's encoder is ResNet50. State the same encoder in both.");
    let seeds = "\"seed\": (set: [\"train.seed\"], values: [1, 2])";
    let classes = format!("\"classes\": (set: [\"train.model.classes\"], values: [6, 9]), {seeds}");
    assert_snapshot!(told(&classes), @"small.ron:3:76: The model has 9 classes, the data set 6 (background, disc, square, triangle, wire, blob). Write `classes: 6`.");
}

#[test]
fn what_an_earlier_run_made_is_looked_at_when_it_is_used() {
    let bench = Bench::small();
    bench.ran("small.ron --only pictures,start");
    bench.edit("small.ron", "data: \"pictures\"", "data: \"run:latest/pictures\"");
    bench.edit("small.ron", "classes: 6", "classes: 5");
    let told = bench.told("run small.ron --only train");
    assert!(told.starts_with("exit code 4\n"), "{told}");
    assert!(told.contains("train[1]: failed. model.classes: The model has 5 classes, the data set 6 ("), "{told}");
}

#[test]
fn a_command_may_use_outputs_that_its_inputs_declare() {
    let command = |argument: &str| {
        let stages = format!(
            "\"score\": Command(run: [\"cat\", \"{argument}\"], inputs: {{\"v\": \"validate\", \"o\": \"others\"}}, outputs: {{\"o\": \"o\"}}),\n        \"table\""
        );
        faults(&[("\"table\"", &stages)], &[])
    };
    for sound in ["{in:v[1].summary}", "{in:v.classes}", "{in:o.index}", "{in:o.files}", "{out:o}"] {
        assert_eq!(command(sound), "", "{sound}");
    }
    let refused = [
        (
            "{in:v.sumary}",
            "`{in:v.sumary}`: the stage `validate` has no output `sumary`. Its outputs are summary, classes, confusion, boundary, log.",
        ),
        ("{in:o}", "`{in:o}` needs the name of an output, as `{in:o.index}`. Its outputs are index, info, files."),
    ];
    for (argument, expected) in refused {
        let told = command(argument);
        assert!(told.starts_with("small.ron:") && told.ends_with(expected) && told.lines().count() == 1, "{told}");
    }
}
