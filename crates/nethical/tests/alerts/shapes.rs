//! Each destination gets an alert in its own shape.

use nethical_receivers::discord::Discord;
use nethical_receivers::http::HttpPeer;
use nethical_receivers::slack::Slack;
use nethical_receivers::syslog::Receiver;
use serde_json::{Value, json};

use crate::{PATIENCE, open};

#[test]
fn everybody_gets_a_critical_alert_and_its_end_in_their_own_shape() {
    let (slack, discord) = (Slack::start().unwrap(), Discord::start().unwrap());
    let (hook, api) = (HttpPeer::start().unwrap(), HttpPeer::start().unwrap());
    let syslog = Receiver::tcp().unwrap();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("alerts.jsonl");
    let text = format!(
        "[alerts.slack]\nwebhook_url = '{}'\nrate_limit_per_sec = 1000\n[alerts.discord]\nwebhook_url = '{}'\n\
         [alerts.http]\nurl = '{}'\n[alerts.api]\nbase_url = '{}'\napi_key = 'key'\n\
         [alerts.jsonl]\nfilepath = '{}'\n[alerts.syslog]\nprotocol = 'tcp'\nhost = '127.0.0.1'\nport = {}\n\
         framing = 'octet'\n",
        slack.webhook_url(),
        discord.webhook_url(),
        hook.url(),
        api.url(),
        file.display(),
        syslog.address().port(),
    );
    let nethical = open(home.path(), &text);
    let alerts = nethical.alerts();
    let raised = alerts
        .critical("Accuracy dropped", "85% < 90% & falling")
        .field("model", "fraud_v2")
        .label("team", "ml")
        .key("accuracy")
        .send();
    assert_eq!(raised.destinations(), ["api", "discord", "http", "jsonl", "slack", "syslog"]);
    assert!(alerts.resolve("accuracy").is_sent());
    assert!(nethical.close(PATIENCE));

    let shown: Vec<_> = slack.messages().iter().map(|message| message.shown()).collect();
    assert!(slack.violations().is_empty() && shown.len() == 2, "{shown:?}");
    for part in ["[CRITICAL] Accuracy dropped", "85% < 90% & falling", "model", "fraud_v2", "team=ml"] {
        assert!(shown[0].contains(part), "{part} is not in {}", shown[0]);
    }
    assert!(
        shown[1].contains("[RESOLVED] Accuracy dropped") && shown[1].contains("over after"),
        "{}",
        shown[1]
    );
    let shown: Vec<_> = discord.messages().iter().map(|message| message.shown()).collect();
    assert!(shown[0].contains("[CRITICAL] Accuracy dropped") && shown[1].contains("[RESOLVED]"), "{shown:?}");

    let posted: Vec<Value> = hook.requests().iter().map(|request| request.json().unwrap()).collect();
    assert_eq!(posted[0]["data"]["fields"], json!({ "model": "fraud_v2" }));
    assert_eq!(
        (&posted[0]["metadata"]["status"], &posted[1]["metadata"]["status"]),
        (&json!("firing"), &json!("resolved"))
    );
    assert_eq!(api.requests().len(), 2);

    let lines = std::fs::read_to_string(file).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let levels: Vec<_> = lines.iter().map(|line| line["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["CRITICAL", "INFO"]);
    assert_eq!(lines[0]["message"], "Accuracy dropped: 85% < 90% & falling");
    assert_eq!(
        (&lines[0]["source"], &lines[0]["metadata"]["labels"]),
        (&json!("alerts"), &json!({ "team": "ml" }))
    );
    testkit::until("syslog has both", || syslog.messages().len() == 2);
    let first = String::from_utf8_lossy(&syslog.messages()[0]).into_owned();
    assert!(first.starts_with("<130>1 ") && first.contains("Accuracy dropped: 85%"), "{first}");
}
