//! The table that `kdd_table1` ends in, from made figures: nothing is trained.

use std::path::Path;
use std::sync::Arc;

use super::judged::Judged;
use super::paper;
use super::params::ReportParams;
use super::published_file::PublishedFile;
use super::rows::tests::entry;
use super::rows::{MEAN_IOU, Rows};
use crate::pipeline::{self, EarlierStage, Request, RunLookup};
use crate::stage::typed;
use crate::stages::columns;
use crate::stages::registry;
use crate::stats::Counts;
use crate::table::{self, Style, Table};

struct NoRuns;

impl RunLookup for NoRuns {
    fn find(&self, run: &str, _stage: &str) -> Result<EarlierStage, String> {
        Err(format!("There is no run `{run}`."))
    }
}

/// The parameters of the stage `table` of a shipped pipeline.
fn report(name: &str) -> ReportParams {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines").join(name);
    let request = Request { file, ..Request::default() };
    let loaded = pipeline::load(&request, &registry(), &NoRuns).unwrap();
    let node = loaded.nodes.iter().find(|node| node.stage == "table").unwrap();
    typed::read(&node.params).unwrap()
}

/// Counts on 24 images of which a share is wrong, so that the mean IoU can be compared. There is one class, so that no other
/// figure is.
fn judged(wrong: u64, kind: u64) -> Judged {
    let mut pixels = Counts::new(1);
    for image in 0..24 {
        let wrong = wrong + (image * 7 + kind * image % 3) % 5;
        assert!(pixels.push(&[[1000 - wrong, 0, wrong]]));
    }
    let images = (0..24).map(|image| image.to_string()).collect();
    Judged { images, classes: vec!["all".to_owned()], pixels, boundary: None }
}

/// The table beside the published one: made figures, of which some are above and some below.
fn made() -> (Table, Style) {
    let p = report("kdd_table1.ron");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("stages/published/kdd2018.ron");
    let published = PublishedFile::read(&file).unwrap().rows("", &p.published_tables[0].table, &[]).unwrap();
    let filters = ["Regular", "Multigrid", "GroupInteraction", "SeparableShared"];
    let entries = filters.iter().zip(&published).enumerate().map(|(at, (filter, theirs))| {
        let figures: Vec<(&str, f64)> = theirs
            .figures
            .iter()
            .enumerate()
            .map(|(place, (name, value))| {
                let more = ((place * 5 + at * 3) % 7) as f64 / 4.0 - 0.75;
                (name.as_str(), value + if name == MEAN_IOU { at as f64 / 10.0 - 0.2 } else { more })
            })
            .collect();
        let mut entry = entry(filter, 1234, &[("prefilter", filter)], 0, &figures);
        entry.subject[2] = (*filter).to_owned();
        entry.judged = Some(Arc::new(judged([100, 100, 100, 60][at], at as u64)));
        entry
    });
    let rows = Rows::new(entries.collect());
    let found = paper::table(p.paper.as_ref().unwrap(), &rows, &p.over, &published).unwrap();
    assert_eq!(found.warnings, [""; 0]);
    let table = columns::new_table(found.columns).unwrap();
    (table, Style { notes: found.layout.notes.clone(), layout: Some(found.layout), ..Style::default() })
}

fn rendered(format: &str) -> String {
    let (table, style) = made();
    String::from_utf8((table::format(format).unwrap().render)(&table, &style).unwrap()).unwrap()
}

#[test]
fn the_table_is_ready_for_input_and_fits_the_text() {
    insta::assert_snapshot!(rendered("tex"));
}

#[test]
fn the_table_fits_a_terminal_of_80_columns() {
    let (table, style) = made();
    let text = table::to_terminal(&table, &style, Some(80)).unwrap();
    assert!(text.lines().all(|line| table::width(line) <= 80), "{text}");
    insta::assert_snapshot!(text);
}
