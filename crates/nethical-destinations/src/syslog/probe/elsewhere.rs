//! Where nobody listens: whether somebody listens nearby, on another protocol, port or socket.

use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::Duration;

use nethical_core::delivery::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::choice::Protocol;
use super::super::config::SyslogConfig;
use super::super::errors::Target;
use super::super::{resolve, udp};
use super::SECOND_THOUGHTS;

/// How long somebody who is not meant may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(1);

/// Ports that syslog receivers usually listen on, and how.
const USUAL: [(u16, Protocol); 4] =
    [(514, Protocol::Tcp), (601, Protocol::Tcp), (1514, Protocol::Tcp), (6514, Protocol::Tls)];

/// The same error; where nobody listened, with what to do as a look around shows it.
pub(super) async fn hint(config: &SyslogConfig, error: Error) -> Error {
    let found = match (error.code(), config.protocol) {
        ("syslog.not_running" | "syslog.refused", Protocol::Unix) => {
            socket(config.path(), |path| is_socket(Path::new(path)), |path| Path::new(path).exists())
        }
        ("syslog.refused", _) => network(config, &USUAL).await,
        _ => None,
    };
    match found {
        Some(found) => error.with_hint(found),
        None => error,
    }
}

/// Somebody else at the same host.
async fn network(config: &SyslogConfig, usual: &[(u16, Protocol)]) -> Option<String> {
    let (host, port) = (config.host.trim(), config.port());
    let addresses = resolve::addresses(host, port).await.ok()?;
    if config.protocol == Protocol::Udp && accepts(&addresses, port).await {
        return Some(format!(
            "a receiver listens for TCP on port {port}, not for UDP: use `protocol = \"TCP\"`, or let it listen for UDP \
             (rsyslog: `module(load=\"imudp\")` and `input(type=\"imudp\" port=\"{port}\")`)"
        ));
    }
    if config.protocol == Protocol::Tcp && takes_datagrams(&addresses, config).await {
        return Some(format!(
            "a receiver listens for UDP on port {port}, not for TCP: let it listen for TCP (rsyslog: \
             `module(load=\"imtcp\")` and `input(type=\"imtcp\" port=\"{port}\")`), or use `protocol = \"UDP\"`"
        ));
    }
    let mut open = Vec::new();
    for &(other, protocol) in usual.iter().filter(|(other, _)| *other != port) {
        if accepts(&addresses, other).await {
            open.push(format!("`port = {other}` with `protocol = \"{}\"`", protocol.as_str()));
        }
    }
    (!open.is_empty()).then(|| {
        format!(
            "nobody listens on port {port}, but somebody does on others that are usual for syslog: {}",
            open.join(", ")
        )
    })
}

async fn accepts(addresses: &[SocketAddr], port: u16) -> bool {
    for &address in addresses {
        let connect = TcpStream::connect(SocketAddr::new(address.ip(), port));
        if timeout(PATIENCE, connect).await.is_ok_and(|connected| connected.is_ok()) {
            return true;
        }
    }
    false
}

/// Whether datagrams are refused can be told for sure only on this machine: from elsewhere silence means nothing.
async fn takes_datagrams(addresses: &[SocketAddr], config: &SyslogConfig) -> bool {
    if !Target::new(config).is_here {
        return false;
    }
    for &address in addresses {
        if udp::ask(address, SECOND_THOUGHTS).await.is_ok() {
            return true;
        }
    }
    false
}

fn is_socket(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

/// Sockets that daemons on this machine usually have, and whose they are.
const SOCKETS: [(&str, &str); 3] = [
    ("/dev/log", "the usual one"),
    ("/run/systemd/journal/dev-log", "systemd-journald's"),
    ("/run/systemd/journal/syslog", "where systemd-journald forwards to"),
];

/// Another socket on this machine, or why there is none.
fn socket(path: &Path, is_socket: impl Fn(&str) -> bool, exists: impl Fn(&str) -> bool) -> Option<String> {
    let shown = path.to_str().unwrap_or_default();
    if exists(shown) && !is_socket(shown) {
        return Some("`path` names something that is no socket; the usual one is `/dev/log`".to_owned());
    }
    let others = SOCKETS.into_iter().filter(|(other, _)| *other != shown && is_socket(other));
    let others: Vec<_> = others.map(|(other, whose)| format!("`path = \"{other}\"` ({whose})")).collect();
    if !others.is_empty() {
        return Some(format!("there are other sockets: {}", others.join(", ")));
    }
    if exists("/run/systemd/journal/socket") {
        return Some(
            "systemd-journald runs without its socket for syslog: `systemctl start systemd-journald-dev-log.socket`, or \
             start a syslog daemon"
                .to_owned(),
        );
    }
    (exists("/.dockerenv") || exists("/run/.containerenv")).then(|| {
        "no syslog daemon runs in this container: mount the machine's socket into it (`-v /dev/log:/dev/log`), or send \
         over the network (`protocol = \"TCP\"`)"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, UdpSocket};

    use super::*;

    async fn around(protocol: Protocol, port: u16, usual: &[(u16, Protocol)]) -> Option<String> {
        let config = SyslogConfig { port: Some(port), ..SyslogConfig::new("127.0.0.1", protocol) };
        network(&config, usual).await
    }

    #[tokio::test]
    async fn a_receiver_of_the_other_protocol_is_found() {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert_eq!(around(Protocol::Tcp, udp.port(), &[]).await, None, "closed in the meantime");
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let found = around(Protocol::Tcp, udp.local_addr().unwrap().port(), &[]).await.unwrap();
        assert!(found.contains("for UDP") && found.contains("imtcp"), "{found}");
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let found = around(Protocol::Udp, tcp.local_addr().unwrap().port(), &[]).await.unwrap();
        assert!(found.contains("`protocol = \"TCP\"`") && found.contains("imudp"), "{found}");
    }

    #[tokio::test]
    async fn a_receiver_on_another_usual_port_is_found() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let usual = [(closed, Protocol::Tcp), (other.local_addr().unwrap().port(), Protocol::Tls)];
        let found = around(Protocol::Tls, closed, &usual).await.unwrap();
        assert!(found.ends_with(&format!("`port = {}` with `protocol = \"TLS\"`", usual[1].0)), "{found}");
    }

    #[test]
    fn local_sockets_are_looked_for() {
        let with = |path: &str, sockets: &[&str], files: &[&str]| {
            let is_socket = |path: &str| sockets.contains(&path);
            socket(Path::new(path), is_socket, |path| sockets.contains(&path) || files.contains(&path))
        };
        assert_eq!(with("/dev/log", &[], &[]), None);
        let journald = with("/dev/log", &["/run/systemd/journal/dev-log"], &[]).unwrap();
        assert!(journald.contains("`path = \"/run/systemd/journal/dev-log\"`"), "{journald}");
        let off = with("/dev/log", &["/run/systemd/journal/socket"], &[]).unwrap();
        assert!(off.contains("systemd-journald-dev-log.socket"), "{off}");
        assert!(with("/dev/log", &[], &["/.dockerenv"]).unwrap().contains("container"));
        assert!(with("/tmp/x", &["/dev/log"], &[]).unwrap().contains("`path = \"/dev/log\"`"));
        assert!(with("/etc/hosts", &[], &["/etc/hosts"]).unwrap().contains("no socket"));
    }
}
