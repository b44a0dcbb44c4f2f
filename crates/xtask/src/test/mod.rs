//! `cargo xtask test`: the checks that every change has to pass, cheapest first, one stage at a time.

mod architecture;
mod destinations;
mod hygiene;
mod stages;

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::terminal::{self, Hinted};
use crate::workspace::Workspace;

/// Options of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only this stage; may be given several times.
    #[arg(long, value_name = "STAGE", value_parser = stages::names())]
    only: Vec<String>,
    /// Print the stages and stop.
    #[arg(long)]
    list: bool,
}

/// One check.
struct Stage {
    name: &'static str,
    about: &'static str,
    run: fn(&Workspace) -> Result<()>,
}

/// How a stage ended.
enum Outcome {
    Passed(Duration),
    Failed(Duration),
    NotRun,
}

/// Runs the chosen stages in order, stops at the first that fails and ends with a table.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let chosen =
        stages::ALL.iter().filter(|stage| args.only.is_empty() || args.only.iter().any(|n| n == stage.name));
    if args.list {
        chosen.for_each(|stage| terminal::result(&format!("{:<10}{}", stage.name, stage.about)));
        return Ok(());
    }
    let mut rows = Vec::new();
    let mut failure = None;
    for stage in chosen {
        let outcome =
            if failure.is_some() { Outcome::NotRun } else { run_stage(workspace, stage, &mut failure) };
        rows.push(row(stage, &outcome));
    }
    terminal::table(&["stage", "result", "seconds"], rows, 2);
    failure.map_or(Ok(()), Err)
}

fn run_stage(workspace: &Workspace, stage: &Stage, failure: &mut Option<anyhow::Error>) -> Outcome {
    terminal::heading(stage.name, stage.about);
    let start = Instant::now();
    let result = (stage.run)(workspace).map_err(|error| {
        let name = stage.name;
        let hint = format!("rerun only this stage: `cargo xtask test --only {name}`");
        Hinted::new(format!("stage `{name}` failed"), hint).caused_by(error)
    });
    match result {
        Ok(()) => {
            terminal::note(&format!("{} passed in {:.1} s", stage.name, start.elapsed().as_secs_f64()));
            Outcome::Passed(start.elapsed())
        }
        Err(error) => {
            *failure = Some(error);
            Outcome::Failed(start.elapsed())
        }
    }
}

fn row(stage: &Stage, outcome: &Outcome) -> Vec<String> {
    let seconds = |spent: &Duration| format!("{:.1}", spent.as_secs_f64());
    let (result, seconds) = match outcome {
        Outcome::Passed(spent) => ("passed", seconds(spent)),
        Outcome::Failed(spent) => ("FAILED", seconds(spent)),
        Outcome::NotRun => ("not run", String::new()),
    };
    vec![stage.name.to_owned(), result.to_owned(), seconds]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(_: &Workspace) -> Result<()> {
        anyhow::bail!("no luck")
    }

    #[test]
    fn a_failed_stage_says_how_to_run_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage { name: "luck", about: "", run: failing };
        let mut failure = None;
        let outcome = run_stage(&Workspace::at(folder.path()), &stage, &mut failure);
        assert!(matches!(outcome, Outcome::Failed(_)));
        assert_eq!(format!("{:#}", failure.unwrap()), "stage `luck` failed: no luck");
    }

    #[test]
    fn what_was_not_run_has_no_time() {
        let stage = Stage { name: "luck", about: "", run: failing };
        assert_eq!(row(&stage, &Outcome::NotRun), ["luck", "not run", ""]);
    }
}
