//! Limits of the readers of data: what a file may ask for. Each is checked on what will be allocated, before it is.
//!
//! They are far above what data sets have; `docs/limits.md` lists them with all others.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Fault;

/// The bytes of a file that is read whole: an image, a label or a list.
pub const FILE: u64 = 1 << 30;

/// The pixels of an image or a label, as 16,384 x 16,384. The largest cameras give 151 million.
pub const PIXELS: u64 = 1 << 28;

/// The bytes of memory that decoding one image may take.
pub const MEMORY: u64 = 1 << 31;

/// The scans of a JPEG file. A progressive one has about ten; each costs a pass over the whole image, however short it is.
pub const SCANS: usize = 100;

/// The bytes from which on images are decoded one at a time, so that many threads do not take many times [`MEMORY`].
const LARGE: u64 = 1 << 28;

/// The bytes that a byte of a deflated stream can become: 258 for two bits.
pub const DEFLATE: u64 = 1032;

/// The faults of a data set that are told; of the others there is only the number, which is the fiftieth line.
pub const FAULTS: usize = 49;

/// The bytes of a path below a data root, and of each of its parts: what Linux takes.
pub const PATH: usize = 4096;
/// See [`PATH`].
pub const NAME: usize = 255;

/// What to do about an image that is too large.
const SMALLER: &str = "Cut it into tiles, or scale it down.";

/// What a file says of the image in it.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The file, for faults.
    pub place: &'a str,
    /// Columns of pixels.
    pub width: u64,
    /// Rows of pixels.
    pub height: u64,
}

impl Claim<'_> {
    /// The pixels.
    pub fn pixels(&self) -> u64 {
        self.width.saturating_mul(self.height)
    }

    /// A fault unless the pixels are within [`PIXELS`] and the `held` bytes of the file can be as many as `most` bytes
    /// of pixels when those take `needed` at least.
    pub fn check(&self, held: usize, needed: u64, most: u64) -> Result<(), Fault> {
        let Claim { place, width, height } = *self;
        if needed > most {
            let message = format!("It claims {width} x {height} pixels, which its {held} bytes cannot hold.");
            return Err(Fault::new(place, message, "Fetch the file again; it is damaged."));
        }
        if self.pixels() > PIXELS {
            let message = format!("It claims {width} x {height} pixels; at most {PIXELS} are read.");
            return Err(Fault::new(place, message, SMALLER));
        }
        Ok(())
    }

    /// Waits for the turn to decode the image, if this takes more bytes than [`LARGE`]. A fault if it takes more than
    /// [`MEMORY`].
    pub fn afford(&self, bytes: u64) -> Result<Option<MutexGuard<'static, ()>>, Fault> {
        static TURN: Mutex<()> = Mutex::new(());
        let Claim { place, width, height } = *self;
        if bytes > MEMORY {
            let message =
                format!("Decoding its {width} x {height} pixels takes {bytes} bytes; at most {MEMORY} are used.");
            return Err(Fault::new(place, message, SMALLER));
        }
        Ok((bytes > LARGE).then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// What a byte of an archive may unpack to, and what any archive may. Archives of images hardly shrink, those with
/// polygons in JSON tenfold.
const RATIO: u64 = 32;
/// See [`RATIO`].
const UNPACKED: u64 = 64 << 20;

/// The bytes that an archive of `held` bytes may unpack to, with all that is passed over.
pub fn unpacked(held: u64) -> u64 {
    held.saturating_mul(RATIO).saturating_add(UNPACKED)
}

/// Faults as they are found: the first [`FAULTS`], and how many more there are.
#[derive(Debug, Default)]
pub struct Faults {
    kept: Vec<Fault>,
    more: usize,
}

impl Faults {
    /// Adds a fault.
    pub fn push(&mut self, fault: Fault) {
        if self.kept.len() < FAULTS {
            self.kept.push(fault);
        } else {
            self.more += 1;
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.kept.len() + self.more
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The faults, the number of those that are not told as the last.
    pub fn into_vec(self) -> Vec<Fault> {
        let Faults { mut kept, more } = self;
        if let Some(Fault { place, .. }) = kept.last().filter(|_| more > 0) {
            let message =
                if more == 1 { "There is 1 more fault.".into() } else { format!("There are {more} more faults.") };
            kept.push(Fault::new(place.clone(), message, "Mend those above first."));
        }
        kept
    }
}

impl Extend<Fault> for Faults {
    fn extend<T: IntoIterator<Item = Fault>>(&mut self, faults: T) {
        faults.into_iter().for_each(|fault| self.push(fault));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_faults_are_cut_and_counted() {
        let faults = |count: usize| {
            let mut faults = Faults::default();
            faults.extend((0..count).map(|at| Fault::new(at, "It is wrong.", "")));
            faults.into_vec()
        };
        assert_eq!(faults(FAULTS).len(), FAULTS);
        let cut = faults(1_000_000);
        assert_eq!((cut.len(), cut[FAULTS].message.as_str()), (FAULTS + 1, "There are 999951 more faults."));
    }
}
