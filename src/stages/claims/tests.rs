//! Verdicts on tables made by hand.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::fsio;
use crate::hash::Digest;
use crate::stage::params::CellsRef;
use crate::stage::{Artifact, ArtifactKind, Cancel, DeviceSpec, Event, Events, Output, Param};
use crate::stages::columns::{Values, new_table};
use crate::stages::params::claims::Metric;
use crate::stages::yields::{CLASSES, CONFUSION, COSTS, MEASUREMENTS, SUMMARY};
use crate::table::{Cell, Table};

struct Silent;

impl Events for Silent {
    fn emit(&self, _: Event) {}
}

/// What a made validation is of.
#[derive(Clone)]
struct Made {
    model: String,
    classes: Vec<&'static str>,
    /// The right pixels of the second class in each image, of 100; the others are taken for the first.
    right: Vec<i64>,
    first: usize,
    /// The pixels of the first class in each image.
    ground: i64,
}

/// A model that finds `level` of 100 pixels, with noise of the seed and the image.
fn made(level: i64, seed: i64, images: i64) -> Made {
    let noise = |image: i64| (image * 37) % 19 - 9 + (image * 11 + seed * 7) % 5 - 2 + (seed * 13) % 3 - 1;
    Made {
        model: format!("{level}-{seed}"),
        classes: vec!["ground", "car"],
        right: (0..images).map(|image| (level + noise(image)).clamp(0, 100)).collect(),
        first: 0,
        ground: 900,
    }
}

fn seeds(level: i64, seeds: std::ops::Range<i64>) -> Vec<Made> {
    seeds.map(|seed| made(level, seed, 40)).collect()
}

fn store(folder: &Path, output: &Output, table: Table, node: &mut InputNode) {
    let bytes = table.to_canonical();
    let digest = Digest::of(&bytes);
    let path = folder.join(digest.to_string());
    fsio::write_atomic(&path, &bytes).unwrap();
    let artifact = Artifact {
        digest,
        bytes: bytes.len() as u64,
        kind: ArtifactKind::Table,
        file: output.file.to_string(),
        path: Some(path),
        tree: BTreeMap::new(),
    };
    node.outputs.insert(output.name.to_string(), artifact);
}

fn text(values: impl IntoIterator<Item = String>) -> Values {
    Values::Text(values.into_iter().map(Some).collect())
}

impl Made {
    fn node(&self, folder: &Path) -> InputNode {
        let mut node = InputNode::default();
        let table = |columns: Vec<(&str, Values)>| {
            new_table(columns.into_iter().map(|(name, values)| (name.to_owned(), values)).collect()).unwrap()
        };
        store(folder, &SUMMARY, table(vec![("model", text([self.model.clone()]))]), &mut node);
        let names = text(self.classes.iter().map(|name| (*name).to_owned()));
        store(folder, &CLASSES, table(vec![("name", names)]), &mut node);
        let rows = self.right.iter().enumerate().flat_map(|(at, right)| {
            let image = format!("image {}", self.first + at);
            [(0, 0, self.ground), (1, 1, *right), (1, 0, 100 - right)].map(|row| (image.clone(), row))
        });
        let rows: Vec<(String, (i64, i64, i64))> = rows.filter(|(_, row)| row.2 > 0).collect();
        let int = |f: fn(&(i64, i64, i64)) -> i64| Values::Int(rows.iter().map(|(_, row)| Some(f(row))).collect());
        let confusion = table(vec![
            ("image", text(rows.iter().map(|(image, _)| image.clone()))),
            ("truth", int(|row| row.0)),
            ("predicted", int(|row| row.1)),
            ("pixels", int(|row| row.2)),
        ]);
        store(folder, &CONFUSION, confusion, &mut node);
        node
    }
}

fn cost(folder: &Path, seconds: &[f64], host: &str) -> InputNode {
    let mut node = InputNode::default();
    let columns = vec![
        ("repeat".to_owned(), Values::Int((0..seconds.len()).map(|at| Some(at as i64)).collect())),
        ("seconds_per_step".to_owned(), Values::Float(seconds.iter().copied().map(Some).collect())),
    ];
    store(folder, &MEASUREMENTS, new_table(columns).unwrap(), &mut node);
    let columns =
        vec![("host".to_owned(), text([host.to_owned()])), ("threads".to_owned(), Values::Int(vec![Some(2)]))];
    store(folder, &COSTS, new_table(columns).unwrap(), &mut node);
    node
}

/// A family in the making: claims with the nodes of their sides.
struct Family {
    folder: tempfile::TempDir,
    claims: BTreeMap<String, Claim>,
    inputs: BTreeMap<String, Vec<InputNode>>,
    cells: BTreeMap<String, Vec<MatrixCell>>,
    threads: usize,
}

