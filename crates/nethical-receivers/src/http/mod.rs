//! An HTTP receiver that keeps what it gets and answers by a script: each request takes the next answer,
//! and when none is left, 200.
//!
//! ```
//! use nethical_receivers::http::{Answer, HttpPeer};
//! use std::io::{Read, Write};
//!
//! let peer = HttpPeer::start()?;
//! peer.answer(Answer::new(503).header("retry-after", "1"));
//! let mut stream = std::net::TcpStream::connect(peer.address())?;
//! stream.write_all(b"POST /hook HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}")?;
//! let mut start = [0; 12];
//! stream.read_exact(&mut start)?;
//! assert_eq!(&start, b"HTTP/1.1 503");
//! assert_eq!(peer.requests()[0].body, b"{}");
//! # Ok::<(), std::io::Error>(())
//! ```

mod answer;
#[cfg(test)]
pub(crate) mod client;
mod front;
#[cfg(feature = "tls")]
mod over_tls;
mod request;
mod script;
mod server;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{fmt, io};

pub use self::answer::Answer;
pub use self::front::Front;
#[cfg(feature = "tls")]
pub use self::over_tls::OverTls;
pub use self::request::Request;
pub(crate) use self::script::Script;
pub(crate) use self::server::{Handler, Server};
use crate::kept::Kept;

/// A running receiver on the loopback interface. It ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct HttpPeer {
    peer: Arc<Recorder>,
    server: Arc<Server>,
}

impl HttpPeer {
    /// Start one on a free port.
    ///
    /// # Errors
    /// If the system gives no port or thread.
    pub fn start() -> io::Result<Self> {
        let peer = Arc::<Recorder>::default();
        let server = Arc::new(Server::start(Arc::clone(&peer))?);
        Ok(Self { peer, server })
    }

    /// Start one at this address, where one was stopped before.
    ///
    /// # Errors
    /// If the address is taken.
    pub fn start_at(address: SocketAddr) -> io::Result<Self> {
        let peer = Arc::<Recorder>::default();
        let server = Arc::new(Server::start_at(address, Arc::clone(&peer))?);
        Ok(Self { peer, server })
    }

    /// `http://127.0.0.1:PORT`, without a path: it answers on every one.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The next request that has no answer yet gets this one.
    pub fn answer(&self, answer: Answer) {
        self.peer.script.push(answer);
    }

    /// Every request gets this one, after those that [`answer`](Self::answer) laid out. `None`: 200.
    pub fn always(&self, answer: impl Into<Option<Answer>>) {
        self.peer.script.always(answer.into());
    }

    /// Have every request counted and none kept, for long runs.
    pub fn keep_none(&self) {
        self.peer.only_count.store(true, Ordering::Relaxed);
    }

    /// The requests that came so far and were not cut short.
    pub fn requests(&self) -> Vec<Request> {
        self.peer.kept.all()
    }

    /// How many requests came.
    pub fn count(&self) -> u64 {
        self.peer.count.load(Ordering::Acquire)
    }

    /// Wait until so many requests came, at most ten seconds; returns all that came.
    pub fn wait_for(&self, count: usize) -> Vec<Request> {
        self.peer.kept.wait_for(count)
    }

    /// Close the port and every connection.
    pub fn stop(&self) {
        self.server.stop();
    }
}

#[derive(Default)]
struct Recorder {
    script: Script,
    kept: Kept<Request>,
    count: AtomicU64,
    only_count: AtomicBool,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Handler for Recorder {
    fn early(&self, _head: &Request) -> Option<Answer> {
        let answer = self.script.early()?;
        self.count.fetch_add(1, Ordering::AcqRel);
        Some(answer)
    }

    fn answer(&self, request: Request) -> Answer {
        self.count.fetch_add(1, Ordering::AcqRel);
        if !self.only_count.load(Ordering::Relaxed) {
            self.kept.push(request);
        }
        self.script.or(|| Answer::new(200))
    }
}
