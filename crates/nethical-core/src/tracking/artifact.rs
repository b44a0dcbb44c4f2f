//! Artifacts on their way into a run: found, checked, and copied so that they may change afterwards.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::delivery::Error;
use crate::event::{ArtifactFile, EventId, RunArtifact};
use crate::tracking::ArtifactOptions;

/// Files in one folder that are taken; more are most likely a mistake.
const MOST_FILES: usize = 100_000;

/// A file that was found, and where it goes below the artifact's own path.
struct Found {
    source: PathBuf,
    path: String,
}

/// Take an artifact: copy it below `keep`, or note how it is now where no copy is wanted.
///
/// # Errors
/// If it is not there, cannot be read, shrinks while it is read, or cannot be copied.
pub fn take(path: &Path, options: &ArtifactOptions<'_>, keep: &Path) -> Result<RunArtifact, Error> {
    let path = std::path::absolute(path).map_err(|error| unreadable(path, &error))?;
    let about = fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| unnamed(&path))?.to_owned();
    let mut folder = options.folder.unwrap_or_default().trim_matches('/').to_owned();
    let files = if about.is_dir() {
        folder = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        let mut found = Vec::new();
        walk(&path, "", &mut vec![(about.dev(), about.ino())], &mut found)?;
        found
    } else if about.is_file() {
        vec![Found { source: path.clone(), path: name }]
    } else {
        return Err(special(&path));
    };
    if options.copy {
        let target = keep.join(EventId::new().to_string());
        let files = copy_all(files, &target).inspect_err(|_| drop(fs::remove_dir_all(&target)))?;
        Ok(RunArtifact { folder, source: text(&target)?, copied: true, files })
    } else {
        let files = files.iter().map(note).collect::<Result<_, _>>()?;
        let source = if about.is_dir() { &path } else { path.parent().unwrap_or(&path) };
        Ok(RunArtifact { folder, source: text(source)?, copied: false, files })
    }
}

/// Forget a copy.
pub fn discard(artifact: &RunArtifact) {
    if artifact.copied {
        // A copy that cannot be removed only takes room.
        let _ = fs::remove_dir_all(&artifact.source);
    }
}

/// All files below `folder`, by name. Links are followed, unless they lead back to where they are.
fn walk(
    folder: &Path,
    prefix: &str,
    above: &mut Vec<(u64, u64)>,
    found: &mut Vec<Found>,
) -> Result<(), Error> {
    let listed = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = listed.map_err(|error| unreadable(folder, &error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let source = entry.path();
        let name = entry.file_name().into_string().map_err(|_| unnamed(&source))?;
        let about = fs::metadata(&source).map_err(|error| unreadable(&source, &error))?;
        let path = format!("{prefix}{name}");
        if about.is_dir() {
            let identity = (about.dev(), about.ino());
            if above.contains(&identity) {
                let text = format!("{} is a link to a folder that it is in", source.display());
                return Err(Error::refused("artifact.loop", text).with_hint("remove the link, or log less"));
            }
            above.push(identity);
            walk(&source, &format!("{path}/"), above, found)?;
            above.pop();
        } else if about.is_file() {
            found.push(Found { source, path });
        } else {
            return Err(special(&source));
        }
        if found.len() > MOST_FILES {
            let text = format!("{} holds more than {MOST_FILES} files", folder.display());
            return Err(Error::refused("artifact.too_many", text).with_hint("log an archive of it instead"));
        }
    }
    Ok(())
}

fn copy_all(files: Vec<Found>, target: &Path) -> Result<Vec<ArtifactFile>, Error> {
    let private = |folder: &Path| DirBuilder::new().recursive(true).mode(0o700).create(folder);
    private(target).map_err(|error| unkept(target, &error))?;
    let mut last: Option<PathBuf> = None;
    let copy = |Found { source, path }: Found| {
        let to = target.join(&path);
        let folder = to.parent().map(Path::to_owned);
        if let Some(folder) = folder.filter(|folder| last.as_ref() != Some(folder)) {
            private(&folder).map_err(|error| unkept(&folder, &error))?;
            last = Some(folder);
        }
        let size = copy_file(&source, &to)?;
        Ok(ArtifactFile { path, size, modified: 0, digest: String::new() })
    };
    files.into_iter().map(copy).collect()
}

/// Copy one file, sharing its blocks where the filesystem can.
fn copy_file(from: &Path, to: &Path) -> Result<u64, Error> {
    let mut source = File::open(from).map_err(|error| unreadable(from, &error))?;
    let before = source.metadata().map_err(|error| unreadable(from, &error))?.len();
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let mut copy = created.map_err(|error| unkept(to, &error))?;
    let copied = if rustix::fs::ioctl_ficlone(&copy, &source).is_ok() {
        copy.metadata().map_err(|error| unkept(to, &error))?.len()
    } else {
        io::copy(&mut source, &mut copy).map_err(|error| unkept(to, &error))?
    };
    if copied < before {
        let text = format!("{} shrank from {before} to {copied} bytes while it was copied", from.display());
        return Err(Error::refused("artifact.shrank", text).with_hint("log it when it is written whole"));
    }
    Ok(copied)
}

/// How a file is now that is to be read later.
fn note(found: &Found) -> Result<ArtifactFile, Error> {
    let failed = |error: &io::Error| unreadable(&found.source, error);
    let mut file = File::open(&found.source).map_err(|error| failed(&error))?;
    let about = file.metadata().map_err(|error| failed(&error))?;
    let (digest, size) = digest(&mut file).map_err(|error| failed(&error))?;
    let modified = modified(&about);
    Ok(ArtifactFile { path: found.path.clone(), size, modified, digest })
}

/// When a file was last changed, in nanoseconds since 1970.
pub fn modified(about: &fs::Metadata) -> i64 {
    about.mtime().saturating_mul(1_000_000_000).saturating_add(about.mtime_nsec())
}

fn digest(file: &mut File) -> io::Result<(String, u64)> {
    let (mut sum, mut size, mut buffer) = (Digester::default(), 0_u64, vec![0; 256 << 10]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((sum.finish(), size)),
            count => {
                sum.add(buffer.get(..count).unwrap_or_default());
                size += count as u64;
            }
        }
    }
}

