//! The run log: a `.wandb` file, as the official client writes it and `wandb sync` reads it.

pub(crate) mod frame;
pub(crate) mod reader;
pub(crate) mod record;
pub(crate) mod writer;
