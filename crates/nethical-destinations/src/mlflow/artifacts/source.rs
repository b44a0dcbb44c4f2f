//! A file on its way out, which must be what it was when it was logged.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use nethical_core::delivery::{Error, runtime};
use nethical_core::event::ArtifactFile;
use nethical_core::tracking::artifact::{Digester, modified};
use tokio::sync::mpsc;

/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

/// A file to be sent.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// How it was when it was logged.
    pub(super) file: ArtifactFile,
    /// Whether it is a copy of ours, which nobody changes.
    pub(super) copied: bool,
}

/// What keeps a source from being read, once that has happened.
#[derive(Debug, Clone, Default)]
pub(super) struct Trouble(Arc<OnceLock<Error>>);

impl Trouble {
    /// The trouble with the source, if there is any, else what the other side said.
    pub(super) fn or(&self, error: Error) -> Error {
        self.0.get().cloned().unwrap_or(error)
    }
}

impl Source {
    pub(super) const fn size(&self) -> u64 {
        self.file.size
    }

    /// Its content in pieces. The last one comes only if all of them are what was logged, so that whoever waits for
    /// all of it keeps nothing otherwise.
    pub(super) fn read(&self) -> (impl Stream<Item = io::Result<Bytes>> + Send + 'static, Trouble) {
        let (send, receive) = mpsc::channel(2);
        let (source, trouble) = (self.clone(), Trouble::default());
        let noted = trouble.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = source.feed(&send) {
                let text = error.message().to_owned();
                let _ = noted.0.set(error);
                let _ = send.blocking_send(Err(io::Error::other(text)));
            }
        });
        let pieces = stream::unfold(receive, async |mut receive| Some((receive.recv().await?, receive)));
        (pieces, trouble)
    }

    /// All of it, in memory.
    pub(super) async fn read_whole(&self) -> Result<Bytes, Error> {
        let (pieces, trouble) = self.read();
        let mut whole = Vec::with_capacity(usize::try_from(self.size()).unwrap_or(0));
        futures_util::pin_mut!(pieces);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| trouble.or(self.unreadable(&error)))?;
            whole.extend_from_slice(&piece);
        }
        Ok(whole.into())
    }

    /// A part of it. What is sent in parts is a copy, or was checked before.
    pub(super) async fn read_part(&self, start: u64, length: usize) -> Result<Bytes, Error> {
        let source = self.clone();
        runtime::blocking(move || {
            use std::os::unix::fs::FileExt;
            let mut part = vec![0; length];
            let file = File::open(&source.path).map_err(|error| source.unreadable(&error))?;
            file.read_exact_at(&mut part, start).map_err(|_| source.changed("is shorter"))?;
            Ok(part.into())
        })
        .await?
    }

    /// See that it still is what was logged.
    pub(super) async fn check(&self) -> Result<(), Error> {
        if self.copied {
            return Ok(());
        }
        let (pieces, trouble) = self.read();
        futures_util::pin_mut!(pieces);
        while let Some(piece) = pieces.next().await {
            piece.map_err(|error| trouble.or(self.unreadable(&error)))?;
        }
        Ok(())
    }

    fn feed(&self, send: &mpsc::Sender<io::Result<Bytes>>) -> Result<(), Error> {
        let mut file = File::open(&self.path).map_err(|error| self.unreadable(&error))?;
        let about = file.metadata().map_err(|error| self.unreadable(&error))?;
        if !self.copied && modified(&about) != self.file.modified {
            return Err(self.changed("was written again"));
        }
        let (mut left, mut sum) = (self.size(), Digester::default());
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let mut piece = vec![0; wanted];
            file.read_exact(&mut piece).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => self.changed("is shorter"),
                _ => self.unreadable(&error),
            })?;
            left -= wanted as u64;
            if !self.copied {
                sum.add(&piece);
                if left == 0 {
                    self.check_end(&file, sum.clone())?;
                }
            }
            // Whoever does not read on has given up.
            if send.blocking_send(Ok(piece.into())).is_err() {
                return Ok(());
            }
        }
        if self.size() == 0 && !self.copied { self.check_end(&file, sum) } else { Ok(()) }
    }

    fn check_end(&self, file: &File, sum: Digester) -> Result<(), Error> {
        let about = file.metadata().map_err(|error| self.unreadable(&error))?;
        if about.len() != self.size() {
            return Err(self.changed("has another size"));
        }
        if sum.finish() != self.file.digest { Err(self.changed("has other content")) } else { Ok(()) }
    }

    fn changed(&self, how: &str) -> Error {
        let text = format!("{} {how} since it was logged", self.path.display());
        Error::refused("artifact_changed", text)
            .with_hint("log it with `copy = true`, or when it is written for good")
    }

    fn unreadable(&self, error: &io::Error) -> Error {
        let text = format!("cannot read {}: {error}", self.path.display());
        Error::refused("artifact.unreadable", text).with_hint("log it again, with `copy = true`")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nethical_core::tracking::artifact::Digester;

    use super::*;

    fn source(folder: &tempfile::TempDir, content: &[u8]) -> Source {
        let path = folder.path().join("f");
        fs::write(&path, content).unwrap();
        let about = fs::metadata(&path).unwrap();
        let mut sum = Digester::default();
        sum.add(content);
        let file = ArtifactFile {
            path: "f".into(),
            size: about.len(),
            modified: modified(&about),
            digest: sum.finish(),
        };
        Source { path, file, copied: false }
    }

    #[tokio::test]
    async fn a_file_that_changed_never_arrives_whole() {
        let folder = tempfile::tempdir().unwrap();
        let content = vec![7; PIECE + 10];
        let kept = source(&folder, &content);
        assert_eq!(kept.read_whole().await.unwrap(), content);
        let code = async |source: &Source| source.read_whole().await.unwrap_err().code();
        fs::write(&kept.path, &content).unwrap();
        assert_eq!(code(&kept).await, "artifact_changed");
        let same_time = |source: &Source| {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(source.file.modified as u64);
            File::options().write(true).open(&source.path).unwrap().set_modified(time).unwrap();
        };
        fs::write(&kept.path, [8; PIECE + 10]).unwrap();
        same_time(&kept);
        assert_eq!(code(&kept).await, "artifact_changed");
        fs::write(&kept.path, [7; PIECE]).unwrap();
        same_time(&kept);
        assert_eq!(code(&kept).await, "artifact_changed");
        fs::remove_file(&kept.path).unwrap();
        assert_eq!(code(&kept).await, "artifact.unreadable");
    }

    #[tokio::test]
    async fn an_empty_file_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(source(&folder, b"").read_whole().await.unwrap().is_empty());
    }
}
