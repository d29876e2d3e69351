//! What the values of labels mean: classes, pixels to ignore, and what only the user can decide.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::Known;
use super::names::Entry;
use super::survey::{MIXED, Sort, Survey, Values};
use crate::ml::colors;
use crate::ml::data::fault::Fault;
use crate::ml::data::{cityscapes, colours};
use crate::syntax::{self, shown};

/// The usual value of pixels to ignore.
const IGNORE: u8 = 255;

/// The most classes of a data set.
const MOST: usize = 255;

/// The classes as a pipeline states them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// Those of a known data set.
    Known(Known),
    /// Others, in the order of their ids.
    Named(Vec<String>),
}

impl Names {
    /// The names in the order of their ids.
    pub fn list(&self) -> Vec<String> {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        match self {
            Names::Known(Known::Voc) => own(&colors::VOC),
            Names::Known(Known::CamVid) => own(&colors::CAMVID),
            Names::Known(Known::Cityscapes) => cityscapes::classes().map(|label| label.name.to_owned()).collect(),
            Names::Named(names) => names.clone(),
        }
    }
}

/// A row of what was seen: a class, or what is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The value in the labels: a number, or a colour as `#ff8000`. Several are parted by commas.
    pub value: String,
    /// The class; none where its pixels are ignored.
    pub class: Option<String>,
    /// The pixels in the labels that were opened.
    pub pixels: u64,
    /// How many of these labels have it.
    pub labels: usize,
}

/// What the labels mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classes {
    /// The classes.
    pub names: Names,
    /// The value of pixels to ignore.
    pub ignore: u8,
    /// The value of the first class.
    pub first_id: u8,
    /// Masks of colours: each colour, and its class or `ignore`.
    pub colours: Vec<(String, String)>,
    /// What was seen, in the order of the ids, and then what is ignored.
    pub seen: Vec<Seen>,
    /// What was assumed, as sentences.
    pub remarks: Vec<String>,
    /// The classes, by number, of each label that was opened, by sample.
    pub present: BTreeMap<usize, BTreeSet<usize>>,
}

/// Whether masks that hold numbers have to be read as colours: because others hold colours, or because the numbers are grey
/// values for people, as 0 and 255.
pub fn need_colours(survey: &Survey, entries: &[Entry], known: Option<Known>) -> bool {
    let sorts: BTreeSet<Sort> = survey.labels.iter().map(|label| label.sort).collect();
    if sorts.contains(&Sort::Colours) {
        return sorts.len() > 1;
    }
    if known.is_some() || entries.iter().any(|entry| entry.id.is_some()) {
        return false;
    }
    if sorts.contains(&Sort::Palette) && !entries.is_empty() && entries.iter().all(|entry| entry.color.is_some()) {
        return true;
    }
    let values: BTreeSet<u8> = ids(survey).into_keys().collect();
    if values.contains(&IGNORE) && values.iter().all(|value| [0, IGNORE].contains(value)) {
        return entries.is_empty() || entries.len() == 2;
    }
    let inner: Vec<usize> = values.into_iter().filter(|value| *value != IGNORE).map(usize::from).collect();
    inner.last().is_some_and(|&last| last > entries.len() && last > 2 * inner.len() + 2)
}

/// The pixels and the labels of each number.
fn ids(survey: &Survey) -> BTreeMap<u8, (u64, usize)> {
    let mut all = BTreeMap::new();
    for label in &survey.labels {
        if let Values::Ids(counts) = &label.values {
            add(&mut all, counts);
        }
    }
    all
}

fn add<V: Ord + Copy>(all: &mut BTreeMap<V, (u64, usize)>, counts: &BTreeMap<V, u64>) {
    for (&value, pixels) in counts {
        let (total, labels) = all.entry(value).or_default();
        *total += pixels;
        *labels += 1;
    }
}

