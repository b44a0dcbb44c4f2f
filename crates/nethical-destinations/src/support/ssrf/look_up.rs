//! The addresses of a host.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use nethical_core::delivery::Error;

use crate::support::webhook::{Code, Context};

/// Knows the addresses of hosts.
#[async_trait]
pub(super) trait LookUp: Send + Sync {
    /// Those of this host.
    ///
    /// # Errors
    /// Why there are none.
    async fn look_up(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// What this machine knows: its hosts file and its name servers.
pub(super) struct System;

#[async_trait]
impl LookUp for System {
    async fn look_up(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// Every address of a host, in an order that says nothing.
pub(super) async fn all(
    names: &dyn LookUp,
    host: &str,
    port: u16,
    Context { kind, at }: Context<'_>,
) -> Result<Vec<SocketAddr>, Error> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let failed = |why: String| {
        Error::unavailable(Code::Lookup.of(kind), format!("cannot find {at}: {why}"))
            .with_hint("see the host's name, and whether this machine can look up names")
    };
    let found = tokio::time::timeout(PATIENCE, names.look_up(host, port)).await;
    let found = found.map_err(|_| failed("no answer in time".to_owned()))?;
    let mut addresses = found.map_err(|error| failed(error.to_string()))?;
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() { Err(failed("the name has no address".to_owned())) } else { Ok(addresses) }
}
