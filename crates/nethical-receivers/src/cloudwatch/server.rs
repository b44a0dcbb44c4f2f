//! HTTP/1.1 on one thread.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;

use super::api;
use super::state::State;

/// Serve until the process ends.
pub(super) fn run(listener: TcpListener, state: Arc<Mutex<State>>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async move {
        if listener.set_nonblocking(true).is_err() {
            return;
        }
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
        while let Ok((stream, _)) = listener.accept().await {
            let state = Arc::clone(&state);
            tokio::spawn(async move {
                let service = service_fn(move |request| serve(Arc::clone(&state), request));
                // An answer that is dropped on purpose ends here as an error.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
}

/// The connection is to be closed.
#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed on purpose")
    }
}

impl std::error::Error for Closed {}

async fn serve(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Closed> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let (answer, ahead) = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let request = api::Request {
            target: header("x-amz-target"),
            authorization: header("authorization"),
            date: header("x-amz-date"),
            token: header("x-amz-security-token"),
            body: &body,
        };
        (api::answer(&mut state, &request), state.behaviour.clock_ahead)
    };
    let (status, text) = answer.ok_or(Closed)?;
    let now = Timestamp::from_second(Timestamp::now().as_second() + ahead).unwrap_or_default();
    let date =
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap_or_default();
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.1")
        .header("date", date);
    response.body(Full::new(Bytes::from(text))).map_err(|_| Closed)
}
