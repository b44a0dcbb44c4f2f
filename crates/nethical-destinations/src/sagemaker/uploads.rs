//! How far the upload of an artifact has come. Of a copy of ours this is also kept in a file beside it, so that a later
//! process goes on with the parts that are missing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nethical_core::event::RunArtifact;
use serde::{Deserialize, Serialize};

/// What S3 has of an artifact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Uploads {
    /// Keys that are whole.
    pub(super) done: BTreeSet<String>,
    /// Keys that are being uploaded in parts.
    pub(super) started: BTreeMap<String, Multipart>,
}

/// An upload in parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Multipart {
    pub(super) id: String,
    pub(super) part_bytes: u64,
    /// The parts that S3 has, by their numbers from 1.
    pub(super) parts: BTreeMap<u32, Part>,
}

/// A part that S3 has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) etag: String,
    /// CRC-32, in base64.
    pub(super) crc: String,
}

/// "Part numbers can be any number from 1 to 10,000, inclusive."
const PARTS: u64 = 10_000;
/// "5 MiB to 5 GiB. There is no minimum size limit on the last part."
const PART: u64 = 8 << 20;

/// How large the parts of a file of this size are; a file that is not larger goes in one piece.
pub(super) fn part_bytes(size: u64) -> u64 {
    const STEP: u64 = 1 << 20;
    PART.max(size.div_ceil(PARTS).div_ceil(STEP) * STEP)
}

impl Uploads {
    /// What is known of an artifact from before.
    pub(super) fn read(artifact: &RunArtifact) -> Self {
        let read = || serde_json::from_slice(&fs::read(file(artifact)?).ok()?).ok();
        read().unwrap_or_default()
    }

    /// Keep it, where there is a place for it. The file is replaced as a whole.
    pub(super) fn write(&self, artifact: &RunArtifact) {
        // Without it a later process begins anew.
        let _ = self.try_write(artifact);
    }

    fn try_write(&self, artifact: &RunArtifact) -> io::Result<()> {
        let Some(path) = file(artifact) else { return Ok(()) };
        let fresh = path.with_extension("tmp");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(fresh, path)
    }

    /// The artifact has been delivered.
    pub(super) fn remove(artifact: &RunArtifact) {
        // What is not there needs no removal.
        let _ = file(artifact).map(fs::remove_file);
    }
}

/// Only beside a copy, whose folder is ours.
fn file(artifact: &RunArtifact) -> Option<PathBuf> {
    let name = Path::new(&artifact.source).file_name().filter(|_| artifact.copied)?.to_str()?;
    Some(Path::new(&artifact.source).with_file_name(format!("{name}.upload")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_large_enough_for_any_file() {
        assert_eq!(part_bytes(0), PART);
        assert_eq!(part_bytes(200 << 20), PART);
        for size in [PART * PARTS, PART * PARTS + 1, 5 << 40, 50 << 40] {
            assert!(size.div_ceil(part_bytes(size)) <= PARTS, "{size}");
        }
        assert!(part_bytes(PART * PARTS) == PART && part_bytes(PART * PARTS + 1) == PART + (1 << 20));
    }

    #[test]
    fn a_later_process_knows_what_is_there() {
        let place = tempfile::tempdir().unwrap();
        let source = place.path().join("copy");
        let artifact = RunArtifact {
            folder: String::new(),
            source: source.to_str().unwrap().to_owned(),
            copied: true,
            files: Vec::new(),
        };
        let mut uploads = Uploads::default();
        let part = Part { etag: "\"e\"".into(), crc: "AAAAAA==".into() };
        let parts = BTreeMap::from([(3, part)]);
        uploads.started.insert("key".into(), Multipart { id: "u".into(), part_bytes: PART, parts });
        uploads.write(&artifact);
        assert_eq!(Uploads::read(&artifact), uploads);
        Uploads::remove(&artifact);
        assert_eq!(Uploads::read(&artifact), Uploads::default());
        let foreign = RunArtifact { copied: false, ..artifact };
        uploads.write(&foreign);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
