//! What the file system says, and what it means for the events.

use std::io;
use std::path::Path;

use nethical_core::delivery::{Error, Kind};
use rustix::io::Errno;

/// Sort a failure to `action` (`"open"`, `"write to"`, ...) the file at `path`.
pub(super) fn classify(action: &str, path: &Path, error: &io::Error) -> Error {
    let (kind, code, hint) = match error.raw_os_error().map(Errno::from_raw_os_error) {
        // "No space left on device." "Disk quota exceeded." (errno(3))
        Some(Errno::NOSPC | Errno::DQUOT) => {
            (Kind::Unavailable, "jsonl.disk_full", "free some space: writing goes on by itself")
        }
        // "File too large.": a limit on the process (setrlimit(2), RLIMIT_FSIZE), or the file system's own.
        Some(Errno::FBIG) => (
            Kind::Unavailable,
            "jsonl.file_too_large",
            "raise the limit on file sizes (`ulimit -f`), or move the file away: writing goes on by itself",
        ),
        // "Is a directory."
        Some(Errno::ISDIR) => (Kind::Config, "jsonl.is_directory", "name a file in the directory"),
        // "Not a directory." "File exists.": a part of the path that should be a folder is a file.
        Some(Errno::NOTDIR | Errno::EXIST) => {
            (Kind::Config, "jsonl.not_a_directory", "a part of the path is a file, not a directory")
        }
        // "Permission denied." "Operation not permitted." "Read-only file system."
        Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => {
            (Kind::Unauthorized, "jsonl.not_permitted", "let this user write there, or choose another path")
        }
        // "File name too long."
        Some(Errno::NAMETOOLONG) => (Kind::Config, "jsonl.name_too_long", "choose a shorter path"),
        // "Too many open files."
        Some(Errno::MFILE | Errno::NFILE) => {
            (Kind::Unavailable, "jsonl.too_many_open_files", "raise the limit on open files (`ulimit -n`)")
        }
        _ => (Kind::Unavailable, "jsonl.io", "see the system's log: the disk or the mount may be damaged"),
    };
    Error::new(kind, code, format!("cannot {action} {}: {error}", path.display())).with_hint(hint)
}

/// The bytes of an event are not a log entry's.
pub(super) fn unreadable(error: &serde_json::Error) -> Error {
    Error::refused("jsonl.unreadable", format!("the event is damaged: {error}"))
        .with_hint("see whether the disk of the spool is sound")
}

/// Files cannot be moved within this folder.
pub(super) fn cannot_rotate(folder: &Path, error: &io::Error) -> Error {
    let what = format!("cannot move files in {}: {error}", folder.display());
    Error::new(Kind::Unauthorized, "jsonl.cannot_rotate", what)
        .with_hint("let this user write to the folder, or leave rotate_bytes and rotate_hours out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_disks_hold_and_bad_paths_are_the_configurations_fault() {
        let sorted = |errno: Errno| {
            let error = classify("open", Path::new("/logs/app.jsonl"), &errno.into());
            (error.kind(), error.code())
        };
        assert_eq!(sorted(Errno::NOSPC), (Kind::Unavailable, "jsonl.disk_full"));
        assert_eq!(sorted(Errno::ISDIR), (Kind::Config, "jsonl.is_directory"));
        assert_eq!(sorted(Errno::ACCESS), (Kind::Unauthorized, "jsonl.not_permitted"));
        assert_eq!(sorted(Errno::IO), (Kind::Unavailable, "jsonl.io"));
        let shown = classify("open", Path::new("/logs/app.jsonl"), &Errno::ACCESS.into());
        assert!(shown.to_string().starts_with("cannot open /logs/app.jsonl: Permission denied"), "{shown}");
    }
}
