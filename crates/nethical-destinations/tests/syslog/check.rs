//! What `nethical check` says of the usual mistakes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};

use nethical_core::delivery::{Error, Kind};
use nethical_destinations::syslog::{Framing, Protocol, Rfc, SyslogConfig};
use nethical_receivers::syslog::tls::Authority;
use nethical_receivers::syslog::{Receiver, UnixReceiver};
use testkit::events;

use crate::{PATIENCE, config, open, send};

fn local(protocol: Protocol, port: u16) -> SyslogConfig {
    SyslogConfig { host: "127.0.0.1".to_owned(), ..config(protocol, port) }
}

fn fault(config: SyslogConfig) -> (Error, String) {
    let error = open(config).probe().unwrap_err();
    let hint = error.hint().unwrap().to_owned();
    (error, hint)
}

/// A server that does this with each connection.
fn server(serve: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(serve));
    port
}

/// Reads to the end and says nothing.
fn silent(mut stream: TcpStream) {
    std::thread::spawn(move || while stream.read(&mut [0; 4096]).is_ok_and(|size| size > 0) {});
}

#[test]
fn a_receiver_is_told_by_what_it_does_with_lines_and_gets_no_message() {
    let receiver = Receiver::tcp().unwrap();
    let port = receiver.address().port();
    for framing in [Framing::Auto, Framing::Octet] {
        let connector = open(SyslogConfig { framing, ..local(Protocol::Tcp, port) });
        let found = connector.probe().unwrap();
        assert!(found.starts_with(&format!("connected to 127.0.0.1:{port} (TCP)")), "{found}");
        assert!(found.contains("it takes lines"), "{found}");
        assert!(found.contains("nobody confirms messages"), "{found}");
        send(&connector, &events(1));
        assert!(connector.flush(PATIENCE));
    }
    assert_eq!(receiver.read_all().len(), 2, "only what was sent, and no empty lines");
}

#[test]
fn a_receiver_that_speaks_only_tls_is_told_from_one_that_counts() {
    let authority = Authority::new().unwrap();
    let tls = Receiver::tls(&authority.identity(&["localhost"]).unwrap(), None).unwrap();
    for framing in [Framing::Auto, Framing::Octet] {
        let (error, hint) = fault(SyslogConfig { framing, ..local(Protocol::Tcp, tls.address().port()) });
        assert_eq!((error.kind(), error.code()), (Kind::Config, "syslog.tls_only"));
        assert!(hint.contains("`protocol = \"TLS\"`"), "{hint}");
    }
    // Hangs up on whatever is no digit, as syslog-ng does where it counts.
    let counts = server(|mut stream| {
        let mut first = [0];
        let is_count = |byte: u8| byte.is_ascii_digit();
        if stream.read(&mut first).is_ok_and(|size| size == 1) && is_count(first[0]) {
            silent(stream);
        }
    });
    let (error, hint) = fault(local(Protocol::Tcp, counts));
    assert_eq!((error.kind(), error.code()), (Kind::Config, "syslog.framing"));
    assert!(hint.contains("`framing = \"octet\"`") && hint.contains("RELP"), "{hint}");
    let counted = SyslogConfig { framing: Framing::Octet, ..local(Protocol::Tcp, counts) };
    let found = open(counted).probe().unwrap();
    assert!(found.contains("as is right for counted messages"), "{found}");
}

#[test]
fn a_service_that_talks_is_no_syslog_receiver() {
    let talks = server(|mut stream| {
        let _ = stream.write_all(b"220 mail.example ESMTP\r\n");
        silent(stream);
    });
    let (error, hint) = fault(local(Protocol::Tcp, talks));
    assert_eq!((error.kind(), error.code()), (Kind::Config, "syslog.not_syslog"));
    assert!(hint.contains("another service"), "{hint}");
}

#[test]
fn tls_to_a_receiver_without_it_is_told_whatever_it_does() {
    let hangs_up = server(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
    });
    let (error, hint) = fault(local(Protocol::Tls, hangs_up));
    assert_eq!((error.kind(), error.code()), (Kind::Unavailable, "syslog.tls_plain"));
    assert!(error.message().contains("hung up on a TLS greeting"), "{error}");
    assert!(hint.contains("usually 6514"), "{hint}");
}

#[test]
fn the_other_protocol_on_the_same_port_is_found() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (error, hint) = fault(local(Protocol::Tcp, udp.local_addr().unwrap().port()));
    assert_eq!(error.code(), "syslog.refused");
    assert!(hint.contains("listens for UDP") && hint.contains("`module(load=\"imtcp\")`"), "{hint}");
    let (error, hint) = fault(local(Protocol::Udp, server(silent)));
    assert_eq!(error.code(), "syslog.refused");
    assert!(hint.contains("listens for TCP") && hint.contains("`module(load=\"imudp\")`"), "{hint}");
}

#[test]
fn a_daemon_that_left_its_socket_behind_is_not_running() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let to = |path| SyslogConfig { path: Some(path), ..SyslogConfig::new("localhost", Protocol::Unix) };
    let receiver = UnixReceiver::datagram(&path).unwrap();
    let found = open(to(path.clone())).probe().unwrap();
    assert!(found.contains("takes datagrams; messages are RFC 3164"), "{found}");
    drop(receiver);
    let (error, _) = fault(to(path.clone()));
    assert_eq!((error.kind(), error.code()), (Kind::Unavailable, "syslog.not_running"));
    drop(std::os::unix::net::UnixDatagram::bind(&path).unwrap());
    let (error, _) = fault(to(path.clone()));
    assert_eq!((error.kind(), error.code()), (Kind::Unavailable, "syslog.refused"));
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "").unwrap();
    let (_, hint) = fault(to(path));
    assert!(hint.contains("no socket"), "{hint}");
}

#[test]
fn udp_is_never_sure_and_says_so() {
    let receiver = Receiver::udp().unwrap();
    let base = local(Protocol::Udp, receiver.address().port());
    let config = SyslogConfig { rfc: Rfc::Rfc5424, datagrams_per_second: 0, max_size: Some(9_000), ..base };
    let found = open(config).probe().unwrap();
    for text in
        ["is not known", "`protocol = \"TCP\"`", "flags(syslog-protocol)", "maxMessageSize", "not paced"]
    {
        assert!(found.contains(text), "{text}: {found}");
    }
    assert_eq!(receiver.messages().iter().filter(|message| !message.is_empty()).count(), 0);
}
