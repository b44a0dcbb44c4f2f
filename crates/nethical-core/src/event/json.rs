//! Writing one JSON value, safely: the one place where an event's bytes are made.
//!
//! Whatever a program logs must become a valid line, so nothing here fails. What JSON or a limit
//! cannot hold is repaired in a way that the reader sees, and counted in [`JsonWriter::repairs`]:
//!
//! | given | written |
//! |---|---|
//! | NaN, infinities | the strings `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | bytes that are not UTF-8 | U+FFFD in their place |
//! | a string over [`Limits::max_value_bytes`] | its start, then `…[cut, 1048576 bytes]` |
//! | a key over [`Limits::max_key_bytes`] | its start, then `…` |
//! | nesting over [`Limits::max_depth`] | `"[too deep]"` |
//! | fields past [`Limits::max_entry_bytes`] | left out, counted in `"_omitted"` |
//! | the value of a secret's key | `"[REDACTED]"` (not a repair) |

use crate::event::redact::{self, Redaction};

/// What an entry may hold. A longer one is cut, visibly.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of one string, also of the message. Default 65,536.
    pub max_value_bytes: usize,
    /// Bytes of one key. Default 1,024.
    pub max_key_bytes: usize,
    /// Bytes of the whole entry at which no further field is taken. Default 196,608, so that an
    /// entry with its last value stays under the 256 KiB that every log service takes.
    pub max_entry_bytes: usize,
    /// Levels of nesting in the metadata. Default 64.
    pub max_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_value_bytes: 65_536, max_key_bytes: 1_024, max_entry_bytes: 196_608, max_depth: 64 }
    }
}

/// What becomes of an entry before it leaves the caller.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Which values are hidden.
    pub redaction: Redaction,
    /// How much is kept.
    pub limits: Limits,
}

/// What to do after [`JsonWriter::key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Field {
    /// Write the value now.
    Write,
    /// The value is a secret and was replaced, or the entry is full: go on with the next field.
    Skip,
}

/// Appends JSON to a buffer. Objects and arrays are opened and closed by hand; commas come by themselves.
#[derive(Debug)]
pub struct JsonWriter<'a> {
    out: &'a mut Vec<u8>,
    rules: &'a Rules,
    depth: usize,
    omitted: usize,
    repairs: usize,
}

impl<'a> JsonWriter<'a> {
    /// A writer that appends to `out`, whose present content counts toward the entry's limit.
    pub const fn new(out: &'a mut Vec<u8>, rules: &'a Rules) -> Self {
        Self { out, rules, depth: 0, omitted: 0, repairs: 0 }
    }

    /// How many values had to be changed so far, redactions aside.
    pub const fn repairs(&self) -> usize {
        self.repairs + self.omitted
    }

    /// Count a repair that the caller made itself, such as a number written as text.
    pub const fn repaired(&mut self) {
        self.repairs += 1;
    }

    /// Count fields that the caller left out itself after a [`Field::Skip`] of a full entry.
    pub const fn omit(&mut self, fields: usize) {
        self.omitted += fields;
    }

    /// Bytes that are part of a fixed frame.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// `null`.
    pub fn null(&mut self) {
        self.out.extend_from_slice(b"null");
    }

