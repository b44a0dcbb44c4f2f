//! Messages to webhooks, from the program to the receiver.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod guard;
mod kill;
mod manager;
mod pace;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nethical::delivery::{Settings, SpoolSettings};

const PATIENCE: Duration = Duration::from_secs(60);

/// Settings that keep everything in this folder, and say nothing.
fn settings(home: &Path) -> Settings {
    let spool = SpoolSettings { home: Some(home.to_owned()), ..SpoolSettings::default() };
    Settings { spool, observer: Arc::new(|_| {}), ..Settings::default() }
}
