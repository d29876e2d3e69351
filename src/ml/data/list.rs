//! List files: one sample a line, `/JPEGImages/X.jpg /SegmentationClassAug/X.png` below a data root; a test list has
//! images only. [`line`] says how a line is cut into paths.
//!
//! An id is the image's file name without its extension, and no two samples of a list share one.

mod line;

use std::collections::BTreeMap;

use super::Fault;
use super::bounds::{Faults, NAME, PATH};
use super::spelling::composed;
use crate::hash::Digest;
use crate::syntax::shown;

/// An image, and its label where it has one, by paths relative to a data root, without a leading slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The image's file name without its extension.
    pub id: String,
    /// The image's path.
    pub image: String,
    /// The label's path.
    pub label: Option<String>,
}

impl Sample {
    /// The sample in VOC's folders: `JPEGImages/ID.jpg` and `LABELS/ID.png`.
    pub fn voc(id: &str, labels: Option<&str>) -> Self {
        Sample {
            id: id.to_owned(),
            image: format!("JPEGImages/{id}.jpg"),
            label: labels.map(|folder| format!("{folder}/{id}.png")),
        }
    }
}

/// What a line of a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An image and its label.
    Labelled,
    /// An image alone, as in a test list.
    ImagesOnly,
}

/// Parses a list; `place` names its file. Blank lines, comments (`# …`), a byte order mark and the line ends of other
/// systems are tolerated. Every bad line is a fault: fields missing or too many, a quote that is not closed, paths that
/// leave the root, ids that occur twice. So is an empty list.
pub fn parse(text: &str, place: &str, form: Form) -> Result<Vec<Sample>, Vec<Fault>> {
    let wanted = if form == Form::Labelled { 2 } else { 1 };
    let mut samples = Vec::new();
    let mut faults = Faults::default();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (number, line) in lines(text) {
        let before = faults.len();
        let mut fault = |column: usize, message: String, hint: &str| {
            faults.push(Fault::new(format_args!("{place}:{number}:{column}"), message, hint));
        };
        let fields = match line::fields(line, wanted) {
            Ok(fields) if fields.is_empty() => continue,
            Ok(fields) => fields,
            Err(line::Unclosed { column }) => {
                fault(column, "This quote is not closed.".to_owned(), "Write `\"` at the end of the path too.");
                continue;
            }
        };
        if fields.len() < wanted {
            let hint = "Write `/image/path /label/path` on each line; only a test list has images alone.";
            fault(line.trim_end().chars().count() + 1, "The label is missing.".to_owned(), hint);
        }
        if let Some((column, extra)) = fields.get(wanted) {
            let hint =
                "A line holds an image and, unless `labels: false`, its label. Put a path with spaces in quotes.";
            fault(*column, format!("`{}` is one field too many.", shown(extra)), hint);
        }
        for (column, path) in fields.iter().take(wanted) {
            if let Err(why) = below_root(path) {
                fault(*column, format!("`{}` {why}.", shown(path)), "Write paths relative to the data root, with `/`.");
            }
        }
        let (column, image) = &fields[0];
        let id = id(image);
        match seen.get(&composed(id)) {
            Some(first) => fault(
                *column,
                format!("The id `{}` is already that of line {first}.", shown(id)),
                "Give each image its own name.",
            ),
            None => drop(seen.insert(composed(id), number)),
        }
        if faults.len() == before {
            let plain = |field: &line::Field<'_>| field.1.trim_start_matches('/').to_owned();
            let label = (form == Form::Labelled).then(|| plain(&fields[1]));
            samples.push(Sample { id: id.to_owned(), image: plain(&fields[0]), label });
        }
    }
    if seen.is_empty() && faults.is_empty() {
        faults.push(Fault::new(place, "The list names no sample.", "Write one sample on each line."));
    }
    if faults.is_empty() { Ok(samples) } else { Err(faults.into_vec()) }
}

