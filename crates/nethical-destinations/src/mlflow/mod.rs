//! MLflow: over the REST API of its tracking server, or in an SQLite file that `mlflow ui` opens.

mod address;
mod artifacts;
mod auth;
mod config;
mod context;
mod deliver;
mod errors;
mod ids;
mod limits;
mod server;
#[cfg(feature = "mlflow-embedded")]
mod store;
mod target;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nethical_core::delivery::{
    Batch, Destination, Error, Profile, Receipt, Schedule, Settings, SpoolSettings,
};
use nethical_core::event::{EventId, Family, Redaction, RunStart};
use nethical_core::tracking::{Backend, LOCAL_PREFIX, Platform, RunStatus, StartRun, local_id};
use serde_json::{Value, json};

pub use self::config::{MlflowConfig, StartTimeout};
use self::limits::{check_experiment, check_key, check_path, param_text};
use self::server::Server;
#[cfg(feature = "mlflow-embedded")]
pub use self::store::{Reader, Replay, ReplayOutcome, ReplayReport};
pub use self::target::uri_of;
use crate::support::aws::Environment;
use crate::support::platform;
use crate::{Descriptor, Validated};

/// MLflow.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "mlflow",
    families: &[Family::Runs],
    summary: "Keep runs on an MLflow tracking server, or in a file that MLflow opens",
    docs: include_str!("docs.md"),
    example: include_str!("example.toml"),
    schema: || schemars::schema_for!(MlflowConfig),
    parse: |options| {
        let config = options.read::<MlflowConfig>()?;
        match config.fault() {
            None => Ok(Arc::new(config.absolute())),
            Some(wrong) => Err(options.error_at(wrong.key, wrong.message).with_hint(wrong.hint)),
        }
    },
};

/// Updates that close a batch before its age does: as many points as one request takes.
const BATCH: usize = 1_000;

/// Updates in one batch, which may be of many runs.
const MOST: usize = 5_000;

impl MlflowConfig {
    /// This process's view of the server.
    fn server(&self) -> Result<Arc<Server>, Error> {
        self.server.get(|| Server::open(self).map(Arc::new)).clone()
    }

    /// This process's view of the file.
    #[cfg(feature = "mlflow-embedded")]
    fn store(&self) -> Result<Arc<store::Store>, Error> {
        self.store.get(|| store::Store::of(self).map(Arc::new)).clone()
    }

    /// The same as [`server`](Self::server), keeping the ids that the server gives in this home.
    fn at_home(&self, spool: &SpoolSettings) -> Self {
        let home = spool.directory().filter(|_| spool.enabled != Some(false) && SpoolSettings::is_allowed());
        let mut config = self.clone();
        (config.home, config.server) = (Some(home), Arc::default());
        #[cfg(feature = "mlflow-embedded")]
        {
            config.store = Arc::default();
        }
        config
    }
}

impl Validated for MlflowConfig {
    fn identity(&self) -> Option<String> {
        Some(self.shown())
    }

    /// For a server: reads certificates and credentials, reaches nothing. A file is opened, and made if it is missing.
    fn open(&self) -> Result<Arc<dyn Destination>, Error> {
        #[cfg(feature = "mlflow-embedded")]
        if self.file().is_some() {
            return Ok(Arc::new(store::Embedded(self.store()?)));
        }
        let config = if self.home.is_some() { self.clone() } else { self.at_home(&SpoolSettings::default()) };
        Ok(Arc::new(Mlflow { server: config.server()?, max_events: MOST }))
    }

    fn settings(&self, usual: Settings) -> Settings {
        #[cfg(feature = "mlflow-embedded")]
        if self.file().is_some() {
            return store::settings(usual);
        }
        Settings { batch_size: BATCH, ..usual }
    }

    fn stored(&self) -> Option<PathBuf> {
        self.file()
    }

    fn platform(
        self: Arc<Self>,
        name: &str,
        settings: Settings,
        redaction: &Redaction,
    ) -> Option<Result<Arc<dyn Platform>, Error>> {
        let config = Arc::new(self.at_home(&settings.spool).absolute());
        let (runs, apart) = (Arc::new(Runs { config: Arc::clone(&config) }), Arc::clone(&config));
        if config.file().is_some() {
            return Some(platform::open(config, runs, name, settings, redaction));
        }
        let artifacts = move || Ok(Arc::new(Mlflow { server: apart.server()?, max_events: 1 }) as _);
        Some(platform::open_apart(config, artifacts, runs, name, settings, redaction))
    }
}

struct Mlflow {
    server: Arc<Server>,
    max_events: usize,
}

