//! The command as people and scripts use it: exit codes, output, files.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod alerts;
mod book;
mod chat;
mod check;
mod check_services;
mod dead;
mod demo;
mod interrupt;
mod log;
mod mistakes;
mod mlflow;
mod readme;
mod rotation;
mod runs;
mod secrets;
mod spool;
mod stdin;
mod tracking;
mod troubleshooting;
mod webhook;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder of its own, in which the command finds nothing but what a test puts there.
struct Sandbox {
    folder: PathBuf,
    /// Goes with it, unless it is another process's.
    _owned: Option<TempDir>,
}

impl Sandbox {
    fn new() -> Self {
        let owned = tempfile::tempdir().unwrap();
        Self { folder: owned.path().to_owned(), _owned: Some(owned) }
    }

    /// That of another process.
    fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), _owned: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nethical"));
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        command.env_clear().env("XDG_CONFIG_HOME", self.path("config-home"));
        command.env("NETHICAL_HOME", self.path("home"));
        command
    }

    /// A configuration with one destination, `out`, that keeps on disk what it cannot deliver.
    fn spooled(&self) {
        let spool = "[spool]\ndurability = 'every'\n";
        let out = "[logging.out]\ntype = 'jsonl'\nfilepath = 'out'\nspool = true\n";
        self.write("nethical.toml", [spool, out].concat());
    }

    /// The file of that name takes nothing from now on.
    fn breaks(&self, name: &str) {
        let _ = std::fs::remove_file(self.path(name));
        std::os::unix::fs::symlink("/dev/full", self.path(name)).unwrap();
    }

    /// It takes everything again.
    fn mends(&self, name: &str) {
        std::fs::remove_file(self.path(name)).unwrap();
    }

    fn status(&self) -> serde_json::Value {
        self.run(&["status", "--json"]).code(0).json()
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().unwrap().into()
    }

    /// Run with standard input from a file.
    fn run_with(&self, arguments: &[&str], input: &Path) -> Ended {
        let input = std::fs::File::open(input).unwrap();
        self.command(arguments).stdin(input).output().unwrap().into()
    }

    /// Messages of a JSON Lines file, in order.
    fn messages(&self, name: &str) -> Vec<String> {
        let entries = self.entries(name);
        entries.iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    fn entries(&self, name: &str) -> Vec<serde_json::Value> {
        self.read(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ended {
    #[track_caller]
    fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// Nothing was printed, anywhere.
    #[track_caller]
    fn silent(self) -> Self {
        assert_eq!((self.stdout.as_str(), self.stderr.as_str()), ("", ""));
        self
    }

    #[track_caller]
    fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} is not in {:?}", self.stderr);
        self
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {:?}", self.stdout))
    }
}

#[test]
fn documented_commands_print_what_is_documented() {
    let cases = trycmd::TestCases::new();
    cases
        .case("tests/cmd/*.trycmd")
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("NETHICAL_HOME", "/nonexistent");
    cases.run();
}

#[test]
fn a_reader_that_leaves_is_no_fault() {
    let sandbox = Sandbox::new();
    for arguments in [&["destinations"][..], &["completions", "bash"], &["init", "-"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended: Ended = sandbox.command(arguments).stdout(writer).output().unwrap().into();
        ended.code(0).silent();
    }
}
