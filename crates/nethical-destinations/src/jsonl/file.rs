//! The file itself: only ever appended to, shared with other processes, and never left with half a line.
//!
//! Every batch is one `write` to a file opened with `O_APPEND`, so lines of several processes do not
//! mix (on a local file system). Every process that has the file open holds a shared lock (`flock`) on
//! it. Whoever can make that lock exclusive is alone, and may cut off half a line that a crash or a
//! full disk left. Whoever is not alone ends the half line with a line feed instead, so that only
//! the half line is lost.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use nethical_core::delivery::Error;
use rustix::fs::{FlockOperation, flock};

use super::archive;
use super::config::Fsync;
use super::errors::classify;
use crate::support::private;

/// An open file, and where it was opened.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// Device and inode: another one at the path means that the file was moved away.
    identity: (u64, u64),
    /// Whether the file may end in half a line of ours that could not be cut off.
    torn: bool,
    dirty: bool,
}

/// How much of some lines was written.
#[derive(Debug)]
pub(super) enum Written {
    All,
    /// Only this many bytes; a half line among them was cut off again, or is ended at the next write.
    Part {
        bytes: usize,
        error: Error,
    },
}

impl LogFile {
    /// Open the file, made along with its folders if it is not there, and mend its end.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        if let Some(parent) = path.parent() {
            private::folder(parent).map_err(|error| classify("make the folder of", path, &error))?;
        }
        let opened = open_append(path).and_then(|file| {
            let metadata = file.metadata()?;
            let mut file = Self {
                path: path.to_owned(),
                file,
                identity: identity(&metadata),
                torn: false,
                dirty: false,
            };
            if metadata.is_file() {
                file.mend()?;
                flock(&file.file, FlockOperation::LockShared)?;
            }
            Ok(file)
        });
        opened.map_err(|error| classify("open", path, &error))
    }

    /// Append whole lines, in one write, to the file that [`follow`](Self::follow) has just looked at.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<Written, Error> {
        if self.torn {
            self.write(b"\n").map_err(|(_, error)| error)?;
            self.torn = false;
        }
        match self.write(lines) {
            Ok(()) => Ok(Written::All),
            Err((0, error)) => Err(error),
            Err((bytes, error)) => {
                self.cut_half_line(lines.get(..bytes).unwrap_or(lines));
                Ok(Written::Part { bytes, error })
            }
        }
    }

    /// Where it was opened.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Force what is written to the disk.
    pub(super) fn sync(&mut self) -> Result<(), Error> {
        if self.dirty {
            self.file.sync_data().map_err(|error| classify("sync", &self.path, &error))?;
            self.dirty = false;
        }
        Ok(())
    }

    /// See whether a line could be written.
    pub(super) fn probe(&mut self) -> Result<String, Error> {
        let size = self.follow()?.len();
        Ok(format!("{} is writable, {size} bytes long", self.path.display()))
    }

    /// Write all; otherwise how many bytes were written, and why not more.
    fn write(&mut self, mut bytes: &[u8]) -> Result<(), (usize, Error)> {
        let all = bytes.len();
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(0) => return Err((all - bytes.len(), self.failed(&io::ErrorKind::WriteZero.into()))),
                Ok(written) => {
                    self.dirty = true;
                    bytes = bytes.get(written..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((all - bytes.len(), self.failed(&error))),
            }
        }
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> Error {
        classify("write to", &self.path, error)
    }

    /// Open the file at the path anew if it is another one by now: somebody rotated it. Returns how it stands.
    pub(super) fn follow(&mut self) -> Result<fs::Metadata, Error> {
        match fs::metadata(&self.path) {
            Ok(metadata) if identity(&metadata) == self.identity => Ok(metadata),
            Ok(_) => self.reopen(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.reopen(),
            Err(error) => Err(classify("inspect", &self.path, &error)),
        }
    }

    fn reopen(&mut self) -> Result<fs::Metadata, Error> {
        let next = Self::open(&self.path)?;
        // The old file is somebody else's now; what was written to it is still made durable.
        let _ = self.sync();
        *self = next;
        self.file.metadata().map_err(|error| classify("inspect", &self.path, &error))
    }

    /// Move the file away, to a name that says when, and begin a new one. `false`: another process is at it, or
    /// was before; nobody waits for that.
    pub(super) fn rotate(&mut self, fsync: Fsync) -> io::Result<bool> {
        // Where the path is a link, the file that it leads to is moved.
        let path = fs::canonicalize(&self.path)?;
        let folder = File::open(path.parent().unwrap_or(Path::new("/")))?;
        let locked = flock(&folder, FlockOperation::NonBlockingLockExclusive);
        let metadata = fs::metadata(&path)?;
        if locked == Err(rustix::io::Errno::WOULDBLOCK) || identity(&metadata) != self.identity {
            return Ok(false);
        }
        // Otherwise it is enough that it is forced to the disk when it is let go of.
        if fsync == Fsync::Batch {
            self.file.sync_data()?;
        }
        fs::rename(&path, archive::free_name(&path, Timestamp::now()))?;
        // The next file may be read by whoever may read this one. What keeps it from being made is said when it
        // is written to.
        let _ = open_append(&path).and_then(|next| next.set_permissions(metadata.permissions()));
        if fsync != Fsync::Never {
            let _ = folder.sync_all();
        }
        Ok(true)
    }

    /// After a write that stopped early: cut off the half line at its end, if nobody wrote after it.
    fn cut_half_line(&mut self, written: &[u8]) {
        let half = written.iter().rev().take_while(|&&byte| byte != b'\n').count() as u64;
        self.torn = half > 0 && !self.cut_end(half).unwrap_or(false);
    }

    /// Cut off `bytes` that we wrote last. `false`: others have the file open, so it is not safe.
    fn cut_end(&mut self, bytes: u64) -> io::Result<bool> {
        if !self.lock_alone()? {
            return Ok(false);
        }
        let end = self.file.stream_position()?;
        let ours = self.file.metadata()?.len() == end;
        if ours {
            self.file.set_len(end.saturating_sub(bytes))?;
        }
        flock(&self.file, FlockOperation::LockShared)?;
        Ok(ours)
    }

    fn lock_alone(&self) -> io::Result<bool> {
        match flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                // A failed change of a lock gives up the one that was held (flock(2)).
                flock(&self.file, FlockOperation::LockShared)?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether half a line at the end was another process's write that is still under way: its
    /// bytes can be seen before all of them are there.
    fn grows_past(&self, size: u64) -> io::Result<bool> {
        const LOOKS: u32 = 50;
        const PAUSE: Duration = Duration::from_millis(5);
        for _ in 0..LOOKS {
            std::thread::sleep(PAUSE);
            if self.file.metadata()?.len() != size {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Mend a file whose last line has no end: cut off half a line, end a whole one.
    fn mend(&mut self) -> io::Result<()> {
        let alone = self.lock_alone()?;
        let size = self.file.metadata()?.len();
        // Moved away meanwhile: whichever file comes next is followed before anything is written.
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        if identity(&file.metadata()?) != self.identity {
            return Ok(());
        }
        let tail = last_line(&file, size)?;
        if tail.is_empty() || !alone && self.grows_past(size)? {
            return Ok(());
        }
        if alone && serde_json::from_slice::<serde::de::IgnoredAny>(&tail).is_err() {
            tracing::warn!(target: "nethical", "{}: cut off {} bytes of an unfinished line", self.path.display(), tail.len());
            return self.file.set_len(size - tail.len() as u64);
        }
        self.torn = true;
        Ok(())
    }
}

fn open_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// What stands after the last line feed.
fn last_line(file: &File, size: u64) -> io::Result<Vec<u8>> {
    const STEP: u64 = 64 * 1024;
    let mut tail = Vec::new();
    let mut start = size;
    while start > 0 {
        let from = start.saturating_sub(STEP);
        let mut piece = vec![0; usize::try_from(start - from).unwrap_or_default()];
        match file.read_exact_at(&mut piece, from) {
            // Somebody has emptied it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Vec::new()),
            read => read?,
        }
        let line_end = piece.iter().rposition(|&byte| byte == b'\n');
        let mut found = piece.split_off(line_end.map_or(0, |at| at + 1));
        found.append(&mut tail);
        tail = found;
        if line_end.is_some() {
            break;
        }
        start = from;
    }
    Ok(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(before: &[u8], appended: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/app.jsonl");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, before).unwrap();
        let mut file = LogFile::open(&path).unwrap();
        assert!(matches!(file.append(appended), Ok(Written::All)));
        fs::read_to_string(&path).unwrap()
    }

    #[test]
    fn half_a_line_is_cut_off_and_a_whole_one_is_ended() {
        assert_eq!(written(b"", b"{}\n"), "{}\n");
        assert_eq!(written(b"{\"a\":1}\n", b"{}\n"), "{\"a\":1}\n{}\n");
        assert_eq!(written(b"{\"a\":1}\n{\"b\"", b"{}\n"), "{\"a\":1}\n{}\n");
        assert_eq!(written(b"{\"a\":1}", b"{}\n"), "{\"a\":1}\n{}\n");
        assert_eq!(written("x".repeat(200_000).as_bytes(), b"{}\n"), "{}\n");
        assert_eq!(written(&[0; 5_000], b"{}\n"), "{}\n");
    }

    #[test]
    fn a_file_that_was_moved_away_is_not_mended_by_the_end_of_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("app.jsonl"), folder.path().join("app-1.jsonl"));
        let mut file = LogFile::open(&path).unwrap();
        file.append(b"{\"whole\":1}\n{\"whole\":2}\n").unwrap();
        for next in ["", "{\"half\": \"and longer than what was moved away"] {
            fs::rename(&path, &old).unwrap();
            fs::write(&path, next).unwrap();
            file.mend().unwrap();
            assert_eq!(fs::read_to_string(&old).unwrap(), "{\"whole\":1}\n{\"whole\":2}\n");
            fs::rename(&old, &path).unwrap();
        }
    }

    #[test]
    fn half_a_line_of_a_living_writer_is_ended_not_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.jsonl");
        let mut other = LogFile::open(&path).unwrap();
        other.write(b"{}\n{\"half").unwrap();
        let mut file = LogFile::open(&path).unwrap();
        file.append(b"{\"mine\":1}\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{}\n{\"half\n{\"mine\":1}\n");
    }

    #[test]
    fn a_write_under_way_is_not_half_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.jsonl");
        let mut other = LogFile::open(&path).unwrap();
        other.write(b"{\"half").unwrap();
        let rest = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            other.write(b"\":1}\n").unwrap();
        });
        let mut file = LogFile::open(&path).unwrap();
        rest.join().unwrap();
        file.append(b"{\"mine\":1}\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"half\":1}\n{\"mine\":1}\n");
    }

    #[test]
    fn what_a_full_disk_cut_short_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.jsonl");
        let mut file = LogFile::open(&path).unwrap();
        file.write(b"{\"a\":1}\n{\"b").unwrap();
        file.cut_half_line(b"{\"a\":1}\n{\"b");
        assert!(!file.torn);
        file.append(b"{\"b\":2}\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"a\":1}\n{\"b\":2}\n");
    }

    #[test]
    fn a_moved_file_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("app.jsonl"), folder.path().join("app.jsonl.1"));
        let mut file = LogFile::open(&path).unwrap();
        let mut append = |line: &[u8]| {
            file.follow().unwrap();
            file.append(line).unwrap();
        };
        append(b"{\"n\":1}\n");
        fs::rename(&path, &moved).unwrap();
        append(b"{\"n\":2}\n");
        fs::remove_file(&path).unwrap();
        append(b"{\"n\":3}\n");
        assert_eq!(fs::read_to_string(&moved).unwrap(), "{\"n\":1}\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"n\":3}\n");
    }

    #[test]
    fn files_are_the_users_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.jsonl");
        LogFile::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn bad_paths_are_clear() {
        let folder = tempfile::tempdir().unwrap();
        let error = LogFile::open(folder.path()).unwrap_err();
        assert_eq!(error.code(), "jsonl.is_directory");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = LogFile::open(&file.join("app.jsonl")).unwrap_err();
        assert_eq!(error.code(), "jsonl.not_a_directory", "{error}");
    }
}
