//! A man in the middle: what a receiver of any kind would answer, until something else is laid out.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Answer, Handler, Request, Script, Server};

/// How long the receiver behind may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Stands in front of an HTTP server. Requests go through to it one at a time, unless an answer is laid out for
/// them; an [applied](Answer::applied) one is given after the server behind has done what the request asks for. It ends
/// when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Front {
    passing: Arc<Passing>,
    server: Arc<Server>,
}

impl Front {
    /// One on a free port in front of the server at this address.
    ///
    /// # Errors
    /// If the system gives no port or thread.
    pub fn of(behind: SocketAddr) -> io::Result<Self> {
        Self::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), behind)
    }

    /// The same at this address.
    ///
    /// # Errors
    /// If it is taken.
    pub fn at(address: SocketAddr, behind: SocketAddr) -> io::Result<Self> {
        let passing = Arc::new(Passing { behind, script: Script::default(), count: AtomicU64::new(0) });
        let server = Arc::new(Server::start_at(address, Arc::clone(&passing))?);
        Ok(Self { passing, server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The next request that has no answer yet gets this one.
    pub fn answer(&self, answer: Answer) {
        self.passing.script.push(answer);
    }

    /// Every request gets this one. `None`: what the server behind answers.
    pub fn always(&self, answer: impl Into<Option<Answer>>) {
        self.passing.script.always(answer.into());
    }

    /// How many requests came.
    pub fn count(&self) -> u64 {
        self.passing.count.load(Ordering::Acquire)
    }

    /// Close the port and every connection. Returns what opens it again.
    pub fn stop(self) -> impl FnOnce() -> io::Result<Self> {
        let address = self.address();
        self.server.stop();
        move || {
            let server = Arc::new(Server::start_at(address, Arc::clone(&self.passing))?);
            Ok(Self { passing: self.passing, server })
        }
    }
}

#[derive(Debug)]
struct Passing {
    behind: SocketAddr,
    script: Script,
    count: AtomicU64,
}

impl Handler for Passing {
    fn early(&self, _head: &Request) -> Option<Answer> {
        let answer = self.script.early()?;
        self.count.fetch_add(1, Ordering::AcqRel);
        Some(answer)
    }

    fn answer(&self, request: Request) -> Answer {
        self.count.fetch_add(1, Ordering::AcqRel);
        let failed = |error: io::Error| Answer::text(502, format!("{}: {error}", self.behind));
        self.script.or(|| ask(self.behind, &request).unwrap_or_else(failed))
    }
}

/// The same request over a connection of its own, in HTTP/1.0: such an answer has a length or ends with the connection.
fn ask(behind: SocketAddr, request: &Request) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(behind)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let line = request.head.iter().position(|&byte| byte == b'\r').unwrap_or_default();
    let (first, rest) = request.head.split_at(line);
    let first = first.strip_suffix(b"1.1").unwrap_or(first);
    stream.write_all(&[first, b"1.0".as_slice(), rest, &request.body].concat())?;
    let mut bytes = Vec::new();
    let end = loop {
        let mut piece = [0; 4096];
        let size = stream.read(&mut piece)?;
        bytes.extend_from_slice(piece.get(..size).unwrap_or_default());
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if size == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let mut body = bytes.split_off(end);
    let mut answer = read_head(&bytes)?;
    let length = answer.headers.iter().find(|(name, _)| name == "content-length");
    match length.and_then(|(_, length)| length.parse::<usize>().ok()) {
        _ if request.method == "HEAD" || matches!(answer.status, 204 | 304) => {}
        Some(length) => {
            let already = body.len();
            body.resize(length, 0);
            stream.read_exact(body.get_mut(already..).unwrap_or_default())?;
        }
        None => drop(stream.read_to_end(&mut body)?),
    }
    answer.headers.retain(|(name, _)| !["content-length", "connection"].contains(&name.as_str()));
    Ok(answer.body(body))
}

fn read_head(head: &[u8]) -> io::Result<Answer> {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut parsed = httparse::Response::new(&mut headers);
    parsed.parse(head).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let answer = Answer::new(parsed.code.unwrap_or_default());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(parsed
        .headers
        .iter()
        .fold(answer, |answer, header| answer.header(header.name.to_lowercase(), text(header.value))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HttpPeer;
    use crate::http::client::{post, try_post};

    #[test]
    fn requests_go_through_until_something_else_is_laid_out() {
        let peer = HttpPeer::start().unwrap();
        let front = Front::of(peer.address()).unwrap();
        let url = format!("http://{}/x", front.address());
        peer.answer(Answer::text(201, "made").header("x-by", "peer"));
        let reply = post(&url, "one");
        assert_eq!((reply.status, reply.header("x-by"), reply.body.as_str()), (201, Some("peer"), "made"));
        front.answer(Answer::new(503));
        assert_eq!(post(&url, "two").status, 503);
        front.answer(Answer::dropped());
        assert!(try_post(&url, "three").is_err());
        let bodies: Vec<_> = peer.requests().into_iter().map(|request| request.body).collect();
        assert_eq!(bodies, [b"one".to_vec(), b"three".to_vec()]);
        assert_eq!(front.count(), 3);
    }

    #[test]
    fn one_that_was_stopped_opens_at_the_same_address() {
        let peer = HttpPeer::start().unwrap();
        let front = Front::of(peer.address()).unwrap();
        let url = format!("http://{}/x", front.address());
        let again = front.stop();
        assert!(try_post(&url, "").is_err());
        let _front = again().unwrap();
        assert_eq!(post(&url, "").status, 200);
    }
}
