//! How records stand in a `.wandb` file: a header, then chunks in blocks of 32 KiB.
//!
//! The layout is that of LevelDB's log, with two differences: the header counts as part of the first block,
//! and the checksum is plain CRC-32 (IEEE) over the type and the payload, without LevelDB's mask.

/// `:W&B`, the magic number 0xBEE1 in little-endian order, version 0.
pub(crate) const HEADER: [u8; 7] = [0x3a, b'W', b'&', b'B', 0xe1, 0xbe, 0];

/// Chunks do not cross multiples of this, counted from the start of the file.
pub(super) const BLOCK: u64 = 32_768;

/// Checksum, length and type of a chunk.
pub(super) const CHUNK_HEADER: usize = 7;

/// What part of a record a chunk holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Full = 1,
    First = 2,
    Middle = 3,
    Last = 4,
}

impl Part {
    const fn of(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Full),
            2 => Some(Self::First),
            3 => Some(Self::Middle),
            4 => Some(Self::Last),
            _ => None,
        }
    }

    const fn at(first: bool, last: bool) -> Self {
        match (first, last) {
            (true, true) => Self::Full,
            (true, false) => Self::First,
            (false, false) => Self::Middle,
            (false, true) => Self::Last,
        }
    }
}

/// Appends a record to `out`, which will stand at offset `at` of the file. Returns the offset behind it.
pub(super) fn push(record: &[u8], mut at: u64, out: &mut Vec<u8>) -> u64 {
    let mut rest = record;
    let mut first = true;
    loop {
        let left = left_in_block(at);
        if left < CHUNK_HEADER {
            out.resize(out.len() + left, 0);
            at += left as u64;
            continue;
        }
        let (piece, behind) = rest.split_at(rest.len().min(left - CHUNK_HEADER));
        let part = Part::at(first, behind.is_empty());
        out.extend_from_slice(&checksum(part as u8, piece).to_le_bytes());
        out.extend_from_slice(&(piece.len() as u16).to_le_bytes());
        out.push(part as u8);
        out.extend_from_slice(piece);
        at += (CHUNK_HEADER + piece.len()) as u64;
        (rest, first) = (behind, false);
        if rest.is_empty() {
            return at;
        }
    }
}

/// Bytes up to the end of the block in which `at` stands.
pub(super) const fn left_in_block(at: u64) -> usize {
    (BLOCK - at % BLOCK) as usize
}

fn checksum(part: u8, piece: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[part]);
    hasher.update(piece);
    hasher.finalize()
}

/// What stands at one place of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'b> {
    /// A chunk, and how many bytes it takes with its header.
    Chunk(Part, &'b [u8], usize),
    /// So many bytes of padding.
    Padding(usize),
    /// More bytes are needed to tell.
    Incomplete,
    /// No chunk: its checksum or type is wrong.
    Damaged,
}

/// Looks at the bytes that stand at offset `at`.
pub(super) fn look(bytes: &[u8], at: u64) -> Found<'_> {
    let left = left_in_block(at);
    if left < CHUNK_HEADER {
        return if bytes.len() < left { Found::Incomplete } else { Found::Padding(left) };
    }
    let Some((head, rest)) = bytes.split_at_checked(CHUNK_HEADER) else { return Found::Incomplete };
    let &[a, b, c, d, low, high, kind] = head else { return Found::Incomplete };
    if head == [0; CHUNK_HEADER] {
        return if bytes.len() < left { Found::Incomplete } else { Found::Padding(left) };
    }
    let length = usize::from(u16::from_le_bytes([low, high]));
    let Some(part) = Part::of(kind).filter(|_| CHUNK_HEADER + length <= left) else { return Found::Damaged };
    let Some(piece) = rest.get(..length) else { return Found::Incomplete };
    if checksum(kind, piece) != u32::from_le_bytes([a, b, c, d]) {
        return Found::Damaged;
    }
    Found::Chunk(part, piece, CHUNK_HEADER + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_cut_at_the_ends_of_blocks() {
        let record = vec![7; 100_000];
        let mut file = HEADER.to_vec();
        let end = push(&record, file.len() as u64, &mut file);
        assert_eq!(end, file.len() as u64);
        let (mut at, mut read, mut parts) = (HEADER.len(), Vec::new(), Vec::new());
        while at < file.len() {
            let Found::Chunk(part, piece, length) = look(&file[at..], at as u64) else { panic!("at {at}") };
            read.extend_from_slice(piece);
            parts.push(part);
            at += length;
        }
        assert_eq!(read, record);
        assert_eq!(parts, [Part::First, Part::Middle, Part::Middle, Part::Last]);
    }

    #[test]
    fn too_little_room_for_a_head_is_filled_with_zeros() {
        for left in 1..CHUNK_HEADER {
            let at = BLOCK - left as u64;
            let mut out = Vec::new();
            push(b"x", at, &mut out);
            assert_eq!(look(&out, at), Found::Padding(left));
            assert_eq!(look(&out[left..], BLOCK), Found::Chunk(Part::Full, b"x", 8));
        }
        let mut out = Vec::new();
        push(b"x", BLOCK - 7, &mut out);
        assert_eq!(look(&out, BLOCK - 7), Found::Chunk(Part::First, b"", 7), "a head alone fits");
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let mut out = Vec::new();
        push(b"some record", 7, &mut out);
        for bit in 0..out.len() * 8 {
            let mut flipped = out.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(look(&flipped, 7), Found::Chunk(..)), "bit {bit}");
        }
    }
}
