//! `nethical webhook` and `nethical deliveries`

use nethical_receivers::http::{Answer, HttpPeer};
use serde_json::{Value, json};

use crate::{Ended, Sandbox};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A configuration with one webhook, `ops`.
fn configured(peer: &HttpPeer) -> Sandbox {
    let sandbox = Sandbox::new();
    let url = peer.url();
    let text = format!(
        "[alerts.ops]\ntype = 'http'\nurl = '{url}/hush'\nretry_delay = 0.01\n[spool]\ndurability = 'every'\n"
    );
    sandbox.write("nethical.toml", text);
    sandbox
}

fn body(peer: &HttpPeer, number: usize) -> Value {
    peer.wait_for(number + 1)[number].json().unwrap()
}

#[test]
fn a_message_arrives_and_says_so() {
    let peer = HttpPeer::start().unwrap();
    let sandbox = configured(&peer);
    let ended = sandbox
        .run(&[
            "webhook",
            "send",
            "disk_full",
            "disk=/dev/sda1",
            "used=0.97",
            "-s",
            "critical",
            "--meta",
            "env=prod",
        ])
        .code(0);
    assert!(ended.stdout.starts_with("ops  delivered, 200 in "), "{ended:?}");
    let sent = body(&peer, 0);
    assert_eq!(sent["data"], json!({ "disk": "/dev/sda1", "used": 0.97 }));
    assert_eq!(sent["metadata"], json!({ "env": "prod", "severity": "critical" }));
    let data = r#"{"n":[1,12345678901234567890123]}"#;
    let sent = sandbox.run(&["webhook", "send", "a", "--data", data, "--json"]).code(0).json();
    assert_eq!((&sent[0]["status"], &sent[0]["response_code"]), (&json!("success"), &json!(200)));
    assert_eq!(body(&peer, 1)["data"], json!({ "n": [1, "12345678901234567890123"] }));
    sandbox.write("data.json", r#"{"from":"a file"}"#);
    sandbox.run(&["webhook", "send", "a", "--data", "data.json", "--to", "ops"]).code(0);
    assert_eq!(body(&peer, 2)["data"], json!({ "from": "a file" }));
    sandbox.run_with(&["webhook", "send", "a", "--data", "-"], &sandbox.path("data.json")).code(0);
    assert_eq!(body(&peer, 3)["data"], json!({ "from": "a file" }));
}

#[test]
fn what_does_not_arrive_is_kept_and_synced_later() {
    let peer = HttpPeer::start().unwrap();
    let sandbox = configured(&peer);
    peer.always(Answer::new(503));
    let ended = sandbox.run(&["webhook", "send", "late", "--wait", "0.2"]).code(75);
    assert!(ended.stdout.contains("ops  kept for later: "), "{ended:?}");
    assert!(ended.stdout.contains("`nethical sync` delivers what is kept"), "{ended:?}");
    sandbox.run(&["webhook", "send", "later", "--no-wait"]).code(75);
    peer.always(None);
    let before = peer.requests().len();
    sandbox.run(&["sync"]).code(0);
    let arrived: Vec<_> =
        (before..before + 2).map(|number| body(&peer, number)["event_type"].clone()).collect();
    assert_eq!(arrived, [json!("late"), json!("later")]);
    let id = |request: &nethical_receivers::http::Request| request.header("webhook-id").unwrap().to_owned();
    let requests = peer.requests();
    assert_eq!(id(&requests[0]), id(&requests[before]), "the same through every repeat");
}

#[test]
fn what_is_refused_says_why_and_can_be_sent_again() {
    let peer = HttpPeer::start().unwrap();
    let sandbox = configured(&peer);
    peer.answer(Answer::text(422, "no such field"));
    let ended = sandbox.run(&["webhook", "send", "odd", "n=1"]).code(1);
    assert!(ended.stdout.starts_with("ops  failed: ") && ended.stdout.contains("422"), "{ended:?}");
    assert!(ended.stdout.contains("hint: "), "{ended:?}");
    sandbox.run(&["webhook", "send", "even"]).code(0);
    let listed = sandbox.run(&["deliveries", "list"]).code(0).stdout;
    assert!(listed.ends_with("\n2 deliveries\n") && listed.contains("422"), "{listed}");
    let all = sandbox.run(&["deliveries", "list", "--json"]).code(0).json();
    assert_eq!([&all[0]["status"], &all[1]["status"]], ["success", "failed"], "the latest first");
    let id = all[1]["delivery_id"].as_str().unwrap();
    let shown = sandbox.run(&["deliveries", "show", id]).code(0).stdout;
    for part in [id, "no such field", "\"event_type\": \"odd\"", "http://127.0.0.1:"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("hush") && !listed.contains("hush"), "the path of an address is a secret");
    let failed =
        sandbox.run(&["deliveries", "list", "--status", "failed", "--since", "1h", "--json"]).code(0);
    assert_eq!(failed.json().as_array().unwrap().len(), 1);
    let none = sandbox.run(&["deliveries", "list", "--until", "1h"]).code(0);
    assert_eq!(none.stdout, "no deliveries\n");
    let again = sandbox.run(&["deliveries", "redeliver", "--status", "failed"]).code(0);
    assert!(again.stdout.starts_with(&format!("{id}  ops  delivered, 200")), "{again:?}");
    let requests = peer.requests();
    assert_eq!(requests[2].header("webhook-id"), Some(id));
    assert_eq!(requests[2].body, requests[0].body);
    assert_eq!(sandbox.run(&["dead", "list"]).code(0).stdout, "no dead letters\n");
    sandbox.run(&["deliveries", "redeliver", id]).code(0);
    assert_eq!(peer.requests().len(), 4);
}

#[test]
fn wrong_uses_are_told() {
    let peer = HttpPeer::start().unwrap();
    let sandbox = configured(&peer);
    sandbox.run(&["webhook", "send", "x", "--to", "opps"]).code(2).says("did you mean `ops`?");
    sandbox.run(&["webhook", "send", "x", "word"]).code(2).says("write `key=value`");
    sandbox.run(&["webhook", "send", "x", "--data", "{"]).code(2).says("is no JSON");
    sandbox.run(&["webhook", "send", "x", "--data", "none.json"]).code(2).says("cannot read none.json");
    sandbox.run(&["deliveries", "redeliver"]).code(2).says("--status failed");
    sandbox.run(&["deliveries", "redeliver", "nothing"]).code(1).says("there is no such delivery");
    sandbox.run(&["deliveries", "show", "nothing"]).code(1).says("nethical deliveries list");
    sandbox.run(&["deliveries", "list", "--status", "pending"]).code(2).says("success, failed or retrying");
    Sandbox::new().run(&["webhook", "send", "x"]).code(2).says("no configuration found");
    assert!(peer.requests().is_empty());
}

#[test]
fn an_address_needs_no_configuration() {
    let peer = HttpPeer::start().unwrap();
    let sandbox = Sandbox::new();
    let url = format!("{}/hook", peer.url());
    let ended = sandbox.run(&["webhook", "send", "x", "n=1", "--url", &url, "-H", "X-Key: one"]).code(0);
    assert!(ended.stdout.starts_with("http  delivered, 200"), "{ended:?}");
    assert_eq!(peer.requests()[0].header("x-key"), Some("one"));
    peer.stop();
    let ended = sandbox.run(&["webhook", "send", "x", "--url", &url, "--wait", "0.2"]).code(1);
    assert!(ended.stdout.starts_with("http  failed: "), "{ended:?}");
    sandbox.run(&["webhook", "send", "x", "--url", "ftp://example.com"]).code(2).says("error: ");
    sandbox.run(&["webhook", "send", "x", "--url", &url, "-H", "none"]).code(2).says("is no header");
    sandbox.run(&["webhook", "send", "x", "--url", &url, "--type", "pigeon"]).code(2).says("pigeon");
}

#[test]
fn a_check_sends_only_if_it_is_asked_to() {
    let peer = HttpPeer::start().unwrap();
    let sandbox = configured(&peer);
    let ended = sandbox.run(&["check"]).code(0);
    assert!(ended.stdout.contains("  ops   ok ") && ended.stdout.contains("only a message"), "{ended:?}");
    assert!(peer.requests().iter().all(|request| request.method != "POST"));
    let ended = sandbox.run(&["check", "--send"]).code(0);
    assert!(ended.stdout.contains("took a message"), "{ended:?}");
    assert_eq!(peer.requests().last().unwrap().json().unwrap()["event_type"], "nethical_check");
    peer.always(Answer::new(404));
    let ended = sandbox.run(&["check", "--send"]).code(1);
    assert!(ended.stdout.contains("failed  ") && ended.stdout.contains("404"), "{ended:?}");
    assert_eq!(sandbox.run(&["dead", "list"]).code(0).stdout, "no dead letters\n");
}

fn with_secret(sandbox: &Sandbox, secret: &str, arguments: &[&str]) -> Ended {
    sandbox.command(arguments).env("NETHICAL_WEBHOOK_SECRET", secret).output().unwrap().into()
}

#[test]
fn what_was_signed_is_verified() {
    let sandbox = Sandbox::new();
    sandbox.write("body", "{\"text\":\"größer\"}\r\n");
    let signed = with_secret(&sandbox, SECRET, &["webhook", "sign", "body"]).code(0).stdout;
    let headers: Vec<_> = signed.lines().flat_map(|line| ["-H", line]).collect();
    assert_eq!(headers.len(), 6, "{signed}");
    let verify = [&["webhook", "verify", "body"], &headers[..]].concat();
    with_secret(&sandbox, &format!("other {SECRET}"), &verify).code(0);
    with_secret(&sandbox, "other", &verify).code(1).says("not to be trusted");
    sandbox.write("secret", format!("a sentence, which is one\n{SECRET}\n"));
    let from_file =
        sandbox.run(&[&verify[..], &["--secret-file", "secret", "--json"]].concat()).code(0).json();
    assert_eq!(from_file, json!({ "verified": true, "reason": null }));
    sandbox.write("body", "{\"text\":\"groesser\"}\r\n");
    with_secret(&sandbox, SECRET, &verify).code(1);
    sandbox.run(&verify).code(2).says("$NETHICAL_WEBHOOK_SECRET").says("--secret-file");
    with_secret(&sandbox, SECRET, &["webhook", "verify", "body", "-H", "a: b"]).code(2).says("webhook-id");
}

#[test]
fn a_secret_in_a_file_may_be_a_sentence() {
    let sandbox = Sandbox::new();
    sandbox.write("body", "{}");
    sandbox.write("secret", "correct horse battery\n");
    let file = ["--secret-file", "secret"];
    let headers =
        |signed: &str| signed.lines().flat_map(|line| ["-H".into(), line.into()]).collect::<Vec<String>>();
    let verify = |headers: &[String]| {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        sandbox.run(&[&["webhook", "verify", "body"], &file[..], &headers[..]].concat())
    };
    let signed = sandbox.run(&[&["webhook", "sign", "body"], &file[..]].concat()).code(0).stdout;
    verify(&headers(&signed)).code(0);
    let by_a_word = with_secret(&sandbox, "horse", &["webhook", "sign", "body"]).code(0).stdout;
    verify(&headers(&by_a_word)).code(1);
}

/// The example of the Standard Webhooks specification.
#[test]
fn a_known_message_has_its_known_signature() {
    let sandbox = Sandbox::new();
    sandbox.write("body", r#"{"test": 2432232314}"#);
    let arguments = [
        "webhook",
        "sign",
        "body",
        "--id",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "--timestamp",
        "1614265330",
        "--json",
    ];
    let signed = with_secret(&sandbox, SECRET, &arguments).code(0).json();
    assert_eq!(signed["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    let plain = with_secret(&sandbox, "It's a Secret to Everybody", &["webhook", "sign", "hello", "--plain"]);
    plain.code(2).says("cannot read hello");
    sandbox.write("hello", "Hello, World!");
    let plain = with_secret(&sandbox, "key", &["webhook", "sign", "hello", "--plain"]).code(0).stdout;
    assert!(plain.starts_with("sha256=") && plain.len() == 72, "{plain}");
}
