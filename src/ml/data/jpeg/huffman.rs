//! Huffman codes (ITU T.81, annexes C and F), looked up ten bits at a time.

/// Bits that a look-up takes.
const BITS: u32 = 10;

/// The codes of one table.
pub(super) struct Table {
    /// By the next bits: the symbol, and the length of its code; length 0 where the code is longer.
    symbols: Vec<(u8, u8)>,
    /// By the next bits: a number, the zeros before it, and the bits of both; 0 bits where they are more.
    numbers: Vec<(i16, u8, u8)>,
    /// For each length of code from 1: the first code of the length above it, left in 16 bits, and what a code of
    /// this length is less than its place among the values.
    longer: [(u32, i32); 16],
    values: Vec<u8>,
}

impl Table {
    /// The table with `counts[i]` codes of `i + 1` bits for `values`. None if there are no such codes.
    pub(super) fn new(counts: &[u8; 16], values: &[u8]) -> Option<Self> {
        let (mut code, mut place) = (0_u32, 0_usize);
        let mut symbols = vec![(0, 0); 1 << BITS];
        let mut longer = [(0, 0); 16];
        for (length, &count) in (1_u32..).zip(counts) {
            longer[length as usize - 1].1 = code as i32 - place as i32;
            for _ in 0..count {
                if code >= 1 << length {
                    return None;
                }
                if length <= BITS {
                    let first = (code << (BITS - length)) as usize;
                    symbols[first..first + (1 << (BITS - length))].fill((*values.get(place)?, length as u8));
                }
                (code, place) = (code + 1, place + 1);
            }
            longer[length as usize - 1].0 = code << (16 - length);
            code <<= 1;
        }
        let number = |(bits, &(symbol, length)): (u32, &(u8, u8))| {
            let (run, size) = (symbol >> 4, symbol & 15);
            let whole = u32::from(length + size);
            match length > 0 && size > 0 && whole <= BITS {
                true => (extended(bits >> (BITS - whole) & ((1 << size) - 1), size), run, whole as u8),
                false => (0, 0, 0),
            }
        };
        let numbers = (0..).zip(&symbols).map(number).collect();
        (place == values.len()).then(|| Table { symbols, numbers, longer, values: values.to_vec() })
    }
}

/// The number that `size` bits say: the lower half of the values is negative.
#[inline(always)]
fn extended(bits: u32, size: u8) -> i16 {
    let low = if bits >> (size - 1) == 0 { (1 << size) - 1 } else { 0 };
    (bits as i32 - low) as i16
}

/// The bits of a scan, first to last.
pub(super) struct Bits {
    /// The bytes without their stuffing, and eight zeros.
    bytes: Vec<u8>,
    /// How many bytes have been taken.
    at: usize,
    /// Bits that are not used yet, the first one highest, and how many.
    held: u64,
    count: u32,
}

impl Bits {
    /// The bits of the scan that starts `bytes` and that the end of the image follows; none where it does not.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let mut clean = Vec::with_capacity(bytes.len() + 8);
        let mut rest = bytes;
        loop {
            while let Some((eight, more)) = rest.split_first_chunk::<8>() {
                let inverse = !u64::from_ne_bytes(*eight);
                // Whether a byte of it is 0, which is 255 in the scan.
                if inverse.wrapping_sub(0x0101_0101_0101_0101) & !inverse & 0x8080_8080_8080_8080 != 0 {
                    break;
                }
                clean.extend_from_slice(eight);
                rest = more;
            }
            let stop = rest.iter().position(|&byte| byte == 0xff)?;
            clean.extend_from_slice(&rest[..stop]);
            match rest.get(stop + 1)? {
                0x00 => clean.push(0xff),
                0xd9 => break,
                _ => return None,
            }
            rest = &rest[stop + 2..];
        }
        clean.extend([0; 8]);
        Some(Bits { bytes: clean, at: 0, held: 0, count: 0 })
    }

    /// Holds 32 bits at least, zeros behind the last.
    #[inline(always)]
    fn fill(&mut self) {
        if self.count < 32 {
            let four = self.bytes.get(self.at..self.at + 4).and_then(|four| four.try_into().ok()).unwrap_or([0; 4]);
            self.held |= u64::from(u32::from_be_bytes(four)) << (32 - self.count);
            (self.at, self.count) = (self.at + 4, self.count + 32);
        }
    }

    #[inline(always)]
    fn peek(&self, count: u32) -> u32 {
        (self.held >> (64 - count)) as u32
    }

    #[inline(always)]
    fn skip(&mut self, count: u32) {
        self.held <<= count;
        self.count -= count;
    }

    /// A symbol. 32 bits are held before it, 16 after it.
    #[inline(always)]
    fn symbol(&mut self, table: &Table) -> Option<u8> {
        let (symbol, length) = table.symbols[self.peek(BITS) as usize];
        if length > 0 {
            self.skip(u32::from(length));
            return Some(symbol);
        }
        let code = self.peek(16);
        let (length, (_, less)) = (1_u32..).zip(table.longer).skip(BITS as usize).find(|(_, (end, _))| code < *end)?;
        self.skip(length);
        table.values.get(((code >> (16 - length)) as i32 - less) as usize).copied()
    }

    /// A number of `size` bits.
    #[inline(always)]
    fn number(&mut self, size: u8) -> i16 {
        let bits = self.peek(u32::from(size));
        self.skip(u32::from(size));
        extended(bits, size)
    }

    /// The difference of a block's first coefficient from that of the block before.
    #[inline(always)]
    pub(super) fn difference(&mut self, table: &Table) -> Option<i16> {
        self.fill();
        match self.symbol(table)? {
            0 => Some(0),
            size @ 1..=11 => Some(self.number(size)),
            _ => None,
        }
    }

    /// Gives `put` the other coefficients of a block that are not zero, each with its place in the zigzag. None where
    /// they are not those of a baseline file.
    #[inline(always)]
    pub(super) fn coefficients(&mut self, table: &Table, mut put: impl FnMut(usize, i16)) -> Option<()> {
        let mut place = 1;
        while place < 64 {
            self.fill();
            let (number, run, length) = table.numbers[self.peek(BITS) as usize];
            if length > 0 {
                self.skip(u32::from(length));
                place += usize::from(run);
                if place > 63 {
                    return None;
                }
                put(place, number);
                place += 1;
                continue;
            }
            match self.symbol(table)? {
                0x00 => return Some(()),
                0xf0 => place += 16,
                symbol => {
                    place += usize::from(symbol >> 4);
                    let size = symbol & 15;
                    if place > 63 || !(1..=10).contains(&size) {
                        return None;
                    }
                    put(place, self.number(size));
                    place += 1;
                }
            }
        }
        (place == 64).then_some(())
    }

    /// Whether all bits have been used but those that fill the last byte.
    pub(super) fn used_up(&self) -> bool {
        let used = 8 * self.at - self.count as usize;
        used.div_ceil(8) == self.bytes.len() - 8
    }
}
