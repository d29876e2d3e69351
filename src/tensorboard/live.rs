//! Records of an event file that is written while a run goes on. Each is whole, so that a file can be read at any time.

use super::proto::event::What;
use super::{VERSION, add, figures};

/// The name of a file that a run begins. TensorBoard reads the files of a folder in the order of their names, so `began`,
/// in seconds since 1970, comes first; `run` tells runs of one second apart.
pub fn file(began: u64, run: &str) -> String {
    format!("events.out.tfevents.{began:010}.{run}")
}

/// The first record of a file.
pub fn begin(wall: f64) -> Vec<u8> {
    record(wall, 0, What::FileVersion(VERSION.to_owned()))
}

/// Figures at a step, each with its tag; `wall` is the time in seconds since 1970.
pub fn scalars(wall: f64, step: u64, values: impl IntoIterator<Item = (String, f64)>) -> Vec<u8> {
    record(wall, step, figures(values))
}

fn record(wall: f64, step: u64, what: What) -> Vec<u8> {
    let mut bytes = Vec::new();
    add(&mut bytes, wall, step, what);
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::proto::value::Content;
    use super::super::read;
    use super::*;

    #[test]
    fn the_records_are_a_file_that_is_read_back() {
        let bytes = [begin(7.5), scalars(8.5, 3, [("loss".to_owned(), 0.5)])].concat();
        let events = read(&bytes).unwrap();
        assert_eq!(events[0].what, Some(What::FileVersion("brain.Event:2".to_owned())));
        let Some(What::Summary(summary)) = &events[1].what else { panic!("{events:?}") };
        assert_eq!((events[1].wall_time, events[1].step), (8.5, 3));
        assert_eq!(
            (summary.value[0].tag.as_str(), &summary.value[0].content),
            ("loss", &Some(Content::SimpleValue(0.5)))
        );
        assert!(file(5, "a") < file(12, "a") && file(5, "a").contains("tfevents"));
    }
}
