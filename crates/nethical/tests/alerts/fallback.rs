//! What does not arrive goes elsewhere.

use std::path::Path;

use nethical::Nethical;
use nethical::alerts::Outcome;
use nethical::event::Alert;
use nethical_receivers::http::{Answer, HttpPeer};
use nethical_receivers::slack::Slack;

use crate::{PATIENCE, open};

fn titles(peer: &HttpPeer) -> Vec<String> {
    let title = |body: serde_json::Value| {
        let status = body["metadata"]["status"].as_str().unwrap().to_owned();
        format!("{status} {}", body["data"]["title"].as_str().unwrap())
    };
    peer.requests().iter().map(|request| title(request.json().unwrap())).collect()
}

/// All goes to the first, and what does not arrive there to the other.
fn with_fallback(home: &Path, first: &HttpPeer, other: &HttpPeer) -> Nethical {
    let text = format!(
        "[alerts.first]\ntype = 'http'\nurl = '{}'\n[alerts.other]\ntype = 'http'\nurl = '{}'\n\
         [[routes]]\nto = ['first']\nfallback = ['other']\n",
        first.url(),
        other.url()
    );
    open(home, &text)
}

#[test]
fn an_alert_that_fails_goes_to_the_fallback_and_so_does_its_end() {
    let (slack, mail) = (Slack::start().unwrap(), HttpPeer::start().unwrap());
    let home = tempfile::tempdir().unwrap();
    let text = format!(
        "[alerts.team]\ntype = 'slack'\nwebhook_url = '{}'\nrate_limit_per_sec = 1000\nretry_delay = 0.01\n\
         [alerts.mail]\ntype = 'http'\nurl = '{}'\n[[routes]]\nto = ['team']\nfallback = ['mail']\n",
        slack.webhook_url(),
        mail.url()
    );
    let nethical = open(home.path(), &text);
    let alerts = nethical.alerts();
    assert_eq!(alerts.error("works", "").send().destinations(), ["team"]);
    assert!(alerts.flush(PATIENCE));
    alerts.look_after();
    assert!(mail.requests().is_empty());
    slack.always(Answer::new(503));
    assert_eq!(alerts.error("disk", "").key("disk").send().destinations(), ["team"]);
    testkit::until("it is at the fallback", || titles(&mail) == ["firing disk"]);
    assert_eq!(alerts.error("again", "").send().destinations(), ["team", "mail"], "it is known to be down");
    testkit::until("that too", || titles(&mail).len() == 2);
    slack.always(None);
    assert_eq!(alerts.resolve("disk").destinations(), ["team", "mail"]);
    assert!(alerts.flush(PATIENCE));
    assert_eq!(titles(&mail), ["firing disk", "firing again", "resolved disk"]);
    assert_eq!(slack.messages().len(), 4, "what waited arrived in the end");
    assert!(nethical.close(PATIENCE));
    for status in nethical.webhooks().statuses() {
        assert!(status.ledger.balances() && status.ledger.waiting == 0, "{status:?}");
    }
}

#[test]
fn an_alert_that_is_refused_goes_to_all_others_where_no_route_says_else() {
    let (slack, hook) = (Slack::start().unwrap(), HttpPeer::start().unwrap());
    let home = tempfile::tempdir().unwrap();
    let text = format!(
        "[alerts.slack]\nwebhook_url = '{}'\nrate_limit_per_sec = 1000\n[alerts.http]\nurl = '{}'\n",
        slack.webhook_url(),
        hook.url()
    );
    let nethical = open(home.path(), &text);
    slack.answer(nethical_receivers::slack::error("invalid_blocks"));
    assert_eq!(nethical.alerts().warning("odd", "").send().destinations(), ["slack"]);
    testkit::until("the other one has it", || titles(&hook) == ["firing odd"]);
    assert!(nethical.close(PATIENCE));
}

#[test]
fn an_alert_that_everybody_refused_in_the_end_holds_back_none() {
    let (first, other) = (HttpPeer::start().unwrap(), HttpPeer::start().unwrap());
    let home = tempfile::tempdir().unwrap();
    let nethical = with_fallback(home.path(), &first, &other);
    let raise = |severity: &str| {
        let outcome =
            nethical.alerts().alert(Alert::new(severity.parse().unwrap(), "disk", "")).key("d").send();
        nethical.alerts().flush(PATIENCE);
        nethical.alerts().look_after();
        outcome
    };
    for peer in [&first, &other] {
        peer.always(Answer::new(400));
    }
    assert!(raise("warning").is_sent() && raise("warning").is_sent(), "nobody knows of it");
    assert_eq!((first.requests().len(), other.requests().len()), (2, 2));
    assert!(nethical.alerts().states().is_empty());
    other.always(None);
    assert!(raise("warning").is_sent());
    assert!(matches!(raise("warning"), Outcome::Suppressed { count: 1, .. }), "the fallback has it");
    // Worse, and refused: it lasts, and the next one is sent.
    other.always(Answer::new(400));
    assert!(raise("error").is_sent() && raise("error").is_sent());
    first.always(None);
    assert!(raise("error").is_sent() && !raise("error").is_sent());
    assert_eq!(nethical.alerts().resolve("d").destinations(), ["first", "other"]);
    // What is refused at the end is not remembered by the next process.
    first.always(Answer::new(400));
    assert!(nethical.alerts().error("net", "").key("net").send().is_sent());
    nethical.close(PATIENCE);
    let keys: Vec<_> = nethical.alerts().states().into_iter().map(|state| state.key).collect();
    assert_eq!(keys, ["d"]);
}

#[test]
fn an_alert_that_is_over_goes_nowhere_else() {
    let (first, other) = (HttpPeer::start().unwrap(), HttpPeer::start().unwrap());
    let home = tempfile::tempdir().unwrap();
    let nethical = with_fallback(home.path(), &first, &other);
    first.always(Answer::new(400));
    assert!(nethical.alerts().warning("disk", "").key("d").send().is_sent());
    assert!(nethical.alerts().resolve("d").is_sent());
    nethical.alerts().flush(PATIENCE);
    nethical.alerts().look_after();
    assert!(nethical.close(PATIENCE));
    // Unless it was there before its end was told.
    let arrived = titles(&other);
    assert!(arrived.is_empty() || arrived == ["firing disk", "resolved disk"], "{arrived:?}");
}
