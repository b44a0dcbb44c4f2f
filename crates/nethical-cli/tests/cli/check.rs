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
fn every_command_tells_faults_as_json_if_asked() {
    let sandbox = Sandbox::new();
    sandbox.write("bad.toml", "[logging.jsonl]\nfilepth = 'x'\n");
    for command in [
        &["status"][..],
        &["sync"],
        &["dead", "list"],
        &["dead", "replay"],
        &["deliveries", "list"],
        &["alerts", "list"],
        &["log", "hello"],
        &["alert", "--severity", "critical", "--title", "full"],
        &["metric", "disk", "1"],
        &["run", "start"],
        &["runs", "list"],
        &["check"],
    ] {
        let ended = sandbox.run(&[command, &["--config", "bad.toml", "--json"]].concat()).code(2);
        let found = ended.json();
        assert_eq!((&found["ok"], &found["problems"][0]["line"]), (&json!(false), &json!(2)), "{command:?}");
        assert_eq!(ended.stderr, "", "{command:?}");
        sandbox.run(&[command, &["--config", "bad.toml"]].concat()).code(2).says("bad.toml:2:1");
    }
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

#[test]
fn one_screen_has_a_group_for_everything() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "nethical.toml",
        "[logging.memory]\n[runs.kept]\ntype = 'memory'\n[alerts.pager]\ntype = 'memory'\n[alerts.off]\ntype = 'memory'\nenabled = false\n\
         [[routes]]\nto = ['off']\n[[monitors]]\nmetric = 'loss'\nmissing = 5\n[spool]\nmax_bytes = 1152921504606846976\n",
    );
    let ended = sandbox.run(&["check"]).code(0);
    let headings: Vec<_> =
        ended.stdout.lines().filter(|line| !line.is_empty() && !line.starts_with(' ')).collect();
    let groups =
        ["nethical.toml", "logging", "alerts", "runs", "routes and monitors", "spool", "environment"];
    assert_eq!(headings, [&groups[..], &["3 destinations: all is well, 2 warnings"]].concat());
    for part in
        ["route 1 leads only to what is switched off: off", "1 monitor", "1.0 EiB", "smaller `max_bytes`"]
    {
        let part = part.replace("1.0 EiB", "what waits may take 1024.0 PiB");
        assert!(ended.stdout.contains(&part), "{part}: {}", ended.stdout);
    }
    let found = sandbox.run(&["check", "--json"]).code(0).json();
    assert_eq!((&found["ok"], &found["failed"], &found["warnings"]), (&json!(true), &json!(0), &json!(2)));
    assert_eq!(found["destinations"][2]["section"], "runs");
    assert_eq!(found["spool"][0]["state"], "warning");
}

#[test]
fn the_home_and_what_waits_there_are_looked_at() {
    let sandbox = Sandbox::new();
    sandbox.spooled();
    sandbox.breaks("out");
    sandbox.run(&["log", "one", "--wait", "0.1"]).code(75);
    sandbox.mends("out");
    let ended = sandbox.run(&["check"]).code(0);
    for part in [
        "waiting  warn    1 event of ended processes for `out`",
        "hint: `nethical sync` delivers them",
        "home     ok ",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    let elsewhere = |variable: &str, value: &str| -> crate::Ended {
        let mut command = sandbox.command(&["check"]);
        command.env(variable, value).output().unwrap().into()
    };
    let ended = elsewhere("NETHICAL_HOME", "nethical.toml/home").code(2);
    assert!(ended.stdout.contains("nethical.toml is no folder"), "{}", ended.stdout);
    assert!(ended.stdout.contains("hint: name another directory in NETHICAL_HOME"), "{}", ended.stdout);
    let ended = elsewhere("NETHICAL_SPOOL", "off").code(0);
    assert!(ended.stdout.contains("lost with the process"), "{}", ended.stdout);
}

#[test]
fn the_environment_is_looked_at() {
    let sandbox = Sandbox::new();
    let webhook = "[alerts.api]\nbase_url = 'http://127.0.0.1:9/'\napi_key = 's3cret'\n";
    sandbox.write("nethical.toml", webhook);
    let check = |mode: u32| -> String {
        use std::os::unix::fs::PermissionsExt;
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(sandbox.path("nethical.toml"), permissions).unwrap();
        let mut command = sandbox.command(&["check", "--offline"]);
        command.env("NETHICAL_SPOL", "off").env("HTTPS_PROXY", "http://user:hush@proxy.test:3128");
        command.env("NO_PROXY", "localhost").env("SSL_CERT_FILE", "/no/such.pem");
        let ended: crate::Ended = command.output().unwrap().into();
        ended.code(0).stdout
    };
    let found = check(0o644);
    for part in [
        "has the mode 644, so others can read `alerts.api.api_key`",
        "hint: `chmod 600 nethical.toml`, or leave the secret to the environment: `api_key = \"${NAME}\"`",
        "did you mean `NETHICAL_SPOOL`?",
        "requests go through http://proxy.test:3128, except to what NO_PROXY names",
        "/no/such.pem is not there",
    ] {
        assert!(found.contains(part), "{part}: {found}");
    }
    assert!(!found.contains("hush") && !found.contains("s3cret"), "{found}");
    assert!(!check(0o600).contains("so others can read"));
}

#[test]
fn configurations_are_checked_by_name() {
    let sandbox = Sandbox::new();
    sandbox.write("a.toml", "[logging.memory]\n");
    sandbox.write("b.toml", "[logging.memmory]\n");
    let ended = sandbox.run(&["config", "check", "a.toml", "b.toml"]).code(2).says("did you mean `memory`?");
    assert_eq!(ended.stdout, "a.toml: right, 1 destination\n");
    let both = sandbox.run(&["config", "check", "a.toml", "b.toml", "--json"]).code(2).json();
    assert_eq!((&both[0]["ok"], &both[1]["problems"][0]["line"]), (&json!(true), &json!(1)));
    sandbox.run(&["config", "check"]).code(2).says("no configuration found");
    let schema = sandbox.run(&["config", "schema"]).code(0).json();
    assert!(schema["properties"]["logging"]["properties"]["jsonl"].is_object());
}
