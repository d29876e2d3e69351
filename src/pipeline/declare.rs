//! The stages of all files as one set, and which of them run.
//!
//! Invariant: every stage is defined in one place; a file may change those that it includes.

use std::collections::{BTreeMap, BTreeSet};

use super::limits;
use super::merge::merge;
use super::stated::{Declared, Document, MATRIX, too_long};
use crate::syntax::{Diagnostic, Faults, Form, Tree, Word, suggestion};

/// The stages of all files, by name.
pub(super) fn stages(documents: &mut [Document], faults: &mut Faults) -> BTreeMap<String, Declared> {
    let mut stages: BTreeMap<String, Declared> = BTreeMap::new();
    for (document, Document { stages: stated, sees, .. }) in documents.iter_mut().enumerate() {
        for (name, tree) in stated {
            let form = std::mem::replace(&mut tree.form, Form::Broken);
            let tree = Tree { span: tree.span.clone(), form };
            unfit(name, faults);
            if name.text.len() > limits::FOLDER {
                faults.tell(&name.span, || too_long(&name.span, "stage", &name.text));
            }
            if stages.len() == limits::STAGES && !stages.contains_key(&name.text) {
                let message = format!("The pipeline states more than {} stages.", limits::STAGES);
                faults.push(Diagnostic::new(&name.span, message).hint("Split it into several pipelines."));
                return stages;
            }
            match stages.get_mut(&name.text) {
                Some(earlier) if changes(&tree) && sees.contains(&earlier.document) => merge(&mut earlier.tree, tree),
                Some(earlier) => faults.tell(&name.span, || {
                    Diagnostic::new(&name.span, format!("The stage `{}` is defined twice.", name.text))
                        .label("again")
                        .related(&earlier.name.span, "first defined here")
                        .hint(
                            "Rename one of them; to change an included stage, state the fields that differ: `(steps: 5)`.",
                        )
                }),
                None => {
                    stages.insert(name.text.clone(), Declared { name: name.clone(), tree, document });
                }
            }
        }
    }
    stages
}

/// Adds a fault if a name cannot be that of a stage.
fn unfit(name: &Word, faults: &mut Faults) {
    let hint = if !is_stage_name(&name.text) {
        "Use letters, digits, `_`, `-` and `.`, with a letter, a digit or `_` first."
    } else if name.text == MATRIX {
        "Profiles and `--set` use this name for the matrix."
    } else if ["log.txt", "manifest.json", "run.json", "pipeline.ron", "incomplete.txt"]
        .contains(&name.text.to_ascii_lowercase().as_str())
    {
        "A file among the results has this name."
    } else {
        return;
    };
    faults.tell(&name.span, || {
        Diagnostic::new(&name.span, format!("`{}` cannot be the name of a stage.", name.text)).hint(hint)
    });
}

/// Whether a stage's value is a change: a structure without a name.
fn changes(tree: &Tree) -> bool {
    matches!(tree.structure(), Some((None, _)))
}

/// The stages that run: those that the pipeline's own file states or changes, and those that a file says always run.
pub(super) fn targets(documents: &[Document], faults: &mut Faults) -> BTreeSet<String> {
    let own = documents.last().into_iter().flat_map(|main| main.stages.iter().map(|(name, _)| name.text.clone()));
    let mut targets: BTreeSet<String> = own.collect();
    if documents.iter().all(|document| document.targets.is_empty()) {
        return targets;
    }
    let mut stated: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for (number, document) in documents.iter().enumerate() {
        document.stages.iter().for_each(|(name, _)| _ = stated.entry(&name.text).or_default().insert(number));
    }
    for document in documents {
        let visible = |stating: &BTreeSet<usize>| !stating.is_disjoint(&document.sees);
        for target in &document.targets {
            match stated.get(target.text.as_str()).is_some_and(visible) {
                true => _ = targets.insert(target.text.clone()),
                false => faults.tell(&target.span, || {
                    let all = stated.iter().filter(|(_, stating)| visible(stating)).map(|(name, _)| *name);
                    let message = format!("There is no stage `{}`{}", target.text, suggestion(&target.text, all));
                    let hint = "`targets` names stages of its own file and of those that it includes.";
                    Diagnostic::new(&target.span, message).hint(hint)
                }),
            }
        }
    }
    targets
}

/// A name that is safe in a path and in a reference.
fn is_stage_name(name: &str) -> bool {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    name.chars().all(safe) && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}
