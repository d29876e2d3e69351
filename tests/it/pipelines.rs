//! Every shipped pipeline loads and plans, and the reference of the kinds is complete and printed where it should be.

use std::path::PathBuf;

use repro::pipeline::{EarlierStage, Request, RunLookup};
use repro::stage::{Field, Type};

use crate::harness::{Bench, project};

fn shipped() -> Vec<String> {
    let names = repro::fsio::list(&project().join("pipelines")).unwrap();
    let names: Vec<String> = names.into_iter().filter(|name| name.ends_with(".ron")).collect();
    assert!(!names.is_empty());
    names.iter().map(|name| project().join("pipelines").join(name).display().to_string()).collect()
}

/// A store without runs.
pub struct NoRuns;

impl RunLookup for NoRuns {
    fn find(&self, run: &str, _stage: &str) -> Result<EarlierStage, String> {
        Err(format!("There is no run `{run}`."))
    }
}

#[test]
fn every_pipeline_plans_in_its_tiny_profile() {
    let bench = Bench::new();
    for file in shipped() {
        let plan = bench.ok(&format!("plan {file} --profile tiny"));
        assert!(plan.contains("run      ") && plan.contains("\n0 cached, "), "{file}: {plan}");
        let dry = bench.ok(&format!("run {file} --profile tiny --dry-run"));
        assert_eq!(dry, plan, "{file}");
    }
}

#[test]
fn every_pipeline_has_a_graph_in_each_of_its_profiles() {
    let bench = Bench::new();
    for file in shipped() {
        let request = Request { file: PathBuf::from(&file), ..Request::default() };
        let pipeline = repro::pipeline::load(&request, &repro::stages::registry(), &NoRuns).unwrap();
        assert!(pipeline.profiles.contains(&"tiny".to_owned()), "{file}");
        let named = pipeline.profiles.iter().map(|name| format!("--profile {name}"));
        let profiles: Vec<String> = named.chain([String::new()]).collect();
        for profile in profiles {
            let dot = bench.ok(&format!("graph {file} {profile} --format dot"));
            assert!(dot.starts_with("digraph ") && dot.contains(" -> "), "{file} {profile}: {dot}");
            let mermaid = bench.ok(&format!("graph {file} {profile}"));
            assert_eq!(dot.matches(" -> ").count(), mermaid.matches(" --> ").count(), "{file} {profile}");
        }
    }
}

/// The nodes of a stage in the graph of a shipped pipeline as it stands, whatever their cells.
fn nodes(bench: &Bench, pipeline: &str, stage: &str, more: &str) -> Vec<String> {
    let file = project().join("pipelines").join(pipeline).display().to_string();
    let graph = bench.ok(&format!("graph {file}.ron --format dot {more}"));
    let names = graph.lines().filter_map(|line| line.split_once("[label=\"")?.1.split_once("\\n"));
    let names = names.map(|(name, _)| name.to_owned());
    names.filter(|name| *name == stage || name.starts_with(&format!("{stage}["))).collect()
}

#[test]
fn the_parents_pipelines_keep_a_checkpoint_every_1000_updates_and_validate_each_on_request() {
    let bench = Bench::new();
    for (pipeline, cells) in [
        ("kdd_table1", 4),
        ("kdd_table2", 8),
        ("kdd_table3", 4),
        ("kdd_table4", 8),
        ("voc_msc", 1),
        ("voc_baseline", 1),
    ] {
        let trained = nodes(&bench, pipeline, "train", "");
        assert_eq!(trained.len(), 20 * cells, "{pipeline}: {trained:?}");
        assert_eq!(trained.iter().filter(|name| name.ends_with("[20]")).count(), cells, "{pipeline}: {trained:?}");
        assert_eq!(nodes(&bench, pipeline, "validate", "").len(), cells, "{pipeline}");
        let every = nodes(&bench, pipeline, "validate", "--set validate.every_iteration=true");
        assert_eq!(every.len(), 20 * cells, "{pipeline}");
        let one = nodes(&bench, pipeline, "validate", "--set validate.model=\"train[7]\"");
        assert_eq!(one.len(), cells, "{pipeline}");
    }
    assert_eq!(nodes(&bench, "kdd_erf", "train", "").len(), 20 * 8);
    // A figure that is not at hand leaves its cell empty, and is not invented.
    let published = std::fs::read_to_string(project().join("stages/published/kdd2018.ron")).unwrap();
    for (table, figures) in [(1, 4), (2, 4), (3, 0), (4, 0)] {
        let text = std::fs::read_to_string(project().join(format!("pipelines/kdd_table{table}.ron"))).unwrap();
        assert!(text.contains(&format!("table: \"table {table}\")]")), "{table}");
        let (_, rows) = published.split_once(&format!("\"table {table}\": [")).unwrap();
        let rows = rows.split("\"table ").next().unwrap();
        assert_eq!((rows.matches("row: ").count(), rows.matches("values: ").count()), (4, figures), "{table}");
    }
}

