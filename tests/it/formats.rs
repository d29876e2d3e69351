//! The tables of `docs/weights.md`: each row is a file that is made here and read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use repro::ml::checkpoint::Checkpoint;
use repro::ml::import;
use repro::ml::naming::{NameTable, scopes};

use super::checkpoints::{
    self, F32, Kind, Layout, Tensors, npy, npz, npz_of, pickled, safetensors_of, tensorflow_v1_of, tensorflow_v2,
    torch_of,
};
use super::harness::{Bench, project};

/// The first cells of the table below a heading, or the first two with a comma between them.
fn rows(heading: &str, cells: usize) -> Vec<String> {
    let text = std::fs::read_to_string(project().join("docs/weights.md")).unwrap();
    let (_, section) = text.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no `{heading}`"));
    let section = section.split("\n## ").next().unwrap();
    let row = |line: &str| {
        let all: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        all[..cells].join(", ")
    };
    let rows: Vec<String> = section.lines().filter(|line| line.starts_with("| ")).map(row).collect();
    rows.into_iter().skip(1).collect()
}

/// The tensors of every file here.
fn tensors() -> Tensors {
    let values = |count: usize, shift: f32| (0..count).map(|at| at as f32 / 4.0 - shift).collect::<Vec<f32>>();
    Tensors::from([("a/weights".into(), (vec![3, 4], values(12, 1.0))), ("b/biases".into(), (vec![5], values(5, 0.5)))])
}

/// Writes files into a folder.
fn write(bench: &Bench, folder: &str, files: impl IntoIterator<Item = (String, Vec<u8>)>) {
    for (name, content) in files {
        bench.write(&format!("{folder}{name}"), content);
    }
}

fn open(path: &Path) -> Checkpoint {
    Checkpoint::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Makes the file of a row, and says its name.
fn made(bench: &Bench, row: &str) -> Option<PathBuf> {
    let tensors = tensors();
    let v2 = |folder: &str, name: &str, parts: usize| write(bench, folder, tensorflow_v2(name, &tensors, parts));
    let step = "model.ckpt-100";
    let state = format!("model_checkpoint_path: \"{step}\"\nall_model_checkpoint_paths: \"{step}\"\n");
    let one = |name: &str, content: Vec<u8>| {
        bench.write(name, content);
        name.to_owned()
    };
    let name = match row {
        "TensorFlow V2, its prefix" | "TensorFlow V2, its index" | "TensorFlow V2, any part" => {
            v2("", step, 2);
            let end = if row.ends_with("prefix") {
                ""
            } else if row.ends_with("index") {
                ".index"
            } else {
                ".data-00001-of-00002"
            };
            format!("{step}{end}")
        }
        "TensorFlow V1, one file" => one("model.ckpt", tensorflow_v1_of(&tensors, F32)),
        "TensorFlow V1 in parts, their prefix" | "TensorFlow V1 in parts, any part" => {
            for (at, (name, tensor)) in tensors.iter().enumerate() {
                let part = Tensors::from([(name.clone(), tensor.clone())]);
                bench.write(&format!("parts.ckpt-{at:05}-of-00002"), tensorflow_v1_of(&part, F32));
            }
            if row.ends_with("prefix") { "parts.ckpt" } else { "parts.ckpt-00001-of-00002" }.to_owned()
        }
        "TensorFlow's graph beside a checkpoint" => {
            v2("", step, 1);
            one(&format!("{step}.meta"), b"a graph".to_vec())
        }
        "TensorFlow's text file, for the latest checkpoint" => {
            v2("", step, 1);
            write(bench, "", tensorflow_v2("model.ckpt-20", &Tensors::from([("old".into(), (vec![1], vec![0.0]))]), 1));
            one("checkpoint", state.into_bytes())
        }
        "a folder with TensorFlow's text file" => {
            v2("trained/", step, 1);
            v2("trained/", "model.ckpt-20", 1);
            // As it was on another machine.
            one("trained/checkpoint", state.replace("path: \"", "path: \"/somewhere/else/").into_bytes());
            "trained".to_owned()
        }
        "a folder with one TensorFlow checkpoint" => {
            v2("trained/", step, 1);
            "trained".to_owned()
        }
        "a model that TensorFlow 2 saved as a whole, its folder" => {
            one("saved_model/saved_model.pb", b"a graph".to_vec());
            v2("saved_model/variables/", "variables", 1);
            "saved_model".to_owned()
        }
        "a TensorFlow prefix without its step, where there is one" => {
            v2("", step, 1);
            "model.ckpt".to_owned()
        }
        "PyTorch since 1.6" => one("x.bin", torch_of(&tensors, F32, Layout::Zip)),
        "a whole PyTorch module, `torch.save(model)`" => one("x.pth", torch_of(&tensors, F32, Layout::Module)),
        "a compiled PyTorch module (TorchScript)" => one("x.pt", torch_of(&tensors, F32, Layout::Script)),
        "NumPy's npz" => one("x.npz", npz(&tensors)),
        "NumPy's npz, compressed" => one("x.npz", npz_of(&tensors, F32, true)),
        "a NumPy array by itself" => one("a.npy", npy(&tensors["a/weights"], F32)),
        "safetensors" => one("x.safetensors", safetensors_of(&tensors, F32)),
        row => {
            let protocol = row.strip_prefix("PyTorch before 1.6, pickle protocol ")?.parse().ok()?;
            one("x.pth", torch_of(&tensors, F32, Layout::Legacy(protocol)))
        }
    };
    Some(bench.path(&name))
}

#[test]
fn every_format_of_the_table_is_read() {
    let rows = rows("Formats", 1);
    assert_eq!(rows.len(), 24, "{rows:?}");
    for row in rows {
        let bench = Bench::new();
        let path = made(&bench, &row).unwrap_or_else(|| panic!("no test makes `{row}`"));
        let file = open(&path);
        let found: Tensors = file
            .tensors
            .iter()
            .map(|tensor| (tensor.name.clone(), (tensor.shape.clone(), tensor.floats().unwrap().unwrap())))
            .collect();
        match row.as_str() {
            "a NumPy array by itself" => assert_eq!(found["a"], tensors()["a/weights"]),
            _ => assert_eq!(found, tensors(), "{row}"),
        }
    }
}

#[test]
fn every_type_of_the_table_is_converted() {
    let rows = rows("Types", 2);
    assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), 14, "{rows:?}");
    for row in rows {
        let (kind, format) = row.split_once(", ").unwrap();
        let kind: Kind = match kind {
            "F16" => checkpoints::F16,
            "BF16" => checkpoints::BF16,
            "F64" => checkpoints::F64,
            other => panic!("no test of the type {other}"),
        };
        let (bench, name, tensors) = (Bench::new(), "m.ckpt", tensors());
        match format {
            "PyTorch" => drop(bench.write(name, torch_of(&tensors, kind, Layout::Zip))),
            "NumPy" => drop(bench.write(name, npz_of(&tensors, kind, false))),
            "TensorFlow V1" => drop(bench.write(name, tensorflow_v1_of(&tensors, kind))),
            "TensorFlow V2" => write(&bench, "", checkpoints::tensorflow_v2_of(name, &tensors, 2, kind)),
            "safetensors" => drop(bench.write(name, safetensors_of(&tensors, kind))),
            other => panic!("no test of the format {other}"),
        }
        for tensor in &open(&bench.path(name)).tensors {
            assert_eq!(format!("{:?}", tensor.dtype), row.split(',').next().unwrap(), "{row}");
            // Quarters are the same numbers in every type.
            assert_eq!(tensor.floats().unwrap().unwrap(), tensors[&tensor.name].1, "{row}");
        }
    }
}

