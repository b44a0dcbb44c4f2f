//! Receivers that run inside a process and keep what they get: for demos, tests and people who try
//! things out. They listen on the loopback interface only, and are stricter than real ones where a real
//! one would quietly lose something.

pub mod aws;
mod clock;
pub mod cloudwatch;
pub mod discord;
pub mod http;
mod kept;
pub mod sagemaker;
pub mod slack;
pub mod syslog;
#[cfg(feature = "tls")]
pub mod tls;
pub mod wandb;

pub use self::clock::Clock;
