//! The receiver behind TLS.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::{ServerConnection, StreamOwned};

use super::Receiver;
pub use crate::tls::{Authority, Identity};
use crate::tls::{failed, server_config};

impl Receiver {
    /// On a free port, with TLS; either framing. With `clients` a certificate of that authority is
    /// demanded from the other side.
    ///
    /// # Errors
    /// If the system gives no port, or the identity is of no use.
    pub fn tls(identity: &Identity, clients: Option<&Authority>) -> io::Result<Self> {
        Self::tls_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), identity, clients)
    }

    /// The same on this address.
    ///
    /// # Errors
    /// If it is taken, or the identity is of no use.
    pub fn tls_at(address: SocketAddr, identity: &Identity, clients: Option<&Authority>) -> io::Result<Self> {
        let config = Arc::new(server_config(identity, clients)?);
        Self::stream(
            address,
            Arc::new(move |stream: TcpStream| {
                let connection = ServerConnection::new(Arc::clone(&config)).map_err(failed)?;
                Ok(Box::new(StreamOwned::new(connection, stream)) as Box<dyn Read + Send>)
            }),
        )
    }
}
