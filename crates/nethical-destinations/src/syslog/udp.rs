//! Datagrams over UDP: paced, because nobody says when the receiver's buffer is full.
//!
//! The socket is connected, so that a message of ICMP (nobody listens there) reaches us. It belongs to a
//! datagram that was sent before, so some of those are sent again to the next address, or held.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use nethical_core::delivery::{Error, Refusal};
use rustix::io::Errno;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::errors::{self, Target};
use super::resolve;
use super::wire::Frames;

/// How long the system may have no room for a datagram.
const STALLED: Duration = Duration::from_secs(10);

/// Datagrams that may leave at once: a small part of what a receiver's buffer of the usual size holds.
const BURST: u32 = 32;

/// A connected socket.
pub(super) struct Udp {
    socket: UdpSocket,
    addresses: Vec<SocketAddr>,
    /// Which of the addresses it is connected to.
    current: usize,
    pace: Pace,
}

/// What became of some datagrams.
#[derive(Default)]
pub(super) struct Sent {
    /// How many from the first need not be sent again.
    pub(super) done: usize,
    pub(super) refused: Vec<Refusal>,
    /// Why not all of them.
    pub(super) error: Option<Error>,
}

impl Udp {
    pub(super) async fn connect(
        host: &str,
        port: u16,
        per_second: u32,
        target: &Target,
    ) -> Result<Self, Error> {
        Self::to(resolve::addresses(host, port).await?, per_second, target).await
    }

    async fn to(addresses: Vec<SocketAddr>, per_second: u32, target: &Target) -> Result<Self, Error> {
        let socket = resolve::first(target, &addresses, open).await?;
        let peer = socket.peer_addr().map_err(|error| errors::classify("connect to", target, &error))?;
        let current = addresses.iter().position(|&address| address == peer).unwrap_or_default();
        Ok(Self { socket, addresses, current, pace: Pace::new(per_second) })
    }

    /// Send one datagram for each frame.
    pub(super) async fn send(&mut self, frames: &Frames, target: &Target) -> Sent {
        let all: Vec<&[u8]> = frames.each().collect();
        let mut sent = Sent::default();
        while let Some(frame) = all.get(sent.done) {
            if !frame.is_empty() {
                self.pace.wait().await;
                match self.send_one(frame).await {
                    Ok(()) => {}
                    Err(error) if is(&error, Errno::MSGSIZE) => {
                        let error = errors::classify("send to", target, &error);
                        sent.refused.push(Refusal { index: sent.done, error });
                    }
                    Err(error) => {
                        if !self.step_back(&mut sent, error, target).await {
                            return sent;
                        }
                        continue;
                    }
                }
            }
            sent.done += 1;
            // The answer to the last one may be here already: on this machine it always is.
            if sent.done == all.len()
                && let Ok(Some(error)) = self.socket.take_error()
                && !self.step_back(&mut sent, error, target).await
            {
                return sent;
            }
        }
        sent
    }

    async fn send_one(&self, frame: &[u8]) -> std::io::Result<()> {
        let deadline = Instant::now() + STALLED;
        loop {
            match timeout(STALLED, self.socket.send(frame)).await {
                Err(_) => return Err(Errno::TIMEDOUT.into()),
                // "No buffer space available.": the interface's queue is full.
                Ok(Err(error)) if is(&error, Errno::NOBUFS) && Instant::now() < deadline => {
                    sleep(Duration::from_millis(5)).await;
                }
                Ok(sent) => return sent.map(drop),
            }
        }
    }

    /// A datagram failed, or one before it. Returns whether to go on, at the next address.
    async fn step_back(&mut self, sent: &mut Sent, error: std::io::Error, target: &Target) -> bool {
        if is(&error, Errno::CONNREFUSED) {
            // On this machine the answer comes at once, so it is about the last one; from elsewhere it may
            // be about any of them.
            let is_here = self.addresses.get(self.current).is_some_and(|address| address.ip().is_loopback());
            sent.done = if is_here { sent.done.saturating_sub(1) } else { 0 };
            sent.refused.retain(|refusal| refusal.index < sent.done);
            while let Some(&next) = self.addresses.get(self.current + 1) {
                self.current += 1;
                if let Ok(socket) = open(next).await {
                    self.socket = socket;
                    return true;
                }
            }
        }
        sent.error = Some(errors::classify("send to", target, &error));
        false
    }

