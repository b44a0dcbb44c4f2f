//! The platform that keeps a run of the shell, from one command to the next.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nethical::config::{Section, find};
use nethical::delivery::{Full, Settings, SpoolSettings};
use nethical::destinations::Validated;
use nethical::destinations::mlflow::MlflowConfig;
use nethical::event::Redaction;
use nethical::{Config, Platform, RunStatus, Status};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::{self, count, warning};

/// Reading goes on when there is room, whenever that is.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// What is left to do once everything is delivered.
const CLOSING: Duration = Duration::from_secs(2);

/// How long a server is waited for that is to say how a run stands.
const ASKING: Duration = Duration::from_secs(5);

/// What started the run, as far as a shell's command knows.
const PROGRAM: &str = "nethical run";

pub(super) struct Shell {
    pub(super) platform: Arc<dyn Platform>,
    /// How much of the time for delivering has been waited already.
    waited: Cell<Duration>,
}

impl Shell {
    /// Open what was asked for, else the first MLflow of the configuration, else the usual one.
    pub(super) fn open(tracking_uri: Option<&str>, config: Option<&Path>) -> Result<Self, Failure> {
        if let Some(uri) = tracking_uri {
            return Self::open_alone(MlflowConfig::new(uri));
        }
        let config = find(config).map(Config::load).transpose()?;
        let mut configured = config.iter().flat_map(|config| config.section(Section::Runs));
        match configured.find(|one| one.kind().name == "mlflow") {
            Some(one) => Ok(Self::of(one.platform(&feeding, &Redaction::default())?)),
            None => Self::open_alone(MlflowConfig::default()),
        }
    }

    fn open_alone(mut options: MlflowConfig) -> Result<Self, Failure> {
        options.source_name = Some(PROGRAM.to_owned());
        let spool = SpoolSettings { identity: options.identity(), ..SpoolSettings::default() };
        let settings = feeding(options.settings(Settings { spool, ..Settings::default() }));
        let opened = Arc::new(options).platform("mlflow", settings, &Redaction::default());
        let platform =
            opened.ok_or_else(|| Failure::usage("MLflow keeps no runs here", "name a server"))??;
        Ok(Self::of(platform))
    }

    fn of(platform: Arc<dyn Platform>) -> Self {
        Self { platform, waited: Cell::default() }
    }

    /// End a run, unless it has ended: then this end is refused if it is another one.
    pub(super) fn end(&self, run: &str, status: RunStatus, wait: Duration) -> Result<(), Failure> {
        let since = Instant::now();
        // An end that an earlier command left comes first.
        self.platform.flush(wait);
        let known = self.platform.ask_status(run, wait.saturating_sub(since.elapsed()).min(ASKING));
        self.waited.set(since.elapsed());
        match known.filter(|known| known.is_end()) {
            Some(known) if known == status => Ok(()),
            Some(known) => Err(ended(run, known)),
            None => Ok(self.platform.end_run(run, status, None).map(drop)?),
        }
    }

    /// Deliver what was told, and say what became of it.
    pub(super) fn finish(&self, wait: Duration) -> Exit {
        self.platform.flush(wait.saturating_sub(self.waited.get()));
        let statuses = self.platform.statuses();
        statuses.iter().map(|status| account(status, wait)).max().unwrap_or(Exit::Success)
    }
}

fn ended(run: &str, status: RunStatus) -> Failure {
    let message = format!("the run `{run}` has ended already, as {status}");
    let hint = Some("it stays as it is; `nethical run start` begins a new one".to_owned());
    Failure::Message { exit: Exit::Refused, message, hint }
}

/// What became of what one queue got.
fn account(status: &Status, wait: Duration) -> Exit {
    let ledger = status.ledger.since(&status.inherited);
    let cause = status.last_error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    let hint = status.last_error.as_ref().and_then(|error| error.hint());
    let lost = ledger.dead_lettered + ledger.dropped();
    if lost > 0 {
        render::error(&format!("{} refused by `{}`{cause}", count(lost, "update"), status.name), hint);
        return Exit::Refused;
    }
    if ledger.waiting > 0 {
        let (left, after) = (count(ledger.waiting, "update"), wait.as_secs_f64());
        let kept = if status.key.is_some() { "kept for the next command: " } else { "" };
        warning(&format!("{kept}{left} not delivered to `{}` after {after} s{cause}", status.name), hint);
        return Exit::Later;
    }
    Exit::Success
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.platform.close(CLOSING);
    }
}

fn feeding(mut settings: Settings) -> Settings {
    settings.observer = Arc::new(render::notice);
    settings.queue.full = Full::Block(FOREVER);
    settings
}
