//! The same inputs give the same bytes: whatever the threads, the folder and the store.

use crate::harness::Bench;

#[test]
fn one_and_two_threads_give_the_same_bytes() {
    let run = |threads: &str| {
        let bench = Bench::small();
        bench.edit("small.ron", "size: (48, 40)", "size: (90, 70)");
        bench.edit("small.ron", "crop: (33, 33)", "crop: (65, 65)");
        assert_eq!(bench.ran(&format!("small.ron --oversubscribe --threads {threads}")).len(), 9);
        bench.digests()
    };
    let one = run("1");
    assert!(one.len() > 15, "{one:?}");
    assert_eq!(one, run("2"));
    assert_eq!(one, run("3 --jobs 3"));
}

#[test]
fn another_store_in_another_folder_has_the_same_bytes_and_keys() {
    let run = |folder: &str| {
        let bench = Bench::new();
        bench.write(&format!("{folder}/small.ron"), crate::harness::SMALL);
        assert_eq!(bench.ran(&format!("{folder}/small.ron")).len(), 9);
        let record = bench.record("latest");
        let keys: Vec<String> =
            record["nodes"].as_array().unwrap().iter().map(|node| node["key"].to_string()).collect();
        (bench.digests(), keys)
    };
    assert_eq!(run("a"), run("some/other/folder"));
}

#[test]
fn a_stage_that_is_made_again_has_the_same_bytes() {
    let bench = Bench::small();
    bench.ran("small.ron");
    let first = bench.digests();
    let all = "pictures,others,start,train,predict,validate,table";
    let answer = bench.call(&format!("run small.ron --force {all}"));
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(!answer.all().contains("not reproducible"), "{answer:?}");
    assert_eq!(bench.digests(), first);
}

#[test]
fn a_dense_crf_changes_predictions_in_the_same_way_for_any_number_of_threads() {
    // A model that has seen a little, and so predicts more than one class.
    let small = "small.ron --set train.steps=40 --set train.optimizer.lr=0.02";
    let crf = format!("{small} --set predict.inference.crf=Some(()) --set validate.inference.crf=Some((iterations:3))");
    let outputs = |line: &str| {
        let bench = Bench::small();
        bench.ran(line);
        bench.digests()
    };
    let (plain, one, two) = (
        outputs(&format!("{small} --threads 1")),
        outputs(&format!("{crf} --threads 1")),
        outputs(&format!("{crf} --threads 2")),
    );
    assert_eq!(one, two);
    let changed: Vec<&str> = plain.keys().filter(|key| plain[*key] != one[*key]).map(String::as_str).collect();
    assert!(changed.iter().any(|key| key.starts_with("predict")), "{changed:?}");
    assert!(changed.iter().any(|key| key.starts_with("validate")), "{changed:?}");
    assert!(changed.iter().all(|key| !key.starts_with("train")), "{changed:?}");
}

#[test]
fn another_crf_is_another_prediction_and_the_same_one_is_cached() {
    let bench = Bench::small();
    bench.ran("small.ron");
    let set = "small.ron --set predict.inference.crf=";
    assert_eq!(bench.ran(&format!("{set}Some(())")), ["predict"]);
    assert_eq!(bench.ran(&format!("{set}Some((iterations:10,normalization:Pixel))")), Vec::<String>::new());
    assert_eq!(bench.ran(&format!("{set}Some((normalization:Symmetric))")), ["predict"]);
    assert_eq!(bench.ran(&format!("{set}None")), Vec::<String>::new());
}
