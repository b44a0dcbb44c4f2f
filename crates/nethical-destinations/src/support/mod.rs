//! What several destinations share.

pub mod options;
pub mod tls;
