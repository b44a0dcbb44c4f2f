//! `nethical webhook sign`

use std::io::Write;
use std::path::PathBuf;

use nethical::event::{EventId, Timestamp};
use nethical::webhooks::{sign, sign_plain};
use serde_json::json;

use super::secrets::{Secrets, read};
use crate::exit::Exit;
use crate::failure::Failure;

/// Print the headers that sign a body, as Standard Webhooks has them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The file with the body; `-` is standard input.
    #[arg(default_value = "-")]
    body: PathBuf,
    #[command(flatten)]
    secrets: Secrets,
    /// The message's id. A new one without it.
    #[arg(long)]
    id: Option<String>,
    /// Seconds since 1970. Now without it.
    #[arg(long, value_name = "SECONDS")]
    timestamp: Option<i64>,
    /// The plain signature `sha256=...` of the body only, for receivers that know nothing better.
    #[arg(long, conflicts_with_all = ["id", "timestamp"])]
    plain: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  nethical webhook sign body.json
  curl https://example.com/hook -H @<(nethical webhook sign body.json) --data-binary @body.json";

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let keys = args.secrets.keys()?;
    let body = read(&args.body)?;
    let mut out = anstream::stdout();
    if args.plain {
        let signature = keys.first().map(|key| sign_plain(key, &body)).unwrap_or_default();
        let shown = if args.json { json!({ "signature": signature }).to_string() } else { signature };
        writeln!(out, "{shown}")?;
        return Ok(Exit::Success);
    }
    let id = args.id.clone().unwrap_or_else(|| EventId::at(Timestamp::now()).to_string());
    let timestamp = args.timestamp.unwrap_or_else(|| Timestamp::now().as_second());
    let signature = sign(&keys, &id, timestamp, &body)
        .map_err(|error| Failure::usage(format!("nothing is signed: {error}"), "choose another `--id`"))?;
    let headers =
        [("webhook-id", id), ("webhook-timestamp", timestamp.to_string()), ("webhook-signature", signature)];
    if args.json {
        let object: serde_json::Map<_, _> =
            headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        writeln!(out, "{}", serde_json::Value::Object(object))?;
    } else {
        headers.iter().try_for_each(|(name, value)| writeln!(out, "{name}: {value}"))?;
    }
    Ok(Exit::Success)
}
