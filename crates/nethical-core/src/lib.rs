//! nethical-core

pub mod spool;
