//! A connection as a stream of bytes: TCP, TLS over it, or a unix socket.
//!
//! What is written is done only when the receiver's system has acknowledged it. A connection that breaks
//! leaves a known number of bytes that may not have arrived, and these are sent again over the next one.
//! Before every write the connection is asked whether the receiver has hung up: the system would take
//! the bytes all the same, and lose them.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nethical_core::delivery::Error;
use rustix::net::{RecvFlags, sockopt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, sleep, timeout};

use super::errors::{self, Target};
use super::resolve;
use super::tls::Tls;
use super::unacknowledged::unacknowledged;

/// How long a receiver may take nothing before the connection is given up.
const STALLED: Duration = Duration::from_secs(30);

/// How often a stalled connection is asked whether it still is one.
const ASK: Duration = Duration::from_millis(100);

/// How much is written at once.
const CHUNK: usize = 64 * 1024;

/// The largest record of TLS: a receiver can make nothing of a part of one.
const LARGEST_RECORD: usize = 17 * 1024;

/// How long [`Stream::close`] waits for what was sent to be acknowledged.
const CLOSING: Duration = Duration::from_secs(1);

/// An open connection.
pub(super) struct Stream {
    socket: Socket,
    tls: Option<Box<Tls>>,
    /// Whether the receiver ever said anything.
    heard: bool,
    /// When messages could have been sent first.
    since: Instant,
    /// Whether the receiver ended it because it does not like who we are.
    refused: bool,
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// How much of some bytes arrived, and why not all.
#[derive(Debug)]
pub(super) struct Written {
    /// Bytes from the first that the receiver's system has.
    pub(super) arrived: usize,
    /// Bytes from the first that may have left.
    pub(super) left: usize,
    pub(super) error: Option<Error>,
}

/// Why a connection is none any more.
pub(super) enum Broken {
    Closed,
    /// Nothing came where something had to.
    Silent,
    Io(io::Error),
    Tls(rustls::Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Broken {
    fn is_hang_up(&self) -> bool {
        match self {
            Self::Closed => true,
            Self::Io(error) => {
                matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
            }
            Self::Silent | Self::Tls(_) => false,
        }
    }

    pub(super) fn describe(&self, action: &str, target: &Target) -> Error {
        match self {
            Self::Closed => errors::closed(target),
            Self::Silent => errors::timeout(action, target, resolve::CONNECT.as_secs()),
            Self::Io(error) => errors::classify(action, target, error),
            Self::Tls(error) => errors::tls(target, error),
        }
    }
}

impl Stream {
    /// Connect over TCP; the name is resolved anew each time.
    pub(super) async fn tcp(host: &str, port: u16, target: &Target) -> Result<Self, Error> {
        let addresses = resolve::addresses(host, port).await?;
        let stream = resolve::first(target, &addresses, connect).await?;
        Ok(Self::over(Socket::Tcp(stream)))
    }

    /// A connected unix socket.
    pub(super) fn unix(stream: UnixStream) -> Self {
        Self::over(Socket::Unix(stream))
    }

    fn over(socket: Socket) -> Self {
        Self { socket, tls: None, heard: false, since: Instant::now(), refused: false }
    }

    /// The same with TLS. A receiver that has once refused us late is given more time to do so (`is_wary`).
    pub(super) async fn secure(mut self, tls: Tls, is_wary: bool, target: &Target) -> Result<Self, Error> {
        self.tls = Some(Box::new(tls));
        let mut result = timeout(2 * resolve::CONNECT, self.handshake()).await;
        if let Ok(Ok(())) = result {
            self.since = Instant::now();
            result = Ok(self.thoughts(is_wary).await);
        }
        match result {
            Ok(Ok(())) => Ok(self),
            Ok(Err(Broken::Closed | Broken::Io(_))) if !self.heard => {
                Err(errors::no_tls(target, "hung up on a TLS greeting"))
            }
            Ok(Err(Broken::Silent)) => Err(errors::no_tls(target, "does not answer a TLS greeting")),
            Ok(Err(Broken::Closed)) => Err(errors::closed_after_handshake(target)),
            Ok(Err(broken)) => Err(broken.describe("speak TLS with", target)),
            Err(_) => Err(errors::timeout("speak TLS with", target, 2 * resolve::CONNECT.as_secs())),
        }
    }

    /// What TLS is spoken, if any.
    pub(super) fn tls(&self) -> Option<&Tls> {
        self.tls.as_deref()
    }

    /// Where it leads.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(stream) => stream.peer_addr().ok(),
            Socket::Unix(_) => None,
        }
    }

