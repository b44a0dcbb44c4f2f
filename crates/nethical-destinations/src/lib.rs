//! Every destination of Nethical, one folder each, with the same file names in each:
//!
//! | file | holds |
//! |---|---|
//! | `mod.rs` | the destination itself and its [`Descriptor`] |
//! | `config.rs` | its options, documented, with defaults |
//! | `wire.rs` | what goes out and what comes back, as pure functions |
//! | `errors.rs` | the receiver's failures, sorted once |
//! | `docs.md` | the guide for its users |
//! | `example.toml` | a configuration that works |
//!
//! [`ALL`] is the one list. Configuration, command line, documents and the conformance suite read it.

pub mod api;
pub mod cloudwatch;
mod descriptor;
pub mod discord;
pub mod http;
pub mod jsonl;
pub mod memory;
pub mod mlflow;
pub mod sagemaker;
pub mod slack;
pub mod stored;
pub mod support;
pub mod syslog;
pub mod wandb;

pub use support::webhook::signature as webhook;

pub use descriptor::{Descriptor, Validated, connect};

/// Every destination, by name.
pub static ALL: &[&Descriptor] = &[
    &api::DESCRIPTOR,
    &cloudwatch::DESCRIPTOR,
    &discord::DESCRIPTOR,
    &http::DESCRIPTOR,
    &jsonl::DESCRIPTOR,
    &memory::DESCRIPTOR,
    &mlflow::DESCRIPTOR,
    &sagemaker::DESCRIPTOR,
    &slack::DESCRIPTOR,
    &syslog::DESCRIPTOR,
    &wandb::DESCRIPTOR,
];

/// The destination of this name.
pub fn find(name: &str) -> Option<&'static Descriptor> {
    ALL.iter().copied().find(|descriptor| descriptor.name == name)
}
