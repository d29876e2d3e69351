//! The `ron` crate as the oracle of this reader: what both read is the same, and what only one reads is listed here and in
//! `pipelines/README.md`.

use std::path::Path;
use std::sync::Arc;

use ron::Value;

use super::limits::VALUES;
use super::parse::{Parsed, parse};
use super::text::Text;
use super::tree::{FieldTree, Form, Tree};
use crate::fsio;

fn ours(content: &str) -> Parsed {
    parse(&Arc::new(Text::new("x.ron", content, "/")), 0, VALUES)
}

/// Whether a tree is what the crate has read. The crate keeps no names of structures, and takes a word for the unit.
fn same(tree: &Tree, value: &Value) -> bool {
    let all = |trees: &[Tree], values: &[Value]| {
        trees.len() == values.len() && trees.iter().zip(values).all(|(tree, value)| same(tree, value))
    };
    match (&tree.form, value) {
        (Form::Bool(a), Value::Bool(b)) => a == b,
        (Form::Int(a), Value::Number(_)) => value.clone().into_rust::<i64>().as_ref() == Ok(a),
        (Form::Float(a), Value::Number(_)) => {
            value.clone().into_rust::<f64>().is_ok_and(|b| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()))
        }
        (Form::Str(a), Value::String(b)) => a == b,
        (Form::Char(a), Value::Char(b)) => a == b,
        (Form::Word(word), Value::Option(None)) => word.text == "None",
        (Form::Word(word), Value::Unit) => word.text != "None",
        (Form::List(a), Value::Seq(b)) => all(a, b),
        (Form::Tuple { name: Some(name), items }, Value::Option(Some(inner))) if name.text == "Some" => {
            items.len() == 1 && same(&items[0], inner)
        }
        (Form::Tuple { items, .. }, Value::Unit) => items.is_empty(),
        (Form::Tuple { items, .. }, Value::Seq(b)) => all(items, b),
        (Form::Map(a), Value::Map(b)) => {
            let there = |(k, v): &(Tree, Tree)| b.iter().any(|(key, value)| same(k, key) && same(v, value));
            a.len() == b.len() && a.iter().all(there)
        }
        (Form::Struct { fields, .. }, Value::Map(b)) => {
            let there = |(word, tree): &FieldTree| {
                let name = Value::String(word.text.clone());
                b.iter().any(|(key, value)| *key == name && same(tree, value))
            };
            fields.len() == b.len() && fields.iter().all(there)
        }
        _ => false,
    }
}

fn assert_same(name: &str, content: &str) {
    let parsed = ours(content);
    assert!(parsed.whole && parsed.faults.is_empty(), "{name}: {:?}", parsed.faults.kept());
    let theirs: Value = ron::from_str(content).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(
        same(&parsed.tree, &theirs),
        "{name}: {} is not {theirs:?}",
        parsed.tree.ron(&|_, text| format!("{text:?}"))
    );
}

#[test]
fn every_shipped_file_is_read_the_same_by_both() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = 0;
    for folder in ["pipelines", "stages", "stages/names", "tests"] {
        for name in fsio::list(&root.join(folder)).unwrap().into_iter().filter(|name| name.ends_with(".ron")) {
            assert_same(&name, &fsio::read_to_string(&root.join(folder).join(&name)).unwrap());
            files += 1;
        }
    }
    assert!(files > 40, "{files}");
}

#[test]
fn literals_are_read_the_same_by_both() {
    let good = r##"1 ¦ -1 ¦ +1 ¦ 1_000 ¦ 0xff ¦ 0xF_F ¦ -0x10 ¦ 0b1 ¦ 0o17 ¦ 2e-3 ¦ -1.5E+2 ¦ .5 ¦ 1. ¦ 1_0.2_5 ¦ 0.1 ¦
        9223372036854775807 ¦ -9223372036854775808 ¦ 1e400 ¦ 5e-324 ¦ 123456789.123456789 ¦ -0.0 ¦
        true ¦ false ¦ 'a' ¦ '\n' ¦ '\'' ¦ 'é' ¦ () ¦ "" ¦ "a\u{e9}" ¦ "\x41\t\\ \"" ¦ r"\" ¦ r#"a"b"# ¦ [] ¦ [1,] ¦ [1, 2] ¦ (1, 2) ¦
        (1, 2,) ¦ (a: 1) ¦ (a: 1,) ¦ Name(a: 1) ¦ Name() ¦ Name ¦ {} ¦ {"a": 1,} ¦ {1: 2} ¦ Some(1) ¦ None ¦ Some((a: 1)) ¦
        /* a /* b */ */ 1 ¦ 1 // x ¦ (a: (b: [{"c": None}])) ¦ #![enable(implicit_some)] 1"##;
    for text in good.split('¦').chain(["\"several\nlines\"", "// x\n1"]) {
        assert_same(text.trim(), text.trim());
    }
}

#[test]
fn what_is_no_ron_is_refused_by_both() {
    let bad = r##" ¦ 1 2 ¦ [1 2] ¦ [1,, 2] ¦ [,] ¦ (a: 1 b: 2) ¦ (a 1) ¦ (a: ) ¦ (a: 1 ¦ [1) ¦ {"a" 1} ¦ {"a": 1 ¦ "open ¦
        'ab' ¦ "\q" ¦ /* x ¦ 1.2.3 ¦ @ ¦ Name(a: 1)) ¦ (a: 1, 2) ¦ (1, a: 2) ¦ {"a": } ¦ {"a"} ¦ #![nothing] 1 ¦ 0x ¦
        1e ¦ --1 ¦ + ¦ r#"a" ¦ 12abc ¦ 0b2 ¦ 1__e ¦ [1; 2] ¦ (a = 1)"##;
    for text in bad.split('¦').map(str::trim) {
        assert!(ron::from_str::<Value>(text).is_err(), "{text:?}");
        assert!(!ours(text).faults.is_empty(), "{text:?}");
    }
}

/// The differences, as `pipelines/README.md` lists them.
#[test]
fn only_one_of_both_reads_these() {
    for (text, by_ours, by_theirs) in [
        // A field or a key stands once.
        ("(a: 1, a: 2)", false, true),
        ("{\"a\": 1, \"a\": 2}", false, true),
        // Integers have 63 bits and a sign.
        ("18446744073709551615", false, true),
        // Numbers say nothing of their width.
        ("5u8", false, true),
        ("5i64", false, true),
        ("1.5f64", false, true),
        // The first value of a variant may stand without a name before fields with names.
        ("Name(1, b: 2)", true, false),
        // There are no texts of bytes.
        ("b\"ab\"", false, true),
    ] {
        assert_eq!(ours(text).faults.is_empty(), by_ours, "{text}");
        assert_eq!(ron::from_str::<Value>(text).is_ok(), by_theirs, "{text}");
    }
}
