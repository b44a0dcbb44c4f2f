//! `nethical config check`

use std::io::Write;
use std::path::{Path, PathBuf};

use nethical::{Config, ConfigError};
use serde_json::{Value, json};

use crate::commands::load_config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::{GOOD, count, problems, say, styled};

/// Read configurations and say everything that is wrong with them; open and reach nothing.
///
/// Ends with 0 if all are right, with 2 if one is not. What is missing in the environment is a fault, too.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The files. Without any the configuration that the other commands use.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, asked: Option<&Path>) -> Result<Exit, Failure> {
    let read: Vec<_> = if args.files.is_empty() {
        vec![found(asked)?]
    } else {
        args.files.iter().map(Config::load).collect()
    };
    if args.json {
        let all: Value = read.iter().map(described).collect();
        writeln!(anstream::stdout(), "{all:#}")?;
    } else {
        read.iter().try_for_each(tell)?;
    }
    Ok(if read.iter().all(Result::is_ok) { Exit::Success } else { Exit::Usage })
}

/// The configuration that is found without a name; that there is none is another failure than a wrong one.
fn found(asked: Option<&Path>) -> Result<Result<Config, ConfigError>, Failure> {
    match load_config(asked) {
        Ok(config) => Ok(Ok(config)),
        Err(Failure::Config(error)) => Ok(Err(error)),
        Err(failure) => Err(failure),
    }
}

fn tell(read: &Result<Config, ConfigError>) -> Result<(), Failure> {
    match read {
        Ok(config) => {
            let number = count(config.destinations().len() as u64, "destination");
            writeln!(anstream::stdout(), "{}: {}, {number}", config.name(), styled(GOOD, "right"))?;
        }
        Err(error) => say(&error.render(true)),
    }
    Ok(())
}

fn described(read: &Result<Config, ConfigError>) -> Value {
    match read {
        Ok(config) => {
            let names: Vec<_> =
                config.destinations().iter().map(nethical::config::Configured::name).collect();
            json!({ "config": config.name(), "ok": true, "problems": [], "destinations": names })
        }
        Err(error) => problems(error),
    }
}
