//! Servers that are older, slower, or guarded.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nethical_core::delivery::Error;
use nethical_core::tracking::{ArtifactOptions, Platform, RunStatus};
use nethical_receivers::syslog::tls::Authority;
use serde_json::{Value, json};
use testkit::mlflow::{Mlflow, Own};
use testkit::proxy::Proxy;

use crate::scripted::{Call, Reply, Scripted, json as answer};
use crate::{PATIENCE, config, home, ledger, name, open, start, write};

/// A run that somebody else has begun.
const RUN: &str = "0123456789abcdef0123456789abcdef";

/// What a server answers that takes everything.
fn taken(call: &Call) -> Reply {
    let status = call.json().get("status").cloned().unwrap_or_default();
    let info = json!({ "run_id": RUN, "status": status, "artifact_uri": "mlflow-artifacts:/1/r/artifacts" });
    answer(200, &json!({ "run_info": info, "run": { "info": info }, "experiments": [] }))
}

/// Whether MLflow 2 would take this batch although some of it is there: not of many metrics, and not with a NaN.
fn is_told_apart(points: &[Value]) -> bool {
    let keys: HashSet<_> = points.iter().map(|point| point["key"].as_str()).collect();
    keys.len() <= 100 && points.iter().all(|point| point["value"] != "NaN")
}

#[test]
fn a_server_that_takes_no_point_twice_has_each_once() {
    let there = Arc::new(Mutex::new(HashSet::new()));
    let (kept, broken) = (Arc::clone(&there), AtomicBool::new(false));
    let server = Scripted::start(move |call| {
        if !call.path.ends_with("/runs/log-batch") {
            return taken(call);
        }
        let body = call.json();
        let points = body["metrics"].as_array().unwrap();
        let mut kept = kept.lock().unwrap();
        if !is_told_apart(points) && points.iter().any(|point| kept.contains(&point.to_string())) {
            let text = "(sqlite3.IntegrityError) UNIQUE constraint failed: metrics.key, metrics.timestamp";
            return answer(400, &json!({ "error_code": "BAD_REQUEST", "message": text }));
        }
        kept.extend(points.iter().map(Value::to_string));
        // The first batch is kept, and nobody is told.
        if broken.swap(true, Ordering::SeqCst) { answer(200, &json!({})) } else { None }
    });
    let home = home();
    let platform = open(config(&server.url()), home.path());
    platform.resume_run(RUN).unwrap();
    let names: Vec<_> = (0..150).map(|number| format!("m{number}")).collect();
    for step in 0..20 {
        let value = if step == 3 { f64::NAN } else { f64::from(step) };
        let metrics: Vec<_> = names.iter().map(|name| (name.as_str(), value)).collect();
        platform.log_metrics(RUN, &metrics, Some(step.into())).unwrap();
    }
    assert!(platform.flush(PATIENCE), "{:?}", platform.statuses());
    assert_eq!(there.lock().unwrap().len(), 150 * 20);
    assert_eq!(ledger(&*platform).dead_lettered, 0, "{:?}", platform.statuses());
}

