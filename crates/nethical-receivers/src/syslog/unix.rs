//! The same on unix sockets, of either kind.

use std::io;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use super::shared::{PAUSE, Shared};

/// Receives on a unix socket until it is dropped.
pub struct UnixReceiver {
    path: PathBuf,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for UnixReceiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnixReceiver").field("path", &self.path).finish_non_exhaustive()
    }
}

impl UnixReceiver {
    /// Datagrams, as `/dev/log` usually takes them.
    ///
    /// # Errors
    /// If there can be no socket at this path.
    pub fn datagram(path: impl Into<PathBuf>) -> io::Result<Self> {
        let (path, shared) = (path.into(), Arc::<Shared>::default());
        let socket = UnixDatagram::bind(&path)?;
        socket.set_read_timeout(Some(PAUSE))?;
        let part = shared.part();
        thread::spawn(move || part.datagrams(|buffer| socket.recv(buffer)));
        Ok(Self { path, shared })
    }

    /// A stream, of lines or counted messages.
    ///
    /// # Errors
    /// If there can be no socket at this path.
    pub fn stream(path: impl Into<PathBuf>) -> io::Result<Self> {
        let (path, shared) = (path.into(), Arc::<Shared>::default());
        let listener = UnixListener::bind(&path)?;
        listener.set_nonblocking(true)?;
        let part = shared.part();
        thread::spawn(move || {
            part.accept(
                || Ok(listener.accept()?.0),
                |stream: UnixStream, part| {
                    let ready = stream.set_nonblocking(false);
                    if ready.and_then(|()| stream.set_read_timeout(Some(PAUSE))).is_ok() {
                        part.stream(stream);
                    }
                },
            );
        });
        Ok(Self { path, shared })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The messages that came so far.
    pub fn messages(&self) -> Vec<Vec<u8>> {
        self.shared.messages()
    }

    /// Wait until so many messages came, at most ten seconds; returns all that came.
    pub fn wait_for(&self, count: usize) -> Vec<Vec<u8>> {
        self.shared.wait_for(count)
    }
}

impl Drop for UnixReceiver {
    fn drop(&mut self) {
        self.shared.stop();
        // Somebody may have removed it before.
        let _ = std::fs::remove_file(&self.path);
    }
}
