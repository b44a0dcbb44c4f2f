//! `soak`: kill a process that accepts and delivers, again and again, and see that nothing promised is lost.
//!
//! The parent starts itself as a child, kills it at a random moment, and keeps what it promised. In the end a
//! last child delivers what is left, and the parent compares.

use std::process::ExitCode;

use testkit::soak::{Plan, child, run};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "child") {
        return child::main(arguments.get(1..).unwrap_or_default());
    }
    let kills = arguments.first().and_then(|kills| kills.parse().ok()).unwrap_or(500);
    let mut whole = true;
    for mode in ["none", "interval", "every"] {
        let report = run(&Plan::new(mode, kills));
        anstream::println!("{report}");
        whole &= report.is_whole();
    }
    if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
