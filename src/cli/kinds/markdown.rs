//! The reference of all kinds as Markdown: `docs/kinds.md` is this text.

use std::fmt::Write as _;

use super::entries;
use crate::stage::{Kind, Registry};

/// The whole reference, a heading of the second level for each kind.
pub fn reference(registry: &Registry) -> String {
    registry.kinds.iter().map(|kind| one(&**kind)).collect::<Vec<_>>().join("\n")
}

fn one(kind: &dyn Kind) -> String {
    let mut out = format!("## {}\n\n{}\n\n{}\n\n", kind.name(), kind.schema().doc, entries::gives(kind));
    if !kind.example().is_empty() {
        let _ = writeln!(out, "```ron example\n{}\n```\n", kind.example().trim());
    }
    match kind.declared() {
        [] => out += "Its outputs are those that its parameters state.\n",
        declared => {
            out += "Outputs:\n\n";
            for output in declared {
                let (form, published) = (entries::form(output), entries::published(output));
                let _ = writeln!(out, "- `{}`: {form} `{}` ({published}). {}", output.name, output.file, output.doc);
            }
        }
    }
    out += "\nParameters:\n\n";
    for entry in entries::entries(kind) {
        let about = entry.about.map(|about| format!(" {} ({}).", about.ty, about.default)).unwrap_or_default();
        let _ = writeln!(out, "{}- `{}`:{about} {}", "  ".repeat(entry.depth), entry.name, entry.doc);
    }
    out
}
