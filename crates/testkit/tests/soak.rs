//! Thirty kills; `cargo xtask soak` does five hundred in each mode.

use testkit::soak::{Plan, run};

fn soak(mode: &str) {
    let report = run(&Plan::new(mode, 10).program(env!("CARGO_BIN_EXE_soak")));
    assert!(report.is_whole(), "{report}");
}

#[test]
fn killed_in_mode_none() {
    soak("none");
}

#[test]
fn killed_in_mode_interval() {
    soak("interval");
}

#[test]
fn killed_in_mode_every() {
    soak("every");
}
