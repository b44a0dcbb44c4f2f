//! The official client, in both directions: its own directories, its own resume, and what it sends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nethical_core::delivery::SpoolSettings;
use nethical_core::tracking::{Platform, RunStatus, StartRun};
use nethical_destinations::wandb::{ArtifactSpec, Row, SyncOutcome, Syncer, WandbStart};
use nethical_receivers::wandb as fake;

use crate::world::{PATIENCE, World, losses, parameters, start};

fn program(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    let path = target.join("peers/wandb/bin").join(name);
    assert!(path.is_file(), "no {}: `cargo xtask peers` installs it", path.display());
    path
}

/// Runs the official client, and gives what it printed.
fn client(world: &World, program_name: &str, arguments: &[&str], more: &[(&str, &str)]) -> String {
    let mut command = Command::new(program(program_name));
    command.args(arguments).current_dir(world.folder.path()).env_clear();
    command.env("HOME", world.folder.path()).env("PATH", "/usr/bin:/bin");
    command.env("WANDB_BASE_URL", world.server.url()).env("WANDB_API_KEY", "0".repeat(40));
    command.env("WANDB_ERROR_REPORTING", "false").env("WANDB_SILENT", "false");
    command.envs(more.iter().copied());
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

/// The script that both clients run.
const SCRIPT: &str = "
import os, wandb
settings = wandb.Settings(console='off', x_disable_stats=True, disable_git=True, disable_code=True)
run = wandb.init(project='proj', entity='my-team', id=os.environ['RUN'], name='one', group='exp', notes='n',
    job_type='train', tags=['a', 'b'], config={'lr': 0.1, 'net': {'depth': 3, 'act': 'relu'}}, settings=settings,
    resume=os.environ.get('RESUME'))
run.define_metric('epoch')
run.define_metric('val/*', step_metric='epoch', summary='min')
for i in range(int(os.environ['ROWS'])):
    run.log({'loss': 1 / (i + 1), 'epoch': i, 'val/loss': float('nan') if i == 1 else 2.0 * i, 'whole': 3.0, 'nested': {'x': i, 'y': 0.5}})
if os.environ.get('ARTIFACT'):
    artifact = wandb.Artifact('bert', type='model')
    artifact.add_file(os.environ['ARTIFACT'])
    run.log_artifact(artifact)
run.finish()
";

fn official(world: &World, id: &str, rows: usize, more: &[(&str, &str)]) -> String {
    let rows = rows.to_string();
    let own = [("RUN", id), ("ROWS", &rows)];
    client(world, "python", &["-c", SCRIPT], &[&own[..], more].concat())
}

/// The same with ours.
fn ours(world: &World, id: &str, rows: usize, artifact: &Path) {
    let platform = world.open();
    let start = StartRun { experiment: "exp", name: Some("one"), tags: &[] };
    let own = WandbStart {
        id: Some(id),
        job_type: Some("train"),
        notes: Some("n"),
        tags: &["a", "b"],
        resume: None,
    };
    platform.start(&start, &own).unwrap();
    let config = nethical_core::event::Metadata::new()
        .with("lr", 0.1)
        .with("net", serde_json::json!({ "depth": 3, "act": "relu" }));
    platform.log_parameters(id, &config).unwrap();
    let define = |name, step_metric, summary| {
        let definition =
            nethical_destinations::wandb::MetricDefinition { name, step_metric, summary, hidden: false };
        platform.define_metric(id, &definition).unwrap();
    };
    define("epoch", None, &[]);
    define("val/*", Some("epoch"), &["min"]);
    for row in 0..rows {
        let mut values = Row::default();
        values.number("loss", 1.0 / (row as f64 + 1.0));
        values.integer("epoch", row as i64);
        values.number("val/loss", if row == 1 { f64::NAN } else { 2.0 * row as f64 });
        values.number("whole", 3.0);
        values.json("nested", &format!("{{\"x\": {row}, \"y\": 0.5}}"));
        platform.log(id, &values, None).unwrap();
    }
    let spec = ArtifactSpec { name: Some("bert"), kind: Some("model"), ..ArtifactSpec::default() };
    platform.add_artifact(id, artifact, &spec).unwrap();
    assert!(platform.end_run(id, RunStatus::Completed, Some(PATIENCE)).unwrap());
}

#[test]
fn its_sync_uploads_our_offline_run() {
    let world = World::new();
    let platform = world.open_with(&world.offline());
    let id = start(&*platform);
    platform.log_parameters(&id, &parameters()).unwrap();
    for row in 0..200 {
        platform.log_metrics(&id, &[("loss", f64::from(row)), ("acc", 0.5)], None).unwrap();
    }
    let file = world.folder.path().join("model");
    std::fs::write(&file, "weights").unwrap();
    platform
        .add_artifact(&id, &file, &ArtifactSpec { name: Some("bert"), ..ArtifactSpec::default() })
        .unwrap();
    platform.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap();
    let directory = platform.directory(&id).unwrap().unwrap();
    platform.close(PATIENCE);
    let said = client(&world, "wandb", &["sync", directory.to_str().unwrap()], &[]);
    let run = world.server.run(&id).unwrap_or_else(|| panic!("{said}"));
    assert_eq!(losses(&run), (0..200).map(f64::from).collect::<Vec<_>>(), "{said}");
    assert_eq!(
        (run.exit_code, run.display_name.as_deref(), run.group.as_deref()),
        (Some(0), Some("one"), Some("exp"))
    );
    assert_eq!(run.configured("net").unwrap()["depth"], 3);
    assert_eq!(run.tags, ["team:vision"]);
    assert!(run.summary.unwrap().contains("\"loss\":199"));
    assert!(world.server.artifacts()[0].committed, "{:?}", world.server.violations());
    assert_eq!(world.server.artifacts()[0].files["model"], b"weights");
}

#[test]
fn its_resume_goes_on_behind_our_last_row() {
    let world = World::new();
    let platform = world.open();
    let id = start(&*platform);
    for row in 0..7 {
        platform.log_metrics(&id, &[("loss", f64::from(row))], None).unwrap();
    }
    assert!(platform.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap());
    official(&world, &id, 3, &[("RESUME", "must")]);
    let run = world.server.run(&id).unwrap();
    let steps: Vec<_> = run.rows().iter().map(|row| row["_step"].as_i64().unwrap()).collect();
    assert_eq!(steps, (0..10).collect::<Vec<_>>(), "{:?}", run.history);
    assert_eq!(losses(&run)[..8], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1.0]);
    assert_eq!(world.server.violations(), Vec::<String>::new());
}