    async fn handshake(&mut self) -> Result<(), Broken> {
        loop {
            self.flush_tls().await?;
            if self.tls.as_ref().is_none_or(|tls| !tls.is_handshaking()) {
                return Ok(());
            }
            match self.heard {
                true => self.readable().await?,
                false => timeout(resolve::CONNECT, self.readable()).await.map_err(|_| Broken::Silent)??,
            }
            self.check()?;
        }
    }

    /// A receiver that does not like our certificate says so only after the handshake (TLS 1.3), some even
    /// after a session ticket.
    async fn thoughts(&mut self, is_wary: bool) -> Result<(), Broken> {
        match self.was_asked() {
            false => Ok(()),
            true if is_wary => timeout(Tls::LAST_THOUGHTS, self.end()).await.unwrap_or(Ok(())),
            true => self.second_thoughts().await,
        }
    }

    async fn second_thoughts(&mut self) -> Result<(), Broken> {
        if let Ok(heard) = timeout(Tls::SECOND_THOUGHTS, self.hear()).await {
            heard?;
            sleep(Tls::THIRD_THOUGHTS).await;
            self.check()?;
        }
        Ok(())
    }

    /// Wait until the receiver ends the connection.
    async fn end(&mut self) -> Result<(), Broken> {
        loop {
            self.hear().await?;
        }
    }

    /// Wait until the receiver says something.
    async fn hear(&mut self) -> Result<(), Broken> {
        while self.check()? == 0 {
            self.readable().await?;
        }
        Ok(())
    }

    /// Wait until something may be there to read.
    pub(super) async fn readable(&self) -> Result<(), Broken> {
        match &self.socket {
            Socket::Tcp(stream) => {
                stream.readable().await?;
                let _ = stream.try_io(tokio::io::Interest::READABLE, || peek(stream.as_fd()));
            }
            Socket::Unix(stream) => stream.readable().await?,
        }
        Ok(())
    }

    /// See whether the receiver has hung up. What it says is read and forgotten, since syslog has no answers;
    /// returns how much it was.
    pub(super) fn check(&mut self) -> Result<usize, Broken> {
        let (mut buffer, mut all) = ([0; 4096], 0);
        loop {
            match rustix::net::recv(&self.socket, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return Err(Broken::Closed),
                Ok((_, size)) => {
                    all += size;
                    self.heard = true;
                    if let Some(tls) = &mut self.tls {
                        tls.take(buffer.get(..size).unwrap_or_default())?;
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(all),
                Err(error) => return Err(Broken::Io(error.into())),
            }
        }
    }

    /// Whether messages can still be sent. A receiver that ended it because it does not like who we are may have
    /// taken nothing of what its system acknowledged: that is an error, not a reason to try again at once.
    pub(super) fn is_alive(&mut self, target: &Target) -> Result<bool, Error> {
        match self.check() {
            Ok(_) => Ok(true),
            Err(broken) => match self.notice_refusal(&broken) {
                true => Err(self.describe(&broken, target)),
                false => Ok(false),
            },
        }
    }

    /// Whether the receiver ended it because it does not like who we are.
    pub(super) const fn was_refused(&self) -> bool {
        self.refused
    }

    fn was_asked(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.was_asked())
    }

    /// A receiver that asked who we are refuses us by an alert, whenever that is found, or hangs up soon.
    fn notice_refusal(&mut self, broken: &Broken) -> bool {
        let soon = self.since.elapsed() < Tls::LAST_THOUGHTS;
        self.refused =
            self.was_asked() && (matches!(broken, Broken::Tls(_)) || (broken.is_hang_up() && soon));
        self.refused
    }

    fn describe(&self, broken: &Broken, target: &Target) -> Error {
        match self.refused && broken.is_hang_up() {
            true => errors::closed_after_handshake(target),
            false => broken.describe("send to", target),
        }
    }

    /// Write some bytes that are no message.
    pub(super) async fn put(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.write(bytes, &mut 0).await
    }

    /// Write all, and wait until it has arrived.
    pub(super) async fn send(&mut self, bytes: &[u8], target: &Target) -> Written {
        let mut left = 0;
        for chunk in bytes.chunks(CHUNK) {
            let result = match &mut self.tls {
                None => self.write(chunk, &mut left).await,
                Some(tls) => match tls.encrypt(chunk) {
                    Ok(encrypted) => {
                        let mut encrypted_left = 0;
                        let result = self.write(&encrypted, &mut encrypted_left).await;
                        // Encrypted it is longer: that much of it has left at most.
                        left += if result.is_ok() { chunk.len() } else { encrypted_left.min(chunk.len()) };
                        result
                    }
                    Err(broken) => Err(broken),
                },
            };
            if let Err(broken) = result {
                return self.broken(left, &broken, target);
            }
        }
        if let Err(broken) = self.arrive(STALLED).await {
            return self.broken(left, &broken, target);
        }
        match self.check() {
            Err(broken) if matches!(broken, Broken::Tls(_)) || self.notice_refusal(&broken) => {
                self.broken(left, &broken, target)
            }
            // Another end after all has arrived is found before the next write.
            _ => Written { arrived: left, left, error: None },
        }
    }

    fn broken(&mut self, left: usize, broken: &Broken, target: &Target) -> Written {
        let arrived = match self.notice_refusal(broken) || matches!(broken, Broken::Tls(_)) {
            // A receiver that refuses us or breaks off TLS has taken nothing of what its system has.
            true => 0,
            // With TLS the system counts encrypted bytes, which are more: too much is sent again, never too little.
            false => {
                let record = if self.tls.is_some() { LARGEST_RECORD } else { 0 };
                left.saturating_sub(self.waiting().saturating_add(record))
            }
        };
        // What will be sent again must not arrive over this connection as well, nor half a message.
        let _ = sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO));
        Written { arrived, left, error: Some(self.describe(broken, target)) }
    }

