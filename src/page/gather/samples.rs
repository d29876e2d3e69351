//! The samples of a data set: their photographs and labels.

use std::collections::BTreeMap;

use super::columns::{counts, texts};
use super::source::{Fault, Files, Source};
use crate::hash::Digest;
use crate::ml::data::info::Info;
use crate::ml::data::orientation::Orientation;
use crate::ml::data::{Labels, Rgb, photo};

/// A data set that is at hand.
pub(super) struct Samples<'s> {
    /// What it says of itself.
    pub info: Info,
    rows: BTreeMap<String, Row>,
    files: Option<&'s dyn Files>,
}

/// A sample.
struct Row {
    image: (String, Digest),
    label: Option<(String, Digest)>,
    orientation: Orientation,
}

/// Something of a sample, or a sentence that says why it is not at hand.
pub(super) type AtHand<T> = Result<T, String>;

impl<'s> Samples<'s> {
    /// The data set whose digest begins with these digits, if it is among the sources.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn find(sources: &'s [Source<'_>], run: &str, digest: &str) -> Result<Option<Self>, Fault> {
        let is_it = |source: &&Source<'_>| {
            let of = |output: &Digest| output.short() == digest;
            source.run == run && source.has(&["index", "info"]) && source.digests.get("index").is_some_and(of)
        };
        sources.iter().find(is_it).map(Samples::read).transpose()
    }

    fn read(source: &'s Source<'_>) -> Result<Self, Fault> {
        let given = source.output("info").ok_or("There is no output `info`.")?;
        let info: Info = serde_json::from_slice(&given.bytes()?)?;
        let table = source.table("index")?;
        let (ids, images, labels) = (texts(&table, "id")?, texts(&table, "image")?, texts(&table, "label")?);
        let digests = |name: &str| -> Result<Vec<Option<Digest>>, Fault> {
            Ok(texts(&table, name)?.iter().map(|digest| digest.parse().ok()).collect())
        };
        let (of_images, of_labels) = (digests("image_digest")?, digests("label_digest")?);
        // The column is there only if an image is turned.
        let turned = match table.position("orientation") {
            Some(_) => counts(&table, "orientation")?,
            None => vec![Some(1); ids.len()],
        };
        let row = |at: usize| -> Option<(String, Row)> {
            let label = Some(labels[at].clone()).filter(|label| !label.is_empty()).zip(of_labels[at]);
            let orientation = Orientation::from_number(turned[at]?)?;
            Some((ids[at].clone(), Row { image: (images[at].clone(), of_images[at]?), label, orientation }))
        };
        let rows = (0..ids.len()).filter_map(row).collect();
        Ok(Samples { info, rows, files: source.files.as_deref() })
    }

    fn bytes(&self, (path, digest): &(String, Digest)) -> Result<AtHand<Vec<u8>>, Fault> {
        match self.files {
            Some(files) => files.read(path, digest),
            None => Ok(Err("its files are not at hand".to_owned())),
        }
    }

    /// The photograph of a sample, turned as its data set says.
    ///
    /// # Errors
    /// It cannot be decoded, or nothing may be shown without it.
    pub fn photo(&self, id: &str) -> Result<AtHand<Rgb>, Fault> {
        let Some(row) = self.rows.get(id) else { return Ok(Err(format!("it has no image `{id}`"))) };
        let bytes = match self.bytes(&row.image)? {
            Ok(bytes) => bytes,
            Err(why) => return Ok(Err(why)),
        };
        let image = photo::decode(&bytes, &row.image.0).map_err(|fault| fault.to_string())?;
        Ok(Ok(row.orientation.apply(image)))
    }

    /// The label of a sample.
    ///
    /// # Errors
    /// As [`Samples::photo`].
    pub fn truth(&self, id: &str) -> Result<AtHand<Labels>, Fault> {
        let Some(row) = self.rows.get(id) else { return Ok(Err(format!("it has no image `{id}`"))) };
        let Some(label) = &row.label else { return Ok(Err(format!("its image `{id}` has no label"))) };
        let bytes = match self.bytes(label)? {
            Ok(bytes) => bytes,
            Err(why) => return Ok(Err(why)),
        };
        Ok(Ok(self.info.coding.decode(&bytes, &label.0).map_err(|fault| fault.to_string())?))
    }
}
