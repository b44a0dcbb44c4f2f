//! The book: its pages, its links, and every block of its code.

mod blocks;
mod machine;
mod pages;
mod shell;

use std::path::{Path, PathBuf};

use nethical::destinations::ALL;

/// A document: where it is, and what it says with its includes filled in.
struct Page {
    path: PathBuf,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The pages of the book.
fn book() -> Vec<Page> {
    let mut found = Vec::new();
    for folder in ["docs", "docs/destinations"] {
        let entries = std::fs::read_dir(root().join(folder)).unwrap();
        found.extend(entries.map(|entry| entry.unwrap().path()));
    }
    found.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    found.sort();
    found.into_iter().map(|path| Page { text: read(&path), path }).collect()
}

/// Those and the other documents that people read.
fn documents() -> Vec<Page> {
    let others = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "python/README.md"];
    let guides = ALL.iter().map(|kind| format!("crates/nethical-destinations/src/{}/docs.md", kind.name));
    let paths = others.iter().map(ToString::to_string).chain(guides).map(|path| root().join(path));
    book().into_iter().chain(paths.map(|path| Page { text: read(&path), path })).collect()
}

/// A file, with what `{{#include PATH}}` stands for.
fn read(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    match text.split_once("{{#include ").and_then(|(before, rest)| Some((before, rest.split_once("}}")?))) {
        Some((before, (included, after))) => {
            let included = read(&path.parent().unwrap().join(included));
            [before, &included, after].concat()
        }
        None => text,
    }
}
