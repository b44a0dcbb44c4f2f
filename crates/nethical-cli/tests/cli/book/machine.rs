//! A machine as pages speak of one: paths such as `/etc` and the addresses of services lie in a test's own hands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use nethical_receivers::http::HttpPeer;

use crate::{Ended, Sandbox};

/// The folders that pages name, each a folder below the sandbox here.
const FOLDERS: [&str; 6] =
    ["/data/", "/etc/trainer/", "/etc/nethical/", "/opt/", "/usr/local/bin/", "/var/lib/"];

/// The address of a service that pages name.
const SERVICE: &str = "https://hooks.example.com";

pub(super) struct Machine {
    pub(super) sandbox: Sandbox,
    pub(super) service: HttpPeer,
    /// What the environment holds beside `PATH`.
    pub(super) environment: BTreeMap<String, String>,
}

impl Machine {
    /// With the command, and a configuration where it is looked for.
    pub(super) fn new(config: &str) -> Self {
        let (sandbox, service) = (Sandbox::new(), HttpPeer::start().unwrap());
        let home = sandbox.path("home").display().to_string();
        let environment = BTreeMap::from([("NETHICAL_HOME".to_owned(), home)]);
        let machine = Self { sandbox, service, environment };
        for folder in FOLDERS {
            std::fs::create_dir_all(machine.here(folder)).unwrap();
        }
        let command = machine.here("/usr/local/bin/nethical");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_nethical"), command).unwrap();
        machine.sandbox.write("nethical.toml", machine.here(config));
        machine
    }

    /// The text with paths and addresses as they are here.
    pub(super) fn here(&self, text: &str) -> String {
        let root = self.sandbox.path("root");
        let text = text.replace(SERVICE, self.service.url().trim_end_matches('/'));
        FOLDERS.iter().fold(text, |text, folder| text.replace(folder, &format!("{}{folder}", root.display())))
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.here(path).into()
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        std::fs::write(self.path(path), self.here(text)).unwrap();
    }

    /// A script that can be started.
    pub(super) fn program(&self, path: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Have `NAME=value` in the environment.
    pub(super) fn set(&mut self, assignment: &str) {
        let (name, value) = assignment.split_once('=').unwrap();
        self.environment.insert(name.to_owned(), self.here(value));
    }

    /// A shell that runs this block, and fails with its first command that fails.
    pub(super) fn shell(&self, block: &str) -> Command {
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("set -euo pipefail\n{}", self.here(block))]);
        let path = format!("{}:/usr/bin:/bin", self.path("/usr/local/bin/").display());
        shell.current_dir(&self.sandbox.folder).env_clear().env("PATH", path).envs(&self.environment);
        shell
    }

    #[track_caller]
    pub(super) fn run(&self, block: &str) -> Ended {
        Ended::from(self.shell(block).output().unwrap()).code(0)
    }

    /// Entries that are in a file of JSON Lines.
    pub(super) fn messages(&self, path: impl AsRef<Path>) -> Vec<String> {
        self.sandbox.messages(path.as_ref().to_str().unwrap())
    }
}
