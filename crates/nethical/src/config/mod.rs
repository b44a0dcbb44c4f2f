//! The configuration: what is delivered where, as a file or a text says it.
//!
//! ```toml
//! [logging.jsonl]                  # a table's name is its destination's name and type
//! filepath = "logs/app.jsonl"
//!
//! [logging.errors]                 # a name of one's own
//! type = "jsonl"
//! filepath = "${LOG_DIR:-logs}/errors.jsonl"
//! level = "error"                  # nothing below goes there
//! queue = { max_events = 10000, full = "drop_oldest" }
//!
//! [alerts]
//! repeat_interval = 3600           # an alert that lasts is sent again after an hour
//!
//! [alerts.slack]
//! webhook_url = "${SLACK_WEBHOOK_URL:-https://hooks.slack.com/services/T0/B0/x}"
//!
//! [[routes]]                       # the first that takes an alert says where it goes
//! severity = ["error", "critical"]
//! to = ["slack"]
//!
//! [[monitors]]                     # what raises alerts by itself
//! metric = "loss"
//! condition = ">"
//! threshold = 2.0
//! hold = 60                        # seconds
//!
//! [spool]                          # what is not delivered yet waits on disk
//! durability = "every"
//!
//! [redaction]
//! also = ["internal_ref"]
//! ```
//!
//! The same in JSON does too. Reading a configuration touches nothing but the file and the
//! environment: no destination is opened before [`Config::open`].

mod alerting;
mod document;
mod environment;
mod error;
mod feeding;
mod masking;
mod reading;
mod rules;
mod schema;
#[cfg(test)]
mod schema_tests;
mod schema_variables;
mod search;
mod section;
mod spool;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use nethical_core::delivery::{Settings, SpoolSettings};
use nethical_core::event::Rules;
use nethical_destinations::support::options::{Entry, Options, OptionsError, Value};

use self::alerting::RepeatsTable;
use self::document::Document;
pub use self::document::Format;
use self::environment::Environment;
pub use self::error::{ConfigError, Problem};
use self::reading::{Context, read};
use self::rules::{LimitsTable, RedactionTable};
pub use self::search::{CONFIG_VARIABLE, find};
pub use self::section::{Configured, Section, is_name};
use self::spool::SpoolTable;
use crate::alerts::{AlertSettings, Repeats, Route};
use crate::monitors::Monitor;
use crate::{Alerts, LogAggregator, MlPlatformManager, MonitoringSystem, Nethical, WebhookManager};

/// The tables that a configuration can have.
const TABLES: [&str; 8] = ["logging", "alerts", "runs", "routes", "monitors", "spool", "redaction", "limits"];

/// A configuration that was read and checked.
#[derive(Debug)]
pub struct Config {
    document: Document,
    rules: Rules,
    spool: SpoolSettings,
    destinations: Vec<Configured>,
    repeats: Repeats,
    routes: Vec<Route>,
    monitors: Vec<Monitor>,
}

