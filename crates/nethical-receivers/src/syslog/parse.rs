//! A strict reading of RFC 5424, and a usual one of RFC 3164.

use std::collections::HashSet;
use std::fmt;

/// One syslog message. A field that was `-` or not there is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Facility and severity.
    pub priority: u8,
    /// Whether it is RFC 5424; otherwise RFC 3164.
    pub is_5424: bool,
    /// As written.
    pub timestamp: Option<String>,
    /// The machine.
    pub host: Option<String>,
    /// The program: APP-NAME, or the tag of RFC 3164.
    pub app_name: Option<String>,
    /// The process.
    pub proc_id: Option<String>,
    /// The kind of message.
    pub msg_id: Option<String>,
    /// Structured data, in order.
    pub structured: Vec<Element>,
    /// The text for people.
    pub text: String,
}

/// One element of structured data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Its SD-ID.
    pub id: String,
    /// Names and values, in order.
    pub params: Vec<(String, String)>,
}

impl Message {
    /// Facility, 0 to 23.
    pub const fn facility(&self) -> u8 {
        self.priority / 8
    }

    /// Severity, 0 to 7.
    pub const fn severity(&self) -> u8 {
        self.priority % 8
    }

    /// The value of a parameter of the first element whose id, up to `@`, is `element`.
    pub fn param(&self, element: &str, name: &str) -> Option<&str> {
        let of = |id: &str| id.split('@').next().is_some_and(|id| id == element);
        let element = self.structured.iter().find(|one| of(&one.id))?;
        element.params.iter().find_map(|(key, value)| (key == name).then_some(value.as_str()))
    }
}

/// What is wrong with a message, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    what: &'static str,
    at: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

impl std::error::Error for Malformed {}

type Result<T> = std::result::Result<T, Malformed>;

