use std::sync::Arc;

use nethical::destinations::http::HttpConfig;
use nethical::event::Message;
use nethical::webhooks::Webhook;
use nethical_receivers::http::HttpPeer;
use serde_json::json;

use crate::settings;

fn guarded(url: &str, allow: &[&str]) -> HttpConfig {
    let allow = allow.iter().map(|net| net.parse().unwrap()).collect();
    HttpConfig { ssrf_guard: true, ssrf_allow: allow, ..HttpConfig::new(url.parse().unwrap()) }
}

#[test]
fn nothing_reaches_a_receiver_on_this_machine_by_its_name_or_address() {
    let home = tempfile::tempdir().unwrap();
    let peer = HttpPeer::start().unwrap();
    let port = peer.address().port();
    let config = guarded(&format!("http://localhost:{port}/x"), &[]);
    let hook = Webhook::open("named", Arc::new(config), settings(home.path())).unwrap();
    let delivery = hook.dispatch(&Message::new("t", json!({})));
    assert_eq!((delivery.error_code.as_deref(), delivery.attempt_count), (Some("http.blocked"), 1));
    assert!(delivery.hint.unwrap().contains("ssrf_allow"));
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:127.0.0.1]", "[::1]"] {
        let config = guarded(&format!("http://{host}:{port}/x"), &[]);
        let error = Webhook::open("literal", Arc::new(config), settings(home.path())).unwrap_err();
        assert_eq!(error.code(), "http.option", "{host}");
    }
    assert_eq!(peer.count(), 0);
}

#[test]
fn an_allowed_network_is_reached_without_a_proxy() {
    let home = tempfile::tempdir().unwrap();
    let peer = HttpPeer::start().unwrap();
    let config =
        guarded(&format!("http://localhost:{}/x", peer.address().port()), &["127.0.0.0/8", "::1/128"]);
    let hook = Webhook::open("allowed", Arc::new(config), settings(home.path())).unwrap();
    for _ in 0..2 {
        let delivery = hook.dispatch(&Message::new("t", json!({})));
        assert!(delivery.is_success(), "{delivery:?}");
    }
    let requests = peer.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].header("host").unwrap(), format!("localhost:{}", peer.address().port()));
    assert_eq!(requests[0].connection, requests[1].connection, "the same addresses, the same connection");
}
