//! The report page through the real program: the kind `Page`, and `repro report`.

use crate::harness::{Bench, files, two_methods};

/// The page of two methods, and what it shows beside them.
const STAGES: &str = r#"
        "claims": Claims(across: ["seed"], claims: {
            "harmless": Greater(that: "Average does no great harm", metric: MeanIou,
                of: "validate[prefilter=Average]", than: "validate[prefilter=Regular]", by: -99.5),
        }),
        "table": Report(from: ["validate"], over: ["seed"], claims: ["claims"]),
        "page": Page(title: "A <page>", over: ["seed"], images: 6,
            from: ["claims", "table", "train", "validate", "erf", "predict", "others"]),"#;

fn paged() -> Bench {
    let bench = Bench::new();
    bench.write("paged.ron", two_methods("paged", &["train.model.prefilter"], STAGES));
    bench
}

fn text(bench: &Bench, name: &str) -> String {
    std::fs::read_to_string(bench.path(name)).unwrap()
}

/// The ids of the page's sections, in their order.
fn sections(page: &str) -> Vec<&str> {
    let ids =
        ["differences", "claims", "results", "figures", "classes", "curves", "confusion", "erf", "images", "costs"];
    let more = ["stages", "stages-1", "stages-2", "environment", "reproduce", "pipeline"];
    let mut found: Vec<(usize, &str)> =
        ids.iter().chain(&more).filter_map(|id| Some((page.find(&format!("id=\"{id}\""))?, *id))).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, id)| id).collect()
}

#[test]
fn a_page_has_the_same_bytes_with_any_number_of_threads_and_in_every_store() {
    let (one, other) = (paged(), paged());
    one.ok("run paged.ron --threads 1");
    other.ok("run paged.ron --threads 4 --oversubscribe");
    let digest = |bench: &Bench| bench.digests()["page.page"].clone();
    assert_eq!(digest(&one), digest(&other));
    assert_eq!(files(&one.path("results/paged/page")), ["page.html"]);
    let page = text(&one, "results/paged/page/page.html");
    let shown = ["claims", "results", "figures", "classes", "curves", "confusion", "erf", "images"];
    assert_eq!(sections(&page), shown);
    for word in ["A &lt;page&gt;", "Average does no great harm", "Regular", "over 2 seeds", "triangle", "median"] {
        assert!(page.contains(word), "{word} is not in the page");
    }
    // Nothing of the machine, of the clock or of names of stages is in it.
    let host = format!(">{}<", repro::fsio::host());
    for word in [one.path("").to_str().unwrap(), &*host, "A <page>", "\"validate\"", "T00:"] {
        assert!(!page.contains(word), "{word} is in the page");
    }
    let run = one.record("latest")["id"].as_str().unwrap().to_owned();
    assert!(!page.contains(&run));
    // A stage under another name is the same page.
    one.edit("paged.ron", "\"validate\"", "\"judge\"");
    one.edit("paged.ron", "validate[", "judge[");
    assert!(one.ran("paged.ron").is_empty());
}

#[test]
fn a_page_asks_for_axes_that_are_there_and_tells_what_shows_nothing() {
    let bench = paged();
    bench.edit("paged.ron", "Page(title: \"A <page>\", over: [\"seed\"]", "Page(over: [\"sed\"]");
    let told = bench.call("run paged.ron");
    assert_eq!(told.code, Some(2), "{}", told.all());
    assert!(told.err.contains("Nothing that is shown is in cells of an axis `sed`"), "{}", told.err);
    assert!(told.err.contains("The axes are `prefilter`, `seed`."), "{}", told.err);
    bench.write(
        "curves.ron",
        r#"Pipeline(name: "curves", include: ["small.ron"], stages: { "page": Page(from: ["curves", "others"]) })"#,
    );
    bench.write("small.ron", crate::harness::SMALL.replace("Pipeline(\n    name: \"small\",", "Stages("));
    bench.edit("small.ron", "\"table\": Report(from: [\"validate\"]),", "\"curves\": Curves(from: [\"train\"]),");
    let told = bench.call("run curves.ron");
    assert_eq!(told.code, Some(0), "{}", told.all());
    for word in ["The page shows nothing of `from[0]`", "left nothing that a page could show"] {
        assert!(told.all().contains(word), "{word}: {}", told.all());
    }
}

