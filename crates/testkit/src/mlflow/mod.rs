//! The real MLflow server, from `target/peers/mlflow`, on a free port of the loopback interface.
//!
//! It takes seconds to start and 0.4 GiB to run, so all tests of one run share one: the first that asks starts it
//! under a guard, which ends it when the program that runs the tests has ended.

mod guard;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nethical_receivers::syslog::tls::Authority;
use rustix::fs::{FlockOperation, flock};
use serde_json::Value;

/// How long a server may take to answer for the first time, on a machine that builds meanwhile.
const PATIENCE: Duration = Duration::from_secs(150);

/// The virtual environment that MLflow is in.
pub fn environment() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")).join("peers/mlflow")
}

/// A running server.
#[derive(Debug, Clone)]
pub struct Mlflow {
    address: SocketAddr,
}

/// An answer: its status and its JSON, or `null`.
pub type Answer = (u16, Value);

impl Mlflow {
    /// The server that all tests of this run share.
    ///
    /// # Panics
    /// If there is none and none can be started.
    pub fn shared() -> Self {
        let folder = environment().join("run");
        fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let lock = File::create(folder.join("lock")).unwrap_or_else(|error| panic!("{error}"));
        flock(lock.as_fd(), FlockOperation::LockExclusive).unwrap_or_else(|error| panic!("{error}"));
        let note = folder.join("address");
        let known =
            fs::read_to_string(&note).ok().and_then(|text| Some(Self { address: text.parse().ok()? }));
        if let Some(known) = known.filter(Self::is_well) {
            return known;
        }
        let server = Self { address: free() };
        guard::start(&folder, server.address.port());
        server.wait();
        fs::write(note, server.address.to_string()).unwrap_or_else(|error| panic!("{error}"));
        server
    }

