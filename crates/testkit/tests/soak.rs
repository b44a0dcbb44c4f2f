//! Thirty kills, and one parent with eight forked writers; `cargo xtask soak` does five hundred in each mode.

#![allow(missing_docs, reason = "tests")]

use testkit::soak::{Plan, run};

fn soak(plan: Plan) {
    let report = run(&plan.program(env!("CARGO_BIN_EXE_soak")), |_| {});
    assert!(report.is_whole(), "{report}");
    assert!(report.kills == 0 || report.delivered > 0, "{report}");
}

#[test]
fn killed_in_mode_none() {
    soak(Plan::new("none", 10));
}

#[test]
fn killed_in_mode_interval() {
    soak(Plan::new("interval", 10));
}

#[test]
fn killed_in_mode_every() {
    soak(Plan::new("every", 10));
}

#[test]
fn eight_forked_writers_and_their_parent_killed() {
    soak(Plan::new("interval", 18).writers(8));
}
