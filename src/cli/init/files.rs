//! The files that are written: their names, and that none is replaced.

use std::path::{Path, PathBuf};

use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, fail};
use crate::fsio::{self, Temporary};

/// The longest name that is made of a folder's.
const LONGEST: usize = 40;

/// The name of the pipeline: the one that is stated, or one after the folder.
pub fn name(stated: Option<&str>, folder: &Path) -> Result<String, Failure> {
    if let Some(name) = stated {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        if name.is_empty() || !name.chars().all(plain) {
            let message = format!("`{name}` is not a name for a pipeline.");
            return Err(fail(Exit::Usage, message).hint("Use `a`-`z`, `0`-`9`, `_` and `-`."));
        }
        return Ok(name.to_owned());
    }
    let folder = fsio::canonical(folder).unwrap_or_else(|_| folder.to_owned());
    let own = folder.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let mut name = String::new();
    for c in own.chars().take(LONGEST) {
        match c {
            'a'..='z' | '0'..='9' | '-' => name.push(c),
            _ if name.is_empty() || name.ends_with('_') => {}
            _ => name.push('_'),
        }
    }
    let name = name.trim_matches(['_', '-']);
    Ok(if name.is_empty() { "own_data".to_owned() } else { name.to_owned() })
}

/// The name of the data root of a pipeline.
pub fn root_name(name: &str) -> String {
    name.replace('-', "_")
}

/// Where the files go.
pub struct Place {
    /// The pipeline.
    pub pipeline: PathBuf,
    /// The folder of all files.
    folder: PathBuf,
    stem: String,
}

impl Place {
    /// The place that the user stated, or the usual one.
    pub fn of(stated: Option<&Path>, name: &str) -> Result<Self, Failure> {
        let usual = || {
            let pipelines = Path::new("pipelines");
            let file = format!("{name}.ron");
            if fsio::is_folder(pipelines) { pipelines.join(file) } else { PathBuf::from(file) }
        };
        let pipeline = stated.map_or_else(usual, Path::to_owned);
        if fsio::is_folder(&pipeline) {
            let message = format!("`{}` is a folder.", pipeline.display());
            return Err(fail(Exit::Usage, message).hint("Name the file to write, as `-o fields.ron`."));
        }
        let stem = pipeline.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let folder = pipeline.parent().unwrap_or(Path::new("")).to_owned();
        let place = Place { pipeline, folder, stem };
        place.free(&place.pipeline)?;
        Ok(place)
    }

    /// The file name of the list of a part.
    pub fn list(&self, part: &str) -> String {
        format!("{}_{part}.txt", self.stem)
    }

    fn free(&self, path: &Path) -> Result<(), Failure> {
        if fsio::exists(path) { Err(taken(path)) } else { Ok(()) }
    }

    /// Writes the pipeline and its lists. A file that is there is an error, and then nothing is written.
    pub fn write(&self, text: &str, lists: &[(String, String)]) -> Result<(), Failure> {
        let lists: Vec<(PathBuf, &str)> =
            lists.iter().map(|(name, text)| (self.folder.join(name), text.as_str())).collect();
        lists.iter().try_for_each(|(path, _)| self.free(path))?;
        // The pipeline comes last: where it is, its lists are.
        for (path, text) in lists.iter().map(|(path, text)| (path, *text)).chain([(&self.pipeline, text)]) {
            let mut file = Temporary::beside(path)?;
            file.add(text.as_bytes())?;
            if !file.place_new(path)? {
                return Err(taken(path));
            }
        }
        Ok(())
    }
}

fn taken(path: &Path) -> Failure {
    let message = format!("`{}` is there already. No file is replaced.", path.display());
    fail(Exit::Usage, message).hint("Name another file by `-o FILE`, or remove this one.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_whatever_the_folder_is_called() {
        for (folder, expected) in
            [("/data/My Fields (2024)", "my_fields_2024"), ("/x/Größe", "gr_e"), ("/", "own_data"), ("/a/..b..", "b")]
        {
            assert_eq!(name(None, Path::new(folder)).unwrap(), expected);
        }
        assert_eq!(name(Some("a-1"), Path::new("/")).unwrap(), "a-1");
        assert!(name(Some("A"), Path::new("/")).is_err());
        assert_eq!(root_name("a-1"), "a_1");
    }
}
