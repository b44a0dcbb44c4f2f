use std::sync::{Arc, Mutex};

use nethical::delivery::{DeliveryStatus, RecordFilter, deliveries};
use nethical::destinations::discord::DiscordConfig;
use nethical::destinations::http::HttpConfig;
use nethical::destinations::slack::SlackConfig;
use nethical::event::Message;
use nethical::webhooks::{Callback, Webhook, WebhookManager};
use nethical_receivers::discord::Discord;
use nethical_receivers::http::{Answer, HttpPeer};
use nethical_receivers::slack::Slack;
use serde_json::{Map, Value, json};

use crate::{PATIENCE, settings};

fn metadata(value: impl Into<Value>) -> Map<String, Value> {
    let Value::Object(map) = value.into() else { panic!("an object") };
    map
}

#[test]
fn a_broadcast_reaches_each_in_its_own_shape() {
    let home = tempfile::tempdir().unwrap();
    let (slack, discord, hook) =
        (Slack::start().unwrap(), Discord::start().unwrap(), HttpPeer::start().unwrap());
    let manager = WebhookManager::new();
    let open = |name: &str, config| Webhook::open(name, config, settings(home.path())).unwrap();
    manager.add_webhook(
        "slack",
        open("slack", Arc::new(SlackConfig::new(slack.webhook_url().parse().unwrap()))),
    );
    let config = DiscordConfig::new(discord.webhook_url().parse().unwrap());
    manager.add_webhook("discord", open("discord", Arc::new(config)));
    manager.add_webhook("custom", open("custom", Arc::new(HttpConfig::new(hook.url().parse().unwrap()))));

    let data = json!({ "alert_type": "high_error_rate", "error_rate": 0.15 });
    let told = manager.broadcast("system_alert", data, metadata(json!({ "priority": "high" })));
    assert_eq!(told.len(), 3);
    assert!(told.values().all(|delivery| delivery.status == DeliveryStatus::Success), "{told:?}");
    assert_eq!((slack.violations(), discord.violations()), (Vec::new(), Vec::new()));
    for shown in [slack.messages()[0].shown(), discord.messages()[0].shown()] {
        assert!(
            shown.contains("System alert") && shown.contains("0.15") && shown.contains("high"),
            "{shown}"
        );
    }
    let body = hook.requests()[0].json().unwrap();
    assert_eq!(
        (&body["event_type"], &body["metadata"]["priority"]),
        (&json!("system_alert"), &json!("high"))
    );
    let ids: std::collections::HashSet<_> = told.values().map(|delivery| &delivery.delivery_id).collect();
    assert_eq!(ids.len(), 1, "one message has one id, wherever it goes");

    let alone = manager.send_to("custom", "note", json!({ "message": "x" }), Map::new()).unwrap();
    assert!(alone.is_success() && alone.response_code == Some(200));
    assert_eq!((slack.messages().len(), hook.count()), (1, 2));
    assert!(manager.close_all(PATIENCE));
}

#[test]
fn an_unknown_name_is_an_error_that_names_those_that_are_there() {
    let manager = WebhookManager::new();
    let error = manager.send_to("slakc", "t", json!({}), Map::new()).unwrap_err();
    assert_eq!(error.to_string(), "there is no webhook `slakc`; add it first: there is none yet");
    let home = tempfile::tempdir().unwrap();
    for name in ["slack", "internal"] {
        let config = HttpConfig::new("http://127.0.0.1:9/secret".parse().unwrap());
        manager.add_webhook(name, Webhook::open(name, Arc::new(config), settings(home.path())).unwrap());
    }
    let said = |name| manager.send_to(name, "t", json!({}), Map::new()).unwrap_err().to_string();
    assert_eq!(said("slakc"), "there is no webhook `slakc`; did you mean `slack`?");
    assert_eq!(said("pager"), "there is no webhook `pager`; use `internal` or `slack`");
    assert!(manager.remove_webhook("slack").is_some() && manager.remove_webhook("slack").is_none());
}

