//! Where things are: the repository and the folders under `target/` that belong to these commands.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The repository this binary was built from.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Finds the root from this crate's own folder, and the target folder as cargo does.
    pub(crate) fn find() -> Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest
            .ancestors()
            .nth(2)
            .with_context(|| format!("no repository above `{}`", manifest.display()))?
            .to_path_buf();
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
        Ok(Self { root, target })
    }

    /// A workspace at any folder, for tests.
    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Self {
        Self { root: root.to_path_buf(), target: root.join("target") }
    }

    /// The folder with the workspace manifest.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Programs installed for the checks, laid out as `cargo install --root` does.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// The real receivers that tests send to.
    pub(crate) fn peers(&self) -> PathBuf {
        self.target.join("peers")
    }

    /// Fuzz targets, and what they came upon.
    pub(crate) fn fuzz(&self) -> PathBuf {
        self.target.join("fuzz")
    }

    /// Programs of the workspace, built as tests are.
    pub(crate) fn debug(&self) -> PathBuf {
        self.target.join("debug")
    }

    /// Programs of the workspace, built for release.
    pub(crate) fn release(&self) -> PathBuf {
        self.target.join("release")
    }

    /// The Python virtual environment of the tests.
    pub(crate) fn venv(&self) -> PathBuf {
        self.target.join("venv")
    }

    /// Python wheels.
    pub(crate) fn wheels(&self) -> PathBuf {
        self.target.join("wheels")
    }

    /// The virtual environment that has nothing but a wheel of ours.
    pub(crate) fn wheel_venv(&self) -> PathBuf {
        self.target.join("wheel-venv")
    }

    /// The JavaScript packages of the tests.
    pub(crate) fn npm(&self) -> PathBuf {
        self.target.join("npm")
    }

    /// Results of benches.
    #[cfg(feature = "bench")]
    pub(crate) fn bench(&self) -> PathBuf {
        self.target.join("bench")
    }
}
