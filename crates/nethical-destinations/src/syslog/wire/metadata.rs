//! Metadata as names and values, without building it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

/// The longest PARAM-NAME (RFC 5424, section 6.3.3).
const LONGEST_NAME: usize = 32;

/// Call `visit` with the name and the JSON of each member of an object, in order, until it says `false`.
pub(super) fn members(object: &RawValue, visit: &mut dyn FnMut(&str, &RawValue) -> bool) {
    let mut json = serde_json::Deserializer::from_str(object.get());
    // Metadata is always an object; what is none has no members.
    let _ = json.deserialize_map(Members(visit));
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

struct Members<'v>(&'v mut dyn FnMut(&str, &RawValue) -> bool);

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = map.next_key()? {
            let value: &RawValue = map.next_value()?;
            if !(self.0)(&name, value) {
                return Err(de::Error::custom("enough"));
            }
        }
        Ok(())
    }
}

/// The text of a JSON string; of anything else its JSON.
pub(super) fn text(value: &RawValue) -> Cow<'_, str> {
    if value.get().starts_with('"')
        && let Ok(Text(text)) = serde_json::from_str(value.get())
    {
        return text;
    }
    Cow::Borrowed(value.get())
}

/// Call `visit` with each value that is no object, and the names that lead to it joined by `/`, which
/// both rsyslog and syslog-ng leave alone (a dot would nest). An empty object counts as a value.
pub(super) fn leaves(object: &RawValue, visit: &mut dyn FnMut(&str, &RawValue) -> bool) {
    descend(object, &mut String::new(), visit);
}

fn descend(object: &RawValue, path: &mut String, visit: &mut dyn FnMut(&str, &RawValue) -> bool) -> bool {
    let mut go_on = true;
    members(object, &mut |name, value| {
        let before = path.len();
        if before > 0 {
            path.push('/');
        }
        path.push_str(name);
        let is_parent = value.get().starts_with('{') && value.get() != "{}";
        go_on = if is_parent { descend(value, path, visit) } else { visit(path, value) };
        path.truncate(before);
        go_on
    });
    go_on
}

/// Gives every path a PARAM-NAME of its own: `[A-Za-z0-9_/:@-]`, at most 32 characters. One that must
/// be cut, or is in use, ends in six digits of a hash of the path.
#[derive(Default)]
pub(super) struct Names {
    /// The first of them: looking at all is faster than a hash.
    few: Vec<[u8; LONGEST_NAME]>,
    many: HashSet<[u8; LONGEST_NAME]>,
}

/// How many names are looked at one by one.
const FEW: usize = 24;

impl Names {
    /// Write the name for this path.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, path: &str) {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_/:@-".contains(&byte);
        let start = out.len();
        super::text::clean(out, path, LONGEST_NAME + 1, fits);
        if out.len() == start {
            out.push(b'_');
        }
        let name = out.get(start..).unwrap_or_default();
        if name.len() <= LONGEST_NAME && self.claim(name) {
            return;
        }
        let mut name = name.to_vec();
        out.truncate(start);
        name.truncate(LONGEST_NAME - 7);
        let stem = name.len();
        for salt in 0..=u32::MAX {
            name.truncate(stem);
            name.extend_from_slice(format!("_{:06x}", hash(path, salt) & 0xff_ffff).as_bytes());
            if self.claim(&name) {
                break;
            }
        }
        out.extend_from_slice(&name);
    }

    fn claim(&mut self, name: &[u8]) -> bool {
        let mut padded = [0; LONGEST_NAME];
        padded.iter_mut().zip(name).for_each(|(to, &from)| *to = from);
        if self.few.contains(&padded) {
            return false;
        }
        if self.few.len() < FEW {
            self.few.push(padded);
            return true;
        }
        self.many.insert(padded)
    }
}

/// FNV-1a, so that a name is the same in every process and version.
fn hash(path: &str, salt: u32) -> u32 {
    let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    path.bytes().chain(salt.to_le_bytes()).fold(0x811c_9dc5, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves_of(json: &str) -> Vec<(String, String)> {
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        let mut found = Vec::new();
        leaves(&raw, &mut |path, value| {
            found.push((path.to_owned(), text(value).into_owned()));
            true
        });
        found
    }

    #[test]
    fn objects_open_up_and_lists_stay() {
        let found =
            leaves_of(r#"{"a":{"b":{"c":1.50},"d":"x\n"},"e":[1,{"f":null}],"g":{},"h":null,"i":true}"#);
        let expected = [
            ("a/b/c", "1.50"),
            ("a/d", "x\n"),
            ("e", r#"[1,{"f":null}]"#),
            ("g", "{}"),
            ("h", "null"),
            ("i", "true"),
        ];
        assert_eq!(found, expected.map(|(path, value)| (path.to_owned(), value.to_owned())));
    }

    #[test]
    fn visiting_can_end_early() {
        let raw: Box<RawValue> = serde_json::from_str(r#"{"a":{"b":1,"c":2},"d":3}"#).unwrap();
        let mut seen = 0;
        leaves(&raw, &mut |_, _| {
            seen += 1;
            false
        });
        assert_eq!(seen, 1);
    }

    #[test]
    fn names_never_collide() {
        let mut names = Names::default();
        let mut name = |path: &str| {
            let mut out = Vec::new();
            names.write(&mut out, path);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(name("memory_mb"), "memory_mb");
        assert_eq!(name("a.b c=é\""), "a_b_c___");
        let (first, second) = (name("a.b"), name("a_b"));
        assert_eq!(first, "a_b");
        assert!(second.starts_with("a_b_") && second.len() == 10, "{second}");
        let long = name(&"x".repeat(33));
        assert!(
            long.starts_with(&"x".repeat(25)) && long.len() == 32 && long.as_bytes()[25] == b'_',
            "{long}"
        );
        assert_ne!(name(&"x".repeat(34)), long);
        assert_eq!(name(""), "_");
        assert_eq!(name(&"y".repeat(32)), "y".repeat(32));
    }
}
