//! The listening side on the network: one thread for each socket, everything kept in memory.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread;

use super::shared::{PAUSE, Shared};

/// Wraps an accepted connection, for TLS.
pub(super) type Wrap = Arc<dyn Fn(TcpStream) -> io::Result<Box<dyn Read + Send>> + Send + Sync>;

/// Receives on a port of the loopback interface until it is stopped or dropped.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("address", &self.address).finish_non_exhaustive()
    }
}

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

impl Receiver {
    /// On a free UDP port.
    ///
    /// # Errors
    /// If the system gives none.
    pub fn udp() -> io::Result<Self> {
        Self::udp_at(ANY_PORT)
    }

    /// On this UDP address.
    ///
    /// # Errors
    /// If it is taken.
    pub fn udp_at(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        socket.set_read_timeout(Some(PAUSE))?;
        let (address, shared) = (socket.local_addr()?, Arc::<Shared>::default());
        let part = shared.part();
        thread::spawn(move || part.datagrams(|buffer| socket.recv(buffer)));
        Ok(Self { address, shared })
    }

    /// On a free TCP port; either framing.
    ///
    /// # Errors
    /// If the system gives none.
    pub fn tcp() -> io::Result<Self> {
        Self::tcp_at(ANY_PORT)
    }

    /// On this TCP address; either framing.
    ///
    /// # Errors
    /// If it is taken.
    pub fn tcp_at(address: SocketAddr) -> io::Result<Self> {
        Self::stream(address, Arc::new(|stream| Ok(Box::new(stream))))
    }

    pub(super) fn stream(address: SocketAddr, wrap: Wrap) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let (address, shared) = (listener.local_addr()?, Arc::<Shared>::default());
        let part = shared.part();
        thread::spawn(move || {
            let accept = || Ok(listener.accept()?.0);
            part.accept(accept, move |stream: TcpStream, part| {
                let ready = stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(PAUSE)));
                if let Ok(stream) = ready.and_then(|()| wrap(stream)) {
                    part.stream(stream);
                }
            });
        });
        Ok(Self { address, shared })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The messages that came so far, without their framing.
    pub fn messages(&self) -> Vec<Vec<u8>> {
        self.shared.messages()
    }

    /// Wait until so many messages came, at most ten seconds; returns all that came.
    pub fn wait_for(&self, count: usize) -> Vec<Vec<u8>> {
        self.shared.wait_for(count)
    }

    /// Read until no connection has anything more; returns all that came.
    pub fn read_all(&self) -> Vec<Vec<u8>> {
        self.shared.read_all()
    }

    /// Stop listening, and close every connection.
    pub fn stop(&self) {
        self.shared.stop();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop();
    }
}
