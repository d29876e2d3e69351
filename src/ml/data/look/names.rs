//! Files that name classes: one a line, with an id or a colour where they have one.
//!
//! Read are plain lists (`classes.txt`), `label_colors.txt` of CamVid (`R G B name`), `labelmap.txt` of CVAT
//! (`name:R,G,B:parts:actions`), `class_dict.csv` (`name,r,g,b`), `_classes.csv` (`Pixel Value, Class`), and lists of ids.

use std::path::Path;

use crate::fsio;
use crate::ml::data::bounds::{self, Faults};
use crate::ml::data::colours;
use crate::ml::data::fault::Fault;
use crate::syntax::shown;

/// The names that such files mostly have, in small letters. The first that is there is taken.
const USUAL: [&str; 13] = [
    "classes.txt",
    "class_names.txt",
    "classes.csv",
    "_classes.csv",
    "class_dict.csv",
    "class_dict_seg.csv",
    "labelmap.txt",
    "label_colors.txt",
    "labels.txt",
    "labels.csv",
    "names.txt",
    "obj.names",
    "classes.names",
];

/// The most names that a file may hold.
const MOST: usize = 1000;

/// Names for pixels that do not count.
const VOID: [&str; 11] = [
    "void",
    "ignore",
    "ignored",
    "unlabeled",
    "unlabelled",
    "unknown",
    "border",
    "dontcare",
    "donotcare",
    "undefined",
    "nolabel",
];

/// A class that a file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// The value of its pixels, where the file states one.
    pub id: Option<u8>,
    /// The colour of its pixels, where the file states one.
    pub color: Option<[u8; 3]>,
}

impl Entry {
    /// Whether the name stands for pixels that do not count.
    pub fn is_void(&self) -> bool {
        let plain: String = self.name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        VOID.contains(&plain.as_str())
    }
}

/// The file of class names among `files`: one of a usual name, in the folder itself before one further below.
pub fn find(files: &[String]) -> Option<&String> {
    let rank = |path: &&String| {
        let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
        let usual = USUAL.iter().position(|known| *known == name)?;
        Some((path.matches('/').count(), usual, (*path).clone()))
    };
    files.iter().filter(|path| rank(path).is_some()).min_by_key(|path| rank(path))
}

/// The classes that the file at `path` names; `place` names it in faults.
///
/// # Errors
/// It cannot be read, names nothing, or names a class twice.
pub fn read(path: &Path, place: &str) -> Result<Vec<Entry>, Vec<Fault>> {
    let one = |message: String, hint: &str| vec![Fault::new(place, message, hint)];
    let bytes = fsio::read_within(path, bounds::FILE).map_err(|error| one(error.to_string(), error.hint()))?;
    let text = String::from_utf8(bytes).map_err(|_| one("The file is not UTF-8.".into(), "Save it as UTF-8."))?;
    parse(&text, place)
}

/// The classes that a text names, in its order.
pub fn parse(text: &str, place: &str) -> Result<Vec<Entry>, Vec<Fault>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut faults = Faults::default();
    let mut entries: Vec<Entry> = Vec::new();
    let mut first = true;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let comment = line.starts_with('#') && colours::parse(line.get(..7).unwrap_or(line)).is_none();
        if line.is_empty() || comment || line.starts_with("//") {
            continue;
        }
        let header = std::mem::take(&mut first) && is_header(line);
        if header {
            continue;
        }
        let place = format!("{place}:{}", number + 1);
        match entry(line) {
            Some(entry) if entry.name == "__ignore__" => {}
            Some(entry) if entries.iter().any(|other| other.name == entry.name) => {
                let message = format!("The class `{}` is named twice.", shown(&entry.name));
                faults.push(Fault::new(place, message, "Give each class its own name."));
            }
            Some(entry) if entries.len() < MOST => entries.push(entry),
            Some(_) => {
                let message = format!("The file names more than {MOST} classes.");
                faults.push(Fault::new(place, message, "Is it a list of classes?"));
                break;
            }
            None => {
                let message = format!("`{}` names no class.", shown(line));
                faults.push(Fault::new(place, message, "Write one name a line, or `name,R,G,B` for masks of colours."));
            }
        }
    }
    if entries.is_empty() && faults.is_empty() {
        faults.push(Fault::new(place, "The file names no class.", "Write one name on each line."));
    }
    if faults.is_empty() { Ok(entries) } else { Err(faults.into_vec()) }
}

/// Whether a line says what stands in columns.
fn is_header(line: &str) -> bool {
    const HEADS: [&str; 14] = [
        "name",
        "names",
        "class",
        "classes",
        "label",
        "labels",
        "id",
        "pixel value",
        "value",
        "color",
        "colour",
        "red",
        "r",
        "class_name",
    ];
    let fields: Vec<String> = line.split([',', ';', '\t']).map(|field| field.trim().to_lowercase()).collect();
    fields.len() > 1 && fields.iter().filter(|field| HEADS.contains(&field.as_str())).count() > 1
}

