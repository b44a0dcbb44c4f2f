use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::client::receive;
use super::{Answer, HttpPeer};

const POST: &[u8] =
    b"POST /hook?wait=true HTTP/1.1\r\nHost: x\r\nX-Key: one\r\nContent-Length: 4\r\n\r\nabcd";

fn connect(peer: &HttpPeer) -> TcpStream {
    let stream = TcpStream::connect(peer.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

fn exchange(peer: &HttpPeer) -> io::Result<String> {
    let mut stream = connect(peer);
    stream.write_all(POST)?;
    receive(&mut stream).map(|reply| reply.head + &reply.body)
}

#[test]
fn a_request_is_kept_as_it_came() {
    let peer = HttpPeer::start().unwrap();
    assert_eq!(exchange(&peer).unwrap(), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let request = peer.requests().remove(0);
    assert_eq!((request.method.as_str(), request.path()), ("POST", "/hook"));
    assert_eq!(request.query("wait"), Some("true"));
    assert_eq!(request.header("x-key"), Some("one"));
    assert_eq!([request.head, request.body].concat(), POST);
}

#[test]
fn answers_come_in_their_order_and_the_last_word_stays() {
    let peer = HttpPeer::start().unwrap();
    peer.answer(Answer::text(429, "slow down").header("retry-after", "1"));
    peer.always(Answer::new(410));
    let first = exchange(&peer).unwrap();
    assert!(
        first.starts_with("HTTP/1.1 429 Too Many Requests\r\n") && first.ends_with("slow down"),
        "{first}"
    );
    assert!(exchange(&peer).unwrap().starts_with("HTTP/1.1 410 Gone"));
    peer.always(None);
    assert!(exchange(&peer).unwrap().starts_with("HTTP/1.1 200 OK"));
}

#[test]
fn several_requests_share_a_connection() {
    let peer = HttpPeer::start().unwrap();
    let mut stream = connect(&peer);
    stream.write_all(&[POST, POST].concat()).unwrap();
    assert_eq!(peer.wait_for(2).iter().map(|request| request.connection).collect::<Vec<_>>(), [0, 0]);
}

#[test]
fn a_connection_is_reset_where_the_script_says() {
    let peer = HttpPeer::start().unwrap();
    peer.answer(Answer::reset_in_request());
    let mut stream = connect(&peer);
    stream.write_all(POST.strip_suffix(b"abcd").unwrap()).unwrap();
    assert_eq!(stream.read(&mut [0; 9]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!((peer.count(), peer.requests().len()), (1, 0));
    peer.answer(Answer::reset());
    assert_eq!(exchange(&peer).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    peer.answer(Answer::text(200, "a whole body").reset_after(3));
    assert_eq!(exchange(&peer).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    peer.answer(Answer::dropped());
    assert_eq!(exchange(&peer).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(peer.requests().len(), 3, "what was read is kept");
}

#[test]
fn bodies_may_be_slow_or_huge() {
    let peer = HttpPeer::start().unwrap();
    let (delay, pause) = (Duration::from_millis(40), Duration::from_millis(20));
    peer.answer(Answer::text(200, "abcd").after(delay).drip(1, pause));
    let started = Instant::now();
    assert!(exchange(&peer).unwrap().ends_with("abcd"));
    assert!(started.elapsed() >= delay + pause * 3);
    peer.answer(Answer::text(200, "x").huge(1 << 20));
    assert_eq!(exchange(&peer).unwrap().split("\r\n\r\n").nth(1).unwrap().len(), 1 + (1 << 20));
}

#[test]
fn a_stopped_port_refuses_and_can_be_taken_again() {
    let peer = HttpPeer::start().unwrap();
    let mut open = connect(&peer);
    peer.stop();
    assert!(matches!(open.read(&mut [0; 9]), Ok(0) | Err(_)));
    assert!(TcpStream::connect(peer.address()).is_err());
    let again = HttpPeer::start_at(peer.address()).unwrap();
    assert!(exchange(&again).is_ok());
}

#[test]
fn a_silent_peer_says_nothing_and_keeps_the_connection() {
    let peer = HttpPeer::start().unwrap();
    peer.answer(Answer::silence());
    let mut stream = connect(&peer);
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    stream.write_all(POST).unwrap();
    assert_eq!(peer.wait_for(1).len(), 1);
    assert_eq!(stream.read(&mut [0; 9]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}
