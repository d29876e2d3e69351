//! `repro kinds [KIND]`: the reference of the pipeline language, made from the schemas themselves.

use std::fmt::Write as _;

use super::{Failure, fail, print};
use crate::cli::exit::Exit;
use crate::stage::{ArtifactKind, Bare, Field, Kind, Output, Publish, Registry, Type, Yield};
use crate::syntax::suggestion;

/// Prints one kind, or all.
pub fn run(registry: &Registry, name: Option<&str>) -> Result<Exit, Failure> {
    match name {
        None => print(&overview(registry)),
        Some(name) => match registry.kind(name) {
            Some(kind) => print(&reference(kind)),
            None => {
                let names: Vec<&str> = registry.kinds.iter().map(|kind| kind.name()).collect();
                let near = suggestion(name, names.iter().copied());
                return Err(fail(Exit::Usage, format!("There is no stage kind `{name}`{near}"))
                    .hint(format!("The kinds are {}.", names.join(", "))));
            }
        },
    }
    Ok(Exit::Success)
}

fn overview(registry: &Registry) -> String {
    let mut out = String::new();
    for kind in &registry.kinds {
        let doc = kind.schema().doc;
        let first = doc.split(". ").next().unwrap_or(doc).trim_end_matches('.');
        let _ = writeln!(out, "{:<10} {first}.", kind.name());
    }
    out + "\n`repro kinds KIND` shows a kind's fields."
}

/// The whole reference in Markdown, as it stands in `pipelines/README.md`.
pub fn markdown(registry: &Registry) -> String {
    registry.kinds.iter().map(|kind| reference(&**kind)).collect::<Vec<_>>().join("\n")
}

fn reference(kind: &dyn Kind) -> String {
    let schema = kind.schema();
    let Yield { name, bare, .. } = kind.yields();
    let bare = match bare {
        Bare::Last => "its last iteration",
        Bare::All => "all of its iterations",
    };
    let mut out = format!("### {}\n\n{}\n\n", kind.name(), schema.doc);
    let _ = writeln!(out, "Yields {name}. A reference without an index means {bare}.\n");
    outputs(&mut out, kind.declared());
    fields(&mut out, &schema.fields, 0);
    out
}

/// The outputs that a kind declares: form and file, when they are there, how they are published.
fn outputs(out: &mut String, declared: &[Output]) {
    if declared.is_empty() {
        let _ = writeln!(out, "Its outputs are those that its parameters state.\n\nParameters:\n");
        return;
    }
    let _ = writeln!(out, "Outputs:\n");
    for output in declared {
        let form = match output.form {
            Some(ArtifactKind::Table) => "a table",
            Some(ArtifactKind::Tree) => "a folder",
            Some(ArtifactKind::File) => "a file",
            None => "a file or a folder",
        };
        let published = match &output.publish {
            Publish::No => "not in the results".to_owned(),
            Publish::Copy => "copied to the results".to_owned(),
            Publish::Table { formats, .. } => {
                let formats: Vec<&str> = formats.iter().map(|format| format.name()).collect();
                format!("in the results as {}", formats.join(", "))
            }
        };
        let optional = if output.optional { "; not always there" } else { "" };
        let _ = writeln!(out, "- `{}`: {form} ({published}{optional}). {}", output.name, output.doc);
    }
    let _ = writeln!(out, "\nParameters:\n");
}

fn fields(out: &mut String, list: &[Field], depth: usize) {
    let indent = "  ".repeat(depth);
    for field in list {
        let default = match &field.default {
            None => "required".to_owned(),
            Some(value) => format!("default `{value}`"),
        };
        let unit = if field.unit.is_empty() { String::new() } else { format!(", in {}", field.unit) };
        let unnamed = if field.unnamed { "; its name may be left out" } else { "" };
        let unkeyed = if field.keyed { "" } else { "; not in the cache key" };
        let _ = writeln!(
            out,
            "{indent}- `{}`: {}{unit} ({default}{unnamed}{unkeyed}). {}",
            field.name,
            field.ty.describe(),
            one_line(field.doc)
        );
        nested(out, &field.ty, depth + 1);
    }
}

fn nested(out: &mut String, ty: &Type, depth: usize) {
    match ty {
        Type::Struct(structure) => fields(out, &structure.fields, depth),
        Type::Enum(e) => {
            for variant in &e.variants {
                let _ = writeln!(out, "{}- `{}`: {}", "  ".repeat(depth), variant.name, one_line(variant.doc));
                fields(out, &variant.fields, depth + 1);
            }
        }
        Type::List { item, .. } | Type::Map(item) | Type::Option(item) => nested(out, item, depth),
        Type::Tuple(items) => items.iter().for_each(|item| nested(out, item, depth)),
        Type::Bool | Type::Int { .. } | Type::Float(_) | Type::Str | Type::Ref(_) | Type::Cells(_) | Type::File => {}
    }
}

fn one_line(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}