/// What the labels mean. `entries` are the classes that a file names, and `known` is whose images these seem to be.
///
/// # Errors
/// No label can be read; there are too many values; there is only one class.
pub fn of(survey: &Survey, entries: &[Entry], known: Option<Known>) -> Result<Classes, Fault> {
    let Some(first) = survey.labels.first() else {
        let none = || Fault::new("labels", "No label could be opened.", "");
        return Err(survey.faults.iter().find(|fault| fault.message.contains("label")).cloned().unwrap_or_else(none));
    };
    let classes = match &first.values {
        Values::Ids(_) => of_ids(survey, entries, known),
        Values::Colours(_) => of_colours(survey, entries, known),
    }?;
    let count = classes.names.list().len();
    if count < 2 {
        let name = classes.names.list().concat();
        let message = format!("The labels that were opened have one class only, `{}`.", shown(&name));
        let hint = "A network needs two classes at least. Name all classes in a file `classes.txt`, one a line.";
        return Err(Fault::new("labels", message, hint));
    }
    if count > MOST {
        let message = format!("The labels have {count} classes; at most {MOST} can be told apart.");
        return Err(Fault::new(
            "labels",
            message,
            "Do they hold numbers of objects (instances)? Take masks of classes.",
        ));
    }
    Ok(classes)
}

fn of_ids(survey: &Survey, entries: &[Entry], known: Option<Known>) -> Result<Classes, Fault> {
    let values = ids(survey);
    let fits = |last: u8, also: &[u8]| values.keys().all(|value| *value <= last || also.contains(value));
    let plain = |names, ignore| Plan { names, ignore, first_id: 0, remarks: Vec::new() };
    let plan = match known {
        Some(Known::Cityscapes) => plain(Names::Known(Known::Cityscapes), IGNORE),
        Some(Known::Voc) if fits(20, &[IGNORE]) => plain(Names::Known(Known::Voc), IGNORE),
        Some(Known::CamVid) if fits(10, &[IGNORE]) => plain(Names::Known(Known::CamVid), IGNORE),
        Some(Known::CamVid) if fits(11, &[]) => plain(Names::Known(Known::CamVid), 11),
        _ => planned(&values, entries)?,
    };
    let Plan { names, ignore, first_id, remarks } = plan;
    let labels = names.list();
    let class = |value: u8| -> Option<usize> {
        match names {
            Names::Known(Known::Cityscapes) => cityscapes::label(value).and_then(|label| label.train).map(usize::from),
            _ if value == ignore => None,
            _ => usize::from(value).checked_sub(usize::from(first_id)).filter(|class| *class < labels.len()),
        }
    };
    let mut rows: Vec<Seen> = labels
        .iter()
        .enumerate()
        .map(|(at, name)| Seen {
            value: match names {
                Names::Known(Known::Cityscapes) => {
                    cityscapes::classes().nth(at).map_or(String::new(), |label| label.id.to_string())
                }
                _ => (at + usize::from(first_id)).to_string(),
            },
            class: Some(name.clone()),
            pixels: 0,
            labels: 0,
        })
        .collect();
    let (mut void, mut void_values) = (Seen { value: String::new(), class: None, pixels: 0, labels: 0 }, Vec::new());
    for (&value, &(pixels, in_labels)) in &values {
        match class(value) {
            Some(at) => (rows[at].pixels, rows[at].labels) = (pixels, in_labels),
            None => {
                void_values.push(value.to_string());
                void.pixels += pixels;
                void.labels = void.labels.max(in_labels);
            }
        }
    }
    void.value = void_values.join(", ");
    rows.extend((void.pixels > 0).then_some(void));
    let present = survey.labels.iter().map(|label| {
        let Values::Ids(counts) = &label.values else { return (label.sample, BTreeSet::new()) };
        (label.sample, counts.keys().filter_map(|&value| class(value)).collect())
    });
    Ok(Classes { present: present.collect(), names, ignore, first_id, colours: Vec::new(), seen: rows, remarks })
}

/// How numbers become classes.
struct Plan {
    names: Names,
    ignore: u8,
    first_id: u8,
    remarks: Vec<String>,
}

