//! `nethical config schema`

use std::io::Write;

use nethical::Config;

use crate::exit::Exit;
use crate::failure::Failure;

/// Print the JSON Schema of a configuration, by which editors complete and check it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {}

const EXAMPLES: &str = "\
Example:
  nethical config schema > nethical.schema.json

Editors that use Taplo (Even Better TOML in VS Code) read it if nethical.toml begins with
  #:schema ./nethical.schema.json";

pub(super) fn run(_: &Args) -> Result<Exit, Failure> {
    writeln!(anstream::stdout(), "{:#}", Config::schema())?;
    Ok(Exit::Success)
}
