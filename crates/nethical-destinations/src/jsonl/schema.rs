//! Which keys a line has: pure functions from an entry to its line.

mod ecs;
mod flat;
mod otel;

use std::collections::HashSet;

use nethical_core::event::Event;
use schemars::JsonSchema;
use serde::Deserialize;

/// Which keys a line has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Schema {
    /// `timestamp level message source metadata id host pid`, with the metadata as it is.
    #[default]
    Nethical,
    /// Elastic Common Schema, as its loggers write it: metadata under `labels`.
    Ecs,
    /// One OTLP `LogsData` per line, as OpenTelemetry's file exporter writes it.
    Otel,
    /// Those of `nethical`, with the metadata beside them: nested names are joined by dots.
    Flat,
}

impl Schema {
    /// Write the line of an event, without its end.
    ///
    /// # Errors
    /// If the event cannot be read, which only damage can cause.
    pub(super) fn write(self, event: &Event, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        match self {
            Self::Nethical => out.extend_from_slice(event.json()),
            Self::Ecs => ecs::write(&event.log()?, out),
            Self::Otel => otel::write(event.at(), &event.log()?, out),
            Self::Flat => flat::write(&event.log()?, out),
        }
        Ok(())
    }
}

/// A text as JSON, in one line also for readers to whom U+2028 and U+2029 end one.
fn string(out: &mut Vec<u8>, text: &str) {
    if memchr::memmem::find(text.as_bytes(), b"\xe2\x80").is_none() {
        // A vector takes everything.
        let _ = serde_json::to_writer(out, text);
        return;
    }
    let written = serde_json::to_string(text).unwrap_or_default();
    let written = written.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    out.extend_from_slice(written.as_bytes());
}

/// `,"key":` and then a text.
fn field(out: &mut Vec<u8>, key: &str, text: &str) {
    out.push(b',');
    string(out, key);
    out.push(b':');
    string(out, text);
}

fn number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Gives every name once; one that is in use gets `_2`, `_3`, ... at its end.
#[derive(Default)]
struct Names(HashSet<String>);

impl Names {
    fn claim(&mut self, name: &str) -> String {
        let mut free = name.to_owned();
        for count in 2_u64.. {
            if self.0.insert(free.clone()) {
                break;
            }
            free = format!("{name}_{count}");
        }
        free
    }
}

#[cfg(test)]
mod tests;
