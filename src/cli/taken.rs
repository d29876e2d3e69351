//! Which run a command takes. Every command that is given a run finds it here, and says which one that is.

use std::path::Path;

use super::failure::{Failure, fail};
use super::terminal::{note, warn};
use crate::cli::exit::Exit;
use crate::fsio;
use crate::pipeline::Pipeline;
use crate::results::Archived;
use crate::results::diff::{Origin, Side};
use crate::stage::StageName;
use crate::store::{RunRecord, Store};
use crate::syntax;

/// The end of an archive's name.
const ARCHIVE: &str = ".tar.zst";

/// How zstd files begin, and so exported archives.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// How many references to one run are named.
const SHOWN: usize = 6;

/// The run that `name` stands for. Standard error says which one it is, and which newer ones were passed over.
pub fn find_run(store: &Store, name: &str) -> Result<RunRecord, Failure> {
    let found = store.find_run(name)?;
    note(&found.taken());
    if let Some(text) = found.passed_over(name) {
        warn(&text);
    }
    Ok(found.run)
}

/// Says which runs the references of a pipeline mean, a line each.
pub fn tell_references(pipeline: &Pipeline) {
    for earlier in &pipeline.earlier {
        let references: Vec<String> = earlier.references.iter().map(|reference| format!("`{reference}`")).collect();
        note(&format!("{}: {}", syntax::first_of(&references, SHOWN), earlier.taken));
        earlier.passed_over.iter().for_each(|text| warn(text));
    }
}

/// The run of the store or of an archive, and the stage of it, that an argument names.
pub fn side<'a>(store: &'a Store, asked: &str) -> Result<Side<'a>, Failure> {
    let stage = |text: &str| -> Result<Option<StageName>, Failure> {
        match text {
            "" => Ok(None),
            text => StageName::read(text).map(Some).map_err(|message| fail(Exit::Usage, message)),
        }
    };
    let (run, origin, stage) = match archive(asked) {
        Some((path, behind)) => {
            let stage = stage(behind)?;
            let (run, archived) = Archived::open(Path::new(path))?;
            (run, Origin::Archive(archived), stage)
        }
        None => {
            let (name, behind) = asked.split_once('/').unwrap_or((asked, ""));
            let stage = stage(behind)?;
            (find_run(store, name)?, Origin::Store(store), stage)
        }
    };
    Ok(Side { asked: asked.to_owned(), run, origin, stage })
}

/// The archive that an argument names, and the stage behind it.
fn archive(asked: &str) -> Option<(&str, &str)> {
    let named = |path: &str| path.ends_with(ARCHIVE);
    let is_archive = |path: &str| {
        let path = Path::new(path);
        let start = || fsio::Parts::open(path).and_then(|file| file.read(0..ZSTD.len() as u64));
        fsio::is_file(path) && start().is_ok_and(|start| start == ZSTD)
    };
    let ends = std::iter::once(asked.len()).chain(asked.rmatch_indices('/').map(|(at, _)| at));
    let parts = ends.map(|end| (&asked[..end], asked[end..].trim_start_matches('/')));
    parts.into_iter().find(|(path, _)| named(path) || is_archive(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_told_from_a_run_by_its_name_or_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("kept");
        std::fs::write(&file, [&ZSTD[..], b"rest"].concat()).unwrap();
        let kept = file.display().to_string();
        assert_eq!(archive(&kept), Some((kept.as_str(), "")));
        let stage = format!("{kept}/validate[2]");
        assert_eq!(archive(&stage), Some((kept.as_str(), "validate[2]")));
        assert_eq!(archive("gone.tar.zst/a[x=b/c]"), Some(("gone.tar.zst", "a[x=b/c]")));
        assert_eq!(archive("run/validate[x=a/b]"), None);
    }
}
