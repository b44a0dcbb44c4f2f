//! Receivers that go away, hang or were never there.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use nethical_destinations::syslog::{Framing, Protocol, SyslogConfig};
use nethical_receivers::syslog::{Receiver, parse};
use testkit::{events, until};

use crate::{PATIENCE, config, numbers, open, read, send, texts};

/// A port at which nobody listens.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn closed_udp_ports_hold_everything() {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let connector =
        open(SyslogConfig { host: "127.0.0.1".to_owned(), ..config(Protocol::Udp, address.port()) });
    let error = connector.probe().unwrap_err();
    assert_eq!(error.code(), "syslog.refused");
    assert!(error.hint().unwrap().contains("imudp"));
    send(&connector, &events(100));
    until("the closed port is noticed", || connector.status().unwrap().last_error.is_some());
    assert_eq!(connector.status().unwrap().ledger.sent, 0);
    let receiver = Receiver::udp_at(address).unwrap();
    assert!(connector.flush(PATIENCE));
    assert_eq!(texts(&receiver.wait_for(100)), numbers(0..100));
    let found = connector.probe().unwrap();
    assert!(found.contains("is not known") && found.contains("TCP"), "{found}");
    drop(receiver);
    send(&connector, &events(1));
    until("the end is noticed", || connector.status().unwrap().down_for.is_some());
    assert_eq!(connector.status().unwrap().ledger.waiting, 1);
}

#[test]
fn the_line_after_the_receiver_went_away_is_not_lost() {
    let receiver = Receiver::tcp().unwrap();
    let address = receiver.address();
    let connector = open(config(Protocol::Tcp, address.port()));
    send(&connector, &events(10));
    assert!(connector.flush(PATIENCE));
    assert_eq!(receiver.read_all().len(), 10);
    receiver.stop();
    let again = Receiver::tcp_at(address).unwrap();
    send(&connector, &events(10));
    assert!(connector.flush(PATIENCE));
    assert_eq!(texts(&again.read_all()), numbers(0..10));
    assert!(connector.status().unwrap().last_error.is_none(), "a restart between two lines is no fault");
}

/// Reads this many bytes of one connection slowly, then drops it with the rest unread.
fn breaks_after(listener: &TcpListener, bytes: usize) -> Vec<u8> {
    let (mut stream, _) = listener.accept().unwrap();
    let mut got = vec![0; bytes];
    stream.read_exact(&mut got).unwrap();
    got
}

#[test]
fn what_a_broken_connection_did_not_deliver_is_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // So small a buffer that most of what follows is never acknowledged.
    rustix::net::sockopt::set_socket_recv_buffer_size(&listener, 4096).unwrap();
    let connector = open(SyslogConfig { framing: Framing::Lf, ..config(Protocol::Tcp, address.port()) });
    let sent = events(20_000);
    send(&connector, &sent);
    connector.request_flush();
    let first = breaks_after(&listener, 200_000);
    drop(listener);
    let receiver = Receiver::tcp_at(address).unwrap();
    assert!(connector.flush(Duration::from_secs(60)));
    let rest = read(&receiver.read_all());
    let id =
        |message: &nethical_receivers::syslog::Message| message.param("nethical", "id").unwrap().to_owned();
    let whole = first.iter().rposition(|&byte| byte == b'\n').unwrap();
    let mut ids: Vec<_> =
        first[..whole].split(|&byte| byte == b'\n').map(|line| id(&parse(line).unwrap())).collect();
    let resumed = sent.iter().position(|event| event.id().to_string() == id(&rest[0])).unwrap();
    ids.extend(rest.iter().map(id));
    ids.sort();
    ids.dedup();
    let lost = sent.len() - ids.len();
    // Lost can only be what its system had acknowledged and the receiver never read.
    assert!(lost < 1_000, "{lost} lost, resumed at {resumed}");
    assert!(rest.windows(2).all(|pair| id(&pair[0]) < id(&pair[1])), "in order");
    let ledger = connector.status().unwrap().ledger;
    assert_eq!((ledger.sent, ledger.waiting, ledger.dead_lettered), (20_000, 0, 0));
}

#[test]
fn a_receiver_that_hangs_up_at_once_is_seen_by_the_probe() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || while listener.accept().is_ok() {});
    let error = open(config(Protocol::Tcp, port)).probe().unwrap_err();
    assert_eq!(error.code(), "syslog.closed");
    assert!(error.hint().unwrap().contains("max-connections"));
}

#[test]
fn names_that_lead_nowhere_hold() {
    let connector = open(SyslogConfig::new("no-such-host.invalid", Protocol::Tcp));
    let error = connector.probe().unwrap_err();
    assert_eq!(error.code(), "syslog.dns");
    let closed = open(config(Protocol::Tcp, free_port())).probe().unwrap_err();
    assert_eq!(closed.code(), "syslog.refused");
    assert!(closed.hint().unwrap().contains("imtcp"));
}
