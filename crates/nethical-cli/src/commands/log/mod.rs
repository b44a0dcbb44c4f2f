//! `nethical log`

mod delivery;
mod entry;
mod lines;
mod report;
mod stdin;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nethical::{Level, LogEntry, Metadata};

use self::delivery::Delivery;
use self::report::Input;
use crate::commands::fields;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::units::seconds;

/// Log an entry, or one for each line of standard input.
///
/// One that was delivered prints nothing; --stdin ends with an account on standard error.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What happened.
    #[arg(required_unless_present = "stdin")]
    message: Option<OsString>,
    /// More about it. A number, `true`, `false`, `null` or a text in quotes is what it is in JSON;
    /// anything else is text.
    #[arg(value_name = "KEY=VALUE")]
    fields: Vec<OsString>,
    /// How severe it is: debug, info, warning, error or critical.
    #[arg(long, short, default_value = "info")]
    level: Level,
    /// Which part of a program says so.
    #[arg(long, short, default_value = "shell", value_name = "NAME")]
    source: String,
    /// Only to this destination of the configuration. May be given several times.
    #[arg(long, value_name = "NAME")]
    to: Vec<String>,
    /// Append to this JSON Lines file, without any configuration.
    #[arg(long, short, value_name = "PATH", conflicts_with_all = ["to", "config"])]
    file: Option<PathBuf>,
    /// An option of that file, such as `rotate_bytes=100000000`, `compress=zstd` or `schema=ecs`; `nethical
    /// destinations jsonl` has all. May be given several times.
    #[arg(long, short = 'o', value_name = "KEY=VALUE", requires = "file")]
    option: Vec<OsString>,
    /// Log one entry for each line of standard input.
    #[arg(long)]
    stdin: bool,
    /// Print the account as JSON. With --stdin each line is a JSON object too: `timestamp`, `level`,
    /// `message`, `source`, `metadata` and `id` are taken as such, all else is metadata, as `NAME_2` where
    /// `metadata` has another value of that name.
    #[arg(long)]
    json: bool,
    /// Wait at most this long for everything to be delivered.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    wait: Duration,
    /// Do not wait for a destination that does not take everything at once.
    #[arg(long, conflicts_with = "wait")]
    no_wait: bool,
}

/// What `--no-wait` calls at once: a local file takes a few milliseconds.
const AT_ONCE: Duration = Duration::from_millis(250);

const EXAMPLES: &str = "\
Examples:
  nethical log --level warning --source cron \"disk at 91%\" disk=/dev/sda1 used=0.91
  nethical log --file app.jsonl \"started\" version=1.2.0
  tail -F app.log | nethical log --stdin --source app";

pub(crate) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    let metadata = fields::read(args.field_words())?;
    let delivery = Arc::new(Delivery::open(args, config)?);
    let input = if delivery.is_nowhere() {
        Input::default()
    } else if args.stdin {
        stdin::feed(args, &metadata, &delivery)?
    } else {
        log_one(args, metadata, &delivery)
    };
    delivery.finish(&input)
}

impl Args {
    fn field_words(&self) -> Vec<&OsString> {
        let first = self.message.iter().filter(|_| self.stdin);
        first.chain(&self.fields).collect()
    }

    fn patience(&self) -> Duration {
        if self.no_wait { AT_ONCE } else { self.wait }
    }
}

fn log_one(args: &Args, metadata: Metadata, delivery: &Delivery) -> Input {
    let message = args.message.as_ref().map(|message| message.to_string_lossy()).unwrap_or_default();
    let entry = LogEntry::new(args.level, message, &args.source).with(metadata);
    delivery.log(&entry);
    Input::default()
}
