//! RFC 5424: `<PRI>1 TIME HOST APP PROCID MSGID [nethical@PEN ...][meta@PEN ...] TEXT`.
//!
//! The element `nethical` holds the id of the event, the source if APP-NAME is not exactly that, and
//! what had to be cut; `meta` holds the metadata. There is no BOM before the text: rsyslog keeps it.

use nethical_core::event::LogView;

use super::metadata::{JOINT, Names};
use super::{Formatter, text};
use crate::support::members;

/// Room for `truncated`, `length` and `omitted` with the largest numbers.
const NOTES: usize = 80;

/// A value shorter than this is left out rather than cut.
const WORTH_CUTTING: usize = 96;

/// The longest source that stands in structured data.
const LONGEST_SOURCE: usize = 255;

pub(super) fn write(formatter: &Formatter, view: &LogView<'_>, names: &mut Names, out: &mut Vec<u8>) {
    let start = out.len();
    header(formatter, view, out);
    let head = out.len();
    own(formatter, view, out, &Notes::default());
    let limit = formatter.max_size;
    let params_start = out.len();
    let omitted = element(formatter, out, |out| {
        names.clear();
        params(formatter, view.metadata, limit, names, out, false)
    });
    let meta = out.len() - params_start;
    if omitted == 0 && out.len() - start + view.message.len() < limit {
        let before = out.len();
        body(formatter, &view.message, out);
        if out.len() - start <= limit {
            return;
        }
        out.truncate(before);
    }
    out.truncate(head);
    let wanted = if omitted > 0 { usize::MAX } else { meta };
    write_cut(formatter, view, head - start, wanted, names, out);
}

fn header(formatter: &Formatter, view: &LogView<'_>, out: &mut Vec<u8>) {
    formatter.priority(view, out);
    out.extend_from_slice(b"1 ");
    out.extend_from_slice(view.timestamp.as_bytes());
    out.push(b' ');
    text::field(out, &view.host, 255);
    text::field(out, formatter.app_name.as_deref().unwrap_or(&view.source), 48);
    match &formatter.proc_id {
        Some(proc_id) => text::field(out, proc_id, 128),
        None => {
            text::number(out, view.pid as usize);
            out.push(b' ');
        }
    }
    text::field(out, formatter.msg_id.as_deref().unwrap_or_default(), 32);
}

/// What had to be cut.
#[derive(Default)]
struct Notes {
    truncated: bool,
    /// Bytes of the text as it was, if it was cut.
    length: Option<usize>,
    /// How many values were left out.
    omitted: usize,
}

fn own(formatter: &Formatter, view: &LogView<'_>, out: &mut Vec<u8>, notes: &Notes) {
    out.extend_from_slice(b"[nethical@");
    text::number(out, formatter.enterprise_id as usize);
    out.extend_from_slice(b" id=\"");
    out.extend_from_slice(view.id.encode(&mut [0; 36]).as_bytes());
    out.push(b'"');
    let source_room = source_room(formatter);
    if source_room > 0 && !is_app_name(formatter, &view.source) {
        out.extend_from_slice(b" source=\"");
        text::cut(out, &view.source, source_room, |out, text| {
            text::value(out, text, formatter.one_line());
        });
        out.push(b'"');
    }
    if notes.truncated {
        out.extend_from_slice(b" truncated=\"1\"");
    }
    for (name, count) in
        [(&b"length"[..], notes.length), (b"omitted", Some(notes.omitted).filter(|n| *n > 0))]
    {
        if let Some(count) = count {
            out.push(b' ');
            out.extend_from_slice(name);
            out.extend_from_slice(b"=\"");
            text::number(out, count);
            out.push(b'"');
        }
    }
    out.push(b']');
}

/// A header of the longest fields leaves no room in the smallest messages.
fn source_room(formatter: &Formatter) -> usize {
    if formatter.max_size < 1_024 { 0 } else { LONGEST_SOURCE.min(formatter.max_size / 16) }
}

/// Whether APP-NAME says what the source is.
fn is_app_name(formatter: &Formatter, source: &str) -> bool {
    formatter.app_name.as_deref().is_none_or(|name| name == source)
        && source.len() <= 48
        && source.bytes().all(|byte| byte.is_ascii_graphic())
        && source != "-"
}

/// Write the metadata as parameters, at most `room` bytes; with `cut` a value that is too long is cut. Returns how
/// many values were left out or cut.
fn params(
    formatter: &Formatter,
    metadata: &str,
    room: usize,
    names: &mut Names,
    out: &mut Vec<u8>,
    cut: bool,
) -> usize {
    if metadata == "{}" {
        return 0;
    }
    let (first, mut lost) = (out.len(), 0);
    let write_value = |out: &mut Vec<u8>, text: &str| text::value(out, text, formatter.one_line());
    members::leaves(metadata, JOINT, &mut |path, value| {
        let start = out.len();
        let used = start - first;
        if used >= room {
            lost += 1;
            return cut;
        }
        out.push(b' ');
        names.write(out, path);
        out.extend_from_slice(b"=\"");
        let left = room.saturating_sub(out.len() - first + 1);
        let text = members::text(value);
        let before = out.len();
        if text.len() <= left {
            write_value(out, &text);
        }
        if text.len() > left || out.len() - before > left {
            out.truncate(before);
            lost += 1;
            if left < WORTH_CUTTING || !cut {
                out.truncate(start);
                return cut;
            }
            // Half of the room is for what comes after.
            text::cut(out, &text, left / 2, write_value);
        }
        out.push(b'"');
        true
    });
    lost
}

/// The element with what `write` puts into it; none if that is nothing. Returns what `write` does.
fn element<T>(formatter: &Formatter, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let start = out.len();
    out.extend_from_slice(b"[meta@");
    text::number(out, formatter.enterprise_id as usize);
    let empty = out.len();
    let written = write(out);
    if out.len() == empty {
        out.truncate(start);
    } else {
        out.push(b']');
    }
    written
}

fn body(formatter: &Formatter, message: &str, out: &mut Vec<u8>) {
    if !message.is_empty() {
        out.push(b' ');
        text::message(out, message, formatter.one_line());
    }
}

/// The same within the largest size. The metadata wants this much of the room.
fn write_cut(
    formatter: &Formatter,
    view: &LogView<'_>,
    head: usize,
    wanted: usize,
    names: &mut Names,
    out: &mut Vec<u8>,
) {
    let mut around = Vec::new();
    element(formatter, &mut around, |out| out.push(b' '));
    own(formatter, view, &mut around, &Notes::default());
    let room = formatter.max_size.saturating_sub(head + around.len() + NOTES + 1);
    let (_, meta_room) = Formatter::share(room, view.message.len(), wanted.min(room));
    let mut meta = Vec::new();
    names.clear();
    let omitted = params(formatter, view.metadata, meta_room, names, &mut meta, true);
    let mut message = Vec::new();
    let cut = text::cut(&mut message, &view.message, room.saturating_sub(meta.len()), |out, text| {
        text::message(out, text, formatter.one_line());
    });
    let notes = Notes { truncated: cut || omitted > 0, length: cut.then_some(view.message.len()), omitted };
    own(formatter, view, out, &notes);
    element(formatter, out, |out| out.extend_from_slice(&meta));
    if !message.is_empty() {
        out.push(b' ');
        out.extend_from_slice(&message);
    }
}
