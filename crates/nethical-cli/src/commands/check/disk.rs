//! Where events wait on disk, and what waits there.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use nethical::Config;
use nethical::delivery::{Error, SpoolSettings};
use nethical::spool::{Filter, Volume};

use super::finding::Finding;
use crate::commands::place::Place;
use crate::commands::status::View;
use crate::commands::{dead, place};
use crate::render::{count, thousands};
use crate::units::bytes;

/// More dead letters than this are not counted one by one.
const MANY: u64 = 10_000;

/// Look at the home of this configuration, which was read from `asked`.
pub(super) fn look(config: &Config, asked: Option<&Path>) -> Vec<Finding> {
    if !SpoolSettings::is_allowed() {
        return vec![Finding::warning(
            "home",
            "$NETHICAL_SPOOL says off: what cannot be delivered is lost with the process",
            "unset NETHICAL_SPOOL to keep it on disk",
        )];
    }
    if config.spool().enabled == Some(false) && config.destinations().iter().all(is_in_memory) {
        return vec![Finding::ok("home", "`enabled = false`: what waits is in memory only")];
    }
    let mut found = vec![home(config)];
    found.extend(left_over(asked));
    found
}

fn is_in_memory(destination: &nethical::config::Configured) -> bool {
    destination.settings().spool.enabled == Some(false)
}

fn home(config: &Config) -> Finding {
    let most = config.spool().options.max_bytes;
    let Some(home) = place::home_of(config) else {
        let error = Error::config("check.no_home", "no variable of the environment names a directory");
        return Finding::failed("home", &error.with_hint("set NETHICAL_HOME, or `home` in `[spool]`"));
    };
    let shown = home.display();
    match Volume::of(&home) {
        Err(error) => {
            let error = Error::config("check.home", format!("cannot keep anything in {shown}: {error}"));
            let hint =
                "name another directory in NETHICAL_HOME or in `[spool] home`, or let this user write there";
            Finding::failed("home", &error.with_hint(hint))
        }
        Ok(Volume { is_network: true, .. }) => Finding::warning(
            "home",
            format!("{shown} is on a network file system, where locks and forced writes promise less"),
            "name a directory on a local disk in NETHICAL_HOME or in `[spool] home`",
        ),
        Ok(Volume { free_bytes, .. }) if free_bytes < most => Finding::warning(
            "home",
            format!("{shown} has room for {}, and what waits may take {}", bytes(free_bytes), bytes(most)),
            "free some space, or set a smaller `max_bytes` in `[spool]`",
        ),
        Ok(Volume { free_bytes, .. }) => Finding::ok(
            "home",
            format!("{shown}: {} free, {} may wait there", bytes(free_bytes), bytes(most)),
        ),
    }
}

/// What ended processes left, and what was refused.
fn left_over(asked: Option<&Path>) -> Vec<Finding> {
    let looked = Place::find(None, asked).and_then(|place| Ok((View::of(&place)?, dead::open(&place.home)?)));
    let Ok((view, letters)) = looked else {
        let text = "what waits cannot be looked at";
        return vec![Finding::warning("waiting", text, "`nethical status` says why")];
    };
    let left = view.left.iter().map(|left| {
        let text = format!("{} of ended processes for `{}`", count(left.events, "event"), left.key);
        let text = format!("{text} ({})", bytes(left.bytes));
        if left.expected {
            Finding::ok("waiting", text)
        } else {
            Finding::warning("waiting", text, left.remedy())
        }
    });
    let mut found: Vec<_> = left.collect();
    let mut dead: BTreeMap<String, u64> = BTreeMap::new();
    let mut seen = 0;
    let counted = letters.map(|letters| {
        letters.visit(&Filter::default(), |letter| {
            *dead.entry(letter.destination).or_default() += 1;
            seen += 1;
            if seen < MANY { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
    });
    if counted.is_some_and(|counted| counted.is_err()) {
        found.push(Finding::warning("dead letters", "cannot be read", "`nethical dead list` says why"));
    }
    found.extend(dead.iter().map(|(name, number)| dead_letters(name, *number, seen >= MANY)));
    found
}

fn dead_letters(name: &str, number: u64, more: bool) -> Finding {
    let (number, more) = (thousands(number), if more { " or more" } else { "" });
    let hint = format!(
        "`nethical dead list --destination {name}` says why, `nethical dead replay` sends them again"
    );
    Finding::warning("dead letters", format!("{number}{more} for `{name}`"), hint)
}
