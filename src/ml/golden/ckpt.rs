//! Checkpoints that TensorFlow wrote: whole ones bit for bit, and damaged ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use safetensors::SafeTensors;
use serde_json::Value;

use super::net::Small;
use super::{Golden, Tally, Worst};
use crate::fsio;
use crate::ml::checkpoint::{Checkpoint, Dtype};
use crate::ml::import::{detect, smoothed, translate};

type Expected = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

fn tensors(path: &Path) -> Expected {
    let bytes = fsio::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.tensors().into_iter().map(|(name, v)| (name, (v.dtype(), v.shape().to_vec(), v.data().to_vec()))).collect()
}

/// What a checkpoint of the index is to hold: the tensors of a file; those that `names_in_order` numbers; or those of
/// several files under the prefixes (`final/*`) that the entry states, the first that has a name.
struct Answers {
    files: Vec<Expected>,
    prefixes: Vec<String>,
}

impl Answers {
    fn of(folder: &Path, case: &Value) -> Self {
        let text = case["expected"].as_str().unwrap();
        let words: Vec<&str> = text.split([' ', '(', ')', ',']).collect();
        let files = words.iter().filter(|word| word.ends_with(".safetensors"));
        let files: Vec<Expected> = files.map(|word| tensors(&folder.join(word))).collect();
        assert!(!files.is_empty(), "{text}");
        let prefixes = words.iter().filter_map(|word| word.strip_suffix('*')).filter(|word| word.ends_with('/'));
        let prefixes = std::iter::once("").chain(prefixes).map(str::to_owned).collect();
        Answers { files: files.into_iter().map(|file| numbered(file, case)).collect(), prefixes }
    }

    fn get(&self, name: &str) -> Option<&(Dtype, Vec<usize>, Vec<u8>)> {
        let names = self.prefixes.iter().map(|prefix| format!("{prefix}{name}"));
        names.into_iter().find_map(|name| self.files.iter().find_map(|file| file.get(&name)))
    }
}

/// A file that lists the values of scalars whose names follow a rule, as those scalars.
fn numbered(file: Expected, case: &Value) -> Expected {
    let (Some((_, _, numbers)), Some((_, _, values))) = (file.get("names_in_order"), file.get("values")) else {
        return file;
    };
    let (_, rule) = case["note"].as_str().unwrap().split_once('\'').unwrap();
    let (pattern, rule) = rule.split_once('\'').unwrap();
    assert!(rule.contains("(i//400, i//4, i%4, i)"), "the index gives names by a rule that is not known: {rule}");
    assert_eq!(pattern, "block%02d/unit_%03d/bottleneck_v1/conv%d/some_rather_long_scope_name_%d/weights");
    let scalar = |(number, value): (&[u8], &[u8])| {
        let i = i32::from_le_bytes(number.try_into().unwrap());
        let (block, unit, conv) = (i / 400, i / 4, i % 4);
        let name =
            format!("block{block:02}/unit_{unit:03}/bottleneck_v1/conv{conv}/some_rather_long_scope_name_{i}/weights");
        (name, (Dtype::F32, vec![], value.to_vec()))
    };
    numbers.chunks_exact(4).zip(values.chunks_exact(4)).map(scalar).collect()
}

#[test]
fn checkpoints_hold_what_tensorflow_put_in_and_damaged_ones_are_refused() {
    let Some(golden) = Golden::open("ckpt") else { return };
    let index = golden.index();
    let (whole, corrupt) = (index["checkpoints"].as_array().unwrap(), index["corrupt"].as_array().unwrap());
    let mut tally = Tally::of("ckpt", whole.len() + corrupt.len());
    for case in whole {
        hold(&golden.0, case);
        tally.case(&Worst::within(0.0));
    }
    for case in corrupt {
        refuse(&golden.0, case);
        tally.case(&Worst::within(0.0));
    }
    tally.finish();
}

