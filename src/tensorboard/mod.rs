//! TensorBoard's event files: scalars, pictures and a graph, as `tensorboard --logdir` reads them.
//!
//! An event file is a sequence of records ([`record`]), each an `Event` in protocol buffers ([`proto`]); the first says
//! the version. TensorBoard takes every folder below its log folder that holds such a file for a run of that name.
//!
//! Invariants:
//! - the bytes of an [`EventFile`] are a function of what was logged: an event's wall time, which TensorBoard needs, is its
//!   step in seconds since 1970, and [`FILE`] holds neither time nor host. Only the records of a file that is written while
//!   a run goes on ([`live`]) have real times;
//! - values are `f32`, the only width that TensorBoard's scalars have.

mod error;
pub mod live;
pub mod proto;
pub mod record;

use prost::Message as _;

pub use error::Error;
use proto::event::What;
use proto::value::Content;
use proto::{Event, GraphDef, Summary, Value};

/// The name of an event file: TensorBoard asks for `tfevents` in it.
pub const FILE: &str = "events.out.tfevents.0.repro";

/// The version of the format, which the first event states.
const VERSION: &str = "brain.Event:2";

/// A PNG and its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The height in pixels.
    pub height: usize,
    /// The width in pixels.
    pub width: usize,
    /// The whole file: RGB of 8 bits.
    pub png: Vec<u8>,
}

/// An event file in the making. Events are told in the order of their steps.
#[derive(Debug, Clone, PartialEq)]
pub struct EventFile {
    bytes: Vec<u8>,
}

impl Default for EventFile {
    fn default() -> Self {
        let mut file = EventFile { bytes: Vec::new() };
        file.add(0, What::FileVersion(VERSION.to_owned()));
        file
    }
}

impl EventFile {
    /// Adds figures at a step, each with its tag; a `/` in a tag makes a group.
    pub fn scalars(&mut self, step: u64, values: impl IntoIterator<Item = (String, f64)>) {
        self.add(step, figures(values));
    }

    /// Adds a picture at a step.
    pub fn picture(&mut self, step: u64, tag: &str, picture: Picture) {
        // The colour space counts the channels.
        let side = |pixels: usize| i32::try_from(pixels).unwrap_or(i32::MAX);
        let (height, width) = (side(picture.height), side(picture.width));
        let image = proto::Image { height, width, colorspace: 3, encoded_image_string: picture.png };
        let value = Value { tag: tag.to_owned(), content: Some(Content::Image(image)) };
        self.add(step, What::Summary(Summary { value: vec![value] }));
    }

    /// Adds the graph of a model; TensorBoard shows one a run.
    pub fn graph(&mut self, graph: &GraphDef) {
        self.add(0, What::GraphDef(graph.encode_to_vec()));
    }

    /// The file's content.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn add(&mut self, step: u64, what: What) {
        add(&mut self.bytes, step as f64, step, what);
    }
}

/// Figures of a step, each with its tag.
fn figures(values: impl IntoIterator<Item = (String, f64)>) -> What {
    let value = |(tag, value): (String, f64)| Value { tag, content: Some(Content::SimpleValue(value as f32)) };
    What::Summary(Summary { value: values.into_iter().map(value).collect() })
}

/// Adds an event to a file's bytes; `wall` is its time in seconds since 1970.
fn add(bytes: &mut Vec<u8>, wall: f64, step: u64, what: What) {
    let event = Event { wall_time: wall, step: i64::try_from(step).unwrap_or(i64::MAX), what: Some(what) };
    record::write(bytes, &event.encode_to_vec());
}

/// The events of a file.
///
/// # Errors
/// A record that is cut short or has a wrong checksum, and one that is no event.
pub fn read(bytes: &[u8]) -> Result<Vec<Event>, Error> {
    let event =
        |(number, record)| Event::decode(record).map_err(|error| Error::Event { number, why: error.to_string() });
    record::read(bytes)?.into_iter().enumerate().map(event).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> EventFile {
        let mut file = EventFile::default();
        file.scalars(7, [("loss".to_owned(), 0.1), ("mIoU".to_owned(), f64::NAN)]);
        file.picture(8, "input/a", Picture { height: 2, width: 3, png: vec![1, 2] });
        let node = proto::NodeDef { name: "input".into(), op: "Placeholder".into(), ..Default::default() };
        file.graph(&GraphDef { node: vec![node] });
        file
    }

    #[test]
    fn what_is_written_is_read_back() {
        let events = read(&sample().into_bytes()).unwrap();
        assert_eq!(events[0].what, Some(What::FileVersion("brain.Event:2".to_owned())));
        let Some(What::Summary(summary)) = &events[1].what else { panic!("{:?}", events[1]) };
        assert_eq!((events[1].step, events[1].wall_time), (7, 7.0));
        assert_eq!(summary.value[0].content, Some(Content::SimpleValue(0.1)));
        assert!(matches!(summary.value[1].content, Some(Content::SimpleValue(value)) if value.is_nan()));
        let Some(What::Summary(summary)) = &events[2].what else { panic!("{:?}", events[2]) };
        let Some(Content::Image(image)) = &summary.value[0].content else { panic!("{summary:?}") };
        assert_eq!((image.height, image.width, image.colorspace), (2, 3, 3));
        let Some(What::GraphDef(graph)) = &events[3].what else { panic!("{:?}", events[3]) };
        assert_eq!(GraphDef::decode(graph.as_slice()).unwrap().node[0].op, "Placeholder");
    }

    #[test]
    fn the_bytes_are_those_of_the_protocol() {
        // Field 1, a double; field 2, a varint; field 5, a message: the keys that tensorflow's event.proto fixes.
        let mut file = EventFile { bytes: Vec::new() };
        file.scalars(3, [("a".to_owned(), 1.0)]);
        let bytes = file.into_bytes();
        let event = [&[9][..], &3f64.to_le_bytes(), &[16, 3, 42, 10, 10, 8, 10, 1, b'a', 21], &1f32.to_le_bytes()];
        assert_eq!(record::read(&bytes).unwrap(), [event.concat()]);
    }

    #[test]
    fn damage_is_an_error_that_says_where() {
        let whole = sample().into_bytes();
        for at in 0..whole.len() {
            assert!(
                matches!(read(&whole[..at]), Err(Error::Short { .. })) || read(&whole[..at]).is_ok_and(|e| e.len() < 4)
            );
            let mut flipped = whole.clone();
            flipped[at] ^= 4;
            assert!(read(&flipped).is_err(), "{at}");
        }
        let mut other = Vec::new();
        record::write(&mut other, &[0xff; 4]);
        assert!(read(&other).unwrap_err().to_string().starts_with("Record 0 is no event"));
    }
}
