//! What several destinations share.

pub(crate) mod awaited;
pub(crate) mod aws;
pub(crate) mod http;
pub(crate) mod members;
pub mod options;
pub(crate) mod platform;
pub mod point;
pub(crate) mod private;
pub mod ssrf;
pub mod tls;
pub mod webhook;