fn hold(folder: &Path, case: &Value) {
    let prefix = case["prefix"].as_str().unwrap();
    let answers = Answers::of(folder, case);
    let mut names = vec![folder.join(prefix)];
    names.extend(case["files"].as_array().unwrap().iter().map(|file| folder.join(file["name"].as_str().unwrap())));
    let checkpoint = Checkpoint::open(&names[0]).unwrap();
    assert!(case["format"].as_str().unwrap().contains(checkpoint.format.trim_start_matches("TensorFlow ")), "{prefix}");
    assert!(checkpoint.passed_over.is_empty(), "{prefix}: {:?}", checkpoint.passed_over);
    for tensor in &checkpoint.tensors {
        let (dtype, shape, values) = answers.get(&tensor.name).unwrap_or_else(|| panic!("{prefix}: {tensor:?}"));
        assert_eq!((tensor.dtype, &tensor.shape), (*dtype, shape), "{prefix} {}", tensor.name);
        assert!(tensor.bytes().unwrap()[..] == values[..], "{prefix} {}", tensor.name);
    }
    if let Some(count) = case["tensors"].as_u64() {
        assert_eq!(checkpoint.tensors.len() as u64, count, "{prefix}");
    }
    // A file that holds the answers of this checkpoint alone has no others, but for tensors without elements, which
    // some checkpoints lack.
    if answers.prefixes.len() == 1 {
        let here: BTreeSet<&String> = checkpoint.tensors.iter().map(|tensor| &tensor.name).collect();
        for (name, (_, _, values)) in answers.files.iter().flatten().filter(|(name, _)| !here.contains(name)) {
            assert!(values.is_empty(), "{prefix} lacks {name}");
        }
    }
    if let Some(trained) = prefix.strip_prefix("trained_").and_then(|rest| rest.split_once("_model")) {
        import(&checkpoint, trained.0);
    }
    let listed = |path: &Path| Checkpoint::open(path).map(|found| format!("{:?}", found.tensors)).unwrap();
    for name in &names {
        assert_eq!(listed(name), format!("{:?}", checkpoint.tensors), "{} names the same", name.display());
    }
}

/// All that the reference trained has its place here, filters included, and nothing but momenta is passed over.
fn import(checkpoint: &Checkpoint, dilated: &str) {
    let Some(net) = Golden::open("net") else { return };
    let inventory = Small::of(&net, dilated).inventory;
    let expected: BTreeMap<_, _> = inventory.iter().map(|(_, p)| (p.name.clone(), p.shape.clone())).collect();
    let wanted = |name: &str| expected.contains_key(name);
    let (name, table) = detect(checkpoint, &wanted).unwrap();
    let found = translate(checkpoint, &table.smoothing(&smoothed(&inventory)), &wanted).unwrap();
    let shapes: BTreeMap<_, _> = found.tensors.into_iter().map(|(name, (shape, _))| (name, shape)).collect();
    assert_eq!((name, shapes), ("Deeplab", expected));
    assert!(found.left_over.is_empty() && !found.skipped.is_empty(), "{:?}", found.left_over);
    assert!(found.skipped.iter().all(|(name, _)| name.ends_with("/Momentum")), "{:?}", found.skipped);
}

/// What TensorFlow does not open is refused; where it opens and lists tensors that it cannot read, the same ones cannot
/// be read here, or the file that they need is named when it is opened.
fn refuse(folder: &Path, case: &Value) {
    let prefix = case["prefix"].as_str().unwrap();
    let says = &case["tensorflow_2_21_says"];
    let opens = says["opens"].as_bool().unwrap();
    match Checkpoint::open(&folder.join(prefix)) {
        Err(error) => {
            let told = error.to_string();
            assert!(!error.hint().is_empty() && told.contains(prefix.rsplit('/').next().unwrap()), "{prefix}: {told}");
            eprintln!("{prefix}: {told} TensorFlow opens it: {opens}.");
            if opens {
                let failing = says["tensors_failing"].as_object().unwrap();
                let missing = |said: &Value| said.as_str().unwrap().contains("No such file");
                assert!(failing.values().all(missing), "{prefix}: TensorFlow reads more than we do: {told}");
            }
        }
        Ok(checkpoint) => {
            assert!(opens, "{prefix}: TensorFlow does not open it");
            assert_eq!(checkpoint.tensors.len() as u64, says["tensors_listed"].as_u64().unwrap(), "{prefix}");
            let read = checkpoint.tensors.iter().map(|tensor| (tensor.name.clone(), tensor.bytes()));
            let failing = read.filter_map(|(name, bytes)| Some((name, bytes.err()?.to_string())));
            let failing: BTreeMap<String, String> = failing.collect();
            let theirs = says["tensors_failing"].as_object().unwrap();
            assert!(!failing.is_empty() && failing.keys().eq(theirs.keys()), "{prefix}: {failing:?} {theirs:?}");
            for (name, told) in &failing {
                eprintln!("{prefix}: {told}");
                assert!(told.contains(name.as_str()) && told.contains(".data-0000"), "{prefix}: {told}");
            }
        }
    }
}
