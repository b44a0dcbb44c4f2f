//! A process that ends the shared server when nobody is left to use it.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Start a server on this port, which lives as long as the program that started this test, such as cargo-nextest.
pub(super) fn start(folder: &Path, port: u16) {
    const SCRIPT: &str = r#"
        data=$(mktemp -d "$1/data.XXXXXX") && cd "$data" || exit 1
        trap 'kill -9 -$server 2>/dev/null; cd /; rm -rf "$data"' EXIT
        set -m
        "$0" server --host 127.0.0.1 --port "$2" --workers 1 \
            --backend-store-uri "sqlite:///$data/mlflow.db" --artifacts-destination "$data/artifacts" &
        server=$!
        while kill -0 "$3" 2>/dev/null && kill -0 $server 2>/dev/null; do sleep 0.5; done
    "#;
    let bin = super::environment().join("bin");
    let mut path = bin.clone().into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let runner = std::os::unix::process::parent_id().to_string();
    let mut guard = Command::new("bash");
    guard.args(["-c", SCRIPT]).arg(bin.join("mlflow")).arg(folder).args([port.to_string(), runner]);
    guard.env("PATH", path);
    guard.env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false").env("MLFLOW_DISABLE_TELEMETRY", "true");
    guard.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    #[expect(clippy::zombie_processes, reason = "it outlives this test")]
    let _guard = guard.spawn().unwrap_or_else(|error| panic!("no bash: {error}"));
}
