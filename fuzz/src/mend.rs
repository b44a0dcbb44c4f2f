//! Checksums made right, so that the bytes behind them are tried as well and not only refused.
//!
//! The first byte of an input says what is mended, so the fuzzer also tries files that are simply damaged.

const HEADER: usize = 48;
const FRAME: usize = 30;
const STRIDE: usize = 20 * 1024;

fn number(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..at + 4).map_or(0, |four| u32::from_le_bytes(four.try_into().unwrap()) as usize)
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}

fn crc(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

/// The file of a log segment, or of dead letters, with this ordinal.
pub fn segment(input: &[u8], ordinal: u64) -> Vec<u8> {
    let Some((what, rest)) = input.split_first() else { return Vec::new() };
    let mut bytes = rest.to_vec();
    let frames_end = if what & 4 == 0 { None } else { footer(&bytes) };
    if what & 1 != 0 && bytes.len() >= HEADER {
        bytes[..8].copy_from_slice(b"NETHICAL");
        bytes[8..12].copy_from_slice(&[1, 0, HEADER as u8, 0]);
        bytes[16..24].copy_from_slice(&ordinal.to_le_bytes());
        let sum = crc(&[&bytes[..44]]);
        put(&mut bytes, 44, sum);
    }
    if what & 2 != 0 {
        let end = frames_end.unwrap_or(bytes.len());
        frames(&mut bytes, end);
    }
    if let Some(start) = frames_end {
        seal(&mut bytes, start);
    }
    bytes
}

fn frames(bytes: &mut [u8], end: usize) {
    let marker = number(bytes, 12) as u32;
    let mut at = HEADER;
    while at + FRAME <= end {
        let length = number(bytes, at + 8);
        if length < FRAME || at + length > end {
            break;
        }
        put(bytes, at, marker);
        let place = [&marker.to_le_bytes()[..], &(at as u64).to_le_bytes()].concat();
        let sum = crc(&[&place, &bytes[at + 8..at + length]]);
        put(bytes, at + 4, sum);
        at += length;
    }
}

/// Where the footer begins that the last bytes speak of.
fn footer(bytes: &[u8]) -> Option<usize> {
    let length = number(bytes, bytes.len().checked_sub(12)?);
    bytes.len().checked_sub(length).filter(|start| *start >= HEADER && length >= 52)
}

fn seal(bytes: &mut [u8], start: usize) {
    let (marker, trailer) = (number(bytes, 12) as u32, bytes.len() - 16);
    bytes[start + 24..start + 32].copy_from_slice(&(start as u64).to_le_bytes());
    let sum = crc(&[&marker.to_le_bytes(), &bytes[start..trailer]]);
    put(bytes, trailer, sum);
    bytes[trailer + 8..].copy_from_slice(b"NETHSEAL");
}

/// The file of a position: three slots, each a third of the input.
pub fn cursor(input: &[u8]) -> Vec<u8> {
    let Some((what, rest)) = input.split_first() else { return Vec::new() };
    let mut file = vec![0; 3 * STRIDE];
    for (slot, part) in rest.chunks(rest.len().div_ceil(3).max(1)).enumerate() {
        let part = &part[..part.len().min(STRIDE)];
        let bytes = &mut file[slot * STRIDE..slot * STRIDE + part.len()];
        bytes.copy_from_slice(part);
        if what & (1 << slot) != 0 && bytes.len() >= 32 {
            put(bytes, 0, 0x5243_544E);
            put(bytes, 8, part.len() as u32);
            bytes[12..16].copy_from_slice(&[1, 0, 0, 0]);
            let sum = crc(&[&bytes[8..]]);
            put(bytes, 4, sum);
        }
    }
    file
}

/// The file of a W&B run log: its header and the checksum of each chunk, up to the first that does not fit.
pub fn run_log(input: &[u8]) -> Vec<u8> {
    const HEAD: [u8; 7] = *b":W&B\xe1\xbe\0";
    const BLOCK: usize = 32 * 1024;
    let Some((what, rest)) = input.split_first() else { return Vec::new() };
    let mut bytes = rest.to_vec();
    if what & 1 != 0 && bytes.len() >= HEAD.len() {
        bytes[..HEAD.len()].copy_from_slice(&HEAD);
    }
    let mut at = HEAD.len();
    while what & 2 != 0 && at + 7 <= bytes.len() {
        let left = BLOCK - at % BLOCK;
        let length = usize::from(u16::from_le_bytes([bytes[at + 4], bytes[at + 5]]));
        if left < 7 {
            at += left;
            continue;
        }
        if 7 + length > left || at + 7 + length > bytes.len() {
            break;
        }
        let sum = crc(&[&bytes[at + 6..at + 7 + length]]);
        put(&mut bytes, at, sum);
        at += 7 + length;
    }
    bytes
}
