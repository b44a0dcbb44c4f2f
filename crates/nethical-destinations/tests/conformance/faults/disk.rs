//! A full disk: a file system of two megabytes in memory, which only a child process sees.

use std::any::Any;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use nethical_destinations::Validated;
use nethical_destinations::jsonl::JsonlConfig;

use super::cell::{Heal, SetUp};
use super::{Cell, Fault, here};
use crate::{Peer, peers};

/// In the child: which destination.
const STAND: &str = "FAULTS_FULL_DISK";

/// Has the child mount it over this folder. Without the right to mount, a user's name space gives it.
pub(super) fn in_child(stand: &str) -> Cell {
    let folder = tempfile::tempdir().unwrap();
    let root = rustix::process::geteuid().is_root();
    let spaces: &[&str] = if root { &["--mount"] } else { &["--user", "--map-root-user", "--mount"] };
    let mut command = Command::new("unshare");
    command.args(spaces).args(["sh", "-c", "mount -t tmpfs -o size=2m tmpfs \"$1\" && exec \"$0\""]);
    command.arg(std::env::current_exe().unwrap()).arg(folder.path());
    let output = command.env(STAND, format!("{stand}:{}", folder.path().display())).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let row = said.lines().last().and_then(|line| serde_json::from_str(line).ok());
    Ok(row.unwrap_or_else(|| panic!("{stand}: {said}\n{}", String::from_utf8_lossy(&output.stderr))))
}

/// If this is that child, the row is printed, and nothing else is to be done.
pub(crate) fn is_done_as_child() -> bool {
    let Ok(order) = std::env::var(STAND) else { return false };
    let (stand, path) = order.split_once(':').unwrap();
    let disk = Disk { path: path.into() };
    let row = here(stand, Fault::DiskFull, Some(&disk)).unwrap();
    serde_json::to_writer(std::io::stdout(), &row).unwrap();
    true
}

/// The disk in the child.
pub(super) struct Disk {
    path: PathBuf,
}

impl Disk {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    /// Until nothing more can be written.
    pub(super) fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        while ballast.write_all(&[0; 4_096]).is_ok() {}
        while ballast.write_all(&[0]).is_ok() {}
    }

    /// Makes room again.
    pub(super) fn room(&self) -> Heal {
        let ballast = self.ballast();
        Box::new(move || fs::remove_file(ballast).unwrap())
    }
}

/// A file on the disk, or memory.
pub(super) fn set_up(stand: &str, fault: Fault, disk: Option<&Disk>) -> Result<SetUp, &'static str> {
    let peer = peers::start(stand);
    let peer: Box<dyn Peer> = match (fault, disk) {
        (Fault::ClockJump, _) => peer,
        (Fault::DiskFull, Some(disk)) => Box::new(OnDisk { path: disk.path().join("app.jsonl"), peer }),
        _ if stand == "memory" => return Err("it has no endpoint"),
        _ => return Err("it is a file"),
    };
    let standing: Box<dyn Any> = Box::new(());
    Ok(SetUp { config: peer.config(), peer, heal: Mutex::default(), standing })
}

struct OnDisk {
    path: PathBuf,
    peer: Box<dyn Peer>,
}

impl Peer for OnDisk {
    fn event(&self, text: &str) -> nethical_core::event::Event {
        self.peer.event(text)
    }

    fn config(&self) -> Arc<dyn Validated> {
        Arc::new(JsonlConfig::new(&self.path))
    }

    fn is_remote(&self) -> bool {
        false
    }

    fn received(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        assert!(text.is_empty() || text.ends_with('\n'), "the file ends in half a line");
        let id = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].clone();
        text.lines().map(|line| id(line).as_str().unwrap().to_owned()).collect()
    }

    fn take_down(&self) -> bool {
        false
    }

    fn bring_up(&self) {}
}
