//! Any text in place of a file in which programs keep credentials, or in which MLflow's tags are found.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use nethical_core::delivery::{Settings, SpoolSettings, runtime};
use nethical_core::event::Redaction;
use nethical_core::tracking::{Platform, StartRun};
use nethical_destinations::Validated;
use nethical_destinations::cloudwatch::CloudWatchConfig;
use nethical_destinations::mlflow::{MlflowConfig, StartTimeout};
use nethical_destinations::wandb::WandbConfig;
use nethical_fuzz::{alone, is_sound, put};

/// Nobody is there.
const NOWHERE: &str = "http://127.0.0.1:9";

/// The files, and what stands in them while another one is tried.
const FILES: [(&str, &str); 9] = [
    (".netrc", ""),
    (".mlflow/credentials", ""),
    (".aws/config", ""),
    (".aws/credentials", "[default]\naws_access_key_id = A\naws_secret_access_key = B\n"),
    ("src/.git/HEAD", "ref: refs/heads/main\n"),
    ("src/.git/config", ""),
    ("src/.git/packed-refs", "1234 refs/heads/main\n"),
    ("src/.git/commondir", ".\n"),
    ("linked/.git", "gitdir: ../src/.git\n"),
];

fuzz_target!(
    init: {
        FILES.iter().for_each(|(path, usual)| write(path, usual.as_bytes()));
        ["src/train.py", "linked/train.py"].iter().for_each(|path| write(path, b""));
        alone(home(), &[("WANDB_BASE_URL", NOWHERE)]);
    },
    |input: &[u8]| {
        let [which, text @ ..] = input else { return };
        let (path, usual) = FILES[usize::from(*which) % FILES.len()];
        write(path, text);
        netrc();
        aws();
        ["src/train.py", "linked/train.py"].iter().for_each(|program| mlflow(&home().join(program)));
        write(path, usual.as_bytes());
    }
);

fn netrc() {
    if let Err(error) = WandbConfig::new("p").open() {
        is_sound(&error);
    }
}

fn aws() {
    let mut config = CloudWatchConfig::new("g", "s");
    config.endpoint_url = Some(NOWHERE.to_owned());
    match config.open() {
        Err(error) => is_sound(&error),
        Ok(logs) => {
            let probed = runtime::wait(async move { logs.probe().await }).expect("a runtime");
            is_sound(&probed.expect_err("nobody is there"));
        }
    }
}

fn mlflow(program: &Path) {
    let mut config = MlflowConfig::new(NOWHERE);
    config.source_name = program.to_str().map(str::to_owned);
    config.start_timeout = StartTimeout(0.0);
    let settings =
        Settings { spool: SpoolSettings::off(), observer: Arc::new(|_| {}), ..Settings::default() };
    let opened = Arc::new(config).platform("mlflow", settings, &Redaction::default()).expect("it keeps runs");
    match opened {
        Err(error) => is_sound(&error),
        Ok(platform) => run(&*platform),
    }
}

fn run(platform: &dyn Platform) {
    let started = platform.start_run(&StartRun { experiment: "e", ..StartRun::default() });
    let run = started.expect("whatever is around it, it can begin");
    assert!(platform.get_run(&run).is_some(), "{run}");
    platform.close(Duration::ZERO);
}

fn home() -> &'static Path {
    static HOME: OnceLock<PathBuf> = OnceLock::new();
    HOME.get_or_init(|| tempfile::tempdir().expect("a folder").keep())
}

fn write(path: &str, text: &[u8]) {
    put(&home().join(path), text);
}
