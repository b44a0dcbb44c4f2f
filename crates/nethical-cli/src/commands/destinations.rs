//! `nethical destinations`

use std::io::Write;

use nethical::destinations::support::options::{nearest, one_of};
use nethical::destinations::{ALL, Descriptor, find};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::failure::Failure;

/// List what can be delivered to, or show the guide to one destination.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The destination whose guide to show.
    name: Option<String>,
    /// Print JSON, with the schema of the options and an example.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut out = anstream::stdout();
    match (&args.name, args.json) {
        (None, false) => writeln!(out, "{}", table().trim_fmt())?,
        (None, true) => {
            let all: Vec<_> = ALL.iter().map(|kind| described(kind)).collect();
            writeln!(out, "{:#}", Value::from(all))?;
        }
        (Some(name), false) => writeln!(out, "{}", named(name)?.docs.trim_end())?,
        (Some(name), true) => writeln!(out, "{:#}", described(named(name)?))?,
    }
    Ok(Exit::Success)
}

fn named(name: &str) -> Result<&'static Descriptor, Failure> {
    find(name).ok_or_else(|| {
        let names = || ALL.iter().map(|kind| kind.name);
        let hint = match nearest(name, names()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("there are {}", one_of(names(), "and")),
        };
        Failure::usage(format!("there is no destination `{name}`"), hint)
    })
}

fn families(kind: &Descriptor) -> Vec<&'static str> {
    kind.families.iter().map(|family| family.as_str()).collect()
}

fn table() -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(["name", "takes", "what it does"]);
    for kind in ALL {
        table.add_row([kind.name, &families(kind).join(", "), kind.summary]);
    }
    table
}

fn described(kind: &Descriptor) -> Value {
    json!({
        "name": kind.name,
        "takes": families(kind),
        "summary": kind.summary,
        "schema": (kind.schema)().to_value(),
        "example": kind.example,
    })
}
