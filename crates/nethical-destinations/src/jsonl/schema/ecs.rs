//! Elastic Common Schema (ECS logging specification): `@timestamp`, `log.level` and `message` come first, keys are
//! written with dots, and `labels` holds what is the program's own. Labels are not nested: names of nested values are
//! joined by `_`, which also stands for dots, and lists are JSON in a text.

use nethical_core::event::LogView;

use super::{Names, field, number, string};
use crate::support::members;

/// The version whose fields these are.
const VERSION: &str = "8.11.0";

pub(super) fn write(view: &LogView<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"@timestamp\":");
    string(out, view.timestamp);
    field(out, "log.level", &view.level.as_str().to_ascii_lowercase());
    field(out, "message", &view.message);
    field(out, "ecs.version", VERSION);
    field(out, "log.logger", &view.source);
    field(out, "event.id", view.id.encode(&mut [0; 36]));
    field(out, "host.hostname", &view.host);
    out.extend_from_slice(b",\"process.pid\":");
    number(out, view.pid);
    if view.metadata != "{}" {
        labels(view.metadata, out);
    }
    out.push(b'}');
}

fn labels(metadata: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"labels\":{");
    let (start, mut names) = (out.len(), Names::default());
    members::leaves(metadata, '_', &mut |path, value| {
        if out.len() > start {
            out.push(b',');
        }
        string(out, &names.claim(path.replace('.', "_")));
        out.push(b':');
        if value.starts_with(['[', '{']) {
            string(out, value);
        } else {
            out.extend_from_slice(value.as_bytes());
        }
        true
    });
    out.push(b'}');
}
