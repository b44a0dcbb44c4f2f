//! Telling a forked child from its parent.
//!
//! A child of `fork()` inherits memory but no threads: a lock that another thread held stays locked
//! for ever, and the background thread is gone. So nothing that a parent built may be used by its
//! child. [`PerProcess`] gives every process its own value, built on first use, without a lock.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Once, OnceLock};

static GENERATION: AtomicU32 = AtomicU32::new(0);

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// How many forks lie between this process and the one that first asked.
pub fn generation() -> u32 {
    static REGISTER: Once = Once::new();
    REGISTER.call_once(|| {
        #[expect(unsafe_code, reason = "fork can only be noticed through libc")]
        // SAFETY: the handler only adds to an atomic, which is async-signal-safe.
        unsafe {
            libc::pthread_atfork(None, None, Some(in_child));
        }
    });
    GENERATION.load(Ordering::Relaxed)
}

/// A value of which every process has its own.
///
/// What a parent built is never touched by its children, not even to drop it.
#[derive(Debug)]
pub struct PerProcess<T> {
    head: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    value: OnceLock<(u32, T)>,
    next: OnceLock<Box<Self>>,
}

impl<T> Node<T> {
    const fn new() -> Self {
        Self { value: OnceLock::new(), next: OnceLock::new() }
    }
}

impl<T> PerProcess<T> {
    /// No value yet; the first [`get`](Self::get) in each process builds it.
    pub const fn new() -> Self {
        Self { head: Node::new() }
    }

    /// This process's value, built by `build` if there is none yet.
    pub fn get(&self, build: impl Fn() -> T) -> &T {
        let now = generation();
        let mut node = &self.head;
        loop {
            let (born, value) = node.value.get_or_init(|| (now, build()));
            if *born == now {
                return value;
            }
            node = node.next.get_or_init(|| Box::new(Node::new()));
        }
    }

    /// This process's value, if it was built.
    pub fn existing(&self) -> Option<&T> {
        let now = generation();
        let mut node = &self.head;
        loop {
            match node.value.get() {
                Some((born, value)) if *born == now => return Some(value),
                Some(_) => node = node.next.get()?,
                None => return None,
            }
        }
    }
}

impl<T> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for Node<T> {
    fn drop(&mut self) {
        if let Some((born, value)) = self.value.take()
            && born != generation()
        {
            std::mem::forget(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_per_process() {
        let cell = PerProcess::new();
        assert!(cell.existing().is_none());
        assert_eq!(*cell.get(|| 1), 1);
        assert_eq!(*cell.get(|| 2), 1);
        assert_eq!(cell.existing(), Some(&1));
    }
}
