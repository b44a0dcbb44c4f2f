//! `cargo xtask fuzz`: libFuzzer over everything that is read from disk or from the network, or typed by people.
//!
//! The targets are in `fuzz/`, a workspace of its own, since it is built with coverage counters. The toolchain is
//! the usual one: the counters are LLVM's, and only the sanitizers would need another compiler. It starts from
//! the committed corpus and leaves what it adds under `target/fuzz/corpus/`.

use std::fs;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::process;
use crate::terminal::{self, Hinted};
use crate::workspace::Workspace;

const TARGETS: [&str; 17] = [
    "segment",
    "cursor",
    "dead_letters",
    "event",
    "options",
    "config",
    "home",
    "credentials",
    "run_log",
    "store",
    "notes",
    "rotation",
    "signature",
    "answer",
    "artifact",
    "receiver",
    "wandb",
];

/// What gives libFuzzer its feedback.
const FLAGS: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-sanitizer-coverage-stack-depth=0",
];

/// Options of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Seconds for all targets together, beside building them.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Begin the random numbers here, so that a run can be had again; 0 is somewhere else each time.
    #[arg(long, default_value_t = 0)]
    seed: u32,
    /// Only this target; may be given several times.
    #[arg(long, value_parser = TARGETS)]
    only: Vec<String>,
}

/// Builds the targets and gives each its share of the time.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let wanted = |target: &&&str| args.only.is_empty() || args.only.iter().any(|only| only == *target);
    let targets: Vec<&str> = TARGETS.iter().filter(wanted).copied().collect();
    let host = host()?;
    build(workspace, &host)?;
    let seconds = (args.seconds / targets.len() as u64).max(1);
    let mut rows = Vec::new();
    for target in targets {
        terminal::heading("fuzz", &format!("{target}, {seconds} s"));
        let start = Instant::now();
        fuzz(workspace, &host, target, (seconds, args.seed))?;
        rows.push(vec![target.to_owned(), format!("{:.1}", start.elapsed().as_secs_f64())]);
    }
    terminal::table(&["target without a finding", "seconds"], rows, 1);
    Ok(())
}

/// A target is named for the build, so that what runs in the compiler itself gets no counters.
fn host() -> Result<String> {
    let version = process::capture(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}

fn build(workspace: &Workspace, host: &str) -> Result<()> {
    let mut cargo = process::cargo(workspace);
    cargo.args([
        "build",
        "--release",
        "--locked",
        "--bins",
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--target",
        host,
    ]);
    cargo.arg("--target-dir").arg(workspace.fuzz()).env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"));
    process::run(&mut cargo).map_err(|error| {
        let hint = "libFuzzer is C++: on Debian, `apt-get install g++`";
        Hinted::new("could not build the fuzz targets", hint).caused_by(error)
    })
}

fn fuzz(workspace: &Workspace, host: &str, target: &str, (seconds, seed): (u64, u32)) -> Result<()> {
    let found = workspace.fuzz().join("corpus").join(target);
    fs::create_dir_all(&found).with_context(|| format!("could not make `{}`", found.display()))?;
    let artifacts = workspace.fuzz().join(format!("{target}-"));
    let mut command = Command::new(workspace.fuzz().join(host).join("release").join(target));
    command.current_dir(workspace.root()).arg(&found).arg(format!("fuzz/corpus/{target}"));
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-seed={seed}"))
        .arg(format!("-artifact_prefix={}", artifacts.display()));
    command.args(["-timeout=10", "-max_len=8192", "-print_final_stats=1", "-verbosity=0"]);
    // libFuzzer ends a process without a last word, so what targets put there is removed by us.
    let temporary = workspace.fuzz().join("tmp");
    fs::create_dir_all(&temporary).with_context(|| format!("could not make `{}`", temporary.display()))?;
    let ran = process::run(command.env("TMPDIR", &temporary));
    fs::remove_dir_all(&temporary).with_context(|| format!("could not remove `{}`", temporary.display()))?;
    ran.map_err(|error| {
        let hint = "the input is in the file named above; run the target with it as its only argument to see \
                    it again, and keep it in `fuzz/corpus/` with the fix";
        Hinted::new(format!("`{target}` came upon something"), hint).caused_by(error)
    })
}