#[async_trait]
impl Destination for Mlflow {
    /// A point, parameter or tag that comes again is the same one, and a run is searched for before it is created again.
    fn profile(&self) -> Profile {
        Profile {
            max_events: self.max_events,
            max_bytes: 4 << 20,
            repeat_safe: true,
            retry: Schedule { first: Duration::from_millis(200), cap: Duration::from_secs(10) },
            ..Profile::default()
        }
    }

    async fn deliver(&self, batch: &Batch) -> Result<Receipt, Error> {
        deliver::deliver(&self.server, batch).await
    }

    /// Searches for one experiment, which needs what a delivery needs and changes nothing.
    async fn probe(&self) -> Result<String, Error> {
        self.server.post("experiments/search", json!({ "max_results": 1 })).await?;
        let version = self.server.version().await;
        let version = version.map(|version| format!(" {version}")).unwrap_or_default();
        Ok(format!("MLflow{version} at {}", self.server.address.shown()))
    }
}

/// What MLflow adds to the calls of a program.
#[derive(Debug)]
struct Runs {
    config: Arc<MlflowConfig>,
}

impl Backend for Runs {
    fn kind(&self) -> &'static str {
        DESCRIPTOR.name
    }

    /// 32 hexadecimal digits in a file, as MLflow's own; for a server one that it replaces.
    fn new_id(&self, _start: &RunStart) -> String {
        match self.config.file() {
            Some(_) => EventId::new().to_string().replace('-', ""),
            None => local_id(),
        }
    }

    fn marks_key(&self) -> Option<String> {
        self.config.file().map(|file| uri_of(&file))
    }

    fn complete(&self, start: &mut RunStart) {
        if start.experiment.is_empty() {
            "Default".clone_into(&mut start.experiment);
        }
        let environment = Environment::default();
        let user = self.config.username.as_deref();
        for (name, value) in context::tags(self.config.source_name.as_deref(), user, &environment) {
            if !start.tags.0.iter().any(|(known, _)| *known == name) {
                start.tags.0.push((name, value));
            }
        }
    }

    fn begin(&self, key: &str, start: &RunStart, time: i64) -> Result<Option<String>, Error> {
        #[cfg(feature = "mlflow-embedded")]
        if self.config.file().is_some() {
            let begun = self.config.store()?.begin(key, start, time, self.config.start_timeout.get())?;
            return Ok(begun.then(|| key.to_owned()));
        }
        self.config.server()?.begin(key, start, time)
    }

    fn ask_status(&self, run: &str, patience: Duration) -> Option<RunStatus> {
        #[cfg(feature = "mlflow-embedded")]
        if self.config.file().is_some() {
            return self.config.store().ok()?.status(run);
        }
        self.config.server().ok()?.status(run, patience)
    }

    fn check_start(&self, start: &StartRun<'_>) -> Result<(), Error> {
        check_experiment(start.experiment)
    }

    fn check_resume(&self, run: &str) -> Result<(), Error> {
        let of_server = run.len() == 32 && run.bytes().all(|byte| byte.is_ascii_hexdigit());
        if of_server || run.starts_with(LOCAL_PREFIX) && self.config.file().is_none() {
            return Ok(());
        }
        Err(Error::refused("mlflow.run_id", format!("`{run}` is no id of a run"))
            .with_hint("use what `start_run` returned, or the 32 characters that MLflow shows"))
    }

    fn check_parameter(&self, name: &str, value: &Value, before: Option<&Value>) -> Result<(), Error> {
        check_key("parameter", name)?;
        let text = param_text(value);
        if let Some(before) = before.map(param_text).filter(|before| *before != text) {
            let message =
                format!("the parameter `{name}` is `{before}` already, and MLflow changes no parameter");
            return Err(Error::refused("mlflow.param_changed", message)
                .with_hint("log it under another name, or in a run of its own"));
        }
        warn_if_long("parameter", name, &text, limits::PARAM);
        Ok(())
    }

    fn check_metric(&self, name: &str, _value: f64, _step: Option<i64>) -> Result<(), Error> {
        check_key("metric", name)
    }

    fn check_tag(&self, name: &str, value: &str) -> Result<(), Error> {
        check_key("tag", name)?;
        warn_if_long("tag", name, value, limits::TAG);
        Ok(())
    }

    fn check_artifact(&self, path: &str) -> Result<(), Error> {
        check_path(path)
    }
}

fn warn_if_long(what: &str, name: &str, text: &str, limit: usize) {
    // Fewer bytes than that are fewer characters too.
    if text.len() > limit && text.chars().count() > limit {
        tracing::warn!(target: "nethical", "mlflow: the {what} `{name}` is cut: MLflow keeps {limit} characters");
    }
}