#[test]
fn our_sync_uploads_its_offline_run_once() {
    let world = World::new();
    official(&world, "theirs", 20, &[("WANDB_MODE", "offline")]);
    assert!(world.server.runs().is_empty());
    let sync = || {
        let spool = SpoolSettings { home: Some(world.home()), ..SpoolSettings::default() };
        let mut syncer = Syncer::new("wandb", &world.config(), &spool, None).unwrap();
        syncer.add(world.folder.path()).unwrap();
        let until = Instant::now() + PATIENCE;
        while !syncer.is_done() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        syncer.finish(Duration::from_secs(1))
    };
    let reports = sync();
    assert!(matches!(reports[0].outcome, SyncOutcome::Synced), "{reports:?}");
    let run = world.at_server("theirs");
    let off = |(row, loss): (usize, f64)| (loss - 1.0 / (row as f64 + 1.0)).abs();
    assert!(losses(&run).into_iter().enumerate().map(off).all(|off| off < 1e-12), "{:?}", run.history);
    assert_eq!(run.history.len(), 20);
    assert_eq!(
        (run.exit_code, run.display_name.as_deref(), run.notes.as_deref()),
        (Some(0), Some("one"), Some("n"))
    );
    assert_eq!(run.configured("net").unwrap()["act"], "relu");
    assert!(
        run.history[1].contains("NaN") && run.summary.as_ref().unwrap().contains("\"val/loss\":{\"min\"")
    );
    assert!(matches!(sync()[0].outcome, SyncOutcome::Already));
    std::fs::remove_file(reports[0].path.join("run-theirs.wandb.synced")).unwrap();
    assert!(matches!(sync()[0].outcome, SyncOutcome::Synced));
    assert_eq!(world.at_server("theirs").history.len(), 20, "its own sync would send them twice");
}

