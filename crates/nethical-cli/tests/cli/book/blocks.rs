//! The code: `console` blocks run, and so do those that need a service or a state, in [`shell`](super::shell); JSON is
//! JSON. Blocks of TOML, Rust and Python are read and run by tests beside what they are about.

use std::path::Path;
use std::process::Command;

use super::{Page, book, documents};
use crate::Sandbox;

/// Languages of blocks, and who looks after them.
const LANGUAGES: [(&str, &str); 12] = [
    ("console", "here"),
    ("sh", "shell.rs"),
    ("ini", "shell.rs"),
    ("yaml", "shell.rs"),
    ("dockerfile", "shell.rs"),
    ("json", "here"),
    ("text", "nobody: it is no code"),
    ("toml", "nethical::config::schema_tests"),
    ("rust", "the documentation tests of nethical"),
    ("rust,no_run", "the documentation tests of nethical"),
    ("python", "python/tests/test_docs.py"),
    ("", "nobody: it is no code"),
];

/// The blocks of a page: language and text.
fn blocks(page: &Page) -> Vec<(&str, &str)> {
    let fenced = page.text.split("```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').unwrap_or((block, ""))).collect()
}

pub(super) fn in_language<'p>(page: &'p Page, wanted: &'p [&str]) -> impl Iterator<Item = &'p str> {
    blocks(page).into_iter().filter(|(language, _)| wanted.contains(language)).map(|(_, text)| text)
}

#[test]
fn every_block_is_in_a_language_that_somebody_tests() {
    for page in documents() {
        for (language, text) in blocks(&page) {
            assert!(LANGUAGES.iter().any(|(known, _)| *known == language), "{language}: {text}");
        }
    }
}

#[test]
fn the_rust_of_the_book_is_among_the_documentation_tests() {
    let library = include_str!("../../../../nethical/src/lib.rs");
    for page in
        book().iter().filter(|page| blocks(page).iter().any(|(language, _)| language.starts_with("rust")))
    {
        let name = page.path.file_name().unwrap().to_str().unwrap();
        assert!(library.contains(&format!("docs/{name}\")")), "{name} is not in nethical/src/lib.rs");
    }
}

#[test]
fn json_is_json() {
    for page in documents() {
        for block in in_language(&page, &["json"]) {
            serde_json::from_str::<serde_json::Value>(block)
                .unwrap_or_else(|error| panic!("{error}: {block}"));
        }
    }
}

/// What stands after `$ ` in the console blocks of a page runs, one after the other, in a folder of its own.
#[test]
fn the_commands_of_the_book_work() {
    let folder = Path::new(env!("CARGO_BIN_EXE_nethical")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.display());
    for page in book() {
        let sandbox = Sandbox::new();
        sandbox.write("app.toml", "[logging.jsonl]\nfilepath = 'logs/app.jsonl'\n");
        std::fs::create_dir(sandbox.path("config-home")).unwrap();
        std::fs::create_dir(sandbox.path("config-home/nethical")).unwrap();
        let usual = sandbox.path("config-home/nethical/nethical.toml");
        std::fs::rename(sandbox.path("app.toml"), usual).unwrap();
        for line in in_language(&page, &["console"]).flat_map(str::lines) {
            let Some(line) = line.strip_prefix("$ ") else { continue };
            let mut shell = Command::new("bash");
            shell.args(["-c", &format!("set -o pipefail; {line}")]).current_dir(&sandbox.folder).env_clear();
            shell.env("PATH", &path).env("NETHICAL_HOME", sandbox.path("home"));
            shell.env("XDG_CONFIG_HOME", sandbox.path("config-home"));
            let output = shell.output().unwrap();
            assert!(output.status.success(), "{}: {line}: {output:?}", page.path.display());
        }
    }
}
