//! Checkpoints that TensorFlow wrote: whole ones bit for bit, and damaged ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use prost::bytes::Bytes;
use safetensors::SafeTensors;
use serde_json::Value;

use super::net::Small;
use super::{Golden, Tally};
use crate::fsio;
use crate::ml::checkpoint::{Checkpoint, Dtype, Tensor};
use crate::ml::import::{detect, smoothed, translate};
use crate::ml::oracle::Worst;

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
    let (name, table) = detect(checkpoint, "", &wanted).unwrap();
    let found = translate(checkpoint, &table.smoothing(&smoothed(&inventory)), &wanted, 1e-3).unwrap();
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

/// CRC-32C by its definition, a bit at a time, and TensorFlow's mask over it.
fn checksum(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 })
    });
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn varint(value: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..10).map(|at| (value >> (7 * at)) as u8 | 0x80).collect();
    bytes.truncate((usize::BITS - value.leading_zeros()).div_ceil(7).max(1) as usize);
    *bytes.last_mut().unwrap() &= 0x7f;
    bytes
}

/// A field of a protocol buffer that is a number, and one that is a message.
fn number(field: usize, value: usize) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn message(field: usize, content: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(content.len()), content.to_vec()].concat()
}

/// A block with its trailer, appended to `table`; its place.
fn block(table: &mut Vec<u8>, entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let start = table.len();
    for (key, value) in entries {
        table.extend([varint(0), varint(key.len()), varint(value.len()), key.clone(), value.clone()].concat());
    }
    // One place where keys start anew: the first.
    table.extend([0_u32, 1].map(u32::to_le_bytes).concat());
    let place = [varint(start), varint(table.len() - start)].concat();
    table.push(0);
    let checksum = checksum(&table[start..]);
    table.extend(checksum.to_le_bytes());
    place
}

/// The index and the data of a checkpoint with these tensors in the order of their names, from the description of the
/// format: TensorFlow's tensor_bundle.proto and types.proto, LevelDB's doc/table_format.md.
fn written(tensors: &Expected) -> (Vec<u8>, Vec<u8>) {
    let mut data = Vec::new();
    let mut entries = vec![(Vec::new(), [number(1, 1), message(3, &number(1, 1))].concat())];
    for (name, (dtype, shape, values)) in tensors {
        let types = [Dtype::F32, Dtype::F64, Dtype::I32, Dtype::U8, Dtype::I16, Dtype::I8];
        let others = [(Dtype::I64, 9), (Dtype::BOOL, 10)];
        let listed = types.iter().zip(1..).chain(others.iter().map(|(dtype, number)| (dtype, *number)));
        let (_, number_of_type) = listed.into_iter().find(|(listed, _)| *listed == dtype).unwrap();
        let sizes: Vec<u8> = shape.iter().flat_map(|&size| message(2, &number(1, size))).collect();
        let place = [number(3, 0), number(4, data.len()), number(5, values.len())].concat();
        let checksum = [varint(6 << 3 | 5), checksum(values).to_le_bytes().to_vec()].concat();
        let entry = [number(1, number_of_type), message(2, &sizes), place, checksum].concat();
        entries.push((name.clone().into_bytes(), entry));
        data.extend(values);
    }
    let mut table = Vec::new();
    let place = block(&mut table, &entries);
    let meta = block(&mut table, &[]);
    let index = block(&mut table, &[(b"~".to_vec(), place)]);
    let mut footer = [meta, index].concat();
    footer.resize(40, 0);
    table.extend(footer);
    table.extend(0xdb47_7524_8b80_fb57_u64.to_le_bytes());
    (table, data)
}

/// What is written here is read as it is; with any byte changed or the end missing it is refused, unless the byte means
/// nothing.
#[test]
fn checkpoints_written_by_the_description_are_read_and_changed_ones_never_give_other_tensors() {
    let floats = [f32::NAN, f32::INFINITY, -0.0, 1e-45, 3.25, f32::MIN];
    let bytes = |values: &[i64], width: usize| values.iter().flat_map(|v| v.to_le_bytes()[..width].to_vec()).collect();
    let expected: Expected = [
        ("a/weights", Dtype::F32, vec![2, 3], floats.iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("double", Dtype::F64, vec![1], f64::MIN_POSITIVE.to_le_bytes().to_vec()),
        ("empty", Dtype::F32, vec![3, 0], vec![]),
        ("long", Dtype::I64, vec![2], bytes(&[i64::MIN, i64::MAX], 8)),
        ("scalar", Dtype::I32, vec![], bytes(&[-7], 4)),
        ("small", Dtype::U8, vec![3], vec![0, 7, 255]),
        ("truth", Dtype::BOOL, vec![2, 1], vec![1, 0]),
    ]
    .map(|(name, dtype, shape, values)| (name.to_owned(), (dtype, shape, values)))
    .into();
    let read = |index: &[u8], data: &[u8]| -> Option<Expected> {
        let shard = ("m.data-00000-of-00001".to_owned(), Bytes::copy_from_slice(data));
        let checkpoint = Checkpoint::read("m.index", Bytes::copy_from_slice(index), &[shard]).ok()?;
        let tensor = |tensor: &Tensor| {
            Some((tensor.name.clone(), (tensor.dtype, tensor.shape.clone(), tensor.bytes().ok()?.to_vec())))
        };
        checkpoint.tensors.iter().map(tensor).collect()
    };
    let (index, data) = written(&expected);
    assert_eq!(read(&index, &data).as_ref(), Some(&expected));
    let changed = |bytes: &[u8], at: usize, change: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= change;
        bytes
    };
    for change in [1, 0x80, 0xff] {
        assert!((0..data.len()).all(|at| read(&index, &changed(&data, at, change)).is_none()));
        let passed = (0..index.len()).filter_map(|at| read(&changed(&index, at, change), &data));
        // What fills the footer up, and the block of metadata, which holds none.
        assert!(passed.inspect(|found| assert_eq!(*found, expected)).count() < 64);
    }
    assert!((0..index.len()).all(|len| read(&index[..len], &data).is_none()));
    assert!((0..data.len()).all(|len| read(&index, &data[..len]).is_none()));
}
