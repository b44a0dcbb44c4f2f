//! What several destinations share.

pub mod options;
