//! A child process that does as it is told.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nethical_core::delivery::Ledger;

/// Where processes keep and deliver.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.0.path().join("home")
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.path().join("delivered")
    }

    /// The numbers that were delivered, in order.
    pub(crate) fn delivered(&self) -> Vec<u64> {
        let text = fs::read_to_string(self.file()).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }
}

/// A running child; it is killed when this goes.
pub(crate) struct Worker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Worker {
    pub(crate) fn start(folder: &Folder, key: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
        command.arg(folder.home()).arg(key).arg(folder.file());
        Self::run(command)
    }

    /// The same by any command that ends in it.
    pub(crate) fn run(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut worker = Self { child, input, output };
        worker.order("down");
        worker
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Has it do something, and waits for the answer.
    pub(crate) fn order(&mut self, order: &str) -> String {
        writeln!(self.input, "{order}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        assert!(answer.ends_with('\n'), "the worker ended at `{order}`");
        answer.trim_end().to_owned()
    }

    pub(crate) fn ledger(&mut self) -> Ledger {
        serde_json::from_str(&self.order("status")).unwrap()
    }

    /// Kills it, and says which process that was.
    pub(crate) fn kill(mut self) -> u32 {
        self.end();
        self.pid()
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}
