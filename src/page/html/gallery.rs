//! Images in rows, each with its panels.

use maud::{Markup, html};

use super::data::Data;
use super::pixels::picture;
use super::text::{plain, text, titled};
use crate::figure::Panel;
use crate::page::model::{Gallery, GalleryImage};

/// The rule by which images were chosen, the classes, and the images.
pub(super) fn gallery(gallery: &Gallery, data: &mut Data) -> Markup {
    html! {
        div class="gallery" {
            @if !gallery.rule.is_empty() { p { (text(&gallery.rule)) } }
            @if !gallery.legend.is_empty() {
                ul class="legend" aria-label="Classes" {
                    @for (name, colour) in &gallery.legend { li { (swatch(*colour)) " " (text(name)) } }
                }
            }
            @for image in &gallery.images { (row(image, &gallery.heads, data)) }
        }
    }
}

/// A small square of a colour. It is drawn, since the policy allows no `style` attribute.
fn swatch([red, green, blue]: [u8; 3]) -> Markup {
    html! {
        svg class="swatch" width="14" height="14" aria-hidden="true" {
            rect width="14" height="14" fill=(format!("#{red:02x}{green:02x}{blue:02x}")) {}
        }
    }
}

fn row(image: &GalleryImage, heads: &[String], data: &mut Data) -> Markup {
    let title = data.name();
    let nothing = String::new();
    html! {
        section class="image" aria-labelledby=(title) {
            h3 id=(title) { (titled(&image.name, "Image")) }
            @if !image.why.is_empty() || !image.figures.is_empty() {
                p class="note" {
                    (text(&image.why))
                    @if !image.why.is_empty() && !image.figures.is_empty() { " \u{b7} " }
                    (text(&image.figures))
                }
            }
            div class="panels" {
                @for (at, panel) in image.panels.iter().enumerate() {
                    @let head = heads.get(at).unwrap_or(&nothing);
                    @if let Some(panel) = panel {
                        figure { (shown(panel, head, &image.name, data)) figcaption { (text(head)) } }
                    }
                }
            }
        }
    }
}

fn shown(panel: &Panel, head: &str, image: &str, data: &mut Data) -> Markup {
    match picture(panel) {
        Ok(picture) => {
            data.image_bytes += picture.address.len();
            let class = matches!(panel, Panel::Mask { .. }).then_some("mask");
            html! {
                img class=[class] src=(picture.address) width=(picture.width) height=(picture.height)
                    alt={ (plain(head)) " of " (plain(image)) } decoding="async";
            }
        }
        Err(why) => {
            data.warnings.push(format!("The panel `{}` of `{}` is not shown: {why}.", plain(head), plain(image)));
            html! { p class="missing" { "This image cannot be shown: " (text(&why)) "." } }
        }
    }
}