#[test]
fn an_artifact_in_trouble_holds_no_metric_and_no_end() {
    let well = Arc::new(AtomicBool::new(false));
    let is_well = Arc::clone(&well);
    let server = Scripted::start(move |call| match &*call.method {
        "PUT" if !is_well.load(Ordering::SeqCst) => answer(503, &json!({})),
        _ => taken(call),
    });
    let home = home();
    let platform = open(config(&server.url()), home.path());
    platform.resume_run(RUN).unwrap();
    let file = write(home.path(), "model", b"weights");
    platform.log_artifact(RUN, &file, &ArtifactOptions::default()).unwrap();
    // More than may be settled out of order.
    for step in 0..10_000 {
        platform.log_metrics(RUN, &[("loss", 1.0)], Some(step)).unwrap();
    }
    platform.end_run(RUN, RunStatus::Completed, None).unwrap();
    assert!(!platform.flush(Duration::from_millis(100)));
    let deadline = Instant::now() + PATIENCE;
    let updates = || platform.statuses()[0].ledger;
    while updates().waiting > 0 {
        assert!(Instant::now() < deadline, "{:?}", platform.statuses());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(updates().confirmed, 10_002);
    let artifacts = platform.statuses().remove(1);
    assert_eq!((&*artifacts.name, artifacts.ledger.waiting), ("mlflow.artifacts", 1));
    assert!(server.calls().iter().any(|call| call.json()["status"] == "FINISHED"));
    well.store(true, Ordering::SeqCst);
    assert!(platform.flush(PATIENCE), "{:?}", platform.statuses());
    assert_eq!(server.calls().last().unwrap().body, b"weights");
    assert_eq!(ledger(&*platform).confirmed, 10_003);
}

#[test]
fn an_artifact_waits_for_the_start_of_its_run() {
    let (server, home, experiment) = (Mlflow::shared(), home(), name("late"));
    let proxy = Proxy::to(server.address());
    proxy.take_down();
    let platform = open(crate::with_timeout(&proxy.url(), 0.2), home.path());
    let run = start(&*platform, &experiment);
    let file = write(home.path(), "model", b"weights");
    platform.log_artifact(&run, &file, &ArtifactOptions::default()).unwrap();
    platform.end_run(&run, RunStatus::Completed, None).unwrap();
    proxy.bring_up();
    assert!(platform.flush(PATIENCE), "{:?}", platform.statuses());
    assert_eq!(ledger(&*platform).confirmed, 3);
    let uri = server.runs(&experiment)[0]["info"]["artifact_uri"].as_str().unwrap().to_owned();
    let place = uri.replace("mlflow-artifacts:", "/api/2.0/mlflow-artifacts/artifacts");
    assert_eq!(server.download(&format!("{place}/model")), b"weights");
}

#[test]
fn a_token_goes_with_every_request_and_is_never_shown() {
    let server = Scripted::start(|call| match call.header("authorization") {
        Some("Bearer hunter2") => taken(call),
        _ => Some((401, "WWW-Authenticate: Basic realm=\"mlflow\"\r\n".to_owned(), "who?".to_owned())),
    });
    let home = home();
    let mut guarded = config(&server.url());
    guarded.token = Some("hunter2".to_owned());
    let platform = open(guarded, home.path());
    platform.resume_run(RUN).unwrap();
    let file = write(home.path(), "model", b"weights");
    platform.log_artifact(RUN, &file, &ArtifactOptions::default()).unwrap();
    assert!(platform.flush(PATIENCE), "{:?}", platform.statuses());
    assert!(server.calls().iter().any(|call| call.method == "PUT"));
    let mut wrong = config(&server.url());
    wrong.token = Some("hunter3".to_owned());
    let error = open(wrong, crate::home().path()).probe().unwrap_err();
    assert_eq!(error.code(), "mlflow.unauthorized");
    assert!(!format!("{error:?} {error}").contains("hunter3"), "{error:?}");
}

/// What a server says that may take long to start, or to answer at all.
fn answer_of(platform: &dyn Platform) -> Result<String, Error> {
    let deadline = Instant::now() + 4 * PATIENCE;
    loop {
        let found = platform.probe();
        let is_there = found.as_ref().map_or_else(|error| error.code() != "mlflow.connect", |_| true);
        if is_there || Instant::now() > deadline {
            return found;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_server_that_asks_who_is_there_over_tls_is_spoken_to_with_its_own_authority() {
    const PASSWORD: &str = "a-long-password";
    let (authority, home) = (Authority::new().unwrap(), home());
    let server = Own::secured(&authority, PASSWORD);
    let ca_file = write(home.path(), "ca.pem", authority.certificate().as_bytes());
    let url = format!("https://{}", server.server().address());
    let guarded = |password: &str| {
        let mut config = config(&url);
        (config.username, config.password) = (Some("admin".to_owned()), Some(password.to_owned()));
        config.ca_file = Some(ca_file.clone());
        config
    };
    let platform = open(guarded(PASSWORD), home.path());
    assert!(answer_of(&*platform).unwrap().ends_with(&url));
    let run = start(&*platform, "guarded");
    platform.log_metrics(&run, &[("loss", 1.0)], Some(1)).unwrap();
    let file = write(home.path(), "model", b"weights");
    platform.log_artifact(&run, &file, &ArtifactOptions::default()).unwrap();
    assert!(
        platform.end_run(&run, RunStatus::Completed, Some(PATIENCE)).unwrap(),
        "{:?}",
        platform.statuses()
    );
    assert_eq!(ledger(&*platform).dead_lettered, 0);

    let look = |config| answer_of(&*open(config, crate::home().path())).map_err(|error| error.code());
    assert_eq!(look(guarded("another")), Err("mlflow.unauthorized"));
    let mut unknown = guarded(PASSWORD);
    unknown.ca_file = None;
    assert_eq!(look(unknown), Err("mlflow.tls"));
    let mut careless = guarded(PASSWORD);
    (careless.ca_file, careless.insecure_tls) = (None, Some(true));
    assert!(look(careless).is_ok());
}

#[test]
fn a_server_that_does_not_know_its_own_name_is_explained() {
    let (server, home) = (Mlflow::shared(), home());
    // The server takes this one for somebody else's address.
    let proxy = Proxy::on("127.0.0.2:0", server.address());
    let error = open(config(&proxy.url()), home.path()).probe().unwrap_err();
    assert_eq!(error.code(), "mlflow.host");
    assert!(error.hint().unwrap().contains("--allowed-hosts"), "{error:?}");
}

#[test]
fn a_folder_of_this_machine_takes_artifacts_directly() {
    let (server, home, experiment) = (Mlflow::shared(), home(), name("local"));
    let root = home.path().join("store");
    let body = json!({ "name": experiment, "artifact_location": format!("file://{}", root.display()) });
    assert_eq!(server.ask("experiments/create", Some(&body)).0, 200);
    let platform = open(config(&server.url()), home.path());
    let run = start(&*platform, &experiment);
    let data = home.path().join("data");
    write(&data, "sub dir/é.txt", b"text");
    write(&data, "sub dir/empty", b"");
    platform.log_artifact(&run, &data, &ArtifactOptions::default()).unwrap();
    assert!(platform.flush(PATIENCE), "{:?}", platform.statuses());
    let kept = root.join(&run).join("artifacts/data/sub dir");
    let mut names: Vec<_> =
        std::fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["empty", "é.txt"]);
    // A file where a folder is to be.
    write(&kept, "in the way", b"");
    let below = ArtifactOptions { folder: Some("data/sub dir/in the way"), copy: true };
    platform.log_artifact(&run, &write(home.path(), "x", b"x"), &below).unwrap();
    assert!(platform.flush(PATIENCE));
    assert_eq!(crate::artifact_error(&*platform), "mlflow.artifact_path");
}

/// Whether this process has these variables; else `test` is run in one that has.
fn alone(test: &str, variables: &[(&str, &str)]) -> bool {
    const CHILD: &str = "NETHICAL_TEST_ALONE";
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--nocapture"]).env(CHILD, "1").envs(variables.iter().copied());
    let output = child.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    false
}

/// Logs a file that goes in three parts.
fn log_parts(platform: &dyn Platform, run: &str) {
    let place = home();
    let content: Vec<u8> = (0..3_u32 << 20).flat_map(u32::to_le_bytes).collect();
    let file = write(place.path(), "large", &content);
    platform.log_artifact(run, &file, &ArtifactOptions { folder: Some("models"), copy: true }).unwrap();
}

#[test]
fn large_files_go_in_parts_where_the_server_offers_it() {
    let small = [
        ("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "1000000"),
        ("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", "5242880"),
    ];
    if !alone("servers::large_files_go_in_parts_where_the_server_offers_it", &small) {
        return;
    }
    let failed = AtomicBool::new(false);
    let server = Scripted::start(move |call| {
        let base = format!("http://{}", call.header("host").unwrap());
        let path = call.path.as_str();
        if path.ends_with("/server-info") {
            return answer(200, &json!({ "multipart_uploads_enabled": true }));
        }
        if path.ends_with("/mpu/create/1/r/artifacts/models") {
            let part = |number: u64| {
                json!({ "url": format!("{base}/part/{number}?sig=hunter2"), "part_number": number,
                    "headers": { "x-part": number.to_string() } })
            };
            let parts: Vec<_> = (1..=call.json()["num_parts"].as_u64().unwrap()).map(part).collect();
            return answer(200, &json!({ "upload_id": "u1", "credentials": parts }));
        }
        match path.strip_prefix("/part/") {
            Some(rest) if rest.starts_with('2') && !failed.swap(true, Ordering::SeqCst) => {
                answer(500, &json!({}))
            }
            Some(rest) => {
                let number = rest.split('?').next().unwrap();
                Some((200, format!("ETag: \"e{number}\"\r\n"), String::new()))
            }
            None => taken(call),
        }
    });
    let home = home();
    let platform = open(config(&server.url()), home.path());
    platform.resume_run(RUN).unwrap();
    log_parts(&*platform, RUN);
    assert!(platform.flush(PATIENCE), "{:?}", platform.statuses());
    let calls = server.calls();
    let of = |mark: &str| calls.iter().filter(|call| call.path.contains(mark)).collect::<Vec<_>>();
    assert_eq!((of("mpu/create").len(), of("mpu/abort").len(), of("mpu/complete").len()), (2, 1, 1));
    let last = of("mpu/complete")[0].json();
    assert_eq!((&last["path"], &last["upload_id"]), (&json!("large"), &json!("u1")));
    let tags: Vec<_> = last["parts"].as_array().unwrap().iter().map(|part| part["etag"].clone()).collect();
    assert_eq!(tags, ["\"e1\"", "\"e2\"", "\"e3\""]);
    let mut whole = Vec::new();
    for number in 1..=3 {
        let part = of(&format!("/part/{number}")).pop().unwrap();
        assert_eq!(part.header("x-part"), Some(&*number.to_string()));
        assert_eq!(part.header("authorization"), None);
        whole.extend_from_slice(&part.body);
    }
    assert!(whole == (0..3_u32 << 20).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
    assert!(!format!("{:?}", platform.statuses()).contains("hunter2"));
}

#[test]
fn a_server_whose_store_knows_no_parts_gets_the_whole_file() {
    let asked = [
        ("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true"),
        ("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "1000000"),
    ];
    if !alone("servers::a_server_whose_store_knows_no_parts_gets_the_whole_file", &asked) {
        return;
    }
    let (server, home) = (Mlflow::shared(), home());
    let platform = open(config(&server.url()), home.path());
    let run = start(&*platform, &name("whole"));
    log_parts(&*platform, &run);
    assert!(platform.flush(PATIENCE), "{:?}", platform.statuses());
    assert_eq!(ledger(&*platform).dead_lettered, 0, "{:?}", platform.statuses());
    let (_, read) = server.ask(&format!("runs/get?run_id={run}"), None);
    let uri = read["run"]["info"]["artifact_uri"].as_str().unwrap();
    let place = uri.replace("mlflow-artifacts:", "/api/2.0/mlflow-artifacts/artifacts");
    assert_eq!(server.download(&format!("{place}/models/large")).len(), 12 << 20);
}