#[test]
fn the_reference_of_the_kinds_is_what_the_program_prints() {
    let path = project().join("docs/kinds.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, stands) = text.split_once("\n## ").expect("a heading");
    let printed = Bench::new().ok("kinds --markdown");
    if std::env::var_os("REPRO_REGENERATE").is_some() {
        std::fs::write(&path, format!("{head}\n{printed}")).unwrap();
        return;
    }
    assert!(
        format!("## {stands}") == printed,
        "`docs/kinds.md` is old; write it again by `REPRO_REGENERATE=1 cargo test --release`"
    );
}

#[test]
fn the_examples_of_all_kinds_are_one_pipeline() {
    let bench = Bench::new();
    let mut stages = String::new();
    for kind in &repro::stages::registry().kinds {
        let (name, example) = (kind.name(), kind.example());
        assert!(example.contains(&format!(": {name}(")), "{name} shows no stage of its kind: {example:?}");
        assert!(example.ends_with(','), "{name}: {example}");
        assert!(example.lines().all(|line| line.chars().count() <= 76), "{name}: {example}");
        stages += example;
    }
    bench.write(
        "examples.ron",
        format!(
            r#"Pipeline(
                name: "examples",
                matrix: (axes: {{
                    "prefilter": (set: ["train.model.prefilter"], values: [Regular, Average]),
                    "seed": (set: ["train.seed"], values: [1, 2, 3]),
                }}),
                stages: {{ {stages} }},
            )"#
        ),
    );
    bench.ok("graph examples.ron");
}

/// Every field, at any depth, with its path.
fn fields(path: &str, list: &[Field], each: &mut dyn FnMut(String, &'static str)) {
    for field in list {
        let path = format!("{path}.{}", field.name);
        each(path.clone(), field.doc);
        types(&path, &field.ty, each);
    }
}

fn types(path: &str, ty: &Type, each: &mut dyn FnMut(String, &'static str)) {
    match ty {
        Type::Struct(structure) => fields(path, &structure.fields, each),
        Type::Enum(enumeration) => {
            for variant in &enumeration.variants {
                let path = format!("{path}({})", variant.name);
                each(path.clone(), variant.doc);
                fields(&path, &variant.fields, each);
            }
        }
        Type::List { item, .. } | Type::Map(item) | Type::Option(item) => types(path, item, each),
        Type::Tuple(items) => items.iter().for_each(|item| types(path, item, each)),
        Type::Bool | Type::Int { .. } | Type::Float(_) | Type::Str | Type::Ref(_) | Type::Cells(_) | Type::File => {}
    }
}

#[test]
fn every_kind_variant_and_field_is_documented() {
    let registry = repro::stages::registry();
    let mut count = 0;
    for kind in &registry.kinds {
        let schema = kind.schema();
        let mut each = |path: String, doc: &'static str| {
            count += 1;
            assert!(doc.trim().len() > 3 && doc.trim_end().ends_with('.'), "{path} has no documentation: {doc:?}");
        };
        each(kind.name().to_owned(), schema.doc);
        fields(kind.name(), &schema.fields, &mut each);
        let shown = Bench::new().ok(&format!("kinds {}", kind.name()));
        assert!(shown.contains(&format!("gives {}. ", kind.yields().name)), "{shown}");
        for output in kind.declared() {
            each(format!("{}: {}", kind.name(), output.name), output.doc);
            assert!(shown.contains(&format!("\n  {}: a", output.name)), "{shown}");
        }
    }
    assert!(count > 80, "{count}");
}

#[test]
fn every_kind_declares_what_it_yields_with_formats_that_tables_have() {
    for kind in &repro::stages::registry().kinds {
        let (name, declared) = (kind.name(), kind.declared());
        for promised in kind.yields().outputs {
            assert!(declared.contains(promised), "{name} yields {promised:?}, and does not declare it");
        }
        let names: std::collections::BTreeSet<&str> = declared.iter().map(|output| &*output.name).collect();
        assert_eq!(names.len(), declared.len(), "{name} declares two outputs of one name");
        for publication in declared.iter().filter_map(repro::stage::Output::publication) {
            let unknown = publication.formats.iter().find(|format| repro::table::format(format.name()).is_none());
            assert_eq!(unknown, None, "{name}: `{}`", publication.output);
        }
        // One that declares nothing says by its parameters what it makes.
        assert!(!declared.is_empty() || kind.schema().fields.iter().any(|field| field.name == "outputs"), "{name}");
    }
}

#[test]
fn an_unknown_kind_is_told_with_the_known_ones() {
    let answer = Bench::new().call("kinds Trian");
    assert_eq!(answer.code, Some(2));
    assert!(answer.err.contains("`Trian`") && answer.err.contains("Train"), "{answer:?}");
}
