//! A server that answers as a test says, for what a real one does only with much around it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Call {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn read(stream: &mut BufReader<TcpStream>) -> Option<Self> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).ok().filter(|count| *count > 0)?;
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let mut first = lines.first()?.split(' ').map(str::to_owned);
        let (method, path) = (first.next()?, first.next()?);
        let header = |line: &String| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers = lines.iter().skip(1).filter_map(header).collect();
        let mut call = Self { method, path, headers, body: Vec::new() };
        let length = call.header("content-length").map_or(0, |length| length.parse().unwrap());
        call.body.resize(length, 0);
        stream.read_exact(&mut call.body).ok()?;
        Some(call)
    }
}

/// What is answered: a status, headers as lines, a body. `None`: the connection breaks.
pub(crate) type Reply = Option<(u16, String, String)>;

/// An answer of JSON.
pub(crate) fn json(status: u16, body: &Value) -> Reply {
    Some((status, "Content-Type: application/json\r\n".to_owned(), body.to_string()))
}

/// A running server.
pub(crate) struct Scripted {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Scripted {
    pub(crate) fn start(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (calls, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let noted = Arc::clone(&calls);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, noted) = (Arc::clone(&answer), Arc::clone(&noted));
                std::thread::spawn(move || serve(stream, &*answer, &noted));
            }
        });
        Self { address, calls }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap()
    }
}

fn serve(stream: TcpStream, answer: &(impl Fn(&Call) -> Reply + ?Sized), noted: &Mutex<Vec<Call>>) {
    let mut reader = BufReader::new(stream);
    while let Some(call) = Call::read(&mut reader) {
        noted.lock().unwrap().push(call.clone());
        let Some((status, headers, body)) = answer(&call) else { return };
        let length = body.len();
        let head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\n{headers}\r\n");
        if reader.get_mut().write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}
