//! Everything at the top: for tools that know columns. A metadata name that is one of ours has `metadata.` before it.

use nethical_core::event::LogView;

use super::{Names, field, number, string};
use crate::support::members;

/// What stands beside the metadata.
const OURS: [&str; 7] = ["timestamp", "level", "message", "source", "id", "host", "pid"];

pub(super) fn write(view: &LogView<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"timestamp\":");
    string(out, view.timestamp);
    field(out, "level", view.level.as_str());
    field(out, "message", &view.message);
    field(out, "source", &view.source);
    let mut names = Names::default();
    members::leaves(view.metadata, '.', &mut |path, value| {
        let wanted = if OURS.contains(&path) { format!("metadata.{path}") } else { path.to_owned() };
        out.push(b',');
        string(out, &names.claim(wanted));
        out.push(b':');
        out.extend_from_slice(value.as_bytes());
        true
    });
    field(out, "id", view.id.encode(&mut [0; 36]));
    field(out, "host", &view.host);
    out.extend_from_slice(b",\"pid\":");
    number(out, view.pid);
    out.push(b'}');
}
