//! The program itself: what it says it was built from, and that a run ends with the program that began it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

use crate::harness::{Answer, Bench, SMALL, files, project, started};

/// What git answers in the project's folder; none where it refuses.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(project()).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[test]
fn the_version_names_the_commit() {
    let bench = Bench::small();
    bench.ran("small.ron --only start");
    let told = bench.record("latest")["versions"]["commit"].clone();
    let version = Command::new(env!("CARGO_BIN_EXE_repro")).arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    assert!(version.starts_with(&format!("repro {}", env!("CARGO_PKG_VERSION"))), "{version}");
    if git(&["ls-files", "--error-unmatch", "build.rs"]).is_none() {
        println!("skipped: no checkout");
        return;
    }
    let told = told.as_str().unwrap();
    let commit = told.split(' ').next().unwrap();
    assert!(version.contains(&commit[..12]), "{version}");
    assert_eq!(version.contains("changed"), told.ends_with(" changed"), "{version} {told}");
    // Somebody may have committed since the program was built.
    let time = |path: &Path| std::fs::metadata(path).and_then(|of| of.modified()).ok();
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"]).map(|path| project().join(path));
    if log.and_then(|log| time(&log)) < time(Path::new(env!("CARGO_BIN_EXE_repro"))) {
        assert_eq!(git(&["rev-parse", "HEAD"]).unwrap(), commit);
    }
}

#[test]
fn a_run_goes_on_with_the_program_that_began_it() {
    // While the first stage runs, the program's file is replaced by another, and is removed.
    for change in ["printf '#!/bin/sh\\nexit 9\\n' >$1.new && chmod +x $1.new && mv $1.new $1", "rm $1"] {
        let bench = Bench::new();
        let program = bench.path("repro");
        std::fs::copy(env!("CARGO_BIN_EXE_repro"), &program).unwrap();
        bench.write("change.sh", format!("{change}\necho done >$2\n"));
        bench.write(
            "two.ron",
            format!(
                r#"Pipeline(name: "two", stages: {{
                    "first": Command(
                        run: ["sh", "{{file:script}}", "{}", "{{out:text}}"],
                        files: {{"script": "change.sh"}}, outputs: {{"text": "text.txt"}},
                    ),
                    "second": Command(
                        run: ["cp", "{{in:first}}", "{{out:text}}"],
                        inputs: {{"first": "first"}}, outputs: {{"text": "copy.txt"}},
                    ),
                    "start": Weights(encoder: Tiny, source: Seeded()),
                    "pictures": Dataset(source: Shapes(images: 2, size: (48, 40)), classes: Shapes),
                    "train": Train(
                        data: "pictures", weights: "start", model: DeepLabV2(encoder: Tiny, classes: 6, prefilter: Average),
                        steps: 1, batch: 2, crop: (33, 33), ranks: 2,
                    ),
                }})"#,
                program.display()
            ),
        );
        let like = bench.command("run two.ron --json");
        let mut run = Command::new(&program);
        run.args(like.get_args()).current_dir(bench.path(""));
        let answer = Answer::of(run.output().unwrap());
        assert_eq!(answer.code, Some(0), "{change}: {answer:?}");
        assert!(started(&answer.out).contains(&"train".to_owned()), "{answer:?}");
        assert_ne!(std::fs::read(&program).ok(), std::fs::read(env!("CARGO_BIN_EXE_repro")).ok());
    }
}

/// The job file of a run's only node.
fn job(bench: &Bench) -> PathBuf {
    let jobs = bench.path("store/jobs");
    let name = files(&jobs).into_iter().find(|name| name.ends_with("/job.json")).unwrap();
    jobs.join(name)
}

#[test]
fn a_job_planned_by_another_program_or_for_other_arithmetic_is_refused() {
    let bench = Bench::new();
    bench.write("small.ron", SMALL);
    bench.ran("small.ron --only pictures,start");
    std::fs::remove_dir_all(bench.path("store/jobs")).unwrap();
    bench.ran("small.ron --only train[1]");
    let path = job(&bench);
    let planned: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    std::fs::remove_dir_all(bench.path("store/actions")).unwrap();
    let refused = |change: &dyn Fn(&mut Json), words: &[&str]| {
        let mut job = planned.clone();
        change(&mut job);
        std::fs::write(&path, job.to_string()).unwrap();
        let answer = Answer::of(bench.command(&format!("exec {}", path.display())).output().unwrap());
        assert_eq!(answer.code, Some(1), "{answer:?}");
        assert!(words.iter().all(|word| answer.all().contains(word)), "{words:?}: {answer:?}");
        assert!(!bench.path("store/actions").exists(), "nothing is recorded");
    };
    let other = |job: &mut Json| job["program"] = serde_json::json!({"digest": "0".repeat(64), "file": "1 2 3 4"});
    refused(&other, &["Another program planned this job"]);
    refused(
        &|job| drop(job.as_object_mut().unwrap().remove("program")),
        &["Another program planned this job", "would stand under a key of that one"],
    );
    let numeric = |job: &mut Json| job["preimage"]["numeric.sums"] = Json::from("in any order");
    refused(&numeric, &["`cpu` is not what the run was planned for", "sums is fused", "not in any order"]);
    let more = |job: &mut Json| job["preimage"]["numeric.fan"] = Json::from("fast");
    refused(&more, &["fan is nothing, not fast"]);
}
