//! Sending a file, or a part of one, without having it in memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{Client, Failure, MAX_ANSWER, Phase, Response};

/// Bytes that are read at a time.
const PIECE: usize = 128 * 1024;

/// Slower than this, in bytes per second, is not waited for.
const SLOWEST: u64 = 32 * 1024;

/// Bytes of a file.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) path: PathBuf,
    pub(crate) start: u64,
    pub(crate) length: u64,
}

impl Client {
    /// Send a part of a file, once, and read the answer. A file that is shorter by now breaks the request off.
    ///
    /// # Errors
    /// If there was no answer in time, or half a one, or the file cannot be read.
    pub(crate) async fn send_file(
        &self,
        method: http::Method,
        url: &str,
        headers: Vec<(String, String)>,
        part: Part,
    ) -> Result<Response, Failure> {
        let limit = self.deadlines.total + Duration::from_secs(part.length / SLOWEST);
        let length = part.length;
        let (pieces, receiver) = channel(4);
        tokio::task::spawn_blocking(move || read_all(&part, &pieces));
        let mut request = self.inner.request(method, url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let body = reqwest::Body::wrap(Pieces { receiver, left: length });
        let request = request.body(body).build().map_err(|error| Failure::new(error, Phase::Request))?;
        let exchange = async {
            let answer = self.inner.execute(request).await.map_err(|error| Failure::new(error, Phase::Head))?;
            Self::read(answer, MAX_ANSWER).await
        };
        tokio::time::timeout(limit, exchange).await.unwrap_or_else(|_| Err(Failure::late(Phase::Head, limit)))
    }
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

struct Pieces {
    receiver: Receiver<io::Result<Bytes>>,
    left: u64,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.receiver.poll_recv(context) {
            Poll::Ready(Some(Ok(piece))) => {
                self.left = self.left.saturating_sub(piece.len() as u64);
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
