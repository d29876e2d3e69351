//! Weights as a user imports them: every format under every table of names, what is taken, what is told, what enters
//! the key.

use std::collections::BTreeMap;
use std::path::Path;

use super::checkpoints::{self, Layout, Tensors, npz, safetensors, tensorflow_v1, tensorflow_v2, torch, torch_of};
use super::harness::{Answer, Bench, events};

/// The tensors of a safetensors file.
pub fn read(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let floats = |data: &[u8]| data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    file.tensors().into_iter().map(|(name, view)| (name, (view.shape().to_vec(), floats(view.data())))).collect()
}

/// The weights that a stage of the newest run left.
fn left(bench: &Bench, stage: &str) -> Tensors {
    read(&bench.object(&bench.digests()[&format!("{stage}.weights")]))
}

/// The Tiny encoder, drawn by the tool itself, its norms moved off ones and zeros.
fn drawn() -> Tensors {
    let bench = Bench::small();
    bench.ran("small.ron --only start");
    let mut tensors = left(&bench, "start");
    for (at, (_, (_, values))) in tensors.iter_mut().filter(|(name, _)| name.contains("/norm/")).enumerate() {
        values.iter_mut().enumerate().for_each(|(i, value)| *value += (1 + (7 * at + i) % 13) as f32 / 16.0);
    }
    tensors
}

/// A head behind the Tiny encoder's 128 channels.
fn head(classes: usize) -> Tensors {
    let values = |len: usize, rate: usize| (0..len).map(|i| ((i + rate) % 17) as f32 / 64.0).collect();
    let of_rate = |rate: usize| {
        let weights = (vec![classes, 128, 3, 3], values(classes * 128 * 9, rate));
        [
            (format!("head/aspp{rate}/weights"), weights),
            (format!("head/aspp{rate}/biases"), (vec![classes], values(classes, rate))),
        ]
    };
    [6, 12, 18, 24].into_iter().flat_map(of_rate).collect()
}

/// The name that a tensor of ours has in a convention.
fn theirs(convention: &str, ours: &str) -> String {
    let parts: Vec<&str> = ours.split('/').collect();
    let last = *parts.last().unwrap();
    let pick = |word: &str, names: [&str; 4]| {
        let at = ["shortcut", "reduce", "middle", "expand"].iter().chain(&["gamma", "beta", "mean", "variance"]);
        names[at.clone().position(|known| *known == word).unwrap() % 4].to_owned()
    };
    let tensorflow = || pick(last, ["gamma", "beta", "moving_mean", "moving_variance"]);
    let pytorch = || pick(last, ["weight", "bias", "running_mean", "running_var"]);
    let rate = |rate: &str| rate.trim_start_matches("aspp").parse::<usize>().unwrap() / 6;
    let [group, block] = [0, 1].map(|at| parts[at].trim_start_matches(|c: char| c.is_ascii_alphabetic()).parse());
    let (group, block): (usize, usize) = (group.unwrap_or(0), block.unwrap_or(0));
    let (norm, layer) = (parts.contains(&"norm"), parts[parts.len().min(3) - 1]);
    match (convention, parts[0], norm) {
        ("Own", ..) => ours.to_owned(),
        ("Deeplab", "stem", false) => "conv1/weights".to_owned(),
        ("Deeplab", "stem", true) => format!("bn_conv1/{}", tensorflow()),
        ("Deeplab", "head", _) => format!("fc1_voc12_c{}/{last}", rate(parts[1]) - 1),
        ("Deeplab", ..) => {
            let block = match (group, block) {
                (_, 1) => "a".to_owned(),
                (3 | 4, block) => format!("b{}", block - 1),
                (_, block) => char::from(b'a' + block as u8 - 1).to_string(),
            };
            let place = format!("{group}{block}_branch{}", pick(layer, ["1", "2a", "2b", "2c"]));
            if norm { format!("bn{place}/{}", tensorflow()) } else { format!("res{place}/weights") }
        }
        ("Slim", "stem", false) => "resnet_v1_50/conv1/weights".to_owned(),
        ("Slim", "stem", true) => format!("resnet_v1_50/conv1/BatchNorm/{}", tensorflow()),
        ("Slim", "head", _) => format!("decoder/aspp/conv{}/{last}", rate(parts[1])),
        ("Slim", ..) => {
            let layer = pick(layer, ["shortcut", "conv1", "conv2", "conv3"]);
            let place = format!("resnet_v1_50/block{}/unit_{block}/bottleneck_v1/{layer}", group - 1);
            if norm { format!("{place}/BatchNorm/{}", tensorflow()) } else { format!("{place}/weights") }
        }
        ("Torchvision", "stem", false) => "conv1.weight".to_owned(),
        ("Torchvision", "stem", true) => format!("bn1.{}", pytorch()),
        ("Torchvision", ..) => {
            let kind =
                if norm { ["downsample.1", "bn1", "bn2", "bn3"] } else { ["downsample.0", "conv1", "conv2", "conv3"] };
            let part = if norm { pytorch() } else { "weight".to_owned() };
            format!("layer{}.{}.{}.{part}", group - 1, block - 1, pick(layer, kind))
        }
        ("DeeplabPytorch", "stem", false) => "base.layer1.conv1.conv.weight".to_owned(),
        ("DeeplabPytorch", "stem", true) => format!("base.layer1.conv1.bn.{}", pytorch()),
        ("DeeplabPytorch", "head", _) => {
            format!("base.aspp.c{}.{}", rate(parts[1]) - 1, if last == "weights" { "weight" } else { "bias" })
        }
        ("DeeplabPytorch", ..) => {
            let part = if norm { format!("bn.{}", pytorch()) } else { "conv.weight".to_owned() };
            format!(
                "base.layer{group}.block{block}.{}.{part}",
                pick(layer, ["shortcut", "reduce", "conv3x3", "increase"])
            )
        }
        _ => panic!("{convention}"),
    }
}

