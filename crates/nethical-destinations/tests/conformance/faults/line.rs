//! Faults of syslog, over UDP, TCP and TLS. What a protocol without answers cannot have is left out, with the reason.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nethical_core::event::Event;
use nethical_destinations::Validated;
use nethical_destinations::syslog::{Framing, Protocol, Rfc, SyslogConfig};
use nethical_receivers::syslog::{Receiver, parse};

use super::cell::{Heal, SetUp};
use super::{Fault, at_own_address, authority};
use crate::Peer;

pub(super) const STANDS: &[&str] = &["syslog over UDP", "syslog over TCP", "syslog over TLS"];

const NO_ANSWERS: &str = "the protocol has no answers";

pub(super) fn set_up(stand: &str, fault: Fault) -> Result<SetUp, &'static str> {
    let protocol = match stand {
        "syslog over UDP" => Protocol::Udp,
        "syslog over TCP" => Protocol::Tcp,
        _ => Protocol::Tls,
    };
    let reason = match (fault, protocol) {
        (Fault::Refused | Fault::NoSuchName | Fault::ClockJump | Fault::DiskFull, _) => None,
        (Fault::ExpiredCertificate, Protocol::Tls) => None,
        (Fault::ExpiredCertificate, _) => Some("it has no certificates"),
        (Fault::ResetInRequest | Fault::Silence | Fault::SlowDrip, Protocol::Udp) => {
            Some("there is no connection")
        }
        (Fault::ResetInRequest | Fault::Silence | Fault::SlowDrip, _) => None,
        _ => Some(NO_ANSWERS),
    };
    reason.map_or_else(|| Ok(Line::set_up(protocol, fault)), Err)
}

/// A receiver, and the options that lead to it.
struct Line {
    receiver: Arc<Mutex<Option<Receiver>>>,
    config: SyslogConfig,
    /// Whether messages are longer than what the first hop's system takes by itself.
    is_long: bool,
}

impl Line {
    fn set_up(protocol: Protocol, fault: Fault) -> SetUp {
        let certificate = |expired| {
            let authority = authority();
            let names = ["localhost"];
            if expired { authority.expired(&names) } else { authority.identity(&names) }.unwrap()
        };
        let start = move |address, expired| match protocol {
            Protocol::Udp => Receiver::udp_at(address),
            Protocol::Tcp => Receiver::tcp_at(address),
            _ => Receiver::tls_at(address, &certificate(expired), None),
        };
        let expired = fault == Fault::ExpiredCertificate;
        let first = at_own_address(|address| start(address, expired));
        let start = move |address, expired| start(address, expired).unwrap();
        let at = first.address();
        let receiver = Arc::new(Mutex::new(Some(first)));
        let slot = Arc::clone(&receiver);
        let restart = move || {
            let stopped = slot.lock().unwrap().take();
            drop(stopped);
            *slot.lock().unwrap() = Some(start(at, false));
        };
        let (port, heal): (u16, Heal) = match fault {
            Fault::Refused => {
                drop(receiver.lock().unwrap().take());
                (at.port(), Box::new(restart))
            }
            Fault::ExpiredCertificate => (at.port(), Box::new(restart)),
            Fault::ResetInRequest | Fault::Silence | Fault::SlowDrip => {
                let between = Between::start(at, fault);
                let ill = Arc::clone(&between.ill);
                (between.port, Box::new(move || ill.store(false, Ordering::SeqCst)))
            }
            _ => (at.port(), Box::new(|| {})),
        };
        let host = if fault == Fault::NoSuchName { "faults.invalid" } else { "localhost" };
        let config = SyslogConfig {
            port: Some(port),
            rfc: Rfc::Rfc5424,
            framing: if protocol == Protocol::Udp { Framing::Auto } else { Framing::Octet },
            ..SyslogConfig::new(host, protocol)
        };
        let is_long = fault == Fault::ResetInRequest;
        let line = Self { receiver, config: config.clone(), is_long };
        SetUp {
            peer: Box::new(line),
            config: Arc::new(config),
            heal: Mutex::new(Some(heal)),
            standing: Box::new(()),
        }
    }
}

impl Peer for Line {
    fn event(&self, text: &str) -> Event {
        testkit::event(&if self.is_long { text.repeat(7_000 / text.len()) } else { text.to_owned() })
    }

    fn config(&self) -> Arc<dyn Validated> {
        Arc::new(self.config.clone())
    }

    fn received(&self) -> Vec<String> {
        let receiver = self.receiver.lock().unwrap();
        let messages: Vec<_> = receiver.iter().flat_map(Receiver::read_all).collect();
        let id = |message: &Vec<u8>| parse(message).unwrap().param("nethical", "id").unwrap().to_owned();
        messages.iter().map(id).collect()
    }

    fn take_down(&self) -> bool {
        false
    }

    fn bring_up(&self) {}
}

/// A hop on the way that treats connections badly while it is ill, and then passes everything on.
struct Between {
    port: u16,
    ill: Arc<AtomicBool>,
}

impl Between {
    fn start(to: SocketAddr, fault: Fault) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        if fault == Fault::ResetInRequest {
            // So little that a long message cannot be with its system, whose word is all that a sender gets.
            rustix::net::sockopt::set_socket_recv_buffer_size(&listener, 1).unwrap();
        }
        let ill = Arc::new(AtomicBool::new(true));
        let shared = Arc::clone(&ill);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let ill = Arc::clone(&shared);
                // The other side may break a connection whenever it likes.
                thread::spawn(move || pass(&stream, to, fault, &ill));
            }
        });
        Self { port, ill }
    }
}

fn pass(near: &TcpStream, to: SocketAddr, fault: Fault, ill: &AtomicBool) -> std::io::Result<()> {
    let is_ill = || ill.load(Ordering::SeqCst);
    if fault == Fault::ResetInRequest && is_ill() {
        thread::sleep(Duration::from_millis(50));
        return rustix::net::sockopt::set_socket_linger(near, Some(Duration::ZERO)).map_err(Into::into);
    }
    while fault == Fault::Silence && is_ill() {
        thread::sleep(Duration::from_millis(5));
    }
    let far = TcpStream::connect(to)?;
    thread::scope(|scope| {
        scope.spawn(|| std::io::copy(&mut &far, &mut &*near));
        let mut buffer = [0; 4_096];
        loop {
            let most = if fault == Fault::SlowDrip && is_ill() { 1 } else { buffer.len() };
            let size = (&mut &*near).read(&mut buffer[..most])?;
            if size == 0 {
                return far.shutdown(std::net::Shutdown::Write);
            }
            (&mut &far).write_all(&buffer[..size])?;
            if most == 1 {
                thread::sleep(Duration::from_millis(1));
            }
        }
    })
}
