//! Outputs in the making: a stage writes them as its kind declares them.

use std::path::PathBuf;

use super::artifact::{ArtifactKind, Made, Produced};
use super::error::StageError;
use super::job::Job;
use super::output::Output;
use crate::fsio;

impl Output {
    /// Where a job makes it.
    pub fn place(&self, job: &Job<'_>) -> PathBuf {
        job.out.join(&*self.file)
    }

    /// Writes it as a file, and adds it to what the job made.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write(&self, job: &Job<'_>, produced: &mut Produced, bytes: &[u8]) -> Result<(), StageError> {
        fsio::write_synced(&self.place(job), bytes)?;
        self.add(produced, self.form.unwrap_or(ArtifactKind::File));
        Ok(())
    }

    /// Adds what the job has made at its [`place`](Output::place) in that form.
    pub fn add(&self, produced: &mut Produced, form: ArtifactKind) {
        produced
            .outputs
            .insert(self.name.clone().into_owned(), Made { path: self.file.clone().into_owned(), kind: form });
    }
}

/// An error of the program where a stage made other outputs than its kind declares for its parameters.
pub fn check(declared: &[Output], produced: &Produced) -> Result<(), StageError> {
    let bug = |text: String| Err(StageError::Bug(text));
    for (name, made) in &produced.outputs {
        let Some(output) = declared.iter().find(|output| output.name == *name) else {
            return bug(format!("The stage made an output `{name}`, which its kind does not declare."));
        };
        if output.form.is_some_and(|form| form != made.kind) || output.file != made.path {
            let (file, path) = (&output.file, &made.path);
            return bug(format!(
                "The stage made its output `{name}` as {:?} `{path}`; its kind declares {:?} `{file}`.",
                made.kind, output.form
            ));
        }
    }
    match declared.iter().find(|output| !output.optional && !produced.outputs.contains_key(&*output.name)) {
        Some(output) => bug(format!("The stage did not make its output `{}`, which its kind declares.", output.name)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: Output = Output::file("model", "model.bin", "A model.");
    const NOTES: Output = Output::tree("notes", "notes", "Notes.").optional();

    #[test]
    fn a_stage_makes_what_its_kind_declares() {
        let made = |outputs: &[(&Output, ArtifactKind)]| {
            let mut produced = Produced::default();
            outputs.iter().for_each(|(output, form)| output.add(&mut produced, *form));
            check(&[MODEL, NOTES], &produced).map_err(|error| error.to_string())
        };
        let (file, tree) = (ArtifactKind::File, ArtifactKind::Tree);
        assert_eq!(made(&[(&MODEL, file)]), Ok(()));
        assert_eq!(made(&[(&MODEL, file), (&NOTES, tree)]), Ok(()));
        let refused = [
            made(&[(&NOTES, tree)]),
            made(&[(&MODEL, file), (&Output::file("other", "other", "Another."), file)]),
            made(&[(&MODEL, tree)]),
            made(&[(&Output::file("model", "elsewhere", "A model."), file)]),
        ];
        let words = ["did not make its output `model`", "an output `other`", "as Tree `model.bin`", "File `elsewhere`"];
        for (refused, words) in refused.into_iter().zip(words) {
            let told = refused.unwrap_err();
            assert!(told.contains(words) && told.ends_with("This is a bug in repro."), "{told}");
        }
    }
}
