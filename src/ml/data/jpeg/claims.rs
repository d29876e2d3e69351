//! What a file says of its size, before anything is allocated for it. The first frame's header is found as
//! `jpeg-decoder` finds it.

use crate::ml::data::Fault;
use crate::ml::data::bounds::{Claim, SCANS};

/// The frame's header as far as it says what decoding takes.
pub(super) struct Claims<'a> {
    /// Its size in pixels.
    pub claim: Claim<'a>,
    /// The components.
    pub components: usize,
    /// The samples of all components, filled up to whole units of a scan.
    pub samples: u64,
    process: Process,
    /// The bits that the file's scans have at least.
    bits: u64,
    scans: usize,
    held: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Process {
    Sequential,
    Progressive,
    Lossless,
}

impl<'a> Claims<'a> {
    /// Reads the first frame's header and counts the scans; none where there is no frame that could be decoded.
    pub(super) fn read(bytes: &[u8], place: &'a str) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&[0xff, 0xd8])?;
        let mut found: Option<Claims<'a>> = None;
        while let Some((marker, behind)) = next(rest) {
            // What restarts a scan has no length; what ends the image, or has no place here, ends the decoder's work.
            if (0xd0..=0xd7).contains(&marker) {
                rest = behind;
                continue;
            }
            let segment = two(behind).and_then(|length| behind.get(2..length));
            let Some(segment) = segment.filter(|_| !matches!(marker, 0x01..=0xbf | 0xd8 | 0xd9)) else { break };
            rest = &behind[2 + segment.len()..];
            match (marker, &mut found) {
                (0xda, Some(found)) => found.scans += 1,
                (0xda, None) => return None,
                (0xc0..=0xc3 | 0xc9..=0xcb, None) => found = Some(Claims::frame(marker, segment, bytes.len(), place)?),
                _ => {}
            }
        }
        found
    }

    fn frame(marker: u8, segment: &[u8], held: usize, place: &'a str) -> Option<Self> {
        let (&[_, _, _, _, _, count], components) = segment.split_first_chunk()?;
        let (height, width) = (two(&segment[1..])? as u64, two(&segment[3..])? as u64);
        let (components, []) = components.as_chunks::<3>() else { return None };
        if components.len() != usize::from(count) || components.is_empty() {
            return None;
        }
        let factors = || components.iter().map(|&[_, factors, _]| (u64::from(factors >> 4), u64::from(factors & 15)));
        let (across, down) = factors().fold((0, 0), |(across, down), (h, v)| (across.max(h), down.max(v)));
        if factors().any(|(h, v)| h == 0 || v == 0) {
            return None;
        }
        let units = width.div_ceil(8 * across) * height.div_ceil(8 * down);
        let samples = factors().map(|(h, v)| units * h * v * 64).sum();
        let process = match marker {
            0xc2 | 0xca => Process::Progressive,
            0xc3 | 0xcb => Process::Lossless,
            _ => Process::Sequential,
        };
        // Each block has a first coefficient, whose code has a bit at least. In a sequential scan it also has a code
        // that ends it; a progressive one may end thousands of blocks by one code.
        let bits = factors().map(|(h, v)| {
            let (width, height) = ((width * h).div_ceil(across), (height * v).div_ceil(down));
            match process {
                Process::Sequential => 2 * width.div_ceil(8) * height.div_ceil(8),
                Process::Progressive => width.div_ceil(8) * height.div_ceil(8),
                Process::Lossless => width * height,
            }
        });
        let bits = bits.sum();
        let claim = Claim { place, width, height };
        Some(Claims { claim, components: components.len(), samples, process, bits, scans: 0, held })
    }

    /// A fault where the file is too short for its pixels, or asks for too many, or for too many passes over them.
    pub(super) fn check(&self) -> Result<(), Fault> {
        self.claim.check(self.held, self.bits, 8 * self.held as u64)?;
        if self.scans > SCANS {
            let message = format!("It has {} scans; at most {SCANS} are read.", self.scans);
            return Err(Fault::new(self.claim.place, message, "Save the image again."));
        }
        Ok(())
    }

    /// The bytes that decoding takes at most, with the pixels that are made of the decoder's image. Threads of the decoder
    /// turn coefficients, of two bytes each, into samples, and may be given all of them before they begin.
    pub(super) fn memory(&self) -> u64 {
        let (pixels, components) = (self.claim.pixels(), self.components as u64);
        let images = (components + 3) * pixels;
        match self.process {
            // Of coefficients, samples and images, only two at a time are held.
            Process::Sequential => (3 * self.samples).max(self.samples + components * pixels).max(images),
            Process::Progressive => 5 * self.samples + images,
            Process::Lossless => 8 * components * pixels + images,
        }
    }
}

/// The number in the first two bytes.
pub(super) fn two(bytes: &[u8]) -> Option<usize> {
    bytes.first_chunk().map(|two| usize::from(u16::from_be_bytes(*two)))
}

/// The next marker and what is behind it. Anything may stand before it.
pub(super) fn next(mut rest: &[u8]) -> Option<(u8, &[u8])> {
    loop {
        let start = rest.iter().position(|&byte| byte == 0xff)?;
        let fill = rest[start..].iter().position(|&byte| byte != 0xff)?;
        let marker = rest[start + fill];
        rest = &rest[start + fill + 1..];
        if marker != 0 {
            return Some((marker, rest));
        }
    }
}
