//! Tables for papers, from a pipeline to the files that are published.

use insta::assert_snapshot;

use crate::agree::faults;
use crate::harness::{Bench, SMALL};

const MATRIX: &str = r#"matrix: (axes: {
        "prefilter": (set: ["train.model.prefilter"], values: [Regular, Average]),
        "seed": (set: ["train.seed"], values: [1, 2]),
    }),
    stages: {"#;

const REPORT: &str = r#"Report(from: ["validate"], over: ["seed"], published: [(row: "Theirs", mean_iou: 0.5, source: "A paper", of: {"prefilter": "Average"})],
            paper: Some(Paper(columns: ["prefilter", "n", "mIoU", "IoU"], names: {"prefilter": "Filter"}, caption: "Of us.", label: "tab:us", baseline: {"prefilter": "Regular"})))"#;

fn bench() -> Bench {
    let bench = Bench::new();
    let text = SMALL.replace("stages: {", MATRIX).replace("Report(from: [\"validate\"])", REPORT);
    let text = text.replace("iterations: 2, steps: 3", "steps: 3").replace(", every_iteration: true", "");
    bench.write("small.ron", text);
    bench
}

#[test]
fn a_table_for_a_paper_is_printed_and_published_as_its_layout_says() {
    let bench = bench();
    let printed = bench.ok("run small.ron --only validate,table");
    assert!(printed.contains("Filter") && printed.contains("Theirs") && printed.contains(" ± "), "{printed}");
    assert!(!printed.contains("best constant mIoU"), "the wide table is not printed: {printed}");
    let folder = bench.newest("small");
    let read = |name: &str| std::fs::read_to_string(folder.join("table").join(name)).unwrap();
    assert!(!folder.join("table/layout.json").exists());
    let csv = read("paper.csv");
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0][..7], ["block", "prefilter", "n", "mIoU", "mIoU std", "mIoU best", "mIoU mark"]);
    let named: Vec<&str> = rows[1..].iter().map(|row| row[1]).collect();
    assert_eq!(named, ["Regular", "Average", "Theirs", "difference"]);
    assert_eq!((rows[1][2], rows[3][2], rows[3][3]), ("2", "", "50.0"));
    let number = |row: usize| rows[row][3].parse::<f64>().unwrap();
    assert!((number(2) - 50.0 - number(4)).abs() < 1e-8);
    let best = |row: usize| rows[row][5] == "true";
    assert!(best(1) != best(2) || number(1).round() == number(2).round(), "{csv}");
    let markdown = read("paper.md");
    assert!(markdown.contains("Of us.") && markdown.contains("| Filter") && !markdown.contains("best"), "{markdown}");
    let manifest = std::fs::read_to_string(folder.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let layout = |path: &str| manifest["files"][path]["layout"].as_str().map(str::to_owned);
    assert_eq!(layout("table/paper.md"), Some(bench.digests()["table.layout"].clone()));
    assert_eq!(layout("table/table.md"), None);

    // Another caption is another layout, and the same figures: both files are written again.
    bench.edit("small.ron", "Of us.", "Of them.");
    assert_eq!(bench.ran("small.ron --only validate,table"), ["table"]);
    let folder = bench.newest("small");
    let again = std::fs::read_to_string(folder.join("table/paper.md")).unwrap();
    assert_eq!(again, markdown.replace("Of us.", "Of them."));
    assert_eq!(std::fs::read_to_string(folder.join("table/paper.csv")).unwrap(), csv);
}

#[test]
fn what_a_table_for_a_paper_cannot_show_is_told_before_anything_runs() {
    let told = |old: &str, new: &str| {
        let report = REPORT.replace(old, new);
        assert_ne!(report, REPORT);
        faults(&[("stages: {", MATRIX), ("Report(from: [\"validate\"])", &report)], &[])
    };
    assert_snapshot!(told("\"mIoU\",", "\"mIuO\","), @"small.ron:19:59: There is no column `mIuO`, did you mean `mIoU`? There are `prefilter`, `encoder`, `model`, `data`, `iteration`, `step`, `mIoU`, `pixel accuracy`, `best constant mIoU`, `classes`, `boundary IoU`, `n`, `IoU`, `inference`, and `IoU CLASS` of each class.");
    assert_snapshot!(told("\"n\",", "\"seed\","), @"small.ron:19:54: The rows are averaged over `seed`, so that it tells none of them apart. Leave the column out, or take the axis out of `over`.");
    assert_snapshot!(told("\"n\",", "\"mIoU\","), @"small.ron:19:62: The column `mIoU` is stated twice. State it once.");
    assert_snapshot!(told("{\"prefilter\": \"Regular\"}))", "{\"prefilter\": \"Regulr\"}))"), @"small.ron:19:167: The axis `prefilter` has no label `Regulr`, did you mean `Regular`? Its labels are `Average`, `Regular`.");
    assert_snapshot!(told("{\"prefilter\": \"Regular\"}))", "{\"prefiltr\": \"Regular\"}))"), @"small.ron:19:166: Nothing that is gathered is in cells of an axis `prefiltr`, did you mean `prefilter`? The axes are `prefilter`, `seed`.");
    assert_snapshot!(told("{\"prefilter\": \"Regular\"}))", "{\"seed\": \"1\"}))"), @"small.ron:19:162: The rows are averaged over `seed`, so that none of them is its `1`. Name the baseline by another axis.");
    assert_snapshot!(told("tab:us", "tab us"), @r#"small.ron:19:133: `tab us` cannot be a label in LaTeX. A label has only ASCII letters, digits and `:-_./+`, as "tab:kdd"."#);
    assert_snapshot!(told("names: {\"prefilter\"", "names: {\"prefiltr\""), @"small.ron:19:95: There is no column `prefiltr`, did you mean `prefilter`? There are `prefilter`, `encoder`, `model`, `data`, `iteration`, `step`, `mIoU`, `pixel accuracy`, `best constant mIoU`, `classes`, `boundary IoU`, `n`, `IoU`, `inference`, and `IoU CLASS` of each class.");
}

#[test]
fn a_report_shows_the_verdicts_of_claims_in_its_formats() {
    let bench = bench();
    let claims = r#""claims": Claims(across: ["seed"], claims: {
            "helps": Greater(that: "Average beats Regular", metric: MeanIou, of: "validate[prefilter=Average]", than: "validate[prefilter=Regular]"),
        }),
        "table": Report(claims: ["claims"], formats: [Markdown, Csv, Html, Latex], from: "#;
    bench.edit("small.ron", "\"table\": Report(from: ", claims);
    // Fewer images say nothing.
    bench.edit("small.ron", "images: 2, seed: 7, first: 100", "images: 8, seed: 7, first: 100");
    bench.ok("run small.ron --only validate,claims,table");
    let folder = bench.newest("small");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(read("table/claims.csv"), read("claims/claims.csv"));
    let csv = read("table/claims.csv");
    let verdict = csv.lines().nth(1).unwrap().split(',').nth(1).unwrap();
    for format in ["md", "html", "tex"] {
        let shown = read(&format!("table/claims.{format}"));
        assert!(shown.contains("Average beats Regular") && shown.contains(verdict), "{shown}");
    }
}