    /// Bytes that the receiver's system has not acknowledged.
    fn waiting(&self) -> usize {
        unacknowledged(self.socket.as_fd()).unwrap_or(usize::MAX)
    }

    async fn write(&mut self, mut bytes: &[u8], left: &mut usize) -> Result<(), Broken> {
        let mut progress = Instant::now();
        while !bytes.is_empty() {
            self.check()?;
            match self.try_write(bytes) {
                Ok(size) => {
                    bytes = bytes.get(size..).unwrap_or_default();
                    *left += size;
                    progress = Instant::now();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if progress.elapsed() > STALLED {
                        return Err(Broken::Io(rustix::io::Errno::TIMEDOUT.into()));
                    }
                    if let Ok(ready) = timeout(ASK, self.writable()).await {
                        ready?;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Broken::Io(error)),
            }
        }
        Ok(())
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.socket {
            Socket::Tcp(stream) => stream.try_write(bytes),
            Socket::Unix(stream) => stream.try_write(bytes),
        }
    }

    async fn writable(&self) -> io::Result<()> {
        match &self.socket {
            Socket::Tcp(stream) => stream.writable().await,
            Socket::Unix(stream) => stream.writable().await,
        }
    }

    async fn flush_tls(&mut self) -> Result<(), Broken> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        let bytes = tls.outgoing()?;
        self.write(&bytes, &mut 0).await
    }

    /// Wait until everything written is acknowledged.
    async fn arrive(&mut self, patience: Duration) -> Result<(), Broken> {
        let (mut before, mut progress) = (usize::MAX, Instant::now());
        let mut pause = Duration::from_millis(1);
        loop {
            let waiting = self.waiting();
            if waiting == 0 {
                return Ok(());
            }
            if waiting < before {
                (before, progress) = (waiting, Instant::now());
            }
            if progress.elapsed() > patience {
                return Err(Broken::Io(rustix::io::Errno::TIMEDOUT.into()));
            }
            // Its own end shows first as bytes that will never be acknowledged, then as an end to read.
            self.check()?;
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(16));
        }
    }

    /// Say goodbye, and wait a little for what is on its way.
    pub(super) async fn close(mut self) {
        if let Some(tls) = &mut self.tls {
            tls.say_goodbye();
        }
        let _ = timeout(CLOSING, async {
            self.flush_tls().await?;
            self.arrive(CLOSING).await
        })
        .await;
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

/// Fails as a read would if there is nothing to read.
fn peek(socket: BorrowedFd<'_>) -> io::Result<()> {
    let mut one = [0_u8];
    rustix::net::recv(socket, &mut one[..], RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
    Ok(())
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // The rest of a batch must not wait for the acknowledgement of what went before.
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(&stream, true)?;
    sockopt::set_tcp_keepidle(&stream, Duration::from_secs(60))?;
    let patience = u32::try_from(STALLED.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(&stream, patience)?;
    Ok(stream)
}
