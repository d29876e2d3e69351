//! Archives as downloaded: tar, plain or gzipped, and zip.
//!
//! An archive is not trusted. Names that leave the folder, names that occur twice, entries that overlap and sizes that
//! are wrong are faults. Links are never made or followed. What a header claims takes neither memory nor disk before it is
//! read. Files are read and written in parts.

mod tape;
#[cfg(test)]
mod tests;
mod what;

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::bounds::{self, Faults};
use super::list::below_root;
use super::{Error, Fault};
use crate::syntax::shown;
use what::Form;

use crate::fsio;
use crate::hash::Digest;

const DAMAGED: &str = "Download the archive again.";
const HOSTILE: &str = "Do not use this archive.";

/// Chooses what is extracted. It is given a file's name in the archive (with `/`, never leaving the folder), and returns
/// its name below the folder, or nothing to leave the file out.
pub type Keep<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Extracts the files that `keep` chooses from the archive at `path` into the folder `into`. Returns their names there,
/// sorted. Where `expected` is given, the archive's digest is compared first. `place` names the archive in faults.
///
/// # Errors
/// The archive has another digest, is damaged or hostile, or the disk refuses. The folder's content is then of no use.
pub fn extract(
    path: &Path,
    place: &str,
    expected: Option<Digest>,
    into: &Path,
    keep: &Keep<'_>,
) -> Result<Vec<String>, Error> {
    if let Some(expected) = expected {
        let found = Digest::from(fsio::blake3(path)?);
        if found != expected {
            let message = format!("The archive has digest {found}; it must have {expected}.");
            return Err(Fault::new(place, message, DAMAGED).into());
        }
    }
    let mut file = fsio::open(path)?;
    let io = |error| Error::Io(fsio::Error::new("read", path, error));
    let form = what::form(&mut file, place).map_err(io)??;
    let held = file.seek(SeekFrom::End(0)).map_err(io)?;
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    let room = Room { held, left: bounds::unpacked(held) };
    let (names, folded, faults) = (BTreeSet::new(), BTreeSet::new(), Faults::default());
    let mut extraction = Extraction { place, into, keep, room, names, folded, faults };
    match form {
        Form::Gzip => extraction.tar(MultiGzDecoder::new(BufReader::new(file)))?,
        Form::Zip => extraction.zip(BufReader::new(file))?,
        Form::Tar => extraction.tar(BufReader::new(file))?,
    }
    match extraction.faults.into_vec() {
        faults if faults.is_empty() => Ok(extraction.names.into_iter().collect()),
        faults => Err(Error::Faults(faults)),
    }
}

/// Looks at the first bytes of the file at `path`. `place` names it in faults. What is not known passes: whoever extracts
/// it compares its digest first.
///
/// # Errors
/// It is an archive of another format or another thing that is known, or the disk refuses.
pub fn recognise(path: &Path, place: &str) -> Result<(), Error> {
    let io = |error| Error::Io(fsio::Error::new("read", path, error));
    what::known(&mut fsio::open(path)?, place).map_err(io)??;
    Ok(())
}

/// What an archive may still unpack to.
#[derive(Clone, Copy)]
struct Room {
    held: u64,
    left: u64,
}

impl Room {
    fn take(&mut self, bytes: u64) -> Result<(), String> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                let (held, most) = (self.held, bounds::unpacked(self.held));
                Err(format!("The archive of {held} bytes unpacks to more than {most} bytes, as no data set does"))
            }
        }
    }
}

struct Extraction<'a> {
    place: &'a str,
    into: &'a Path,
    keep: &'a Keep<'a>,
    room: Room,
    names: BTreeSet<String>,
    /// The names in lower case, for file systems that do not tell cases apart.
    folded: BTreeSet<String>,
    faults: Faults,
}