    /// `true` or `false`.
    pub fn bool(&mut self, value: bool) {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// A whole number.
    pub fn integer(&mut self, value: impl itoa::Integer) {
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// A number with a fraction, in the shortest form that reads back the same.
    pub fn float(&mut self, value: f64) {
        if value.is_finite() {
            self.out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
        } else {
            self.repairs += 1;
            self.string(if value.is_nan() {
                "NaN"
            } else if value > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            });
        }
    }

    /// A string, cut at the limit.
    pub fn string(&mut self, text: &str) {
        let limit = self.rules.limits.max_value_bytes;
        if text.len() <= limit {
            quote(self.out, text);
            return;
        }
        self.repairs += 1;
        let start = cut(text, limit);
        self.out.push(b'"');
        escape(self.out, start);
        self.out.extend_from_slice(format!("…[cut, {} bytes]\"", text.len()).as_bytes());
    }

    /// Text in some bytes, with U+FFFD where they are not UTF-8.
    pub fn string_lossy(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        if matches!(text, std::borrow::Cow::Owned(_)) {
            self.repairs += 1;
        }
        self.string(&text);
    }

    /// Start an object. `false`: nesting is too deep; a mark was written and nothing may follow.
    #[must_use]
    pub fn begin_object(&mut self) -> bool {
        self.begin(b'{')
    }

    /// Start an array. `false`: nesting is too deep; a mark was written and nothing may follow.
    #[must_use]
    pub fn begin_array(&mut self) -> bool {
        self.begin(b'[')
    }

    /// End the object.
    pub fn end_object(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 0 && self.omitted > 0 {
            self.separate(b'{');
            self.out.extend_from_slice(b"\"_omitted\":");
            let omitted = self.omitted;
            self.integer(omitted);
        }
        self.out.push(b'}');
    }

    /// End the array.
    pub fn end_array(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.out.push(b']');
    }

    /// The key of the next field.
    pub fn key(&mut self, key: &str) -> Field {
        if self.is_full() {
            return Field::Skip;
        }
        self.separate(b'{');
        let limit = self.rules.limits.max_key_bytes;
        if key.len() <= limit {
            quote(self.out, key);
        } else {
            self.repairs += 1;
            self.out.push(b'"');
            escape(self.out, cut(key, limit));
            self.out.extend_from_slice("…\"".as_bytes());
        }
        self.out.push(b':');
        if self.rules.redaction.hides(key) {
            quote(self.out, redact::MARK);
            return Field::Skip;
        }
        Field::Write
    }

    /// The next element of an array.
    pub fn element(&mut self) -> Field {
        if self.is_full() {
            return Field::Skip;
        }
        self.separate(b'[');
        Field::Write
    }

    fn is_full(&mut self) -> bool {
        let full = self.out.len() > self.rules.limits.max_entry_bytes;
        self.omitted += usize::from(full);
        full
    }

    fn begin(&mut self, bracket: u8) -> bool {
        if self.depth >= self.rules.limits.max_depth {
            self.repairs += 1;
            quote(self.out, "[too deep]");
            return false;
        }
        self.depth += 1;
        self.out.push(bracket);
        true
    }

    /// A comma, unless `open` was written last. A string cannot be mistaken for it: it ends in `"`.
    fn separate(&mut self, open: u8) {
        if self.out.last() != Some(&open) {
            self.out.push(b',');
        }
    }
}

/// The longest start of `text` that has at most `limit` bytes and ends with a whole character.
fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or_default()
}

/// `text` in quotes, escaped.
pub(crate) fn quote(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escape(out, text);
    out.push(b'"');
}

/// Bytes at which [`escape`] must look: what JSON forbids in a string, DEL, and the first byte of
/// U+2028 and U+2029, which end a line for some readers.
const NOTABLE: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        #[expect(clippy::indexing_slicing, reason = "a constant: checked when it is compiled")]
        {
            table[at] = byte < 0x20 || matches!(byte, b'"' | b'\\' | 0x7f | 0xe2);
        }
        at += 1;
    }
    table
};

