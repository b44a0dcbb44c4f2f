//! Kills a process that logs a run, again and again, while the server throttles, fails and drops answers. What
//! was promised must be at the server once and in order.
//!
//! ```console
//! $ cargo run --release -p nethical-destinations --example wandb_soak -- 100000 20
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a test tool: it stops at the first fault"
)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nethical_core::delivery::{Settings, SpoolSettings};
use nethical_core::event::Redaction;
use nethical_core::tracking::{Platform, RunStatus, StartRun};
use nethical_destinations::wandb::{RunDurability, Wandb, WandbConfig, WandbStart};
use nethical_receivers::wandb as fake;

/// The run, which every child goes on with.
const RUN: &str = "soaked";
const PATIENCE: Duration = Duration::from_secs(300);
/// A row is this often its round, and its number.
const ROUND: u64 = 10_000_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, "child", url, folder, round, rows] => {
            child(url, Path::new(folder), round.parse().unwrap(), rows.parse().unwrap());
        }
        [_, rows, kills] => parent(rows.parse().unwrap(), kills.parse().unwrap()),
        _ => parent(10_000, 5),
    }
}

fn open(url: &str, folder: &Path) -> Arc<Wandb> {
    let mut config = WandbConfig::new("soak");
    config.api_key = Some("0".repeat(40));
    config.base_url = Some(url.to_owned());
    config.directory = Some(folder.to_owned());
    config.upload_interval = 0.01;
    config.durability = Some(RunDurability::Every);
    let spool = SpoolSettings { home: Some(folder.join("home")), ..SpoolSettings::default() };
    let settings = Settings { spool, observer: Arc::new(|_| {}), ..Settings::default() };
    Wandb::open(&config, "wandb", settings, &Redaction::default()).unwrap()
}

/// Logs rows and says how many are promised, until it is killed or done.
fn child(url: &str, folder: &Path, round: u64, rows: u64) {
    let platform = open(url, folder);
    if round == 0 {
        let own = WandbStart { id: Some(RUN), ..WandbStart::default() };
        platform.start(&StartRun { experiment: "soak", ..StartRun::default() }, &own).unwrap();
    } else {
        platform.resume_run(RUN).unwrap();
    }
    let mut out = std::io::stdout().lock();
    for row in 0..rows {
        platform.log_metrics(RUN, &[("row", (round * ROUND + row) as f64)], None).unwrap();
        // With durability `every` a row is promised when the call returns.
        writeln!(out, "{}", row + 1).unwrap();
    }
    let done = platform.end_run(RUN, RunStatus::Completed, Some(PATIENCE)).unwrap();
    let balanced = platform.statuses().iter().all(|status| status.ledger.balances());
    writeln!(out, "{}", if done && balanced { "done" } else { "left" }).unwrap();
}

fn spawn(url: &str, folder: &Path, round: u64, rows: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child", url]).arg(folder).args([round.to_string(), rows.to_string()]);
    command.stdout(Stdio::piped()).spawn().unwrap()
}

fn parent(rows: u64, kills: u64) {
    let begun = Instant::now();
    let server = fake::Wandb::start().unwrap();
    server.behave(|behaviour| {
        behaviour.per_mille = fake::Chances { rate_limited: 60, unavailable: 60, conflict: 60, dropped: 60 };
    });
    let folder = tempfile::tempdir().unwrap();
    let each = rows / (kills + 1);
    let mut promised = Vec::new();
    for round in 0..=kills {
        let last = round == kills;
        let mut child =
            spawn(&server.url(), folder.path(), round, if last { each } else { u64::MAX / ROUND });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut told = 0;
        let mut end = String::new();
        for line in lines.by_ref() {
            match line.parse::<u64>() {
                Ok(row) => told = row,
                Err(_) => end = line,
            }
            if !last && told >= each {
                child.kill().unwrap();
                break;
            }
        }
        // What the pipe still holds was promised as well.
        told = lines.filter_map(|line| line.parse::<u64>().ok()).last().unwrap_or(told);
        child.wait().unwrap();
        assert!(!last || end == "done", "the last child ends with `{end}`");
        promised.push(told);
    }
    report(&server, &promised, begun.elapsed());
}

fn report(server: &fake::Wandb, promised: &[u64], took: Duration) {
    let run = server.run(RUN).unwrap();
    let seen: Vec<u64> = run.rows().iter().map(|row| row["row"].as_f64().unwrap() as u64).collect();
    let steps: Vec<i64> = run.rows().iter().map(|row| row["_step"].as_i64().unwrap()).collect();
    let (mut missing, mut expected) = (0, Vec::new());
    for (round, promised) in (0_u64..).zip(promised) {
        let of_round = seen.iter().filter(|row| **row / ROUND == round).count() as u64;
        missing += promised.saturating_sub(of_round);
        expected.extend((0..of_round).map(|row| round * ROUND + row));
    }
    let mut unique = seen.clone();
    unique.sort_unstable();
    unique.dedup();
    let troubles = |wanted: fn(&fake::Trouble) -> bool| {
        server.calls().iter().filter(|call| call.trouble.as_ref().is_some_and(wanted)).count()
    };
    println!("processes killed        {}", promised.len() - 1);
    println!("rows promised           {}", promised.iter().sum::<u64>());
    println!("rows at the server      {}", seen.len());
    println!("promised rows missing   {missing}");
    println!("rows twice              {}", seen.len() - unique.len());
    println!("in order                {}", seen == expected && steps.is_sorted());
    println!("lines repeated unchanged {}", run.repeated);
    println!(
        "429: {}, 500: {}, 409: {}, answers dropped: {}",
        troubles(|t| matches!(t, fake::Trouble::RateLimited(_))),
        troubles(|t| *t == fake::Trouble::Status(500)),
        troubles(|t| *t == fake::Trouble::Status(409)),
        troubles(|t| *t == fake::Trouble::DropAnswer)
    );
    println!("rules broken            {:?}", server.violations());
    println!("end                     {} {:?}, {:.1} s", run.state, run.exit_code, took.as_secs_f64());
    assert!(missing == 0 && seen == expected && seen.len() == unique.len() && server.violations().is_empty());
    assert_eq!(run.exit_code, Some(0));
}
