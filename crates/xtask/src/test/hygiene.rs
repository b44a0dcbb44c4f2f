//! The `hygiene` stage: rules about files that no compiler checks.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{architecture, destinations};
use crate::process;
use crate::terminal::{self, Hinted};
use crate::workspace::Workspace;

/// A Rust file of this many lines holds more than one thing.
const TOO_LONG: usize = 600;

/// Unfinished work and switched-off tests. Each is put together here so that this file passes its own check.
const FORBIDDEN: [(&str, &str); 7] = [
    (concat!("to", "do!("), "finish it, or leave it out whole"),
    (concat!("unimple", "mented!("), "finish it, or leave it out whole"),
    (concat!("#[ig", "nore"), "a test runs or it is deleted"),
    (concat!("pytest", ".skip"), "a missing prerequisite fails and says what is missing"),
    (concat!("pytest.mark", ".skip"), "a missing prerequisite fails and says what is missing"),
    (concat!("pytest.import", "orskip"), "a missing prerequisite fails and says what is missing"),
    (concat!("unittest", ".skip"), "a missing prerequisite fails and says what is missing"),
];

/// Checks every file that is in the repository or about to be.
pub(super) fn run(workspace: &Workspace) -> Result<()> {
    let files = files(workspace)?;
    let mut findings = destinations::check(workspace.root())?;
    findings.extend(architecture::check(workspace)?);
    for path in &files {
        if let Some(text) = read(&workspace.root().join(path))? {
            findings.extend(check(path, &text));
        }
    }
    if findings.is_empty() {
        terminal::note(&format!("{} files checked", files.len()));
        return Ok(());
    }
    findings.iter().for_each(|finding| terminal::note(finding));
    anyhow::bail!("{} against the rules of the repository", count(findings.len(), "finding"))
}

/// Tracked files, and new ones that git does not ignore.
fn files(workspace: &Workspace) -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.current_dir(workspace.root()).arg("-c").arg(format!("safe.directory={}", workspace.root().display()));
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listing = process::capture(&mut git).map_err(|error| {
        let hint = "the checks run in a git clone, with `git` installed: `apt-get install git`";
        Hinted::new("could not list the files of the repository", hint).caused_by(error)
    })?;
    Ok(listing.split_terminator('\0').map(str::to_owned).collect())
}

/// The text of a file; `None` when it is no text, or was deleted and the deletion is not committed yet.
fn read(path: &Path) -> Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8(bytes).ok()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("could not read `{}`", path.display())),
    }
}

fn check(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (pattern, why) in FORBIDDEN.iter().filter(|(pattern, _)| line.contains(pattern)) {
            findings.push(format!("{path}:{}: `{pattern}`: {why}", number + 1));
        }
    }
    let lines = text.lines().count();
    if path.ends_with(".rs") && lines >= TOO_LONG {
        findings.push(format!(
            "{path}: {lines} lines, and a Rust file has fewer than {TOO_LONG}: split it by what it holds"
        ));
    }
    findings
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_forbidden_pattern_is_found_with_its_line() {
        for (pattern, why) in FORBIDDEN {
            let findings = check("a.rs", &format!("fine\n    {pattern}\n"));
            assert!(findings.contains(&format!("a.rs:2: `{pattern}`: {why}")), "{findings:?}");
        }
    }

    #[test]
    fn only_rust_files_have_a_longest_length() {
        let text = "x\n".repeat(TOO_LONG);
        assert_eq!(check("a.rs", &text).len(), 1);
        assert!(check("a.md", &text).is_empty());
        assert!(check("a.rs", &"x\n".repeat(TOO_LONG - 1)).is_empty());
    }

    #[test]
    fn the_sources_of_this_crate_pass() {
        assert!(check("hygiene.rs", include_str!("hygiene.rs")).is_empty());
    }

    #[test]
    fn a_file_that_is_no_text_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(read(&path).unwrap().is_none());
        assert!(read(&folder.path().join("gone")).unwrap().is_none());
    }
}
