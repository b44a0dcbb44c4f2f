//! `nethical alert`, `nethical alerts` and `nethical metric`

use std::collections::HashSet;
use std::process::Stdio;
use std::time::Duration;

use nethical_receivers::http::{Answer, HttpPeer};
use serde_json::{Value, json};

use crate::Sandbox;

/// Two webhooks, `ops` and `mail`, a file, and a monitor.
fn configured(ops: &HttpPeer, mail: &HttpPeer) -> Sandbox {
    let sandbox = Sandbox::new();
    let text = format!(
        "[logging.out]\ntype = 'jsonl'\nfilepath = 'out'\n[spool]\ndurability = 'every'\n\
         [alerts.ops]\ntype = 'http'\nurl = '{}'\nretry_delay = 0.01\n[alerts.mail]\ntype = 'http'\nurl = '{}'\n\
         [alerts.file]\ntype = 'jsonl'\nfilepath = 'alerts'\n\
         [[routes]]\nseverity = ['error', 'critical']\nto = ['ops', 'file']\nfallback = ['mail']\n\
         [[routes]]\nlabels = {{ team = 'ml' }}\nto = ['mail']\n\
         [[monitors]]\nname = 'low'\nmetric = 'accuracy'\ncondition = '<'\nthreshold = 0.9\nseverity = 'error'\n",
        ops.url(),
        mail.url()
    );
    sandbox.write("nethical.toml", text);
    sandbox
}

fn peers() -> (HttpPeer, HttpPeer) {
    (HttpPeer::start().unwrap(), HttpPeer::start().unwrap())
}

fn bodies(peer: &HttpPeer) -> Vec<Value> {
    peer.requests().iter().map(|request| request.json().unwrap()).collect()
}

const DISK: [&str; 11] =
    ["alert", "-s", "critical", "-t", "Disk full", "-m", "97 %", "-f", "free_gb=3", "-k", "disk"];

#[test]
fn an_alert_is_sent_once_while_it_lasts_and_its_end_too() {
    let (ops, mail) = peers();
    let sandbox = configured(&ops, &mail);
    let sent = sandbox.run(&DISK).code(0);
    assert!(sent.stdout.starts_with("file  delivered\nops   delivered, 200 in "), "{sent:?}");
    let held_back = sandbox.run(&DISK).code(0).stdout;
    assert_eq!(
        held_back,
        "not sent: one of the key `disk` was sent, and it lasts; 1 alert held back since\n"
    );
    let json_of = |arguments: &[&str]| sandbox.run(&[arguments, &["--json"]].concat()).code(0).json();
    assert_eq!(json_of(&DISK), json!({ "outcome": "suppressed", "key": "disk", "suppressed": 2 }));

    let listed = sandbox.run(&["alerts", "list"]).code(0).stdout;
    let rows: Vec<_> =
        listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(rows[0], "key status severity for sent suppressed in all to title");
    assert!(
        rows[1].starts_with("disk firing critical ") && rows[1].ends_with(" 1 2 2 ops, file Disk full"),
        "{listed}"
    );
    assert!(listed.ends_with("\n1 alert\n"), "{listed}");
    let listed = json_of(&["alerts", "list"]);
    assert_eq!((&listed[0]["suppressed"], &listed[0]["to"]), (&json!(2), &json!(["ops", "file"])));

    let over = json_of(&["alert", "--resolve", "-k", "disk", "-m", "42 % again"]);
    assert_eq!((&over["outcome"], &over["waits"]), (&json!("sent"), &json!(false)));
    let nothing = sandbox.run(&["alert", "--resolve", "-k", "disk"]).code(0).stdout;
    assert_eq!(nothing, "nothing to resolve: no alert of the key `disk` lasts\n");
    assert_eq!(sandbox.run(&["alerts", "list"]).code(0).stdout, "no alerts\n");
    assert_eq!(json_of(&["alerts", "list", "--all"])[0]["status"], "resolved");

    let arrived = bodies(&ops);
    assert_eq!(arrived.len(), 2);
    assert_eq!(
        arrived[0]["data"],
        json!({ "title": "Disk full", "message": "97 %", "fields": { "free_gb": 3 } })
    );
    assert_eq!(arrived[0]["metadata"], json!({ "severity": "critical", "status": "firing", "key": "disk" }));
    assert_eq!(
        (&arrived[1]["data"]["message"], &arrived[1]["metadata"]["suppressed"]),
        (&json!("42 % again"), &json!(2))
    );
    assert_eq!(sandbox.messages("alerts"), ["Disk full: 97 %", "Disk full: 42 % again"]);
    assert!(mail.requests().is_empty());
}

#[test]
fn labels_names_and_failures_say_where_it_goes() {
    let (ops, mail) = peers();
    let sandbox = configured(&ops, &mail);
    sandbox.run(&["alert", "-s", "info", "-t", "Ready", "-l", "team=ml"]).code(0);
    assert_eq!((ops.requests().len(), mail.requests().len()), (0, 1));
    sandbox.run(&["alert", "-s", "info", "-t", "Ready", "--to", "ops"]).code(0);
    assert_eq!((ops.requests().len(), mail.requests().len()), (1, 1));
    sandbox.run(&["alert", "-s", "info", "-t", "Ready", "--to", "opps"]).code(2).says("did you mean `ops`?");
    sandbox.run(&["alert", "-s", "loud", "-t", "Ready"]).code(2).says("use info, warning, error or critical");
    sandbox.run(&["alert", "-t", "Ready"]).code(2);
    ops.always(Answer::new(503));
    let ended = sandbox.run(&["alert", "-s", "error", "-t", "Odd", "-k", "odd", "--wait", "3"]).code(75);
    assert!(
        ended.stdout.contains("mail  delivered, 200") && ended.stdout.contains("ops   kept for later"),
        "{ended:?}"
    );
    ops.always(None);
    sandbox.run(&["sync"]).code(0);
    assert_eq!(bodies(&ops).last().unwrap()["data"]["title"], "Odd");
}

