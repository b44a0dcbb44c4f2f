//! Weights & Biases.

mod api;
mod artifact;
mod assembly;
mod directory;
mod environment;
mod errors;
mod graphql;
mod history;
mod json;
mod limits;
mod lock;
mod log;
mod progress;
mod recording;
mod registry;
mod stream;
mod summary;
mod tree;
mod upload;
