//! A line of a list, cut into paths.
//!
//! Paths are parted by blanks, tabs, commas or semicolons. `"…"` and `'…'` hold a path with any of these; two quotes inside
//! mean one. A `#` where a path could begin starts a comment. A list need not say what parts its paths: a line is read in
//! each way, and the first reading counts that gives as many paths as are wanted, all of them with the ending of a picture.

use std::borrow::Cow;

/// A path with its column, counted in characters from 1.
pub(super) type Field<'a> = (usize, Cow<'a, str>);

/// A `"` at this column is not closed.
pub(super) struct Unclosed {
    pub column: usize,
}

/// The fields of a line of which `wanted` are wanted; none of a comment. If no reading gives as many, they are those that
/// blanks part, of which there is at most one more than wanted.
pub(super) fn fields(line: &str, wanted: usize) -> Result<Vec<Field<'_>>, Unclosed> {
    let blanks = split(line, None, wanted + 1)?;
    let (fits, pictures) = (blanks.len() == wanted, are_pictures(&blanks));
    if fits && pictures || blanks.is_empty() {
        return Ok(blanks);
    }
    let mut nearly = fits.then_some(blanks);
    for mark in ['\t', ',', ';'].into_iter().filter(|mark| line.contains(*mark)) {
        let fields = split(line, Some(mark), wanted + 1)?;
        if fields.len() == wanted && are_pictures(&fields) {
            return Ok(fields);
        }
        if fields.len() == wanted && nearly.is_none() {
            nearly = Some(fields);
        }
    }
    nearly.map_or_else(|| split(line, None, wanted + 1), Ok)
}

fn are_pictures(fields: &[Field<'_>]) -> bool {
    fields.iter().all(|(_, field)| is_picture(field))
}

/// Whether a name ends as those of pictures do.
pub(super) fn is_picture(name: &str) -> bool {
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    ["jpg", "jpeg", "png"].iter().any(|known| end.eq_ignore_ascii_case(known))
}

/// The first `most` fields that `mark` parts, or blanks. Blanks around a field are no part of it, and neither are commas and
/// semicolons at its ends where blanks part.
fn split(line: &str, mark: Option<char>, most: usize) -> Result<Vec<Field<'_>>, Unclosed> {
    let column = |at: usize| line[..at].chars().count() + 1;
    let parts = |c: char| mark.map_or(c.is_whitespace(), |mark| c == mark);
    let is_loose = |c: char| mark.is_none() && matches!(c, ',' | ';');
    let mut fields = Vec::new();
    let mut at = 0;
    while let Some(c) = line[at..].chars().next().filter(|_| fields.len() < most) {
        if c.is_whitespace() || parts(c) || is_loose(c) {
            at += c.len_utf8();
            continue;
        }
        let after_blank = line[..at].chars().next_back().is_none_or(|before| before.is_whitespace() || parts(before));
        if c == '#' && after_blank {
            break;
        }
        if matches!(c, '"' | '\'') {
            match quoted(&line[at..], c) {
                Some((text, length)) => {
                    fields.push((column(at), text));
                    at += length;
                    continue;
                }
                None if c == '"' => return Err(Unclosed { column: column(at) }),
                None => {}
            }
        }
        let end = line[at..].find(parts).map_or(line.len(), |length| at + length);
        // A comment may follow the last field.
        let comment = line[at..end]
            .char_indices()
            .find(|&(to, c)| c == '#' && line[at..at + to].chars().next_back().is_some_and(char::is_whitespace));
        let field = &line[at..comment.map_or(end, |(to, _)| at + to)];
        fields.push((column(at), Cow::Borrowed(field.trim_end_matches(|c: char| c.is_whitespace() || is_loose(c)))));
        at = if comment.is_some() { line.len() } else { end };
    }
    Ok(fields)
}

/// The text in quotes that begins here, and the bytes that it takes with them; none if the quote is not closed, or if what
/// follows it is no end of a field.
fn quoted(text: &str, quote: char) -> Option<(Cow<'_, str>, usize)> {
    let mut from = quote.len_utf8();
    loop {
        let end = from + text[from..].find(quote)?;
        let rest = &text[end + quote.len_utf8()..];
        if rest.starts_with(quote) {
            from = end + 2 * quote.len_utf8();
            continue;
        }
        let ends = rest.chars().next().is_none_or(|c| c.is_whitespace() || matches!(c, ',' | ';' | '#'));
        let inside = &text[quote.len_utf8()..end];
        let twice = String::from_iter([quote, quote]);
        let inside =
            if inside.contains(&twice) { inside.replace(&twice, &quote.to_string()).into() } else { inside.into() };
        return ends.then_some((inside, end + quote.len_utf8()));
    }
}

/// A path below the root as a list has it.
pub(super) fn field(path: &str) -> String {
    let needs = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"' | '\'' | '#');
    if path.contains(needs) { format!("\"/{}\"", path.replace('"', "\"\"")) } else { format!("/{path}") }
}
