//! The run log: a `.wandb` file, as the official client writes it and `wandb sync` reads it.

pub(crate) mod frame;
pub(crate) mod reader;
pub(crate) mod record;
pub(crate) mod writer;

#[cfg(test)]
pub(crate) fn frame_for_tests(record: &[u8], at: u64, out: &mut Vec<u8>) -> u64 {
    frame::push(record, at, out)
}
