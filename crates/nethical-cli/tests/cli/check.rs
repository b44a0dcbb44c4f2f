//! `nethical check`, `init` and `destinations`

use serde_json::json;

use crate::Sandbox;

#[test]
fn what_init_writes_works() {
    let sandbox = Sandbox::new();
    sandbox.run(&["init"]).code(0).says("wrote nethical.toml");
    let ended = sandbox.run(&["check", "--offline"]).code(0);
    assert!(ended.stdout.contains("\nlogging\n  jsonl  ok "), "{ended:?}");
    assert!(!sandbox.path("logs").exists(), "offline touches nothing");
    let ended = sandbox.run(&["check"]).code(0);
    assert!(ended.stdout.contains("logs/application.jsonl is writable"), "{ended:?}");
    sandbox.run(&["init"]).code(2).says("nethical.toml is there already").says("`--force`");
    sandbox.run(&["init", "--force"]).code(0);
    sandbox.run(&["init", "no/such/folder.toml"]).code(2).says("cannot write no/such/folder.toml");
}

#[test]
fn each_destination_has_its_line() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "nethical.toml",
        "[logging.bad]\ntype = 'jsonl'\nfilepath = '.'\n[logging.memory]\nmax_events = 7",
    );
    let ended = sandbox.run(&["check"]).code(2);
    assert!(ended.stdout.contains("bad     failed  cannot open "), "{}", ended.stdout);
    assert!(ended.stdout.contains("hint: name a file in the directory"), "{}", ended.stdout);
    assert!(ended.stdout.contains("memory  ok      keeps the newest 7 events"), "{}", ended.stdout);
    let found = sandbox.run(&["check", "--json"]).code(2).json();
    assert_eq!(found["destinations"][0]["code"], "jsonl.is_directory");
    assert_eq!(found["destinations"][1]["ok"], true);
    sandbox.run(&["check", "--offline"]).code(0);
}

#[test]
fn faults_are_shown_all_at_once_where_they_stand() {
    let sandbox = Sandbox::new();
    sandbox.write("nethical.toml", "[logging.jsonl]\nfilepth = 'x'\nbuffer_size = 'many'\n");
    let ended = sandbox.run(&["check", "--offline"]).code(2);
    let ended = ended.says("nethical.toml:2:1").says("did you mean `filepath`?").says("nethical.toml:3:15");
    assert!(!ended.stderr.contains('\u{1b}'), "no colour where there is no terminal");
    let found = sandbox.run(&["check", "--offline", "--json"]).code(2).json();
    assert_eq!((&found["problems"][1]["line"], &found["problems"][1]["column"]), (&json!(3), &json!(15)));
    sandbox.run(&["check", "--config", "."]).code(2).says("Is a directory");
    sandbox.run(&["check", "--config", "no.toml"]).code(2).says("No such file").says("nethical init");
}

#[test]
fn destinations_are_listed_and_described() {
    let sandbox = Sandbox::new();
    let listed = sandbox.run(&["destinations", "--json"]).code(0).json();
    assert_eq!(listed.as_array().unwrap().len(), nethical::destinations::ALL.len());
    let one = sandbox.run(&["destinations", "jsonl", "--json"]).code(0).json();
    assert!(one["schema"]["properties"]["filepath"].is_object(), "{one}");
    assert!(sandbox.run(&["destinations", "jsonl"]).code(0).stdout.starts_with("# jsonl"));
    sandbox.run(&["destinations", "jsnol"]).code(2).says("did you mean `jsonl`?");
}