/// Read one message, without its framing.
///
/// # Errors
/// Anything that RFC 5424 forbids, or that a real receiver would misread.
pub fn parse(bytes: &[u8]) -> Result<Message> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Malformed { what: "invalid UTF-8", at: error.valid_up_to() })?;
    let mut reader = Reader { text, at: 0 };
    let priority = reader.priority()?;
    if reader.eat("1 ") { reader.rfc5424(priority) } else { reader.rfc3164(priority) }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    const fn fail<T>(&self, what: &'static str) -> Result<T> {
        Err(Malformed { what, at: self.at })
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn expect(&mut self, token: &str, what: &'static str) -> Result<()> {
        if self.eat(token) { Ok(()) } else { self.fail(what) }
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|found| !fits(found)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn priority(&mut self) -> Result<u8> {
        self.expect("<", "no `<`")?;
        let digits = self.take_while(|found| found.is_ascii_digit());
        let value = digits.parse().ok().filter(|value| *value < 192);
        let Some(value) = value.filter(|_| digits == "0" || !digits.starts_with('0')) else {
            return self.fail("not a priority");
        };
        self.expect(">", "no `>`")?;
        Ok(value)
    }

    /// A header field of visible ASCII with a space after it.
    fn field(&mut self, longest: usize) -> Result<Option<String>> {
        let field = self.take_while(|found| found.is_ascii_graphic());
        if field.is_empty() || field.len() > longest {
            return self.fail("an empty, too long or unclean header field");
        }
        self.expect(" ", "no space after a header field")?;
        Ok((field != "-").then(|| field.to_owned()))
    }

    fn rfc5424(&mut self, priority: u8) -> Result<Message> {
        let timestamp = self.field(32)?;
        if timestamp.as_deref().is_some_and(|stamp| !is_timestamp(stamp)) {
            return self.fail("not an RFC 5424 timestamp before this");
        }
        let (host, app_name) = (self.field(255)?, self.field(48)?);
        let (proc_id, msg_id) = (self.field(128)?, self.field(32)?);
        let structured = self.structured()?;
        if !self.rest().is_empty() {
            self.expect(" ", "no space before the message")?;
        }
        let text = self.rest().to_owned();
        Ok(Message { priority, is_5424: true, timestamp, host, app_name, proc_id, msg_id, structured, text })
    }

    fn structured(&mut self) -> Result<Vec<Element>> {
        let mut elements: Vec<Element> = Vec::new();
        if self.eat("-") {
            return Ok(elements);
        }
        while self.eat("[") {
            let id = self.name()?;
            if elements.iter().any(|other| other.id == id) {
                return self.fail("an SD-ID that is there twice");
            }
            elements.push(Element { id, params: self.params()? });
        }
        if elements.is_empty() { self.fail("no structured data") } else { Ok(elements) }
    }

    fn params(&mut self) -> Result<Vec<(String, String)>> {
        let (mut params, mut names) = (Vec::new(), HashSet::new());
        while !self.eat("]") {
            self.expect(" ", "no space before a parameter")?;
            let name = self.name()?;
            if !names.insert(name.clone()) {
                return self.fail("a PARAM-NAME that is there twice");
            }
            self.expect("=\"", "no `=\"` after a name")?;
            params.push((name, self.value()?));
        }
        Ok(params)
    }

    /// Of the names that RFC 5424 allows, those that every receiver reads alike: without dots.
    fn name(&mut self) -> Result<String> {
        let fits = |found: char| found.is_ascii_alphanumeric() || "_/:@-".contains(found);
        let name = self.take_while(fits);
        if name.is_empty() || name.len() > 32 {
            return self.fail("a name that is empty, longer than 32 or unclean");
        }
        Ok(name.to_owned())
    }

    fn value(&mut self) -> Result<String> {
        let mut value = String::new();
        loop {
            value.push_str(self.take_while(|found| !matches!(found, '"' | '\\' | ']')));
            if self.eat("\"") {
                return Ok(value);
            }
            if !self.eat("\\") {
                return self.fail("an unescaped `]`, or the end, in a value");
            }
            match self.rest().chars().next() {
                Some(found @ ('"' | '\\' | ']')) => {
                    self.at += 1;
                    value.push(found);
                }
                _ => value.push('\\'),
            }
        }
    }

    /// `Mmm dd hh:mm:ss` or an RFC 3339 timestamp, a host unless the tag comes first, a tag, the text.
    fn rfc3164(&mut self, priority: u8) -> Result<Message> {
        let timestamp = match self.rest().get(..15).filter(|stamp| is_old_timestamp(stamp)) {
            Some(stamp) => {
                self.at += 15;
                self.expect(" ", "no space after the timestamp")?;
                Some(stamp.to_owned())
            }
            None => self.field(32)?,
        };
        if timestamp.as_deref().is_none_or(|stamp| !is_old_timestamp(stamp) && !is_timestamp(stamp)) {
            return self.fail("not a timestamp before this");
        }
        let first = self.rest().split(' ').next().unwrap_or_default();
        let host = if first.contains(':') { None } else { self.field(255)? };
        let tag = self.take_while(|found| found.is_ascii_alphanumeric() || "_.-".contains(found));
        if tag.is_empty() || tag.len() > 32 {
            return self.fail("an empty, too long or unclean tag");
        }
        let mut proc_id = None;
        if self.eat("[") {
            proc_id = Some(self.take_while(|found| found.is_ascii_graphic() && found != ']').to_owned());
            self.expect("]", "no `]` after the process")?;
        }
        self.expect(":", "no `:` after the tag")?;
        let text = self.rest().strip_prefix(' ').unwrap_or(self.rest()).to_owned();
        let app_name = Some(tag.to_owned());
        Ok(Message { priority, timestamp, host, app_name, proc_id, text, ..Message::default() })
    }
}

/// `2026-03-01T12:34:56.123456Z`, with up to six digits of the second and an offset in the place of `Z`.
fn is_timestamp(text: &str) -> bool {
    let (date_time, rest) = text.split_at_checked(19).unwrap_or((text, ""));
    let digits: String = date_time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let zone = match rest.strip_prefix('.') {
        Some(rest) => {
            let count = rest.chars().take_while(char::is_ascii_digit).count();
            rest.get(count..).filter(|_| (1..=6).contains(&count)).unwrap_or_default()
        }
        None => rest,
    };
    let offset: String = zone.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let second_is_real = date_time.get(17..).is_some_and(|second| second < "60");
    digits == "0000-00-00T00:00:00" && second_is_real && matches!(&*offset, "Z" | "+00:00" | "-00:00")
}

/// `Mmm dd hh:mm:ss`, the day padded with a space.
fn is_old_timestamp(text: &str) -> bool {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let digits: String = text.chars().skip(3).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    MONTHS.iter().any(|month| text.starts_with(month))
        && matches!(&*digits, " 00 00:00:00" | "  0 00:00:00")
        && !text.contains(" 0 ")
        && text.get(4..5) != Some("0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfcs() {
        let message =
            parse(b"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time").unwrap();
        assert_eq!((message.facility(), message.severity()), (20, 5));
        assert_eq!((message.host.as_deref(), message.proc_id.as_deref()), (Some("192.0.2.1"), Some("8710")));
        let message =
            parse(br#"<165>1 - - evntslog - ID47 [a@32473 iut="3" s="\"\\\]"][b@32473] x"#).unwrap();
        assert_eq!((message.param("a", "s"), message.text.as_str()), (Some("\"\\]"), "x"));
        assert_eq!(message.structured[1].params, []);
        let message = parse(b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed").unwrap();
        assert_eq!((message.app_name.as_deref(), message.text.as_str()), (Some("su"), "'su root' failed"));
        let message = parse(b"<34>Oct  1 22:14:15 cron[7]: x").unwrap();
        assert_eq!((message.host, message.proc_id.as_deref()), (None, Some("7")));
    }

    #[test]
    fn what_receivers_misread_is_refused() {
        for wrong in [
            "<192>1 - - - - - - x",
            "<01>1 - - - - - - x",
            "<1>1 2026-03-01t12:34:56z - - - - - x",
            "<1>1 2026-03-01T12:34:60Z - - - - - x",
            "<1>1 2026-03-01T12:34:56.1234567Z - - - - - x",
            "<1>1 2026-03-01T12:34:56+0200 - - - - - x",
            "<1>1 - - é - - - x",
            "<1>1 - - - - - [a a.b=\"1\"] x",
            "<1>1 - - - - - [a a=\"1\" a=\"2\"] x",
            "<1>1 - - - - - [a][a] x",
            "<1>1 - - - - - [a a=\"]\"] x",
            "<1>1 - - - - - [a a=\"1\" ] x",
            "<1>Oct 01 22:14:15 host tag: x",
            "<1>Oct 11 22:14:15 host a/b: x",
        ] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