/// How numbers become the classes that a file names, or classes without names.
fn planned(values: &BTreeMap<u8, (u64, usize)>, entries: &[Entry]) -> Result<Plan, Fault> {
    let mut remarks = Vec::new();
    let has = |value: u8| values.contains_key(&value);
    let mut named: BTreeMap<u8, String> = BTreeMap::new();
    let mut void: Option<u8> = None;
    let with_ids = entries.iter().all(|entry| entry.id.is_some());
    let count = u8::try_from(entries.len()).unwrap_or(u8::MAX);
    // Names without ids count from 1 where the greatest value is their number and 0 is not named.
    let unnamed_zero = !with_ids && has(count) && values.keys().all(|&value| value <= count || value == IGNORE);
    let base = u8::from(unnamed_zero);
    for (at, entry) in entries.iter().enumerate() {
        let own = u8::try_from(at + usize::from(base)).unwrap_or(u8::MAX);
        let id = if with_ids { entry.id.unwrap_or(own) } else { own };
        if entry.is_void() && void.is_none() {
            void = Some(id);
        } else {
            named.insert(id, entry.name.clone());
        }
    }
    let inner: Vec<u8> = values.keys().copied().filter(|&value| value != IGNORE && Some(value) != void).collect();
    let ends = || named.keys().copied().chain(inner.iter().copied());
    let (Some(low), Some(high)) = (ends().min(), ends().max()) else {
        let message =
            format!("Every pixel of the labels that were opened is {}.", values.keys().next().unwrap_or(&IGNORE));
        return Err(Fault::new("labels", message, "Are these the labels?"));
    };
    if let Some(id) = void.filter(|id| low < *id && *id < high) {
        let name = entries.iter().find(|entry| entry.is_void()).map_or(String::new(), |entry| entry.name.clone());
        remarks.push(format!(
            "The value {id} is named `{}`, but lies between classes. It is taken as a class, since only a value before or \
             behind all classes can be ignored.",
            shown(&name)
        ));
        named.insert(id, name);
        void = None;
    }
    let mut ignore = void.unwrap_or(IGNORE);
    if unnamed_zero && has(0) && void.is_none() {
        if has(IGNORE) {
            remarks.push(
                "The values 0 and 255 have no name. 255 is ignored, and 0 is taken as a class `class_0`.".to_owned(),
            );
        } else {
            ignore = 0;
            remarks.push(
                "The value 0 has no name, and is taken for pixels without a class: `first_id: 1, ignore: 0`. If it is a \
                 class, put its name first, and leave both out."
                    .to_owned(),
            );
        }
    } else if void == Some(0) && has(IGNORE) {
        let name = entries.iter().find(|entry| entry.is_void()).map_or(String::new(), |entry| entry.name.clone());
        remarks.push(format!(
            "The values 0 (`{}`) and 255 both seem to mean pixels without a class, but only one value can be ignored. 255 is \
             ignored, and 0 is taken as a class. If that is wrong, write one value in the masks for both.",
            shown(&name)
        ));
        named.insert(0, name);
        ignore = IGNORE;
    }
    let from_zero = named.contains_key(&0) || (inner.contains(&0) && ignore != 0);
    let first_id = u8::from(!from_zero && (ignore == 0 || low == 1));
    let mut unnamed = Vec::new();
    let names: Vec<String> = (first_id..=high)
        .map(|id| {
            named.get(&id).cloned().unwrap_or_else(|| {
                unnamed.push(id.to_string());
                format!("class_{id}")
            })
        })
        .collect();
    if entries.is_empty() {
        remarks.push(
            "No file names the classes: write their names into `names`, or into a file for `--classes`.".to_owned(),
        );
    } else if !unnamed.is_empty() {
        remarks.push(format!(
            "No name is stated of the values {}: write them into `names`.",
            syntax::first_of(&unnamed, 8)
        ));
    }
    if first_id == 1 && ignore == IGNORE {
        remarks.push("The values count from 1, so that the pipeline says `first_id: 1`.".to_owned());
    }
    if ignore == IGNORE && !has(IGNORE) {
        remarks.push("No value for pixels to ignore was seen. 255 would be ignored.".to_owned());
    }
    Ok(Plan { names: Names::Named(names), ignore, first_id, remarks })
}

