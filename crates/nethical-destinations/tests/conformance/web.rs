//! What a receiver can do to a message, and what must become of it. Known senders fail at one or another.

use std::time::{Duration, Instant};

use nethical_core::delivery::{BreakerSettings, Connector, Delivery, DeliveryStatus, Policy, Settings};
use nethical_core::event::Timestamp;
use nethical_destinations::connect;
use nethical_receivers::http::Answer;

use crate::cases::{PATIENCE, events, ledger, quiet};
use crate::{Peer, WebPeer};

type Case = (&'static str, fn(&dyn Peer));

pub(crate) const CASES: &[Case] = &[
    ("a_429_with_retry_after_is_waited_out", a_429_with_retry_after_is_waited_out),
    ("a_503_until_a_date_is_waited_out", a_503_until_a_date_is_waited_out),
    ("a_410_is_asked_once_and_never_again", a_410_is_asked_once_and_never_again),
    ("a_redirect_is_not_followed_and_no_success", a_redirect_is_not_followed_and_no_success),
    ("a_slow_answer_is_tried_again_under_the_same_id", a_slow_answer_is_tried_again_under_the_same_id),
    ("an_endless_answer_does_no_harm", an_endless_answer_does_no_harm),
    ("what_is_queued_outlasts_all_of_them", what_is_queued_outlasts_all_of_them),
    ("a_pause_holds_the_queue_and_those_who_wait", a_pause_holds_the_queue_and_those_who_wait),
    (
        "who_waits_does_not_wait_for_an_endpoint_that_keeps_failing",
        who_waits_does_not_wait_for_an_endpoint_that_keeps_failing,
    ),
    ("what_fails_while_somebody_waits_is_a_dead_letter", what_fails_while_somebody_waits_is_a_dead_letter),
];

fn web(peer: &dyn Peer) -> &dyn WebPeer {
    peer.web().unwrap()
}

fn open(peer: &dyn Peer) -> Connector {
    connect(peer.config(), "conformance", settings()).unwrap()
}

/// No pace of our own, so that what the receiver asks for is seen alone.
fn settings() -> Settings {
    Settings { rate_limit_per_sec: Some(1_000.0), ..quiet() }
}

fn quick() -> Policy {
    Policy { delay: Duration::from_millis(20), ..Policy::default() }
}

fn deliver(connector: &Connector, peer: &dyn Peer) -> (Delivery, Duration) {
    let started = Instant::now();
    let delivery = connector.deliver_now(peer.event("one"), Some(quick())).unwrap();
    assert!(ledger(connector).waiting == 0);
    (delivery, started.elapsed())
}

fn a_429_with_retry_after_is_waited_out(peer: &dyn Peer) {
    let connector = open(peer);
    web(peer).answer(Answer::new(429).header("retry-after", "1"));
    let (delivery, took) = deliver(&connector, peer);
    assert_eq!((delivery.status, delivery.attempt_count), (DeliveryStatus::Success, 2), "{delivery:?}");
    assert!(took >= Duration::from_secs(1), "after {took:?}");
    assert_eq!((peer.received().len(), ledger(&connector).confirmed), (received(peer, 2), 1));
}

/// How many messages a peer shows that keeps every request, or only those that it took.
fn received(peer: &dyn Peer, requests: usize) -> usize {
    if peer.is_ordered() { 1 } else { requests }
}

fn a_503_until_a_date_is_waited_out(peer: &dyn Peer) {
    let connector = open(peer);
    let until = Timestamp::now() + Duration::from_secs(2);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&until).unwrap();
    web(peer).answer(Answer::new(503).header("retry-after", date));
    let (delivery, took) = deliver(&connector, peer);
    assert_eq!((delivery.status, delivery.attempt_count), (DeliveryStatus::Success, 2), "{delivery:?}");
    assert!(took >= Duration::from_millis(900), "after {took:?}");
}

fn a_410_is_asked_once_and_never_again(peer: &dyn Peer) {
    let connector = open(peer);
    web(peer).always(Answer::new(410));
    let (delivery, _) = deliver(&connector, peer);
    assert_eq!((delivery.status, delivery.attempt_count), (DeliveryStatus::Failed, 1), "{delivery:?}");
    assert_eq!(delivery.response_code, Some(410));
    let (delivery, _) = deliver(&connector, peer);
    assert_eq!((delivery.status, delivery.attempt_count), (DeliveryStatus::Failed, 0), "{delivery:?}");
    assert_eq!(web(peer).requests(), 1);
    connector.send(peer.event("queued")).unwrap();
    assert!(!connector.flush(Duration::from_millis(300)), "it waits for another configuration");
    assert_eq!((web(peer).requests(), ledger(&connector).waiting), (1, 1));
}

fn a_redirect_is_not_followed_and_no_success(peer: &dyn Peer) {
    let connector = open(peer);
    let elsewhere = nethical_receivers::http::HttpPeer::start().unwrap();
    web(peer).always(Answer::redirect(elsewhere.url()));
    let (delivery, _) = deliver(&connector, peer);
    assert_eq!((delivery.status, delivery.attempt_count), (DeliveryStatus::Failed, 1), "{delivery:?}");
    assert_eq!((delivery.response_code, elsewhere.count()), (Some(302), 0));
    assert_eq!(ledger(&connector).confirmed, 0);
}

