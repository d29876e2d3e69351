//! A checked pipeline as one text, for the run record.
//!
//! Invariants:
//! - the text loads again and gives the same recipes;
//! - every field has its value. Fields that an axis of the matrix sets, or sets a part of, stand as they were stated, and
//!   so does the matrix, with its labels.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::matrix::{self, Matrix};
use super::stated::Declared;
use super::variants::Variants;
use crate::stage::Value;
use crate::stage::expansion::files;
use crate::syntax::{Span, Tree};

/// The pipeline `name` with the stages in `order`, by name.
pub(super) fn text(
    name: &str,
    stated: Option<&Tree>,
    matrix: &Matrix,
    order: &[String],
    declared: &BTreeMap<String, Declared>,
    variants: &BTreeMap<String, Variants<'_>>,
) -> String {
    let files = Files::of(variants);
    let write = |tree: &Tree| tree.ron(&|part, text| files.absolute(&part.span).map_or_else(|| quoted(text), quoted));
    let mut out = format!("Pipeline(\n    name: {},\n", quoted(name));
    if let Some(tree) = stated.filter(|_| !matrix.axes.is_empty()) {
        let _ = writeln!(out, "    matrix: {},", write(&matrix::labelled(tree)));
    }
    out.push_str("    stages: {\n");
    let mut order: Vec<&String> = order.iter().collect();
    order.sort();
    for name in order {
        let (Some(stage), Some(variants)) = (declared.get(name), variants.get(name)) else { continue };
        let Some((kind, params)) = variants.any().and_then(|any| Some((any.kind?, any.params.as_ref()?))) else {
            continue;
        };
        let _ = writeln!(out, "        {}: {}(", quoted(name), kind.name());
        let set = matrix.fields_of(name);
        for (step, value) in params.children() {
            let field = step.trim_start_matches('.');
            let stated = || stage.tree.field(field);
            match set.contains(field) {
                false => drop(writeln!(out, "            {field}: {value},")),
                true => drop(stated().map(|tree| writeln!(out, "            {field}: {},", write(tree)))),
            }
        }
        out.push_str("        ),\n");
    }
    out.push_str("    },\n)\n");
    out
}

fn quoted(text: &str) -> String {
    Value::Str(text.to_owned()).to_string()
}

/// The files that trees state, by their places. In a tree, a path is a text like any other; but a path starts from the
/// folder of its own file, and must be written as an absolute one.
struct Files(BTreeMap<(String, usize), String>);

impl Files {
    fn of(variants: &BTreeMap<String, Variants<'_>>) -> Self {
        let mut all = BTreeMap::new();
        for checked in variants.values().flat_map(Variants::each) {
            for (path, file) in checked.params.as_ref().map(files).unwrap_or_default() {
                all.extend(checked.places.get(&path).map(|span| (key(span), file)));
            }
        }
        Files(all)
    }

    fn absolute(&self, span: &Span) -> Option<&str> {
        self.0.get(&key(span)).map(String::as_str)
    }
}

fn key(span: &Span) -> (String, usize) {
    (span.text.name.clone(), span.start)
}
