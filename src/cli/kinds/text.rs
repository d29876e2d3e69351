//! The reference of a kind as plain text, folded to a width.

use super::entries;
use crate::stage::{Kind, Registry};
use crate::table::{folded, padded};

/// How far a field is moved to the right of what it lies within, in columns.
const STEP: usize = 2;

/// How far the lines after the first are moved to the right of it, in columns.
const HANG: usize = 4;

/// Every kind, with the first sentence of its documentation.
pub fn overview(registry: &Registry, width: usize) -> String {
    let widest = registry.kinds.iter().map(|kind| kind.name().len()).max().unwrap_or(0) + 2;
    let mut lines = Vec::new();
    for kind in &registry.kinds {
        let doc = entries::one_line(kind.schema().doc);
        let first = doc.split(". ").next().unwrap_or(&doc).trim_end_matches('.').to_owned() + ".";
        for (at, line) in folded(&first, width - widest).into_iter().enumerate() {
            lines.push(padded(if at == 0 { kind.name() } else { "" }, widest, false) + &line);
        }
    }
    lines.push(String::new());
    lines.extend(folded("`repro kinds KIND` shows a kind's outputs, its fields and an example.", width));
    lines.join("\n")
}

/// One kind: what it is, an example, its outputs and its fields.
pub fn kind(kind: &dyn Kind, width: usize) -> String {
    let mut lines = vec![kind.name().to_owned(), String::new()];
    lines.extend(folded(&entries::one_line(kind.schema().doc), width));
    lines.push(String::new());
    lines.extend(folded(&entries::gives(kind), width));
    if !kind.example().is_empty() {
        lines.extend([String::new(), "Example:".to_owned(), String::new()]);
        lines.extend(
            kind.example().trim().lines().map(|line| format!("{}{line}", " ".repeat(HANG)).trim_end().to_owned()),
        );
    }
    lines.push(String::new());
    match kind.declared() {
        [] => lines.push("Its outputs are those that its parameters state.".to_owned()),
        declared => {
            lines.extend(["Outputs:".to_owned(), String::new()]);
            for output in declared {
                let (form, published) = (entries::form(output), entries::published(output));
                hang(&mut lines, STEP, &format!("{}: {form} `{}`, {published}", output.name, output.file), width);
                body(&mut lines, STEP, output.doc, width);
            }
        }
    }
    lines.extend([String::new(), "Fields:".to_owned(), String::new()]);
    for entry in entries::entries(kind) {
        let indent = STEP * (entry.depth + 1);
        match entry.about {
            Some(about) => {
                hang(&mut lines, indent, &format!("{}: {}; {}", entry.name, about.ty, about.default), width);
                body(&mut lines, indent, &entry.doc, width);
            }
            None => hang(&mut lines, indent, &format!("{}: {}", entry.name, entry.doc), width),
        }
    }
    lines.join("\n")
}

/// A text whose first line begins at `indent`, and the others further to the right.
fn hang(lines: &mut Vec<String>, indent: usize, text: &str, width: usize) {
    for (at, line) in folded(text, width.saturating_sub(indent + HANG).max(HANG)).into_iter().enumerate() {
        lines.push(" ".repeat(if at == 0 { indent } else { indent + HANG }) + &line);
    }
}

/// A text to the right of `indent`.
fn body(lines: &mut Vec<String>, indent: usize, text: &str, width: usize) {
    let indent = indent + HANG;
    let folded = folded(text, width.saturating_sub(indent).max(HANG));
    lines.extend(folded.into_iter().map(|line| " ".repeat(indent) + &line));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages;
    use crate::table::width as columns;

    #[test]
    fn no_line_is_wider_than_asked_for() {
        let registry = stages::registry();
        for width in [80, 93] {
            let texts = registry.kinds.iter().map(|one| kind(&**one, width)).chain([overview(&registry, width)]);
            for line in texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()) {
                assert!(columns(&line) <= width, "{} columns, not {width}: {line}", columns(&line));
                assert_eq!(line.trim_end(), line);
            }
        }
    }

    #[test]
    fn a_kind_shows_its_example_outputs_defaults_and_units() {
        let registry = stages::registry();
        let shown = kind(registry.kind("Erf").unwrap(), 80);
        for part in [
            "Erf\n\nThe effective receptive field",
            "\n\nExample:\n\n    \"erf\": Erf(",
            "\n\nOutputs:\n\n  picture: a file `erf.png`, copied to the results\n      The receptive field as a grey picture.\n",
            "\n  images: an integer from 1 to 4294967295, in images; default `100`\n      The number of images, from the start",
            "\n    Image: The whole network: from the logits back to the image.\n",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
    }
}
