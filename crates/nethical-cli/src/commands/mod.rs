//! One file per verb.

pub(crate) mod alert;
pub(crate) mod alerts;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod dead;
pub(crate) mod deliveries;
pub(crate) mod demo;
pub(crate) mod destinations;
mod fields;
pub(crate) mod init;
pub(crate) mod log;
pub(crate) mod metric;
mod place;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod webhook;

use std::path::Path;

use nethical::Config;
use nethical::config::{CONFIG_VARIABLE, find};

use crate::failure::Failure;

/// Read the configuration that was asked for, or the one that is found.
fn load_config(asked: Option<&Path>) -> Result<Config, Failure> {
    let path = find(asked).ok_or_else(|| {
        let hint =
            format!("`nethical init` writes one; or name one with `--config PATH` or in ${CONFIG_VARIABLE}");
        Failure::usage("no configuration found", hint)
    })?;
    Ok(Config::load(path)?)
}
