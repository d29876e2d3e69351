//! What stages leave: each kind declares its outputs once, with their files and formats.
//!
//! Invariants:
//! - whoever writes, reads, publishes or exports an output takes its name, file and form from the declaration;
//! - a stage makes what its kind declares, no more and no less, as [`check`](super::made::check) holds;
//! - what a [`Yield`] promises is among the outputs of every kind that yields it.

use std::borrow::Cow;

use super::artifact::{Artifact, ArtifactKind, InputNode};

/// What a reference to a stage gives to whoever refers to it. Fields of parameters name the yields that they accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Yield {
    /// The name, as `dataset` or `model`.
    pub name: &'static str,
    /// What a reference without an index means where the stage has several nodes.
    pub bare: Bare,
    /// The outputs that every kind with this yield has.
    pub outputs: &'static [Output],
}

/// The meaning of a reference without an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bare {
    /// The last node: a training stage's final model.
    Last,
    /// Every node: a validation's figures at each iteration.
    All,
}

/// A format of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Markdown.
    Markdown,
    /// LaTeX, with the package booktabs.
    Latex,
    /// Comma-separated values, every digit kept.
    Csv,
    /// Apache Parquet, every digit kept.
    Parquet,
    /// HTML, a page of its own.
    Html,
}

impl Format {
    /// The name in a pipeline.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Markdown => "Markdown",
            Format::Latex => "Latex",
            Format::Csv => "Csv",
            Format::Parquet => "Parquet",
            Format::Html => "Html",
        }
    }
}

impl Format {
    const ALL: [Format; 5] = [Format::Markdown, Format::Latex, Format::Csv, Format::Parquet, Format::Html];
}

/// A set of formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Formats(u8);

impl Formats {
    /// No format: what files and folders have.
    pub const NONE: Formats = Formats(0);

    /// These formats.
    pub const fn of(formats: &[Format]) -> Self {
        let (mut set, mut at) = (0, 0);
        while at < formats.len() {
            set |= 1 << formats[at] as u8;
            at += 1;
        }
        Formats(set)
    }

    /// Each of them once, in one order.
    pub fn iter(self) -> impl Iterator<Item = Format> {
        Format::ALL.into_iter().filter(move |format| self.0 & (1 << *format as u8) != 0)
    }
}

/// An output that a kind declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The name.
    pub name: Cow<'static, str>,
    /// The file or folder below the job's `out`.
    pub file: Cow<'static, str>,
    /// What it is, as a sentence.
    pub doc: &'static str,
    /// The form; none: a file or a folder, as the stage finds it.
    pub form: Option<ArtifactKind>,
    /// Whether there are stages of the kind that do not make it.
    pub optional: bool,
    /// How it is written below `results/`.
    pub publish: Publish,
    /// What else becomes of it.
    pub role: Role,
}

/// How an output is written below `results/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publish {
    /// Not at all.
    No,
    /// A file or a folder, copied as it is.
    Copy,
    /// A table.
    Table {
        /// In these formats.
        formats: Formats,
        /// The digits after the point that a table for people shows; none: as many as there are.
        digits: Option<usize>,
        /// Whether it is printed at the end of a run.
        print: bool,
        /// What is said below the table where people read it.
        notes: &'static [Note],
        /// The output that says how the table is shown: a file with a layout as JSON. None: the table is shown as it is.
        layout: Option<&'static str>,
    },
}

/// A sentence below a table, for people, where the cells give reason to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note {
    /// The reason, which leads to names.
    pub when: Reason,
    /// What is said of them: the names follow.
    pub text: &'static str,
}

/// What gives reason to a [`Note`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Rows have 0 in the column `count`. They are named by their cells in the column `name`.
    Zero {
        /// The column of counts.
        count: &'static str,
        /// The column of names.
        name: &'static str,
    },
    /// A row has some figures of a sort, and lacks others. These are named by what follows in the names of their columns.
    Missing {
        /// How the names of the columns of that sort begin.
        columns: &'static str,
    },
}

