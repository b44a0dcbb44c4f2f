//! `nethical webhook send`

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use nethical::Level;
use nethical::delivery::Delivery;
use nethical::event::{Event, Message, whole_numbers};
use serde_json::{Map, Value, json};

use super::secrets::read;
use super::sending::{self, Sending};
use super::target::Targets;
use crate::commands::fields;
use crate::exit::Exit;
use crate::failure::{Failure, exit_of};
use crate::render::{self, BAD, GOOD, styled};
use crate::units::seconds;

/// Send a message to every webhook of the configuration, or to those that are named.
///
/// Each service gets it in its own shape. What does not arrive in time is kept on disk: `nethical sync`
/// delivers it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// What kind of thing happened, such as `model_deployed`.
    event_type: String,
    /// What happened. A number, `true`, `false`, `null` or a text in quotes is what it is in JSON;
    /// anything else is text.
    #[arg(value_name = "KEY=VALUE")]
    fields: Vec<OsString>,
    /// What happened as JSON, instead: a text that begins with `{` or `[`, a file, or `-` for
    /// standard input.
    #[arg(long, value_name = "JSON|PATH", conflicts_with = "fields")]
    data: Option<String>,
    /// What belongs to it.
    #[arg(long = "meta", value_name = "KEY=VALUE")]
    metadata: Vec<OsString>,
    /// How severe it is: debug, info, warning, error or critical.
    #[arg(long, short)]
    severity: Option<Level>,
    /// Only to this webhook of the configuration. May be given several times.
    #[arg(long, value_name = "NAME")]
    pub(super) to: Vec<String>,
    /// To this address, without any configuration.
    #[arg(long, conflicts_with_all = ["to", "config"])]
    pub(super) url: Option<String>,
    /// What listens at the address: http, slack or discord. Without it as the host's name says.
    #[arg(long = "type", value_name = "TYPE", requires = "url")]
    pub(super) kind: Option<String>,
    /// A header for the address. May be given several times.
    #[arg(long, short = 'H', value_name = "NAME: VALUE", requires = "url")]
    pub(super) header: Vec<String>,
    /// Wait at most this long.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    wait: Duration,
    /// Only keep it on disk.
    #[arg(long, conflicts_with_all = ["wait", "url"])]
    no_wait: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  nethical webhook send disk_full disk=/dev/sda1 used=0.97 --severity critical
  nethical webhook send backup_done --data report.json --to ops
  nethical webhook send test --url https://example.com/hook -H 'X-API-Key: ...'";

pub(super) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    let event = message(args)?;
    let deadline = Instant::now() + if args.no_wait { Duration::ZERO } else { args.wait };
    let targets = Targets::open(args, config)?;
    for (name, error) in &targets.failed {
        render::destination_error(name, error);
    }
    // All are under way before the first is waited for.
    let start = |connector| Sending::start(connector, std::slice::from_ref(&event));
    let sendings: Vec<_> = targets.open.into_iter().map(start).collect();
    let deliveries: Vec<_> = sendings.into_iter().flat_map(|sending| sending.finish(deadline)).collect();
    let mut out = anstream::stdout();
    if args.json {
        writeln!(out, "{:#}", deliveries.iter().map(sending::as_json).collect::<Value>())?;
    } else {
        show(&mut out, &deliveries, config)?;
    }
    let failed = targets.failed.iter().map(|(_, error)| exit_of(error));
    Ok(deliveries.iter().map(sending::exit).chain(failed).max().unwrap_or(Exit::Success))
}

fn message(args: &Args) -> Result<Event, Failure> {
    let data = match &args.data {
        None => object(&args.fields)?.into(),
        Some(text) if text.trim_start().starts_with(['{', '[']) => json(text.as_bytes(), "--data")?,
        Some(path) => json(&read(Path::new(path))?, path)?,
    };
    let mut metadata = object(&args.metadata)?;
    if let Some(severity) = args.severity {
        metadata.insert("severity".to_owned(), json!(severity.as_str().to_lowercase()));
    }
    Ok(Message::new(&args.event_type, data).with_metadata(metadata).encode().event)
}

fn object(words: &[OsString]) -> Result<Map<String, Value>, Failure> {
    let fields = fields::read(words.iter().collect())?;
    Ok(fields.iter().map(|(key, value)| (key.to_owned(), value.clone())).collect())
}

fn json(text: &[u8], place: &str) -> Result<Value, Failure> {
    let wrong = |error| Failure::usage(format!("{place} is no JSON: {error}"), "give one JSON value");
    match std::str::from_utf8(text) {
        Ok(text) => serde_json::from_str(&whole_numbers(text)).map_err(wrong),
        Err(_) => serde_json::from_slice(text).map_err(wrong),
    }
}

/// What became of deliveries, a line each.
pub(crate) fn show(
    out: &mut impl Write,
    deliveries: &[Delivery],
    config: Option<&Path>,
) -> Result<(), Failure> {
    let width = deliveries.iter().map(|delivery| delivery.destination.len()).max().unwrap_or(0);
    for delivery in deliveries {
        let style = if delivery.is_success() { GOOD } else { BAD };
        let sentence = sending::sentence(delivery);
        let (word, rest) = sentence
            .split_once([' ', ',', ':'])
            .map_or((&*sentence, ""), |(word, _)| (word, sentence.strip_prefix(word).unwrap_or_default()));
        writeln!(out, "{:width$}  {}{rest}", delivery.destination, styled(style, word))?;
        if let Some(hint) = delivery.hint.as_ref().filter(|_| !delivery.is_success()) {
            writeln!(out, "{:width$}  hint: {hint}", "")?;
        }
    }
    if deliveries.iter().any(sending::is_open) {
        let asked = config.map(|path| format!(" --config {}", path.display())).unwrap_or_default();
        writeln!(out, "`nethical sync{asked}` delivers what is kept")?;
    }
    Ok(())
}
