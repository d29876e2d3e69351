//! What is said of a kind, whatever the form: its outputs, and its fields with all that lies within them.

use crate::stage::{ArtifactKind, Bare, Field, Kind, Output, Publish, Type};

/// A field or a variant, and how deep it lies.
pub struct Entry {
    /// How many fields and variants it is within.
    pub depth: usize,
    /// Its name.
    pub name: &'static str,
    /// The type and the default of a field; none of a variant.
    pub about: Option<About>,
    /// What it is.
    pub doc: String,
}

/// What a field takes.
pub struct About {
    /// Its type, with the unit.
    pub ty: String,
    /// Whether it is required, or its default, and what else must be known to state it.
    pub default: String,
}

/// What a reference to a stage of the kind gives.
pub fn gives(kind: &dyn Kind) -> String {
    let given = kind.yields();
    let bare = match given.bare {
        Bare::Last => "its last iteration",
        Bare::All => "all of its iterations",
    };
    format!("A reference to such a stage gives {}. Without an index, it means {bare}.", given.name)
}

/// The form of an output.
pub fn form(output: &Output) -> &'static str {
    match output.form {
        Some(ArtifactKind::Table) => "a table",
        Some(ArtifactKind::Tree) => "a folder",
        Some(ArtifactKind::File) => "a file",
        None => "a file or a folder",
    }
}

/// How an output is published, and whether it is always there.
pub fn published(output: &Output) -> String {
    let published = match &output.publish {
        Publish::No => "not in the results".to_owned(),
        Publish::Copy => "copied to the results".to_owned(),
        Publish::Table { formats, .. } => {
            let formats: Vec<&str> = formats.iter().map(|format| format.name()).collect();
            format!("in the results as {}", formats.join(", "))
        }
    };
    if output.optional { published + "; not always there" } else { published }
}

/// All fields and variants of a kind's parameters, each before those that lie within it.
pub fn entries(kind: &dyn Kind) -> Vec<Entry> {
    let mut out = Vec::new();
    fields(&mut out, &kind.schema().fields, 0);
    out
}

fn fields(out: &mut Vec<Entry>, list: &[Field], depth: usize) {
    for field in list {
        let mut default = match &field.default {
            None => "required".to_owned(),
            Some(value) => format!("default `{value}`"),
        };
        if field.unnamed {
            default += "; its name may be left out";
        }
        if !field.keyed {
            default += "; not in the cache key";
        }
        let unit = if field.unit.is_empty() { String::new() } else { format!(", in {}", field.unit) };
        let about = About { ty: field.ty.describe() + &unit, default };
        out.push(Entry { depth, name: field.name, about: Some(about), doc: one_line(field.doc) });
        nested(out, &field.ty, depth + 1);
    }
}

fn nested(out: &mut Vec<Entry>, ty: &Type, depth: usize) {
    match ty {
        Type::Struct(structure) => fields(out, &structure.fields, depth),
        Type::Enum(e) => {
            for variant in &e.variants {
                out.push(Entry { depth, name: variant.name, about: None, doc: one_line(variant.doc) });
                fields(out, &variant.fields, depth + 1);
            }
        }
        Type::List { item, .. } | Type::Map(item) | Type::Option(item) => nested(out, item, depth),
        Type::Tuple(items) => items.iter().for_each(|item| nested(out, item, depth)),
        Type::Bool | Type::Int { .. } | Type::Float(_) | Type::Str | Type::Ref(_) | Type::Cells(_) | Type::File => {}
    }
}

/// A documentation text without its ends of lines.
pub fn one_line(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}
