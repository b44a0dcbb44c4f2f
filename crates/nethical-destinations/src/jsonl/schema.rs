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

/// A text as JSON.
fn string(out: &mut Vec<u8>, text: &str) {
    // A vector takes everything.
    let _ = serde_json::to_writer(out, text);
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
    fn claim(&mut self, name: String) -> String {
        let mut free = name.clone();
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
