//! Several tables on one page of HTML.

use super::error::Error;
use super::frame::Table;
use super::html;
use super::sheet::Sheet;
use super::text::Style;

/// A part of a page.
pub struct PagePart<'a> {
    /// Its heading.
    pub heading: &'a str,
    /// Its table.
    pub table: &'a Table,
    /// How the table is shown, and what is said below it.
    pub style: Style,
}

/// A page that fetches nothing: paragraphs, then each table below its heading, then more paragraphs.
///
/// # Errors
/// A layout that does not fit its table.
pub fn to_page(title: &str, before: &[String], parts: &[PagePart<'_>], after: &[String]) -> Result<String, Error> {
    let paragraphs = |texts: &[String]| texts.iter().map(|text| html::element("p", text)).collect::<String>();
    let mut elements = paragraphs(before);
    for part in parts {
        let sheet = Sheet::new(part.table, &part.style)?;
        elements += &html::element("h2", part.heading);
        elements += &html::table(&sheet, part.style.caption());
        elements += &paragraphs(&part.style.notes);
    }
    elements += &paragraphs(after);
    Ok(html::page(title, &elements))
}

#[cfg(test)]
mod tests {
    use super::super::testing::sample;
    use super::*;

    #[test]
    fn every_text_of_a_page_is_escaped_and_stands_in_its_order() {
        let text = |name: &str| format!("<{name}>&\u{1b}");
        let style = Style { notes: vec![text("note")], ..Style::default() };
        let table = sample();
        let part = PagePart { heading: &text("head"), table: &table, style };
        let page = to_page(&text("title"), &[text("before")], &[part], &[text("after")]).unwrap();
        let places: Vec<usize> = ["title", "before", "head", "note", "after"]
            .map(|name| page.find(&format!("&lt;{name}&gt;&amp;\\u001b")).unwrap_or_else(|| panic!("{name}: {page}")))
            .to_vec();
        assert!(places.is_sorted(), "{page}");
        assert!(!page.contains('\u{1b}') && page.matches("<table>").count() == 1, "{page}");
    }
}