#[test]
fn a_report_of_a_run_says_also_what_its_record_says() {
    let bench = paged();
    bench.ok("run paged.ron");
    let out = bench.ok("report paged -o report.html");
    assert!(out.starts_with("report.html: run 20"), "{out}");
    let page = text(&bench, "report.html");
    let shown = ["claims", "results", "figures", "classes", "curves", "confusion", "erf", "images"];
    let more = ["stages", "environment", "reproduce", "pipeline"];
    assert_eq!(sections(&page), [&shown[..], &more].concat());
    for word in ["repro run ", "paged.ron", &repro::fsio::host(), "DeepLabV2"] {
        assert!(page.contains(word), "{word}");
    }
    // A page is replaced, and another file is not.
    bench.ok("report paged -o report.html");
    assert_eq!(text(&bench, "report.html"), page);
    bench.write("report.html", "mine");
    let told = bench.call("report paged -o report.html");
    assert_eq!((told.code, text(&bench, "report.html").as_str()), (Some(2), "mine"), "{}", told.all());
    assert!(told.err.contains("is there already") && told.err.contains("--force"), "{}", told.err);
    bench.ok("report paged -o report.html --force");
    assert_eq!(bench.ok("report paged -o -"), page);
    let told = bench.call("report paged -o gone/report.html");
    assert_eq!(told.code, Some(2), "{}", told.all());
    assert!(told.err.contains("There is no folder `gone`"), "{}", told.err);
    assert_eq!(bench.call("report nothing").code, Some(2));
    let told = bench.call("report paged/validate");
    assert_eq!(told.code, Some(2), "{}", told.all());
    assert!(told.err.contains("a page shows whole runs"), "{}", told.err);
    // What a run did not finish is told.
    bench.ok("run paged.ron --only start");
    let told = bench.call("report latest");
    assert_eq!(told.code, Some(2), "{}", told.all());
    assert!(told.err.contains("There is nothing to show of"), "{}", told.err);
    assert!(!bench.path("report.html.tmp").exists());
}

#[test]
fn runs_and_archives_stand_side_by_side() {
    let bench = paged();
    bench.ok("run paged.ron");
    bench.ok("export paged kept.tar.zst --without-checkpoints");
    bench.ok("report kept.tar.zst -o kept.html");
    bench.ok("report paged -o run.html");
    let (kept, run) = (text(&bench, "kept.html"), text(&bench, "run.html"));
    assert!(
        kept.contains("The archive of the run does not hold"),
        "the tables of the report are not stored as Parquet"
    );
    // Pictures come from the archive; the photographs are in no archive.
    for id in ["claims", "classes", "curves", "confusion", "erf", "images"] {
        assert!(sections(&kept).contains(&id) && sections(&run).contains(&id), "{id}");
    }
    bench.ok("run paged.ron --set train.steps=2");
    bench.ok("report paged latest kept.tar.zst -o all.html");
    let all = text(&bench, "all.html");
    assert_eq!(sections(&all)[..2], ["differences", "claims"]);
    assert!(all.contains("train.steps") && all.contains("latest, Average") && all.contains("kept, Regular"));
}

#[test]
fn an_output_that_is_damaged_is_an_error_and_no_gap() {
    let bench = paged();
    bench.ok("run paged.ron");
    let digest = bench.digests()["validate[prefilter=Average,seed=1][2].confusion"].clone();
    let object = bench.object(&digest);
    let mut permissions = object.metadata().unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
    std::fs::set_permissions(&object, permissions).unwrap();
    std::fs::write(&object, b"other").unwrap();
    let told = bench.call("report paged -o report.html");
    assert_eq!(told.code, Some(5), "{}", told.all());
    assert!(told.err.contains("is damaged") && !bench.path("report.html").exists(), "{}", told.err);
}
