//! One event on disk.
//!
//! ```text
//! marker  u32   the random marker of the segment
//! check   u32   CRC-32 over the payload and then the head behind this field, bound to marker and file offset
//! length  u32   of the whole frame, this head included
//! seq     u64   position in the log, never used twice
//! time    u64   microseconds since 1970, when the event was accepted
//! count   u16   destinations, then as many u16 ids
//! payload       the rest
//! ```
//!
//! All numbers are little-endian. The marker is drawn anew for each segment, and it and the offset are folded
//! into the checksum, so a frame is valid in the one place it was written to: bytes left over from another
//! file, or moved inside the same one, never pass as live. The marker is also what a reader looks for to find
//! its feet again behind damage.
//!
//! The checksum is the larger part of the work, so it is not the writer's: a caller of `append` sums up its
//! payload before it has anything to do with others, then encodes the frame into the shared buffer, and the
//! writer binds it to the place where it will lie. The payload comes first in the sum because the rest is not
//! known until the caller has the lock.

use crc32fast::Hasher;

use super::codec::{Fields, put};
use super::{DestinationId, Seq};

/// Bytes before the destination ids.
pub(super) const HEAD: usize = 30;

/// The largest frame that is written, and so the largest that is believed.
pub(super) const MAX_FRAME: usize = 8 * 1024 * 1024;

const CHECK_AT: usize = 4;
const LENGTH_AT: usize = 8;

/// Stands where the marker will, until a frame has a place; no segment has it.
pub(super) const NOWHERE: u32 = 0;

/// What is appended, in two parts that need not lie beside each other, and its checksum so far.
#[derive(Clone)]
pub(super) struct Payload<'a> {
    parts: [&'a [u8]; 2],
    sum: Hasher,
}

impl<'a> Payload<'a> {
    pub(super) fn new(parts: [&'a [u8]; 2]) -> Self {
        let mut sum = Hasher::new();
        parts.iter().for_each(|part| sum.update(part));
        Self { parts, sum }
    }

    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }
}

/// A frame inside somebody's buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) seq: Seq,
    pub(super) time: u64,
    pub(super) payload: &'a [u8],
    /// Bytes of the whole frame.
    pub(super) length: usize,
    ids: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The destinations the event is for.
    pub(super) fn destinations(&self) -> impl Iterator<Item = DestinationId> + use<'a> {
        self.ids.as_chunks::<2>().0.iter().map(|id| DestinationId(u16::from_le_bytes(*id)))
    }

    pub(super) fn is_for(&self, destination: DestinationId) -> bool {
        self.ids.as_chunks::<2>().0.contains(&destination.0.to_le_bytes())
    }

    /// Reads a frame without checking that it is one; `None` when the fields do not even fit.
    pub(super) fn unchecked(bytes: &'a [u8]) -> Option<Self> {
        let length = declared_length(bytes)?;
        let mut fields = Fields::new(bytes.get(..length)?);
        fields.bytes(LENGTH_AT + 4)?;
        let seq = Seq(fields.u64()?);
        let time = fields.u64()?;
        let count = usize::from(fields.u16()?);
        let ids = fields.bytes(count.checked_mul(2)?)?;
        Some(Self { seq, time, ids, payload: fields.rest(), length })
    }
}

/// What the bytes at an offset turned out to be.
pub(super) enum Parsed<'a> {
    /// A frame that was written exactly here.
    Valid(Frame<'a>),
    /// A frame may begin here, but it takes this many bytes to tell.
    Short(usize),
    /// Not a frame.
    Damaged,
}

/// Judges the bytes that start at `offset` of a segment with this marker.
pub(super) fn parse(bytes: &[u8], marker: u32, offset: u64) -> Parsed<'_> {
    let Some(head) = bytes.get(..HEAD) else { return Parsed::Short(HEAD) };
    let mut fields = Fields::new(head);
    let (Some(found), Some(crc)) = (fields.u32(), fields.u32()) else { return Parsed::Damaged };
    let Some(length) = declared_length(head).filter(|_| found == marker) else { return Parsed::Damaged };
    let Some(bytes) = bytes.get(..length) else { return Parsed::Short(length) };
    let frame = Frame::unchecked(bytes).filter(|frame| {
        frame.seq <= Seq::MAX && crc == sum_of(bytes, frame.payload.len()) ^ place_of(marker, offset)
    });
    frame.map_or(Parsed::Damaged, Parsed::Valid)
}

/// Size of a frame with this payload for so many destinations.
pub(super) fn encoded_len(payload: usize, destinations: usize) -> usize {
    HEAD + 2 * destinations + payload
}

