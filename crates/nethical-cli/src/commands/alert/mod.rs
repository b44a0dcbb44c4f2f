//! `nethical alert`

pub(super) mod waiting;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nethical::WebhookManager;
use nethical::alerts::{Alerts, Outcome};
use nethical::config::{Config, Section};
use nethical::delivery::{Delivery, Error};
use nethical::destinations::support::options::{nearest, one_of};
use nethical::event::{Alert, AlertStatus, Severity};
use serde_json::{Value, json};

use super::webhook::sending::{as_json, exit, is_open};
use super::webhook::{observed, show};
use super::{fields, load_config};
use crate::exit::Exit;
use crate::failure::{Failure, exit_of};
use crate::render::{self, count};
use crate::units::seconds;

/// Raise an alert, or say that what one was about is over.
///
/// The routes of the configuration say who gets it. Alerts of one key are about the same thing: one is sent while it
/// lasts, and `--resolve` tells everybody who got it that it is over.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// How severe it is: info, warning, error or critical.
    #[arg(long, short, value_name = "SEVERITY", required_unless_present = "resolve")]
    severity: Option<Severity>,
    /// What happened, on one line.
    #[arg(long, short, required_unless_present = "resolve")]
    title: Option<String>,
    /// More about it.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    message: String,
    /// A name and a value for people. May be given several times.
    #[arg(long = "field", short, value_name = "KEY=VALUE")]
    fields: Vec<OsString>,
    /// A label that routes may ask for. May be given several times.
    #[arg(long = "label", short, value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Which part of the system says so.
    #[arg(long, default_value = "", hide_default_value = true)]
    source: String,
    /// What kind of thing happened.
    #[arg(long, value_name = "TYPE", default_value = "alert")]
    event_type: String,
    /// What it is about: one alert of each key is sent while it lasts.
    #[arg(long, short)]
    key: Option<String>,
    /// What the key is about is over.
    #[arg(long, requires = "key", conflicts_with_all = ["to", "severity"])]
    resolve: bool,
    /// To this destination of the configuration, whatever the routes say. May be given several times.
    #[arg(long, value_name = "NAME")]
    to: Vec<String>,
    /// Wait at most this long.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    wait: Duration,
    /// Only keep it on disk.
    #[arg(long, conflicts_with = "wait")]
    no_wait: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  nethical alert -s critical -t 'Disk full' -m '97 % of /dev/sda1' -f free_gb=3 -k disk
  nethical alert --resolve -k disk
  nethical alert -s warning -t 'Backup is late' --to ops";

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write `key=value`".to_owned()),
    }
}

pub(crate) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    let deadline = Instant::now() + if args.no_wait { Duration::ZERO } else { args.wait };
    let alert = alert(args)?;
    let loaded = load_config(config)?;
    check_names(args, &loaded)?;
    let (alerts, webhooks, failed) = open(&loaded);
    for (name, error) in &failed {
        render::destination_error(name, error);
    }
    let outcome = alerts.send_to(&alert, &args.to);
    let deliveries = waiting::finish(&alerts, &webhooks, &outcome, deadline);
    report(args, &outcome, &deliveries, config)?;
    let unopened = failed.iter().map(|(_, error)| exit_of(error));
    Ok(deliveries.iter().map(exit).chain(unopened).max().unwrap_or(Exit::Success))
}

fn alert(args: &Args) -> Result<Alert, Failure> {
    let severity = args.severity.unwrap_or(Severity::Info);
    let mut alert = Alert::new(severity, args.title.clone().unwrap_or_default(), &args.message);
    let fields = fields::read(args.fields.iter().collect())?;
    alert.fields = fields.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
    alert.labels = args.labels.iter().cloned().collect();
    alert.source.clone_from(&args.source);
    alert.event_type.clone_from(&args.event_type);
    alert.key.clone_from(&args.key);
    if args.resolve {
        alert.status = AlertStatus::Resolved;
    }
    Ok(alert)
}

/// Everything that `--to` names is there.
fn check_names(args: &Args, config: &Config) -> Result<(), Failure> {
    let names = || config.section(Section::Alerts).map(|destination| destination.name());
    if names().next().is_none() {
        let hint = "add a table such as `[alerts.slack]`";
        return Err(Failure::usage(format!("{} has no destination for alerts", config.name()), hint));
    }
    let Some(unknown) = args.to.iter().find(|wanted| !names().any(|name| name == **wanted)) else {
        return Ok(());
    };
    let hint = match nearest(unknown, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it has {}", one_of(names(), "and")),
    };
    Err(Failure::usage(format!("{} has no destination `{unknown}` for alerts", config.name()), hint))
}

type Opened = (Alerts, Arc<WebhookManager>, Vec<(String, Error)>);

/// One that cannot be opened leaves the alert to the others.
fn open(config: &Config) -> Opened {
    let (webhooks, mut failed) = (WebhookManager::new(), Vec::new());
    for destination in config.section(Section::Alerts) {
        match destination.webhook(&observed) {
            Ok(webhook) => drop(webhooks.add_webhook(destination.name(), webhook)),
            Err(error) => failed.push((destination.name().to_owned(), error)),
        }
    }
    let webhooks = Arc::new(webhooks);
    (Alerts::new(Arc::clone(&webhooks), config.alert_settings()), webhooks, failed)
}

fn report(
    args: &Args,
    outcome: &Outcome,
    deliveries: &[Delivery],
    config: Option<&Path>,
) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    if args.json {
        writeln!(out, "{:#}", json_of(outcome, deliveries))?;
        return Ok(());
    }
    match outcome {
        Outcome::Sent { .. } | Outcome::NotTaken { .. } => show(&mut out, deliveries, config)?,
        Outcome::Suppressed { key, count: held_back } => {
            let held_back = count(*held_back, "alert");
            writeln!(
                out,
                "not sent: one of the key `{key}` was sent, and it lasts; {held_back} held back since"
            )?;
        }
        Outcome::NotActive { key } => writeln!(out, "nothing to resolve: no alert of the key `{key}` lasts")?,
    }
    Ok(())
}

fn json_of(outcome: &Outcome, deliveries: &[Delivery]) -> Value {
    match outcome {
        Outcome::Sent { id, .. } => {
            let waits = deliveries.iter().any(is_open);
            json!({
                "outcome": "sent", "id": id.to_string(), "waits": waits,
                "deliveries": deliveries.iter().map(as_json).collect::<Value>(),
            })
        }
        Outcome::NotTaken { id, .. } => json!({
            "outcome": "not_taken", "id": id.to_string(), "waits": false,
            "deliveries": deliveries.iter().map(as_json).collect::<Value>(),
        }),
        Outcome::Suppressed { key, count } => {
            json!({ "outcome": "suppressed", "key": key, "suppressed": count })
        }
        Outcome::NotActive { key } => json!({ "outcome": "not_active", "key": key }),
    }
}

/// Queue what a killed process was about to send, for `sync` to deliver.
pub(super) fn recover(config: &Config) {
    let (home, names) = (config.alert_settings().spool.home(), config.section(Section::Alerts));
    if home.is_some_and(|home| home.join("alerts").is_dir()) && names.count() > 0 {
        let (alerts, ..) = open(config);
        alerts.close(Duration::ZERO);
    }
}
