//! `nethical demo`

use crate::Sandbox;

#[test]
fn the_demo_accounts_for_every_entry_at_every_destination() {
    let sandbox = Sandbox::new();
    let ended = sandbox.run(&["demo", "--epochs", "1", "--dir", "demo"]).code(0);
    let rows: Vec<_> =
        ended.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for row in [
        "training every entry 103 103 0 0 0 0",
        "warnings from WARNING 0 0 0 0 0 0",
        "memory from INFO 3 3 0 0 0 0",
        "syslog from INFO 3 0 3 0 0 0",
    ] {
        assert!(rows.iter().any(|line| line.starts_with(row)), "{row}: {rows:#?}");
    }
    assert!(ended.stdout.contains("the receiver took 3 messages of RFC 5424, 0 malformed"), "{ended:?}");
    assert!(ended.stdout.contains("training finished"), "the last message is shown: {ended:?}");
    for shown in [
        "alert: the accuracy began under 0.9 and never reached it: told once to each, 0 held back:",
        "http     {\"event_type\":\"threshold_breach\"",
        "slack    [ERROR] Threshold breach: accuracy",
        "discord  | [ERROR] Threshold breach: accuracy",
        "http     {\"event_type\":\"training_finished\"",
        "slack    Training finished",
        "discord  | Training finished",
    ] {
        assert!(ended.stdout.contains(shown), "{shown}: {ended:?}");
    }
    assert_eq!(sandbox.messages("demo/training.jsonl").len(), 103);
    assert!(
        ended.stdout.contains("an offline run of 4 updates"),
        "a start, parameters, an epoch, an end: {ended:?}"
    );
    assert!(ended.stdout.contains("updates in a file"), "{ended:?}");
    assert!(ended.stdout.contains("mlflow ui --backend-store-uri sqlite:////"), "{ended:?}");
    let shown = ended.stdout.lines().find(|line| line.contains("nethical runs show")).unwrap();
    let words: Vec<_> = shown.split_whitespace().skip(1).collect();
    let shown = sandbox.run(&words).code(0);
    assert!(shown.stdout.contains("param batch_size") && shown.stdout.contains("loss"), "{shown:?}");
    let runs: Vec<_> =
        std::fs::read_dir(sandbox.path("demo/wandb")).unwrap().flatten().map(|e| e.file_name()).collect();
    assert!(runs.iter().any(|name| name.to_str().unwrap().starts_with("offline-run-")), "{runs:?}");
}
