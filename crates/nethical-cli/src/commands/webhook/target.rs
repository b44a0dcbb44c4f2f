//! Where messages go: to what is configured, or to one address.

use std::path::Path;
use std::sync::Arc;

use nethical::Connector;
use nethical::config::{Configured, Section};
use nethical::delivery::{Error, Settings, SpoolSettings};
use nethical::destinations::support::options::{Options, Value, nearest, one_of};
use nethical::destinations::{connect, find};

use super::send::Args;
use crate::commands::load_config;
use crate::failure::Failure;
use crate::render;

/// What was opened, and what could not be.
pub(super) struct Targets {
    pub(super) open: Vec<Connector>,
    pub(super) failed: Vec<(String, Error)>,
}

impl Targets {
    pub(super) fn open(args: &Args, config: Option<&Path>) -> Result<Self, Failure> {
        match &args.url {
            Some(url) => Ok(Self { open: vec![at(url, args)?], failed: Vec::new() }),
            None => configured(args, config),
        }
    }
}

/// What the command tells of a destination's state.
pub(crate) fn observed(settings: Settings) -> Settings {
    Settings { observer: Arc::new(render::notice), ..settings }
}

fn configured(args: &Args, config: Option<&Path>) -> Result<Targets, Failure> {
    let config = load_config(config)?;
    let all: Vec<_> = config.section(Section::Alerts).collect();
    let names = || all.iter().map(|destination| destination.name());
    if all.is_empty() {
        let hint = "add a table such as `[alerts.http]`, or send to one address with `--url`";
        return Err(Failure::usage(format!("{} has no destination for alerts", config.name()), hint));
    }
    for name in &args.to {
        if !names().any(|known| known == name) {
            let hint = match nearest(name, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has {}", one_of(names(), "and")),
            };
            return Err(Failure::usage(format!("{} has no webhook `{name}`", config.name()), hint));
        }
    }
    let wanted = |destination: &&&Configured| {
        args.to.is_empty() || args.to.iter().any(|name| name == destination.name())
    };
    let mut targets = Targets { open: Vec::new(), failed: Vec::new() };
    for destination in all.iter().filter(wanted) {
        match destination.connect(&observed) {
            Ok(connector) => targets.open.push(connector),
            Err(error) => targets.failed.push((destination.name().to_owned(), error)),
        }
    }
    Ok(targets)
}

/// One address without a configuration. Nothing would know later where it was, so nothing waits on disk.
fn at(url: &str, args: &Args) -> Result<Connector, Failure> {
    let kind = args.kind.as_deref().unwrap_or_else(|| kind_of(url));
    let descriptor = find(kind).ok_or_else(|| {
        Failure::usage(format!("there is no destination of type `{kind}`"), "see `nethical destinations`")
    })?;
    let mut options = Options::new();
    let key = if kind == "http" { "url" } else { "webhook_url" };
    options.set(key, Value::String(url.to_owned()));
    if kind == "http" {
        options.set("headers", Value::Table(headers(&args.header)?));
    } else if !args.header.is_empty() {
        return Err(Failure::usage(format!("`{kind}` takes no headers"), "leave out `--header`"));
    }
    let wrong = |message: String, hint: Option<String>| {
        Failure::usage(
            message,
            hint.unwrap_or_else(|| "use an address such as https://example.com/hook".to_owned()),
        )
    };
    let config = (descriptor.parse)(&options).map_err(|error| wrong(error.to_string(), error.hint()))?;
    let settings = Settings { spool: SpoolSettings::off(), ..observed(Settings::default()) };
    Ok(connect(config, kind, settings)?)
}

fn headers(given: &[String]) -> Result<Options, Failure> {
    let mut table = Options::new();
    for header in given {
        let (name, value) = header.split_once(':').ok_or_else(|| {
            Failure::usage(format!("`{header}` is no header"), "write `--header 'NAME: VALUE'`")
        })?;
        table.set(name.trim(), Value::String(value.trim().to_owned()));
    }
    Ok(table)
}

/// What listens at an address that everybody knows.
fn kind_of(url: &str) -> &'static str {
    let host =
        url.split_once("://").map_or(url, |(_, rest)| rest).split(['/', '?', '#']).next().unwrap_or_default();
    match host {
        "hooks.slack.com" => "slack",
        "discord.com" | "discordapp.com" | "canary.discord.com" | "ptb.discord.com" => "discord",
        _ => "http",
    }
}

#[cfg(test)]
mod tests {
    use super::kind_of;

    #[test]
    fn known_addresses_are_known() {
        assert_eq!(kind_of("https://hooks.slack.com/services/T/B/x"), "slack");
        assert_eq!(kind_of("https://discord.com/api/webhooks/1/x"), "discord");
        assert_eq!(kind_of("https://example.com/hooks.slack.com/"), "http");
        assert_eq!(kind_of("https://hooks.slack.com.example.com/"), "http");
    }
}
