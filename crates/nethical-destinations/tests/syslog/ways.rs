//! Each way a message can take.

use nethical_core::delivery::Kind;
use nethical_destinations::syslog::{Framing, Protocol, Rfc, SyslogConfig};
use nethical_destinations::{Validated, connect};
use nethical_receivers::syslog::tls::Authority;
use nethical_receivers::syslog::{Receiver, UnixReceiver};
use std::path::Path;
use std::sync::Arc;
use testkit::{event, events};

use crate::{Files, PATIENCE, config, numbers, open, read, send, texts};

#[test]
fn udp_is_one_datagram_each() {
    let receiver = Receiver::udp().unwrap();
    let connector = open(config(Protocol::Udp, receiver.address().port()));
    send(&connector, &events(500));
    assert!(connector.flush(PATIENCE));
    let messages = receiver.wait_for(500);
    assert_eq!(texts(&messages), numbers(0..500));
    let first = &read(&messages)[0];
    assert_eq!((first.facility(), first.severity(), first.is_5424), (16, 6, false));
    assert!(first.text.ends_with(r#"{"answer":42,"name":"é\n\"x\""}"#), "{}", first.text);
    let ledger = connector.status().unwrap().ledger;
    assert_eq!((ledger.sent, ledger.confirmed), (500, 0));
}

#[test]
fn tcp_takes_either_framing() {
    for framing in [Framing::Octet, Framing::Lf] {
        let receiver = Receiver::tcp().unwrap();
        let base = config(Protocol::Tcp, receiver.address().port());
        let connector = open(SyslogConfig { framing, ..base });
        let mut sent = events(500);
        sent.push(event("two\nlines"));
        send(&connector, &sent);
        assert!(connector.flush(PATIENCE));
        let messages = texts(&receiver.read_all());
        assert_eq!(messages[..500], numbers(0..500));
        let last = if framing == Framing::Octet { "two\nlines" } else { "two\\nlines" };
        assert_eq!(messages[500..], [last]);
    }
}

#[test]
fn unix_sockets_of_both_kinds_get_messages_without_a_host() {
    let folder = tempfile::tempdir().unwrap();
    let to = |path: &Path| SyslogConfig {
        path: Some(path.to_owned()),
        ..SyslogConfig::new("localhost", Protocol::Unix)
    };
    for kind in [UnixReceiver::datagram, UnixReceiver::stream] {
        let receiver = kind(folder.path().join("log")).unwrap();
        let connector = open(to(receiver.path()));
        send(&connector, &events(200));
        assert!(connector.flush(PATIENCE));
        let messages = receiver.wait_for(200);
        assert_eq!(texts(&messages), numbers(0..200));
        let first = &read(&messages)[0];
        assert_eq!((first.host.as_deref(), first.app_name.as_deref()), (None, Some("tests")));
    }
    let connector = open(to(&folder.path().join("nothing")));
    let error = connector.probe().unwrap_err();
    assert_eq!(error.code(), "syslog.not_running");
}

#[test]
fn tls_checks_the_receiver() {
    let files = Files::create();
    let receiver = Receiver::tls(&files.identity("logs.test"), None).unwrap();
    let port = receiver.address().port();
    let code = |config: SyslogConfig| open(config).probe().unwrap_err().code();
    assert_eq!(code(files.config(port)), "syslog.tls_name");
    assert_eq!(code(SyslogConfig { ca_file: None, ..files.config(port) }), "syslog.tls_untrusted");
    let named = SyslogConfig { server_name: Some("logs.test".to_owned()), ..files.config(port) };
    let connector = open(named);
    let found = connector.probe().unwrap();
    assert!(found.contains("TLS 1.3") && found.contains("logs.test"), "{found}");
    send(&connector, &events(300));
    assert!(connector.flush(PATIENCE));
    let messages = receiver.read_all();
    assert_eq!(texts(&messages), numbers(0..300));
    assert!(read(&messages).iter().all(|message| message.is_5424));
}

#[test]
fn a_receiver_that_wants_a_certificate_is_not_taken_for_one_that_has_messages() {
    let files = Files::create();
    let receiver = Receiver::tls(&files.identity("localhost"), Some(&files.authority)).unwrap();
    let port = receiver.address().port();
    let without = open(files.config(port));
    let error = without.probe().unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Unauthorized, "syslog.tls_client_certificate"));
    send(&without, &events(1));
    testkit::until("the fault is seen", || without.status().unwrap().last_error.is_some());
    assert_eq!(without.status().unwrap().ledger.sent, 0);
    let stranger = Authority::new().unwrap().identity(&["client"]).unwrap();
    let error = open(files.with_client(port, &stranger)).probe().unwrap_err();
    assert_eq!(error.code(), "syslog.tls_client_certificate", "{error}");
    let connector = open(files.with_client(port, &files.identity("client")));
    send(&connector, &events(3));
    assert!(connector.flush(PATIENCE));
    assert_eq!(texts(&receiver.read_all()), numbers(0..3));
}

#[test]
fn tls_to_a_port_without_it_is_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"220 not what you think\r\n").unwrap();
        std::io::Read::read(&mut stream, &mut [0; 4096]).unwrap();
    });
    let files = Files::create();
    assert_eq!(open(files.config(port)).probe().unwrap_err().code(), "syslog.tls_plain");
}

#[test]
fn bad_files_are_told_at_once() {
    let files = Files::create();
    std::fs::write(files.path("empty.pem"), "").unwrap();
    for path in ["empty.pem", "missing.pem"] {
        let config = SyslogConfig { ca_file: Some(files.path(path)), ..files.config(6514) };
        let error = config.open().err().unwrap();
        assert_eq!((error.kind(), error.code()), (Kind::Config, "syslog.tls_file"));
        assert!(error.to_string().contains(path), "{error}");
    }
    let config = SyslogConfig { framing: Framing::Lf, ..config(Protocol::Udp, 514) };
    let error =
        connect(Arc::new(config), "syslog", nethical_core::delivery::Settings::default()).unwrap_err();
    assert_eq!(error.code(), "syslog.config");
}

#[test]
fn old_receivers_get_what_they_know() {
    let receiver = Receiver::tcp().unwrap();
    let base = config(Protocol::Tcp, receiver.address().port());
    let connector = open(SyslogConfig { rfc: Rfc::Rfc3164, app_name: Some("train".to_owned()), ..base });
    send(&connector, &events(1));
    assert!(connector.flush(PATIENCE));
    let found = &read(&receiver.read_all())[0];
    assert_eq!(found.timestamp.as_ref().unwrap().len(), 15);
    assert_eq!(found.app_name.as_deref(), Some("train"));
}
