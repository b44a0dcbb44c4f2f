//! HTTPS in front of HTTP.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::tls::{Identity, server_config};

/// Speaks TLS and passes on what it hears to a server that does not. It ends when it is dropped.
#[derive(Debug)]
pub struct OverTls {
    address: SocketAddr,
    config: Arc<Mutex<Arc<ServerConfig>>>,
    _running: oneshot::Sender<()>,
}

impl OverTls {
    /// One on a free port, in front of the server at this address.
    ///
    /// # Errors
    /// If the system gives no port or thread, or the identity is of no use.
    pub fn start(identity: &Identity, behind: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let config = Arc::new(Mutex::new(Arc::new(server_config(identity, None)?)));
        let (running, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::clone(&config);
        thread::Builder::new().name("receiver over TLS".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    _ = accept(listener, behind, &shared) => {}
                }
            });
        })?;
        Ok(Self { address, config, _running: running })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Show this certificate from now on.
    ///
    /// # Errors
    /// If it is of no use.
    pub fn show(&self, identity: &Identity) -> io::Result<()> {
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(server_config(identity, None)?);
        Ok(())
    }
}

async fn accept(
    listener: TcpListener,
    behind: SocketAddr,
    config: &Mutex<Arc<ServerConfig>>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let config = Arc::clone(&config.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::spawn(async move {
            let mut inside = TlsAcceptor::from(config).accept(stream).await?;
            let mut outside = TcpStream::connect(behind).await?;
            tokio::io::copy_bidirectional(&mut inside, &mut outside).await
        });
    }
}