#[test]
fn every_prefix_of_the_table_is_passed_and_the_table_has_each() {
    let rows: Vec<String> = rows("Prefixes", 1).iter().map(|row| row.trim_matches('`').to_owned()).collect();
    assert_eq!(rows, scopes::USUAL, "the table has what the program knows");
    let table = NameTable::shipped("Torchvision").unwrap();
    let value = (vec![1, 1, 1, 1], vec![1.5_f32]);
    let found = |prefix: &str| {
        let tensors = Tensors::from([(format!("{prefix}.conv1.weight"), value.clone())]);
        let bench = Bench::new();
        bench.write("x.pth", torch_of(&tensors, F32, Layout::Zip));
        let file = open(&bench.path("x.pth"));
        import::translate(&file, &table, &|name| name == "stem/conv/weights", 1e-3).unwrap().tensors
    };
    for (at, row) in rows.iter().enumerate() {
        let nested = format!("{row}.{}.module", rows[(at + 7) % rows.len()]);
        for prefix in [row, &nested] {
            assert_eq!(found(prefix).get("stem/conv/weights"), Some(&value), "{prefix}");
        }
    }
    assert!(found("unheard").is_empty());
}

#[test]
fn what_is_no_file_of_weights_is_named_as_the_table_says() {
    let rows = rows("What is told by name", 1);
    assert_eq!(rows.len(), 10, "{rows:?}");
    for row in rows {
        let bench = Bench::new();
        let tar = || {
            let mut content = vec![0; 2048];
            content[..9].copy_from_slice(b"sys_info\0");
            content[257..262].copy_from_slice(b"ustar");
            content
        };
        let v2 = |folder: &str, name: &str| write(&bench, folder, tensorflow_v2(name, &tensors(), 1));
        let (content, words): (&[u8], &[&str]) = match row.as_str() {
            "a pickled dictionary in npz" => (&pickled(true), &["`weights` is a pickled object", "numpy.savez"]),
            "a pickled dictionary in npy" => (&pickled(false), &["`x` is a pickled object", "numpy.savez"]),
            "a tar archive of PyTorch before 0.1.10" => {
                (&tar(), &["tar archive, as PyTorch before 0.1.10", "torch.save(torch.load("])
            }
            "HDF5 (Keras)" => (b"\x89HDF\r\n\x1a\n and more", &["HDF5, as Keras writes it", "save_format"]),
            "compressed by gzip" => (b"\x1f\x8b\x08 and more", &["The file is a gzip file", "Unpack it"]),
            "a web page" => (b"<!DOCTYPE html><html>", &["a web page", "fetch the file again"]),
            "a pointer of Git LFS" => (b"version https://git-lfs.github.com/spec/v1\n", &["Git LFS", "git lfs pull"]),
            "a PyTorch file without tensors" => {
                (&torch_of(&Tensors::new(), F32, Layout::Zip), &["no tensors by name", "model.state_dict()"])
            }
            "a folder of several checkpoints" | "a prefix of several steps" => {
                v2("x/", "model.ckpt-9");
                v2("x/", "model.ckpt-100");
                (b"", &["model.ckpt-100`", "Name"])
            }
            other => panic!("no test of `{other}`"),
        };
        let name = match row.as_str() {
            "a pickled dictionary in npy" => "x.npy",
            "a folder of several checkpoints" => "x",
            "a prefix of several steps" => "x/model.ckpt",
            _ => "x.pth",
        };
        if !content.is_empty() {
            bench.write(name, content);
        }
        let error = Checkpoint::open(&bench.path(name)).unwrap_err();
        let told = format!("{error} {}", error.hint());
        for word in words {
            assert!(told.contains(word), "{row}: {told}");
        }
    }
}
