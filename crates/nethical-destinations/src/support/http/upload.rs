//! Requests whose body is too large to be held in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::{Client, Failure, Phase, Request, Response};

impl Client {
    /// Send the request with `length` bytes of `body`, once, and read the answer. It may take any time while it makes
    /// progress; without, it gets as long as another request gets for the first byte.
    ///
    /// # Errors
    /// If there was no answer in time, or half a one; also if `body` fails, and then the server keeps nothing.
    pub(crate) async fn upload(
        &self,
        request: Request,
        length: u64,
        body: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> Result<Response, Failure> {
        let moved = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&moved);
        let counted = body.inspect(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let mut prepared = self.prepare(request)?;
        *prepared.body_mut() = Some(reqwest::Body::wrap_stream(counted));
        prepared.headers_mut().insert(http::header::CONTENT_LENGTH, length.into());
        let limit = self.how.deadlines.first_byte;
        let sent = async {
            let answer =
                self.inner.execute(prepared).await.map_err(|error| Failure::new(error, Phase::Head))?;
            self.read(answer).await
        };
        tokio::select! {
            answer = sent => answer,
            () = standstill(&moved, limit) => Err(Failure::late(Phase::Head, limit)),
        }
    }
}

/// Ends when the counter has stood still for this long.
async fn standstill(moved: &AtomicU64, limit: Duration) {
    let mut last = moved.load(Ordering::Relaxed);
    loop {
        tokio::time::sleep(limit).await;
        let now = moved.load(Ordering::Relaxed);
        if now == last {
            return;
        }
        last = now;
    }
}
