//! Reading a pipeline's file and the files that it includes.
//!
//! Invariants:
//! - files come in an order in which every file follows those that it includes, the pipeline's own file last;
//! - a file is read once, however many ways lead to it;
//! - the bytes and values of all files together have a limit: what is beyond is not read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::document::{Apart, take_apart};
use super::limits;
use super::paths::tidy;
use super::stated::Document;
use crate::fsio;
use crate::syntax::limits::VALUES;
use crate::syntax::{Diagnostic, Diagnostics, Faults, Span, Text, parse};

/// Reads `file` and all files that it includes. Faults that lose nothing of a file are added to `faults`.
///
/// # Errors
/// A file cannot be read, or is not whole.
pub(super) fn load(file: &Path, faults: &mut Faults) -> Result<Vec<Document>, Diagnostics> {
    let mut loader = Loader {
        documents: Vec::new(),
        known: BTreeMap::new(),
        stack: Vec::new(),
        faults,
        whole: true,
        bytes: 0,
        values: 0,
        includes: 0,
    };
    if let Err(error) = loader.load(file, None) {
        loader.fault(Diagnostic::unplaced(error.to_string()).hint(error.hint()));
    }
    let (documents, whole) = (loader.documents, loader.whole);
    if whole { Ok(documents) } else { Err(Diagnostics::new(std::mem::take(faults))) }
}

struct Loader<'a> {
    documents: Vec<Document>,
    /// The number of every file that was read, by its canonical path.
    known: BTreeMap<PathBuf, usize>,
    /// The files being read, each included by the one before: canonical path and name.
    stack: Vec<(PathBuf, String)>,
    faults: &'a mut Faults,
    whole: bool,
    /// How much was read so far.
    bytes: usize,
    values: usize,
    includes: usize,
}

impl Loader<'_> {
    fn fault(&mut self, fault: Diagnostic) {
        self.whole = false;
        self.faults.push(fault);
    }

    /// Adds the fault that a file is not read, at the place that includes it.
    fn refuse(&mut self, included: Option<&Span>, message: String, hint: &str) {
        let fault = included.map_or_else(|| Diagnostic::unplaced(&message), |span| Diagnostic::new(span, &message));
        self.fault(fault.hint(hint));
    }

    /// Reads a file, once, and returns its number, or none if the file cannot be used.
    fn load(&mut self, path: &Path, included: Option<&Span>) -> fsio::Result<Option<usize>> {
        let canonical = fsio::canonical(path)?;
        if let Some(&number) = self.known.get(&canonical) {
            return Ok(Some(number));
        }
        let name = tidy(path).display().to_string();
        if let (Some(start), Some(span)) = (self.stack.iter().position(|(open, _)| *open == canonical), included) {
            let chain: Vec<&str> = self.stack[start..].iter().map(|(_, name)| name.as_str()).chain([&*name]).collect();
            let fault = Diagnostic::new(span, format!("The files include each other: {}.", chain.join(" -> ")))
                .hint("Remove this one, or move what both need into a file of its own.");
            self.fault(fault);
            return Ok(None);
        }
        if self.stack.len() >= limits::CHAIN {
            let message = format!("More than {} files include each other, one below the other.", limits::CHAIN);
            self.refuse(included, message, "Include them side by side.");
            return Ok(None);
        }
        let left = (limits::BYTES - self.bytes) as u64;
        let content = match fsio::read_to_string_within(path, left) {
            Err(error) if error.is_too_large() => {
                let message = format!("The files of the pipeline have more than {} bytes together.", limits::BYTES);
                self.refuse(included, message, "Split it into several pipelines, and keep data in files of their own.");
                return Ok(None);
            }
            content => content?,
        };
        self.bytes += content.len();
        let folder = canonical.parent().unwrap_or(&canonical).to_owned();
        let parsed = parse(&Arc::new(Text::new(name.clone(), content, folder)), 0, VALUES - self.values);
        self.values += parsed.values.min(VALUES - self.values);
        self.whole &= parsed.whole;
        self.faults.append(parsed.faults);
        self.stack.push((canonical.clone(), name));
        let main = included.is_none();
        let Apart { mut document, includes, whole } = take_apart(parsed.tree, parsed.whole, main, self.faults);
        self.whole &= whole;
        let folder = path.parent().unwrap_or(Path::new(""));
        for (relative, span) in includes {
            if let Some(number) = self.include(&folder.join(relative), &span) {
                document.sees.extend(&self.documents[number].sees);
            }
        }
        document.sees.insert(self.documents.len());
        self.stack.pop();
        self.known.insert(canonical, self.documents.len());
        self.documents.push(document);
        Ok(Some(self.documents.len() - 1))
    }

    /// Reads a file that is included at `span`, and returns its number if it can be used.
    fn include(&mut self, path: &Path, span: &Span) -> Option<usize> {
        if self.includes >= limits::INCLUDES {
            let message = format!("The pipeline includes more than {} files.", limits::INCLUDES);
            self.refuse(Some(span), message, "Put the stages of several files into one.");
            return None;
        }
        self.includes += 1;
        self.load(path, Some(span)).unwrap_or_else(|error| {
            let hint = format!("Paths start from the folder of this file. {}", error.hint());
            self.fault(Diagnostic::new(span, error.to_string()).hint(hint.trim_end()));
            None
        })
    }
}