impl Family {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (claims, inputs, cells) = Default::default();
        Family { folder, claims, inputs, cells, threads: 1 }
    }

    fn side(&mut self, name: &str, field: &str, nodes: Vec<InputNode>) {
        let cell = |seed: usize| MatrixCell::from([("seed".to_owned(), seed.to_string())]);
        self.cells.insert(faults::at(name, field), (0..nodes.len()).map(cell).collect());
        for (number, node) in nodes.into_iter().enumerate() {
            self.inputs.insert(sides::slot(name, field, number), vec![node]);
        }
    }

    fn add(mut self, name: &str, claim: Claim, of: &[Made], than: &[Made]) -> Self {
        for (field, side) in [("of", of), ("than", than)] {
            let nodes = side.iter().map(|made| made.node(self.folder.path())).collect();
            self.side(name, field, nodes);
        }
        self.claims.insert(name.to_owned(), claim);
        self
    }

    fn bytes(self) -> Result<Vec<u8>, StageError> {
        let out = self.folder.path().join("out");
        fsio::create_dir_all(&out).unwrap();
        let p = ClaimsParams { across: vec!["seed".to_owned()], claims: self.claims };
        let mut params = p.write();
        params.set_field(support::CELLS, self.cells.write());
        let job = Job {
            params: &params,
            inputs: &self.inputs,
            files: &BTreeMap::new(),
            roots: &BTreeMap::new(),
            out: &out,
            temp: Path::new(""),
            scratch: Path::new(""),
            device: &DeviceSpec::Cpu,
            threads: self.threads,
            read: &|_| None,
            events: &Silent,
            cancel: &Cancel::default(),
        };
        TypedKind::run(&Claims, &p, &job)?;
        Ok(fsio::read(&out.join(&*VERDICTS.file)).unwrap())
    }

    fn table(self) -> Table {
        Table::from_canonical(&self.bytes().unwrap()).unwrap()
    }

    fn fault(self) -> String {
        self.bytes().unwrap_err().to_string()
    }
}

fn cell(table: &Table, row: usize, column: &str) -> Cell {
    table.cell(row, table.position(column).unwrap())
}

fn words(table: &Table, row: usize, column: &str) -> String {
    cell(table, row, column).text().unwrap_or_default().to_owned()
}

fn number(table: &Table, row: usize, column: &str) -> f64 {
    cell(table, row, column).number().unwrap_or(f64::NAN)
}

fn reference(name: &str) -> CellsRef {
    CellsRef(name.to_owned())
}

fn greater(by: f64) -> Claim {
    Claim::Greater {
        that: "A beats B".to_owned(),
        metric: Metric::MeanIou {},
        of: reference("a"),
        than: reference("b"),
        by: Some(by),
        factor: None,
        margin: 0.5,
    }
}

fn less(factor: f64) -> Claim {
    Claim::Less {
        that: "A costs less".to_owned(),
        metric: Metric::SecondsPerStep {},
        of: reference("a"),
        than: reference("b"),
        by: None,
        factor: Some(factor),
        margin: 0.5,
    }
}

fn equals(published: Option<f64>, within: f64) -> Claim {
    Claim::Equals {
        that: "A is as B".to_owned(),
        metric: Metric::MeanIou {},
        of: reference("a"),
        than: published.is_none().then(|| reference("b")),
        published,
        source: published.map(|_| "a paper".to_owned()),
        within,
    }
}

/// The verdict of one claim.
fn verdict(claim: Claim, of: &[Made], than: &[Made]) -> String {
    words(&Family::new().add("c", claim, of, than).table(), 0, "verdict")
}

#[test]
fn a_model_is_not_better_than_itself_and_equal_within_any_margin() {
    for count in [1, 3] {
        let same = seeds(60, 0..count);
        let table = Family::new().add("c", greater(0.0), &same, &same).table();
        assert_eq!(words(&table, 0, "verdict"), "undecided");
        assert_eq!(["effect", "low", "high"].map(|column| number(&table, 0, column)), [0.0; 3]);
        assert_eq!(verdict(equals(None, 1e-6), &same, &same), "holds");
        assert_eq!(verdict(greater(0.1), &same, &same), "fails");
    }
}

#[test]
fn a_large_difference_holds_and_its_reverse_fails() {
    for count in [1, 5] {
        let (better, worse) = (seeds(80, 0..count), seeds(60, 0..count));
        let table = Family::new().add("c", greater(0.0), &better, &worse).table();
        assert_eq!(words(&table, 0, "verdict"), "holds");
        let [effect, low, high] = ["effect", "low", "high"].map(|column| number(&table, 0, column));
        assert!(0.0 < low && low < effect && effect < high && (5.0..20.0).contains(&effect), "{low} {effect} {high}");
        assert!((number(&table, 0, "figure") - number(&table, 0, "other") - effect).abs() < 1e-9);
        assert!(number(&table, 0, "p") < 0.05);
        assert_eq!(verdict(greater(0.0), &worse, &better), "fails");
        assert_eq!(verdict(equals(None, 1.0), &better, &worse), "fails");
        assert_eq!(verdict(equals(None, 50.0), &better, &worse), "holds");
    }
}

