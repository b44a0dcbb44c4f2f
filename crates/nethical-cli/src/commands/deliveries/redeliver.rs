//! `nethical deliveries redeliver`

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use nethical::Config;
use nethical::delivery::{Delivery, Record, Settings};
use nethical::event::Event;
use nethical::spool::Fate;
use serde_json::Value;

use super::records::Selection;
use crate::commands::dead;
use crate::commands::place::{Place, destination_of};
use crate::commands::webhook::observed;
use crate::commands::webhook::sending::{Sending, as_json, exit, is_open, sentence};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render;
use crate::units::seconds;

/// Send messages again, with their ids, to the webhooks that they went to.
///
/// What does not arrive in time is kept on disk: `nethical sync` delivers it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The ids of deliveries, or how they begin.
    ids: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    /// Wait at most this long.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    wait: Duration,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  nethical deliveries redeliver 01a20f0c-5083-7750-be63-8a8e3a28325c
  nethical deliveries redeliver --status failed --destination ops --since 2h";

pub(super) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    if args.ids.is_empty() && args.selection.is_all() {
        let hint = "name ids, or choose with `--status failed`, `--destination` or `--since`";
        return Err(Failure::usage("this would send everything again", hint));
    }
    let deadline = Instant::now() + args.wait;
    let place = Place::to_deliver(config)?;
    let records = chosen(args, &place.home)?;
    if records.is_empty() && !args.ids.is_empty() {
        let hint = "`nethical deliveries list` shows the latest";
        return Err(Failure::Message {
            exit: Exit::Refused,
            message: "there is no such delivery".to_owned(),
            hint: Some(hint.to_owned()),
        });
    }
    let (deliveries, worst) = match &place.config {
        Some(config) => send(config, records, deadline),
        None => (Vec::new(), Exit::Success),
    };
    done_with_letters(&place.home, &deliveries)?;
    let mut out = anstream::stdout();
    if args.json {
        writeln!(out, "{:#}", deliveries.iter().map(as_json).collect::<Value>())?;
    } else {
        for delivery in &deliveries {
            writeln!(out, "{}  {}  {}", delivery.delivery_id, delivery.destination, sentence(delivery))?;
        }
        if deliveries.is_empty() {
            writeln!(out, "nothing was sent again")?;
        }
    }
    Ok(deliveries.iter().map(exit).max().unwrap_or(Exit::Success).max(worst))
}

fn chosen(args: &Args, home: &Path) -> Result<Vec<Record>, Failure> {
    if args.ids.is_empty() {
        return args.selection.read(home, None, usize::MAX);
    }
    let mut found = Vec::new();
    for id in &args.ids {
        found.extend(args.selection.read(home, Some(id), usize::MAX)?);
    }
    Ok(found)
}

/// Send to all webhooks at once. Also how bad it is that some could not be sent.
fn send(config: &Config, records: Vec<Record>, deadline: Instant) -> (Vec<Delivery>, Exit) {
    let mut worst = Exit::Success;
    let mut by_name: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    // In the order in which they were sent first.
    for Record { delivery, event } in records.into_iter().rev() {
        match event {
            Some(event) => by_name.entry(delivery.destination).or_default().push(event),
            None => {
                let message =
                    format!("the message {} was too large to be kept on record", delivery.delivery_id);
                render::error(&message, Some("if it failed, `nethical dead replay` sends it"));
                worst = worst.max(Exit::Refused);
            }
        }
    }
    let mut sendings = Vec::new();
    for (name, events) in by_name {
        let Some(destination) = destination_of(config, &name) else {
            let message = format!("{} has no webhook `{name}`", config.name());
            render::error(&message, Some("name a configuration that has with `--config`"));
            worst = Exit::Usage;
            continue;
        };
        // They wait on disk whatever the configuration says: they are on record there anyway.
        let connected = destination.connect(&|settings| {
            let mut settings: Settings = observed(settings);
            settings.spool.enabled = Some(true);
            settings
        });
        match connected {
            Ok(connector) => sendings.push(Sending::start(connector, &events)),
            Err(error) => {
                render::destination_error(&name, &error);
                worst = worst.max(crate::failure::exit_of(&error));
            }
        }
    }
    (sendings.into_iter().flat_map(|sending| sending.finish(deadline)).collect(), worst)
}

/// What has arrived now, or is on its way, is no dead letter any more.
fn done_with_letters(home: &Path, deliveries: &[Delivery]) -> Result<(), Failure> {
    let Some(log) = dead::open(home)? else { return Ok(()) };
    for delivery in deliveries.iter().filter(|delivery| delivery.is_success() || is_open(delivery)) {
        log.mark(&delivery.destination, &delivery.delivery_id, Fate::Replayed)
            .map_err(|error| Failure::io("note that a dead letter was sent again", &error))?;
    }
    Ok(())
}
