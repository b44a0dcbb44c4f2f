use nethical_receivers::http::{Answer, HttpPeer};
use serde_json::json;

use super::*;
use crate::support::webhook::SecretText;

fn client(peer: &HttpPeer, key: Option<&str>, header: Option<&str>) -> ApiClient {
    let mut config = ApiConfig::new(format!("{}/v1", peer.url()).parse().unwrap());
    config.api_key = key.map(SecretText::new);
    config.auth_header = header.map(str::to_owned);
    ApiClient::new(config).unwrap()
}

#[test]
fn the_status_says_whether_the_key_is_taken() {
    let peer = HttpPeer::start().unwrap();
    let api = client(&peer, Some("k"), None);
    for (status, taken) in [(200, true), (204, true), (404, true), (405, true), (401, false), (403, false)] {
        peer.answer(Answer::new(status));
        assert_eq!(api.authenticate().unwrap(), taken, "{status}");
    }
    for status in [500, 302, 429] {
        peer.answer(Answer::new(status));
        assert!(api.authenticate().unwrap_err().hint().is_some());
    }
    let before = peer.count();
    assert!(!client(&peer, None, None).authenticate().unwrap(), "no key, no question");
    assert_eq!(peer.count(), before);
    peer.stop();
    assert_eq!(api.authenticate().unwrap_err().code(), "api.connect");
}

#[test]
fn the_key_is_carried_as_its_header_wants() {
    let peer = HttpPeer::start().unwrap();
    let sent = |key, header| {
        assert!(client(&peer, Some(key), header).send_data(&json!({})));
        peer.requests().pop().unwrap()
    };
    assert_eq!(sent("k", None).header("authorization"), Some("Bearer k"));
    assert_eq!(sent("k", Some("authorization")).header("authorization"), Some("Bearer k"));
    assert_eq!(sent("Basic dXNlcjpw", None).header("authorization"), Some("Basic dXNlcjpw"));
    assert_eq!(sent("k", Some("X-API-Key")).header("x-api-key"), Some("k"));
    let shown = format!("{:?}", client(&peer, Some("hidden-key"), None));
    assert!(!shown.contains("hidden-key"), "{shown}");
    assert!(
        ApiClient::new(ApiConfig {
            api_key: Some(SecretText::new("a\nb")),
            ..ApiConfig::new(peer.url().parse().unwrap())
        })
        .is_err()
    );
}

#[test]
fn data_is_sent_and_received_as_it_is() {
    let peer = HttpPeer::start().unwrap();
    let api = client(&peer, Some("k"), None);
    let data = json!({ "metric": "model_accuracy", "token": "kept" });
    assert!(api.send_data(&data));
    let request = peer.requests().pop().unwrap();
    assert_eq!(
        (request.method.as_str(), request.path(), request.json().unwrap()),
        ("POST", "/v1", data.clone())
    );
    assert_eq!(request.header("content-type"), Some("application/json"));
    peer.answer(Answer::json(422, &json!({ "error": "no" })));
    assert!(!api.send_data(&data));
    let last = api.last_response().unwrap().unwrap();
    assert_eq!((last.status, last.json().unwrap()), (422, json!({ "error": "no" })));
    peer.answer(Answer::json(200, &json!([1, 2])));
    let parameters = [("page".to_owned(), "a b".to_owned())];
    assert_eq!(serde_json::Value::from(api.receive_data(&parameters).unwrap()), json!({ "items": [1, 2] }));
    assert_eq!(
        peer.requests().pop().unwrap().query("page").map(|page| page.replace('+', " ").replace("%20", " ")),
        Some("a b".to_owned())
    );
    peer.answer(Answer::json(200, &json!({ "a": "x".repeat(200_000) })));
    assert_eq!(api.receive_data(&[]).unwrap().len(), 1, "more than is read of an answer to a webhook");
    peer.answer(Answer::text(200, "<html>"));
    assert_eq!(api.receive_data(&[]).unwrap_err().code(), "api.no_json");
    peer.answer(Answer::new(404));
    assert_eq!(api.receive_data(&[]).unwrap_err().code(), "api.not_found");
}

#[test]
fn paths_are_below_the_address() {
    let mut config = ApiConfig::new("https://x.test/v1/?a=1".parse().unwrap());
    assert_eq!(config.at(None).as_str(), "https://x.test/v1/?a=1");
    config.send_path = Some("/metrics".to_owned());
    assert_eq!(config.at(config.send_path.as_deref()).as_str(), "https://x.test/v1/metrics?a=1");
    assert_eq!(config.at(Some("m?b=2")).as_str(), "https://x.test/v1/m?b=2");
}
