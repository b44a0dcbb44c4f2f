//! The bytes of a batch, and how many of its events a part of them holds.

use nethical_core::delivery::Batch;

/// The events as whole lines.
pub(super) fn lines(batch: &Batch) -> Vec<u8> {
    let size = batch.iter().map(|event| event.json().len() + 1).sum();
    let mut lines = Vec::with_capacity(size);
    for event in batch.iter() {
        lines.extend_from_slice(event.json());
        lines.push(b'\n');
    }
    lines
}

/// How many events stand whole in the first `bytes` of [`lines`].
pub(super) fn whole_lines(batch: &Batch, bytes: usize) -> usize {
    let mut end = 0;
    batch
        .iter()
        .take_while(|event| {
            end += event.json().len() + 1;
            end <= bytes
        })
        .count()
}

#[cfg(test)]
mod tests {
    use nethical_core::event::{Event, EventId, Family, Level, Timestamp};

    use super::*;

    #[test]
    fn counts_whole_lines_only() {
        let batch: Batch = ["{}", "{\"a\":1}", "{}"]
            .iter()
            .map(|json| {
                Event::new(EventId::new(), Timestamp::now(), Level::Info, Family::Logs, json.as_bytes())
            })
            .collect();
        let lines = lines(&batch);
        assert_eq!(lines, b"{}\n{\"a\":1}\n{}\n");
        let counts: Vec<_> = (0..=lines.len()).map(|bytes| whole_lines(&batch, bytes)).collect();
        assert_eq!(counts, [0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3]);
    }
}