/// The three numbers of a colour in one field, as `64 128 0`, each by itself; any other field as it is.
fn numbers(field: String) -> Vec<String> {
    let parts: Vec<String> = field.split_whitespace().map(str::to_owned).collect();
    match parts.len() == 3 && parts.iter().all(|part| part.parse::<u8>().is_ok()) {
        true => parts,
        false => vec![field],
    }
}

/// The class of a line.
fn entry(line: &str) -> Option<Entry> {
    let unquoted = |text: &str| {
        let text = text.trim();
        text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).trim().to_owned()
    };
    let named = |name: &str, id, color| {
        let name = unquoted(name);
        (!name.is_empty()).then_some(Entry { name, id, color })
    };
    // CVAT: `name:R,G,B:parts:actions`.
    let fields: Vec<&str> = line.split(':').collect();
    if let [name, color, ..] = fields[..]
        && let Some(color) = colours::parse(color)
    {
        return named(name, None, Some(color));
    }
    // `3: name`.
    if let [id, name] = fields[..]
        && let Ok(id) = id.trim().parse()
    {
        return named(name, Some(id), None);
    }
    let mark = [',', ';', '\t'].into_iter().find(|mark| line.contains(*mark));
    let fields: Vec<String> = match mark {
        Some(mark) => line.split(mark).map(unquoted).filter(|field| !field.is_empty()).flat_map(numbers).collect(),
        None => line.split_whitespace().map(str::to_owned).collect(),
    };
    let hex = |field: &String| field.starts_with('#').then(|| colours::parse(field)).flatten();
    if let Some(at) = fields.iter().position(|field| hex(field).is_some()) {
        let color = hex(&fields[at]);
        let words: Vec<&str> = fields.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, f)| f.as_str()).collect();
        return named(&words.join(" "), None, color);
    }
    let number = |field: &String| field.parse::<u8>().ok();
    let front = fields.iter().take_while(|field| number(field).is_some()).count();
    let back = fields.iter().rev().take_while(|field| number(field).is_some()).count();
    let rgb = |from: &[String]| Some([number(&from[0])?, number(&from[1])?, number(&from[2])?]);
    let count = fields.len();
    if front == count {
        return None;
    }
    match (front, back) {
        (3, _) => named(&fields[3..].join(" "), None, rgb(&fields)),
        (4, 0) => named(&fields[4..].join(" "), number(&fields[0]), rgb(&fields[1..])),
        (0, 3) => named(&fields[..count - 3].join(" "), None, rgb(&fields[count - 3..])),
        (1, 3) => named(&fields[1..count - 3].join(" "), number(&fields[0]), rgb(&fields[count - 3..])),
        (1, _) => named(&fields[1..].join(" "), number(&fields[0]), None),
        // Without a separator, `class 1` is a name.
        (0, 1) if mark.is_some() => named(&fields[..count - 1].join(" "), number(&fields[count - 1]), None),
        _ if mark.is_some() => named(&fields[0], None, None),
        _ => named(line, None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(String, Option<u8>, Option<[u8; 3]>)> {
        parse(text, "c").unwrap().into_iter().map(|entry| (entry.name, entry.id, entry.color)).collect()
    }

    #[test]
    fn every_form_is_read() {
        let plain = |name: &str| (name.to_owned(), None, None);
        let color = Some([64, 128, 0]);
        assert_eq!(of("\u{feff}# the classes\nsoil\r\n\nclass 1\n"), [plain("soil"), plain("class 1")]);
        assert_eq!(of("__ignore__\n_background_\ncat"), [plain("_background_"), plain("cat")]);
        assert_eq!(of("64 128 0\tAnimal Farm"), [("Animal Farm".into(), None, color)]);
        assert_eq!(of("# label:color_rgb:parts:actions\nsoil:64,128,0::"), [("soil".into(), None, color)]);
        assert_eq!(of("name,r,g,b\nsoil, 64,128,0"), [("soil".into(), None, color)]);
        assert_eq!(
            of("Pixel Value, Class\n0, background\n1, a cat"),
            [("background".into(), Some(0), None), ("a cat".into(), Some(1), None)]
        );
        assert_eq!(of("3: soil\n4 crop"), [("soil".into(), Some(3), None), ("crop".into(), Some(4), None)]);
        assert_eq!(of("soil,7"), [("soil".into(), Some(7), None)]);
        assert_eq!(of("#408000 soil"), [("soil".into(), None, color)]);
        assert_eq!(of("\"soil\";#408000"), [("soil".into(), None, color)]);
    }

    #[test]
    fn faults_are_told_each_with_its_line() {
        let faults = parse("a\nb\na\n7\n", "c.txt").unwrap_err();
        let told: Vec<&str> = faults.iter().map(|fault| fault.place.as_str()).collect();
        assert_eq!(told, ["c.txt:3", "c.txt:4"]);
        assert_eq!(parse("# none\n", "c").unwrap_err()[0].message, "The file names no class.");
    }

    #[test]
    fn the_nearest_file_of_a_usual_name_is_taken() {
        let files = ["a/classes.txt", "Labelmap.TXT", "other.txt"].map(str::to_owned);
        assert_eq!(find(&files), Some(&files[1]));
        assert_eq!(find(&files[2..]), None);
        assert!(Entry { name: "Un-labeled".into(), id: None, color: None }.is_void());
    }
}
