//! `cargo xtask bench`: ours and its peers side by side, in one run.
//!
//! A [`Contest`] asks one question of several [`Contestant`]s. They take turns, `A B C A B C ...`, so that a
//! neighbour who takes the processor for a second takes it from all of them, and each round yields a ratio of
//! its own. The first contestant is the one the others are compared with.
//!
//! To add a contest, write a file beside `log_rate.rs` with a function that returns it, and name that function in
//! [`contests`]. The product and the peer crates are there only with the feature `bench`, which the
//! command turns on for itself.

mod aims;
mod chart;
mod log_call;
mod log_rate;
mod logging_calls;
mod ours;
mod report;
mod results;
mod rounds;
mod script;
mod senders;
mod sheet;
mod sheets;
mod spool;
mod webhook;

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use self::sheet::Sheet;
use self::sheets::SHEETS;
use crate::release;
use crate::terminal;
use crate::venv::Venv;
use crate::workspace::Workspace;

/// Options of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only this contest; may be given several times.
    #[arg(long, value_name = "CONTEST")]
    only: Vec<String>,
    /// Tiny sizes and few rounds: shows that every contest works, not how fast anything is.
    #[arg(long)]
    quick: bool,
    /// Print the contests and stop.
    #[arg(long)]
    list: bool,
    /// Write `bench/RESULTS.md` and its charts from what the last runs found, and stop.
    #[arg(long)]
    results: bool,
}

/// What one contestant does: `n` operations, and how long they took.
type Body = Box<dyn FnMut(u64) -> Result<Duration>>;

/// One way of doing what the contest asks for.
struct Contestant {
    name: &'static str,
    body: Body,
}

impl Contestant {
    fn new(name: &'static str, body: impl FnMut(u64) -> Result<Duration> + 'static) -> Self {
        Self { name, body: Box::new(body) }
    }
}

/// How a measurement is written down.
#[derive(Clone, Copy)]
enum Unit {
    /// How many of these per second; more is better.
    PerSecond(&'static str),
    /// Nanoseconds for each of these; less is better.
    NanosecondsPer(&'static str),
}

/// What has to be there before the first round.
enum Needs {
    /// Nothing but this binary.
    Nothing,
    /// The virtual environment with our own package in it.
    Python,
}

/// One question and everyone who answers it.
struct Contest {
    name: &'static str,
    /// One line: what is done, and how many of it.
    about: &'static str,
    unit: Unit,
    /// Operations per round.
    size: u64,
    /// Operations per round with `--quick`.
    quick: u64,
    needs: Needs,
    contestants: Vec<Contestant>,
}

/// Every contest, in the order of the output.
fn contests(workspace: &Workspace) -> Vec<Contest> {
    vec![
        log_call::contest(workspace),
        log_rate::contest(workspace),
        logging_calls::contest(workspace),
        spool::log_call::contest(workspace),
        spool::append::interval(workspace),
        spool::append::none(workspace),
        spool::append::every(workspace),
        spool::append::every_8(workspace),
        spool::append::every_64(workspace),
        spool::fanout::append(workspace),
        spool::fanout::delivery(workspace),
        spool::growth::contest(workspace),
        webhook::contest(workspace),
    ]
}

/// Runs the chosen contests, prints a table for each and writes it to `target/bench/<contest>.json`.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    if args.results {
        return results::write(workspace);
    }
    let (contests, sheets) = chosen(contests(workspace), &args.only)?;
    if args.list {
        let names = contests.iter().map(|contest| (contest.name, contest.about));
        let all = names.chain(sheets.iter().map(|sheet| (sheet.name, sheet.about)));
        all.for_each(|(name, about)| terminal::result(&format!("{name:<24}{about}")));
        return Ok(());
    }
    if release::needed() {
        return release::again(workspace);
    }
    fs::create_dir_all(workspace.bench()).context("could not make the folder for results")?;
    prepare(workspace, &contests, &sheets)?;
    for mut contest in contests {
        terminal::heading(contest.name, contest.about);
        let plan = if args.quick { rounds::Plan::quick(&contest) } else { rounds::Plan::full(&contest) };
        let results = rounds::run(&mut contest, &plan)?;
        report::print(&contest, &plan, &results);
        report::write(workspace, &contest, &plan, &results)?;
    }
    for sheet in sheets {
        terminal::heading(sheet.name, sheet.about);
        sheet::run(workspace, sheet, args.quick)?;
    }
    Ok(())
}

/// Whether there are the contests that these arguments name.
#[cfg(test)]
pub(crate) fn check(args: &Args) -> Result<()> {
    chosen(contests(&Workspace::find()?), &args.only).map(drop)
}

fn chosen(contests: Vec<Contest>, only: &[String]) -> Result<(Vec<Contest>, Vec<&'static Sheet>)> {
    let names = contests.iter().map(|contest| contest.name);
    let names: Vec<&str> = names.chain(SHEETS.iter().map(|sheet| sheet.name)).collect();
    if let Some(unknown) = only.iter().find(|name| !names.contains(&name.as_str())) {
        let hint = format!("the contests are {}", names.join(", "));
        return Err(terminal::Hinted::new(format!("no contest is called `{unknown}`"), hint).into());
    }
    let wanted = |name: &str| only.is_empty() || only.iter().any(|only| only == name);
    let contests = contests.into_iter().filter(|contest| wanted(contest.name)).collect();
    Ok((contests, SHEETS.iter().filter(|sheet| wanted(sheet.name)).collect()))
}

/// Makes what is to run in Python ready, once for all.
fn prepare(workspace: &Workspace, contests: &[Contest], sheets: &[&Sheet]) -> Result<()> {
    let python = contests.iter().any(|contest| matches!(contest.needs, Needs::Python));
    if python || !sheets.is_empty() {
        Venv::prepare(workspace)?.install_package()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_contest_is_refused_before_anything_runs() {
        let folder = tempfile::tempdir().unwrap();
        let all = contests(&Workspace::at(folder.path()));
        let error = chosen(all, &["nonsense".to_owned()]).err().unwrap();
        assert_eq!(error.to_string(), "no contest is called `nonsense`");
    }

    #[test]
    fn every_contest_has_somebody_to_compare_with_and_a_name_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let all = contests(&Workspace::at(folder.path()));
        assert!(all.iter().all(|contest| contest.contestants.len() > 1 && contest.quick <= contest.size));
        let names = all.iter().map(|contest| contest.name);
        let mut names: Vec<_> = names.chain(SHEETS.iter().map(|sheet| sheet.name)).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all.len() + SHEETS.len());
    }
}