impl Config {
    /// Read a file: JSON if its name ends in `.json` or its first character is `{`, else TOML.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::read(Document::load(path.as_ref())?, &Environment::of_process())
    }

    /// Read a text, which errors call by `name`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(name: &str, text: &str, format: Format) -> Result<Self, ConfigError> {
        Self::read(Document::new(name, text, format), &Environment::of_process())
    }

    fn read(document: Document, environment: &Environment<'_>) -> Result<Self, ConfigError> {
        Self::read_as(document, environment, false)
    }

    fn read_as(
        document: Document,
        environment: &Environment<'_>,
        takes_any_name: bool,
    ) -> Result<Self, ConfigError> {
        let mut options = match document.options() {
            Ok(options) => options,
            Err(faults) => return Err(ConfigError::new(&document, &faults)),
        };
        let mut context = Context::new(&document, environment);
        let rules = read_rules(&mut options, &mut context);
        let spool = read_spool(&mut options, &mut context);
        let mut destinations = Vec::new();
        let (mut repeats, mut names) = (Repeats::default(), Vec::new());
        for section in Section::ALL {
            let mut table = take_table(&mut options, section.name(), &mut context);
            if let (Section::Alerts, Some(table)) = (section, &mut table) {
                repeats = read_repeats(table, &mut context);
                names = table.entries().iter().map(|entry| entry.key.name.clone()).collect();
            }
            let read = table.map(|table| section::read_section(section, table, &spool, &mut context));
            destinations.extend(read.unwrap_or_default());
        }
        section::check_names(&destinations, &mut context);
        let known = (!takes_any_name).then_some(names.as_slice());
        let routes = alerting::read_routes(&mut options, known, &mut context);
        let monitors = alerting::read_monitors(&mut options, &mut context);
        for entry in options.entries() {
            let unknown = OptionsError::unknown(&entry.key.name, TABLES);
            context.fail(unknown.or_span(entry.key.span.as_ref()));
        }
        match context.into_errors() {
            errors if errors.is_empty() => {
                Ok(Self { document, rules, spool, destinations, repeats, routes, monitors })
            }
            errors => Err(ConfigError::new(&document, &errors)),
        }
    }

    /// What errors call it: the path of its file.
    pub fn name(&self) -> &str {
        &self.document.name
    }

    /// What becomes of an entry before it leaves the caller.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What `[spool]` says: whether, where and how events wait on disk.
    pub const fn spool(&self) -> &SpoolSettings {
        &self.spool
    }

    /// Every destination, section by section, in the order of the file. What is switched off is not among
    /// them.
    pub fn destinations(&self) -> &[Configured] {
        &self.destinations
    }

    /// The destinations of one section, in the order of the file.
    pub fn section(&self, section: Section) -> impl Iterator<Item = &Configured> {
        self.destinations.iter().filter(move |destination| destination.section() == section)
    }

    /// What `[[routes]]` say: who gets which alerts.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// What `[[monitors]]` say: what is watched.
    pub fn monitors(&self) -> &[Monitor] {
        &self.monitors
    }

    /// How alerts are routed and repeated.
    pub fn alert_settings(&self) -> AlertSettings {
        AlertSettings { routes: self.routes.clone(), repeats: self.repeats, spool: self.spool.clone() }
    }

    /// Open every destination.
    ///
    /// # Errors
    /// Every destination that cannot be opened; then none stays open.
    pub fn open(&self) -> Result<Nethical, ConfigError> {
        self.open_with(&|settings| settings)
    }

    /// Open every destination, with settings of its own changed by `change`.
    ///
    /// # Errors
    /// Every destination that cannot be opened; then none stays open.
    pub fn open_with(&self, change: &dyn Fn(Settings) -> Settings) -> Result<Nethical, ConfigError> {
        let mut problems = Vec::new();
        let logs = self.logs(change, &mut problems);
        let runs = self.platforms(change, &mut problems);
        let webhooks = self.webhooks(change, &mut problems);
        if !problems.is_empty() {
            return Err(ConfigError::from_problems(&self.document, problems));
        }
        let (logs, webhooks) = (Arc::new(logs), Arc::new(webhooks));
        let alerts = Alerts::new(Arc::clone(&webhooks), self.alert_settings());
        let monitoring = MonitoringSystem::new(Arc::clone(&logs), alerts, self.monitors.clone());
        Ok(Nethical::new(logs, runs, webhooks, monitoring))
    }

    /// Open what stands in `[logging]`, and nothing else, with settings of its own changed by `change`.
    ///
    /// # Errors
    /// Every destination that cannot be opened; then none stays open.
    pub fn open_logs(&self, change: &dyn Fn(Settings) -> Settings) -> Result<LogAggregator, ConfigError> {
        let mut problems = Vec::new();
        self.unless_wrong(self.logs(change, &mut problems), problems)
    }

    /// Open what stands in `[alerts]`, and nothing else, with settings of its own changed by `change`.
    ///
    /// # Errors
    /// Every webhook that cannot be opened; then none stays open.
    pub fn open_webhooks(
        &self,
        change: &dyn Fn(Settings) -> Settings,
    ) -> Result<WebhookManager, ConfigError> {
        let mut problems = Vec::new();
        self.unless_wrong(self.webhooks(change, &mut problems), problems)
    }

    fn logs(&self, change: &dyn Fn(Settings) -> Settings, problems: &mut Vec<Problem>) -> LogAggregator {
        let logs = LogAggregator::with_rules(self.rules.clone());
        for destination in self.section(Section::Logging) {
            match destination.connect(change) {
                Ok(connector) => logs.add_from(connector, destination.level()),
                Err(error) => problems.push(self.document.problem_of(destination, &error)),
            }
        }
        logs
    }

    fn webhooks(&self, change: &dyn Fn(Settings) -> Settings, problems: &mut Vec<Problem>) -> WebhookManager {
        let webhooks = WebhookManager::new();
        for destination in self.section(Section::Alerts) {
            match destination.webhook(change) {
                Ok(webhook) => drop(webhooks.add_webhook(destination.name(), webhook)),
                Err(error) => problems.push(self.document.problem_of(destination, &error)),
            }
        }
        webhooks
    }

    /// Read only what a program says of alerts, in JSON: `[alerts]` with nothing but how often they are sent,
    /// `[[routes]]`, which may name any destination, and `[[monitors]]`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn alerting(name: &str, text: &str) -> Result<Self, ConfigError> {
        Self::read_as(Document::new(name, text, Format::Json), &Environment::of_process(), true)
    }

    fn unless_wrong<T>(&self, opened: T, problems: Vec<Problem>) -> Result<T, ConfigError> {
        if problems.is_empty() {
            Ok(opened)
        } else {
            Err(ConfigError::from_problems(&self.document, problems))
        }
    }

    /// Open what stands in `[runs]`, and nothing else, with settings of its own changed by `change`.
    ///
    /// # Errors
    /// Every platform that cannot be opened; then none stays open.
    pub fn open_runs(&self, change: &dyn Fn(Settings) -> Settings) -> Result<MlPlatformManager, ConfigError> {
        let mut problems = Vec::new();
        self.unless_wrong(self.platforms(change, &mut problems), problems)
    }

    fn platforms(
        &self,
        change: &dyn Fn(Settings) -> Settings,
        problems: &mut Vec<Problem>,
    ) -> MlPlatformManager {
        let runs = MlPlatformManager::new();
        for destination in self.section(Section::Runs) {
            match destination.platform(change, &self.rules.redaction) {
                Ok(platform) => runs.add_platform(destination.name(), platform),
                Err(error) => problems.push(self.document.problem_of(destination, &error)),
            }
        }
        runs
    }

    /// The JSON Schema of a configuration, in draft 2020-12, with a description of each option. It also takes
    /// `${NAME}` wherever a value can stand.
    pub fn schema() -> serde_json::Value {
        schema::whole()
    }
}

