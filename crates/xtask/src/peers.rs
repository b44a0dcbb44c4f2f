//! `cargo xtask peers`: the real receivers that tests send to and the programs that tests and benches run beside ours,
//! without installing anything.
//!
//! The packages of rsyslog and syslog-ng conflict with each other, so Debian's packages are unpacked under
//! `target/peers` and run from there. What is Python is installed into virtual environments there, and an emulator of
//! Azure's blobs beside them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::npm;
use crate::process;
use crate::terminal::{self, Hinted};
use crate::venv::Venv;
use crate::workspace::Workspace;

/// A program, the packages that hold it, and those that it needs where the system has not got them.
struct Program {
    path: &'static str,
    packages: &'static [&'static str],
    libraries: &'static [&'static str],
}

const PROGRAMS: [Program; 4] = [
    Program { path: "usr/sbin/rsyslogd", packages: &["rsyslog", "rsyslog-gnutls"], libraries: &LIBRARIES },
    Program { path: "usr/sbin/syslog-ng", packages: &["syslog-ng-core"], libraries: &LIBRARIES },
    Program {
        path: "usr/bin/systemd-analyze",
        packages: &["systemd", "libsystemd-shared"],
        libraries: &OF_SYSTEMD,
    },
    Program { path: ALERTMANAGER, packages: &["prometheus-alertmanager"], libraries: &[] },
];

/// Alertmanager, below the folder of the peers.
pub(crate) const ALERTMANAGER: &str = "usr/bin/prometheus-alertmanager";

/// What the syslog servers need beside the C library.
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

/// What `systemd-analyze` needs beside the C library.
const OF_SYSTEMD: [&str; 20] = [
    "libacl1",
    "libapparmor1",
    "libaudit1",
    "libblkid1",
    "libcap-ng0",
    "libcap2",
    "libcrypt1",
    "libgcrypt20",
    "libgpg-error0",
    "libip4tc2",
    "libkmod2",
    "liblz4-1",
    "liblzma5",
    "libmount1",
    "libpam0g",
    "libpcre2-8-0",
    "libseccomp2",
    "libselinux1",
    "libssl3",
    "libzstd1",
];

/// What the official client of W&B is installed from.
const WANDB: &str = "python/requirements-wandb.txt";

/// What MLflow is installed from, with what it keeps artifacts in.
const MLFLOW: &str = "python/requirements-mlflow.txt";

/// What Apprise is installed from.
const APPRISE: &str = "python/requirements-apprise.txt";

/// Unpack the receivers, and install the clients that tests put beside ours, unless they are there.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    Venv::prepare_peer(workspace, "wandb", WANDB)?;
    mlflow(workspace)?;
    npm::prepare_azurite(workspace)?;
    Venv::prepare_peer(workspace, "apprise", APPRISE)?;
    unpack(workspace)
}

/// The environment with MLflow in it, which is made if it is not there.
pub(crate) fn mlflow(workspace: &Workspace) -> Result<PathBuf> {
    Venv::prepare_peer(workspace, "mlflow", MLFLOW)?;
    Ok(workspace.peers().join("mlflow"))
}

fn unpack(workspace: &Workspace) -> Result<()> {
    let peers = workspace.peers();
    let (present, missing): (Vec<_>, Vec<_>) =
        PROGRAMS.iter().partition(|program| peers.join(program.path).is_file());
    for program in present {
        terminal::note(&format!("`{}` is there", peers.join(program.path).display()));
    }
    missing.into_iter().try_for_each(|program| unpack_program(&peers, program))
}

fn unpack_program(peers: &Path, program: &Program) -> Result<()> {
    let name = program.path.rsplit('/').next().unwrap_or(program.path);
    let packages = peers.join("packages").join(name);
    fs::create_dir_all(&packages).with_context(|| format!("could not make `{}`", packages.display()))?;
    download(&packages, program).map_err(|error| {
        let hint =
            "this needs Debian 12 or a relative with `apt-get`, and its package lists: `apt-get update`";
        Hinted::new(format!("could not download {name}"), hint).caused_by(error)
    })?;
    let listing =
        fs::read_dir(&packages).with_context(|| format!("could not list `{}`", packages.display()))?;
    for package in listing {
        let path = package.context("could not list the packages")?.path();
        process::run(Command::new("dpkg-deb").arg("-x").arg(path).arg(peers))?;
    }
    Ok(())
}

fn download(folder: &Path, program: &Program) -> Result<()> {
    let mut wanted = program.packages.to_vec();
    for library in program.libraries {
        if process::probe(Command::new("dpkg").args(["-s", library]))?.is_none() {
            wanted.push(library);
        }
    }
    process::run(Command::new("apt-get").current_dir(folder).args(["download", "-qq"]).args(wanted))
}