/// Appends a frame that [`place`] completes later. The caller has checked it against [`MAX_FRAME`].
pub(super) fn encode(buffer: &mut Vec<u8>, seq: Seq, time: u64, to: &[DestinationId], payload: &Payload<'_>) {
    let length = encoded_len(payload.len(), to.len());
    buffer.reserve(length);
    let start = buffer.len();
    let mut head = [0; HEAD];
    put(&mut head, LENGTH_AT, &u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    put(&mut head, LENGTH_AT + 4, &seq.0.to_le_bytes());
    put(&mut head, LENGTH_AT + 12, &time.to_le_bytes());
    put(&mut head, LENGTH_AT + 20, &u16::try_from(to.len()).unwrap_or(u16::MAX).to_le_bytes());
    buffer.extend_from_slice(&head);
    for id in to {
        buffer.extend_from_slice(&id.0.to_le_bytes());
    }
    let mut sum = payload.sum.clone();
    sum.update(buffer.get(start + LENGTH_AT..).unwrap_or_default());
    put(buffer, start + CHECK_AT, &sum.finalize().to_le_bytes());
    payload.parts.iter().for_each(|part| buffer.extend_from_slice(part));
}

/// Binds an encoded frame to the place where it is about to be written, also if it has been bound to another one.
pub(super) fn place(frame: &mut [u8], marker: u32, offset: u64) {
    let mut head = Fields::new(frame);
    let (Some(bound), Some(mut sum)) = (head.u32(), head.u32()) else { return };
    if bound != NOWHERE {
        sum = Frame::unchecked(frame).map_or(0, |known| sum_of(frame, known.payload.len()));
    }
    put(frame, 0, &marker.to_le_bytes());
    put(frame, CHECK_AT, &(sum ^ place_of(marker, offset)).to_le_bytes());
}

/// The frames of a buffer that this process encoded itself.
pub(super) fn walk(mut bytes: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    std::iter::from_fn(move || {
        let frame = Frame::unchecked(bytes)?;
        bytes = bytes.get(frame.length..)?;
        Some(frame)
    })
}

/// Offset of the next place in `bytes`, after its first byte, where a frame could begin.
pub(super) fn find_marker(bytes: &[u8], marker: u32) -> Option<usize> {
    let wanted = marker.to_le_bytes();
    bytes.get(1..)?.windows(wanted.len()).position(|window| window == wanted).map(|at| at + 1)
}

fn declared_length(bytes: &[u8]) -> Option<usize> {
    let length = Fields::new(bytes.get(LENGTH_AT..)?).u32()? as usize;
    (HEAD..=MAX_FRAME).contains(&length).then_some(length)
}

/// The checksum of a frame wherever it lies: its payload, then its head.
fn sum_of(frame: &[u8], payload: usize) -> u32 {
    let (head, payload) = frame.split_at_checked(frame.len().saturating_sub(payload)).unwrap_or_default();
    let mut sum = Hasher::new();
    sum.update(payload);
    sum.update(head.get(LENGTH_AT..).unwrap_or_default());
    sum.finalize()
}

/// What a place adds to it: something else for every other offset below 4 GiB.
fn place_of(marker: u32, offset: u64) -> u32 {
    marker ^ offset as u32 ^ ((offset >> 32) as u32).rotate_left(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(offset: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(
            &mut bytes,
            Seq(7),
            99,
            &[DestinationId(1), DestinationId(300)],
            &Payload::new([b"he", b"llo"]),
        );
        place(&mut bytes, 0xABCD, offset);
        bytes
    }

    #[test]
    fn comes_back_as_it_was_written() {
        let bytes = sample(48);
        let Parsed::Valid(frame) = parse(&bytes, 0xABCD, 48) else { panic!("not valid") };
        assert_eq!((frame.seq, frame.time, frame.payload), (Seq(7), 99, &b"hello"[..]));
        assert_eq!(frame.destinations().collect::<Vec<_>>(), [DestinationId(1), DestinationId(300)]);
        assert!(frame.is_for(DestinationId(300)) && !frame.is_for(DestinationId(2)));
    }

    #[test]
    fn is_valid_only_where_it_was_written() {
        let bytes = sample(48);
        assert!(matches!(parse(&bytes, 0xABCD, 49), Parsed::Damaged));
        assert!(matches!(parse(&bytes, 0xABCE, 48), Parsed::Damaged));
    }

    #[test]
    fn can_be_moved_by_who_binds_it_anew() {
        let mut bytes = sample(48);
        place(&mut bytes, 0xABCE, 5 << 32);
        assert!(matches!(parse(&bytes, 0xABCE, 5 << 32), Parsed::Valid(frame) if frame.payload == b"hello"));
        assert!(!matches!(parse(&bytes, 0xABCD, 48), Parsed::Valid(_)));
        place(&mut bytes, 0xABCD, 48);
        assert_eq!(bytes, sample(48));
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let good = sample(48);
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(parse(&bytes, 0xABCD, 48), Parsed::Valid(_)), "bit {bit}");
        }
    }

    #[test]
    fn a_prefix_asks_for_more() {
        let bytes = sample(48);
        assert!(matches!(parse(&bytes[..10], 0xABCD, 48), Parsed::Short(HEAD)));
        assert!(matches!(parse(&bytes[..bytes.len() - 1], 0xABCD, 48), Parsed::Short(n) if n == bytes.len()));
    }
}
