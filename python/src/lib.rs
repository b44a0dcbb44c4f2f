//! The extension module `nethical._core`: what the Python package `nethical` stands on.
//!
//! | file | holds |
//! |---|---|
//! | `aggregator.rs`, `fastcall.rs` | `Aggregator.log`: the hot path |
//! | `alerts.rs` | alerts and monitors |
//! | `api.rs` | APIs with a key |
//! | `command.rs` | the `nethical` command |
//! | `config.rs` | `Config`: what `from_config` reads |
//! | `connector.rs` | `Connector`: the handle of one destination |
//! | `entry.rs`, `levels.rs` | `LogEntry` and `LogLevel` as Rust reads them |
//! | `values.rs`, `convert.rs` | any Python value as JSON |
//! | `feed.rs` | connectors that are written in Python |
//! | `spool.rs` | what waits on disk, here and elsewhere |
//! | `letters.rs` | dead letters on disk |
//! | `notices.rs` | changes of state, on their way to `logging` and callbacks |
//! | `process.rs` | forks, the end of the process |
//! | `shapes.rs` | types of arguments and results, for the stub |
//! | `syslog.rs` | syslog receivers |
//! | `wandb.rs` | runs of W&B |
//! | `webhook.rs` | messages to webhooks |
//! | `tracking.rs` | platforms for runs |
//! | `receivers.rs` | receivers for tests |
//! | `wait.rs` | waiting without the GIL |
//! | `errors.rs` | failures as exceptions |
//! | `report.rs` | accounts and dead letters as dicts |

#![allow(clippy::needless_pass_by_value, reason = "what Python gives arrives by value")]

mod aggregator;
mod alerts;
mod api;
mod command;
mod config;
mod connector;
mod convert;
mod entry;
mod errors;
mod fastcall;
mod feed;
mod kinds;
mod letters;
mod levels;
mod notices;
mod process;
mod receivers;
mod report;
mod shapes;
mod spool;
mod syslog;
mod tracking;
mod values;
mod wait;
mod wandb;
mod webhook;

use pyo3::prelude::*;

/// What the Python package stands on. Its names are no one else's to use.
#[pymodule(gil_used = true)]
mod _core {
    #[pymodule_export]
    use super::aggregator::Aggregator;
    #[pymodule_export]
    use super::alerts::{Alerts, Monitoring};
    #[pymodule_export]
    use super::api::Api;
    #[pymodule_export]
    use super::command::command;
    #[pymodule_export]
    use super::config::Config;
    #[pymodule_export]
    use super::connector::Connector;
    #[pymodule_export]
    use super::entry::{entry_to_json, new_id, parse_id, register};
    #[pymodule_export]
    use super::feed::Feed;
    #[pymodule_export]
    use super::kinds::connect;
    #[pymodule_export]
    use super::letters::{dead_letters, drop_letter, replay_letter};
    #[pymodule_export]
    use super::levels::level_name;
    #[pymodule_export]
    use super::notices::next_notice;
    #[pymodule_export]
    use super::process::{close_all, generation, status};
    #[pymodule_export]
    use super::receivers::Receiver;
    #[pymodule_export]
    use super::spool::{survey, sync};
    #[pymodule_export]
    use super::syslog::syslog;
    #[pymodule_export]
    use super::tracking::{Tracker, end_open_runs};
    #[pymodule_export]
    use super::wait::{close, flush};
    #[pymodule_export]
    use super::wandb::Wandb;
    #[pymodule_export]
    use super::webhook::{deliver, payload_reaches, payload_to_json, sign, verify};

    use super::{PyResult, Python};

    /// The version of the package.
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "its name in Python")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_init]
    fn init(py: Python<'_>) -> PyResult<()> {
        super::values::prepare(py)?;
        super::notices::hear_warnings();
        super::fastcall::install(&py.get_type::<Aggregator>())
    }
}