/// OIHW as HWIO.
fn hwio((shape, values): (Vec<usize>, Vec<f32>)) -> (Vec<usize>, Vec<f32>) {
    let [o, i, h, w] = shape[..] else { return (shape, values) };
    let mut out = Vec::with_capacity(values.len());
    for tap in 0..h * w {
        for input in 0..i {
            out.extend((0..o).map(|output| values[(output * i + input) * h * w + tap]));
        }
    }
    (vec![h, w, i, o], out)
}

/// Tensors as another program keeps them: its names, its order of axes, its epsilon.
pub fn foreign(convention: &str, tensors: &Tensors) -> Tensors {
    let turned = |(name, tensor): (&String, &(Vec<usize>, Vec<f32>))| {
        let tensorflow = ["Deeplab", "Slim"].contains(&convention);
        let mut tensor = if tensorflow { hwio(tensor.clone()) } else { tensor.clone() };
        if ["Torchvision", "DeeplabPytorch"].contains(&convention) && name.ends_with("/variance") {
            tensor.1.iter_mut().for_each(|value| *value += 1e-3 - 1e-5);
        }
        (theirs(convention, name), tensor)
    };
    tensors.iter().map(turned).collect()
}

fn write_v2(bench: &Bench, prefix: &str, tensors: &Tensors, parts: usize) {
    for (name, content) in tensorflow_v2(prefix, tensors, parts) {
        bench.write(&name, content);
    }
}

/// A pipeline with a stage `start` from `source`.
fn import(source: &str) -> String {
    format!("Pipeline(name: \"import\", stages: {{ \"start\": Weights(encoder: Tiny, source: {source}), }})")
}

/// The small pipeline with another start.
fn training(bench: &Bench, source: &str) {
    bench.edit("small.ron", "Seeded(encoder: Stable, seed: 1)", source);
}

/// The rows of a stage's report: what became of a tensor, and its name in the file, by its name here or else there.
fn fates(bench: &Bench, run: &str, stage: &str) -> BTreeMap<String, (String, String)> {
    let text = std::fs::read_to_string(bench.newest(run).join(stage).join("report.csv")).unwrap();
    assert!(text.starts_with("tensor,in the file,shape,fate,why\n"), "{text}");
    let row = |line: &str| {
        // A shape has commas, and stands in quotes for them.
        let line = line.split('"').enumerate().filter(|(at, _)| at % 2 == 0).map(|(_, part)| part).collect::<String>();
        let cells: Vec<&str> = line.split(',').collect();
        let name = if cells[0].is_empty() { cells[1] } else { cells[0] };
        (name.to_owned(), (cells[3].to_owned(), cells[1].to_owned()))
    };
    text.lines().skip(1).map(row).collect()
}

