//! Runs of Weights & Biases against a strict server of our own.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod arrival;
mod ends;
mod offline;
mod refused;
mod resumed;
mod sdk;
mod trouble;
mod world;
