//! HTTP/1.1 on one thread, with every byte in our own hands.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::request::Reader;
use super::{Answer, Request};

/// What answers.
pub(crate) trait Handler: Send + Sync + 'static {
    /// An answer that is due before the body was read.
    fn early(&self, _head: &Request) -> Option<Answer> {
        None
    }

    /// The answer to a request.
    fn answer(&self, request: Request) -> Answer;
}

/// A running server on the loopback interface. It ends when it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    running: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl Server {
    /// Start one on a free port.
    pub(crate) fn start<H: Handler>(handler: Arc<H>) -> io::Result<Self> {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), handler)
    }

    /// Start one at this address.
    pub(crate) fn start_at<H: Handler>(address: SocketAddr, handler: Arc<H>) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serving = thread::Builder::new().name("receiver".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    _ = accept(listener, handler) => {}
                }
            });
        })?;
        Ok(Self { address, running: Mutex::new(Some((stop, serving))) })
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Close the port and every connection.
    pub(crate) fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, serving)) = running {
            drop(stop);
            // A thread that panicked has stopped as well.
            let _ = serving.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn accept<H: Handler>(listener: TcpListener, handler: Arc<H>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    for number in 0.. {
        let (stream, _) = listener.accept().await?;
        let handler = Arc::clone(&handler);
        tokio::spawn(async move {
            // The other side may break a connection whenever it likes.
            let _ = serve(stream, number, &*handler).await;
        });
    }
    Ok(())
}

async fn serve(mut stream: TcpStream, number: u64, handler: &dyn Handler) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = Reader::new(number);
    while let Some(head) = reader.head(&mut stream).await? {
        if let Some(answer) = handler.early(&head) {
            answer.send(&mut stream, false).await?;
            return Ok(());
        }
        let request = reader.body(&mut stream, head).await?;
        let only_head = request.method == "HEAD";
        if !handler.answer(request).send(&mut stream, only_head).await? {
            return Ok(());
        }
    }
    Ok(())
}