/// The lines that a stage logged.
fn logged(out: &str, stage: &str) -> String {
    let of_stage = |event: &&serde_json::Value| event["node"]["stage"] == stage && event["what"]["event"] == "log";
    let line = |event: &serde_json::Value| format!("{}\n", event["what"]["text"].as_str().unwrap());
    events(out).iter().filter(of_stage).map(line).collect()
}

fn failing(answer: &Answer, code: i32, words: &[&str]) {
    assert_eq!(answer.code, Some(code), "{answer:?}");
    for word in words {
        assert!(answer.all().contains(word), "no `{word}`: {}", answer.all());
    }
}

#[test]
fn every_format_under_every_table_of_names_starts_the_same() {
    let bench = Bench::new();
    let drawn = drawn();
    let mut deeplab = foreign("Deeplab", &drawn);
    deeplab.insert("conv1/weights/Momentum".to_owned(), deeplab["conv1/weights"].clone());
    deeplab.insert("something/else".to_owned(), (vec![2], vec![1.0, 2.0]));
    write_v2(&bench, "deeplab.ckpt", &deeplab, 3);
    bench.write("slim.ckpt", tensorflow_v1(&foreign("Slim", &drawn)));
    bench.write("torchvision.pth", torch(&foreign("Torchvision", &drawn)));
    bench.write("deeplab.pth", torch(&foreign("DeeplabPytorch", &drawn)));
    bench.write("own.npz", npz(&drawn));
    bench.write("own.safetensors", safetensors(&drawn));
    let stages = [
        ("v2", "Checkpoint(file: \"deeplab.ckpt\")", "Deeplab"),
        ("part", "Checkpoint(file: \"deeplab.ckpt.data-00001-of-00003\", names: Deeplab)", "Deeplab"),
        ("v1", "Checkpoint(file: \"slim.ckpt\")", "Slim"),
        ("pth", "Checkpoint(file: \"torchvision.pth\")", "Torchvision"),
        ("port", "Checkpoint(file: \"deeplab.pth\", names: DeeplabPytorch)", "DeeplabPytorch"),
        ("npz", "Checkpoint(file: \"own.npz\")", "Own"),
        ("plain", "Checkpoint(file: \"own.safetensors\", names: Own)", "Own"),
        ("own", "Safetensors(file: \"own.safetensors\")", "Own"),
    ];
    let stage =
        |(name, source, _): &(&str, &str, &str)| format!("\"{name}\": Weights(encoder: Tiny, source: {source}),\n");
    let text: String = stages.iter().map(stage).collect();
    bench.write("import.ron", format!("Pipeline(name: \"import\", stages: {{ {text} }})"));
    bench.ok("run import.ron");
    for (stage, _, convention) in stages {
        let (found, fates) = (left(&bench, stage), fates(&bench, "import", stage));
        assert!(found.keys().eq(drawn.keys()), "{stage}");
        for (name, (shape, values)) in &drawn {
            assert_eq!(found[name].0, *shape, "{stage} {name}");
            let exact = !name.ends_with("/variance") || ["Own", "Deeplab", "Slim"].contains(&convention);
            let near = |(a, b): (&f32, &f32)| if exact { a == b } else { (a - b).abs() < 1e-6 };
            assert!(found[name].1.iter().zip(values).all(near), "{stage} {name}");
            assert_eq!(fates[name], ("loaded".to_owned(), theirs(convention, name)), "{stage} {name}");
        }
        let others = if ["v2", "part"].contains(&stage) { 2 } else { 0 };
        assert_eq!(fates.len(), drawn.len() + others, "{stage}: {fates:?}");
        if others > 0 {
            assert_eq!(fates["conv1/weights/Momentum"].0, "skipped");
            assert_eq!(fates["something/else"].0, "left over");
        }
    }
}

