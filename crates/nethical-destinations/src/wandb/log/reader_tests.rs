use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::wandb::log::record::{Exit, Kind};

fn record(num: i64, code: i32) -> Vec<u8> {
    let exit = Exit { exit_code: code, runtime: 0, not_complete: false };
    Record { num, kind: Some(Kind::Exit(exit)) }.encode_to_vec()
}

fn file(records: &[Vec<u8>]) -> Vec<u8> {
    let mut out = HEADER.to_vec();
    let mut at = out.len() as u64;
    for record in records {
        at = frame::push(record, at, &mut out);
    }
    out
}

fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn nums(reader: &mut Reader) -> Vec<i64> {
    let mut nums = Vec::new();
    loop {
        match reader.next().unwrap() {
            Next::End => return nums,
            Next::Record(record) => nums.push(record.num),
            Next::Unknown(_) => nums.push(-1),
        }
    }
}

#[test]
fn a_growing_file_is_followed_whatever_piece_has_come() {
    let records: Vec<_> = (1..=40).map(|num| record(num, i32::MAX)).collect();
    let bytes = file(&records);
    let file = written(&bytes[..HEADER.len()]);
    let mut reader = Reader::open(file.path()).unwrap();
    let mut seen = Vec::new();
    for piece in bytes[HEADER.len()..].chunks(5) {
        std::fs::OpenOptions::new().append(true).open(file.path()).unwrap().write_all(piece).unwrap();
        seen.extend(nums(&mut reader));
    }
    assert_eq!(seen, (1..=40).collect::<Vec<_>>());
    assert_eq!((reader.torn(), reader.damage()), (0, Damage::default()));
}

#[test]
fn a_torn_tail_is_counted_and_what_stands_before_it_is_read() {
    let bytes = file(&[record(1, 1), record(2, 2)]);
    let file = written(&bytes[..bytes.len() - 1]);
    let mut reader = Reader::open(file.path()).unwrap();
    assert_eq!(nums(&mut reader), [1]);
    assert!(reader.torn() > 0);
}

#[test]
fn zeros_at_the_end_are_harmless() {
    let mut bytes = file(&[record(1, 1)]);
    bytes.extend([0; 100_000]);
    assert_eq!(nums(&mut Reader::open(written(&bytes).path()).unwrap()), [1]);
}

#[test]
fn damage_costs_one_block_and_is_counted() {
    // Records of about a block each that say nothing.
    let large = |num| {
        let mut bytes = Record { num, kind: None }.encode_to_vec();
        bytes.extend([0x82, 0x01, 0x80, 0xfa, 0x01]);
        bytes.extend(vec![0; 32_000]);
        bytes
    };
    let records: Vec<_> = (1..=3).map(large).chain((4..=6).map(|num| record(num, 0))).collect();
    let mut bytes = file(&records);
    bytes[40_000] ^= 1;
    let file = written(&bytes);
    let mut reader = Reader::open(file.path()).unwrap();
    let seen = nums(&mut reader);
    assert!(seen.ends_with(&[4, 5, 6]), "{seen:?}");
    assert_eq!(reader.damage().places, 1);
    assert!(reader.damage().records >= 1);
}

#[test]
fn records_of_other_kinds_are_passed_over_by_name() {
    // Field 11, telemetry, empty.
    let mut telemetry = Record { num: 2, kind: None }.encode_to_vec();
    telemetry.extend([0x5a, 0x00]);
    let file = written(&file(&[record(1, 0), telemetry, record(3, 0)]));
    let mut reader = Reader::open(file.path()).unwrap();
    assert!(matches!(reader.next().unwrap(), Next::Record(_)));
    assert!(matches!(reader.next().unwrap(), Next::Unknown(Some(11))));
    assert!(matches!(reader.next().unwrap(), Next::Record(_)));
}

#[test]
fn other_files_are_refused() {
    for bytes in [&b""[..], b"short", b":W&B\xe1\xbe\x01"] {
        assert!(Reader::open(written(bytes).path()).is_err(), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn whatever_was_framed_is_read(sizes in prop::collection::vec(0..90_000_usize, 1..8)) {
        let records: Vec<_> = sizes.iter().map(|size| {
            let mut bytes = record(1, 1);
            // Field 16, control, which everybody passes over.
            bytes.extend([0x82, 0x01]);
            prost::encoding::encode_varint(*size as u64, &mut bytes);
            bytes.extend(vec![7; *size]);
            bytes
        }).collect();
        let file = written(&file(&records));
        let mut reader = Reader::open(file.path()).unwrap();
        prop_assert_eq!(nums(&mut reader).len(), sizes.len());
        prop_assert_eq!((reader.torn(), reader.damage().places), (0, 0));
    }

    #[test]
    fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..70_000)) {
        let mut all = HEADER.to_vec();
        all.extend(bytes);
        nums(&mut Reader::open(written(&all).path()).unwrap());
    }
}
