//! What the fuzz targets share: a filesystem in memory, and files whose checksums are right.

mod check;
mod memory;
mod mend;

pub use check::{drain, open};
pub use memory::Memory;
pub use mend::{cursor, run_log, segment};
