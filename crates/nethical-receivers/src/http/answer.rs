//! An answer, and all that can go wrong with one.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a receiver answers.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Headers beside `content-length`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    delay: Duration,
    drip: Option<(usize, Duration)>,
    filler: u64,
    ending: Ending,
    pub(crate) applied: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The whole answer, and the connection stays open.
    Whole,
    /// The connection is reset after so many bytes of the body.
    ResetAfter(usize),
    /// The connection is reset before an answer.
    Reset,
    /// The connection is reset as soon as the head of the request was read.
    ResetInRequest,
    /// The connection is closed before an answer.
    Close,
    /// Nothing is ever answered.
    Silence,
}

impl Answer {
    /// An empty answer.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            delay: Duration::ZERO,
            drip: None,
            filler: 0,
            ending: Ending::Whole,
            applied: false,
        }
    }

    fn ending(ending: Ending) -> Self {
        Self { ending, ..Self::new(0) }
    }

    /// An answer with a body of JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status).header("content-type", "application/json").body(body.to_string())
    }

    /// An answer with a body of plain text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self::new(status).header("content-type", "text/plain; charset=utf-8").body(body.into())
    }

    /// 302, to somewhere else.
    pub fn redirect(to: impl Into<String>) -> Self {
        Self::new(302).header("location", to)
    }

    /// The connection is reset when the request was read.
    pub fn reset() -> Self {
        Self::ending(Ending::Reset)
    }

    /// The connection is reset when only the head of the request was read.
    pub fn reset_in_request() -> Self {
        Self::ending(Ending::ResetInRequest)
    }

    /// The connection is closed when the request was read.
    pub fn close() -> Self {
        Self::ending(Ending::Close)
    }

    /// The service does what the request says, and closes the connection without a word.
    pub fn dropped() -> Self {
        Self::close().applied()
    }

    /// Nothing is answered, and the connection stays open.
    pub fn silence() -> Self {
        Self::ending(Ending::Silence)
    }

    /// With this header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The first byte comes so much later.
    #[must_use]
    pub const fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The body comes in pieces of `bytes`, one each `pause`.
    #[must_use]
    pub const fn drip(mut self, bytes: usize, pause: Duration) -> Self {
        self.drip = Some((bytes, pause));
        self
    }

    /// So many bytes of nothing follow the body.
    #[must_use]
    pub const fn huge(mut self, bytes: u64) -> Self {
        self.filler = bytes;
        self
    }

    /// The connection is reset after `bytes` of the body.
    #[must_use]
    pub const fn reset_after(mut self, bytes: usize) -> Self {
        self.ending = Ending::ResetAfter(bytes);
        self
    }

    /// A service that is told to answer like this does first what the request says.
    #[must_use]
    pub const fn applied(mut self) -> Self {
        self.applied = true;
        self
    }

    /// Whether the body of the request is not waited for.
    pub(super) fn cuts_request(&self) -> bool {
        self.ending == Ending::ResetInRequest
    }

    pub(super) const fn refuses(&self) -> bool {
        self.status >= 300
    }

    fn head(&self, length: u64) -> Vec<u8> {
        let reason = match self.status {
            200 => "OK",
            204 => "No Content",
            302 => "Found",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            410 => "Gone",
            429 => "Too Many Requests",
            500 => "Internal Server Error",
            503 => "Service Unavailable",
            _ => "Status",
        };
        let mut head = format!("HTTP/1.1 {} {reason}\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !matches!(self.status, 204 | 304) {
            head += &format!("content-length: {length}\r\n");
        }
        head += "\r\n";
        head.into_bytes()
    }

    /// Send it. Whether the connection can go on.
    pub(super) async fn send(self, stream: &mut TcpStream, only_head: bool) -> io::Result<bool> {
        // Even a pause of nothing would last until the next millisecond.
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        match self.ending {
            Ending::Silence => return silence(stream).await,
            Ending::Reset | Ending::ResetInRequest => return stream.set_zero_linger().map(|()| false),
            Ending::Close => return Ok(false),
            Ending::Whole | Ending::ResetAfter(_) => {}
        }
        let mut bytes = self.head(self.body.len() as u64 + self.filler);
        let cut = match self.ending {
            Ending::ResetAfter(bytes) => bytes,
            _ => self.body.len(),
        };
        let body = self.body.get(..cut).unwrap_or(&self.body);
        if only_head {
            stream.write_all(&bytes).await?;
            return Ok(true);
        }
        if let Some((size, pause)) = self.drip {
            stream.write_all(&bytes).await?;
            for piece in body.chunks(size.max(1)) {
                stream.write_all(piece).await?;
                tokio::time::sleep(pause).await;
            }
        } else {
            bytes.extend_from_slice(body);
            stream.write_all(&bytes).await?;
        }
        if self.ending != Ending::Whole {
            // What was written is to arrive before the reset.
            tokio::time::sleep(Duration::from_millis(20)).await;
            return stream.set_zero_linger().map(|()| false);
        }
        fill(stream, self.filler).await?;
        Ok(true)
    }
}

async fn fill(stream: &mut TcpStream, mut left: u64) -> io::Result<()> {
    const PIECE: [u8; 16 << 10] = [b' '; 16 << 10];
    while left > 0 {
        let size = PIECE.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        stream.write_all(PIECE.get(..size).unwrap_or_default()).await?;
        left -= size as u64;
    }
    Ok(())
}

/// Wait until the other side has enough of it.
async fn silence(stream: &mut TcpStream) -> io::Result<bool> {
    let mut ignored = [0; 1024];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(false)
}
