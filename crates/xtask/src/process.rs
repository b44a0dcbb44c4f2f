//! Running other programs: what is run is shown, and a failure names the whole command.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::terminal;
use crate::workspace::Workspace;

/// The features of every build of the whole workspace. The contests of `cargo xtask bench` and what describes the
/// Python module are compiled and linted with everything else, so that no command builds anew what another has built.
pub(crate) const FEATURES: [&str; 2] = ["--features", "xtask/bench,nethical-python/stub"];

/// The cargo that started this program, so that every stage uses one toolchain.
pub(crate) fn cargo(workspace: &Workspace) -> Command {
    let mut command = Command::new(cargo_path());
    command.current_dir(workspace.root());
    command
}

/// The path behind [`cargo`], for programs that want it in `CARGO`.
pub(crate) fn cargo_path() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"))
}

/// Runs a command with the terminal's own streams; anything but exit code 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = describe(command);
    terminal::command(&line);
    let status = command.status().with_context(|| format!("could not start `{line}`"))?;
    if status.success() {
        return Ok(());
    }
    bail!("`{line}` failed ({status})")
}

/// Runs a command and returns what it wrote to stdout; its stderr goes to the terminal.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let line = describe(command);
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("could not start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed ({})", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` wrote something that is not UTF-8"))
}

/// Runs a command only to ask it something: `None` when it does not exist or does not succeed.
pub(crate) fn probe(command: &mut Command) -> Result<Option<String>> {
    let line = describe(command);
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => {
            Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()))
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("could not start `{line}`")),
    }
}

/// The command as a person would type it, without the folder of the program.
fn describe(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_its_exit_code() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "`sh -c exit 3` failed (exit status: 3)");
    }

    #[test]
    fn a_program_that_does_not_exist_probes_as_none() {
        assert!(probe(&mut Command::new("no-such-program-here")).unwrap().is_none());
    }

    #[test]
    fn the_folder_of_the_program_is_not_shown() {
        assert_eq!(describe(Command::new("/usr/bin/env").arg("true")), "env true");
    }
}
