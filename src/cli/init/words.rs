//! What was found, as a table, and what to do next.

use std::fmt::Write as _;
use std::path::Path;

use super::deal::Dealt;
use super::files::Place;
use crate::cli::columns::{aligned, share};
use crate::ml::data::look::classes::{Classes, Seen};
use crate::ml::data::look::layout::{Found, Layout};
use crate::ml::data::look::survey::Survey;
use crate::syntax;
use crate::table::{padded, visible};

/// How many sizes, faults and rows are told.
const SHOWN: usize = 3;
const ROWS: usize = 60;

/// The widest name of a class in the table.
const WIDEST: usize = 30;

/// What was found, in lines.
pub fn table(found: &Found, dealt: &Dealt, survey: &Survey, classes: &Classes, names: Option<&str>) -> String {
    let mut out = String::new();
    let mut line = |head: &str, text: String| {
        let _ = writeln!(out, "{}  {text}", padded(head, 9, false));
    };
    line("folder", visible(&found.root.display().to_string()).into_owned());
    line("layout", layout(found.layout).to_owned());
    let how = if dealt.stated { "as the folder states" } else { "split by a hash of their names" };
    line("pairs", format!("{} to train on, {} to validate on, {how}", dealt.train.len(), dealt.val.len()));
    line("images", images(survey, dealt.samples.len()));
    line("labels", labels(survey, dealt.samples.len()));
    let count = classes.names.list().len();
    let named = names.map_or("no file names them".to_owned(), |place| format!("named by `{}`", visible(place)));
    let known = matches!(classes.names, crate::ml::data::look::classes::Names::Known(_));
    line("classes", format!("{count}, {}", if known { "of the known data set".to_owned() } else { named }));
    line("ignored", ignored(classes));
    out.push('\n');
    out + &rows(&classes.seen)
}

fn layout(layout: Layout) -> &'static str {
    match layout {
        Layout::Voc => "PASCAL VOC 2012 with SegmentationClassAug",
        Layout::Cityscapes { coarse: false } => "Cityscapes, fine labels",
        Layout::Cityscapes { coarse: true } => "Cityscapes, coarse labels",
        Layout::Lists => "lists of images and labels",
        Layout::Folders => "folders of images and labels",
    }
}

fn opened(count: usize, all: usize) -> String {
    if count == all { "all were opened".to_owned() } else { format!("{count} of {all} were opened") }
}

fn images(survey: &Survey, all: usize) -> String {
    let mut sizes: Vec<(&(usize, usize), &usize)> = survey.sizes.iter().collect();
    sizes.sort_by_key(|(size, count)| (std::cmp::Reverse(**count), **size));
    let told: Vec<String> = sizes.iter().map(|((w, h), count)| format!("{w} x {h} ({count})")).collect();
    let formats: Vec<&str> = survey.formats.keys().copied().collect();
    format!("{}, {}; {}", formats.join(" and "), syntax::first_of(&told, SHOWN), opened(survey.images, all))
}

fn labels(survey: &Survey, all: usize) -> String {
    let mut sorts: Vec<&str> = survey.labels.iter().map(|label| label.sort.name()).collect();
    sorts.sort_unstable();
    sorts.dedup();
    format!("{}; {}", sorts.join(" and "), opened(survey.labels.len(), all))
}

fn ignored(classes: &Classes) -> String {
    let total: u64 = classes.seen.iter().map(|row| row.pixels).sum();
    let ignored: Vec<&Seen> = classes.seen.iter().filter(|row| row.class.is_none()).collect();
    let pixels: u64 = ignored.iter().map(|row| row.pixels).sum();
    if pixels == 0 {
        return "no pixel".to_owned();
    }
    let values: Vec<String> = ignored.iter().map(|row| row.value.clone()).collect();
    format!("{}: {} of the pixels", syntax::first_of(&values, SHOWN), share(pixels, total))
}

/// A row for each class.
fn rows(seen: &[Seen]) -> String {
    let total: u64 = seen.iter().map(|row| row.pixels).sum();
    let head = ["value", "class", "pixels", "labels"].map(str::to_owned);
    let cells = seen.iter().take(ROWS).map(|row| {
        let name = row.class.as_deref().unwrap_or("(ignored)");
        let name = visible(&syntax::cut(name, WIDEST)).into_owned();
        [row.value.clone(), name, share(row.pixels, total), row.labels.to_string()]
    });
    let cells: Vec<Vec<String>> = std::iter::once(head).chain(cells).map(|row| row.to_vec()).collect();
    let mut out = aligned(&cells, 2);
    if seen.len() > ROWS {
        let _ = writeln!(out, "and {} more", seen.len() - ROWS);
    }
    out
}

/// The faults that were seen, the first in words.
pub fn faults(survey: &Survey) -> Vec<String> {
    let mut told: Vec<String> = survey.faults.iter().take(SHOWN).map(|fault| fault.to_string()).collect();
    match survey.faults.len() {
        0 => {}
        count if count > SHOWN => {
            told.push(format!("There are {} more faults. `repro data check` tells all.", count - SHOWN))
        }
        _ => told.push("The pipeline stops at these files. `repro data check` tells all.".to_owned()),
    }
    if !survey.turned.is_empty() && !survey.turn {
        let ids = survey.turned.iter().map(String::as_str);
        told.push(format!(
            "{} images state an EXIF orientation: {}. If their labels were drawn on what a viewer shows, write `orientation: \
             Apply` in both data sets.",
            survey.turned.len(),
            syntax::first_names(ids, SHOWN)
        ));
    }
    told
}

/// What was written, and the next commands.
pub fn next(place: &Place, root: &str, folder: &Path) -> String {
    let file = shell(&place.pipeline.display().to_string());
    let data = format!("--data {}", shell(&format!("{root}={}", folder.display())));
    let entry = format!("(data: {{{root:?}: {:?}}})", folder.display().to_string());
    format!(
        "\nWritten: {}\n\nNext:\n  repro data check {file} {data}\n  repro run {file} --profile tiny {data}\n  repro run {file} \
         {data}\n\nTo leave `--data` out, write this into ~/.config/repro/config.ron:\n  {entry}",
        place.pipeline.display()
    )
}

/// A word of a command line, quoted where a shell would read it otherwise.
fn shell(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-=+,:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_shell_are_quoted_where_they_need_it() {
        assert_eq!(shell("a=/b/c-1.ron"), "a=/b/c-1.ron");
        assert_eq!(shell("a b's"), "'a b'\\''s'");
    }
}
