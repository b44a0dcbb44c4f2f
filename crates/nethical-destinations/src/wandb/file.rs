//! The bytes of a file, as they are sent.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::poll_fn;
use tokio::sync::mpsc::{Sender, channel};

/// Bytes that are read at a time.
const PIECE: usize = 128 * 1024;

/// A stretch of a file.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) path: PathBuf,
    pub(super) start: u64,
    pub(super) length: u64,
}

/// What stands there, piece by piece, read on a thread that may wait for the disk. A file that is shorter by
/// now ends with an error.
pub(super) fn pieces(part: Part) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (sender, mut receiver) = channel(4);
    tokio::task::spawn_blocking(move || read_all(&part, &sender));
    poll_fn(move |context| receiver.poll_recv(context))
}

/// Reads until the end, or until nobody wants more.
fn read_all(part: &Part, pieces: &Sender<io::Result<Bytes>>) {
    let file = match File::open(&part.path) {
        Ok(file) => file,
        Err(error) => return drop(pieces.blocking_send(Err(error))),
    };
    let (mut at, end) = (part.start, part.start + part.length);
    while at < end {
        let wanted = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
        let mut piece = vec![0; wanted];
        let read = file.read_exact_at(&mut piece, at).map(|()| Bytes::from(piece));
        let failed = read.is_err();
        if pieces.blocking_send(read).is_err() || failed {
            return;
        }
        at += wanted as u64;
    }
}
