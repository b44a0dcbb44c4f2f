//! Alerts, from the program to the receivers.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

mod fallback;
mod kill;
mod order;
mod shapes;

use std::path::Path;
use std::time::Duration;

use nethical::{Config, Nethical};

const PATIENCE: Duration = Duration::from_secs(60);

/// What this text configures, open, with everything that is kept in this folder.
fn open(home: &Path, text: &str) -> Nethical {
    let config: Config = format!("[spool]\nhome = '{}'\n{text}", home.display()).parse().unwrap();
    config
        .open_with(&|settings| nethical::delivery::Settings {
            observer: std::sync::Arc::new(|_| {}),
            ..settings
        })
        .unwrap()
}
