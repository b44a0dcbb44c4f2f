//! `nethical check`

use std::io::Write;
use std::path::Path;
use std::thread;

use nethical::config::{ConfigError, Configured, Section};
use nethical::delivery::{Error, Policy, Settings, SpoolSettings};
use nethical::event::Message;
use nethical::{Config, Connector};
use serde_json::{Value, json};

use super::load_config;
use crate::exit::Exit;
use crate::failure::{Failure, exit_of};
use crate::render::{BAD, GOOD, styled};

/// See whether the configuration is right and every destination works.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only read the configuration; open and reach nothing.
    #[arg(long)]
    offline: bool,
    /// Also send a message to each webhook: whether Slack and others take one shows only that.
    #[arg(long, conflicts_with = "offline")]
    send: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What was found out about one destination.
struct Finding<'c> {
    destination: &'c Configured,
    found: Result<String, Error>,
}

pub(crate) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    let config = match load_config(config) {
        Err(Failure::Config(error)) if args.json => {
            writeln!(anstream::stdout(), "{:#}", problems(&error))?;
            return Ok(Exit::Usage);
        }
        loaded => loaded?,
    };
    let findings = if args.offline { read_only(&config) } else { reach(&config, args.send) };
    let failed = findings.iter().filter_map(|finding| finding.found.as_ref().err());
    let exit = failed.map(exit_of).max().unwrap_or(Exit::Success);
    let mut out = anstream::stdout();
    if args.json {
        writeln!(out, "{:#}", as_json(&config, &findings))?;
    } else {
        show(&mut out, &config, &findings)?;
    }
    Ok(exit)
}

fn read_only(config: &Config) -> Vec<Finding<'_>> {
    let finding =
        |destination: &Configured| format!("{}, {} and above", destination.kind().name, destination.level());
    let findings = config.destinations().iter();
    findings.map(|destination| Finding { destination, found: Ok(finding(destination)) }).collect()
}

/// Open and probe all destinations, at the same time.
fn reach(config: &Config, send: bool) -> Vec<Finding<'_>> {
    let panicked = || Error::unavailable("check.panicked", "the check itself failed");
    thread::scope(|scope| {
        let checks: Vec<_> = config
            .destinations()
            .iter()
            .map(|destination| (destination, scope.spawn(move || probe(destination, send))))
            .collect();
        checks
            .into_iter()
            .map(|(destination, check)| {
                let found = check.join().unwrap_or_else(|_| Err(panicked()));
                Finding { destination, found }
            })
            .collect()
    })
}

fn probe(destination: &Configured, send: bool) -> Result<String, Error> {
    // What waits for it on disk is not delivered by a look.
    let connector = destination.connect(&|settings| Settings { spool: SpoolSettings::off(), ..settings })?;
    if send && destination.section() == Section::Alerts { try_out(&connector) } else { connector.probe() }
}

/// Have a webhook take a message, once.
fn try_out(connector: &Connector) -> Result<String, Error> {
    let text = "This is a test of `nethical check --send`.";
    let message = Message::new("nethical_check", json!({ "message": text }));
    let once = Policy { max_attempts: 1, ..Policy::default() };
    let failed = |why: String, hint: Option<&str>| {
        let error = Error::unavailable("check.not_taken", why);
        hint.into_iter().fold(error, |error, hint| error.with_hint(hint))
    };
    let delivery = connector
        .deliver_now(message.encode().event, Some(once))
        .map_err(|_| failed("cannot be opened".to_owned(), None))?;
    let address = delivery.url.clone().unwrap_or_default();
    match delivery.error_message {
        None => Ok(format!("{address} took a message")),
        Some(why) => Err(failed(why, delivery.hint.as_deref())),
    }
}

fn show(out: &mut impl Write, config: &Config, findings: &[Finding<'_>]) -> Result<(), Failure> {
    if findings.is_empty() {
        writeln!(out, "{}: right, but nothing is configured", config.name())?;
    }
    let width = findings.iter().map(|finding| finding.destination.name().len()).max().unwrap_or(0);
    for Finding { destination, found } in findings {
        let name = destination.name();
        match found {
            Ok(found) => {
                let mut lines = found.lines();
                let first = lines.next().unwrap_or_default();
                writeln!(out, "{name:width$}  {}      {first}", styled(GOOD, "ok"))?;
                for line in lines {
                    writeln!(out, "{:width$}          {line}", "")?;
                }
            }
            Err(error) => {
                writeln!(out, "{name:width$}  {}  {error}", styled(BAD, "failed"))?;
                if let Some(hint) = error.hint() {
                    writeln!(out, "{:width$}          hint: {hint}", "")?;
                }
            }
        }
    }
    Ok(())
}

fn as_json(config: &Config, findings: &[Finding<'_>]) -> Value {
    let destinations: Vec<_> = findings
        .iter()
        .map(|Finding { destination, found }| {
            json!({
                "name": destination.name(),
                "type": destination.kind().name,
                "ok": found.is_ok(),
                "found": found.as_ref().ok(),
                "error": found.as_ref().err().map(ToString::to_string),
                "code": found.as_ref().err().map(Error::code),
                "hint": found.as_ref().err().and_then(Error::hint),
            })
        })
        .collect();
    json!({ "config": config.name(), "problems": [], "destinations": destinations })
}

fn problems(error: &ConfigError) -> Value {
    let problem = |problem| {
        let position = error.position(problem);
        json!({
            "message": problem.message,
            "hint": problem.hint,
            "line": position.map(|(line, _)| line),
            "column": position.map(|(_, column)| column),
        })
    };
    let problems: Vec<_> = error.problems().iter().map(problem).collect();
    json!({ "config": error.name(), "problems": problems, "destinations": [] })
}
