//! Real servers that end, and real servers that want to know who we are.

use std::sync::Arc;
use std::time::Duration;

use nethical_core::delivery::{Connector, Kind as ErrorKind, Settings, SpoolSettings};
use nethical_destinations::connect;
use nethical_destinations::syslog::{Framing, Protocol, Rfc, SyslogConfig};
use testkit::events;
use testkit::peers::{Kind, Server, Setup};

pub(crate) fn open(config: SyslogConfig) -> Connector {
    let settings =
        Settings { spool: SpoolSettings::off(), observer: Arc::new(|_| {}), ..Settings::default() };
    connect(Arc::new(config), "syslog", settings).unwrap()
}

fn tcp(server: &Server) -> SyslogConfig {
    SyslogConfig {
        port: Some(server.ports().tcp),
        framing: Framing::Octet,
        rfc: Rfc::Rfc5424,
        ..SyslogConfig::new("127.0.0.1", Protocol::Tcp)
    }
}

#[test]
fn nothing_sent_after_a_server_ended_is_lost() {
    for kind in Kind::ALL {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::start(kind, folder.path(), Setup::default()).unwrap();
        let connector = open(tcp(&server));
        let send = |count| events(count).into_iter().for_each(|event| connector.send(event).unwrap());
        send(100);
        assert!(connector.flush(Duration::from_secs(60)));
        testkit::until("the first are written", || server.count() == 100);
        server.kill().unwrap();
        send(100);
        connector.request_flush();
        testkit::until("the end is noticed", || connector.status().unwrap().down_for.is_some());
        server.restart().unwrap();
        assert!(connector.flush(Duration::from_secs(60)), "{:?}", connector.status());
        testkit::until("the rest is written", || server.count() >= 200);
        server.settle();
        assert_eq!(server.count(), 200, "{}", kind.name());
        assert_eq!(connector.status().unwrap().ledger.sent, 200);
    }
}

#[test]
fn a_server_that_wants_a_certificate_gets_nothing_without_one() {
    for kind in Kind::ALL {
        let folder = tempfile::tempdir().unwrap();
        let setup = Setup { wants_certificate: true, ..Setup::default() };
        let server = Server::start(kind, folder.path(), setup).unwrap();
        let without = SyslogConfig {
            port: Some(server.ports().tls),
            ca_file: Some(server.ca_file()),
            ..SyslogConfig::new("localhost", Protocol::Tls)
        };
        let error = open(without.clone()).probe().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{}: {error:?}", kind.name());
        let connector = open(without.clone());
        events(1).into_iter().for_each(|event| connector.send(event).unwrap());
        assert!(!connector.flush(Duration::from_secs(2)));
        assert_eq!(connector.status().unwrap().ledger.sent, 0, "{}", kind.name());
        let known = SyslogConfig {
            client_cert: Some(folder.path().join("client.pem")),
            client_key: Some(folder.path().join("client.key")),
            ..without
        };
        let connector = open(known);
        let found = connector.probe().unwrap();
        assert!(found.contains("TLS 1."), "{found}");
        events(10).into_iter().for_each(|event| connector.send(event).unwrap());
        assert!(connector.close(Duration::from_secs(60)), "{:?}", connector.status());
        testkit::until("all are written", || server.count() == 10);
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(!log.contains("terminated abnormally") && !log.contains("without notification"), "{log}");
    }
}
