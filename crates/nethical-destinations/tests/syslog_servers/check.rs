//! What `nethical check` says of each port of the real servers, and that it leaves nothing there.

use nethical_destinations::syslog::{Framing, Protocol, Rfc, SyslogConfig};
use testkit::peers::{Kind, Server, Setup};

use crate::ends::open;

/// The check of a port: what it found, or the code of its error.
fn check(server: &Server, protocol: Protocol, port: u16, framing: Framing) -> String {
    let config = SyslogConfig {
        port: Some(port),
        framing: if protocol == Protocol::Tls { Framing::Auto } else { framing },
        rfc: Rfc::Rfc5424,
        ca_file: (protocol == Protocol::Tls).then(|| server.ca_file()),
        ..SyslogConfig::new("127.0.0.1", protocol)
    };
    open(config).probe().unwrap_or_else(|error| error.code().to_owned())
}

#[test]
fn each_mistake_is_told_and_nothing_is_logged() {
    const TAKES: &str = "it takes lines";
    const RIGHT: &str = "as is right for counted messages";
    let (lf, octet) = (Framing::Lf, Framing::Octet);
    for kind in Kind::ALL {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(kind, folder.path(), Setup::default()).unwrap();
        let ports = *server.ports();
        let mut cases = vec![
            (Protocol::Tcp, ports.tls, lf, "syslog.tls_only"),
            (Protocol::Tcp, ports.tls, octet, "syslog.tls_only"),
            (Protocol::Tcp, ports.tcp_lf, lf, TAKES),
            (Protocol::Tcp, ports.tcp_bsd, lf, TAKES),
            (Protocol::Tcp, ports.tcp_bsd, octet, "does not count"),
            (Protocol::Tls, ports.tls, octet, "TLS 1."),
        ];
        if kind == Kind::SyslogNg {
            cases.push((Protocol::Tcp, ports.tcp, lf, "syslog.framing"));
            cases.push((Protocol::Tcp, ports.tcp, octet, RIGHT));
        }
        all_are(&server, &cases);
        server.settle();
        assert_eq!(server.lines(), Vec::<String>::new(), "{}", kind.name());
        // A greeting of TLS is bytes like any other to who takes lines.
        all_are(&server, &[(Protocol::Tls, ports.tcp, octet, "syslog.tls_plain")]);
    }
}

type Case = (Protocol, u16, Framing, &'static str);

fn all_are(server: &Server, cases: &[Case]) {
    std::thread::scope(|scope| {
        for &(protocol, port, framing, expected) in cases {
            scope.spawn(move || {
                let found = check(server, protocol, port, framing);
                let kind = server.kind().name();
                assert!(found.contains(expected), "{kind} {protocol:?} {port} {framing:?}: {found}");
            });
        }
    });
}
