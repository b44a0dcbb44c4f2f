//! RFC 3164 as it is in use: `<PRI>TIME HOST TAG[PROCID]: TEXT {METADATA}`.
//!
//! The tag is the source, unless an application name is set. The metadata is one JSON object after the
//! text. A receiver on the same machine expects no host.

use std::io::Write;

use jiff::tz::TimeZone;
use nethical_core::event::{Event, LogView};

use super::{Format, Formatter, text};
use crate::support::members;

/// The longest tag (RFC 3164, section 4.1.3).
const LONGEST_TAG: usize = 32;

/// A value shorter than this is left out rather than cut.
const WORTH_CUTTING: usize = 96;

/// Room for `"_omitted":` with the largest number, and what it needs around it.
const OMITTED: usize = 32;

pub(super) fn write(formatter: &Formatter, event: &Event, view: &LogView<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    header(formatter, event, view, out);
    let json = Some(view.metadata).filter(|json| *json != "{}");
    let room = formatter.max_size.saturating_sub(out.len() - start);
    let json_size = json.map_or(0, |json| json.len() + 1);
    let one_line = formatter.one_line();
    if view.message.len() + json_size < room {
        let before = out.len();
        if !view.message.is_empty() {
            out.push(b' ');
            text::message(out, &view.message, one_line);
        }
        if let Some(json) = json {
            out.push(b' ');
            out.extend_from_slice(json.as_bytes());
        }
        if out.len() - before <= room {
            return;
        }
        out.truncate(before);
    }
    let (_, json_room) = Formatter::share(room.saturating_sub(2), view.message.len(), json_size);
    let mut cut_json = Vec::new();
    match json {
        Some(json) if json.len() < json_room => cut_json.extend_from_slice(json.as_bytes()),
        Some(_) => fitting(view.metadata, json_room, &mut cut_json),
        None => {}
    }
    out.push(b' ');
    text::cut(out, &view.message, room.saturating_sub(2 + cut_json.len()), |out, text| {
        text::message(out, text, one_line);
    });
    if !cut_json.is_empty() {
        out.push(b' ');
        out.extend_from_slice(&cut_json);
    }
}

fn header(formatter: &Formatter, event: &Event, view: &LogView<'_>, out: &mut Vec<u8>) {
    formatter.priority(view, out);
    if formatter.format == Format::Rfc3164 {
        let local = event.at().to_zoned_datetime(TimeZone::system());
        // A vector takes everything.
        let _ = write!(out, "{}", local.strftime("%b %e %H:%M:%S"));
    } else {
        out.extend_from_slice(view.timestamp.as_bytes());
    }
    out.push(b' ');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if !formatter.local {
        let host = if view.host.is_empty() { "localhost" } else { &view.host };
        // An address of IPv6 would be taken for a tag.
        text::clean(out, host, 255, plain);
        out.push(b' ');
    }
    let source = formatter.app_name.as_deref().unwrap_or(&view.source);
    let tag = if source.is_empty() { "nethical" } else { source };
    text::clean(out, tag, LONGEST_TAG, plain);
    out.push(b'[');
    match &formatter.proc_id {
        Some(proc_id) => text::clean(out, proc_id, 128, plain),
        None => text::number(out, view.pid as usize),
    }
    out.extend_from_slice(b"]:");
}

/// The members of an object that fit into `room` bytes, as an object that says how many others there were.
fn fitting(object: &str, room: usize, out: &mut Vec<u8>) {
    let (room, mut omitted) = (room.saturating_sub(OMITTED), 0_usize);
    out.push(b'{');
    members::members(object, &mut |name, value| {
        let start = out.len();
        if start > 1 {
            out.push(b',');
        }
        string(out, name);
        out.push(b':');
        let left = room.saturating_sub(out.len());
        if value.len() <= left {
            out.extend_from_slice(value.as_bytes());
        } else {
            omitted += 1;
            if left < WORTH_CUTTING {
                out.truncate(start);
                return true;
            }
            out.push(b'"');
            // Half of the room is for what comes after.
            text::cut(out, &members::text(value), left / 2 - 2, escape);
            out.push(b'"');
        }
        true
    });
    if omitted > 0 {
        let comma = if out.len() > 1 { "," } else { "" };
        // A vector takes everything.
        let _ = write!(out, "{comma}\"_omitted\":{omitted}");
    }
    out.push(b'}');
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escape(out, text);
    out.push(b'"');
}

/// `text` as it stands between the quotes of a JSON string.
fn escape(out: &mut Vec<u8>, text: &str) {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    out.extend_from_slice(inner.unwrap_or_default().as_bytes());
}