/// The ids that a file names, one a line, each with the number of its line; `place` names the file. Such a file may also be
/// a list: then a line means the id of its image.
pub fn ids(text: &str, place: &str) -> Result<Vec<(usize, String)>, Vec<Fault>> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut faults = Faults::default();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (number, line) in lines(text) {
        let mut fault = |column: usize, message: String, hint: &str| {
            faults.push(Fault::new(format_args!("{place}:{number}:{column}"), message, hint));
        };
        let fields = match line::fields(line, 1) {
            Ok(fields) => fields,
            Err(line::Unclosed { column }) => {
                fault(column, "This quote is not closed.".to_owned(), "Write `\"` at the end of the id too.");
                continue;
            }
        };
        let Some((column, first)) = fields.first() else { continue };
        // An id may hold points. Only the endings of images are not part of it.
        let name = first.rsplit('/').next().unwrap_or(first);
        let id = if line::is_picture(name) { id(name) } else { name };
        match seen.get(&composed(id)) {
            Some(line) => {
                fault(*column, format!("The id `{}` is already that of line {line}.", shown(id)), "Name each id once.");
            }
            None if id.is_empty() || id.len() + ".jpeg".len() > NAME => {
                fault(*column, format!("`{}` is not an id.", shown(first)), "Write one id a line.");
            }
            None => {
                seen.insert(composed(id), number);
                found.push((number, id.to_owned()));
            }
        }
    }
    if found.is_empty() && faults.is_empty() {
        faults.push(Fault::new(place, "The file names no id.", "Write one id on each line."));
    }
    if faults.is_empty() { Ok(found) } else { Err(faults.into_vec()) }
}

/// The lines of a text with their numbers from 1, whether a line ends by LF, by CR LF, or by CR.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let ends: &[char] = if text.contains('\n') { &['\n'] } else { &['\r'] };
    text.split(ends).enumerate().map(|(at, line)| (at + 1, line.strip_suffix('\r').unwrap_or(line)))
}

/// Whether a path stays below its root and names one place in one way; if not, why.
pub(super) fn below_root(path: &str) -> Result<(), &'static str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.len() > PATH {
        return Err("has more than 4096 bytes");
    }
    match path.split('/').find_map(|part| match part {
        ".." => Some("leaves the data root by `..`"),
        "" => Some("has an empty part"),
        "." => Some("has a part that is `.`"),
        _ if part.contains(['\\', '\0']) => Some("has a backslash or a zero in it"),
        _ if part.len() > NAME => Some("has a part of more than 255 bytes"),
        _ => None,
    }) {
        Some(why) => Err(why),
        None => Ok(()),
    }
}

/// The file name without its extension.
fn id(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// The text of a list, as [`parse`] reads it.
pub fn write(samples: &[Sample]) -> String {
    let line = |sample: &Sample| match &sample.label {
        Some(label) => format!("{} {}\n", line::field(&sample.image), line::field(label)),
        None => format!("{}\n", line::field(&sample.image)),
    };
    samples.iter().map(line).collect()
}

/// What a data set is expected to hold: how many samples, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The folder of labels, below the data root, whose samples are counted; none: all samples.
    pub labels: Option<String>,
    /// The number of ids.
    pub count: usize,
    /// The digest of the ids; see [`digest_of_ids`].
    pub digest: Digest,
}

