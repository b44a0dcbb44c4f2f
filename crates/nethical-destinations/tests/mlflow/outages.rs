use std::time::{Duration, Instant};

use nethical_core::tracking::{LOCAL_PREFIX, RunStatus, StartRun};
use testkit::mlflow::Mlflow;
use testkit::proxy::Proxy;
use testkit::until;

use crate::{PATIENCE, config, home, ledger, name, open, start, with_timeout};

fn quick(url: &str) -> nethical_destinations::mlflow::MlflowConfig {
    with_timeout(url, 0.2)
}

#[test]
fn a_server_that_is_down_all_the_time_costs_the_caller_its_start_timeout_once() {
    let (server, home, experiment) = (Mlflow::shared(), home(), name("down"));
    let proxy = Proxy::to(server.address());
    proxy.take_down();
    let platform = open(quick(&proxy.url()), home.path());
    let started = Instant::now();
    let run =
        platform.start_run(&StartRun { experiment: &experiment, name: Some("later"), tags: &[] }).unwrap();
    assert!(started.elapsed() < Duration::from_secs(30));
    assert!(run.starts_with(LOCAL_PREFIX), "{run}");
    for step in 0..300 {
        platform.log_metrics(&run, &[("loss", 1.0)], Some(step)).unwrap();
    }
    platform.end_run(&run, RunStatus::Completed, None).unwrap();
    until("it is seen to be down", || platform.statuses()[0].down_for.is_some());
    assert_eq!(server.runs(&experiment).len(), 0);
    proxy.bring_up();
    assert!(platform.flush(PATIENCE), "{:?}", platform.statuses());
    let runs = server.runs(&experiment);
    assert_eq!(runs.len(), 1);
    assert_eq!(
        (&runs[0]["info"]["run_name"], &runs[0]["info"]["status"]),
        (&"later".into(), &"FINISHED".into())
    );
    let known = platform.get_run(&run).unwrap();
    assert_eq!(runs[0]["info"]["start_time"], known.start_time.as_millisecond());
    assert_eq!(runs[0]["info"]["end_time"], known.end_time.unwrap().as_millisecond());
    let id = runs[0]["info"]["run_id"].as_str().unwrap();
    assert_eq!(server.history(id, "loss").len(), 300);
    assert_eq!(ledger(&*platform).confirmed, 302);
}

#[test]
fn a_run_below_one_that_began_without_the_server_is_below_it_there() {
    let (server, home, experiment) = (Mlflow::shared(), home(), name("nested"));
    let proxy = Proxy::to(server.address());
    proxy.take_down();
    let platform = open(quick(&proxy.url()), home.path());
    let parent = start(&*platform, &experiment);
    let begin = |name, tags: &[(&str, &str)]| {
        platform.start_run(&StartRun { experiment: &experiment, name: Some(name), tags }).unwrap()
    };
    let tag = ("mlflow.parentRunId", parent.as_str());
    begin("from the start", &[tag]);
    let later = begin("later", &[]);
    platform.set_tags(&later, &[tag]).unwrap();
    begin("of nobody", &[("mlflow.parentRunId", "local-nobody")]);
    proxy.bring_up();
    begin("with the server", &[tag]);
    assert!(platform.flush(PATIENCE), "{:?}", platform.statuses());
    let runs = server.runs(&experiment);
    let id = |run: &serde_json::Value| run["info"]["run_id"].as_str().unwrap().to_owned();
    let tag_of = |run: &serde_json::Value| {
        let tags = run["data"]["tags"].as_array().unwrap();
        let found = tags.iter().find(|tag| tag["key"] == "mlflow.parentRunId");
        found.map(|tag| tag["value"].as_str().unwrap().to_owned())
    };
    let root = runs.iter().find(|run| tag_of(run).is_none()).map(id).unwrap();
    let below = runs.iter().filter(|run| tag_of(run).as_deref() == Some(root.as_str())).count();
    assert_eq!((runs.len(), below), (5, 3));
    assert_eq!(ledger(&*platform).dead_lettered, 0);
}

