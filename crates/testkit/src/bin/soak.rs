//! `soak MODE KILLS [WRITERS]`: kill processes that accept and deliver, and see that nothing promised is lost.
//!
//! The parent starts itself as a child, kills it at a random moment, and keeps what it promised. In the end a
//! last child delivers what is left, and the parent compares. It prints what came of it as one line of JSON.

use std::process::ExitCode;

use testkit::soak::{Plan, child, run};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["child", ..] => child::main(&std::env::args().skip(2).collect::<Vec<_>>()),
        [mode, kills, rest @ ..] => {
            let Ok(kills) = kills.parse() else { return ExitCode::from(2) };
            let writers = rest.first().and_then(|writers| writers.parse().ok()).unwrap_or(0);
            soak(mode, kills, writers)
        }
        _ => ExitCode::from(2),
    }
}

fn soak(mode: &str, kills: u32, writers: u64) -> ExitCode {
    let mut told = 0;
    let report = run(&Plan::new(mode, kills).writers(writers), |done| {
        if done >= told + kills.div_ceil(10) {
            told = done;
            anstream::eprintln!("{mode}: {done} of {kills} kills");
        }
    });
    anstream::println!("{}", serde_json::to_string(&report).unwrap_or_default());
    if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