#[test]
fn every_part_of_a_checkpoint_is_in_the_key() {
    let bench = Bench::new();
    let mut tensors = foreign("Deeplab", &drawn());
    write_v2(&bench, "m.ckpt", &tensors, 2);
    bench.write("import.ron", import("Checkpoint(file: \"m.ckpt\")"));
    assert_eq!(bench.ran("import.ron"), ["start"]);
    assert_eq!(bench.ran("import.ron"), Vec::<String>::new());
    let first = bench.digests();

    let last = "m.ckpt.data-00001-of-00002";
    let mut bytes = std::fs::read(bench.path(last)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    bench.write(last, &bytes);
    let answer = bench.call("run import.ron");
    failing(&answer, 4, &["m.ckpt", last, "The checksum of its", "Check that the file is whole"]);
    assert_eq!(answer.all().matches("checksum").count(), 1, "{answer:?}");
    bench.write(last, &bytes[..bytes.len() - 4]);
    failing(&bench.call("run import.ron"), 4, &["m.ckpt", last, "do not lie within the file"]);
    std::fs::remove_file(bench.path(last)).unwrap();
    failing(&bench.call("run import.ron"), 4, &[last, "is missing"]);

    tensors.get_mut("conv1/weights").unwrap().1[0] += 1.0;
    write_v2(&bench, "m.ckpt", &tensors, 2);
    assert_eq!(bench.ran("import.ron"), ["start"]);
    assert_ne!(bench.digests(), first);
}

#[test]
fn a_head_is_taken_where_that_is_asked_for() {
    let bench = Bench::small();
    let encoder = drawn();
    let whole: Tensors = encoder.clone().into_iter().chain(head(6)).collect();
    write_v2(&bench, "whole.ckpt", &foreign("Deeplab", &whole), 1);
    bench.write("encoder.ckpt", tensorflow_v1(&foreign("Deeplab", &encoder)));
    training(&bench, "Checkpoint(file: \"whole.ckpt\", take: EncoderAndHead)");
    let out = bench.ok("run small.ron --only train --json");
    assert_eq!(left(&bench, "start"), whole);
    assert!(logged(&out, "train").contains("initialised: 4 (group4/block1/middle/prefilter"), "{out}");

    let other: Tensors = encoder.clone().into_iter().chain(head(5)).collect();
    write_v2(&bench, "other.ckpt", &foreign("Deeplab", &other), 1);
    bench.edit("small.ron", "whole.ckpt", "other.ckpt");
    let told = bench.call("run small.ron --only train");
    // Found before anything runs.
    let words = ["other.ckpt", "The head of the file has 5 classes, but the model has 6", "Write `take: Encoder`"];
    failing(&told, 4, &words);
    assert!(!told.all().contains("tensors, by the table"), "{told:?}");
    let none: Tensors = encoder.clone().into_iter().chain(head(0)).collect();
    write_v2(&bench, "other.ckpt", &foreign("Deeplab", &none), 1);
    failing(&bench.call("run small.ron --only start"), 4, &["other.ckpt", "has 0 classes"]);
    bench.edit("small.ron", "other.ckpt", "whole.ckpt");

    bench.edit("small.ron", ", take: EncoderAndHead", "");
    let out = bench.ok("run small.ron --only train --json");
    assert_eq!(left(&bench, "start"), encoder);
    assert_eq!(fates(&bench, "small", "start")["fc1_voc12_c0/weights"].0, "left over");
    assert!(logged(&out, "train").contains("initialised: 12; left over: none"), "{out}");

    bench.edit("small.ron", "whole.ckpt\"", "encoder.ckpt\", take: EncoderAndHead");
    failing(&bench.call("run small.ron --only start"), 4, &["encoder.ckpt", "has no head", "take: Encoder"]);
}

#[test]
fn filters_are_taken_where_that_is_asked_for() {
    let bench = Bench::small();
    let (mut whole, mut filters) = (drawn(), Tensors::new());
    whole.extend(head(6));
    let mut file = foreign("Deeplab", &whole);
    let layers = ["group4/block1", "group4/block2", "group5/block1", "group5/block2"];
    for (at, (layer, (channels, k))) in layers.iter().zip([(16, 1), (16, 1), (32, 3), (32, 3)]).enumerate() {
        let values: Vec<f32> = (0..channels * k * k).map(|i| 1.0 / (i + 2) as f32).collect();
        let number = if at == 0 { String::new() } else { format!("_{at}") };
        // [C, 1, H, W] here, and [H, W, C, 1] there.
        let turned = hwio((vec![channels, 1, k, k], values.clone())).1;
        file.insert(format!("w_avg{number}"), (vec![k, k, channels, 1], turned.clone()));
        file.insert(format!("w_avg{number}/Momentum"), (vec![k, k, channels, 1], turned));
        filters.insert(format!("{layer}/middle/prefilter/weights"), (vec![channels, 1, k, k], values));
    }
    write_v2(&bench, "model.ckpt-20", &file, 1);
    training(&bench, "Checkpoint(file: \"model.ckpt-20\", take: Model(prefilter: Average()))");
    let out = bench.ok("run small.ron --only train --json");
    let found = left(&bench, "start");
    filters.iter().for_each(|(name, tensor)| assert_eq!(found[name], *tensor, "{name}"));
    assert_eq!(found.len(), whole.len() + filters.len());
    let told = fates(&bench, "small", "start");
    assert_eq!(told["group5/block1/middle/prefilter/weights"], ("loaded".to_owned(), "w_avg_2".to_owned()));
    assert_eq!(told["w_avg_2/Momentum"].0, "skipped");
    assert!(logged(&out, "train").contains("initialised: none; left over: none"), "{out}");

    let gaussian = "run small.ron --only train --set train.model.prefilter=Gaussian()";
    failing(&bench.call(gaussian), 2, &["`start` takes the pre-filter Average, but the model's is Gaussian."]);
    let told = bench.call(&format!("{gaussian} --set train.weights=\"run:latest/start\""));
    failing(&told, 4, &["`group4/block1/middle/prefilter/weights`", "no place"]);
    bench.edit("small.ron", "take: Model(prefilter: Average())", "take: Model(prefilter: SeparableShared())");
    let told = bench.call("run small.ron --only start --set train.model.prefilter=SeparableShared()");
    failing(&told, 4, &["`group4/block1/middle/prefilter/shared` ([1, 1, 3, 3])"]);
    bench.edit("small.ron", "Model(prefilter: SeparableShared())", "EncoderAndHead");
    bench.ok("run small.ron --only start");
    assert_eq!(left(&bench, "start"), whole);
    assert_eq!(fates(&bench, "small", "start")["w_avg_2"].0, "left over");
}

#[test]
fn what_a_file_lacks_is_told_or_drawn() {
    let bench = Bench::new();
    let mut tensors = drawn();
    let gone = ["group5/block2/expand/weights", "stem/norm/gamma"];
    gone.iter().for_each(|name| drop(tensors.remove(*name).unwrap()));
    bench.write("slim.ckpt", tensorflow_v1(&foreign("Slim", &tensors)));
    bench.write("import.ron", import("Checkpoint(file: \"slim.ckpt\")"));
    let both =
        ["slim.ckpt: `stem/norm/gamma` ([8]) is missing.", "`group5/block2/expand/weights` ([128, 32, 1, 1]) is"];
    failing(&bench.call("run import.ron"), 4, &both);
    bench.edit("import.ron", "slim.ckpt\"", "slim.ckpt\", partial: true");
    bench.ok("run import.ron");
    let (found, fates) = (left(&bench, "start"), fates(&bench, "import", "start"));
    tensors.iter().for_each(|(name, tensor)| assert_eq!(found[name], *tensor, "{name}"));
    for name in gone {
        assert_eq!(fates[name], ("initialised".to_owned(), String::new()), "{name}");
        assert!(found.contains_key(name), "{name}");
    }
}

#[test]
fn a_table_of_ones_own_is_read_and_its_faults_are_told() {
    let bench = Bench::new();
    let theirs: Tensors = drawn().into_iter().map(|(name, tensor)| (format!("net.{name}!"), tensor)).collect();
    bench.write("mine.npz", npz(&theirs));
    bench.write("import.ron", import("Checkpoint(file: \"mine.npz\")"));
    failing(&bench.call("run import.ron"), 4, &["mine.npz", "No shipped table of names", "state `names: Table(…)`"]);
    bench.edit("import.ron", "mine.npz\"", "mine.npz\", names: Table(file: \"mine.ron\")");
    let own = std::fs::read_to_string(super::harness::project().join("stages/names/own.ron")).unwrap();
    let rule = |line: &str| match line.trim_start().strip_prefix("(\"").and_then(|rest| rest.split_once("\", \"")) {
        Some((from, to)) => format!("        (\"{from}!\", \"{to}\n"),
        None => format!("{line}\n"),
    };
    let table: String = own.lines().map(rule).collect();
    bench.write("mine.ron", table.replace("layout: Oihw,", "layout: Oihw, scopes: [\"net\"],"));
    bench.ok("run import.ron");
    assert_eq!(left(&bench, "start"), drawn());
    bench.edit("mine.ron", "layout: Oihw", "layout: Chwn");
    failing(&bench.call("run import.ron"), 4, &["mine.ron", "Chwn", "`stages/names/` are examples"]);
}

#[test]
fn files_are_listed_and_converted_byte_for_byte() {
    let bench = Bench::new();
    let tensors = foreign("Slim", &drawn());
    write_v2(&bench, "v2.ckpt", &tensors, 2);
    bench.write("v1.ckpt", tensorflow_v1(&tensors));
    bench.write("a.pth", torch(&tensors));
    bench.write("a.npz", npz(&tensors));
    let listed = |file: &str| bench.ok(&format!("weights inspect {file} --format json"));
    let digests = listed("v2.ckpt");
    assert_eq!(digests.matches("\"digest\": \"").count(), tensors.len(), "{digests}");
    for (at, file) in ["v2.ckpt", "v2.ckpt.index", "v1.ckpt", "a.pth", "a.npz"].into_iter().enumerate() {
        bench.ok(&format!("weights convert {file} {at}.safetensors"));
        assert_eq!(read(&bench.path(&format!("{at}.safetensors"))), tensors, "{file}");
        assert_eq!(
            [listed(file), listed(&format!("{at}.safetensors"))],
            [&digests, &digests].map(Clone::clone),
            "{file}"
        );
    }
    bench.ok("weights convert v1.ckpt own.safetensors --names Slim");
    assert_eq!(read(&bench.path("own.safetensors")), drawn());

    let before = std::fs::read(bench.path("own.safetensors")).unwrap();
    failing(&bench.call("weights convert v1.ckpt own.safetensors"), 2, &["`own.safetensors` is there", "--force"]);
    let unknown = "weights convert v1.ckpt own.safetensors --force --names Torchvision";
    failing(&bench.call(unknown), 4, &["v1.ckpt", "None of the file's tensors", "inspect"]);
    assert_eq!(std::fs::read(bench.path("own.safetensors")).unwrap(), before);
    bench.ok("weights convert v1.ckpt own.safetensors --force");
}

#[test]
fn a_model_that_saw_other_inputs_says_so_where_it_is_imported() {
    let bench = Bench::small();
    let told = |input: &str, name: &str| {
        bench.ran(&format!("small.ron --only train[1] --set train.input=({input})"));
        let model = bench.object(&bench.digests()["train[1].model"]);
        bench.write(&format!("{name}.safetensors"), std::fs::read(model).unwrap());
        let source = format!("Checkpoint(file: \"{name}.safetensors\", take: EncoderAndHead)");
        bench.write("import.ron", import(&source));
        bench.call("run import.ron").all()
    };
    let usual = told("", "usual");
    assert!(!usual.contains("was trained with"), "{usual}");
    let other = told("order:Rgb,mean_bgr:(3.0,2.0,1.0)", "other");
    assert!(
        other.contains("was trained with `input: (order: Rgb, mean_bgr: (3.0, 2.0, 1.0))`; state the same"),
        "{other}"
    );
    // The warning is kept with the result.
    let again = bench.call("run import.ron").all();
    assert!(again.contains("Nothing to do") && again.contains("`other.safetensors` was trained with"), "{again}");
}

#[test]
fn halves_are_converted_and_the_report_says_so() {
    let bench = Bench::new();
    let drawn = drawn();
    bench.write("half.pth", torch_of(&foreign("Torchvision", &drawn), checkpoints::F16, Layout::Zip));
    bench.write("import.ron", import("Checkpoint(file: \"half.pth\")"));
    let out = bench.ok("run import.ron --json");
    assert!(logged(&out, "start").contains(&format!("Tensors converted to F32: {} of F16.", drawn.len())), "{out}");
    let report = std::fs::read_to_string(bench.newest("import").join("start/report.csv")).unwrap();
    assert!(report.contains("stem/conv/weights,conv1.weight,\"[8, 3, 7, 7]\",loaded,converted from F16\n"), "{report}");
    for (name, (shape, values)) in left(&bench, "start") {
        let (wanted, near) = (&drawn[&name], |(a, b): (&f32, &f32)| (a - b).abs() <= 2e-3 * (1.0 + b.abs()));
        assert!(shape == wanted.0 && values.iter().zip(&wanted.1).all(near), "{name}");
    }
    bench.ok("weights convert half.pth full.safetensors --dtype f32");
    assert_eq!(read(&bench.path("full.safetensors")).len(), drawn.len());
    bench.ok("weights convert half.pth half.npz");
    assert!(bench.ok("weights inspect half.npz").contains("F16"));
}

#[test]
fn one_of_two_networks_in_a_file_is_stated() {
    let bench = Bench::new();
    let drawn = drawn();
    let mut two = Tensors::new();
    for (at, scope) in ["model.module", "ema.module"].iter().enumerate() {
        for (name, (shape, mut values)) in foreign("Torchvision", &drawn) {
            values.iter_mut().for_each(|value| *value += at as f32);
            two.insert(format!("{scope}.{name}"), (shape, values));
        }
    }
    bench.write("two.pth", torch(&two));
    bench.write("import.ron", import("Checkpoint(file: \"two.pth\")"));
    let told = bench.call("run import.ron");
    failing(&told, 4, &["two.pth", "more than once: in `ema` (", "`scope: \"ema\"` or `scope: \"model\"`"]);
    bench.edit("import.ron", "two.pth\"", "two.pth\", scope: \"ema\"");
    bench.ok("run import.ron");
    let stem = |tensors: &Tensors| tensors["stem/conv/weights"].1.clone();
    assert_eq!(stem(&left(&bench, "start")), stem(&drawn).iter().map(|value| value + 1.0).collect::<Vec<f32>>());
    bench.ok("weights convert two.pth one.safetensors --names Torchvision --scope model");
    assert_eq!(stem(&read(&bench.path("one.safetensors"))), stem(&drawn));
}

#[test]
fn names_that_lead_to_a_checkpoint_have_its_contents_in_the_key() {
    let bench = Bench::new();
    let mut tensors = foreign("Deeplab", &drawn());
    write_v2(&bench, "ck/model.ckpt-100", &tensors, 1);
    for (name, text) in
        [("checkpoint", "model_checkpoint_path: \"model.ckpt-100\"\n"), ("model.ckpt-100.meta", "a graph")]
    {
        bench.write(&format!("ck/{name}"), text);
    }
    bench.write("import.ron", import("Checkpoint(file: \"ck/model.ckpt-100\")"));
    assert_eq!(bench.ran("import.ron"), ["start"]);
    let first = bench.digests();
    let mut named = "ck/model.ckpt-100".to_owned();
    for other in ["ck", "ck/checkpoint", "ck/model.ckpt-100.meta", "ck/model.ckpt"] {
        bench.edit("import.ron", &format!("\"{named}\""), &format!("\"{other}\""));
        named = other.to_owned();
        bench.ran("import.ron");
        assert_eq!(bench.digests(), first, "{other}");
    }
    bench.edit("import.ron", "\"ck/model.ckpt\"", "\"ck\"");
    bench.ran("import.ron");
    tensors.get_mut("conv1/weights").unwrap().1[0] += 1.0;
    write_v2(&bench, "ck/model.ckpt-200", &tensors, 1);
    assert_eq!(bench.ran("import.ron"), Vec::<String>::new(), "`checkpoint` names the one before");
    bench.write("ck/checkpoint", "model_checkpoint_path: \"model.ckpt-200\"\n");
    assert_eq!(bench.ran("import.ron"), ["start"]);
    assert_ne!(bench.digests(), first);
    std::fs::remove_file(bench.path("ck/checkpoint")).unwrap();
    failing(&bench.call("run import.ron"), 4, &["a folder of 2 checkpoints", "model.ckpt-200`", "Name the prefix"]);
}

#[test]
fn a_negative_variance_and_a_wanted_tensor_that_is_not_read_are_told_by_name() {
    let bench = Bench::new();
    let mut tensors = foreign("Torchvision", &drawn());
    tensors.get_mut("bn1.running_var").unwrap().1[2] = -1e-6;
    bench.write("low.pth", torch(&tensors));
    bench.write("import.ron", import("Checkpoint(file: \"low.pth\")"));
    let words = ["low.pth", "The variance `bn1.running_var` is negative: element 2 is -0.000001"];
    failing(&bench.call("run import.ron"), 4, &words);
    let whole = foreign("Torchvision", &drawn());
    let files = [
        (
            torch_of(&whole, checkpoints::COMPLEX, Layout::Zip),
            "`bn1.bias` has PyTorch's type `complex128`, which is not read",
        ),
        (
            checkpoints::npz_of(&whole, checkpoints::COMPLEX, false),
            "`bn1.bias`, which is `stem/norm/beta`, has NumPy's type `<c16`, which is not read",
        ),
    ];
    // No tensor that is read has a name, so the table is stated.
    bench.write("import.ron", import("Checkpoint(file: \"low.pth\", names: Torchvision)"));
    for (content, words) in files {
        bench.write("low.pth", content);
        failing(&bench.call("run import.ron"), 4, &["low.pth", words]);
    }
    bench.write("low.pth", checkpoints::pickled(true));
    failing(&bench.call("run import.ron"), 4, &["`weights` is a pickled object of Python", "numpy.savez"]);
}

#[test]
fn weights_go_to_other_programs_and_come_back() {
    let bench = Bench::new();
    let whole: Tensors = drawn().into_iter().chain(head(6)).collect();
    bench.write("own.safetensors", safetensors(&whole));
    for (table, file) in [
        ("Deeplab", "deeplab.npz"),
        ("Slim", "slim.npz"),
        ("Slim", "slim.safetensors"),
        ("Torchvision", "torchvision.pth"),
        ("DeeplabPytorch", "port.pth"),
        ("Own", "again.npz"),
    ] {
        let told = bench.ok(&format!("weights convert own.safetensors {file} --to {table}"));
        assert!(!told.contains("Left out"), "{told}");
        bench.ok(&format!("weights convert {file} back.safetensors --names {table} --force"));
        let back = read(&bench.path("back.safetensors"));
        assert!(back.keys().eq(whole.keys()), "{table}");
        for (name, (shape, values)) in &whole {
            // A variance that was moved to another epsilon and back is rounded twice.
            let near = |(a, b): (&f32, &f32)| a == b || (name.ends_with("/variance") && (a - b).abs() < 1e-6);
            assert!(back[name].0 == *shape && back[name].1.iter().zip(values).all(near), "{table} {name}");
        }
    }
    let told = bench.call("weights convert own.safetensors own.h5");
    failing(&told, 2, &["`.safetensors`, `.npz` or `.pth`"]);
    failing(&bench.call("weights convert own.safetensors o.npz --scope ema"), 2, &["`--names` or `--to`"]);
    failing(&bench.call("weights convert own.safetensors o.npz --to Resnet"), 2, &["no table of names `Resnet`"]);
    // A torchvision file goes to TensorFlow in one step. The encoder Tiny has six blocks of three layers.
    bench.ok("weights convert torchvision.pth further.npz --to Slim");
    assert!(bench.ok("weights inspect further.npz").contains("resnet_v1_20/conv1/weights"));
}

#[test]
fn a_head_whose_dilations_names_do_not_tell_is_asked_for() {
    let bench = Bench::new();
    let mut tensors = foreign("Torchvision", &drawn());
    tensors.insert("classifier.0.convs.1.0.weight".to_owned(), (vec![4, 128, 3, 3], vec![0.0; 4 * 128 * 9]));
    bench.write("v3.pth", torch(&tensors));
    bench.write("import.ron", import("Checkpoint(file: \"v3.pth\", take: EncoderAndHead)"));
    let words = ["v3.pth", "`classifier.0.convs.1.0.weight` does not tell", "which dilation", "take: Encoder"];
    failing(&bench.call("run import.ron"), 4, &words);

    let mut tensors = foreign("DeeplabPytorch", &drawn().into_iter().chain(head(6)).collect());
    let branch = tensors["base.aspp.c3.weight"].clone();
    tensors.insert("base.aspp.c4.weight".to_owned(), branch);
    bench.write("five.pth", torch(&tensors));
    bench.edit("import.ron", "v3.pth", "five.pth");
    let words = ["five.pth", "more convolutions than the network's: `base.aspp.c4.weight`", "State the dilations"];
    failing(&bench.call("run import.ron"), 4, &words);
}
