//! `cargo xtask stub`: what type checkers are told of the extension module, out of the types of its Rust.
//!
//! PyO3 puts a description of everything that is exported into a module that is built with the feature `stub`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use pyo3_introspection::{introspect_cdylib, module_stub_files};

use crate::process::{self, FEATURES};
use crate::terminal::{self, Hinted};
use crate::workspace::Workspace;

const HEAD: &str = "# Written by `cargo xtask stub`, out of `python/src`.\n";

fn path(workspace: &Workspace) -> PathBuf {
    workspace.root().join("python/nethical/_core.pyi")
}

/// Writes it.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let path = path(workspace);
    fs::write(&path, generated(workspace)?)
        .with_context(|| format!("could not write `{}`", path.display()))?;
    terminal::note("`python/nethical/_core.pyi` is that of this module");
    Ok(())
}

/// Fails if the one that is there is not that of this module.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let path = path(workspace);
    let there = fs::read_to_string(&path).with_context(|| format!("could not read `{}`", path.display()))?;
    match first_difference(&there, &generated(workspace)?) {
        None => Ok(()),
        Some(difference) => bail!(Hinted::new(
            format!("`python/nethical/_core.pyi` is not that of this module: {difference}"),
            "`cargo xtask stub` writes it"
        )),
    }
}

fn generated(workspace: &Workspace) -> Result<String> {
    let mut build = process::cargo(workspace);
    // With the tests, which others build as well: without them dependencies would have other features.
    process::run(build.args(["build", "--workspace", "--lib", "--tests"]).args(FEATURES))?;
    let module = introspect_cdylib(workspace.debug().join("lib_core.so"), "_core")?;
    let mut files = module_stub_files(&module);
    let stub = files.remove(Path::new("__init__.pyi")).context("the module describes nothing")?;
    Ok(HEAD.to_owned() + &stub)
}

/// The first line in which two texts differ.
fn first_difference(there: &str, wanted: &str) -> Option<String> {
    let (there, wanted): (Vec<_>, Vec<_>) = (there.lines().collect(), wanted.lines().collect());
    let line = (0..there.len().max(wanted.len())).find(|&line| there.get(line) != wanted.get(line))?;
    let of = |lines: &[&str]| lines.get(line).map_or("its end".to_owned(), |text| format!("`{text}`"));
    Some(format!("line {} is {} instead of {}", line + 1, of(&there), of(&wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_by_its_line() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb", "a\nc"), Some("line 2 is `b` instead of `c`".to_owned()));
        assert_eq!(first_difference("a", "a\nc"), Some("line 2 is its end instead of `c`".to_owned()));
    }
}
