//! The way to the receiver, of whichever kind.

use nethical_core::delivery::{Error, Receipt, Refusal, Unfinished};
use rustix::io::Errno;
use tokio::net::{UnixDatagram, UnixStream};
use tokio::time::timeout;

use super::choice::Protocol;
use super::config::SyslogConfig;
use super::errors::{self, Target};
use super::resolve::CONNECT;
use super::stream::Stream;
use super::tls::Tls;
use super::udp::{Sent, Udp};
use super::wire::Frames;

/// An open way to the receiver.
pub(super) enum Link {
    Udp(Udp),
    Stream(Stream),
    UnixDatagram(UnixDatagram),
}

impl Link {
    /// Open one, for `is_wary` see [`Stream::secure`].
    pub(super) async fn open(config: &SyslogConfig, is_wary: bool, target: &Target) -> Result<Self, Error> {
        let (host, port) = (config.host.trim(), config.port());
        match config.protocol {
            Protocol::Udp => {
                Udp::connect(host, port, config.datagrams_per_second, target).await.map(Self::Udp)
            }
            Protocol::Tcp => Stream::tcp(host, port, target).await.map(Self::Stream),
            Protocol::Tls => {
                let config = config.clone();
                let (tls, stream) = (
                    nethical_core::delivery::runtime::blocking(move || Tls::new(&config)),
                    Stream::tcp(host, port, target),
                );
                let tls = tls.await??;
                stream.await?.secure(tls, is_wary, target).await.map(Self::Stream)
            }
            Protocol::Unix => unix(config, target).await,
        }
    }

    /// Whether messages travel as datagrams.
    pub(super) const fn is_datagram(&self) -> bool {
        !matches!(self, Self::Stream(_))
    }

    /// See [`Stream::is_alive`].
    pub(super) fn is_alive(&mut self, target: &Target) -> Result<bool, Error> {
        match self {
            Self::Stream(stream) => stream.is_alive(target),
            Self::Udp(_) | Self::UnixDatagram(_) => Ok(true),
        }
    }

    /// See [`Stream::was_refused`].
    pub(super) const fn was_refused(&self) -> bool {
        matches!(self, Self::Stream(stream) if stream.was_refused())
    }

    /// Send the messages. With an error that concerns all that is not done, the link is of no more use.
    pub(super) async fn send(&mut self, frames: &Frames, target: &Target) -> Result<Receipt, Error> {
        match self {
            Self::Udp(udp) => receipt(frames, udp.send(frames, target).await),
            Self::UnixDatagram(socket) => receipt(frames, datagrams(socket, frames, target).await),
            Self::Stream(stream) => {
                let written = stream.send(&frames.bytes, target).await;
                let error = written.error.map(|error| {
                    // Nothing may have arrived, or all of it.
                    if written.left > written.arrived { error.in_doubt() } else { error }
                });
                let done = if error.is_some() { frames.whole(written.arrived) } else { frames.count() };
                receipt(frames, Sent { done, refused: Vec::new(), error })
            }
        }
    }

    /// Let go of it.
    pub(super) async fn close(self) {
        if let Self::Stream(stream) = self {
            stream.close().await;
        }
    }
}

/// What the pipeline is told of a batch.
fn receipt(frames: &Frames, sent: Sent) -> Result<Receipt, Error> {
    let done = sent.done;
    let mut refused = sent.refused;
    refused.extend(frames.unreadable().filter(|refusal: &Refusal| refusal.index < done));
    match sent.error {
        Some(error) if done == 0 => Err(error),
        error => Ok(Receipt {
            refused,
            unfinished: error.map(|error| Unfinished { indices: (done..frames.count()).collect(), error }),
            ..Receipt::all()
        }),
    }
}

/// Datagrams if the socket takes them, else a stream: the C library does the same.
async fn unix(config: &SyslogConfig, target: &Target) -> Result<Link, Error> {
    let path = config.path();
    let socket = UnixDatagram::unbound().map_err(|error| errors::classify("connect to", target, &error))?;
    match socket.connect(path) {
        Ok(()) => Ok(Link::UnixDatagram(socket)),
        // "Protocol wrong type for socket."
        Err(error) if error.raw_os_error() == Some(Errno::PROTOTYPE.raw_os_error()) => {
            let stream = timeout(CONNECT, UnixStream::connect(path)).await;
            let stream = stream.map_err(|_| errors::timeout("connect to", target, CONNECT.as_secs()))?;
            let stream = stream.map_err(|error| errors::classify("connect to", target, &error))?;
            Ok(Link::Stream(Stream::unix(stream)))
        }
        Err(error) => Err(errors::classify("connect to", target, &error)),
    }
}

/// A datagram for each frame. The daemon's queue is short: when it is full, this waits.
async fn datagrams(socket: &UnixDatagram, frames: &Frames, target: &Target) -> Sent {
    let mut sent = Sent::default();
    for frame in frames.each() {
        if !frame.is_empty() {
            let error = match timeout(2 * CONNECT, socket.send(frame)).await {
                Ok(Ok(_)) => None,
                Ok(Err(error)) => Some(errors::classify("send to", target, &error)),
                Err(_) => Some(errors::timeout("send to", target, 2 * CONNECT.as_secs())),
            };
            match error {
                None => {}
                Some(error) if error.is_endpoint_fault() => {
                    sent.error = Some(error);
                    return sent;
                }
                Some(error) => sent.refused.push(Refusal { index: sent.done, error }),
            }
        }
        sent.done += 1;
    }
    sent
}
