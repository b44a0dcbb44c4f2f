//! What is done with files that were moved away, off the way of those that are written: compressing and deleting.
//!
//! A file is compressed by whoever can lock it alone. Every process that may still write to it holds a shared lock
//! on it, so nothing is added to a file that is being compressed. The compressed file gets its name when it is whole
//! and on the disk, and only then the other one goes: a process that is killed leaves at least one of them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::write::GzEncoder;
use jiff::Timestamp;
use nethical_core::delivery::Error;
use rustix::fs::{FlockOperation, flock};

use super::archive::{Archived, Keep, Listing, unfinished, with_ending};
use super::config::{Compress, JsonlConfig};
use super::errors::classify;

/// Bytes read at once.
const STEP: usize = 256 * 1024;

/// Compresses and deletes what was moved away from one path.
#[derive(Debug)]
pub(super) struct Tidy {
    path: PathBuf,
    compress: Compress,
    keep: Keep,
    /// Whether to leave the rest to the next one.
    stopped: AtomicBool,
}

impl Tidy {
    pub(super) fn new(config: &JsonlConfig) -> Self {
        let (path, compress, keep) = (config.filepath.clone(), config.compress, Keep::from(config));
        Self { path, compress, keep, stopped: AtomicBool::new(false) }
    }

    /// Stop as soon as possible; what is not done is left as it was.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Compress what is not compressed, and delete what has had its time.
    pub(super) fn run(&self) -> Result<(), Error> {
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        // What the bytes leave room for is known when all is compressed; the rest need not be compressed at all.
        delete_all(Keep { bytes: None, ..self.keep }, &path, Timestamp::MAX)?;
        let files = list(&path)?.files;
        let newest = files.last().map_or(Timestamp::MIN, |file| file.at);
        if self.compress != Compress::None {
            for file in files.iter().filter(|file| !file.compressed) {
                self.compress(file)?;
                if self.is_stopped() {
                    return Ok(());
                }
            }
        }
        // What was moved away meanwhile is not compressed yet, and has a run of its own.
        delete_all(self.keep, &path, newest)?;
        self.delete_leftovers(&path)
    }

    /// Delete compressed files that nobody is going to finish.
    fn delete_leftovers(&self, path: &Path) -> Result<(), Error> {
        let Listing { files, unfinished: found } = list(path)?;
        let planned: Vec<_> =
            files.iter().map(|file| unfinished(&with_ending(&file.path, self.compress))).collect();
        found.iter().filter(|found| !planned.contains(found)).try_for_each(|path| delete(path))
    }

    /// Compress a file, unless somebody else does so or may still write to it.
    fn compress(&self, file: &Archived) -> Result<(), Error> {
        let failed = |action: &str| {
            let (action, path) = (action.to_owned(), file.path.clone());
            move |error: io::Error| classify(&action, &path, &error)
        };
        let source = match OpenOptions::new().read(true).append(true).open(&file.path) {
            Ok(source) => source,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed("open")(error)),
        };
        if flock(&source, FlockOperation::NonBlockingLockExclusive).is_err() || !file.path.exists() {
            return Ok(());
        }
        let whole = with_ending(&file.path, self.compress);
        let part = unfinished(&whole);
        let done = self.copy(&source, &part).map_err(failed("compress"))?;
        if !done {
            return delete(&part);
        }
        fs::rename(&part, &whole).map_err(failed("compress"))?;
        sync_folder(&file.path).map_err(failed("compress"))?;
        delete(&file.path)
    }

    /// Write `source` compressed to `part`, down to the disk. `false`: it was stopped.
    fn copy(&self, source: &File, part: &Path) -> io::Result<bool> {
        let permissions = source.metadata()?.permissions();
        let target = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(part)?;
        target.set_permissions(permissions)?;
        let target = BufWriter::with_capacity(STEP, target);
        let target = match self.compress {
            Compress::Gzip => {
                let mut encoder = GzEncoder::new(target, flate2::Compression::default());
                self.pump(source, &mut encoder)?.then(|| encoder.finish()).transpose()?
            }
            Compress::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(target, zstd::DEFAULT_COMPRESSION_LEVEL)?;
                encoder.include_checksum(true)?;
                self.pump(source, &mut encoder)?.then(|| encoder.finish()).transpose()?
            }
            Compress::None => None,
        };
        let Some(target) = target else { return Ok(false) };
        target.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(true)
    }

    fn pump(&self, mut source: &File, target: &mut dyn Write) -> io::Result<bool> {
        let mut buffer = vec![0; STEP];
        while !self.is_stopped() {
            match source.read(&mut buffer) {
                Ok(0) => return Ok(true),
                Ok(size) => target.write_all(buffer.get(..size).unwrap_or_default())?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

fn list(path: &Path) -> Result<Listing, Error> {
    Listing::of(path).map_err(|error| classify("list the files beside", path, &error))
}

/// Delete what is not to be kept of the files that were moved away until then.
fn delete_all(keep: Keep, path: &Path, until: Timestamp) -> Result<(), Error> {
    let mut files = list(path)?.files;
    files.retain(|file| file.at <= until);
    keep.victims(&files, Timestamp::now()).iter().try_for_each(|file| delete(&file.path))
}

fn delete(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(classify("delete", path, &error)),
        _ => Ok(()),
    }
}

/// Make the names in the folder of `path` outlive the loss of power.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_moved_away_meanwhile_takes_no_room_yet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.jsonl");
        let (old, new) = ("app-20261125T190000.000000Z.jsonl.zst", "app-20261125T190001.000000Z.jsonl");
        for (name, bytes) in [(old, 50), (new, 1_000)] {
            fs::write(folder.path().join(name), vec![b' '; bytes]).unwrap();
        }
        let keep = Keep { bytes: Some(100), ..Keep::default() };
        let left = || list(&path).unwrap().files.len();
        delete_all(keep, &path, "2026-11-25T19:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(left(), 2);
        delete_all(keep, &path, Timestamp::MAX).unwrap();
        assert_eq!(left(), 0);
    }
}