    /// The server at this address.
    pub const fn at(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Where it is.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it is, as a tracking URI.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn is_well(&self) -> bool {
        exchange(self.address, "GET", "/health", "").is_ok_and(|(status, _)| status == 200)
    }

    /// Wait until it answers.
    ///
    /// # Panics
    /// If that takes very long.
    pub fn wait(&self) {
        let started = Instant::now();
        while !self.is_well() {
            assert!(
                started.elapsed() < PATIENCE,
                "no MLflow at {}: `cargo xtask peers` installs it",
                self.address
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Ask the tracking API: `GET runs/get?run_id=...`, or POST if there is a body.
    ///
    /// # Panics
    /// If the server does not answer, or not whole.
    pub fn ask(&self, call: &str, body: Option<&Value>) -> Answer {
        let (method, text) = body.map_or(("GET", String::new()), |body| ("POST", body.to_string()));
        let (status, body) = exchange(self.address, method, &format!("/api/2.0/mlflow/{call}"), &text)
            .unwrap_or_else(|error| panic!("{call}: {error}"));
        let answer = serde_json::from_slice(&body);
        assert!(status != 200 || answer.is_ok(), "{call}: {}", String::from_utf8_lossy(&body));
        (status, answer.unwrap_or_default())
    }

    /// The bytes at a path of the server.
    ///
    /// # Panics
    /// If it does not answer with success.
    pub fn download(&self, path: &str) -> Vec<u8> {
        let (status, body) =
            exchange(self.address, "GET", path, "").unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        body
    }

    /// Every point of a metric.
    pub fn history(&self, run: &str, metric: &str) -> Vec<Value> {
        let (mut points, mut page) = (Vec::new(), String::new());
        loop {
            let call =
                format!("metrics/get-history?run_id={run}&metric_key={metric}&max_results=25000{page}");
            let (status, answer) = self.ask(&call, None);
            assert_eq!(status, 200, "{call}: {answer}");
            points.extend(answer["metrics"].as_array().into_iter().flatten().cloned());
            match answer["next_page_token"].as_str().filter(|token| !token.is_empty()) {
                Some(token) => page = format!("&page_token={token}"),
                None => return points,
            }
        }
    }

    /// The runs of an experiment.
    pub fn runs(&self, experiment: &str) -> Vec<Value> {
        let (_, found) = self.ask(&format!("experiments/get-by-name?experiment_name={experiment}"), None);
        let Some(id) = found["experiment"]["experiment_id"].as_str() else { return Vec::new() };
        let body = serde_json::json!({ "experiment_ids": [id], "max_results": 1000 });
        self.ask("runs/search", Some(&body)).1["runs"].as_array().cloned().unwrap_or_default()
    }
}

/// A server of one's own, to be killed and started again on the same data.
#[derive(Debug)]
pub struct Own {
    folder: tempfile::TempDir,
    server: Mlflow,
    child: Child,
}

impl Own {
    /// Start one.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let server = Mlflow { address: free() };
        let child = spawn(folder.path(), server.address.port());
        server.wait();
        Self { folder, server, child }
    }

    /// One that speaks TLS with a certificate of this authority, and asks for the password of its user `admin`. It is not
    /// waited for.
    ///
    /// # Panics
    /// If it does not start.
    pub fn secured(authority: &Authority, password: &str) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let identity = authority.identity(&["127.0.0.1"]).unwrap_or_else(|error| panic!("{error}"));
        let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
        for (path, text) in [(&certificate, &identity.certificate), (&key, &identity.key)] {
            fs::write(path, text).unwrap_or_else(|error| panic!("{error}"));
        }
        let server = Mlflow { address: free() };
        let tls = format!("--ssl-certfile {} --ssl-keyfile {}", certificate.display(), key.display());
        let mut command = command(folder.path(), server.address.port());
        command.args(["--app-name", "basic-auth", "--uvicorn-opts", &tls]);
        command.env("MLFLOW_AUTH_ADMIN_PASSWORD", password).env("MLFLOW_FLASK_SERVER_SECRET_KEY", "any");
        let child = command.spawn().unwrap_or_else(|error| panic!("no MLflow: {error}"));
        Self { folder, server, child }
    }

    /// The server.
    pub const fn server(&self) -> &Mlflow {
        &self.server
    }

    /// End it as a power cut would.
    pub fn kill(&mut self) {
        end(&mut self.child);
    }

    /// Start it again, without waiting until it answers.
    pub fn restart(&mut self) {
        self.child = spawn(self.folder.path(), self.server.address.port());
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.kill();
    }
}

/// End a server with its workers: they are one group of processes.
fn end(child: &mut Child) {
    if let Some(group) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
        // It may have ended by itself.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.wait();
}

fn spawn(folder: &Path, port: u16) -> Child {
    command(folder, port)
        .spawn()
        .unwrap_or_else(|error| panic!("no MLflow (`cargo xtask peers` installs it): {error}"))
}

/// One worker, no jobs: 0.4 GiB instead of 2.4.
fn command(folder: &Path, port: u16) -> Command {
    use std::os::unix::process::CommandExt;
    let bin = environment().join("bin");
    let mut path = bin.clone().into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut command = Command::new(bin.join("mlflow"));
    command.args(["server", "--host", "127.0.0.1", "--port", &port.to_string(), "--workers", "1"]);
    command.args(["--backend-store-uri", &format!("sqlite:///{}", folder.join("mlflow.db").display())]);
    command.arg("--artifacts-destination").arg(folder.join("artifacts"));
    command.current_dir(folder).env("PATH", path);
    command.env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false").env("MLFLOW_DISABLE_TELEMETRY", "true");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    command
}

fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("{error}"));
    listener.local_addr().unwrap_or_else(|error| panic!("{error}"))
}

/// One request and its answer, over a connection of their own.
fn exchange(address: SocketAddr, method: &str, path: &str, body: &str) -> std::io::Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let length = body.len();
    // In the old version of HTTP an answer ends with its connection.
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let bad = || std::io::Error::other("no answer of HTTP");
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(bad)?;
    let (head, body) = answer.split_at(at + 4);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok());
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    // Half an answer would look like one with nothing in it.
    if length.is_some_and(|length: usize| length != body.len()) {
        return Err(std::io::Error::other(format!("{} bytes of {length:?}", body.len())));
    }
    Ok((status.ok_or_else(bad)?, body.to_vec()))
}