#[test]
fn a_verdict_says_what_it_speaks_of() {
    let table = Family::new().add("c", greater(0.0), &seeds(80, 0..1), &seeds(60, 0..1)).table();
    assert!(words(&table, 0, "note").contains("these two trained models, not of the methods"));
    assert_eq!(words(&table, 0, "resampled"), "40 images");
    let table = Family::new().add("c", greater(0.0), &seeds(80, 0..5), &seeds(60, 0..5)).table();
    assert_eq!(words(&table, 0, "note"), "");
    assert_eq!(words(&table, 0, "resampled"), "5 seeds, each with both, and 40 images");
    let table = Family::new().add("c", greater(0.0), &seeds(80, 0..5), &seeds(60, 0..4)).table();
    assert_eq!(words(&table, 0, "resampled"), "5 and 4 seeds, and 40 images");
}

#[test]
fn one_seed_against_several_is_undecided() {
    let table = Family::new().add("c", greater(0.0), &seeds(90, 0..1), &seeds(30, 0..5)).table();
    assert_eq!(words(&table, 0, "verdict"), "undecided");
    assert!(words(&table, 0, "note").contains("single seed"));
    assert!(cell(&table, 0, "p") == Cell::Null && cell(&table, 0, "low") == Cell::Null);
}

#[test]
fn a_published_figure_is_compared_over_seeds() {
    let ours = seeds(60, 0..5);
    let figure = number(&Family::new().add("c", equals(Some(50.0), 1.0), &ours, &[]).table(), 0, "figure");
    assert_eq!(verdict(equals(Some(figure + 0.1), 3.0), &ours, &[]), "holds");
    assert_eq!(verdict(equals(Some(figure - 20.0), 1.0), &ours, &[]), "fails");
    let table = Family::new().add("c", equals(Some(figure + 0.25), 3.0), &ours, &[]).table();
    assert!((number(&table, 0, "effect") + 0.25).abs() < 1e-9, "the effect is the difference to what is published");
    assert!(number(&table, 0, "low") < -0.25 && number(&table, 0, "high") > -0.25);
    assert_eq!(words(&table, 0, "resampled"), "5 seeds");
    let one = Family::new().add("c", equals(Some(figure), 90.0), &seeds(60, 0..1), &[]).table();
    assert_eq!(words(&one, 0, "verdict"), "undecided");
    assert!(words(&one, 0, "note").contains("of the same images"));
}

#[test]
fn a_family_is_corrected_together() {
    let (better, worse) = (seeds(62, 0..3), seeds(60, 0..3));
    let alone = Family::new().add("a", greater(0.0), &better, &worse).table();
    let mut family = Family::new().add("a", greater(0.0), &better, &worse);
    for other in ["b", "c", "d"] {
        family = family.add(other, greater(30.0), &seeds(60, 0..1), &seeds(61, 0..3));
    }
    let table = family.table();
    assert_eq!((number(&alone, 0, "family"), number(&table, 0, "family")), (1.0, 4.0));
    assert_eq!(number(&alone, 0, "p"), number(&table, 0, "p"), "the same test");
    assert_eq!(number(&alone, 0, "p_corrected"), number(&alone, 0, "p"));
    let (p, corrected) = (number(&table, 0, "p"), number(&table, 0, "p_corrected"));
    assert!((corrected - (4.0 * p).min(1.0)).abs() < 1e-9, "{p} {corrected}");
    assert_eq!((number(&alone, 0, "level"), number(&table, 0, "level")), (0.95, 0.9875));
    assert!(number(&table, 0, "low") < number(&alone, 0, "low"), "the corrected interval is wider");
}

