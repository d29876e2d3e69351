//! Claims through the real program: what a run prints, what `repro claims` lists, and its exit codes.

use serde_json::Value as Json;

use crate::harness::{Bench, trained};

/// Two ways of inference of one small training.
const STAGES: &str = r#"
        "plain": Validate(model: "train", data: "others"),
        "again": Validate(model: "train", data: "others"),
        "mirrored": Validate(model: "train", data: "others", inference: (flip: true), every_iteration: true),"#;

/// A claim that surely holds, one that surely fails, and one of a model against itself.
const HOLDS: &str = r#""harmless": Greater(that: "Mirroring does no great harm", metric: MeanIou, of: "mirrored", than: "plain", by: -99.5)"#;
const FAILS: &str =
    r#""wonder": Greater(that: "Mirroring works wonders", metric: MeanIou, of: "mirrored", than: "plain", by: 99.5)"#;
const ITSELF: &str =
    r#""itself": Greater(that: "A model beats itself", metric: PixelAccuracy, of: "plain", than: "again")"#;

/// The pipeline with these claims.
fn pipeline(claims: &[&str]) -> String {
    let claims = format!("\n        \"claims\": Claims(claims: {{{}}}),", claims.join(", "));
    trained("claimed", "", "steps: 1, batch: 1", &format!("{STAGES}{claims}"))
}

#[test]
fn verdicts_are_printed_below_the_tables_and_have_exit_codes() {
    let bench = Bench::new();
    let line = "claims claimed";
    for (claims, code, strict) in
        [(&[HOLDS][..], 0, 0), (&[HOLDS, ITSELF], 0, 8), (&[HOLDS, FAILS, ITSELF], 8, 8), (&[FAILS], 8, 8)]
    {
        bench.write("claimed.ron", pipeline(claims));
        let out = bench.ok("run claimed.ron");
        let (listed, judged) = (bench.call(line), bench.call(&format!("{line} --strict")));
        assert_eq!((listed.code, judged.code), (Some(code), Some(strict)), "{claims:?} {}", listed.all());
        assert_eq!(listed.out, judged.out);
        let verdicts = listed.out.split_once("\n\n").expect("a line that names the run").1;
        let (_, below) = out.split_once(&format!("\n\n{verdicts}")).unwrap_or_else(|| panic!("{out}"));
        assert!(below.starts_with("The results are in "), "{out}");
        for (claim, verdict) in [(HOLDS, "holds      "), (FAILS, "fails      "), (ITSELF, "undecided  ")] {
            let said = verdicts.lines().any(|line| line.starts_with(verdict));
            assert_eq!(said, claims.contains(&claim), "{verdict} {verdicts}");
        }
    }
}

#[test]
fn verdicts_are_listed_in_every_format_and_name_their_run() {
    let bench = Bench::new();
    bench.write("claimed.ron", pipeline(&[HOLDS, ITSELF]));
    bench.ok("run claimed.ron");
    let json: Json = serde_json::from_str(&bench.ok("claims --format json")).unwrap();
    assert_eq!((&json["version"], &json["pipeline"]), (&Json::from(1), &Json::from("claimed")));
    assert_eq!(json["run"], bench.record("latest")["id"]);
    let claims = json["claims"].as_array().unwrap();
    let name = |at: usize| (claims[at]["name"].as_str().unwrap(), claims[at]["verdict"].as_str().unwrap());
    assert_eq!([name(0), name(1)], [("harmless", "holds"), ("itself", "undecided")]);
    assert_eq!((&claims[1]["effect"], &claims[1]["low"], &claims[1]["high"]), (&0.0.into(), &0.0.into(), &0.0.into()));
    assert_eq!((&claims[0]["family"], &claims[0]["resampled"]), (&2.0.into(), &"8 images".into()));
    assert!(claims[0]["note"].as_str().unwrap().contains("these two trained models"), "{json}");
    let markdown = bench.ok("claims --format markdown");
    assert!(
        markdown.starts_with("# `claimed`, run `20") && markdown.contains("\n| holds | Mirroring does"),
        "{markdown}"
    );
    let text = bench.ok("claims");
    assert!(text.starts_with("Run 20") && text.contains(" of claimed\n"), "{text}");
    for format in ["md", "tex", "csv", "parquet", "html"] {
        assert!(bench.path(&format!("results/claimed/claims/claims.{format}")).is_file(), "{format}");
    }
}

#[test]
fn verdicts_do_not_depend_on_names_of_stages_and_tell_an_iteration_that_was_chosen() {
    let bench = Bench::new();
    bench.write("claimed.ron", pipeline(&[HOLDS]));
    bench.ok("run claimed.ron");
    let note = |bench: &Bench| {
        let json: Json = serde_json::from_str(&bench.ok("claims --format json")).unwrap();
        json["claims"][0]["note"].as_str().unwrap().to_owned()
    };
    assert!(!note(&bench).contains("iteration"), "the last iteration is meant");
    bench.edit("claimed.ron", "mirrored", "reversed");
    bench.edit("claimed.ron", "\"claims\"", "\"statements\"");
    assert!(bench.ran("claimed.ron").is_empty());
    bench.edit("claimed.ron", "of: \"reversed\"", "of: \"reversed[2]\"");
    assert!(bench.ran("claimed.ron").is_empty(), "the last iteration by its number is the same");
    bench.edit("claimed.ron", "of: \"reversed[2]\"", "of: \"reversed[1]\"");
    assert_eq!(bench.ran("claimed.ron"), ["statements"]);
    assert!(note(&bench).contains("A figure is that of iteration 1 of 2."), "{}", note(&bench));
}

#[test]
fn earlier_runs_are_claimed_about_and_other_images_are_refused() {
    let bench = Bench::new();
    bench.write("claimed.ron", pipeline(&[HOLDS]));
    bench.ok("run claimed.ron");
    let earlier = HOLDS.replace("than: \"plain\"", "than: \"run:claimed/plain\"");
    bench.write("claimed.ron", pipeline(&[&earlier]));
    assert!(bench.ran("claimed.ron").is_empty(), "the same figures");
    bench.edit("claimed.ron", "first: 100", "first: 300");
    let told = bench.call("run claimed.ron");
    assert_eq!(told.code, Some(4), "{}", told.all());
    let said = "`claims[\"harmless\"].than`: `run:claimed/plain`: The images are not the same";
    assert!(told.all().contains(said), "{}", told.all());
    let unfinished = bench.call("claims latest");
    assert_eq!(unfinished.code, Some(3), "{}", unfinished.all());
    assert!(unfinished.err.contains("did not finish its stage `claims`"), "{}", unfinished.err);
}

#[test]
fn a_run_without_claims_is_an_error_with_advice() {
    let bench = Bench::new();
    bench.write("claimed.ron", pipeline(&[HOLDS]));
    bench.ok("run claimed.ron --only start");
    let told = bench.call("claims latest");
    assert_eq!((told.code, told.out.as_str()), (Some(2), ""));
    assert!(
        told.err.contains("has no claims") && told.err.contains("hint: State some in a stage of the kind `Claims`")
    );
}
