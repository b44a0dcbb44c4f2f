//! `nethical webhook verify`

use std::io::Write;
use std::path::PathBuf;

use nethical::event::Timestamp;
use nethical::webhooks::{Headers, TOLERANCE, verify};
use serde_json::json;

use super::secrets::{Secrets, read};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render;

/// See whether a message was signed with a secret, and lately. Ends with 1 if it was not.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file with the body, byte for byte as it came; `-` is standard input.
    #[arg(default_value = "-")]
    body: PathBuf,
    /// A header of the message, `NAME: VALUE`: of `webhook-id`, `webhook-timestamp` and
    /// `webhook-signature` each. Others are ignored.
    #[arg(long, short = 'H', value_name = "NAME: VALUE", required = true)]
    header: Vec<String>,
    #[command(flatten)]
    secrets: Secrets,
    /// Seconds that the message may be older or newer than now.
    #[arg(long, value_name = "SECONDS", default_value_t = TOLERANCE)]
    tolerance: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let headers = Headers {
        id: args.named("webhook-id")?,
        timestamp: args.named("webhook-timestamp")?,
        signature: args.named("webhook-signature")?,
    };
    let (keys, body) = (args.secrets.keys()?, read(&args.body)?);
    let verified = verify(&keys, &headers, &body, Timestamp::now().as_second(), args.tolerance);
    let exit = if verified.is_ok() { Exit::Success } else { Exit::Refused };
    if args.json {
        let why = verified.as_ref().err().map(ToString::to_string);
        writeln!(anstream::stdout(), "{}", json!({ "verified": verified.is_ok(), "reason": why }))?;
    } else {
        match verified {
            Ok(()) => writeln!(anstream::stdout(), "the signature is right")?,
            Err(error) => render::error(&format!("the message is not to be trusted: {error}"), None),
        }
    }
    Ok(exit)
}

impl Args {
    fn named(&self, name: &str) -> Result<&str, Failure> {
        let pairs = self.header.iter().filter_map(|header| header.split_once(':'));
        let mut values = pairs.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        let missing = || {
            Failure::usage(
                format!("the header `{name}` is missing"),
                format!("give it with `-H '{name}: ...'`"),
            )
        };
        values.next().map(|(_, value)| value.trim()).ok_or_else(missing)
    }
}
