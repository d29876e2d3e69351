//! A prediction as pictures, in the size of its image.
//!
//! - `prediction/ID_mask.png`: a palette image whose indices are the ids of classes, so that programs read ids and
//!   people see colours;
//! - `visual_prediction/ID_mask_visual.png`: the colours;
//! - `overlay/ID_overlay.png`: the image and the colours, half and half; classes in black leave the image clear;
//! - `label_ids/ID_labelIds.png`: for Cityscapes, the labelIds that its evaluation server takes, as grey values.
//!
//! An ID that is too long for the name of such a file is cut, and ends with digits that stand for the whole.

use super::raster::{Labels, Raster, Rgb};
use super::{Fault, cityscapes, labels};
use crate::fsio::filenames::{LONGEST, Room, alone};
use crate::ml::colors;

/// The longest ending of a picture's name.
const ENDING: &str = "_mask_visual.png";

/// How predictions are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Style {
    palette: [[u8; 3]; 256],
    label_ids: bool,
}

impl Style {
    /// The style of a data set with these classes in these colours; labelIds are written where the classes are those of
    /// Cityscapes.
    pub fn new(classes: &[String], colors: &[[u8; 3]]) -> Self {
        let label_ids = cityscapes::classes().map(|label| label.name).eq(classes.iter().map(String::as_str));
        Style { palette: colors::palette(colors), label_ids }
    }

    /// The colours of ids.
    pub fn visual(&self, ids: &Labels) -> Rgb {
        ids.map(|id| self.palette[usize::from(id)])
    }

    /// The colours of ids laid over the image of the same size.
    pub fn overlay(&self, image: &Rgb, ids: &Labels) -> Rgb {
        let half = |a: u8, b: u8| (u16::from(a) + u16::from(b)).div_ceil(2) as u8;
        Raster::from_fn(image.height(), image.width(), |y, x| match self.palette[usize::from(ids.at(y, x))] {
            [0, 0, 0] => image.at(y, x),
            color => std::array::from_fn(|c| half(image.at(y, x)[c], color[c])),
        })
    }

    /// Every picture of the prediction `ids` of the image `id`: its path and its bytes.
    pub fn pictures(&self, id: &str, image: &Rgb, ids: &Labels) -> Result<Vec<(String, Vec<u8>)>, Fault> {
        let mut pictures = vec![
            labels::encode_palette(ids, &self.palette, id)?,
            labels::encode_rgb(&self.visual(ids), id)?,
            labels::encode_rgb(&self.overlay(image, ids), id)?,
        ];
        if self.label_ids {
            pictures.push(labels::encode_grey(&cityscapes::label_ids(ids), id)?);
        }
        Ok(self.places(id).into_iter().zip(pictures).collect())
    }

    /// The paths of the pictures of the image `id`.
    pub fn places(&self, id: &str) -> Vec<String> {
        let name = file_name(id);
        let mut places = vec![
            format!("prediction/{name}_mask.png"),
            format!("visual_prediction/{name}{ENDING}"),
            format!("overlay/{name}_overlay.png"),
        ];
        if self.label_ids {
            places.push(format!("label_ids/{name}_labelIds.png"));
        }
        places
    }
}

/// An ID as the start of a file's name.
fn file_name(id: &str) -> String {
    alone(id, id, Room::within(LONGEST - ENDING.len()))
}

#[cfg(test)]
mod tests {
    use super::super::photo;
    use super::*;

    fn named(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn pictures_hold_ids_and_show_colours() {
        let style = Style::new(&named(&colors::VOC), &colors::VOC_MAP[..21]);
        let (image, ids) =
            (Rgb::from_fn(1, 3, |_, x| [x as u8, 100, 201]), Labels::new(1, 3, vec![0, 15, 21]).unwrap());
        let pictures = style.pictures("a.b", &image, &ids).unwrap();
        let paths: Vec<&str> = pictures.iter().map(|(path, _)| path.as_str()).collect();
        let expected = ["prediction/a.b_mask.png", "visual_prediction/a.b_mask_visual.png", "overlay/a.b_overlay.png"];
        assert_eq!(paths, expected);
        assert_eq!(labels::decode(&pictures[0].1, "x").unwrap(), ids);
        let shown = |at: usize| photo::decode(&pictures[at].1, "x").unwrap();
        assert_eq!(shown(0), shown(1));
        assert_eq!(shown(1).pixels(), [[0; 3], [192, 128, 128], [0; 3]]);
        assert_eq!(shown(2).pixels(), [[0, 100, 201], [97, 114, 165], [2, 100, 201]]);
    }

    #[test]
    fn an_id_that_is_too_long_for_a_file_is_cut_and_stays_its_own() {
        let longest = "x".repeat(LONGEST - ENDING.len());
        assert_eq!(file_name(&longest), longest);
        let names = ["a", "b"].map(|end| file_name(&format!("{}{end}", "ä".repeat(120))));
        assert!(names[0] != names[1] && names[0].starts_with("äää"), "{names:?}");
        assert!(names.iter().all(|name| (LONGEST - 2..=LONGEST).contains(&(name.len() + ENDING.len()))), "{names:?}");
    }

    #[test]
    fn cityscapes_predictions_are_also_label_ids() {
        let rows: Vec<_> = cityscapes::classes().collect();
        let names: Vec<&str> = rows.iter().map(|label| label.name).collect();
        let style = Style::new(&named(&names), &rows.iter().map(|label| label.color).collect::<Vec<_>>());
        let (image, ids) = (Rgb::from_fn(1, 2, |_, _| [0; 3]), Labels::new(1, 2, vec![0, 18]).unwrap());
        let pictures = style.pictures("ulm_000000_000019_leftImg8bit", &image, &ids).unwrap();
        let (path, bytes) = &pictures[3];
        assert_eq!(path, "label_ids/ulm_000000_000019_leftImg8bit_labelIds.png");
        assert_eq!(labels::decode(bytes, "x").unwrap().pixels(), [7, 33]);
        assert_eq!(labels::Coding::CityscapesLabelIds.decode(bytes, "x").unwrap(), ids);
    }
}
