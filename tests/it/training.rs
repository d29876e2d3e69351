//! Training and validation as a user runs them: what stops a training, what its log tells, how iterations follow.

use super::harness::Bench;

/// The lines of the composed log.
fn log(bench: &Bench) -> Vec<String> {
    let text = std::fs::read_to_string(bench.path("results/small/log.txt")).unwrap();
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
    assert!(!bench.path("results/small/train").exists(), "nothing of it is published");
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
    assert!(bench.path("results/small/train/1/classes.csv").exists());
}

#[test]
fn the_references_iterations_train_a_step_twice_on_batches_seeded_anew() {
    let bench = Bench::small();
    bench.ok("run small.ron --only validate --set train.reference=true");
    assert_eq!(steps(&log(&bench)), [0, 1, 2, 3, 3, 4, 5, 6]);
    let table = std::fs::read_to_string(bench.path("results/small/train/2/steps.csv")).unwrap();
    let last = table.lines().last().unwrap();
    let column = |name: &str| table.lines().next().unwrap().split(',').position(|column| column == name).unwrap();
    let cell = |name: &str| last.split(',').nth(column(name)).unwrap();
    assert_eq!((cell("step"), cell("rate").parse::<f64>().unwrap()), ("6", 0.0));
    assert!((0.0..=1.0).contains(&cell("pixel_accuracy").parse::<f64>().unwrap()));
    let summary = std::fs::read_to_string(bench.path("results/small/validate/2/summary.csv")).unwrap();
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
