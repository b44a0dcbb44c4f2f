//! The code: `console` blocks run, `sh` blocks and service files name verbs and options that there are, JSON is JSON.
//! Blocks of TOML, Rust and Python are read and run by tests beside what they are about.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::{Page, book, documents};
use crate::Sandbox;

/// Languages of blocks, and who looks after them.
const LANGUAGES: [(&str, &str); 12] = [
    ("console", "here"),
    ("sh", "here"),
    ("ini", "here"),
    ("yaml", "here"),
    ("dockerfile", "here"),
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

fn in_language<'p>(page: &'p Page, wanted: &'p [&str]) -> impl Iterator<Item = &'p str> {
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

/// Commands that need a service or a state are not run; what they name is looked up in the help of their verb.
#[test]
fn commands_that_cannot_run_here_name_verbs_and_options_that_there_are() {
    let (sandbox, mut helps) = (Sandbox::new(), BTreeMap::new());
    let mut seen = 0;
    for page in documents() {
        for line in in_language(&page, &["sh", "ini", "yaml", "dockerfile"]).flat_map(str::lines) {
            let uses = line.split(['|', ';', '&', '"', '#']).filter_map(|part| part.split_once("nethical "));
            let is_command = |(before, used): &(&str, &str)| {
                let begins = before.is_empty() || before.ends_with(['/', ' ', '=']);
                begins && used.starts_with(|first: char| first.is_ascii_lowercase())
            };
            for (_, used) in uses.filter(is_command) {
                check(&sandbox, &mut helps, used);
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen}");
}

fn check(sandbox: &Sandbox, helps: &mut BTreeMap<Vec<String>, String>, used: &str) {
    let words: Vec<_> = used.split_whitespace().collect();
    let is_verb = |word: &&&str| word.chars().all(|letter| letter.is_ascii_lowercase());
    let verbs: Vec<_> = words.iter().take_while(is_verb).map(ToString::to_string).collect();
    let verb = verbs.first().unwrap_or_else(|| panic!("{used}")).clone();
    let grouped =
        ["alerts", "config", "dead", "deliveries", "run", "runs", "webhook"].contains(&verb.as_str());
    let verbs: Vec<_> = verbs.into_iter().take(if grouped { 2 } else { 1 }).collect();
    let help = helps.entry(verbs.clone()).or_insert_with(|| {
        let arguments: Vec<_> = verbs.iter().map(String::as_str).chain(["--help"]).collect();
        sandbox.run(&arguments).code(0).stdout
    });
    for word in words.iter().filter(|word| word.starts_with("--")) {
        let option = word.split('=').next().unwrap();
        assert!(help.contains(option), "{used}: {option} is not in {help}");
    }
}