impl FromStr for Config {
    type Err = ConfigError;

    /// JSON if the first character is `{`, else TOML.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::parse("configuration", text, Format::of_text(text))
    }
}

fn read_rules(options: &mut Options, context: &mut Context<'_>) -> Rules {
    let mut rules = Rules::default();
    if let Some(table) = take_table(options, "redaction", context)
        && let Some(redaction) = read::<RedactionTable>(table, &["redaction"], context)
    {
        rules.redaction = redaction.into();
    }
    if let Some(table) = take_table(options, "limits", context)
        && let Some(limits) = read::<LimitsTable>(table, &["limits"], context)
    {
        rules.limits = limits.into();
    }
    rules
}

fn read_repeats(table: &mut Options, context: &mut Context<'_>) -> Repeats {
    let keys = table.split_off(&alerting::KEYS);
    let read = read::<RepeatsTable>(keys, &[Section::Alerts.name()], context);
    read.map(Repeats::from).unwrap_or_default()
}

fn read_spool(options: &mut Options, context: &mut Context<'_>) -> SpoolSettings {
    let table = take_table(options, "spool", context);
    let read = table.and_then(|table| read::<SpoolTable>(table, &["spool"], context));
    read.map(SpoolSettings::from).unwrap_or_default()
}

fn take_table(options: &mut Options, name: &str, context: &mut Context<'_>) -> Option<Options> {
    let Entry { key, node } = options.take(name)?;
    match node.value {
        Value::Table(table) => Some(table),
        _ => {
            let is_section = Section::ALL.iter().any(|section| section.name() == name);
            let header = if is_section { format!("[{name}.NAME]") } else { format!("[{name}]") };
            let hint = format!("write `{header}`, and its options on the lines below");
            let error = OptionsError::invalid("expected a table").with_hint(hint).within_key(name);
            context.fail(error.or_span(node.span.as_ref().or(key.span.as_ref())));
            None
        }
    }
}
