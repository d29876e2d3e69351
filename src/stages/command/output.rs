//! What a program says, as lines of the log, in bounded memory and on bounded space.
//!
//! The log keeps the first and the last [`KEPT`] bytes. A line is cut at [`LINE`] bytes. The program is always read on,
//! so that it never waits for the log.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};

/// How much of a program's output the log keeps from its start, and as much from its end: 4 MiB each.
pub const KEPT: usize = 4 << 20;

/// Where a line is cut: 16 KiB.
pub const LINE: usize = 16 << 10;

/// Reads to the end and gives each line without its end, to `take`, until that says that nobody listens any more.
pub fn read_lines(source: impl Read, mut take: impl FnMut(String) -> bool) {
    let mut reader = BufReader::with_capacity(1 << 16, source);
    let (mut line, mut cut) = (Vec::new(), 0_u64);
    loop {
        let Ok(chunk) = reader.fill_buf() else { return };
        let end = chunk.iter().position(|&byte| byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        let fits = part.len().min(LINE - line.len());
        line.extend_from_slice(&part[..fits]);
        cut += (part.len() - fits) as u64;
        let (used, is_end) = (part.len() + usize::from(end.is_some()), chunk.is_empty());
        reader.consume(used);
        if end.is_some() || is_end && !line.is_empty() {
            let mut text = String::from_utf8_lossy(&line).into_owned();
            if cut > 0 {
                text += &format!(" [{cut} more bytes of this line are left out]");
            }
            if !take(text) {
                return;
            }
            (line, cut) = (Vec::new(), 0);
        }
        if is_end {
            return;
        }
    }
}

/// The lines of a log: the first go on at once, the last are held back until it is known that they are the last.
#[derive(Debug, Default)]
pub struct Log {
    begun: usize,
    held: VecDeque<String>,
    held_bytes: usize,
    left_out: (u64, u64),
}

impl Log {
    /// Takes a line; gives it back where it is one of the first.
    pub fn take(&mut self, line: String) -> Option<String> {
        let bytes = line.len() + 1;
        if self.held.is_empty() && self.begun + bytes <= KEPT {
            self.begun += bytes;
            return Some(line);
        }
        self.held_bytes += bytes;
        self.held.push_back(line);
        while self.held_bytes > KEPT {
            let Some(line) = self.held.pop_front() else { break };
            self.held_bytes -= line.len() + 1;
            self.left_out.0 += 1;
            self.left_out.1 += line.len() as u64 + 1;
        }
        None
    }

    /// The last lines, and before them how many are left out.
    pub fn end(self) -> impl Iterator<Item = String> {
        let (lines, bytes) = self.left_out;
        let gap = (lines > 0).then(|| {
            let kept = KEPT >> 20;
            format!("[{lines} lines, {bytes} bytes, are left out: the log keeps the first and the last {kept} MiB]")
        });
        gap.into_iter().chain(self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        read_lines(text, |line| {
            lines.push(line);
            true
        });
        lines
    }

    #[test]
    fn lines_are_read_with_and_without_a_last_end() {
        assert_eq!(lines(b"a\n\nb\n"), ["a", "", "b"]);
        assert_eq!(lines(b"a\nb"), ["a", "b"]);
        assert!(lines(b"").is_empty());
        assert_eq!(lines(b"\xff\n"), ["\u{fffd}"]);
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_is_whole() {
        let mut text = vec![b'x'; 3 * LINE];
        text.extend(b"\nnext\n");
        let lines = lines(&text);
        let told = format!("{} [{} more bytes of this line are left out]", "x".repeat(LINE), 2 * LINE);
        assert!(lines == [told.as_str(), "next"], "{}", lines[0].len());
    }

    #[test]
    fn a_log_keeps_its_head_and_its_tail() {
        let mut log = Log::default();
        let line = |n: usize| format!("{n:099}");
        let count = 5 * KEPT / 100;
        let mut kept: Vec<String> = (0..count).filter_map(|n| log.take(line(n))).collect();
        assert!(log.held_bytes <= KEPT);
        kept.extend(log.end());
        let bytes: usize = kept.iter().map(|line| line.len() + 1).sum();
        assert!(bytes <= 2 * KEPT + 200, "{bytes}");
        assert_eq!((&kept[0], &kept[kept.len() - 1]), (&line(0), &line(count - 1)));
        let gap = kept.iter().find(|line| line.starts_with('[')).unwrap();
        assert!(gap.contains(&format!("[{} lines", count + 1 - kept.len())), "{gap}");
        let mut short = Log::default();
        assert_eq!(short.take("a".to_owned()), Some("a".to_owned()));
        assert_eq!(short.end().count(), 0);
    }
}