/// What becomes of an output beside being published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Nothing.
    Plain,
    /// A part of the run's log. `repro export` takes it.
    Log,
    /// A trained model. `repro export` takes it unless it is told to leave models out.
    Checkpoint,
}

/// An output that is written below `results/<pipeline>/<stage>/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The name of the output.
    pub output: String,
    /// The formats of a table; none of files and folders, which are copied.
    pub formats: Formats,
    /// The digits after the point that a table for people shows; none: as many as there are.
    pub digits: Option<usize>,
    /// Whether the table is printed at the end of a run.
    pub print: bool,
    /// What is said below the table where people read it.
    pub notes: &'static [Note],
    /// The output of the same node that says how the table is shown, if one does.
    pub layout: Option<String>,
}

impl Output {
    const fn new(name: &'static str, file: &'static str, form: ArtifactKind, doc: &'static str) -> Self {
        let (name, file) = (Cow::Borrowed(name), Cow::Borrowed(file));
        Output { name, file, doc, form: Some(form), optional: false, publish: Publish::No, role: Role::Plain }
    }

    /// A file that is not published.
    pub const fn file(name: &'static str, file: &'static str, doc: &'static str) -> Self {
        Output::new(name, file, ArtifactKind::File, doc)
    }

    /// A folder of files that is not published.
    pub const fn tree(name: &'static str, folder: &'static str, doc: &'static str) -> Self {
        Output::new(name, folder, ArtifactKind::Tree, doc)
    }

    /// A table that is published in these formats.
    pub const fn table(name: &'static str, file: &'static str, formats: &'static [Format], doc: &'static str) -> Self {
        let formats = Formats::of(formats);
        let mut output = Output::new(name, file, ArtifactKind::Table, doc);
        output.publish = Publish::Table { formats, digits: None, print: false, notes: &[], layout: None };
        output
    }

    /// Says something below the table where people read it.
    pub const fn noting(mut self, notes: &'static [Note]) -> Self {
        if let Publish::Table { formats, digits, print, layout, .. } = self.publish {
            self.publish = Publish::Table { formats, digits, print, notes, layout };
        }
        self
    }

    /// Says which output of the same node says how the table is shown.
    pub const fn laid_out_by(mut self, output: &'static str) -> Self {
        if let Publish::Table { formats, digits, print, notes, .. } = self.publish {
            self.publish = Publish::Table { formats, digits, print, notes, layout: Some(output) };
        }
        self
    }

    /// Copies the file or folder to the results.
    pub const fn published(mut self) -> Self {
        self.publish = Publish::Copy;
        self
    }

    /// Says that some stages of the kind do not make it.
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Makes it a part of the run's log.
    pub const fn log(mut self) -> Self {
        self.role = Role::Log;
        self
    }

    /// Says that it is a trained model.
    pub const fn checkpoint(mut self) -> Self {
        self.role = Role::Checkpoint;
        self
    }

    /// How it is published, if it is.
    pub fn publication(&self) -> Option<Publication> {
        let output = self.name.clone().into_owned();
        match self.publish {
            Publish::No => None,
            Publish::Copy => {
                let formats = Formats::NONE;
                Some(Publication { output, formats, digits: None, print: false, notes: &[], layout: None })
            }
            Publish::Table { formats, digits, print, notes, layout } => {
                let layout = layout.map(str::to_owned);
                Some(Publication { output, formats, digits, print, notes, layout })
            }
        }
    }

    /// The stored output of an input, if that has it.
    pub fn of<'a>(&self, node: &'a InputNode) -> Option<&'a Artifact> {
        node.outputs.get(&*self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: Output = Output::file("model", "model.bin", "A model.");

    #[test]
    fn a_declaration_says_how_an_output_is_published() {
        assert_eq!(MODEL.publication(), None);
        let (output, formats) = ("model".into(), Formats::NONE);
        let copied = Publication { output, formats, digits: None, print: false, notes: &[], layout: None };
        assert_eq!(MODEL.published().publication(), Some(copied.clone()));
        let table = Output::table("model", "model.table", &[Format::Csv], "Figures.");
        assert_eq!(table.publication(), Some(Publication { formats: Formats::of(&[Format::Csv]), ..copied }));
    }
}
