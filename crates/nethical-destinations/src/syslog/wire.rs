//! From events to bytes on the wire: pure functions.
//!
//! A message never exceeds the largest size: it is cut before it is counted, on a character, and says
//! so. Metadata gives way first, but keeps half of the room if the text is as long as that.

mod metadata;
mod rfc3164;
mod rfc5424;
mod text;

use nethical_core::delivery::{Batch, Error, Refusal};
use nethical_core::event::{Event, LogView};

use self::metadata::Names;
use super::errors;

/// How a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// RFC 5424.
    Rfc5424,
    /// RFC 3164: the time of day in local time, without a year.
    Rfc3164,
    /// RFC 3164 with an RFC 3339 timestamp, as rsyslog forwards it.
    Rfc3164Iso,
}

/// Where a message ends in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// The length stands before it (RFC 6587, section 3.4.1).
    Octet,
    /// A line feed stands after it (RFC 6587, section 3.4.2). Line ends inside are written as `\n` and `\r`.
    Lf,
    /// One datagram is one message.
    Datagram,
}

/// Writes messages.
#[derive(Debug, Clone)]
pub(super) struct Formatter {
    pub(super) format: Format,
    pub(super) framing: Framing,
    /// Whether the receiver is on this machine and expects no hostname (RFC 3164 only).
    pub(super) local: bool,
    pub(super) facility: u8,
    pub(super) app_name: Option<String>,
    pub(super) proc_id: Option<String>,
    pub(super) msg_id: Option<String>,
    pub(super) enterprise_id: u32,
    /// Most bytes of a message, its framing aside.
    pub(super) max_size: usize,
}

/// The messages of a batch, framed, one after the other.
#[derive(Debug, Default)]
pub(super) struct Frames {
    pub(super) bytes: Vec<u8>,
    /// Where the frame of each event ends.
    ends: Vec<usize>,
    /// Events that cannot be read.
    refused: Vec<(usize, Error)>,
}

impl Frames {
    /// How many events, from the first, have their whole frame in the first `bytes`.
    pub(super) fn whole(&self, bytes: usize) -> usize {
        self.ends.partition_point(|&end| end <= bytes)
    }

    /// How many events there are.
    pub(super) const fn count(&self) -> usize {
        self.ends.len()
    }

    /// The events that cannot be read, and why.
    pub(super) fn unreadable(&self) -> impl Iterator<Item = Refusal> {
        self.refused.iter().map(|(index, error)| Refusal { index: *index, error: error.clone() })
    }

    /// The frame of each event; empty if it cannot be read.
    pub(super) fn each(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| self.bytes.get(start..end).unwrap_or_default())
    }
}

impl Formatter {
    /// The messages of a batch.
    pub(super) fn frames(&self, batch: &Batch) -> Frames {
        let size = batch.iter().map(|event| event.json().len() + 64).sum();
        let mut frames = Frames { bytes: Vec::with_capacity(size), ..Frames::default() };
        let (mut message, mut names) = (Vec::new(), Names::default());
        for (index, event) in batch.iter().enumerate() {
            message.clear();
            match event.log() {
                Ok(view) => {
                    self.write(event, &view, &mut names, &mut message);
                    self.frame(&message, &mut frames.bytes);
                }
                Err(error) => frames.refused.push((index, errors::unreadable(&error))),
            }
            frames.ends.push(frames.bytes.len());
        }
        frames
    }

    fn write(&self, event: &Event, view: &LogView<'_>, names: &mut Names, out: &mut Vec<u8>) {
        match self.format {
            Format::Rfc5424 => rfc5424::write(self, view, names, out),
            Format::Rfc3164 | Format::Rfc3164Iso => rfc3164::write(self, event, view, out),
        }
    }

    fn frame(&self, message: &[u8], out: &mut Vec<u8>) {
        match self.framing {
            Framing::Octet => {
                text::number(out, message.len());
                out.push(b' ');
                out.extend_from_slice(message);
            }
            Framing::Lf => {
                out.extend_from_slice(message);
                out.push(b'\n');
            }
            Framing::Datagram => out.extend_from_slice(message),
        }
    }

    fn priority(&self, view: &LogView<'_>, out: &mut Vec<u8>) {
        out.push(b'<');
        text::number(out, usize::from(self.facility) * 8 + usize::from(view.level.to_syslog()));
        out.push(b'>');
    }

    /// Whether line ends must not stand in a message.
    const fn one_line(&self) -> bool {
        matches!(self.framing, Framing::Lf)
    }

    /// Room for a text and its metadata, which need `text` and `metadata` bytes: how much each gets.
    fn share(room: usize, text: usize, metadata: usize) -> (usize, usize) {
        let metadata = metadata.min(room - text.min(room / 2));
        (room - metadata, metadata)
    }
}

#[cfg(test)]
mod tests;