#[test]
fn an_alert_that_everybody_refused_holds_back_none() {
    let (ops, mail) = peers();
    let sandbox = configured(&ops, &mail);
    let odd = ["alert", "-s", "warning", "-t", "Odd", "-k", "odd", "-l", "team=ml"];
    mail.always(Answer::new(400));
    sandbox.run(&odd).code(1);
    sandbox.run(&odd).code(1);
    mail.always(None);
    assert!(sandbox.run(&odd).code(0).stdout.contains("mail  delivered"));
    assert!(sandbox.run(&odd).code(0).stdout.starts_with("not sent: one of the key `odd` was sent"));
    // Worse, and refused: what they had before lasts, and its end is told.
    ops.always(Answer::new(400));
    mail.always(Answer::new(400));
    let worse = ["alert", "-s", "error", "-t", "Odd", "-k", "odd", "-l", "team=ml"];
    assert!(!sandbox.run(&worse).code(1).stderr.contains("in memory"));
    mail.always(None);
    let end = sandbox.run(&["alert", "--resolve", "-k", "odd"]).stdout;
    assert!(end.contains("mail  delivered"), "{end}");
}

#[test]
fn the_status_points_at_dead_letters_while_there_are_some() {
    let (ops, mail) = peers();
    let sandbox = configured(&ops, &mail);
    mail.always(Answer::new(400));
    sandbox.run(&["alert", "-s", "warning", "-t", "Odd", "--to", "mail"]).code(1);
    let status = || sandbox.run(&["status"]).code(0).stdout;
    let shown = status();
    assert!(shown.contains("mail: 1 dead letter: `nethical dead list --destination mail`"), "{shown}");
    assert!(shown.contains("last error"), "{shown}");
    mail.always(None);
    sandbox.run(&["dead", "replay"]).code(0);
    let shown = status();
    assert!(!shown.contains("dead list") && !shown.contains("last error"), "{shown}");
    assert!(shown.contains("1 dead"), "it is counted: {shown}");
}

#[test]
fn a_metric_is_logged_watched_and_told() {
    let (ops, mail) = peers();
    let sandbox = configured(&ops, &mail);
    let good = sandbox.run(&["metric", "accuracy", "0.95", "model=v2"]).code(0).stdout;
    assert_eq!(good, "accuracy = 0.95  ok  low\n");
    let bad = sandbox.run(&["metric", "accuracy", "NaN", "--json"]).code(0).json();
    assert_eq!(
        bad,
        json!({ "metric": "accuracy", "value": "NaN", "monitors": [{ "monitor": "low", "status": "firing" }] })
    );
    sandbox.run(&["metric", "accuracy", "0.8"]).code(0);
    sandbox.run(&["metric", "accuracy", "0.9"]).code(0);
    assert_eq!(
        sandbox.run(&["metric", "loss", "-1"]).code(0).stdout,
        "loss = -1, which no monitor watches\n"
    );
    let told: Vec<_> =
        bodies(&ops).iter().map(|body| body["data"]["message"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, ["accuracy is NaN, and should not be < 0.9", "accuracy is 0.9 again"]);
    assert_eq!(
        sandbox.messages("out")[..3],
        ["Metric: accuracy = 0.95", "Metric: accuracy = NaN", "Threshold breach: accuracy"]
    );
    assert_eq!(
        sandbox.entries("out")[0]["metadata"],
        json!({ "model": "v2", "metric": "accuracy", "value": 0.95 })
    );
}

#[test]
fn what_was_decided_before_a_kill_is_sent_by_sync_and_once() {
    let (ops, mail) = peers();
    let sandbox = configured(&ops, &mail);
    let mut known = 0;
    for milliseconds in [1, 2, 4, 6, 8, 10, 12, 15, 18, 22, 27, 33, 40, 60, 90, 150, 600] {
        let (key, before) = (format!("disk {milliseconds}"), ops.count());
        let arguments = ["alert", "-s", "critical", "-t", "Disk full", "-m", "97 %", "-k", &key];
        let mut killed =
            sandbox.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        killed.kill().unwrap();
        killed.wait().unwrap();
        sandbox.run(&["sync"]).code(0);
        let states = sandbox.run(&["alerts", "list", "--json"]).code(0).json();
        let is_known = states.as_array().unwrap().iter().any(|state| state["key"] == *key);
        let posted = ops.requests().split_off(usize::try_from(before).unwrap());
        let ids: HashSet<_> = posted.iter().map(|request| request.header("webhook-id")).collect();
        assert_eq!(
            ids.len(),
            usize::from(is_known),
            "{key} at the receiver: {ids:?}; known here: {is_known}"
        );
        known += usize::from(is_known);
    }
    assert!(known > 0, "not one lived long enough to decide");
}