#[test]
fn one_that_is_silent_keeps_none_of_the_others() {
    let home = tempfile::tempdir().unwrap();
    let (silent, well) = (HttpPeer::start().unwrap(), HttpPeer::start().unwrap());
    silent.always(Answer::silence());
    let manager = Arc::new(WebhookManager::new());
    for (name, peer) in [("a_silent", &silent), ("b_well", &well)] {
        let mut config = HttpConfig::new(peer.url().parse().unwrap());
        config.timeout = nethical::destinations::support::webhook::Seconds::new(3.0).unwrap();
        config.max_retries = 1;
        manager.add_webhook(name, Webhook::open(name, Arc::new(config), settings(home.path())).unwrap());
    }
    let sender = Arc::clone(&manager);
    let thread = std::thread::spawn(move || sender.broadcast("t", json!({}), Map::new()));
    well.wait_for(1);
    assert!(!thread.is_finished(), "it arrived while the other one still hangs");
    let told = thread.join().unwrap();
    assert_eq!(told["a_silent"].status, DeliveryStatus::Failed);
    assert!(told["b_well"].is_success());
}

#[test]
fn callbacks_are_told_and_the_record_is_kept_without_secrets() {
    let home = tempfile::tempdir().unwrap();
    let peer = HttpPeer::start().unwrap();
    let told: Arc<Mutex<Vec<&str>>> = Arc::default();
    let note = |word: &'static str| -> Option<Callback> {
        let told = Arc::clone(&told);
        Some(Arc::new(move |_| told.lock().unwrap().push(word)))
    };
    let mut config = HttpConfig::new(format!("{}/hooks/secret-token", peer.url()).parse().unwrap());
    config.headers = [("X-API-Key".to_owned(), "secret-key".to_owned())].into_iter().collect();
    assert!(!format!("{config:?}").contains("secret-"), "{config:?}");
    let hook =
        Webhook::open_with("hook", Arc::new(config), settings(home.path()), note("success"), note("failure"));
    let hook = hook.unwrap();
    let sent = hook.dispatch(&Message::new("a", json!({ "n": 1 })));
    peer.answer(Answer::text(400, "no"));
    let refused = hook.dispatch(&Message::new("b", json!({})));
    assert_eq!((refused.status, refused.attempt_count), (DeliveryStatus::Failed, 1));
    let queued = hook.queue(&Message::new("c", json!({})));
    assert_eq!(queued.status, DeliveryStatus::Pending);
    assert!(hook.connector().close(PATIENCE));
    testkit::until("all are told", || told.lock().unwrap().len() == 3);
    assert_eq!(*told.lock().unwrap(), ["success", "failure", "success"]);

    let found = deliveries(home.path(), &RecordFilter::default(), 10).unwrap();
    let ids: Vec<_> = found.iter().map(|record| record.delivery.delivery_id.clone()).collect();
    assert_eq!(ids, [queued.delivery_id, refused.delivery_id, sent.delivery_id]);
    assert!(found[2].event.as_ref().unwrap().json().starts_with(b"{\"event_type\":\"a\""));
    let text = std::fs::read_to_string(home.path().join("deliveries/current.jsonl")).unwrap();
    assert!(!text.contains("secret") && text.contains("http://127.0.0.1"), "{text}");
    assert_eq!(
        hook.dispatch(&Message::new("late", json!({}))).error_code.as_deref(),
        Some("delivery.closed")
    );
}

#[test]
fn a_configuration_opens_its_webhooks() {
    let home = tempfile::tempdir().unwrap();
    let peer = HttpPeer::start().unwrap();
    let text = format!(
        "[alerts.http]\nurl = '{0}/all'\n[alerts.urgent]\ntype = 'http'\nurl = '{0}/urgent'\nlevel = 'error'\n[spool]\nhome = '{1}'",
        peer.url(),
        home.path().display(),
    );
    let nethical = text.parse::<nethical::Config>().unwrap().open().unwrap();
    let told = nethical.webhooks().broadcast("t", json!({}), Map::new());
    assert_eq!(told.keys().collect::<Vec<_>>(), ["http"]);
    let told = nethical.webhooks().broadcast("t", json!({}), metadata(json!({ "severity": "critical" })));
    assert_eq!(told.len(), 2);
    assert!(nethical.close(PATIENCE));
    assert_eq!(peer.requests().iter().filter(|request| request.path() == "/urgent").count(), 1);
}