#[test]
fn dropped_answers_to_a_creation_make_no_second_run() {
    let (server, home, experiment) = (Mlflow::shared(), home(), name("ghosts"));
    let proxy = Proxy::to(server.address());
    let platform = open(config(&proxy.url()), home.path());
    for number in 0..6 {
        proxy.swallow_answers("runs/create", 1 + number % 2);
        let run = start(&*platform, &experiment);
        platform.log_metrics(&run, &[("loss", 1.0)], Some(0)).unwrap();
        assert!(
            platform.end_run(&run, RunStatus::Completed, Some(PATIENCE)).unwrap(),
            "{:?}",
            platform.statuses()
        );
    }
    assert!(proxy.swallowed() >= 6);
    let runs = server.runs(&experiment);
    assert_eq!(runs.len(), 6);
    assert!(
        runs.iter()
            .all(|run| run["info"]["status"] == "FINISHED" && run["data"]["metrics"][0]["key"] == "loss")
    );
    assert_eq!(ledger(&*platform).dead_lettered, 0);
}

#[test]
fn dropped_answers_to_points_make_no_second_point() {
    let (server, home, experiment) = (Mlflow::shared(), home(), name("points"));
    let proxy = Proxy::to(server.address());
    let platform = open(config(&proxy.url()), home.path());
    let run = start(&*platform, &experiment);
    proxy.swallow_answers("runs/log-batch", 3);
    let names: Vec<_> = (0..150).map(|number| format!("m{number}")).collect();
    for step in 0..20 {
        let value = if step % 5 == 0 { f64::NAN } else { step as f64 };
        let metrics: Vec<_> = names.iter().map(|name| (name.as_str(), value)).collect();
        platform.log_metrics(&run, &metrics, Some(step)).unwrap();
    }
    assert!(
        platform.end_run(&run, RunStatus::Completed, Some(PATIENCE)).unwrap(),
        "{:?}",
        platform.statuses()
    );
    assert_eq!(proxy.swallowed(), 3);
    for name in [&names[0], &names[149]] {
        assert_eq!(server.history(&run, name).len(), 20);
    }
}

#[test]
fn a_later_process_goes_on_where_one_ended() {
    let (server, home, experiment) = (Mlflow::shared(), home(), name("next"));
    let proxy = Proxy::to(server.address());
    proxy.take_down();
    let platform = open(quick(&proxy.url()), home.path());
    let run = start(&*platform, &experiment);
    platform.log_metrics(&run, &[("loss", 1.0)], Some(0)).unwrap();
    assert!(!platform.close(Duration::from_millis(200)));
    drop(platform);
    proxy.bring_up();
    let next = open(config(&proxy.url()), home.path());
    next.resume_run(&run).unwrap();
    next.log_metrics(&run, &[("loss", 2.0)], Some(1)).unwrap();
    next.end_run(&run, RunStatus::Failed, None).unwrap();
    assert!(next.flush(PATIENCE), "{:?}", next.statuses());
    until("what the first left has arrived", || ledger(&*next).waiting == 0);
    let runs = server.runs(&experiment);
    assert_eq!((runs.len(), &runs[0]["info"]["status"]), (1, &"FAILED".into()));
    assert_eq!(server.history(runs[0]["info"]["run_id"].as_str().unwrap(), "loss").len(), 2);
}

#[test]
fn what_is_the_servers_own_trouble_waits_and_the_caller_never_does() {
    let (server, home, experiment) = (Mlflow::shared(), home(), name("middle"));
    let proxy = Proxy::to(server.address());
    let platform = open(config(&proxy.url()), home.path());
    let run = start(&*platform, &experiment);
    assert_eq!(run.len(), 32);
    for step in 0..600 {
        if step % 100 == 50 {
            proxy.cut();
        }
        platform.log_metrics(&run, &[("loss", 1.0)], Some(step)).unwrap();
        if step == 300 {
            proxy.take_down();
            until("it is seen to be down", || {
                platform.flush(Duration::ZERO);
                platform.statuses()[0].down_for.is_some()
            });
        }
    }
    platform.end_run(&run, RunStatus::Completed, None).unwrap();
    proxy.bring_up();
    assert!(platform.flush(PATIENCE), "{:?}", platform.statuses());
    let steps: Vec<_> =
        server.history(&run, "loss").iter().map(|point| point["step"].as_i64().unwrap_or(0)).collect();
    assert_eq!(steps.len(), 600);
    assert_eq!(server.runs(&experiment)[0]["info"]["status"], "FINISHED");
}
