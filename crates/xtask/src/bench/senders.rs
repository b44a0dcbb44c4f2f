//! Programs that people send messages with, beside ours: Alertmanager and Apprise.
//!
//! `cargo xtask peers` gets them. One that is not there takes no part.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nethical_receivers::http::HttpPeer;
use serde_json::{Value, json};

use super::{Contestant, ours, script, webhook};
use crate::process;
use crate::workspace::Workspace;

const PATIENCE: Duration = Duration::from_secs(300);

/// Messages that Apprise sends in a round; it takes a thousandth of a second for each.
const SHARE: u64 = 1_000;

/// Those that are there.
pub(super) fn contestants(workspace: &Workspace) -> Vec<Contestant> {
    let mut found = Vec::new();
    let program = workspace.peers().join(crate::peers::ALERTMANAGER);
    if program.is_file() && isolated(&program).arg("--version").output().is_ok_and(|run| run.status.success())
    {
        let folder = workspace.bench().join("alertmanager");
        found.push(Contestant::new("Alertmanager", move |alerts| alertmanager(&program, &folder, alerts)));
    }
    let python = workspace.peers().join("apprise/bin/python");
    if python.is_file() {
        let script = workspace.root().join("crates/xtask/python/apprise_posts.py");
        found.push(Contestant::new("Apprise, by 1,000 of them", move |messages| {
            apprise(&python, &script, messages)
        }));
    }
    found
}

fn apprise(python: &PathBuf, script: &PathBuf, messages: u64) -> Result<Duration> {
    let peer = webhook::receiver()?;
    let share = messages.min(SHARE);
    let mut command = Command::new(python);
    command.arg(script).arg(peer.address().to_string()).arg(share.to_string());
    let took = script::read(&process::capture(&mut command)?)?;
    ensure!(peer.count() == share, "{} of {share} arrived", peer.count());
    Ok(took.mul_f64(messages as f64 / share as f64))
}

/// Each alert is a group of its own, so each is a message; until the last has arrived.
fn alertmanager(program: &Path, folder: &Path, alerts: u64) -> Result<Duration> {
    let home = ours::folder(folder)?;
    let peer = webhook::receiver()?;
    let running = Alertmanager::start(program, home.path(), &peer)?;
    let bodies: Vec<_> = (0..alerts).collect::<Vec<_>>().chunks(500).map(body).collect();
    let start = Instant::now();
    for body in bodies {
        running.post(&body.to_string())?;
    }
    while peer.count() < alerts {
        ensure!(start.elapsed() < PATIENCE, "{} of {alerts} arrived", peer.count());
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(start.elapsed())
}

fn body(numbers: &[u64]) -> Value {
    let alert = |number: &u64| {
        json!({
            "labels": { "alertname": "model_deployed", "model_id": "model_123", "n": number.to_string() },
            "annotations": { "version": "1.0.0", "accuracy": "0.95" },
        })
    };
    numbers.iter().map(alert).collect()
}

/// `program` in a namespace that lays its package's `/usr/share` over the system's: Debian's Alertmanager finds its
/// templates only there.
fn isolated(program: &Path) -> Command {
    let share = program.parent().and_then(Path::parent).map(|usr| usr.join("share")).unwrap_or_default();
    let lay = "mount -t overlay overlay -o lowerdir=\"$0\":/usr/share /usr/share && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", lay]).arg(share).arg(program);
    command
}

struct Alertmanager {
    child: Child,
    address: SocketAddr,
}

impl Alertmanager {
    fn start(program: &Path, home: &Path, peer: &HttpPeer) -> Result<Self> {
        let config = home.join("alertmanager.yml");
        let text = format!(
            "route: {{receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 5m}}\n\
             receivers:\n- name: hook\n  webhook_configs: [{{url: '{}', send_resolved: false}}]\n",
            peer.url()
        );
        std::fs::write(&config, text).context("no configuration for Alertmanager")?;
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr())?;
        let mut command = isolated(program);
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.path={}", home.join("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        command.args(["--cluster.listen-address=", "--log.level=error"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut running = Self { child: child.context("could not start Alertmanager")?, address };
        let started = Instant::now();
        while running.ask("GET", "/-/ready", "").is_err() {
            if let Some(status) = running.child.try_wait()? {
                bail!("Alertmanager has ended ({status})");
            }
            ensure!(started.elapsed() < PATIENCE, "Alertmanager is not ready");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(running)
    }

    fn post(&self, body: &str) -> Result<()> {
        self.ask("POST", "/api/v2/alerts", body)
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if !answer.starts_with("HTTP/1.1 200") {
            bail!("Alertmanager answered {}", answer.lines().next().unwrap_or_default());
        }
        Ok(())
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