/// Finds the digest of a content that comes in pieces.
#[derive(Debug, Clone, Default)]
pub struct Digester(Sha256);

impl Digester {
    /// The next piece.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// SHA-256, in hexadecimal.
    pub fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn text(path: &Path) -> Result<String, Error> {
    path.to_str().map(str::to_owned).ok_or_else(|| unnamed(path))
}

fn unnamed(path: &Path) -> Error {
    Error::refused("artifact.name", format!("{} has a name that is not UTF-8, or none", path.display()))
        .with_hint("give it a name of letters")
}

fn special(path: &Path) -> Error {
    let text = format!("{} is neither a file nor a folder", path.display());
    Error::refused("artifact.special", text).with_hint("log files and folders only")
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::refused("artifact.unreadable", format!("cannot read {}: {error}", path.display()))
        .with_hint("see whether it is there and this user may read it")
}

fn unkept(path: &Path, error: &io::Error) -> Error {
    Error::unavailable("artifact.not_kept", format!("cannot copy to {}: {error}", path.display()))
        .with_hint("make room there, name another place in $NETHICAL_HOME, or log it with `copy = false`")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join("data").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        folder
    }

    fn paths(artifact: &RunArtifact) -> Vec<&str> {
        artifact.files.iter().map(|file| file.path.as_str()).collect()
    }

    fn options(copy: bool) -> ArtifactOptions<'static> {
        ArtifactOptions { folder: Some("/models/"), copy }
    }

    #[test]
    fn a_folder_is_copied_with_what_its_links_lead_to() {
        let place = folder(&["a", "sub/b"]);
        let data = place.path().join("data");
        fs::create_dir(data.join("empty")).unwrap();
        symlink(data.join("a"), data.join("link")).unwrap();
        symlink(data.join("sub"), data.join("linked")).unwrap();
        let keep = place.path().join("keep");
        let artifact = take(&data, &options(true), &keep).unwrap();
        assert_eq!(
            (artifact.folder.as_str(), paths(&artifact)),
            ("models/data", vec!["a", "link", "linked/b", "sub/b"])
        );
        fs::write(data.join("a"), "changed").unwrap();
        assert_eq!(fs::read(Path::new(&artifact.source).join("link")).unwrap(), b"a");
        discard(&artifact);
        assert!(!Path::new(&artifact.source).exists() && data.exists());
    }

    #[test]
    fn a_file_that_stays_where_it_is_is_described() {
        let place = folder(&["a"]);
        let file = place.path().join("data/a");
        let artifact = take(&file, &options(false), place.path()).unwrap();
        let known = &artifact.files[0];
        assert_eq!((artifact.folder.as_str(), known.path.as_str(), known.size), ("models", "a", 1));
        assert_eq!(known.digest, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
        assert_eq!(Path::new(&artifact.source).join("a"), file);
        discard(&artifact);
        assert!(file.exists());
    }

    #[test]
    fn ten_thousand_files_are_taken_and_ten_times_more_are_a_mistake() {
        let place = tempfile::tempdir().unwrap();
        let (many, keep) = (place.path().join("many"), place.path().join("keep"));
        fs::create_dir(&many).unwrap();
        (0..10_000).for_each(|number| fs::write(many.join(number.to_string()), "x").unwrap());
        let artifact = take(&many, &options(true), &keep).unwrap();
        assert_eq!(artifact.files.len(), 10_000);
        assert_eq!(fs::read_dir(&artifact.source).unwrap().count(), 10_000);
        let more = place.path().join("more");
        fs::create_dir(&more).unwrap();
        (0..10).for_each(|number| symlink(&many, more.join(number.to_string())).unwrap());
        let mut found = Vec::new();
        walk(&more, "", &mut Vec::new(), &mut found).unwrap();
        assert_eq!(found.len(), MOST_FILES);
        fs::write(more.join("one more"), "x").unwrap();
        assert_eq!(take(&more, &options(true), &keep).unwrap_err().code(), "artifact.too_many");
    }

    #[test]
    fn a_file_that_is_shorter_than_it_was_when_it_was_opened_is_refused() {
        // The kernel says a page and gives a line.
        let file = Path::new("/sys/class/net/lo/mtu");
        let place = tempfile::tempdir().unwrap();
        assert_eq!(take(file, &options(true), place.path()).unwrap_err().code(), "artifact.shrank");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_cannot_be_taken_is_said_at_once_and_leaves_nothing() {
        let place = folder(&["a"]);
        let data = place.path().join("data");
        let keep = place.path().join("keep");
        let code = |path: &Path| take(path, &options(true), &keep).unwrap_err().code();
        assert_eq!(code(&place.path().join("missing")), "artifact.unreadable");
        symlink(&data, data.join("loop")).unwrap();
        assert_eq!(code(&data), "artifact.loop");
        fs::remove_file(data.join("loop")).unwrap();
        symlink("nowhere", data.join("dangling")).unwrap();
        assert_eq!(code(&data), "artifact.unreadable");
        assert_eq!(code(Path::new("/dev/null")), "artifact.special");
        assert_eq!(fs::read_dir(keep).map_or(0, Iterator::count), 0);
    }
}