/// Where what arrives from us differs from what arrives from the official client for the same script, and why.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "config/_wandb",
        "its telemetry: versions, features and the machine. We send none; `t` and `m` are there",
    ),
    ("file/config.yaml", "it uploads the configuration a second time, as a file"),
    ("file/requirements.txt", "it uploads the list of installed packages"),
    ("file/wandb-metadata.json", "it uploads a description of the machine and the program"),
    ("file/wandb-summary.json", "it uploads the summary a second time, as a file"),
    ("row/whole", "it writes a whole float as an integer, `3`; we write `3.0`, the same number"),
    ("row/val/loss", "the same, for 0.0 and 4.0"),
    ("summary/whole", "the same, in the summary"),
    ("summary/nested", "it writes no blanks; we leave the value as it was given"),
    ("row/nested", "the same, in rows"),
    ("summary/val/loss", "as for `whole`"),
    ("row/loss", "the same, for 1.0"),
];

/// What arrived, field by field, without what differs from run to run.
fn arrived(run: &fake::Run, artifacts: &[fake::Artifact]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut put = |name: &str, value: String| drop(all.insert(name.to_owned(), value));
    put("place", format!("{}/{}", run.entity, run.project));
    put("name", format!("{:?} {:?} {:?} {:?}", run.display_name, run.group, run.job_type, run.notes));
    put("tags", format!("{:?}", run.tags));
    put("end", format!("{} {:?}", run.state, run.exit_code));
    put("output", run.output.len().to_string());
    for (name, value) in run.config.as_object().unwrap() {
        put(&format!("config/{name}"), sorted(value));
    }
    let metrics: Vec<BTreeMap<String, serde_json::Value>> =
        serde_json::from_value(run.config["_wandb"]["value"]["m"].clone()).unwrap();
    put("metrics", format!("{metrics:?}"));
    put("telemetry is there", run.config["_wandb"]["value"]["t"].is_object().to_string());
    for (name, bytes) in &run.files {
        put(&format!("file/{name}"), bytes.len().to_string());
    }
    let changing = ["_timestamp", "_runtime", "_wandb"];
    for line in &run.history {
        for (name, value) in fields(line) {
            let name = format!("row/{name}");
            let shown = if changing.iter().any(|changing| name.ends_with(changing)) {
                "a number".to_owned()
            } else {
                value
            };
            let before = all.remove(&name).unwrap_or_default();
            all.insert(name, format!("{before} {shown}"));
        }
    }
    for (name, value) in fields(run.summary.as_deref().unwrap()) {
        let shown = if changing.contains(&name.as_str()) { "a number".to_owned() } else { value };
        all.insert(format!("summary/{name}"), shown);
    }
    for artifact in artifacts {
        let shown =
            format!("{} {:?} {} {:?}", artifact.kind, artifact.aliases, artifact.committed, artifact.files);
        all.insert(format!("artifact/{}", artifact.name), shown);
    }
    all
}

/// A value whatever the order of its names: the official client writes them in another one each time.
fn sorted(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.iter().map(|(name, value)| (name, sorted(value))).collect();
            format!("{sorted:?}")
        }
        serde_json::Value::Array(items) => format!("{:?}", items.iter().map(sorted).collect::<Vec<_>>()),
        other => other.to_string(),
    }
}

/// The values of an object as they are written.
fn fields(line: &str) -> Vec<(String, String)> {
    let quoted = line.replace("NaN", "\"NaN\"");
    let object: BTreeMap<String, Box<serde_json::value::RawValue>> = serde_json::from_str(&quoted).unwrap();
    object.into_iter().map(|(name, value)| (name, value.get().to_owned())).collect()
}

#[test]
fn what_arrives_from_us_differs_only_where_it_is_meant_to() {
    let (one, two) = (World::new(), World::new());
    let file = one.folder.path().join("model.bin");
    std::fs::write(&file, "weights").unwrap();
    official(&one, "r1", 3, &[("ARTIFACT", file.to_str().unwrap())]);
    ours(&two, "r1", 3, &file);
    let theirs = arrived(&one.at_server("r1"), &one.server.artifacts());
    let ours = arrived(&two.at_server("r1"), &two.server.artifacts());
    let names: std::collections::BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
    let odd: Vec<_> = names
        .into_iter()
        .filter(|name| theirs.get(*name) != ours.get(*name))
        .filter(|name| !DIFFERENCES.iter().any(|(known, _)| known == name))
        .map(|name| format!("{name}: official {:?}, ours {:?}", theirs.get(name), ours.get(name)))
        .collect();
    assert_eq!(odd, Vec::<String>::new());
    let same = |(name, _): &&(&str, &str)| theirs.get(*name) == ours.get(*name);
    let stale: Vec<_> = DIFFERENCES.iter().filter(same).collect();
    assert!(stale.is_empty(), "no difference any more: {stale:?}");
}
