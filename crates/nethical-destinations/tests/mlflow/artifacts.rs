use std::fs;
use std::os::unix::fs::symlink;

use nethical_core::tracking::ArtifactOptions;
use testkit::mlflow::Mlflow;
use testkit::proxy::Proxy;
use testkit::until;

use crate::{PATIENCE, artifact_error, config, home, ledger, name, open, start, with_timeout, write};

const PLACE: &str = "/api/2.0/mlflow-artifacts/artifacts";

fn place(server: &Mlflow, run: &str) -> String {
    let (_, read) = server.ask(&format!("runs/get?run_id={run}"), None);
    let uri = read["run"]["info"]["artifact_uri"].as_str().unwrap().to_owned();
    uri.replace("mlflow-artifacts:", PLACE)
}

#[test]
fn files_and_folders_arrive_byte_by_byte() {
    let (server, home) = (Mlflow::shared(), home());
    let platform = open(config(&server.url()), home.path());
    let run = start(&*platform, &name("files"));
    let names = ["a b%c.txt", "x;y,z'!@$&()+=[]^`{}~.bin", "é日本.json", "q?.csv"];
    let data = home.path().join("data");
    for (size, name) in names.iter().enumerate() {
        write(&data, &format!("sub/{name}"), &vec![b'x'; size * 100_000]);
    }
    symlink(data.join("sub"), data.join("linked")).unwrap();
    platform.log_artifact(&run, &data, &ArtifactOptions::default()).unwrap();
    let single = write(home.path(), "single", b"one");
    platform.log_artifact(&run, &single, &ArtifactOptions { folder: Some("deep/er"), copy: false }).unwrap();
    fs::remove_dir_all(&data).unwrap();
    assert!(platform.flush(PATIENCE), "{:?}", platform.statuses());
    assert_eq!(ledger(&*platform).dead_lettered, 0, "{:?}", platform.statuses());
    let place = place(&server, &run);
    for (size, name) in names.iter().enumerate() {
        let coded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for folder in ["sub", "linked"] {
            let found = server.download(&format!("{place}/data/{folder}/{coded}"));
            assert_eq!(found.len(), size * 100_000, "{folder}/{name}");
        }
    }
    assert_eq!(server.download(&format!("{place}/deep/er/single")), b"one");
    let copies = home.path().join("runs/artifacts");
    assert_eq!(fs::read_dir(copies).unwrap().count(), 0, "copies are removed when they have arrived");
}

#[test]
fn an_artifact_waits_for_a_start_that_nobody_waited_for() {
    let (server, home) = (Mlflow::shared(), home());
    let platform = open(with_timeout(&server.url(), 0.0), home.path());
    let run = start(&*platform, &name("at once"));
    let file = write(home.path(), "single", b"one");
    platform.log_artifact(&run, &file, &ArtifactOptions::default()).unwrap();
    until("it has arrived", || platform.statuses()[1].ledger.confirmed == 1);
    assert!(platform.statuses()[1].last_error.is_none(), "{:?}", platform.statuses()[1].last_error);
}

#[test]
fn what_cannot_be_right_is_said_at_the_call_or_ends_as_a_dead_letter() {
    let (server, home) = (Mlflow::shared(), home());
    let platform = open(config(&server.url()), home.path());
    let run = start(&*platform, &name("wrong"));
    let code = |path: &std::path::Path, copy| {
        platform.log_artifact(&run, path, &ArtifactOptions { folder: None, copy }).unwrap_err().code()
    };
    assert_eq!(code(&home.path().join("missing"), true), "artifact.unreadable");
    assert_eq!(code(&write(home.path(), "a#b", b"x"), false), "mlflow.artifact_path");
    assert_eq!(code("s3://bucket/key".as_ref(), true), "artifact.address");

    let changing = write(home.path(), "changing", b"before");
    platform.log_artifact(&run, &changing, &ArtifactOptions { folder: None, copy: false }).unwrap();
    fs::write(&changing, b"aft").unwrap();
    assert!(platform.flush(PATIENCE));
    assert_eq!(artifact_error(&*platform), "artifact_changed");

    platform.log_artifact(&run, &write(home.path(), "x", b"file"), &ArtifactOptions::default()).unwrap();
    assert!(platform.flush(PATIENCE));
    let below = ArtifactOptions { folder: Some("x"), copy: true };
    platform.log_artifact(&run, &write(home.path(), "y", b"below a file"), &below).unwrap();
    platform.log_metrics(&run, &[("after", 1.0)], None).unwrap();
    assert!(platform.flush(PATIENCE), "{:?}", platform.statuses());
    assert_eq!(artifact_error(&*platform), "mlflow.artifact_path");
    assert_eq!(server.history(&run, "after").len(), 1);
    assert_eq!(ledger(&*platform).dead_lettered, 2);
}

#[test]
fn a_folder_goes_on_where_its_connection_broke() {
    let (server, home) = (Mlflow::shared(), home());
    let proxy = Proxy::to(server.address());
    let platform = open(config(&proxy.url()), home.path());
    let run = start(&*platform, &name("broken"));
    let data = home.path().join("data");
    for number in 0..40 {
        write(&data, &number.to_string(), number.to_string().as_bytes());
    }
    platform.log_artifact(&run, &data, &ArtifactOptions::default()).unwrap();
    for mark in ["data/3", "data/17"] {
        proxy.swallow_answers(mark, 1);
        platform.flush(std::time::Duration::from_millis(300));
    }
    assert!(platform.flush(PATIENCE), "{:?}", platform.statuses());
    let place = place(&server, &run);
    for number in 0..40 {
        assert_eq!(server.download(&format!("{place}/data/{number}")), number.to_string().as_bytes());
    }
}