impl Expected {
    fn covers(&self, sample: &Sample) -> bool {
        let below = |folder: &String| {
            let rest = sample.label.as_deref().and_then(|path| path.strip_prefix(folder.trim_end_matches('/')));
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        self.labels.as_ref().is_none_or(below)
    }
}

/// BLAKE3 of the sorted ids, one a line, each ended by a newline.
pub fn digest_of_ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> Digest {
    let mut ids: Vec<&str> = ids.into_iter().collect();
    ids.sort_unstable();
    let text: String = ids.iter().flat_map(|id| [id, "\n"]).collect();
    Digest::of(text.as_bytes())
}

/// Compares the number of samples and the digest of their ids with every expectation. `place` names the set.
///
/// # Errors
/// The samples of an expectation differ, or a sample belongs to no expectation although there are some.
pub fn check(samples: &[Sample], expected: &[Expected], place: &str) -> Result<(), Fault> {
    expected.iter().try_for_each(|expected| check_one(samples, expected, place))?;
    let uncovered = samples.iter().filter(|sample| !expected.iter().any(|expected| expected.covers(sample)));
    match uncovered.count() {
        0 => Ok(()),
        _ if expected.is_empty() => Ok(()),
        count => {
            let message = format!("{count} samples have labels in none of the folders that are expected.");
            Err(Fault::new(place, message, "State what is expected of their folder as well."))
        }
    }
}

fn check_one(samples: &[Sample], expected: &Expected, place: &str) -> Result<(), Fault> {
    let ids: Vec<&str> = samples.iter().filter(|s| expected.covers(s)).map(|s| s.id.as_str()).collect();
    let count = ids.len();
    let digest = digest_of_ids(ids);
    if count == expected.count && digest == expected.digest {
        return Ok(());
    }
    let with = expected.labels.as_ref().map(|folder| format!(" with labels in `{folder}`")).unwrap_or_default();
    let message = format!(
        "The set has {count} ids{with}, of digest {digest}; it must have {} of digest {}.",
        expected.count, expected.digest
    );
    let hint = match count.cmp(&expected.count) {
        std::cmp::Ordering::Less => "Some files are missing: unpack the whole data set again.",
        std::cmp::Ordering::Greater => "There are files too many: remove what is not part of the data set.",
        std::cmp::Ordering::Equal => "The ids are others than in the published set: use the original files.",
    };
    Err(Fault::new(place, message, hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_with_marks_and_line_ends_of_other_systems() {
        let text = "\u{feff}/JPEGImages/a.b.jpg /Aug/a.b.png\r\n\r\n  JPEGImages/c.jpg\tAug/c.png";
        let samples = parse(text, "train.txt", Form::Labelled).unwrap();
        assert_eq!(samples[0].id, "a.b");
        assert_eq!(samples[1], Sample::voc("c", Some("Aug")));
        assert_eq!(parse(&write(&samples), "x", Form::Labelled).unwrap(), samples);
        let test = vec![Sample::voc("q", None)];
        assert_eq!(parse(&write(&test), "x", Form::ImagesOnly).unwrap(), test);
    }

    #[test]
    fn commas_tabs_quotes_and_comments_are_read_as_they_are_meant() {
        let sample = |image: &str, label: &str| (image.to_owned(), Some(label.to_owned()));
        let read = |text: &str| -> Vec<(String, Option<String>)> {
            let samples = parse(text, "t.txt", Form::Labelled).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
            assert_eq!(parse(&write(&samples), "t.txt", Form::Labelled).unwrap(), samples, "{text}");
            samples.into_iter().map(|sample| (sample.image, sample.label)).collect()
        };
        let plain = sample("i/a.jpg", "l/a.png");
        for line in [
            "/i/a.jpg /l/a.png",
            "i/a.jpg,l/a.png",
            "i/a.jpg, l/a.png",
            "i/a.jpg , l/a.png,",
            "i/a.jpg;l/a.png",
            "i/a.jpg\tl/a.png",
            "\"i/a.jpg\",\"l/a.png\"",
            "'i/a.jpg' 'l/a.png'",
            "i/a.jpg l/a.png # the first",
            "# a comment\ni/a.jpg l/a.png\n#i/b.jpg l/b.png",
            "  # a comment\r\r\ri/a.jpg l/a.png\r",
        ] {
            assert_eq!(read(line), std::slice::from_ref(&plain), "{line}");
        }
        let spaces = sample("my photos/a 1.jpg", "my labels/a 1.png");
        for line in [
            "\"my photos/a 1.jpg\" \"my labels/a 1.png\"",
            "my photos/a 1.jpg\tmy labels/a 1.png",
            "my photos/a 1.jpg,my labels/a 1.png",
            "'/my photos/a 1.jpg', '/my labels/a 1.png'  # two",
        ] {
            assert_eq!(read(line), std::slice::from_ref(&spaces), "{line}");
        }
        // What is no separator belongs to the path.
        assert_eq!(read("i/a,1.jpg l/a,1.png"), [sample("i/a,1.jpg", "l/a,1.png")]);
        assert_eq!(read("i/it's.jpg l/b#2.png"), [sample("i/it's.jpg", "l/b#2.png")]);
        assert_eq!(read("'tis.jpg l/t.png"), [sample("'tis.jpg", "l/t.png")]);
        assert_eq!(read("\"a \"\"b\"\".jpg\" l.png"), [sample("a \"b\".jpg", "l.png")]);
        let fault = &parse("/i/a.jpg \"/l/a.png\n", "t.txt", Form::Labelled).unwrap_err()[0];
        assert_eq!((fault.place.as_str(), fault.message.as_str()), ("t.txt:1:10", "This quote is not closed."));
        let twice = parse("caf\u{e9}.jpg 1.png\ncafe\u{301}.jpg 2.png", "t.txt", Form::Labelled).unwrap_err();
        assert!(twice[0].message.ends_with("is already that of line 1."), "{twice:?}");
    }

    #[test]
    fn a_file_of_ids_holds_ids_or_the_lines_of_a_list() {
        let text = "2007_000032\n# more\n\nb.c\r\n/JPEGImages/x.y.jpg /Labels/x.y.png\n";
        let named: Vec<(usize, String)> = ids(text, "ids.txt").unwrap();
        assert_eq!(named, [(1, "2007_000032".to_owned()), (4, "b.c".to_owned()), (5, "x.y".to_owned())]);
        assert_eq!(ids("a\na\n", "ids.txt").unwrap_err()[0].place, "ids.txt:2:1");
        assert_eq!(ids("# none\n", "ids.txt").unwrap_err()[0].message, "The file names no id.");
    }

    #[test]
    fn every_bad_line_is_reported_with_its_column() {
        let text = "/i/a.jpg\n/i/b.jpg /l/b.png more\n/i/../c.jpg /l//c.png\n/i/d.jpg /l/d.png\n/k/d.jpg /l/d.png\n";
        let faults = parse(text, "t.txt", Form::Labelled).unwrap_err();
        let seen: Vec<String> = faults.iter().map(|f| format!("{}: {}", f.place, f.message)).collect();
        assert_eq!(
            seen,
            [
                "t.txt:1:9: The label is missing.",
                "t.txt:2:19: `more` is one field too many.",
                "t.txt:3:1: `/i/../c.jpg` leaves the data root by `..`.",
                "t.txt:3:13: `/l//c.png` has an empty part.",
                "t.txt:5:1: The id `d` is already that of line 4.",
            ]
        );
        assert_eq!(parse("\n \n", "t.txt", Form::Labelled).unwrap_err()[0].message, "The list names no sample.");
        assert_eq!(parse("a.jpg a.png", "t.txt", Form::ImagesOnly).unwrap_err()[0].place, "t.txt:1:7");
    }

    #[test]
    fn the_digest_is_of_sorted_lines_and_a_difference_says_what_was_found() {
        assert_eq!(digest_of_ids(["b", "a"]), Digest::of(b"a\nb\n"));
        let samples = [Sample::voc("a", None)];
        let digest = digest_of_ids(["a"]);
        let expected = |labels: Option<&str>, count| [Expected { labels: labels.map(str::to_owned), count, digest }];
        assert!(check(&samples, &expected(None, 1), "val").is_ok());
        assert!(check(&samples, &[], "val").is_ok());
        let fault = check(&samples, &expected(None, 2), "val").unwrap_err();
        assert!(fault.message.starts_with("The set has 1 ids"), "{fault}");
        assert!(fault.hint.starts_with("Some files are missing"), "{fault}");
        let labelled = vec![Sample::voc("a", Some("gt/fine"))];
        assert!(check(&labelled, &expected(Some("gt"), 1), "val").is_ok());
        assert!(check(&labelled, &expected(Some("gt/fi"), 1), "val").unwrap_err().message.contains("in `gt/fi`"));
    }
}