fn of_colours(survey: &Survey, entries: &[Entry], known: Option<Known>) -> Result<Classes, Fault> {
    let mut all: BTreeMap<[u8; 3], (u64, usize)> = BTreeMap::new();
    for label in &survey.labels {
        if let Values::Colours(counts) = &label.values {
            add(&mut all, counts);
        }
    }
    if all.len() > MOST + 1 {
        let message = format!("The labels that were opened have {} colours.", all.len());
        return Err(Fault::new("labels", message, MIXED));
    }
    let mut remarks = Vec::new();
    let stated: Vec<&Entry> = entries.iter().filter(|entry| entry.color.is_some()).collect();
    let meaning: Vec<([u8; 3], Option<String>)> = if !stated.is_empty() {
        by_file(&all, &stated, &mut remarks)
    } else {
        by_look(&all, entries, known, &mut remarks)
    };
    let names: Vec<String> = meaning.iter().filter_map(|(_, name)| name.clone()).collect();
    let mut unique: Vec<String> = Vec::new();
    for name in names {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    let number = |color: &[u8; 3]| {
        let name = meaning.iter().find(|(other, _)| other == color)?.1.as_ref()?;
        unique.iter().position(|other| other == name)
    };
    let seen_of = |color: [u8; 3], class: Option<String>| {
        let (pixels, labels) = all.get(&color).copied().unwrap_or_default();
        Seen { value: colours::in_words(color), class, pixels, labels }
    };
    let (classes, voids): (Vec<_>, Vec<_>) = meaning.iter().cloned().partition(|(_, name)| name.is_some());
    let seen = classes.into_iter().chain(voids).map(|(color, name)| seen_of(color, name)).collect();
    let present = survey.labels.iter().map(|label| {
        let Values::Colours(counts) = &label.values else { return (label.sample, BTreeSet::new()) };
        (label.sample, counts.keys().filter_map(number).collect())
    });
    Ok(Classes {
        present: present.collect(),
        ignore: IGNORE,
        first_id: 0,
        colours: meaning
            .iter()
            .map(|(color, name)| (colours::in_words(*color), name.clone().unwrap_or_else(|| "ignore".to_owned())))
            .collect(),
        seen,
        remarks,
        names: match known {
            Some(known @ (Known::Voc | Known::CamVid)) if Names::Known(known).list() == unique => Names::Known(known),
            _ => Names::Named(unique),
        },
    })
}

/// Colours with the names that a file states of them. Other colours of the masks are ignored, and told.
fn by_file(
    all: &BTreeMap<[u8; 3], (u64, usize)>,
    stated: &[&Entry],
    remarks: &mut Vec<String>,
) -> Vec<([u8; 3], Option<String>)> {
    let mut meaning: Vec<([u8; 3], Option<String>)> = Vec::new();
    for entry in stated {
        let Some(color) = entry.color else { continue };
        if meaning.iter().any(|(other, _)| *other == color) {
            remarks.push(format!(
                "The file states the colour {} of two classes. `{}` is left out.",
                colours::in_words(color),
                shown(&entry.name)
            ));
            continue;
        }
        meaning.push((color, (!entry.is_void()).then(|| entry.name.clone())));
    }
    let strange: Vec<[u8; 3]> =
        all.keys().copied().filter(|color| meaning.iter().all(|(other, _)| other != color)).collect();
    if !strange.is_empty() {
        let total: u64 = all.values().map(|(pixels, _)| pixels).sum();
        let pixels: u64 = strange.iter().map(|color| all[color].0).sum();
        let names: Vec<String> = strange.iter().map(|color| colours::in_words(*color)).collect();
        remarks.push(format!(
            "The masks have {} colours that the file does not state: {}. They are {:.2} % of the pixels, and are ignored. \
             Write their classes into `colours`, if they have some.",
            names.len(),
            syntax::first_of(&names, 8),
            100.0 * pixels as f64 / total.max(1) as f64
        ));
    }
    meaning.extend(strange.into_iter().map(|color| (color, None)));
    meaning
}

/// Colours without names: those of known data sets, or classes that are numbered.
fn by_look(
    all: &BTreeMap<[u8; 3], (u64, usize)>,
    entries: &[Entry],
    known: Option<Known>,
    remarks: &mut Vec<String>,
) -> Vec<([u8; 3], Option<String>)> {
    let border = colors::VOC_MAP[usize::from(IGNORE)];
    let named = |names: Vec<String>, palette: &[[u8; 3]], void: [u8; 3]| {
        let classes = palette.iter().copied().zip(names.into_iter().map(Some));
        classes.chain([(void, None)]).collect::<Vec<_>>()
    };
    let within = |palette: &[[u8; 3]], void: [u8; 3]| all.keys().all(|color| palette.contains(color) || *color == void);
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    if known == Some(Known::Voc) && within(&colors::VOC_MAP[..21], border) {
        return named(own(&colors::VOC), &colors::VOC_MAP[..21], border);
    }
    if known == Some(Known::CamVid) && within(&colors::CAMVID_COLORS, [0; 3]) {
        return named(own(&colors::CAMVID), &colors::CAMVID_COLORS, [0; 3]);
    }
    let two = all.len() == 2 && all.contains_key(&[0; 3]) && all.contains_key(&[255; 3]);
    if two {
        let name = |at: usize, usual: &str| entries.get(at).map_or(usual.to_owned(), |entry| entry.name.clone());
        if entries.is_empty() {
            remarks.push("Black is taken as `background`, and white as `foreground`.".to_owned());
        }
        return vec![([0; 3], Some(name(0, "background"))), ([255; 3], Some(name(1, "foreground")))];
    }
    // VOC's colours of the first ids stand for ids.
    let ids: Vec<usize> =
        all.keys().filter_map(|color| colors::VOC_MAP[..MOST].iter().position(|other| other == color)).collect();
    let has_border = all.contains_key(&border);
    if let Some(&last) = ids.iter().max()
        && ids.len() + usize::from(has_border) == all.len()
        && last <= 2 * ids.len() + 2
    {
        let count = (last + 1).max(entries.len());
        let name = |id: usize| entries.get(id).map_or_else(|| format!("class_{id}"), |entry| entry.name.clone());
        if entries.len() < count {
            remarks.push(
                "The colours are VOC's colours of ids. Write the names of the classes into `names` and `colours`."
                    .to_owned(),
            );
        }
        return named((0..count).map(name).collect(), &colors::VOC_MAP[..count], border);
    }
    remarks.push(match entries.is_empty() {
        true => "No file says which class each colour is: write the names into `names` and `colours`, and `ignore` for colours \
                 that do not count. Or write a file of lines `name,R,G,B`, and name it by `--classes`."
            .to_owned(),
        false => "The file of classes states no colours, so that nothing says which class each colour is. Write lines \
                  `name,R,G,B` into it."
            .to_owned(),
    });
    // Black first, the others by their numbers.
    let black = all.keys().filter(|color| **color == [0; 3]);
    let others = all.keys().filter(|color| **color != [0; 3] && !(has_border && **color == border));
    let mut meaning: Vec<([u8; 3], Option<String>)> =
        black.chain(others).enumerate().map(|(at, color)| (*color, Some(format!("class_{at}")))).collect();
    meaning.extend(has_border.then_some((border, None)));
    meaning
}

#[cfg(test)]
mod tests {
    use super::super::survey::Label;
    use super::*;

    fn grey(values: &[u8]) -> Survey {
        let values = Values::Ids(values.iter().map(|&value| (value, 10)).collect());
        Survey { labels: vec![Label { sample: 0, sort: Sort::Grey, values }], ..Survey::default() }
    }

    fn colour(values: &[[u8; 3]]) -> Survey {
        let values = Values::Colours(values.iter().map(|&value| (value, 10)).collect());
        Survey { labels: vec![Label { sample: 0, sort: Sort::Colours, values }], ..Survey::default() }
    }

    fn entries(names: &[&str]) -> Vec<Entry> {
        names.iter().map(|name| Entry { name: (*name).to_owned(), id: None, color: None }).collect()
    }

    /// Names, ignore value and first id.
    fn meant(values: &[u8], names: &[&str]) -> (String, u8, u8) {
        let classes = of(&grey(values), &entries(names), None).unwrap();
        (classes.names.list().join(" "), classes.ignore, classes.first_id)
    }

    #[test]
    fn numbers_become_classes() {
        for (values, names, expected) in [
            (&[0, 1, 2, 255][..], &["a", "b", "c"][..], ("a b c", 255, 0)),
            (&[0, 2], &["a", "b", "c"], ("a b c", 255, 0)),
            (&[0, 1, 3], &[], ("class_0 class_1 class_2 class_3", 255, 0)),
            (&[1, 2, 3], &["a", "b", "c"], ("a b c", 255, 1)),
            (&[1, 2], &[], ("class_1 class_2", 255, 1)),
            (&[0, 1, 2, 3], &["a", "b", "c"], ("a b c", 0, 1)),
            (&[0, 1, 2, 255], &["a", "b"], ("class_0 a b", 255, 0)),
            (&[0, 1, 2], &["void", "a", "b"], ("a b", 0, 1)),
            (&[0, 1, 2], &["a", "b", "void"], ("a b", 2, 0)),
            (&[0, 1, 2], &["a", "void", "b"], ("a void b", 255, 0)),
            (&[0, 1, 255], &["unlabeled", "a"], ("unlabeled a", 255, 0)),
        ] {
            let (wanted, ignore, first) = expected;
            assert_eq!(meant(values, names), (wanted.to_owned(), ignore, first), "{values:?} {names:?}");
        }
    }

    #[test]
    fn ids_in_a_file_are_heeded() {
        let entry = |name: &str, id| Entry { name: name.to_owned(), id: Some(id), color: None };
        let classes = of(&grey(&[1, 2, 9]), &[entry("a", 1), entry("b", 2), entry("void", 9)], None).unwrap();
        assert_eq!((classes.names.list().join(" "), classes.ignore, classes.first_id), ("a b".to_owned(), 9, 1));
        assert_eq!(classes.seen.last().map(|row| (row.value.as_str(), row.class.clone())), Some(("9", None)));
    }

    #[test]
    fn known_data_sets_have_their_classes() {
        let camvid = of(&grey(&[0, 5, 11]), &[], Some(Known::CamVid)).unwrap();
        assert_eq!((camvid.names.clone(), camvid.ignore), (Names::Known(Known::CamVid), 11));
        let city = of(&grey(&[0, 7, 33]), &[], Some(Known::Cityscapes)).unwrap();
        assert_eq!(city.present[&0], BTreeSet::from([0, 18]));
        // Other values than those of VOC.
        assert!(matches!(of(&grey(&[0, 22]), &[], Some(Known::Voc)).unwrap().names, Names::Named(_)));
    }

    #[test]
    fn grey_values_for_people_are_read_as_colours() {
        let need = |values: &[u8], names: &[&str]| need_colours(&grey(values), &entries(names), None);
        assert!(need(&[0, 255], &[]) && need(&[0, 128], &[]) && need(&[0, 50, 100, 150, 255], &[]));
        assert!(!need(&[0, 1, 255], &[]) && !need(&[0, 15], &["a"; 21]) && !need(&[255], &["a", "b", "c"]));
        let classes = of(&colour(&[[0; 3], [255; 3]]), &[], None).unwrap();
        assert_eq!(classes.names.list(), ["background", "foreground"]);
    }

    #[test]
    fn colours_become_classes_by_a_file_or_by_number() {
        let entry = |name: &str, color| Entry { name: name.to_owned(), id: None, color: Some(color) };
        let file = [entry("a", [1, 0, 0]), entry("b", [2, 0, 0]), entry("void", [3, 0, 0])];
        let classes = of(&colour(&[[1, 0, 0], [9, 9, 9]]), &file, None).unwrap();
        let colours: Vec<(&str, &str)> = classes.colours.iter().map(|(c, n)| (c.as_str(), n.as_str())).collect();
        assert_eq!(colours, [("#010000", "a"), ("#020000", "b"), ("#030000", "ignore"), ("#090909", "ignore")]);
        assert!(classes.remarks[0].contains("1 colours that the file does not state: #090909"), "{classes:?}");
        let voc = of(&colour(&[[0; 3], [128, 0, 0], [224, 224, 192]]), &[], None).unwrap();
        assert_eq!(voc.names.list(), ["class_0", "class_1"]);
        assert_eq!(voc.colours.last(), Some(&("#e0e0c0".to_owned(), "ignore".to_owned())));
        let free = of(&colour(&[[5, 5, 5], [0; 3]]), &[], None).unwrap();
        assert_eq!(free.colours, [("#000000".into(), "class_0".into()), ("#050505".into(), "class_1".into())]);
    }

    #[test]
    fn what_no_network_can_learn_is_a_fault() {
        assert!(of(&grey(&[255]), &[], None).unwrap_err().message.contains("Every pixel"));
        assert!(of(&grey(&[0]), &[], None).unwrap_err().message.contains("one class only"));
        let many: Vec<[u8; 3]> = (0..=255).flat_map(|red| [[red, 0, 0], [red, 1, 0]]).collect();
        assert!(of(&colour(&many), &[], None).unwrap_err().message.contains("512 colours"));
        assert!(of(&Survey::default(), &[], None).is_err());
    }
}
