//! Files that are too large for one request.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use md5::{Digest, Md5};
use nethical_core::delivery::Error;
use serde_json::json;

use super::super::api::Api;
use super::super::artifact::hex;
use super::super::errors::not_an_answer;
use super::super::file::Part;
use super::super::graphql::{Anything, Multipart, Query, Target};
use super::super::log::record::ManifestEntry;
use crate::support::http::Response;

/// The most parts of one file, and what the bytes of a part are a multiple of.
const MOST: u64 = 10_000;
const GRAIN: u64 = 4_096;

/// How often one part is sent, and the pause before the second time, which doubles.
const ATTEMPTS: u32 = 8;
const PAUSE: Duration = Duration::from_millis(250);

/// How large files are cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts {
    /// Bytes from which on a file goes in parts.
    pub(crate) from: u64,
    /// Bytes of a part.
    pub(crate) size: u64,
}

impl Default for Parts {
    /// As the official client cuts them: parts of 100 MiB from 2 GiB on.
    fn default() -> Self {
        Self { from: 2 << 30, size: 100 << 20 }
    }
}

impl Parts {
    /// Bytes of each part of a file of `size` bytes; `None` if it goes as a whole.
    pub(super) fn of(self, size: u64) -> Option<u64> {
        let least = size.div_ceil(MOST).next_multiple_of(GRAIN);
        (size >= self.from).then(|| if self.size * MOST < size { least } else { self.size })
    }
}

/// The MD5 of each part of a file, in hexadecimal.
///
/// # Errors
/// If it cannot be read to its end.
pub(super) fn digests(entry: &ManifestEntry, part: u64) -> Result<Vec<String>, Error> {
    let failed = |error: std::io::Error| {
        let text = format!("wandb: cannot read {}: {error}", entry.local_path);
        Error::refused("wandb.artifact_unreadable", text)
    };
    let mut file = File::open(&entry.local_path).map_err(failed)?;
    let mut left = u64::try_from(entry.size).unwrap_or(0);
    let (mut digests, mut buffer) = (Vec::new(), vec![0; 256 * 1024]);
    while left > 0 {
        let mut piece = (&mut file).take(part);
        let mut hash = Md5::new();
        loop {
            match piece.read(&mut buffer).map_err(failed)? {
                0 => break,
                read => hash.update(buffer.get(..read).unwrap_or_default()),
            }
        }
        let read = part - piece.limit();
        if read == 0 {
            return Err(failed(std::io::ErrorKind::UnexpectedEof.into()));
        }
        left = left.saturating_sub(read);
        digests.push(hex(&hash.finalize()));
    }
    Ok(digests)
}

impl Api {
    /// Puts a file part by part, and has the server put them together.
    pub(super) async fn put_parts(
        &self,
        path: &Path,
        size: u64,
        part: u64,
        target: &Target,
        multipart: &Multipart,
    ) -> Result<(), Error> {
        let mut completed = Vec::with_capacity(multipart.parts.len());
        for url in &multipart.parts {
            let start = url.part_number.saturating_sub(1) * part;
            let piece = Part { path: path.to_owned(), start, length: size.saturating_sub(start).min(part) };
            let answer = self.put_again(&url.upload_url, piece).await?;
            let tag = answer.header("etag").ok_or_else(|| not_an_answer("upload of a part"))?;
            completed.push(json!({ "partNumber": url.part_number, "hexMD5": tag }));
        }
        let variables = json!({
            "completeMultipartAction": "Complete",
            "completedParts": completed,
            "artifactID": target.artifact.as_ref().map(|artifact| &artifact.id),
            "storagePath": target.storage_path,
            "uploadID": multipart.upload_id,
        });
        let _: Anything = self.query(Query::CompleteMultipart, &variables).await?;
        Ok(())
    }

    /// The parts before it stay where they are only as long as their upload goes on, so a part is sent again by itself.
    async fn put_again(&self, url: &str, piece: Part) -> Result<Response, Error> {
        let mut pause = PAUSE;
        for _ in 1..ATTEMPTS {
            match self.put(url, &[], piece.clone()).await {
                Err(error) if error.is_endpoint_fault() && error.code() != "wandb.upload_address" => {
                    tokio::time::sleep(error.retry_after().unwrap_or(pause)).await;
                    pause *= 2;
                }
                done => return done,
            }
        }
        self.put(url, &[], piece).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_cut_as_the_official_client_cuts_them() {
        const MIB: u64 = 1 << 20;
        let of = |size| Parts::default().of(size);
        assert_eq!(of(2_048 * MIB - 1), None);
        assert_eq!(of(2_048 * MIB), Some(100 * MIB));
        assert_eq!(of(1_000_000 * MIB), Some(100 * MIB), "10,000 parts");
        let large = 1_000_000 * MIB + 1;
        let part = of(large).unwrap();
        assert!(part % GRAIN == 0 && large.div_ceil(part) <= MOST, "{part}");
    }

    #[test]
    fn each_part_has_its_digest() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"abcabca").unwrap();
        let local_path = file.path().to_str().unwrap().to_owned();
        let entry = ManifestEntry { local_path, size: 7, ..ManifestEntry::default() };
        let [abc, a] = [b"abc".as_slice(), b"a"].map(|bytes| hex(&Md5::digest(bytes)));
        assert_eq!(digests(&entry, 3).unwrap(), [abc.clone(), abc, a]);
        let longer = ManifestEntry { size: 9, ..entry };
        assert_eq!(digests(&longer, 3).unwrap_err().code(), "wandb.artifact_unreadable");
    }
}