impl Extraction<'_> {
    fn tar(&mut self, reader: impl Read) -> Result<(), Error> {
        let mut reader = Counted { reader, room: self.room };
        while let Some(entry) = tape::next(&mut reader).map_err(|why| self.unread(&why))? {
            let tape::Entry { name, plain, folder, size } = entry;
            let mut content = (&mut reader).take(size);
            match String::from_utf8(name) {
                _ if folder => {}
                Ok(name) => self.file(&name, plain, size, &mut content)?,
                Err(error) => {
                    let name = shown(&String::from_utf8_lossy(error.as_bytes()));
                    self.faults.push(Fault::new(format!("{}/{name}", self.place), "The name is not UTF-8.", HOSTILE));
                }
            }
            let rest = content.limit();
            tape::skip(&mut reader, rest, size).map_err(|why| self.unread(&why))?;
        }
        Ok(())
    }

    fn zip(&mut self, reader: impl Read + Seek) -> Result<(), Error> {
        let place = self.place;
        let damaged = |error| Fault::new(place, format!("The archive cannot be read: {error}."), DAMAGED);
        let mut archive = zip::ZipArchive::new(reader).map_err(damaged)?;
        if archive.has_duplicate_names() || archive.has_overlapping_entries().map_err(damaged)? {
            let message = "Entries of the archive have the same name or lie over one another.";
            return Err(Fault::new(place, message, HOSTILE).into());
        }
        // All together before any is written.
        let mut room = self.room;
        for index in 0..archive.len() {
            let size = archive.by_index_raw(index).map_err(damaged)?.size();
            room.take(size).map_err(|why| Fault::new(place, format!("{why}."), HOSTILE))?;
        }
        for index in 0..archive.len() {
            let entry = archive.by_index(index).map_err(damaged)?;
            let name = entry.name().map_err(damaged)?.into_owned();
            if !entry.is_dir() {
                let (size, plain) = (entry.size(), entry.is_file());
                self.file(&name, plain, size, entry)?;
            }
        }
        Ok(())
    }

    fn unread(&self, why: &io::Error) -> Error {
        match why.kind() {
            io::ErrorKind::FileTooLarge => Fault::new(self.place, format!("{why}."), HOSTILE),
            _ => Fault::new(self.place, format!("The archive cannot be read: {why}."), DAMAGED),
        }
        .into()
    }

    /// Takes one entry. What is wrong with its name is collected; content that cannot be read ends the extraction.
    fn file(&mut self, name: &str, plain: bool, size: u64, content: impl Read) -> Result<(), Error> {
        let place = format!("{}/{}", self.place, shown(name));
        let name = name.trim_start_matches("./");
        let mut fault = |message: String, hint| self.faults.push(Fault::new(&place, message, hint));
        if name.starts_with('/') {
            fault("The name is an absolute path.".into(), HOSTILE);
            return Ok(());
        }
        if let Err(why) = below_root(name) {
            fault(format!("The name {why}."), HOSTILE);
            return Ok(());
        }
        let Some(target) = (self.keep)(name) else { return Ok(()) };
        if !plain {
            fault("It is a link, a device or a sparse file, not a plain one.".into(), "Pack the files themselves.");
            return Ok(());
        }
        let path = self.into.join(&target);
        if !self.names.insert(target.clone()) {
            fault(format!("`{}` is in the archive twice.", shown(&target)), DAMAGED);
            return Ok(());
        }
        if !self.folded.insert(target.to_lowercase()) && fsio::exists(&path) {
            fault(
                "Its name differs from another's in case alone, which this file system does not tell apart.".into(),
                "Unpack it on another file system.",
            );
            return Ok(());
        }
        self.room.take(size).map_err(|why| Fault::new(&place, format!("{why}."), HOSTILE))?;
        let mut file = match fsio::create(&path) {
            Err(error) if error.is_in_the_way() => {
                fault(format!("It cannot be made: {error}"), HOSTILE);
                return Ok(());
            }
            file => file?,
        };
        let written = copy(&mut content.take(size.saturating_add(1)), &mut file, &path, &place)?;
        if written != size {
            return Err(Fault::new(place, format!("It has not the {size} bytes that its header says."), DAMAGED).into());
        }
        Ok(())
    }
}

/// A stream that ends with an error where more comes of an archive than may.
struct Counted<R> {
    reader: R,
    room: Room,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buffer)?;
        self.room.take(n as u64).map_err(|why| io::Error::new(io::ErrorKind::FileTooLarge, why))?;
        Ok(n)
    }
}

/// Copies all of `from` to `to`: what cannot be read is a fault of the archive, what cannot be written is the disk's.
fn copy(from: &mut impl Read, to: &mut impl Write, path: &Path, place: &str) -> Result<u64, Error> {
    let mut buffer = vec![0; 1 << 16];
    let mut written = 0;
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return Ok(written),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Fault::new(place, format!("It cannot be unpacked: {error}."), DAMAGED).into()),
        };
        to.write_all(&buffer[..n]).map_err(|error| fsio::Error::new("write", path, error))?;
        written += n as u64;
    }
}
