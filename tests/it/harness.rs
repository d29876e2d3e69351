//! A folder of its own for each test, in which the real program runs.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value as Json;

use crate::failing;

/// All kinds that compute, on four made scenes: about half a second.
pub const SMALL: &str = r#"Pipeline(
    name: "small",
    stages: {
        "pictures": Dataset(source: Shapes(images: 4, seed: 7, size: (48, 40)), classes: Shapes),
        "others": Dataset(source: Shapes(images: 2, seed: 7, first: 100, size: (48, 40)), classes: Shapes),
        "start": Weights(encoder: Tiny, source: Seeded(encoder: Stable, seed: 1)),
        "train": Train(
            data: "pictures", weights: "start",
            model: DeepLabV2(encoder: Tiny, classes: 6, prefilter: Average()),
            iterations: 2, steps: 3, batch: 2, crop: (33, 33), seed: 1,
        ),
        "validate": Validate(model: "train", data: "others", every_iteration: true),
        "predict": Predict(model: "train", data: "others"),
        "table": Report(from: ["validate"]),
    },
)
"#;

/// The text of a pipeline that trains on four made scenes, in two iterations, and has eight others to judge by. `matrix` is the
/// field of that name or nothing, `training` states the steps and the batch, and `stages` follow the training.
pub fn trained(name: &str, matrix: &str, training: &str, stages: &str) -> String {
    format!(
        r#"Pipeline(
    name: "{name}",{matrix}
    stages: {{
        "pictures": Dataset(source: Shapes(images: 4, seed: 7, size: (48, 40)), classes: Shapes),
        "others": Dataset(source: Shapes(images: 8, seed: 7, first: 100, size: (48, 40)), classes: Shapes),
        "start": Weights(encoder: Tiny, source: Seeded(encoder: Stable, seed: 1)),
        "train": Train(
            data: "pictures", weights: "start", model: DeepLabV2(encoder: Tiny, classes: 6, prefilter: Regular),
            iterations: 2, {training}, crop: (33, 33), seed: 1,
        ),{stages}
    }},
)"#
    )
}

/// The text of a pipeline of two methods with two seeds each, which are trained and judged. The pre-filter of a method is set
/// at `places`, and `stages` follow.
pub fn two_methods(name: &str, places: &[&str], stages: &str) -> String {
    let matrix = format!(
        r#"
    matrix: (axes: {{
        "prefilter": (set: {places:?}, values: [Regular, Average]),
        "seed": (set: ["train.seed"], values: [1, 2]),
    }}),"#
    );
    let judged = r#"
        "validate": Validate(model: "train", data: "others", every_iteration: true),
        "predict": Predict(model: "train[seed=2]", data: "others"),
        "erf": Erf(model: "train", data: "others", images: 1),"#;
    trained(name, &matrix, "steps: 3, batch: 2", &format!("{judged}{stages}"))
}

/// A folder with pipelines, a store and results.
pub struct Bench {
    dir: tempfile::TempDir,
}

/// How a call of the program ended.
#[derive(Debug)]
pub struct Answer {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Bench {
    pub fn new() -> Self {
        Bench { dir: tempfile::tempdir().unwrap() }
    }

    /// A folder that holds `small.ron`.
    pub fn small() -> Self {
        let bench = Bench::new();
        bench.write("small.ron", SMALL);
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Writes a file again with every occurrence of `old` replaced; there must be one.
    pub fn edit(&self, name: &str, old: &str, new: &str) {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(old), "{old} is not in {name}");
        self.write(name, text.replace(old, new));
    }

    /// The program with a command line that is split at blanks, in this folder and with its store.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
        command.args(line.split_whitespace()).arg("--store").arg(self.path("store"));
        if line.starts_with("run ") {
            command.arg("--results").arg(self.path("results"));
        }
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("REPRO_")) {
            command.env_remove(name);
        }
        command.env("XDG_CONFIG_HOME", self.path("config")).current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    pub fn call(&self, line: &str) -> Answer {
        Answer::of(self.command(line).output().unwrap())
    }

    /// Calls the program, which breaks at these failpoints.
    pub fn call_failing(&self, line: &str, failpoints: &str) -> Answer {
        let command = self.command(line);
        let mut failing = like(&command, std::env::current_exe().unwrap());
        failing.args(command.get_args()).env(failing::VARIABLE, failpoints).stdin(Stdio::null());
        Answer::of(failing.output().unwrap())
    }

    /// Calls the program, which must succeed, and gives its standard output.
    pub fn ok(&self, line: &str) -> String {
        let answer = self.call(line);
        assert_eq!(answer.code, Some(0), "repro {line}: {answer:?}");
        answer.out
    }