#[test]
fn costs_are_compared_as_factors() {
    let repeats = |level: f64| -> Vec<f64> { (0..8).map(|at| level * (1.0 + 0.001 * f64::from(at % 3))).collect() };
    let family = |claim: Claim, of: f64, than: f64, host: &str| {
        let mut family = Family::new();
        for (field, level, host) in [("of", of, "a"), ("than", than, host)] {
            let node = cost(family.folder.path(), &repeats(level), host);
            family.side("c", field, vec![node]);
        }
        family.claims.insert("c".to_owned(), claim);
        family
    };
    let judged = |claim: Claim, of: f64, than: f64| family(claim, of, than, "a").table();
    let table = judged(less(1.03), 1.01, 1.0);
    assert_eq!(words(&table, 0, "verdict"), "holds");
    assert!((number(&table, 0, "effect") - 1.01).abs() < 1e-9);
    assert!(number(&table, 0, "low") < 1.01 && number(&table, 0, "high") > 1.01);
    assert_eq!(words(&table, 0, "resampled"), "8 and 8 repeats");
    assert_eq!(words(&judged(less(1.03), 1.05, 1.0), 0, "verdict"), "fails");
    assert_eq!(words(&judged(less(1.0), 1.0, 1.0), 0, "verdict"), "undecided");
    let told = family(less(1.03), 1.0, 1.0, "b").fault();
    assert!(
        told.contains("`claims[\"c\"].than`: `b`: It was measured under other conditions: its `host` is `b`, not `a`."),
        "{told}"
    );
}

#[test]
fn what_cannot_be_compared_is_a_fault_and_no_verdict() {
    let fault = |of: &[Made], than: &[Made]| Family::new().add("c", greater(0.0), of, than).fault();
    let (a, b) = ([made(60, 1, 40)], [made(70, 2, 40)]);
    let [first, second] = [a[0].clone(), b[0].clone()];
    let told = fault(&[made(60, 1, 1)], &[made(70, 2, 1)]);
    assert!(told.contains("`claims[\"c\"].of`: `a`: It is of one image"), "{told}");
    let other = Made { first: 1, ..second.clone() };
    let told = fault(&a, &[other]);
    assert!(told.contains("`claims[\"c\"].than`") && told.contains("image 0") && told.contains("image 40"), "{told}");
    let told = fault(&a, &[Made { ground: 901, ..second.clone() }]);
    assert!(told.contains("The labels of the image `image 0` are not the same"), "{told}");
    let told = fault(&a, &[Made { classes: vec!["ground", "bus"], ..second.clone() }]);
    assert!(told.contains("The classes are not the same: ground, car here, ground, bus there."), "{told}");
    let told = fault(&[first.clone(), first], &[second, made(70, 3, 40)]);
    assert!(told.contains("`seed=0` and `seed=1` are one trained model"), "{told}");
    let metric = |metric: Metric| Claim::Greater {
        that: "A beats B".to_owned(),
        metric,
        of: reference("a"),
        than: reference("b"),
        by: None,
        factor: None,
        margin: 0.5,
    };
    let told = |wanted: Metric| Family::new().add("c", metric(wanted), &a, &b).fault();
    let boundary = told(Metric::BoundaryIou {});
    assert!(boundary.contains("did not count the pixels along contours"), "{boundary}");
    let class = told(Metric::Iou { class: "bus".to_owned() });
    assert!(class.contains("There is no class `bus`"), "{class}");
    let seconds = told(Metric::SecondsPerStep {});
    assert!(seconds.contains("Name a stage of the kind `Cost`."), "{seconds}");
}

#[test]
fn an_undecided_claim_says_what_would_settle_it() {
    let told = |claim: Claim, of: &[Made], than: &[Made]| {
        let table = Family::new().add("c", claim, of, than).table();
        (words(&table, 0, "verdict"), words(&table, 0, "settles"))
    };
    let coarse = |claim: Claim| match claim {
        Claim::Greater { that, metric, of, than, by, factor, .. } => {
            Claim::Greater { that, metric, of, than, by, factor, margin: 20.0 }
        }
        other => other,
    };
    for (of, than, what) in [(0..3, 4..7, "seeds"), (0..1, 3..4, "images")] {
        let (verdict, settles) = told(coarse(greater(0.0)), &seeds(60, of), &seeds(60, than));
        assert_eq!(verdict, "undecided");
        let end = " would show a difference of 20 points in 80 of 100 cases";
        assert!(settles.contains(what) && settles.contains(end), "{settles}");
    }
    let (verdict, settles) = told(greater(0.0), &seeds(60, 0..1), &seeds(60, 1..4));
    assert_eq!((verdict.as_str(), settles.as_str()), ("undecided", "At least two seeds on each side are needed."));
    let (verdict, settles) = told(greater(0.0), &seeds(80, 0..3), &seeds(60, 0..3));
    assert_eq!((verdict.as_str(), settles.as_str()), ("holds", ""));
}

#[test]
fn bytes_do_not_depend_on_threads() {
    let bytes = |threads| {
        let mut family = Family::new().add("a", greater(0.0), &seeds(62, 0..1), &seeds(60, 0..1)).add(
            "b",
            greater(0.0),
            &seeds(62, 0..4),
            &seeds(60, 0..4),
        );
        family.threads = threads;
        family.bytes().unwrap()
    };
    assert_eq!(bytes(1), bytes(2));
}
