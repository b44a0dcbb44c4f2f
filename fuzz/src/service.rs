//! A server of HTTP on this machine that says what it is told to.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is answered to a request where nothing else is laid out.
pub type Usual = Box<dyn Fn(&[u8]) -> Vec<u8> + Send>;

/// It answers one request at a time, and closes each connection behind its answer.
#[derive(Clone)]
pub struct Service {
    address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Default)]
struct Plan {
    /// Requests that come before it.
    after: usize,
    answer: Option<Vec<u8>>,
    is_for_all: bool,
    asked: usize,
}

impl Service {
    /// One on a free port.
    pub fn start(usual: Usual) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let plan = Arc::new(Mutex::new(Plan::default()));
        let said = Arc::clone(&plan);
        std::thread::spawn(move || {
            listener.incoming().flatten().for_each(|stream| drop(say(&stream, &said, &usual)));
        });
        Self { address, plan }
    }

    /// `http://host:port`
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request gets this answer.
    pub fn always(&self, answer: Vec<u8>) {
        *self.plan.lock().unwrap() = Plan { answer: Some(answer), is_for_all: true, ..Plan::default() };
    }

    /// The request that comes after so many others gets this answer.
    pub fn once(&self, after: usize, answer: Vec<u8>) {
        *self.plan.lock().unwrap() = Plan { after, answer: Some(answer), ..Plan::default() };
    }
}

/// Headers up to an empty line, and a body. Its length is told, or every wrong one would cost half a minute.
pub fn answer(status: u8, rest: &[u8]) -> Vec<u8> {
    const STATUSES: [u16; 16] =
        [200, 201, 204, 302, 400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 502, 503];
    let status = STATUSES[usize::from(status) % STATUSES.len()];
    let end = rest.windows(2).position(|two| two == b"\n\n");
    let (headers, body) = end.map_or((&[][..], rest), |end| (&rest[..end], &rest[end + 2..]));
    let mut bytes = format!("HTTP/1.1 {status} Said\r\nconnection: close\r\n").into_bytes();
    for line in headers.split(|byte| *byte == b'\n') {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default().to_ascii_lowercase();
        let frames = [b"content-length".as_slice(), b"transfer-encoding", b"connection"];
        if line.contains(&b':') && !frames.contains(&name.trim_ascii()) {
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\r\n");
        }
    }
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// What another server answers to the same request.
pub fn pass_on(to: SocketAddr, request: &[u8]) -> Vec<u8> {
    let ask = || -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let line = request.windows(2).position(|two| two == b"\r\n").unwrap_or_default();
        let (first, rest) = request.split_at(line);
        // In HTTP/1.0 an answer has a length, or ends with its connection.
        let first = first.strip_suffix(b"1.1").unwrap_or(first);
        stream.write_all(&[first, b"1.0", rest].concat())?;
        read(&stream, u64::MAX)
    };
    ask().unwrap_or_else(|error| answer(14, format!("\n\n{error}").as_bytes()))
}

fn say(stream: &TcpStream, plan: &Mutex<Plan>, usual: &Usual) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let request = read(stream, 0)?;
    let planned = {
        let mut plan = plan.lock().unwrap();
        plan.asked += 1;
        let is_due = plan.is_for_all || plan.asked == plan.after + 1;
        plan.answer.clone().filter(|_| is_due)
    };
    let mut stream = stream;
    stream.write_all(&planned.unwrap_or_else(|| usual(&request)))
}

/// A whole request, or answer. Without a word about its length it has `usual` bytes at most.
fn read(stream: &TcpStream, usual: u64) -> io::Result<Vec<u8>> {
    let mut reader = BufReader::new(stream);
    let (mut bytes, mut length) = (Vec::new(), usual);
    loop {
        let start = bytes.len();
        if reader.read_until(b'\n', &mut bytes)? <= 2 {
            break;
        }
        let line = String::from_utf8_lossy(&bytes[start..]).to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    reader.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}
