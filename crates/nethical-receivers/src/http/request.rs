//! A request as it came.

use std::io;
use std::time::Instant;

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Most bytes that a head or a body may have.
const MOST_HEAD: usize = 64 << 10;
const MOST_BODY: usize = 64 << 20;

/// One request, with the bytes that came over the wire.
#[derive(Debug, Clone)]
pub struct Request {
    /// `POST`.
    pub method: String,
    /// The path with its query: `/hook?wait=true`.
    pub target: String,
    /// The headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The request line and the headers as they came, up to and with the empty line.
    pub head: Vec<u8>,
    /// The body as it came.
    pub body: Vec<u8>,
    /// Which connection brought it, counted from zero.
    pub connection: u64,
    /// When it was complete.
    pub at: Instant,
}

impl Request {
    /// The path without its query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// A value of the query, as it stands there.
    pub fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name)).map(|(_, v)| v)
    }

    /// The value of a header, whose name is in lower case; the first if there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// If it is none.
    pub fn json(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    fn parse(head: Vec<u8>, connection: u64) -> io::Result<Self> {
        let mut headers = [httparse::EMPTY_HEADER; 100];
        let mut parsed = httparse::Request::new(&mut headers);
        parsed.parse(&head).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fields = parsed.headers.iter().map(|header| (header.name.to_lowercase(), text(header.value)));
        Ok(Self {
            method: parsed.method.unwrap_or_default().to_owned(),
            target: parsed.path.unwrap_or_default().to_owned(),
            headers: fields.collect(),
            body: Vec::new(),
            connection,
            at: Instant::now(),
            head,
        })
    }

    /// Bytes of the body that the head announces.
    fn announced(&self) -> io::Result<usize> {
        if self.header("transfer-encoding").is_some() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "a body without a length"));
        }
        let Some(length) = self.header("content-length") else { return Ok(0) };
        let length = length.parse().ok().filter(|length| *length <= MOST_BODY);
        length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a length that is none"))
    }
}

/// Reads one request after the other from a connection.
pub(super) struct Reader {
    connection: u64,
    buffer: Vec<u8>,
}

impl Reader {
    pub(super) const fn new(connection: u64) -> Self {
        Self { connection, buffer: Vec::new() }
    }

    /// The head of the next request; none at the end of the connection.
    pub(super) async fn head(&mut self, stream: &mut TcpStream) -> io::Result<Option<Request>> {
        let mut seen = 0;
        loop {
            let from = self.buffer.get(seen..).unwrap_or_default();
            if let Some(end) = from.windows(4).position(|four| four == b"\r\n\r\n") {
                let rest = self.buffer.split_off(seen + end + 4);
                let head = std::mem::replace(&mut self.buffer, rest);
                return Request::parse(head, self.connection).map(Some);
            }
            seen = self.buffer.len().saturating_sub(3);
            if self.buffer.len() > MOST_HEAD {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// The body of the request whose head was read.
    pub(super) async fn body(&mut self, stream: &mut TcpStream, head: Request) -> io::Result<Request> {
        let length = head.announced()?;
        while self.buffer.len() < length {
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let rest = self.buffer.split_off(length);
        let body = std::mem::replace(&mut self.buffer, rest);
        Ok(Request { body, at: Instant::now(), ..head })
    }
}
