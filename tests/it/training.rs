//! Training and validation as a user runs them: what stops a training, what its log tells, how iterations follow.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::harness::Bench;

/// The lines of the composed log.
fn log(bench: &Bench) -> Vec<String> {
    let text = std::fs::read_to_string(bench.newest("small").join("log.txt")).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The steps that the log tells of.
fn steps(log: &[String]) -> Vec<u64> {
    log.iter().filter_map(|line| line.split_once(", ")?.0.parse().ok()).collect()
}

#[test]
fn a_loss_that_is_not_finite_ends_the_stage_with_exit_code_7() {
    let bench = Bench::small();
    let answer = bench.call("run small.ron --only train --set train.optimizer.lr=1e30");
    assert_eq!(answer.code, Some(7), "{answer:?}");
    let told = answer.all();
    assert!(told.contains("at step 1 with learning rate"), "{told}");
    assert!(told.contains("the first tensor that is not finite is `"), "{told}");
    assert!(told.contains("Lower the learning rate"), "{told}");
    let published = crate::harness::files(&bench.path("results"));
    assert!(!published.iter().any(|name| name.contains("/train/")), "nothing of it is published: {published:?}");
}

#[test]
fn the_log_reads_as_the_references() {
    let bench = Bench::small();
    bench.ok("run small.ron --only validate");
    let log = log(&bench);
    let at = |start: &str| log.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!(log[0], "Iteration: 1");
    assert_eq!(log[1], "Restored model parameters from the weights.");
    assert!(log[2].starts_with("0, ") && log[2].split(", ").count() == 3, "{log:?}");
    assert_eq!(log[5], "The checkpoint has been created.");
    assert_eq!(log[6], "Restored model parameters from step 3.");
    assert!(log[7].starts_with("Pixel Accuracy: 0."), "{log:?}");
    assert!(log[8].starts_with("class 0: ") && log[13].starts_with("class 5: "), "{log:?}");
    assert!(log[14].starts_with("mIoU: "), "{log:?}");
    assert_eq!(log[15], "Iteration: 2");
    assert_eq!([at("Iteration"), at("Restored"), at("The checkpoint"), at("mIoU")], [2, 4, 2, 2]);
    assert_eq!(steps(&log), [0, 1, 2, 3, 4, 5]);
    assert!(bench.newest("small").join("train/1/classes.csv").exists());
}

#[test]
fn the_references_iterations_train_a_step_twice_on_batches_seeded_anew() {
    let bench = Bench::small();
    bench.ok("run small.ron --only validate --set train.reference=true");
    assert_eq!(steps(&log(&bench)), [0, 1, 2, 3, 3, 4, 5, 6]);
    let table = std::fs::read_to_string(bench.newest("small").join("train/2/steps.csv")).unwrap();
    let last = table.lines().last().unwrap();
    let column = |name: &str| table.lines().next().unwrap().split(',').position(|column| column == name).unwrap();
    let cell = |name: &str| last.split(',').nth(column(name)).unwrap();
    assert_eq!((cell("step"), cell("rate").parse::<f64>().unwrap()), ("6", 0.0));
    assert!((0.0..=1.0).contains(&cell("pixel_accuracy").parse::<f64>().unwrap()));
    let summary = std::fs::read_to_string(bench.newest("small").join("validate/2/summary.csv")).unwrap();
    assert!(summary.lines().nth(1).unwrap().contains(",2,6,"), "the second iteration ends at step 6: {summary}");
}

#[test]
fn several_scales_train_validate_and_predict() {
    let bench = Bench::small();
    bench.edit("small.ron", "crop: (33, 33),", "crop: (33, 33), scales: [1.0, 0.75, 0.5], accumulate: 2,");
    bench.edit("small.ron", "every_iteration: true", "inference: (scales: [1.0, 0.5], flip: true, fuse: Max)");
    bench.edit("small.ron", "Predict(model: \"train\",", "Predict(model: \"train\", inference: (flip: true),");
    bench.ok("run small.ron");
    let first = bench.digests();
    assert_eq!(bench.ran("small.ron"), Vec::<String>::new());
    bench.ok("run small.ron --threads 1 --force train,validate,predict");
    assert_eq!(bench.digests(), first, "the same bytes on any number of threads");
    let answer = bench.call("plan small.ron --set train.scales=[]");
    assert_eq!(answer.code, Some(2), "{answer:?}");
    assert!(answer.all().contains("at least one item"), "{answer:?}");
}

#[test]
fn a_precision_that_the_device_lacks_is_told_before_anything_runs() {
    let bench = Bench::small();
    for line in ["plan", "run"] {
        let answer = bench.call(&format!("{line} small.ron --set train.precision=Bf16"));
        assert_eq!(answer.code, Some(6), "{answer:?}");
        let told = answer.all();
        assert!(told.contains("`train[1]`: The precision `Bf16` was asked for, but the device `cpu`"), "{told}");
        assert!(told.contains("Write `precision: Fp32`"), "{told}");
    }
    bench.ok("plan small.ron --set train.deterministic=false");
}

#[test]
fn what_is_computed_again_enters_no_key_and_changes_no_byte() {
    let bench = Bench::small();
    bench.ok("run small.ron --only train");
    let first = bench.digests();
    assert_eq!(bench.ran("small.ron --only train --set train.recompute=2"), Vec::<String>::new());
    bench.ok("run small.ron --only train --set train.recompute=2 --force train");
    assert_eq!(bench.digests(), first);
}

/// The weights and momenta, by name, of the state that a node of the newest run made.
fn state(bench: &Bench, node: &str) -> BTreeMap<String, Vec<f32>> {
    let digest = &bench.digests()[&format!("{node}.model")];
    let bytes = std::fs::read(bench.object(digest)).unwrap();
    repro::ml::import::safetensors(&bytes).unwrap().into_iter().map(|(name, (_, values))| (name, values)).collect()
}

#[test]
fn several_ranks_train_as_one_does_and_again_with_the_same_bits() {
    let bench = Bench::small();
    bench.edit("small.ron", "batch: 2,", "batch: 3, accumulate: 2,");
    bench.ok("run small.ron --only train");
    let alone = state(&bench, "train[2]");
    for ranks in [2, 3] {
        let line = format!("small.ron --only train --set train.ranks={ranks}");
        assert_eq!(bench.ran(&line), ["train[1]", "train[2]"], "the number of ranks is in the key");
        let (first, together) = (bench.digests(), state(&bench, "train[2]"));
        for (name, values) in &alone {
            let most = values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            let gap = values.iter().zip(&together[name]).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            let bound = if name.starts_with("momentum/") { 1e-4 } else { 1e-6 };
            assert!(gap <= bound * most, "{ranks} ranks, {name}: {gap} of {most}");
        }
        bench.ok(&format!("run {line} --force train --threads 1"));
        assert_eq!(bench.digests(), first, "{ranks} ranks");
    }
    let answer = bench.call("plan small.ron --set train.ranks=4");
    assert_eq!(answer.code, Some(2), "{answer:?}");
    assert!(answer.all().contains("4 processes cannot share a batch of 3 images"), "{answer:?}");
}

/// The parents of the reference train in one loop that keeps a checkpoint at intervals: `kdd_table1` and others do this by
/// iterations.
#[test]
fn a_training_in_many_iterations_is_the_training_in_one() {
    let bench = Bench::small();
    bench.edit("small.ron", "iterations: 2, steps: 3,", "iterations: 4, steps: 2,");
    let bits = |state: BTreeMap<String, Vec<f32>>| -> BTreeMap<String, Vec<u32>> {
        state.into_iter().map(|(name, values)| (name, values.into_iter().map(f32::to_bits).collect())).collect()
    };
    let trained = |more: &str, last: &str| {
        bench.ok(&format!("run small.ron --only train {more}"));
        bits(state(&bench, last))
    };
    let cut = trained("", "train[4]");
    let whole = trained("--set train.iterations=1 --set train.steps=8", "train");
    assert!(whole.keys().any(|name| name.starts_with("momentum/")), "{:?}", whole.keys());
    assert!(cut == whole, "weights or momenta differ");
    // The one update more of the reference's loop has rate 0: it changes the momentum, and no weight.
    let reference = trained("--set train.iterations=1 --set train.steps=8 --set train.reference=true", "train");
    let differ = |name: &&String| cut[*name] != reference[*name];
    let differing: Vec<&String> = cut.keys().filter(differ).collect();
    assert!(!differing.is_empty() && differing.iter().all(|name| name.starts_with("momentum/")), "{differing:?}");
    // Iterations of the reference each begin the stream of batches anew, so these are another training.
    let anew = trained("--set train.reference=true", "train[4]");
    assert!(cut.keys().any(|name| !name.starts_with("momentum/") && cut[name] != anew[name]));
}

#[test]
fn a_loss_that_is_not_finite_ends_all_ranks_with_exit_code_7() {
    let bench = Bench::small();
    bench.edit("small.ron", "steps: 3,", "steps: 3, ranks: 2,");
    let answer = bench.call("run small.ron --only train --set train.optimizer.lr=1e30");
    assert_eq!(answer.code, Some(7), "{answer:?}");
    assert!(answer.all().contains("the first tensor that is not finite is `"), "{answer:?}");
}

#[test]
fn a_rank_that_is_killed_is_told_at_once_and_the_next_run_goes_on() {
    let (bench, whole) = (Bench::small(), Bench::small());
    for bench in [&bench, &whole] {
        // Some seconds, of which each has a checkpoint.
        bench.edit("small.ron", "iterations: 2, steps: 3,", "steps: 2000, ranks: 2,");
        bench.edit("small.ron", "crop: (33, 33)", "crop: (97, 97)");
    }
    let mut command = bench.command("run small.ron --only train --json");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("\"checkpoint\"")), "there is no checkpoint");
    let ranks = ranks_below(child.id());
    assert_eq!(ranks.len(), 1);
    rustix::process::kill_process(ranks[0], rustix::process::Signal::KILL).unwrap();
    let told: String = lines.map(|line| line.unwrap()).collect();
    assert_eq!(child.wait().unwrap().code(), Some(3), "{told}");
    assert!(told.contains("Rank 1 of the training failed: It ended early."), "{told}");
    let out = bench.ok("run small.ron --only train --json");
    assert!(out.contains("\"resumed\""), "{out}");
    whole.ok("run small.ron --only train");
    assert_eq!(bench.digests(), whole.digests());
}

/// The processes below `root` that are ranks of a training.
fn ranks_below(root: u32) -> Vec<rustix::process::Pid> {
    let text = |pid: u32, file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let parent = |pid: u32| -> Option<u32> {
        text(pid, "status").lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
    };
    let below = |pid: u32| std::iter::successors(Some(pid), |pid| parent(*pid)).any(|pid| pid == root);
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ranks = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let ranks = ranks.filter(|&pid| text(pid, "cmdline").contains("\0rank\0") && below(pid));
    ranks.filter_map(|pid| rustix::process::Pid::from_raw(pid as i32)).collect()
}
