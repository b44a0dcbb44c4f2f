//! Who gets an alert: pure functions.

use std::collections::BTreeMap;

use nethical_core::event::{Alert, Level, Severity};

/// A rule of who gets which alerts. What it does not ask for may be anything.
///
/// Routes are asked in order, and the first that takes an alert says where it goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    /// Of these severities.
    pub severity: Vec<Severity>,
    /// From this source; `*` stands for any text.
    pub source: Option<String>,
    /// Of this event type; `*` stands for any text.
    pub event_type: Option<String>,
    /// With all of these labels; in their values `*` stands for any text.
    pub labels: BTreeMap<String, String>,
    /// To the destinations of these names.
    pub to: Vec<String>,
    /// Also to these, if one of the former is down, closed or not there.
    pub fallback: Vec<String>,
    /// Whether the routes after this one are asked too.
    pub and_continue: bool,
}

impl Route {
    /// Whether it takes this alert.
    pub fn takes(&self, alert: &Alert) -> bool {
        let fits =
            |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|wanted| glob(wanted, text));
        let has = |name: &str, wanted: &str| alert.labels.get(name).is_some_and(|value| glob(wanted, value));
        (self.severity.is_empty() || self.severity.contains(&alert.severity))
            && fits(&self.source, &alert.source)
            && fits(&self.event_type, &alert.event_type)
            && self.labels.iter().all(|(name, wanted)| has(name, wanted))
    }
}

/// Whether a text is like a pattern in which `*` stands for any text, also none.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return text.ends_with(part);
        }
        // The earliest place leaves most to the parts behind it.
        let Some(at) = text.find(part) else { return false };
        text = text.get(at + part.len()..).unwrap_or_default();
    }
    true
}

/// A destination, as far as routing looks at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// Its type.
    pub(super) kind: &'a str,
    /// The lowest level that it gets.
    pub(super) level: Level,
    /// Whether its deliveries work, as far as is known.
    pub(super) is_up: bool,
}

/// Where an alert goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ways {
    /// To these.
    pub(super) to: Vec<String>,
    /// And to these, if one of the former fails.
    pub(super) fallback: Vec<String>,
    /// These were asked for, and are not there.
    pub(super) unknown: Vec<String>,
}

/// Where an alert goes. Never nowhere, as long as there is a destination.
pub(super) fn route(alert: &Alert, routes: &[Route], targets: &[Target<'_>]) -> Ways {
    let Ways { to: named, fallback, .. } = match by_routes(alert, routes) {
        Some(ways) => ways,
        None => by_default(alert.severity, targets),
    };
    let there = |name: &str| targets.iter().find(|target| target.name == name);
    let wants = |target: &Target<'_>| target.level <= alert.severity.level();
    let names = |names: &[String]| -> Vec<String> {
        names.iter().filter(|name| there(name).is_some_and(wants)).cloned().collect()
    };
    let (mut to, mut fallback) = (names(&named), names(&fallback));
    let fails = |name: &String| !there(name).is_some_and(|target| target.is_up);
    if named.iter().any(fails) {
        to.append(&mut fallback);
    }
    if to.is_empty() {
        to = everybody(targets, wants);
    }
    if to.is_empty() {
        to = everybody(targets, |_| true);
    }
    unique(&mut to);
    fallback.retain(|name| !to.contains(name));
    Ways { to, fallback, ..Ways::default() }
}

/// What the routes say; `None` if none of them takes the alert.
fn by_routes(alert: &Alert, routes: &[Route]) -> Option<Ways> {
    let mut ways: Option<Ways> = None;
    for route in routes.iter().filter(|route| route.takes(alert)) {
        let so_far = ways.get_or_insert_default();
        so_far.to.extend(route.to.iter().cloned());
        so_far.fallback.extend(route.fallback.iter().cloned());
        if !route.and_continue {
            break;
        }
    }
    ways
}

/// Without a route: what is critical or an error to all, warnings to every Slack, the rest to every Discord. Where
/// one of these fails, all others serve.
fn by_default(severity: Severity, targets: &[Target<'_>]) -> Ways {
    let to = match severity {
        Severity::Critical | Severity::Error => everybody(targets, |_| true),
        Severity::Warning => everybody(targets, |target| target.kind == "slack"),
        Severity::Info => everybody(targets, |target| target.kind == "discord"),
    };
    Ways { to, fallback: everybody(targets, |_| true), ..Ways::default() }
}

fn everybody(targets: &[Target<'_>], wanted: impl Fn(&Target<'_>) -> bool) -> Vec<String> {
    targets.iter().filter(|target| wanted(target)).map(|target| target.name.to_owned()).collect()
}

fn unique(names: &mut Vec<String>) {
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
}

#[cfg(test)]
#[path = "routing_tests.rs"]
mod tests;