fn a_slow_answer_is_tried_again_under_the_same_id(peer: &dyn Peer) {
    let connector = connect(web(peer).impatient(0.2), "conformance", settings()).unwrap();
    web(peer).answer(Answer::silence());
    let event = peer.event("slow");
    let delivery = connector.deliver_now(event.clone(), Some(quick())).unwrap();
    assert_eq!((delivery.status, delivery.attempt_count), (DeliveryStatus::Success, 2), "{delivery:?}");
    assert!(peer.received().iter().all(|id| *id == event.id().to_string()));
    assert_eq!(ledger(&connector).confirmed, 1);
}

fn an_endless_answer_does_no_harm(peer: &dyn Peer) {
    let connector = open(peer);
    web(peer).answer(Answer::new(200).body("ok").huge(64 << 20));
    let (delivery, took) = deliver(&connector, peer);
    // A service whose success is a certain body cannot say it like this.
    assert!(delivery.attempt_count <= 2 && delivery.status == DeliveryStatus::Success, "{delivery:?}");
    assert!(delivery.response_body_excerpt.is_some_and(|excerpt| excerpt.len() <= 4_096));
    assert!(took < Duration::from_secs(30), "after {took:?}");
}

fn what_is_queued_outlasts_all_of_them(peer: &dyn Peer) {
    let connector = connect(web(peer).impatient(0.2), "conformance", settings()).unwrap();
    for answer in [
        Answer::new(429).header("retry-after", "0"),
        Answer::new(503),
        Answer::reset(),
        Answer::silence(),
        Answer::redirect("http://127.0.0.1:9/"),
    ] {
        web(peer).answer(answer);
    }
    let sent = events(peer, 8);
    sent.iter().for_each(|event| connector.send(event.clone()).unwrap());
    assert!(connector.flush(2 * PATIENCE), "{:?}", connector.status());
    let mut arrived = peer.received();
    arrived.sort();
    arrived.dedup();
    let ids: Vec<_> = sent.iter().map(|event| event.id().to_string()).collect();
    assert_eq!(arrived, ids);
    let ledger = ledger(&connector);
    assert_eq!((ledger.confirmed, ledger.dead_lettered), (8, 0));
}

fn a_pause_holds_the_queue_and_those_who_wait(peer: &dyn Peer) {
    let connector = open(peer);
    web(peer).answer(Answer::new(429).header("retry-after", "1"));
    let started = Instant::now();
    connector.send(peer.event("queued")).unwrap();
    connector.request_flush();
    testkit::until("the pause is known", || connector.status().unwrap().down_for.is_some());
    let (delivery, _) = deliver_beside(&connector, peer);
    assert!(delivery.is_success(), "{delivery:?}");
    assert!(started.elapsed() >= Duration::from_secs(1), "the pause is the endpoint's");
    assert!(connector.flush(PATIENCE));
    assert_eq!(ledger(&connector).confirmed, 2);
}

fn deliver_beside(connector: &Connector, peer: &dyn Peer) -> (Delivery, Duration) {
    let started = Instant::now();
    (connector.deliver_now(peer.event("waited for"), Some(quick())).unwrap(), started.elapsed())
}

fn what_fails_while_somebody_waits_is_a_dead_letter(peer: &dyn Peer) {
    let connector = open(peer);
    web(peer).always(Answer::new(500));
    let (delivery, _) = deliver(&connector, peer);
    assert_eq!((delivery.status, delivery.attempt_count), (DeliveryStatus::Failed, 3), "{delivery:?}");
    let letters = connector.dead_letters();
    assert_eq!((letters.len(), letters[0].attempts), (1, 3));
    assert_eq!(letters[0].event.id().to_string(), delivery.delivery_id);
    assert!(delivery.hint.is_some() && delivery.url.is_some_and(|url| url.ends_with("/…")));
    let ledger = ledger(&connector);
    assert_eq!((ledger.accepted, ledger.dead_lettered), (1, 1));
    assert_eq!(connector.recent_deliveries().len(), 1);
}

fn who_waits_does_not_wait_for_an_endpoint_that_keeps_failing(peer: &dyn Peer) {
    // It has no second turn while this goes on.
    let breaker = BreakerSettings { first_pause: Duration::from_secs(600), ..BreakerSettings::default() };
    let connector = connect(peer.config(), "conformance", Settings { breaker, ..settings() }).unwrap();
    web(peer).always(Answer::new(500));
    let attempts: Vec<_> = (0..4).map(|_| deliver(&connector, peer).0.attempt_count).collect();
    let requests = web(peer).requests();
    assert_eq!((attempts[0], attempts[3]), (3, 0), "{attempts:?}");
    let (delivery, took) = deliver(&connector, peer);
    assert_eq!((delivery.attempt_count, delivery.error_code.as_deref()), (0, Some("delivery.no_turn")));
    assert!(delivery.error_message.unwrap().contains("500") && took < Duration::from_secs(60));
    assert_eq!((web(peer).requests(), ledger(&connector).dead_lettered), (requests, 5));
}