    /// Whether somebody refuses datagrams, found out with an empty one, which is no message.
    pub(super) async fn probe(&self, patience: Duration, target: &Target) -> Result<SocketAddr, Error> {
        let mut failure = None;
        for &address in self.addresses.iter().skip(self.current) {
            match ask(address, patience).await {
                Ok(()) => return Ok(address),
                Err(error) => failure = failure.or(Some(errors::classify("send to", target, &error))),
            }
        }
        Err(failure.unwrap_or_else(|| errors::unresolved(&target.shown, &"it has none")))
    }
}

/// Whether an empty datagram, which is no message, is refused.
pub(super) async fn ask(address: SocketAddr, patience: Duration) -> std::io::Result<()> {
    let socket = open(address).await?;
    socket.send(&[]).await?;
    match timeout(patience, socket.recv(&mut [0; 1])).await {
        Ok(Err(error)) => Err(error),
        _ => Ok(()),
    }
}

async fn open(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(address).await?;
    Ok(socket)
}

fn is(error: &std::io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

/// Lets so many datagrams pass in a second, a few of them at once.
struct Pace {
    per_second: u32,
    left: u32,
    next: Instant,
}

impl Pace {
    fn new(per_second: u32) -> Self {
        Self { per_second, left: BURST, next: Instant::now() }
    }

    async fn wait(&mut self) {
        if self.per_second == 0 {
            return;
        }
        if self.left == 0 {
            sleep_until(self.next).await;
            self.left = BURST;
        }
        if self.left == BURST {
            let burst = Duration::from_secs_f64(f64::from(BURST) / f64::from(self.per_second));
            self.next = self.next.max(Instant::now()) + burst;
        }
        self.left -= 1;
    }
}

#[cfg(test)]
mod tests {
    use nethical_core::event::{Level, LogEntry, Rules};

    use super::*;
    use crate::syslog::choice::Protocol;
    use crate::syslog::config::SyslogConfig;

    #[tokio::test]
    async fn a_refused_datagram_goes_to_the_next_address() {
        let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let config = SyslogConfig::new("localhost", Protocol::Udp);
        let target = Target::new(&config);
        let events = (0..10).map(|number| LogEntry::new(Level::Info, number.to_string(), "tests"));
        let batch = events.map(|entry| entry.encode(&Rules::default()).event).collect();
        let frames = config.formatter().frames(&batch);
        let addresses = vec![closed, receiver.local_addr().unwrap()];
        let mut udp = Udp::to(addresses, 0, &target).await.unwrap();
        let sent = udp.send(&frames, &target).await;
        assert_eq!((sent.done, sent.error.is_none()), (10, true));
        let mut buffer = [0; 2048];
        for number in 0..10 {
            let size = receiver.recv(&mut buffer).await.unwrap();
            assert!(buffer[..size].ends_with(format!(": {number}").as_bytes()));
        }
        let mut nowhere = Udp::to(vec![closed], 0, &target).await.unwrap();
        let sent = nowhere.send(&frames, &target).await;
        assert_eq!((sent.done, sent.error.map(|error| error.code())), (0, Some("syslog.refused")));
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_is_kept_also_after_a_rest() {
        let mut pace = Pace::new(3_200);
        let start = Instant::now();
        for _ in 0..3_200 {
            pace.wait().await;
        }
        let spent = start.elapsed();
        assert!((0.95..1.15).contains(&spent.as_secs_f64()), "{spent:?}");
        sleep(Duration::from_secs(60)).await;
        let start = Instant::now();
        for _ in 0..320 {
            pace.wait().await;
        }
        assert!(start.elapsed() > Duration::from_millis(80), "{:?}", start.elapsed());
    }
}
