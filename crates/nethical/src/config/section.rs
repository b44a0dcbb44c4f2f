//! The tables that hold destinations, such as `[logging]`, and what stands in them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nethical_core::delivery::{Connector, Error, Observer, Settings, SpoolSettings, key_of};
use nethical_core::event::{Family, Level, Redaction};
use nethical_core::tracking::Platform;
use nethical_destinations::support::options::{
    Entry, Key, Node, Options, OptionsError, Span, Value, nearest, one_of,
};
use nethical_destinations::wandb::{RunServer, Syncer};
use nethical_destinations::{ALL, Descriptor, Validated};

use super::feeding::{Feeding, KEYS};
use super::reading::{Context, read, read_through};
use crate::Webhook;

/// A table whose own tables are destinations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// `[logging]`: what takes log entries.
    Logging,
    /// `[alerts]`: what takes webhook messages and alerts.
    Alerts,
    /// `[runs]`: what keeps experiment runs.
    Runs,
}

impl Section {
    /// All of them, in the order in which documents list them.
    pub const ALL: [Self; 3] = [Self::Logging, Self::Alerts, Self::Runs];

    /// The name of the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Logging => "logging",
            Self::Alerts => "alerts",
            Self::Runs => "runs",
        }
    }

    /// What its destinations take.
    pub const fn family(self) -> Family {
        match self {
            Self::Logging => Family::Logs,
            Self::Alerts => Family::Alerts,
            Self::Runs => Family::Runs,
        }
    }

    /// Every type of destination that may stand in it.
    pub fn kinds(self) -> impl Iterator<Item = &'static Descriptor> + Clone {
        ALL.iter().copied().filter(move |kind| kind.families.contains(&self.family()))
    }

    fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        self.kinds().map(|kind| kind.name)
    }
}

/// A destination of a configuration, read and checked, not open yet.
pub struct Configured {
    name: String,
    section: Section,
    kind: &'static Descriptor,
    level: Level,
    settings: Settings,
    validated: Arc<dyn Validated>,
    inline_secrets: Vec<String>,
    span: Option<Span>,
}

impl fmt::Debug for Configured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, section, kind, level, validated, .. } = self;
        let mut shown = f.debug_struct("Configured");
        shown
            .field("name", name)
            .field("section", section)
            .field("kind", kind)
            .field("level", level)
            .field("options", validated);
        shown.finish_non_exhaustive()
    }
}

impl Configured {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The table in which it stands.
    pub const fn section(&self) -> Section {
        self.section
    }

    /// What it is.
    pub const fn kind(&self) -> &'static Descriptor {
        self.kind
    }

    /// The lowest level that it gets.
    pub const fn level(&self) -> Level {
        self.level
    }

    /// The options whose secret stands in the configuration itself, not in the environment.
    pub fn inline_secrets(&self) -> &[String] {
        &self.inline_secrets
    }

    /// By what a home knows what a program left for the same place without giving it a name; `None` where the name
    /// alone tells destinations of this type apart.
    pub fn key_without_name(&self, home: &Path) -> Option<String> {
        self.validated.identity().map(|identity| key_of(home, self.kind.name, &identity))
    }

    /// Where it stands in the configuration.
    pub fn span(&self) -> Option<Span> {
        self.span.clone()
    }

    /// How it is fed.
    pub fn settings(&self) -> Settings {
        self.validated.settings(self.settings.clone())
    }

    /// Open it, with what the configuration says about its feeding changed by `change`.
    ///
    /// # Errors
    /// What keeps it from being opened.
    pub fn connect(&self, change: &dyn Fn(Settings) -> Settings) -> Result<Connector, Error> {
        self.connect_as(&self.name, change)
    }

    /// The same under another name: that of the queue of its artifacts, whose updates it delivers too.
    ///
    /// # Errors
    /// What keeps it from being opened.
    pub fn connect_as(&self, name: &str, change: &dyn Fn(Settings) -> Settings) -> Result<Connector, Error> {
        let validated = Arc::clone(&self.validated);
        let settings = change(self.settings());
        Connector::open(name, settings, move || validated.open())
    }
}

impl Configured {
    /// Open it as a webhook, as [`connect`](Self::connect) does.
    ///
    /// # Errors
    /// What keeps it from being opened.
    pub fn webhook(&self, change: &dyn Fn(Settings) -> Settings) -> Result<Webhook, Error> {
        let connector = self.connect(change)?;
        Ok(Webhook::from(connector).from_level(self.level).of_kind(self.kind.name))
    }

