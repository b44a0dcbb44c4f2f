//! The destinations under `[logging]`.

use std::fmt;
use std::sync::Arc;

use nethical_core::delivery::{Connector, Error, Settings, SpoolSettings};
use nethical_core::event::{Family, Level};
use nethical_destinations::support::options::{
    Entry, Key, Options, OptionsError, Span, Value, nearest, one_of,
};
use nethical_destinations::{ALL, Descriptor, Validated};

use super::feeding::{Feeding, KEYS};
use super::reading::{Context, read, read_through};

/// A destination for log entries, read and checked, not open yet.
pub struct LogDestination {
    name: String,
    kind: &'static Descriptor,
    level: Level,
    settings: Settings,
    validated: Arc<dyn Validated>,
    span: Option<Span>,
}

impl fmt::Debug for LogDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kind, level, validated, .. } = self;
        let mut shown = f.debug_struct("LogDestination");
        shown.field("name", name).field("kind", kind).field("level", level).field("options", validated);
        shown.finish_non_exhaustive()
    }
}

impl LogDestination {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is.
    pub const fn kind(&self) -> &'static Descriptor {
        self.kind
    }

    /// The lowest level that it gets.
    pub const fn level(&self) -> Level {
        self.level
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
        let validated = Arc::clone(&self.validated);
        let settings = change(self.settings());
        Connector::open(self.name.as_str(), settings, move || validated.open())
    }
}

/// The names of all types that take log entries.
pub(super) fn kinds() -> impl Iterator<Item = &'static Descriptor> {
    ALL.iter().copied().filter(|kind| kind.families.contains(&Family::Logs))
}

pub(super) fn read_logging(
    mut table: Options,
    spool: &SpoolSettings,
    context: &mut Context<'_>,
) -> Vec<LogDestination> {
    if !is_enabled(&mut table, context) {
        return Vec::new();
    }
    table.entries().iter().filter_map(|entry| read_destination(entry, spool, context)).collect()
}

/// Whether `[logging]` as a whole is switched on, which it is unless it says no.
fn is_enabled(table: &mut Options, context: &mut Context<'_>) -> bool {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Switch {
        #[serde(default = "yes")]
        enabled: bool,
    }
    const fn yes() -> bool {
        true
    }
    let switch = table.split_off(&["enabled"]);
    read::<Switch>(switch, &["logging"], context).is_none_or(|switch| switch.enabled)
}

fn read_destination(
    entry: &Entry,
    spool: &SpoolSettings,
    context: &mut Context<'_>,
) -> Option<LogDestination> {
    let name = entry.key.name.as_str();
    let Value::Table(table) = &entry.node.value else {
        context.fail_all(vec![not_a_table(&entry.key)], &["logging"]);
        return None;
    };
    let (mut options, before) = (table.clone(), context.failures());
    let feeding: Option<Feeding> = read(options.split_off(&KEYS), &["logging", name], context);
    if feeding.as_ref().is_some_and(|feeding| !feeding.enabled) {
        return None;
    }
    let kind = kind_of(entry, table, feeding.as_ref(), context)?;
    let validated = read_options(kind, options, name, context);
    let (feeding, validated) = (feeding?, validated?);
    (context.failures() == before).then(|| LogDestination {
        name: name.to_owned(),
        kind,
        level: feeding.level,
        settings: feeding.settings(spool),
        validated,
        span: table.span().or_else(|| entry.key.span.clone()),
    })
}

fn not_a_table(key: &Key) -> OptionsError {
    let known = names().chain(["enabled"]);
    OptionsError::unknown(&key.name, known).or_span(key.span.as_ref())
}

/// The type that a table names, or that its name is.
fn kind_of(
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
    let known = kinds().find(|kind| kind.name == wanted);
    if known.is_none() {
        let error = match written {
            None => unnamed_kind(&entry.key),
            Some(written) => wrong_kind(wanted, written).within_key(name).within_key("logging"),
        };
        context.fail(error);
    }
    known
}

fn names() -> impl Iterator<Item = &'static str> {
    kinds().map(|kind| kind.name)
}

/// A table without `type` whose name is no type.
fn unnamed_kind(key: &Key) -> OptionsError {
    let hint = nearest(&key.name, names()).map(|name| format!("did you mean `{name}`?"));
    let hint = hint.unwrap_or_else(|| {
        let names = one_of(names(), "or");
        format!("for a destination with a name of its own, add `type = ...` with one of {names}")
    });
    let error = OptionsError::invalid(format!("there is no destination of type `{}`", key.name));
    error.with_hint(hint).or_span(key.span.as_ref())
}

/// A `type` that is none.
fn wrong_kind(wanted: &str, written: &Entry) -> OptionsError {
    let hint = match nearest(wanted, names()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("known types: {}", one_of(names(), "and")),
    };
    let shown = matches!(&written.node.value, Value::String(text) if text == wanted);
    let what = if shown { format!("type `{wanted}`") } else { "the type in the environment".to_owned() };
    let error = OptionsError::invalid(format!("there is no destination of {what}"));
    error.with_hint(hint).or_span(written.node.span.as_ref()).within_key("type")
}

fn read_options(
    kind: &'static Descriptor,
    mut options: Options,
    name: &str,
    context: &mut Context<'_>,
) -> Option<Arc<dyn Validated>> {
    let path = ["logging", name];
    let keys: Vec<_> = options.entries().iter().map(|entry| entry.key.name.clone()).collect();
    context.expand(&mut options, &path);
    let schema = (kind.schema)();
    let parse = |options: &Options| options.check_ranges(&schema).and_then(|()| (kind.parse)(options));
    match read_through(&options, &keys, parse) {
        Ok(validated) => Some(validated),
        Err(errors) => {
            let errors = errors.into_iter().map(|error| error.also_known(&KEYS)).collect();
            context.fail_all(errors, &path);
            None
        }
    }
}
