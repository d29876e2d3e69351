//! List files: one sample a line, `/JPEGImages/X.jpg /SegmentationClassAug/X.png` below a data root; a test list has
//! images only.
//!
//! An id is the image's file name without its extension, and no two samples of a list share one.

use std::collections::BTreeMap;

use super::Fault;
use super::bounds::{Faults, NAME, PATH, shown};
use crate::hash::Digest;

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

/// Parses a list; `place` names its file. Blank lines, a byte order mark and Windows line ends are tolerated. Every
/// bad line is a fault: fields missing or too many, paths that leave the root, ids that occur twice. So is an empty
/// list.
pub fn parse(text: &str, place: &str, form: Form) -> Result<Vec<Sample>, Vec<Fault>> {
    let mut samples = Vec::new();
    let mut faults = Faults::default();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        let wanted = if form == Form::Labelled { 2 } else { 1 };
        // One more says that there are too many.
        let fields = fields(line, wanted + 1);
        if fields.is_empty() {
            continue;
        }
        let before = faults.len();
        let mut fault = |column: usize, message: String, hint: &str| {
            faults.push(Fault::new(format_args!("{place}:{number}:{column}"), message, hint));
        };
        if fields.len() < wanted {
            let hint = "Write `/image/path /label/path` on each line; only a test list has images alone.";
            fault(line.trim_end().chars().count() + 1, "The label is missing.".to_owned(), hint);
        }
        if let Some((column, extra)) = fields.get(wanted) {
            let hint = "A line holds an image and, unless `labels: false`, its label; a path cannot hold spaces.";
            fault(*column, format!("`{}` is one field too many.", shown(extra)), hint);
        }
        for (column, path) in fields.iter().take(wanted) {
            if let Err(why) = below_root(path) {
                fault(*column, format!("`{}` {why}.", shown(path)), "Write paths relative to the data root, with `/`.");
            }
        }
        let (column, image) = fields[0];
        let id = id(image);
        match seen.get(id) {
            Some(first) => fault(
                column,
                format!("The id `{}` is already that of line {first}.", shown(id)),
                "Give each image its own name.",
            ),
            None => drop(seen.insert(id.to_owned(), number)),
        }
        if faults.len() == before {
            let plain = |field: &(usize, &str)| field.1.trim_start_matches('/').to_owned();
            let label = (form == Form::Labelled).then(|| plain(&fields[1]));
            samples.push(Sample { id: id.to_owned(), image: plain(&fields[0]), label });
        }
    }
    if seen.is_empty() {
        faults.push(Fault::new(place, "The list names no sample.", "Write one sample on each line."));
    }
    if faults.is_empty() { Ok(samples) } else { Err(faults.into_vec()) }
}

/// The first `most` fields of a line with their columns, counted in characters from 1.
fn fields(line: &str, most: usize) -> Vec<(usize, &str)> {
    let start = |field: &str| field.as_ptr() as usize - line.as_ptr() as usize;
    let fields = line.split_whitespace().take(most);
    fields.map(|field| (line[..start(field)].chars().count() + 1, field)).collect()
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
    samples
        .iter()
        .map(|sample| match &sample.label {
            Some(label) => format!("/{} /{label}\n", sample.image),
            None => format!("/{}\n", sample.image),
        })
        .collect()
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
