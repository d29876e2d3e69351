//! What only the records of runs say: what differs between them, where they ran, and how to repeat them.

use std::collections::BTreeSet;

use super::super::diff::{self, Origin, Side};
use super::super::error::{Error, Result};
use crate::page::{self, Block, Cell, Grid, Section};
use crate::stage::Registry;
use crate::store::RunRecord;

/// What differs between runs in what they were asked for and where they ran; none where there is one run.
///
/// # Errors
/// The runs cannot be compared.
pub(super) fn differences(registry: &Registry, sides: &[Side<'_>]) -> Result<Option<Section>> {
    if sides.len() < 2 {
        return Ok(None);
    }
    let mut blocks = Vec::new();
    for part in diff::settings(registry, sides)? {
        let grid = page::grid(&part.table, None).map_err(|fault| Error::Unshown(fault.to_string()))?;
        blocks.push(Block::Table(Grid { caption: part.title.to_owned(), notes: part.notes, ..grid }));
    }
    if blocks.len() == 1 {
        blocks.push(Block::Text("Nothing differs that the runs were asked for.".to_owned()));
    }
    Ok(Some(Section {
        id: "differences".to_owned(),
        title: "What differs".to_owned(),
        lead: "Parameters, inputs and environments that are not the same in all runs.".to_owned(),
        blocks,
        folded: false,
    }))
}

/// The machine, the program and the arithmetic of each run.
pub(super) fn environment(sides: &[Side<'_>], labels: &[String]) -> Section {
    let facts = |run: &RunRecord| -> Vec<(String, String)> {
        let of = |map: &std::collections::BTreeMap<String, String>| -> Vec<(String, String)> {
            map.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let device = vec![("device".to_owned(), run.device.clone())];
        [device, of(&run.machine), of(&run.versions), of(&run.numeric)].concat()
    };
    let all: Vec<Vec<(String, String)>> = sides.iter().map(|side| facts(&side.run)).collect();
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in all.iter().flatten() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let text = |text: String| Cell { text, ..Cell::default() };
    let value = |facts: &Vec<(String, String)>, name: &str| {
        facts.iter().find(|(known, _)| known == name).map_or("–".to_owned(), |(_, value)| value.clone())
    };
    let row = |name: &&String| {
        std::iter::once((*name).clone()).chain(all.iter().map(|facts| value(facts, name))).map(text).collect()
    };
    let several = sides.len() > 1;
    let heads = std::iter::once(String::new());
    let grid = Grid {
        heads: heads
            .chain(labels.iter().map(|label| if several { label.clone() } else { "value".to_owned() }))
            .collect(),
        rows: names.iter().map(row).collect(),
        ..Grid::default()
    };
    Section {
        id: "environment".to_owned(),
        title: "Environment".to_owned(),
        lead: "Where the runs were made, by which program, and with which arithmetic.".to_owned(),
        blocks: vec![Block::Table(grid)],
        folded: true,
    }
}

/// How to repeat each run.
pub(super) fn reproduce(registry: &Registry, sides: &[Side<'_>], labels: &[String]) -> Vec<Section> {
    let mut commands = Vec::new();
    let mut pipelines = Vec::new();
    for (side, label) in sides.iter().zip(labels) {
        let run = &side.run;
        let build = run.versions.get("commit").map_or(String::new(), |commit| format!(", commit {commit}"));
        let version = run.versions.get("repro").map_or("an older version", String::as_str);
        let name = if sides.len() > 1 { format!("{label}: the") } else { "The".to_owned() };
        commands.push(Block::Text(format!(
            "{name} run was made by repro {version}{build}. With the same data the same command gives the same figures on any \
             machine whose arithmetic is the one that “Environment” states."
        )));
        commands.push(Block::Code(command(registry, run)));
        if let Origin::Store(_) = side.origin {
            commands.push(Block::Code(format!("repro export {} run.tar.zst", run.id)));
        }
        if sides.len() > 1 {
            pipelines.push(Block::Text(label.clone()));
        }
        pipelines.push(Block::Code(run.resolved.trim_end().to_owned()));
    }
    let lead = "The command of the run, and the one that puts its results into an archive.";
    vec![
        Section {
            id: "reproduce".to_owned(),
            title: "How to reproduce".to_owned(),
            lead: lead.to_owned(),
            blocks: commands,
            folded: false,
        },
        Section {
            id: "pipeline".to_owned(),
            title: "Pipeline".to_owned(),
            lead: "Every parameter, with all defaults.".to_owned(),
            blocks: pipelines,
            folded: true,
        },
    ]
}

/// The command that repeats a run. Folders of data are named by whoever has them.
fn command(registry: &Registry, run: &RunRecord) -> String {
    let mut words = vec!["repro".to_owned(), "run".to_owned(), run.file.clone()];
    let mut add = |option: &str, value: String| words.extend([option.to_owned(), value]);
    run.profile.iter().for_each(|profile| add("--profile", profile.clone()));
    run.sets.iter().for_each(|set| add("--set", set.clone()));
    run.only.iter().for_each(|only| add("--only", only.clone()));
    if !["", "cpu"].contains(&run.device.as_str()) {
        add("--device", run.device.clone());
    }
    for root in roots(registry, run) {
        add("--data", format!("{root}=FOLDER"));
    }
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// The names of the data roots that a run read.
fn roots(registry: &Registry, run: &RunRecord) -> BTreeSet<String> {
    let root = |node: &crate::store::RunNodeRecord| {
        let kind = registry.kind(&node.kind)?;
        kind.root(run.params.get(&node.stage)?).ok().flatten()
    };
    run.nodes.iter().filter_map(root).collect()
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:@,+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_shell_as_they_are() {
        let shell = |word: &str| {
            let line = format!("printf %s {}", quoted(word));
            String::from_utf8(std::process::Command::new("sh").args(["-c", &line]).output().unwrap().stdout).unwrap()
        };
        for word in ["train.steps=50", "a b", "it's", "$HOME", "\"x\"", "train[prefilter=Average]", "a\\b", "!x*"] {
            assert_eq!(shell(word), word);
        }
        assert_eq!((quoted("train.steps=50"), quoted("")), ("train.steps=50".to_owned(), "''".to_owned()));
    }
}