fn escape(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) =
        rest.iter().position(|&byte| NOTABLE.get(usize::from(byte)).copied().unwrap_or_default())
    {
        let (plain, tail) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let taken = escape_first(out, tail);
        rest = tail.get(taken..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// Write what stands at the start of `tail`; returns how many bytes that was.
fn escape_first(out: &mut Vec<u8>, tail: &[u8]) -> usize {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match tail {
        [b'"', ..] => out.extend_from_slice(b"\\\""),
        [b'\\', ..] => out.extend_from_slice(b"\\\\"),
        [b'\n', ..] => out.extend_from_slice(b"\\n"),
        [b'\r', ..] => out.extend_from_slice(b"\\r"),
        [b'\t', ..] => out.extend_from_slice(b"\\t"),
        [0xe2, 0x80, 0xa8, ..] => {
            out.extend_from_slice(b"\\u2028");
            return 3;
        }
        [0xe2, 0x80, 0xa9, ..] => {
            out.extend_from_slice(b"\\u2029");
            return 3;
        }
        [0xe2, ..] => out.push(0xe2),
        [control, ..] => {
            out.extend_from_slice(b"\\u00");
            for digit in [control >> 4, control & 15] {
                out.push(HEX.get(usize::from(digit)).copied().unwrap_or(b'0'));
            }
        }
        [] => {}
    }
    1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn write(rules: &Rules, body: impl FnOnce(&mut JsonWriter<'_>)) -> (String, usize) {
        let mut out = Vec::new();
        let mut writer = JsonWriter::new(&mut out, rules);
        body(&mut writer);
        let repairs = writer.repairs();
        (String::from_utf8(out).unwrap(), repairs)
    }

    #[test]
    fn what_json_lacks_becomes_text() {
        for (value, text) in
            [(f64::NAN, "NaN"), (f64::INFINITY, "Infinity"), (f64::NEG_INFINITY, "-Infinity")]
        {
            assert_eq!(write(&Rules::default(), |w| w.float(value)), (format!("\"{text}\""), 1));
        }
        let (text, repairs) = write(&Rules::default(), |w| w.string_lossy(b"a\xffb"));
        assert_eq!((text.as_str(), repairs), ("\"a\u{fffd}b\"", 1));
    }

    #[test]
    fn numbers_read_back() {
        assert_eq!(write(&Rules::default(), |w| w.float(0.1)).0, "0.1");
        assert_eq!(write(&Rules::default(), |w| w.float(1.0)).0, "1.0");
        assert_eq!(write(&Rules::default(), |w| w.integer(u64::MAX)).0, "18446744073709551615");
        assert_eq!(write(&Rules::default(), |w| w.integer(i64::MIN)).0, "-9223372036854775808");
    }

    #[test]
    fn line_ends_and_controls_are_escaped() {
        let (text, repairs) =
            write(&Rules::default(), |w| w.string("a\n\r\t\0\u{1b}\u{7f}\u{2028}\u{2029}é€\"\\"));
        assert_eq!(text, r#""a\n\r\t\u0000\u001b\u007f\u2028\u2029é€\"\\""#);
        assert_eq!(repairs, 0);
    }

    #[test]
    fn a_long_string_is_cut_on_a_character() {
        let rules = Rules { limits: Limits { max_value_bytes: 4, ..Limits::default() }, ..Rules::default() };
        assert_eq!(write(&rules, |w| w.string("abcé")), ("\"abc…[cut, 5 bytes]\"".to_owned(), 1));
        assert_eq!(write(&rules, |w| w.string("abcd")), ("\"abcd\"".to_owned(), 0));
    }

    #[test]
    fn nesting_and_size_are_bounded() {
        let limits = Limits { max_depth: 2, max_entry_bytes: 40, ..Limits::default() };
        let rules = Rules { limits, ..Rules::default() };
        let (text, repairs) = write(&rules, |w| {
            assert!(w.begin_object());
            assert_eq!(w.key("deep"), Field::Write);
            assert!(w.begin_array());
            assert_eq!(w.element(), Field::Write);
            assert!(!w.begin_object());
            w.end_array();
            assert_eq!(w.key("long"), Field::Write);
            w.string("0123456789012345678901234567890123456789");
            assert_eq!(w.key("after"), Field::Skip);
            assert_eq!(w.key("more"), Field::Skip);
            w.end_object();
        });
        let long = "0123456789".repeat(4);
        assert_eq!(text, format!(r#"{{"deep":["[too deep]"],"long":"{long}","_omitted":2}}"#));
        assert_eq!(repairs, 3);
    }

    #[test]
    fn secrets_never_reach_the_buffer() {
        let (text, repairs) = write(&Rules::default(), |w| {
            assert!(w.begin_object());
            assert_eq!(w.key("db_password"), Field::Skip);
            assert_eq!(w.key("user"), Field::Write);
            w.string("root");
            w.end_object();
        });
        assert_eq!(text, r#"{"db_password":"[REDACTED]","user":"root"}"#);
        assert_eq!(repairs, 0);
    }

    proptest! {
        #[test]
        fn every_string_reads_back(text in any::<String>()) {
            let (json, _) = write(&Rules::default(), |w| w.string(&text));
            prop_assert!(!json.contains('\n'));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn every_float_reads_back(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
            let (json, _) = write(&Rules::default(), |w| w.float(value));
            prop_assert_eq!(json.parse::<f64>().unwrap(), value);
        }
    }
}
