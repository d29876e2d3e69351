//! `repro bench` as a user calls it.

use super::harness::Bench;

#[test]
fn every_type_is_measured_against_the_regular_one() {
    let bench = Bench::new();
    let out = bench.ok("bench --encoder Tiny --size 33 --rounds 2 --threads 1 --out costs.csv");
    assert!(out.starts_with("Tiny, 1 x 33 x 33, cpu, Fp32, 1 threads, 2 rounds."), "{out}");
    let csv = std::fs::read_to_string(bench.path("costs.csv")).unwrap();
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let column = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let rows: Vec<Vec<&str>> = lines.collect();
    assert_eq!(rows.len(), 2 * repro::ml::layers::prefilter::PREFILTERS.len());
    for row in &rows {
        let number = |name: &str| row[column(name)].parse::<f64>().unwrap();
        assert!(out.contains(row[column("prefilter")]) && out.contains(row[column("work")]), "{row:?}");
        assert!(number("median_s") >= number("least_s") && number("least_s") > 0.0, "{row:?}");
        assert!(
            (0.0..1.0).contains(&number("peak_share")) && number("memory_mib") > 1.0 && number("parameters") > 1e4,
            "{row:?}"
        );
        assert!((number("images_per_s") * number("median_s") - 1.0).abs() < 1e-9, "{row:?}");
        let regular = row[column("prefilter")] == "Regular";
        assert!(number("cost") > 0.0 && (!regular || number("cost") == 1.0), "{row:?}");
    }
    let gflop = |at: usize| rows[at][column("gflop")].parse::<f64>().unwrap();
    assert!(rows[0][column("work")] == "training" && gflop(0) > 2.0 * gflop(rows.len() / 2));
}

#[test]
fn what_cannot_be_measured_is_told_before_anything_is() {
    let bench = Bench::new();
    for (line, code, told) in [
        ("bench --encoder VGG", 2, "there are ResNet101"),
        ("bench --prefilter Avrage", 2, "there are Regular"),
        ("bench --encoder Tiny --out costs.xls", 2, "md, tex, csv, parquet, html"),
        ("bench --encoder Tiny --device cuda:7", 6, "cuda:7"),
        ("bench --encoder Tiny --rounds 0", 2, "rounds"),
    ] {
        let answer = bench.call(line);
        assert_eq!(answer.code, Some(code), "{answer:?}");
        assert!(answer.all().contains(told), "{answer:?}");
    }
}
