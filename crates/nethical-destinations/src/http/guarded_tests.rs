//! Names that lead elsewhere from one attempt to the next.
//!
//! 127.0.0.2 stands for an address that is let through, 127.0.0.1 for one of this machine's network.

use nethical_core::delivery::{Connector, DeliveryStatus, Policy, Settings, SpoolSettings};
use nethical_core::event::Message;
use nethical_receivers::http::{Answer, HttpPeer};

use super::*;
use crate::support::ssrf::tests::Names;

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// A receiver at either address, at the same port.
fn pair() -> (HttpPeer, HttpPeer) {
    for _ in 0..50 {
        let private = HttpPeer::start().unwrap();
        let beside = std::net::SocketAddr::from(([127, 0, 0, 2], private.address().port()));
        if let Ok(public) = HttpPeer::start_at(beside) {
            return (public, private);
        }
    }
    panic!("no port is free at both addresses");
}

/// A guarded destination whose name has these addresses, attempt by attempt.
fn connector(port: u16, answers: &[&[&str]]) -> Connector {
    let mut config = HttpConfig::new(format!("http://name.test:{port}/x").parse().unwrap());
    config.ssrf_guard = true;
    config.ssrf_allow = vec!["127.0.0.2/32".parse().unwrap()];
    config.retry_delay = crate::support::webhook::Wait::new(0.0).unwrap();
    let (profile, poster) = (config.common().profile(), Poster::new("http", &config.common()).unwrap());
    let poster = poster.asking(Names::answering(answers));
    let http: Arc<dyn Destination> =
        Arc::new(Http { poster, shape: Shape::default(), profile, shaky: AtomicBool::new(false) });
    let settings =
        Settings { observer: Arc::new(|_| {}), spool: SpoolSettings::off(), ..Settings::default() };
    Connector::open("guarded", settings, move || Ok(Arc::clone(&http))).unwrap()
}

fn event() -> Event {
    Message::new("t", serde_json::json!({})).encode().event
}

#[test]
fn a_name_that_leads_elsewhere_at_the_second_attempt_is_tested_anew() {
    let (public, private) = pair();
    public.answer(Answer::new(503));
    let connector = connector(public.address().port(), &[&["127.0.0.2"], &["127.0.0.1"]]);
    let delivery = connector.deliver_now(event(), None).unwrap();
    assert_eq!(delivery.error_code.as_deref(), Some("http.blocked"), "{delivery:?}");
    assert_eq!((delivery.status, delivery.attempt_count), (DeliveryStatus::Failed, 2));
    assert_eq!((public.count(), private.count()), (1, 0));
}

#[test]
fn what_is_queued_waits_while_its_name_leads_to_this_network() {
    let (public, private) = pair();
    public.answer(Answer::new(503));
    let answers: [&[&str]; 4] = [&["127.0.0.2"], &["127.0.0.1"], &["127.0.0.2", "127.0.0.1"], &["127.0.0.2"]];
    let connector = connector(public.address().port(), &answers);
    connector.send(event()).unwrap();
    assert!(connector.flush(PATIENCE), "{:?}", connector.status());
    assert_eq!((public.count(), private.count()), (2, 0));
    assert_eq!(connector.status().unwrap().ledger.confirmed, 1);
}

#[test]
fn the_connection_is_made_to_what_was_tested_and_not_looked_up_again() {
    let (public, private) = pair();
    // Whoever asked a second time for one attempt would be led to the private one.
    let connector = connector(public.address().port(), &[&["127.0.0.2"], &["127.0.0.1"], &["127.0.0.2"]]);
    let policy = Policy { max_attempts: 1, ..Policy::default() };
    assert!(connector.deliver_now(event(), Some(policy)).unwrap().is_success());
    assert!(!connector.deliver_now(event(), Some(policy)).unwrap().is_success());
    assert!(connector.deliver_now(event(), Some(policy)).unwrap().is_success());
    assert_eq!((public.count(), private.count()), (2, 0));
}

#[test]
fn a_redirect_to_this_network_is_not_followed() {
    let (public, private) = pair();
    for status in [301, 302, 303, 307, 308] {
        public.answer(Answer::new(status).header("location", private.url()));
    }
    let connector = connector(public.address().port(), &[&["127.0.0.2"]]);
    for _ in 0..5 {
        let delivery = connector.deliver_now(event(), None).unwrap();
        assert_eq!(delivery.error_code.as_deref(), Some("http.redirect"), "{delivery:?}");
    }
    assert_eq!((public.count(), private.count()), (5, 0));
}
