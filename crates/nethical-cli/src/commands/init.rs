//! `nethical init`

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nethical::destinations::ALL;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::render;

/// Write a configuration to begin with.
///
/// It logs to a file, and shows every other destination in comments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to write it; `-` is standard output.
    #[arg(default_value = "nethical.toml")]
    path: PathBuf,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
}

/// The destination that works everywhere without an account or a server.
const ACTIVE: &str = "jsonl";

const HEAD: &str = "\
# Where Nethical delivers. `nethical check` says whether it works, `nethical destinations NAME` what
# each option means. Editors complete it after `nethical config schema > nethical.schema.json` and with
# `#:schema ./nethical.schema.json` as the first line.
#
# A table's name is its destination's name and, unless `type` says otherwise, its type.
# Secrets stay in the environment: \"${NAME}\", or \"${NAME:-default}\".
#
# Every destination also takes:
#   enabled = false                   # leave this table alone
#   level = \"warning\"                 # nothing below goes there
#   batch_age = 1.0                   # deliver after this many seconds, even if it is little
#   rate_limit_per_sec = 10           # most deliveries in a second
#   spool = true                      # wait on disk; usual for all but local files
#   queue = { max_events = 65536, max_bytes = 67108864, full = \"drop_newest\" }   # in memory
#       # full = \"drop_newest\" | \"drop_oldest\" | { block = 5 }, the seconds that a caller waits

[logging]
enabled = true
";

const TAIL: &str = "
# What cannot be delivered yet waits on disk, and outlives the process. These are the usual values.
#[spool]
#home = \"/var/lib/nethical\"          # without it $NETHICAL_HOME, else ~/.local/state/nethical
#durability = \"interval\"            # \"none\" | \"interval\" | \"every\": safe within 20 ms, or at once
#max_bytes = 1073741824              # of all files together
#destination_bytes = 1073741824      # that may wait for one destination
#segment_bytes = 16777216            # of one file
#full = \"drop_oldest\"               # or \"drop_newest\" | { block = 5 }

# Values whose keys hold words such as `password`, `token` or `api_key` are hidden.
#[redaction]
#also = [\"internal_ref\"]            # more words
#except = [\"session_token\"]         # keys that are shown nevertheless

# What an entry may hold. More is cut, visibly.
#[limits]
#max_value_bytes = 65536
#max_entry_bytes = 196608
";

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let text = assemble();
    if args.path == Path::new("-") {
        anstream::stdout().write_all(text.as_bytes())?;
        return Ok(Exit::Success);
    }
    write(args, &text).map_err(|error| explain(&args.path, &error))?;
    render::say(&format!("wrote {}", args.path.display()));
    Ok(Exit::Success)
}

fn write(args: &Args, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).create_new(!args.force);
    options.open(&args.path)?.write_all(text.as_bytes())
}

fn explain(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    if error.kind() == io::ErrorKind::AlreadyExists {
        return Failure::usage(format!("{path} is there already"), "write over it with `--force`");
    }
    Failure::usage(format!("cannot write {path}: {error}"), "choose another path: `nethical init PATH`")
}

/// The examples of all destinations: one works, the others are comments.
fn assemble() -> String {
    let mut text = HEAD.to_owned();
    for kind in ALL.iter().filter(|kind| kind.name == ACTIVE) {
        text += &format!("\n# {}.\n{}\n", kind.summary, kind.example.trim());
    }
    for kind in ALL.iter().filter(|kind| kind.name != ACTIVE) {
        text += &format!("\n# {}.\n{}\n", kind.summary, commented(kind.example.trim()));
    }
    text + TAIL
}

fn commented(example: &str) -> String {
    let lines = example.lines().map(|line| if line.is_empty() { String::new() } else { format!("#{line}") });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use nethical::config::{Config, Configured, Format};

    use super::*;

    #[test]
    fn what_it_writes_is_a_configuration() {
        let config = Config::parse("init", &assemble(), Format::Toml).unwrap();
        assert_eq!(config.destinations().iter().map(Configured::name).collect::<Vec<_>>(), [ACTIVE]);
    }

    #[test]
    fn what_stands_in_comments_is_one_too() {
        let commented = |line: &&str| !line.starts_with("# ");
        let all: Vec<_> = assemble()
            .lines()
            .filter(commented)
            .map(|line| line.strip_prefix('#').unwrap_or(line).to_owned())
            .collect();
        let config = Config::parse("init", &all.join("\n"), Format::Toml).unwrap();
        assert_eq!(config.destinations().len(), ALL.len());
    }
}
