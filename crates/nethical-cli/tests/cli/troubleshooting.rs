//! What people are told to look at when a syslog server or a webhook does not work, and what `nethical check` says
//! of it instead. For CloudWatch see `check_services`.

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use nethical_receivers::http::{Answer, HttpPeer};
use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};

use crate::{Ended, Sandbox};

fn syslog(protocol: &str, port: u16, arguments: &[&str]) -> Ended {
    let sandbox = Sandbox::new();
    let text = format!("[logging.syslog]\nhost = '127.0.0.1'\nport = {port}\nprotocol = '{protocol}'\n");
    sandbox.write("nethical.toml", text);
    sandbox.run(&[&["check"], arguments].concat())
}

fn webhook(url: &str, options: &str, arguments: &[&str]) -> Ended {
    let sandbox = Sandbox::new();
    sandbox.write("nethical.toml", format!("[alerts.ops]\ntype = 'http'\nurl = '{url}'\n{options}\n"));
    sandbox.run(&[&["check"], arguments].concat())
}

#[track_caller]
fn prints(ended: &Ended, texts: &[&str]) {
    texts.iter().for_each(|text| assert!(ended.stdout.contains(text), "{text}: {}", ended.stdout));
}

/// A port at which nobody listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A port that swallows packets, as a firewall does: whoever would accept has no more room.
struct Swallowing {
    address: SocketAddr,
    _listener: rustix::fd::OwnedFd,
    _waiting: Vec<TcpStream>,
}

impl Swallowing {
    fn start() -> Self {
        let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&listener, &"127.0.0.1:0".parse::<SocketAddr>().unwrap()).unwrap();
        listen(&listener, 0).unwrap();
        let address = SocketAddr::try_from(getsockname(&listener).unwrap()).unwrap();
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(300));
        let waiting: Vec<_> = std::iter::from_fn(|| connect().ok()).take(20).collect();
        assert!(waiting.len() < 20, "it takes everything");
        Self { address, _listener: listener, _waiting: waiting }
    }
}

#[test]
fn syslog_no_daemon_runs_or_takes_messages_from_the_network() {
    let ended = syslog("TCP", closed_port(), &[]).code(1);
    prints(&ended, &["Connection refused"]);
    // What else listens on the machine that runs this decides.
    let daemon = "no syslog daemon listens there: start one, and let it take messages from the network";
    let hints = [daemon, "nobody listens on port "];
    assert!(hints.iter().any(|hint| ended.stdout.contains(hint)), "{}", ended.stdout);
}

#[test]
fn syslog_a_firewall_drops_packets() {
    let wall = Swallowing::start();
    let ended = syslog("TCP", wall.address.port(), &["--timeout", "60"]).code(1);
    prints(&ended, &["syslog  failed  ", "a firewall on the way drops packets"]);
}

#[test]
fn what_takes_too_long_is_not_waited_for() {
    let wall = Swallowing::start();
    let ended = syslog("TCP", wall.address.port(), &["--timeout", "0.1"]).code(1);
    prints(
        &ended,
        &["no answer within 0.1 s", "`--timeout SECONDS` waits longer", "1 destination: 1 failed"],
    );
}

#[test]
fn syslog_it_listens_for_the_other_protocol() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let ended = syslog("UDP", tcp.local_addr().unwrap().port(), &[]).code(1);
    prints(&ended, &["hint: a receiver listens for TCP on port", "`protocol = \"TCP\"`"]);
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let ended = syslog("TCP", udp.local_addr().unwrap().port(), &[]).code(1);
    prints(&ended, &["hint: ", "UDP"]);
}

#[test]
fn a_webhook_with_a_wrong_address() {
    let peer = HttpPeer::start().unwrap();
    peer.always(Answer::text(404, "no such hook"));
    prints(
        &webhook(&peer.url(), "", &["--send"]).code(1),
        &["answered 404: no such hook", "hint: see the address"],
    );
    let ended = webhook("http://hooks.invalid/x", "", &[]).code(1);
    prints(&ended, &["cannot find http://hooks.invalid/…", "hint: see the host's name"]);
    peer.always(Answer::redirect("https://example.com/"));
    let ended = webhook(&peer.url(), "", &["--send"]).code(1);
    prints(&ended, &["a redirect, which is not followed", "hint: set the address to which it leads"]);
}

#[test]
fn a_webhook_without_a_network() {
    let ended = webhook(&format!("http://127.0.0.1:{}/x", closed_port()), "", &[]).code(1);
    prints(
        &ended,
        &["Connection refused", "hint: see whether the receiver runs, and the network in between"],
    );
}

#[test]
fn a_webhook_that_needs_more_time() {
    let peer = HttpPeer::start().unwrap();
    peer.always(Answer::silence());
    let ended = webhook(&peer.url(), "timeout = 0.3", &["--send"]).code(1);
    prints(&ended, &["gave no answer", "hint: see whether the receiver is well, or raise `timeout`"]);
}

#[test]
fn a_webhook_that_needs_more_attempts() {
    let (peer, sandbox) = (HttpPeer::start().unwrap(), Sandbox::new());
    let send = |attempts: u32| {
        let text =
            format!("[alerts.http]\nurl = '{}'\nretry_delay = 0.01\nmax_retries = {attempts}\n", peer.url());
        sandbox.write("nethical.toml", text);
        peer.answer(Answer::text(503, "busy"));
        sandbox.run(&["webhook", "send", "x", "--json"]).json()
    };
    assert_eq!(send(3)[0]["status"], "success");
    assert_eq!(peer.requests().len(), 2);
}

#[test]
fn a_webhook_whose_receiver_says_what_is_wrong_there() {
    let peer = HttpPeer::start().unwrap();
    peer.always(Answer::text(500, "queue is full"));
    let ended = webhook(&peer.url(), "", &["--send"]).code(1);
    prints(&ended, &["answered 500: queue is full", "hint: see whether the receiver is well"]);
}
