//! Lines of any bytes.

use std::io::{self, BufRead, Read};

/// Bytes of a line that are read; the rest of a longer one is passed over.
const MAX_LINE: u64 = 1 << 20;

/// Reads lines of any bytes, in bounded memory.
pub(super) struct Lines<R> {
    reader: R,
    line: Vec<u8>,
}

/// One line, without its end.
pub(super) struct Line<'l> {
    pub(super) bytes: &'l [u8],
    /// Whether it was longer than what is here.
    pub(super) cut: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) const fn new(reader: R) -> Self {
        Self { reader, line: Vec::new() }
    }

    /// The next line. The last one may lack its end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let read = self.reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        let mut cut = false;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            if self.line.last() == Some(&b'\r') {
                self.line.pop();
            }
        } else if read as u64 == MAX_LINE {
            // Only a line end may be missing yet.
            cut = self.reader.skip_until(b'\n')? > 1;
        }
        Ok(Some(Line { bytes: &self.line, cut }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<(Vec<u8>, bool)> {
        let mut lines = Lines::new(bytes);
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push((line.bytes.to_vec(), line.cut));
        }
        all
    }

    #[test]
    fn line_ends_of_all_kinds() {
        let whole = |text: &str| (text.as_bytes().to_vec(), false);
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"\n"), [whole("")]);
        assert_eq!(lines(b"a\r\nb\n\nc"), [whole("a"), whole("b"), whole(""), whole("c")]);
        assert_eq!(lines(b"a\0\xff\n"), [(b"a\0\xff".to_vec(), false)]);
    }

    #[test]
    fn a_line_without_end_needs_bounded_memory() {
        let long = [vec![b'x'; 3 << 20], b"\nnext\n".to_vec()].concat();
        let read = lines(&long);
        assert_eq!((read.len(), read[0].0.len(), read[0].1), (2, 1 << 20, true));
        assert_eq!(read[1], (b"next".to_vec(), false));
        let fits = [vec![b'x'; 1 << 20], b"\nnext\n".to_vec()].concat();
        assert_eq!(lines(&fits).iter().map(|line| line.1).collect::<Vec<_>>(), [false, false]);
    }
}
