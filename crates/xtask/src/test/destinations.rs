//! Every destination is one folder with the same file names, and is in `ALL`.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};

const SOURCES: &str = "crates/nethical-destinations/src";
const FILES: [&str; 6] = ["mod.rs", "config.rs", "wire.rs", "errors.rs", "docs.md", "example.toml"];

/// Takes events and sends nothing anywhere, so it has no wire and no errors.
const SILENT: &str = "memory";
const WIRE: [&str; 2] = ["wire.rs", "errors.rs"];

/// What destinations share; no destination itself.
const SUPPORT: &str = "support";

/// What is wrong with the folders of the destinations, one line each.
pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let sources = root.join(SOURCES);
    let names = folders(&sources)?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let library = sources.join("lib.rs");
    let text =
        fs::read_to_string(&library).with_context(|| format!("could not read `{}`", library.display()))?;
    let registered = table(&text);
    let mut findings = Vec::new();
    for name in names {
        let needed = FILES.iter().filter(|file| name != SILENT || !WIRE.contains(file));
        for file in needed.filter(|file| !sources.join(&name).join(file).is_file()) {
            findings.push(format!("{SOURCES}/{name}: no `{file}`, which every destination has"));
        }
        if !words(registered).any(|word| word == name) {
            findings.push(format!("{SOURCES}/lib.rs: `{name}` is not in `ALL`, so nothing can find it"));
        }
    }
    Ok(findings)
}

/// Names of the destination folders, sorted.
fn folders(sources: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(sources) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("could not list `{}`", sources.display()))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("could not list `{}`", sources.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && name != SUPPORT {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The text from the definition of `ALL` to the end of its list; empty when there is none.
fn table(library: &str) -> &str {
    let rest = library.split_once(" ALL:").map_or("", |(_, rest)| rest);
    rest.split_once("];").map_or(rest, |(list, _)| list)
}

/// Identifiers outside comments.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let code = text.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code));
    code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: &str = "
        /// Every destination; `slack` is here.
        pub static ALL: &[&Descriptor] = &[
            &jsonl::DESCRIPTOR, // not slack
        ];
        use slack;";

    fn repository(folders: &[(&str, &[&str])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let sources = root.path().join(SOURCES);
        for (name, files) in folders {
            fs::create_dir_all(sources.join(name)).unwrap();
            files.iter().for_each(|file| fs::write(sources.join(name).join(file), "").unwrap());
            fs::write(sources.join("lib.rs"), LIBRARY).unwrap();
        }
        root
    }

    #[test]
    fn no_folder_at_all_passes() {
        assert!(check(repository(&[]).path()).unwrap().is_empty());
    }

    #[test]
    fn a_whole_and_registered_destination_passes() {
        assert!(check(repository(&[("jsonl", &FILES), (SUPPORT, &[])]).path()).unwrap().is_empty());
    }

    #[test]
    fn a_missing_file_is_named() {
        let findings = check(repository(&[("jsonl", &FILES[..5])]).path()).unwrap();
        assert_eq!(findings, [format!("{SOURCES}/jsonl: no `example.toml`, which every destination has")]);
    }

    #[test]
    fn a_destination_outside_the_table_is_named() {
        let findings = check(repository(&[("slack", &FILES)]).path()).unwrap();
        assert_eq!(findings, [format!("{SOURCES}/lib.rs: `slack` is not in `ALL`, so nothing can find it")]);
    }
}