    /// Where runs of this destination are on this machine; `None` if they are elsewhere.
    pub fn stored(&self) -> Option<PathBuf> {
        self.validated.stored()
    }

    /// What uploads runs of this destination that wait in directories of their own; `None` if it has no such.
    pub fn syncer(&self, spool: &SpoolSettings, observer: Observer) -> Option<Result<Syncer, Error>> {
        self.validated.syncer(&self.name, spool, observer)
    }

    /// Where [`syncer`](Self::syncer) sends them; `None` if it has no such.
    pub fn run_server(&self) -> Option<RunServer> {
        self.validated.run_server()
    }

    /// # Errors
    /// If a dead letter of it cannot be sent again: what to do instead.
    pub fn check_replay(&self) -> Result<(), Error> {
        self.validated.check_replay()
    }

    /// Open it as a platform for runs, with what the configuration says about its feeding changed by `change`.
    ///
    /// # Errors
    /// What keeps it from being opened; a destination that stands elsewhere is none.
    pub fn platform(
        &self,
        change: &dyn Fn(Settings) -> Settings,
        redaction: &Redaction,
    ) -> Result<Arc<dyn Platform>, Error> {
        let opened = Arc::clone(&self.validated).platform(&self.name, change(self.settings()), redaction);
        opened.unwrap_or_else(|| {
            let text = format!("`{}` keeps no runs", self.kind.name);
            Err(Error::config("runs.no_platform", text).with_hint("name it in the table of its own kind"))
        })
    }
}

/// Whether a destination can have this name, which stands in messages, in accounts and on disk.
pub fn is_name(name: &str) -> bool {
    !name.trim().is_empty() && !name.contains(char::is_control)
}

pub(super) fn read_section(
    section: Section,
    mut table: Options,
    spool: &SpoolSettings,
    context: &mut Context<'_>,
) -> Vec<Configured> {
    if !is_enabled(section, &mut table, context) {
        return Vec::new();
    }
    let entries = table.entries().iter();
    entries.filter_map(|entry| read_destination(section, entry, spool, context)).collect()
}

/// Whether the section as a whole is switched on, which it is unless it says no.
fn is_enabled(section: Section, table: &mut Options, context: &mut Context<'_>) -> bool {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Switch {
        #[serde(default = "yes")]
        enabled: bool,
    }
    const fn yes() -> bool {
        true
    }
    let switch = table.split_off(&["enabled"]);
    read::<Switch>(switch, &[section.name()], context).is_none_or(|switch| switch.enabled)
}

fn read_destination(
    section: Section,
    entry: &Entry,
    spool: &SpoolSettings,
    context: &mut Context<'_>,
) -> Option<Configured> {
    let name = entry.key.name.as_str();
    let Value::Table(table) = &entry.node.value else {
        context.fail_all(vec![not_a_table(section, &entry.key)], &[section.name()]);
        return None;
    };
    if !is_name(name) {
        let wrong = OptionsError::invalid(format!("{name:?} cannot be the name of a destination"))
            .with_hint("use letters, digits or other visible characters")
            .or_span(entry.key.span.as_ref());
        context.fail(wrong);
        return None;
    }
    let (mut options, before) = (table.clone(), context.failures());
    let feeding: Option<Feeding> = read(options.split_off(&KEYS), &[section.name(), name], context);
    if feeding.as_ref().is_some_and(|feeding| !feeding.enabled) {
        return None;
    }
    let kind = kind_of(section, entry, table, feeding.as_ref(), context)?;
    let inline_secrets = inline_secrets(kind, &options);
    let validated = read_options(kind, options, &[section.name(), name], context);
    let (feeding, validated) = (feeding?, validated?);
    (context.failures() == before).then(|| Configured {
        name: name.to_owned(),
        section,
        kind,
        level: feeding.level,
        settings: feeding.settings(spool),
        validated,
        inline_secrets,
        span: table.span().or_else(|| entry.key.span.clone()),
    })
}

/// The secrets, by their schema, that are written out.
fn inline_secrets(kind: &Descriptor, options: &Options) -> Vec<String> {
    let schema = (kind.schema)();
    let is_marked = |schema: &serde_json::Value| schema.get("writeOnly").is_some_and(|marked| marked == true);
    let is_secret =
        |schema: &serde_json::Value| is_marked(schema) || schema.get("items").is_some_and(is_marked);
    let is_written = |node: &Node| matches!(&node.value, Value::String(text) if !text.contains("${"));
    let holds = |node: &Node| match &node.value {
        Value::Array(items) => items.iter().any(is_written),
        _ => is_written(node),
    };
    let properties = schema.get("properties");
    let entries = options.entries().iter().filter(|entry| holds(&entry.node));
    let names = entries.map(|entry| &entry.key.name);
    names
        .filter(|name| properties.and_then(|all| all.get(name.as_str())).is_some_and(is_secret))
        .cloned()
        .collect()
}

