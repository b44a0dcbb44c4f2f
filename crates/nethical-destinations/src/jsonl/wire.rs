//! The bytes of a batch, and which of them are whole lines.

use nethical_core::delivery::{Batch, Refusal};

use super::errors;
use super::schema::Schema;

/// The lines of a batch, one after the other.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) bytes: Vec<u8>,
    /// Where the line of each event ends.
    ends: Vec<usize>,
    /// Events that cannot be read.
    pub(super) refused: Vec<Refusal>,
}

impl Lines {
    /// Write the events as lines; one that cannot be read has none.
    pub(super) fn of(batch: &Batch, schema: Schema) -> Self {
        let size = batch.iter().map(|event| event.json().len() + 1).sum();
        let mut lines = Self { bytes: Vec::with_capacity(size), ..Self::default() };
        for (index, event) in batch.iter().enumerate() {
            match schema.write(event, &mut lines.bytes) {
                Ok(()) => lines.bytes.push(b'\n'),
                Err(error) => lines.refused.push(Refusal { index, error: errors::unreadable(&error) }),
            }
            lines.ends.push(lines.bytes.len());
        }
        lines
    }

    /// How many events stand whole in the first `bytes`.
    pub(super) fn whole(&self, bytes: usize) -> usize {
        self.ends.partition_point(|&end| end <= bytes)
    }

    /// Where the last line ends that starts at `start` or later and is whole within `room` bytes from there.
    pub(super) fn fitting(&self, start: usize, room: u64) -> usize {
        let limit = start.saturating_add(usize::try_from(room).unwrap_or(usize::MAX));
        let count = self.whole(limit);
        count.checked_sub(1).and_then(|last| self.ends.get(last)).map_or(start, |&end| end.max(start))
    }

    /// Where the line ends that starts at `start`.
    pub(super) fn next(&self, start: usize) -> usize {
        self.ends.get(self.whole(start)).copied().unwrap_or(self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use nethical_core::event::{Event, EventId, Family, Level, Timestamp};

    use super::*;

    fn batch(lines: &[&str]) -> Batch {
        let event = |json: &&str| {
            Event::new(EventId::new(), Timestamp::now(), Level::Info, Family::Logs, json.as_bytes())
        };
        lines.iter().map(event).collect()
    }

    #[test]
    fn counts_whole_lines_only() {
        let lines = Lines::of(&batch(&["{}", "{\"a\":1}", "{}"]), Schema::Nethical);
        assert_eq!(lines.bytes, b"{}\n{\"a\":1}\n{}\n");
        let counts: Vec<_> = (0..=lines.bytes.len()).map(|bytes| lines.whole(bytes)).collect();
        assert_eq!(counts, [0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3]);
    }

    #[test]
    fn pieces_end_with_a_line() {
        let lines = Lines::of(&batch(&["{}", "{\"a\":1}", "{}"]), Schema::Nethical);
        let ends: Vec<_> = [0, 2, 3, 10, 11, 13, 14, u64::MAX].map(|room| lines.fitting(0, room)).to_vec();
        assert_eq!(ends, [0, 0, 3, 3, 11, 11, 14, 14]);
        assert_eq!([lines.fitting(3, 7), lines.fitting(3, 8), lines.fitting(14, 100)], [3, 11, 14]);
        assert_eq!([lines.next(0), lines.next(3), lines.next(11)], [3, 11, 14]);
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_leaves_no_line() {
        let lines = Lines::of(&batch(&["{}", "damaged"]), Schema::Flat);
        assert_eq!((lines.bytes.len(), lines.refused.len(), lines.whole(0)), (0, 2, 2));
        assert_eq!(lines.refused[1].error.code(), "jsonl.unreadable");
    }
}
