//! Lines, and the entries that JSON lines describe.

use std::io::{self, BufRead, Read};

use nethical::event::Timestamp;
use nethical::{Level, LogEntry, Metadata};
use serde_json::{Map, Value};

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

/// The entry that an object describes, and whether its time or level cannot be read and so stays in
/// the metadata. What it does not say is as the command says.
pub(super) fn entry_of(
    mut object: Map<String, Value>,
    level: Level,
    source: &str,
    metadata: &Metadata,
) -> (LogEntry, bool) {
    let mut entry = LogEntry::new(level, text(object.remove("message")), source);
    if let Some(source) = object.remove("source") {
        entry.source = text(Some(source));
    }
    let mut odd = false;
    odd |= !take(&mut object, "timestamp", |at| at.parse::<Timestamp>().ok(), &mut entry.timestamp);
    odd |= !take(&mut object, "level", |level| level.parse().ok(), &mut entry.level);
    let as_id = |id: &str| serde_json::from_value(Value::from(id)).ok();
    take(&mut object, "id", as_id, &mut entry.id);
    let own = metadata.iter().map(|(key, value)| (key.to_owned(), value.clone()));
    let mut all: Map<_, _> = own.collect();
    match object.remove("metadata") {
        Some(Value::Object(inner)) => all.extend(inner),
        Some(Value::Null) | None => {}
        Some(other) => drop(all.insert("metadata".to_owned(), other)),
    }
    all.extend(object);
    (entry.with(all.into()), odd)
}

fn text(value: Option<Value>) -> String {
    match value {
        Some(Value::String(text)) => text,
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// Take a key whose text can be read. `false`: it is there and cannot, so it stays.
fn take<T>(
    object: &mut Map<String, Value>,
    key: &str,
    read: impl Fn(&str) -> Option<T>,
    into: &mut T,
) -> bool {
    match object.get(key) {
        None => return true,
        Some(value) => match value.as_str().and_then(read) {
            None => return false,
            Some(read) => *into = read,
        },
    }
    // The rest keeps its order.
    object.shift_remove(key);
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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

    fn entry(value: &Value) -> (LogEntry, bool) {
        let metadata = Metadata::new().with("host", "a").with("dc", "x");
        entry_of(value.as_object().unwrap().clone(), Level::Info, "shell", &metadata)
    }

    #[test]
    fn the_own_shape_comes_back() {
        let (made, odd) = entry(&json!({"timestamp": "2026-03-01T12:34:56.123456Z", "level": "warn",
            "message": "m", "source": "s", "metadata": {"host": "b", "n": [1]},
            "id": "01993e1c-0000-7000-8000-000000000001", "pid": 7}));
        assert!(!odd);
        assert_eq!((made.level, &*made.message, &*made.source), (Level::Warning, "m", "s"));
        assert_eq!(made.timestamp.to_string(), "2026-03-01T12:34:56.123456Z");
        let metadata = made.to_json();
        assert!(metadata.contains(r#""metadata":{"host":"b","dc":"x","n":[1],"pid":7}"#), "{metadata}");
        assert!(made.to_json().contains("01993e1c-0000-7000-8000-000000000001"));
    }

    #[test]
    fn what_cannot_be_read_stays_in_the_metadata() {
        let (made, odd) =
            entry(&json!({"level": 30, "timestamp": "noon", "metadata": 5, "message": {"a": 1}}));
        assert!(odd);
        assert_eq!((made.level, &*made.message, &*made.source), (Level::Info, r#"{"a":1}"#, "shell"));
        for (key, value) in [("level", json!(30)), ("timestamp", json!("noon")), ("metadata", json!(5))] {
            assert_eq!(made.metadata.get(key), Some(&value));
        }
    }
}
