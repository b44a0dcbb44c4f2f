//! A TCP proxy that breaks connections when a test says so.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Passes connections on to a server, until told otherwise.
#[derive(Debug, Clone)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    target: SocketAddr,
    down: AtomicBool,
    next: AtomicU64,
    open: Mutex<HashMap<u64, [TcpStream; 2]>>,
    /// Requests that hold this get no answer, so many times.
    swallow: Mutex<(Vec<u8>, usize)>,
    swallowed: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// A proxy to this server.
    ///
    /// # Panics
    /// If there is no free port.
    pub fn to(target: SocketAddr) -> Self {
        Self::on("127.0.0.1:0", target)
    }

    /// The same at an address of one's own.
    ///
    /// # Panics
    /// If it is taken.
    pub fn on(address: &str, target: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("{error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("{error}"));
        let state = Arc::new(State {
            target,
            down: AtomicBool::new(false),
            next: AtomicU64::new(0),
            open: Mutex::default(),
            swallow: Mutex::default(),
            swallowed: AtomicU64::new(0),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || state.serve(&client));
            }
        });
        Self { address, state }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as an address of HTTP.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Break every connection, wherever it is.
    pub fn cut(&self) {
        for (_, pair) in lock(&self.state.open).drain() {
            pair.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        }
    }

    /// Break every connection, and take no more.
    pub fn take_down(&self) {
        self.state.down.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// Take connections again.
    pub fn bring_up(&self) {
        self.state.down.store(false, Ordering::SeqCst);
    }

    /// Pass the next `times` requests that hold `mark` on, and break the connection instead of passing the answer back.
    pub fn swallow_answers(&self, mark: &str, times: usize) {
        *lock(&self.state.swallow) = (mark.as_bytes().to_vec(), times);
    }

    /// How many answers were not passed back.
    pub fn swallowed(&self) -> u64 {
        self.state.swallowed.load(Ordering::SeqCst)
    }
}

impl State {
    fn serve(&self, client: &TcpStream) {
        if self.down.load(Ordering::SeqCst) {
            return;
        }
        let Ok(server) = TcpStream::connect(self.target) else { return };
        let copies = [client.try_clone(), server.try_clone()];
        let [Ok(one), Ok(other)] = copies else { return };
        let id = self.next.fetch_add(1, Ordering::SeqCst);
        lock(&self.open).insert(id, [one, other]);
        let doomed = AtomicBool::new(false);
        let ask = |bytes: &[u8]| {
            if self.is_to_be_swallowed(bytes) {
                doomed.store(true, Ordering::SeqCst);
            }
            true
        };
        let answer = |_: &[u8]| {
            let passes = !doomed.load(Ordering::SeqCst);
            self.swallowed.fetch_add(u64::from(!passes), Ordering::SeqCst);
            passes
        };
        std::thread::scope(|scope| {
            scope.spawn(|| self.pass(client, &server, ask));
            scope.spawn(|| self.pass(&server, client, answer));
        });
        lock(&self.open).remove(&id);
    }

    /// Pass bytes on until one side ends, or `allows` says no.
    fn pass(&self, mut from: &TcpStream, mut to: &TcpStream, allows: impl Fn(&[u8]) -> bool) {
        let mut buffer = vec![0; 65_536];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let bytes = buffer.get(..count).unwrap_or_default();
            if !allows(bytes) || to.write_all(bytes).is_err() {
                break;
            }
        }
        for stream in [from, to] {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn is_to_be_swallowed(&self, bytes: &[u8]) -> bool {
        let mut swallow = lock(&self.swallow);
        let (mark, left) = &mut *swallow;
        let found = *left > 0 && bytes.windows(mark.len().max(1)).any(|part| part == mark.as_slice());
        *left -= usize::from(found);
        found
    }
}
