//! What the threads of a receiver share: what came, and whether there is more.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::Frames;

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a thread sees whether it should end.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// What came so far, and who may still bring more.
#[derive(Default)]
pub(super) struct Shared {
    messages: Mutex<Vec<Vec<u8>>>,
    more: Condvar,
    stop: AtomicBool,
    /// How often somebody asked whether there is more.
    asked: AtomicU64,
    /// For each thread that has a socket: up to which question it had nothing to read.
    threads: Mutex<Vec<Weak<AtomicU64>>>,
}

/// One thread's part in it. It has its socket as long as this lives.
pub(super) struct Part {
    pub(super) shared: Arc<Shared>,
    answered: Arc<AtomicU64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// A part for one more thread.
    pub(super) fn part(self: &Arc<Self>) -> Part {
        let part = Part { shared: Arc::clone(self), answered: Arc::default() };
        let mut threads = lock(&self.threads);
        threads.retain(|thread| thread.strong_count() > 0);
        threads.push(Arc::downgrade(&part.answered));
        part
    }

    pub(super) fn messages(&self) -> Vec<Vec<u8>> {
        lock(&self.messages).clone()
    }

    pub(super) fn wait_for(&self, count: usize) -> Vec<Vec<u8>> {
        let deadline = Instant::now() + PATIENCE;
        let mut messages = lock(&self.messages);
        while messages.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            messages = self.more.wait_timeout(messages, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        messages.clone()
    }

    /// Wait until every thread had nothing to read after this was asked.
    pub(super) fn read_all(&self) -> Vec<Vec<u8>> {
        let question = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        self.wait(|threads| threads.iter().all(|answered| answered.load(Ordering::Acquire) >= question));
        self.messages()
    }

    /// Have every thread let go of its socket, and wait for that.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wait(<[_]>::is_empty);
    }

    fn wait(&self, holds: impl Fn(&[Arc<AtomicU64>]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let threads = || -> Vec<_> { lock(&self.threads).iter().filter_map(Weak::upgrade).collect() };
        while !holds(&threads()) && Instant::now() < deadline {
            thread::sleep(PAUSE / 10);
        }
    }
}

impl Part {
    pub(super) fn is_stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Acquire)
    }

    /// Keep messages.
    pub(super) fn add(&self, messages: Vec<Vec<u8>>) {
        if !messages.is_empty() {
            lock(&self.shared.messages).extend(messages);
            self.shared.more.notify_all();
        }
    }

    /// Try something that fails if there is nothing for now.
    pub(super) fn attempt<T>(&self, read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let asked = self.shared.asked.load(Ordering::Acquire);
        let result = read();
        if result.as_ref().is_err_and(is_pause) {
            self.answered.store(asked, Ordering::Release);
        }
        result
    }

    /// Read datagrams until the receiver is stopped.
    pub(super) fn datagrams(&self, mut receive: impl FnMut(&mut [u8]) -> io::Result<usize>) {
        let mut buffer = vec![0; 1 << 18];
        while !self.is_stopped() {
            if let Ok(size @ 1..) = self.attempt(|| receive(&mut buffer)) {
                self.add(vec![buffer.get(..size).unwrap_or_default().to_vec()]);
            }
        }
    }

    /// Read a stream to its end.
    pub(super) fn stream(&self, mut stream: impl Read) {
        let (mut frames, mut buffer) = (Frames::default(), vec![0; 65_536]);
        while !self.is_stopped() && !frames.is_broken() {
            match self.attempt(|| stream.read(&mut buffer)) {
                Ok(0) => return,
                Ok(size) => self.add(frames.push(buffer.get(..size).unwrap_or_default())),
                Err(error) if is_pause(&error) => {}
                Err(_) => return,
            }
        }
    }

    /// Accept connections, each with a thread of its own.
    pub(super) fn accept<S: Send + 'static>(
        &self,
        mut accept: impl FnMut() -> io::Result<S>,
        serve: impl Fn(S, &Self) + Clone + Send + 'static,
    ) {
        while !self.is_stopped() {
            match self.attempt(&mut accept) {
                Ok(stream) => {
                    let (part, serve) = (self.shared.part(), serve.clone());
                    thread::spawn(move || serve(stream, &part));
                }
                Err(_) => thread::sleep(PAUSE / 10),
            }
        }
    }
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
