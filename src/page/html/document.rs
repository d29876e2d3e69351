//! The frame of a page: head, contents, sections.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::data::Data;
use super::policy::{SCRIPT, policy, style};
use super::text::{lines, plain, text, titled};
use super::{cards, figure, gallery, graph, grid};
use crate::page::model::{Block, Page, Section};

/// The whole file.
pub(super) fn document(page: &Page, data: &mut Data) -> Markup {
    let anchors = anchors(&page.sections);
    let style = style();
    let main = html! {
        @for (section, anchor) in page.sections.iter().zip(&anchors) { (self::section(section, anchor, data)) }
        @if !page.notes.is_empty() {
            section id="page.notes" aria-labelledby="page.notes.title" {
                h2 id="page.notes.title" { "What is not shown" }
                ul { @for note in &page.notes { li { (text(note)) } } }
            }
        }
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta http-equiv="Content-Security-Policy" content=(policy(&style));
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(concat!("repro ", env!("CARGO_PKG_VERSION")));
                title { (titled(&page.title, "Report")) }
                style { (PreEscaped(&style)) }
            }
            body {
                a class="skip" href="#page.main" { "Skip to the content" }
                header {
                    h1 { (titled(&page.title, "Report")) }
                    @if !page.lead.is_empty() { p class="lead" { (text(&page.lead)) } }
                }
                nav aria-label="Contents" {
                    ol {
                        @for (section, anchor) in page.sections.iter().zip(&anchors) {
                            li { a href={ "#" (anchor) } { (titled(&section.title, anchor)) } }
                        }
                        @if !page.notes.is_empty() { li { a href="#page.notes" { "What is not shown" } } }
                    }
                }
                main id="page.main" tabindex="-1" { (main) }
                (data.element())
                script type="module" { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

/// An anchor for each section: its own, where that is one and no other section has it.
fn anchors(sections: &[Section]) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for (at, section) in sections.iter().enumerate() {
        let fits = !section.id.is_empty() && section.id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let anchor = if fits && !anchors.contains(&section.id) { section.id.clone() } else { format!("section.{at}") };
        anchors.push(anchor);
    }
    anchors
}

fn section(section: &Section, anchor: &str, data: &mut Data) -> Markup {
    let title = format!("{anchor}.title");
    let content = html! {
        @if !section.lead.is_empty() { p class="lead" { (text(&section.lead)) } }
        @for block in &section.blocks { (self::block(block, &section.title, data)) }
    };
    html! {
        section id=(anchor) aria-labelledby=(title) {
            @if section.folded {
                details {
                    summary { h2 id=(title) { (titled(&section.title, anchor)) } }
                    (content)
                }
            } @else {
                h2 id=(title) { (titled(&section.title, anchor)) }
                (content)
            }
        }
    }
}

fn block(block: &Block, of: &str, data: &mut Data) -> Markup {
    match block {
        Block::Verdicts(cards) => cards::cards(cards),
        Block::Table(table) => grid::table(table, of, data),
        Block::Figure(figure) => figure::figure(figure, data),
        Block::Gallery(gallery) => gallery::gallery(gallery, data),
        Block::Graph(graph) => graph::graph(graph, data),
        Block::Code(code) => html! {
            div class="code" {
                pre tabindex="0" role="group" aria-label={ "Commands or text: " (plain(of)) } { code { (lines(code)) } }
            }
        },
        Block::Text(paragraph) => html! { p { (text(paragraph)) } },
    }
}