fn not_a_table(section: Section, key: &Key) -> OptionsError {
    let known = section.names().chain(["enabled"]);
    OptionsError::unknown(&key.name, known).or_span(key.span.as_ref())
}

/// The type that a table names, or that its name is.
fn kind_of(
    section: Section,
    entry: &Entry,
    table: &Options,
    feeding: Option<&Feeding>,
    context: &mut Context<'_>,
) -> Option<&'static Descriptor> {
    let name = entry.key.name.as_str();
    let written = table.get("type");
    let wanted = match written {
        None => name,
        Some(_) => feeding?.kind.as_deref()?,
    };
    let known = section.kinds().find(|kind| kind.name == wanted);
    if known.is_none() {
        let error = match written {
            None => unnamed_kind(section, &entry.key),
            Some(written) => wrong_kind(section, wanted, written).within_key(name).within_key(section.name()),
        };
        context.fail(error);
    }
    known
}

fn suggestion(section: Section, name: &str) -> Option<String> {
    nearest(name, section.names()).map(|name| format!("did you mean `{name}`?"))
}

/// Where a destination of this type belongs, if that is in another table.
fn elsewhere(section: Section, kind: &str) -> Option<String> {
    let belongs = |one: &Section| *one != section && one.kinds().any(|known| known.name == kind);
    let other = Section::ALL.into_iter().find(belongs)?;
    let (kind, other, what) = (kind, other.name(), other.family().as_str());
    Some(format!("`{kind}` takes {what}, so it stands in `[{other}.{kind}]`"))
}

/// A table without `type` whose name is no type.
fn unnamed_kind(section: Section, key: &Key) -> OptionsError {
    let hint =
        elsewhere(section, &key.name).or_else(|| suggestion(section, &key.name)).unwrap_or_else(|| {
            let names = one_of(section.names(), "or");
            format!("for a destination with a name of its own, add `type = ...` with one of {names}")
        });
    let error = OptionsError::invalid(format!("there is no destination of type `{}`", key.name));
    error.with_hint(hint).or_span(key.span.as_ref())
}

/// A `type` that is none.
fn wrong_kind(section: Section, wanted: &str, written: &Entry) -> OptionsError {
    let hint = elsewhere(section, wanted).or_else(|| suggestion(section, wanted));
    let hint = hint.unwrap_or_else(|| format!("known types: {}", one_of(section.names(), "and")));
    let shown = matches!(&written.node.value, Value::String(text) if text == wanted);
    let what = if shown { format!("type `{wanted}`") } else { "the type in the environment".to_owned() };
    let error = OptionsError::invalid(format!("there is no destination of {what}"));
    error.with_hint(hint).or_span(written.node.span.as_ref()).within_key("type")
}

fn read_options(
    kind: &'static Descriptor,
    mut options: Options,
    path: &[&str],
    context: &mut Context<'_>,
) -> Option<Arc<dyn Validated>> {
    let keys: Vec<_> = options.entries().iter().map(|entry| entry.key.name.clone()).collect();
    context.expand(&mut options, path);
    let schema = (kind.schema)();
    let parse = |options: &Options| options.check_ranges(&schema).and_then(|()| (kind.parse)(options));
    match read_through(&options, &keys, parse) {
        Ok(validated) => Some(validated),
        Err(errors) => {
            let errors = errors.into_iter().map(|error| error.also_known(&KEYS)).collect();
            context.fail_all(errors, path);
            None
        }
    }
}

/// A name is what a destination is known by on disk and on the command line, so no two may share one.
pub(super) fn check_names(destinations: &[Configured], context: &mut Context<'_>) {
    for (index, destination) in destinations.iter().enumerate() {
        let namesake =
            destinations.iter().take(index).find(|other| other.name.eq_ignore_ascii_case(&destination.name));
        let Some(namesake) = namesake else { continue };
        let (name, section) = (&destination.name, destination.section.name());
        let message =
            format!("`[{section}.{name}]` has the name of `[{}.{}]`", namesake.section.name(), namesake.name);
        let hint = format!(
            "give it a name of its own: `[{section}.my-{name}]` with `type = \"{}\"`",
            destination.kind.name
        );
        context.fail(OptionsError::invalid(message).with_hint(hint).or_span(destination.span.as_ref()));
    }
}
