//! A server, a place for runs, and what tests do with them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nethical_core::delivery::{Settings, SpoolSettings};
use nethical_core::event::{Metadata, Redaction};
use nethical_core::spool::{DeadLetter, DeadLetterLog, Disk, Filter, Home, Retention};
use nethical_core::tracking::{Platform, StartRun};
use nethical_destinations::wandb::{Mode, Wandb, WandbConfig};
use nethical_receivers::wandb as fake;

/// Long enough for everything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) server: fake::Wandb,
    pub(crate) folder: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { server: fake::Wandb::start().unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn config(&self) -> WandbConfig {
        let mut config = WandbConfig::new("proj");
        config.entity = Some("my-team".to_owned());
        config.api_key = Some("0".repeat(40));
        config.base_url = Some(self.server.url());
        config.directory = Some(self.folder.path().to_owned());
        config.mode = Some(Mode::Online);
        config.upload_interval = 0.02;
        config
    }

    pub(crate) fn settings(&self) -> Settings {
        let spool = SpoolSettings { home: Some(self.home()), ..SpoolSettings::default() };
        Settings { spool, observer: Arc::new(|_| {}), ..Settings::default() }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(crate) fn open(&self) -> Arc<Wandb> {
        self.open_with(&self.config())
    }

    pub(crate) fn open_with(&self, config: &WandbConfig) -> Arc<Wandb> {
        Wandb::open(config, "wandb", self.settings(), &Redaction::default()).unwrap()
    }

    pub(crate) fn offline(&self) -> WandbConfig {
        WandbConfig { mode: Some(Mode::Offline), ..self.config() }
    }

    pub(crate) fn at_server(&self, id: &str) -> fake::Run {
        assert_eq!(self.server.violations(), Vec::<String>::new());
        self.server.run(id).unwrap_or_else(|| panic!("the server has no run {id}"))
    }

    /// What was refused, as every tool sees it.
    pub(crate) fn dead_letters(&self) -> Vec<DeadLetter> {
        let folder = Home::new(Arc::new(Disk), self.home()).dead_letters();
        let log = DeadLetterLog::open(Arc::new(Disk), &folder, Retention::default()).unwrap();
        log.list(&Filter::default(), 100).unwrap()
    }

    /// Every account is whole.
    pub(crate) fn assert_balance(&self, platform: &dyn Platform) {
        for status in platform.statuses() {
            assert!(status.ledger.balances(), "{:?}", status.ledger);
        }
    }
}

pub(crate) fn start(platform: &dyn Platform) -> String {
    platform
        .start_run(&StartRun { experiment: "exp", name: Some("one"), tags: &[("team", "vision")] })
        .unwrap()
}

pub(crate) fn parameters() -> Metadata {
    Metadata::new().with("lr", 0.1).with("net", serde_json::json!({ "depth": 3, "api_key": "s3cret" }))
}

pub(crate) fn losses(run: &fake::Run) -> Vec<f64> {
    run.rows().iter().map(|row| row["loss"].as_f64().unwrap()).collect()
}
