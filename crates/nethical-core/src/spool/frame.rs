//! One event on disk.
//!
//! ```text
//! marker  u32   the random marker of the segment
//! crc     u32   CRC-32 over marker, file offset of the frame, and everything after this field
//! length  u32   of the whole frame, this head included
//! seq     u64   position in the log, never used twice
//! time    u64   microseconds since 1970, when the event was accepted
//! count   u16   destinations, then as many u16 ids
//! payload       the rest
//! ```
//!
//! All numbers are little-endian. The marker is drawn anew for each segment and the offset is part of the
//! checksum, so a frame is valid in the one place it was written to: bytes left over from another file, or
//! moved inside the same one, never pass as live. The marker is also what a reader looks for to find its
//! feet again behind damage.
//!
//! A frame is encoded by the caller of `append`, without marker and checksum, straight into the shared
//! buffer; the writer thread fills those two in once it knows where the frame will lie.

use super::codec::{Fields, put};
use super::{DestinationId, Seq};

/// Bytes before the destination ids.
pub(super) const HEAD: usize = 30;

/// The largest frame that is written, and so the largest that is believed.
pub(super) const MAX_FRAME: usize = 8 * 1024 * 1024;

const LENGTH_AT: usize = 8;

/// What is appended, in two parts that need not lie beside each other.
#[derive(Clone, Copy)]
pub(super) struct Payload<'a>(pub(super) [&'a [u8]; 2]);

impl Payload<'_> {
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|part| part.len()).sum()
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
    if crc != checksum(bytes, marker, offset) {
        return Parsed::Damaged;
    }
    let frame = Frame::unchecked(bytes).filter(|frame| frame.seq <= Seq::MAX);
    frame.map_or(Parsed::Damaged, Parsed::Valid)
}

/// Size of a frame with this payload for so many destinations.
pub(super) fn encoded_len(payload: usize, destinations: usize) -> usize {
    HEAD + 2 * destinations + payload
}

/// Appends a frame that [`place`] completes later. The caller has checked it against [`MAX_FRAME`].
pub(super) fn encode(buffer: &mut Vec<u8>, seq: Seq, time: u64, to: &[DestinationId], payload: Payload<'_>) {
    let length = encoded_len(payload.len(), to.len());
    buffer.reserve(length);
    buffer.extend_from_slice(&[0; LENGTH_AT]);
    buffer.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    buffer.extend_from_slice(&seq.0.to_le_bytes());
    buffer.extend_from_slice(&time.to_le_bytes());
    buffer.extend_from_slice(&u16::try_from(to.len()).unwrap_or(u16::MAX).to_le_bytes());
    for id in to {
        buffer.extend_from_slice(&id.0.to_le_bytes());
    }
    payload.0.iter().for_each(|part| buffer.extend_from_slice(part));
}

/// Binds an encoded frame to the place where it is about to be written.
pub(super) fn place(frame: &mut [u8], marker: u32, offset: u64) {
    let crc = checksum(frame, marker, offset);
    put(frame, 0, &marker.to_le_bytes());
    put(frame, 4, &crc.to_le_bytes());
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

fn checksum(frame: &[u8], marker: u32, offset: u64) -> u32 {
    let mut place = [0; 12];
    put(&mut place, 0, &marker.to_le_bytes());
    put(&mut place, 4, &offset.to_le_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&place);
    crc.update(frame.get(LENGTH_AT..).unwrap_or_default());
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(offset: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&mut bytes, Seq(7), 99, &[DestinationId(1), DestinationId(300)], Payload([b"he", b"llo"]));
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
