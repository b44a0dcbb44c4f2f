//! The commands of the README work as they stand there.

use std::path::Path;
use std::process::Command;

use crate::Sandbox;

/// The lines after `$ ` in the README's shell examples, those of `cargo` aside, which other checks run.
fn commands() -> Vec<String> {
    let readme =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    let blocks = readme.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let lines = blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix("$ "));
    lines.filter(|line| !line.starts_with("cargo")).map(str::to_owned).collect()
}

#[test]
fn the_commands_of_the_readme_work() {
    let sandbox = Sandbox::new();
    let folder = Path::new(env!("CARGO_BIN_EXE_nethical")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let commands = commands();
    assert!(commands.len() >= 2, "{commands:?}");
    for command in commands {
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("set -o pipefail; {command}")]).current_dir(&sandbox.folder);
        let output = shell.env_clear().env("PATH", &path).env("HOME", sandbox.path("home")).output().unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
    }
    assert_eq!(sandbox.read("logs/app.jsonl").lines().count(), 3);
}
