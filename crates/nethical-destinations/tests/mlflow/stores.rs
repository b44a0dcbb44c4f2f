//! Artifacts straight into stores of objects, where the server keeps those of an experiment there. What leads to a
//! store stands in the environment, so each test runs its program in a process of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::fmt::rfc2822::DateTimePrinter;
use nethical_core::event::Timestamp;
use nethical_core::tracking::{ArtifactOptions, RunStatus};
use serde_json::json;
use sha2::Sha256;
use testkit::mlflow::{Mlflow, environment};

use crate::{PATIENCE, config, home, ledger, name, open, start, write};

const CHILD: &str = "NETHICAL_TEST_EXPERIMENT";
const ALL_SIZES: &str = "NETHICAL_TEST_ALL_SIZES";

/// More than goes in one piece.
const LARGE: usize = 20 << 20;

fn large() -> Vec<u8> {
    (0..LARGE as u32 / 4).flat_map(u32::to_le_bytes).collect()
}

/// An emulator of a store; killed when dropped.
struct Emulator {
    child: Child,
    address: SocketAddr,
}

impl Emulator {
    /// Start what `command` makes for a port.
    fn start(command: impl FnOnce(u16) -> Command) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let mut command = command(address.port());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let emulator = Self { child: command.spawn().unwrap(), address };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert!(
                Instant::now() < deadline,
                "no emulator (`cargo xtask peers` installs them): {command:?}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        emulator
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The status of the answer to a request without a body.
    fn put(&self, path: &str, headers: &str) -> u16 {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let host = self.address;
        write!(stream, "PUT {path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: 0\r\n{headers}\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_whitespace().nth(1).unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
    }

    fn get(&self, path: &str) -> Vec<u8> {
        Mlflow::at(self.address).download(path)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program of the environment with MLflow in it.
fn program(name: &str) -> Command {
    Command::new(environment().join("bin").join(name))
}

/// The program whose artifacts these are: a folder with a file in another and, if asked for, an empty and a large one.
fn run_the_program(experiment: &str) {
    let (server, home) = (Mlflow::shared(), home());
    let platform = open(config(&server.url()), home.path());
    let run = start(&*platform, experiment);
    let data = home.path().join("data");
    write(&data, "sub dir/é.txt", b"text");
    if std::env::var_os(ALL_SIZES).is_some() {
        write(&data, "empty", b"");
        write(&data, "large", &large());
    }
    platform.log_artifact(&run, &data, &ArtifactOptions::default()).unwrap();
    let ended = platform.end_run(&run, RunStatus::Completed, Some(PATIENCE)).unwrap();
    assert!(ended && ledger(&*platform).dead_lettered == 0, "{:?}", platform.statuses());
}

/// Has `test` run the program in an experiment whose artifacts are to be at `location`. Returns their path in the bucket.
fn artifacts_of(test: &str, location: &str, variables: &[(&str, &str)]) -> String {
    let (server, experiment) = (Mlflow::shared(), name("stored"));
    let body = json!({ "name": experiment, "artifact_location": location });
    assert_eq!(server.ask("experiments/create", Some(&body)).0, 200);
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--nocapture"]).env(CHILD, &experiment);
    let output = child.envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let runs = server.runs(&experiment);
    let uri = runs[0]["info"]["artifact_uri"].as_str().unwrap().to_owned();
    uri.strip_prefix(location).unwrap_or_else(|| panic!("{uri}")).to_owned() + "/data"
}

#[test]
fn s3_takes_an_artifact() {
    if let Ok(experiment) = std::env::var(CHILD) {
        return run_the_program(&experiment);
    }
    let moto = Emulator::start(|port| {
        let mut command = program("moto_server");
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        command
    });
    // Everybody may read it.
    assert_eq!(moto.put("/models", "x-amz-acl: public-read\r\n"), 200);
    let variables = [
        ("AWS_ENDPOINT_URL_S3", &*moto.url()),
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_REGION", "us-east-1"),
        (ALL_SIZES, "1"),
    ];
    let path = artifacts_of("stores::s3_takes_an_artifact", "s3://models/runs", &variables);
    assert_eq!(moto.get(&format!("/models/runs{path}/empty")), b"");
    assert_eq!(moto.get(&format!("/models/runs{path}/sub%20dir/%C3%A9.txt")), b"text");
    assert!(moto.get(&format!("/models/runs{path}/large")) == large());
}

#[test]
fn google_cloud_storage_takes_an_artifact() {
    if let Ok(experiment) = std::env::var(CHILD) {
        return run_the_program(&experiment);
    }
    let emulator = Emulator::start(|port| {
        let mut command = program("python");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mlflow/gcs.py");
        command.args([script, &port.to_string(), "models"]);
        command
    });
    // The emulator can neither put parts of a file together nor take an empty one.
    let variables = [("STORAGE_EMULATOR_HOST", &*emulator.url())];
    let path = artifacts_of("stores::google_cloud_storage_takes_an_artifact", "gs://models/runs", &variables);
    assert_eq!(emulator.get(&format!("/models/runs{path}/sub%20dir/%C3%A9.txt")), b"text");
}

#[test]
fn azure_takes_an_artifact() {
    if let Ok(experiment) = std::env::var(CHILD) {
        return run_the_program(&experiment);
    }
    let (place, key) = (home(), BASE64_STANDARD.encode("a key that nobody else has"));
    let azurite = Emulator::start(|port| azurite(port, place.path(), &key));
    let headers = create_container(&key);
    assert_eq!(azurite.put("/team/models?restype=container", &headers), 201);
    let connection = format!("AccountName=team;AccountKey={key};BlobEndpoint={}/team", azurite.url());
    let variables = [("AZURE_STORAGE_CONNECTION_STRING", &*connection), (ALL_SIZES, "1")];
    let location = "wasbs://models@team.blob.core.windows.net/runs";
    let path = artifacts_of("stores::azure_takes_an_artifact", location, &variables);
    assert_eq!(azurite.get(&format!("/team/models/runs{path}/empty")), b"");
    assert_eq!(azurite.get(&format!("/team/models/runs{path}/sub%20dir/%C3%A9.txt")), b"text");
    assert!(azurite.get(&format!("/team/models/runs{path}/large")) == large());
}

/// The emulator of Azure's blobs, with an account of ours.
fn azurite(port: u16, place: &Path, key: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(environment().with_file_name("azurite/node_modules/azurite/dist/src/blob/main.js"));
    command.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string(), "--silent"]);
    command.args(["--skipApiVersionCheck", "--disableTelemetry", "--location"]).arg(place);
    command.env("AZURITE_ACCOUNTS", format!("team:{key}"));
    command
}

/// The headers that create the container `models`, which anybody may read.
fn create_container(key: &str) -> String {
    const VERSION: &str = "2021-08-06";
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&Timestamp::now()).unwrap();
    let headers =
        [("x-ms-blob-public-access", "container"), ("x-ms-date", &*date), ("x-ms-version", VERSION)];
    let canonical: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let signed = format!("PUT{}{canonical}/team/team/models\nrestype:container", "\n".repeat(12));
    let mut mac = Hmac::<Sha256>::new_from_slice(&BASE64_STANDARD.decode(key).unwrap()).unwrap();
    mac.update(signed.as_bytes());
    let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{headers}Authorization: SharedKey team:{signature}\r\n")
}