    /// Runs a pipeline, which must succeed, and gives the nodes that were executed, by their events.
    pub fn ran(&self, line: &str) -> Vec<String> {
        started(&self.ok(&format!("run {line} --json")))
    }

    /// The record of a run.
    pub fn record(&self, run: &str) -> Json {
        serde_json::from_str(&self.ok(&format!("show {run} --format json"))).unwrap()
    }

    /// The digests of all outputs of the newest run by `node.output`.
    pub fn digests(&self) -> BTreeMap<String, String> {
        digests(&self.record("latest"))
    }

    /// The folder of a pipeline's results that a run wrote last: of the whole pipeline, a profile or a trial.
    pub fn newest(&self, pipeline: &str) -> PathBuf {
        let folders = std::fs::read_dir(self.path("results")).unwrap().map(|entry| entry.unwrap().path());
        let is_of = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name == pipeline || name.starts_with(&format!("{pipeline}@"))
        };
        let changed = |path: &PathBuf| path.join("manifest.json").metadata().and_then(|file| file.modified()).ok();
        folders.filter(is_of).max_by_key(changed).unwrap()
    }

    /// The object with this digest in the store.
    pub fn object(&self, digest: &str) -> PathBuf {
        self.path("store/objects").join(&digest[..2]).join(&digest[2..])
    }

    /// A text with what differs between two calls taken out: this folder, run ids, digests and times.
    pub fn normal(&self, text: &str) -> String {
        let text = text.replace(&self.path("").display().to_string(), "[dir]/");
        let words = text.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        let mut out = String::new();
        for word in words {
            let end = word.len() - word.chars().last().filter(|c| !c.is_ascii_alphanumeric()).map_or(0, char::len_utf8);
            let (body, rest) = word.split_at(end);
            let hex = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit());
            out += match body.len() {
                64 if hex(body) => "[digest]",
                24 if body.starts_with("20") && body.matches('-').count() == 3 => "[run]",
                _ => body,
            };
            out += rest;
        }
        out
    }

    /// Code, standard output and standard error of a call, for a snapshot.
    pub fn told(&self, line: &str) -> String {
        let answer = self.call(line);
        let part = |name: &str, text: &str| match text.trim_end() {
            "" => String::new(),
            text => format!("--- {name}\n{}\n", self.normal(text)),
        };
        let code = answer.code.map_or("killed".to_owned(), |code| code.to_string());
        format!("exit code {code}\n{}{}", part("out", &answer.out), part("err", &answer.err))
    }
}

impl Answer {
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Answer { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Both outputs.
    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

/// The events of a run.
pub fn events(out: &str) -> Vec<Json> {
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The nodes that were started, in this order.
pub fn started(out: &str) -> Vec<String> {
    events(out).iter().filter(|event| event["event"] == "node_started").map(|event| node(&event["node"])).collect()
}

/// A node's name, as `train[2]`.
pub fn node(label: &Json) -> String {
    let stage = label["stage"].as_str().unwrap();
    label["iteration"].as_u64().map_or(stage.to_owned(), |i| format!("{stage}[{i}]"))
}

/// The digests of all outputs of a run by `node.output`.
pub fn digests(record: &Json) -> BTreeMap<String, String> {
    let nodes = record["nodes"].as_array().unwrap();
    let outputs = nodes.iter().flat_map(|n| {
        let outputs = n["outputs"].as_object().unwrap();
        outputs.iter().map(|(name, out)| (format!("{}.{name}", node(n)), out["digest"].as_str().unwrap().to_owned()))
    });
    outputs.collect()
}

/// A call of another program in the environment and the folder of `command`.
pub fn like(command: &Command, program: impl AsRef<OsStr>) -> Command {
    let mut other = Command::new(program);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => other.env(name, value),
            None => other.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        other.current_dir(folder);
    }
    other
}

/// Every file below a folder, by relative path.
pub fn files(folder: &Path) -> Vec<String> {
    repro::fsio::walk(folder).unwrap()
}

/// The files of an archive by path, in their order, and what stands in their headers beside.
pub fn unpacked(bench: &Bench, archive: &str) -> Vec<(String, Vec<u8>)> {
    let file = std::fs::File::open(bench.path(archive)).unwrap();
    let mut archive = tar::Archive::new(zstd::Decoder::new(file).unwrap());
    let read = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.mtime().unwrap(), header.uid().unwrap(), header.mode().unwrap()), (0, 0, 0o644));
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (name, bytes)
    };
    archive.entries().unwrap().map(read).collect()
}

/// Copies a folder with all in it.
pub fn copy_folder(from: &Path, to: &Path) {
    for name in files(from) {
        let target = to.join(&name);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(from.join(&name), target).unwrap();
    }
}

/// The project's own folder.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
