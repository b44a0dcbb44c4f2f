//! `cargo xtask peers`: the real receivers that tests send to, without installing anything.
//!
//! The packages of rsyslog and syslog-ng conflict with each other, so they are unpacked under
//! `target/peers` and run from there. The clients of W&B and MLflow, and its server, are installed into virtual
//! environments there, and an emulator of Azure's blobs beside them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::npm;
use crate::process;
use crate::terminal::{self, Hinted};
use crate::venv::Venv;
use crate::workspace::Workspace;

/// The receivers themselves.
const PACKAGES: [&str; 3] = ["rsyslog", "rsyslog-gnutls", "syslog-ng-core"];

/// What they need beside the C library, where the system has not got it.
const LIBRARIES: [&str; 13] = [
    "libestr0",
    "libfastjson4",
    "liblognorm5",
    "libivykis0",
    "libnet1",
    "libwrap0",
    "libpcre3",
    "libgnutls30",
    "libjson-c5",
    "libnsl2",
    "libcap2",
    "libsystemd0",
    "libcurl3-gnutls",
];

/// What must be there afterwards.
const PROGRAMS: [&str; 2] = ["usr/sbin/rsyslogd", "usr/sbin/syslog-ng"];

/// What the official client of W&B is installed from.
const WANDB: &str = "python/requirements-wandb.txt";

/// What MLflow is installed from, with what it keeps artifacts in.
const MLFLOW: &str = "python/requirements-mlflow.txt";

/// Unpack the receivers, and install the clients that tests put beside ours, unless they are there.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    Venv::prepare_peer(workspace, "wandb", WANDB)?;
    mlflow(workspace)?;
    npm::prepare_azurite(workspace)?;
    unpack(workspace)
}

/// The environment with MLflow in it, which is made if it is not there.
pub(crate) fn mlflow(workspace: &Workspace) -> Result<PathBuf> {
    Venv::prepare_peer(workspace, "mlflow", MLFLOW)?;
    Ok(workspace.peers().join("mlflow"))
}

fn unpack(workspace: &Workspace) -> Result<()> {
    let peers = workspace.peers();
    if PROGRAMS.iter().all(|program| peers.join(program).is_file()) {
        terminal::note(&format!("rsyslog and syslog-ng are in `{}`", peers.display()));
        return Ok(());
    }
    let packages = peers.join("packages");
    fs::create_dir_all(&packages).with_context(|| format!("could not make `{}`", packages.display()))?;
    download(&packages).map_err(|error| {
        let hint =
            "this needs Debian 12 or a relative with `apt-get`, and its package lists: `apt-get update`";
        Hinted::new("could not download rsyslog and syslog-ng", hint).caused_by(error)
    })?;
    let listing =
        fs::read_dir(&packages).with_context(|| format!("could not list `{}`", packages.display()))?;
    for package in listing {
        let path = package.context("could not list the packages")?.path();
        process::run(Command::new("dpkg-deb").arg("-x").arg(path).arg(&peers))?;
    }
    Ok(())
}

fn download(folder: &Path) -> Result<()> {
    let mut wanted = PACKAGES.to_vec();
    for library in LIBRARIES {
        if process::probe(Command::new("dpkg").args(["-s", library]))?.is_none() {
            wanted.push(library);
        }
    }
    process::run(Command::new("apt-get").current_dir(folder).args(["download", "-qq"]).args(wanted))
}
