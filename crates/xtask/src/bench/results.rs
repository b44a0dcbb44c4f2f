//! `bench/RESULTS.md`: the figures of the last runs with machine, versions, aims and a chart for each contest.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::report::{figure, group};
use super::sheets::SHEETS;
use super::{aims, chart, contests};
use crate::process;
use crate::terminal;
use crate::workspace::Workspace;

/// What a run of a contest or a sheet left in `target/bench`.
#[derive(Deserialize)]
pub(super) struct Document {
    pub(super) contest: String,
    about: String,
    rounds: usize,
    #[serde(default)]
    size: u64,
    /// Of a contest: in what its one figure is.
    #[serde(default)]
    pub(super) unit: String,
    /// Of a sheet: what each figure is called.
    #[serde(default)]
    pub(super) figures: Vec<Named>,
    pub(super) contestants: Vec<Entry>,
}

#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) key: String,
    pub(super) shown: String,
}

/// One contestant: of a contest with `median` and its neighbours, of a sheet with `figures`.
#[derive(Deserialize)]
pub(super) struct Entry {
    pub(super) name: String,
    #[serde(default)]
    pub(super) median: f64,
    #[serde(default)]
    pub(super) worst: f64,
    #[serde(default)]
    pub(super) best: f64,
    #[serde(default)]
    spread: f64,
    /// How many times as fast as the first contestant.
    #[serde(default)]
    pub(super) speed: f64,
    #[serde(default)]
    pub(super) figures: serde_json::Map<String, serde_json::Value>,
}

impl Entry {
    pub(super) fn figure(&self, key: &str) -> Option<f64> {
        self.figures.get(key)?.as_f64()
    }
}

/// Writes the page and its charts.
pub(super) fn write(workspace: &Workspace) -> Result<()> {
    let documents = read(workspace)?;
    ensure!(!documents.is_empty(), "nothing was measured yet: `cargo xtask bench` does");
    let folder = workspace.root().join("bench");
    fs::create_dir_all(folder.join("charts")).context("could not make the folder `bench`")?;
    for document in &documents {
        let path = folder.join("charts").join(format!("{}.svg", document.contest));
        fs::write(&path, chart::draw(document))
            .with_context(|| format!("could not write `{}`", path.display()))?;
    }
    let page = page(&machine(workspace), &aims::read(workspace)?, &documents);
    let path = folder.join("RESULTS.md");
    fs::write(&path, page).with_context(|| format!("could not write `{}`", path.display()))?;
    terminal::result(&format!("{} contests in `{}`", documents.len(), path.display()));
    Ok(())
}

/// In the order in which they are run; those that never ran are left out.
fn read(workspace: &Workspace) -> Result<Vec<Document>> {
    let names = contests(workspace).into_iter().map(|contest| contest.name);
    let names = names.chain(SHEETS.iter().map(|sheet| sheet.name));
    let mut found = Vec::new();
    for name in names {
        let path = workspace.bench().join(format!("{name}.json"));
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let document = serde_json::from_str(&text);
        found.push(document.with_context(|| format!("`{}` is no result", path.display()))?);
    }
    Ok(found)
}

/// What was measured on, and what with.
fn machine(workspace: &Workspace) -> Vec<(&'static str, String)> {
    let first = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_once(':').map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let said =
        |command: &mut Command| process::probe(command).ok().flatten().unwrap_or_default().trim().to_owned();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory: u64 =
        first("/proc/meminfo", "MemTotal").split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
    vec![
        ("processor", format!("{}, {cores} cores", first("/proc/cpuinfo", "model name"))),
        ("memory", format!("{:.0} GiB", memory as f64 / f64::from(1 << 20))),
        ("kernel", said(Command::new("uname").arg("-sr"))),
        ("compiler", said(Command::new("rustc").arg("--version"))),
        (
            "nethical",
            format!(
                "{}, page written at commit {}",
                env!("CARGO_PKG_VERSION"),
                said(Command::new("git").current_dir(workspace.root()).args([
                    "rev-parse",
                    "--short",
                    "HEAD"
                ]))
            ),
        ),
        ("peers", versions(workspace).join(", ")),
    ]
}

/// Versions of the packages beside which ours are measured, as they are pinned.
fn versions(workspace: &Workspace) -> Vec<String> {
    let pinned = [("wandb", "wandb"), ("mlflow", "mlflow"), ("mlflow", "watchtower"), ("apprise", "apprise")];
    let version = |(file, package): &(&str, &str)| {
        let path = workspace.root().join(format!("python/requirements-{file}.txt"));
        let text = fs::read_to_string(path).ok()?;
        let version = text.lines().find_map(|line| line.strip_prefix(package)?.strip_prefix("=="))?;
        Some(format!("{package} {version}"))
    };
    pinned.iter().filter_map(version).collect()
}

fn page(machine: &[(&str, String)], aims: &[aims::Aim], documents: &[Document]) -> String {
    let mut page = String::from(
        "# Results\n\n`cargo xtask bench` measured this and `cargo xtask bench --results` wrote it. Whoever is compared takes \
         turns in one\nrun; a figure is the median of the rounds. Absolute figures say little on another machine: look at the \
         ratios.\n\n| | |\n|---|---|\n",
    );
    for (name, value) in machine {
        let _ = writeln!(page, "| {name} | {value} |");
    }
    page.push_str("\n## Aims\n\n| what | aim | measured | |\n|---|---|---|---|\n");
    for aim in aims {
        let _ = writeln!(page, "{}", aim.row(documents));
    }
    for document in documents {
        page.push_str(&section(document));
    }
    page
}

fn section(document: &Document) -> String {
    let (name, about) = (&document.contest, &document.about);
    let mut text = format!("\n## {name}\n\n{about}\n\n![{name}](charts/{name}.svg)\n\n");
    if document.figures.is_empty() {
        let first = document.contestants.first().map_or("", |entry| entry.name.as_str());
        let _ =
            writeln!(text, "| contestant | {} | worst | best | spread | speed / {first} |", document.unit);
        text.push_str("|---|---:|---:|---:|---:|---:|\n");
        for entry in &document.contestants {
            let [median, worst, best] = [entry.median, entry.worst, entry.best].map(figure);
            let (spread, speed) = (entry.spread * 100.0, entry.speed);
            let _ = writeln!(
                text,
                "| {} | {median} | {worst} | {best} | {spread:.0} % | {speed:.2}x |",
                entry.name
            );
        }
    } else {
        let names: Vec<_> = document.contestants.iter().map(|entry| entry.name.as_str()).collect();
        let _ = writeln!(text, "| | {} |\n|---|{}", names.join(" | "), "---:|".repeat(names.len()));
        for Named { key, shown } in &document.figures {
            let values = document
                .contestants
                .iter()
                .map(|entry| entry.figure(key).map_or_else(|| "-".to_owned(), figure));
            let _ = writeln!(text, "| {shown} | {} |", values.collect::<Vec<_>>().join(" | "));
        }
    }
    let of = if document.size > 0 { format!(" of {}", group(document.size)) } else { String::new() };
    let _ = writeln!(text, "\n{} rounds{of}, in turns.", document.rounds);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contest() -> Document {
        serde_json::from_value(serde_json::json!({
            "contest": "race", "about": "who is faster", "rounds": 9, "size": 1000, "unit": "laps/s",
            "contestants": [
                { "name": "ours", "median": 200.0, "worst": 150.0, "best": 210.0, "spread": 0.3, "speed": 1.0 },
                { "name": "theirs", "median": 20.0, "worst": 15.0, "best": 21.0, "spread": 0.3, "speed": 0.1 },
            ],
        }))
        .unwrap()
    }

    fn sheet() -> Document {
        serde_json::from_value(serde_json::json!({
            "contest": "call", "about": "a call", "rounds": 3, "figures": [{ "key": "us", "shown": "a call, µs" }],
            "contestants": [
                { "name": "ours", "figures": { "us": 2.0 } }, { "name": "theirs", "figures": { "us": 500.0 } },
            ],
        }))
        .unwrap()
    }

    #[test]
    fn a_page_has_the_machine_the_aims_and_every_contest() {
        let aims: Vec<aims::Aim> = aims::parse(
            "[[aim]]\nwhat = 'laps'\ncontest = 'race'\nours = 'ours'\nbeside = 'theirs'\nfaster = 5.0\n\
             [[aim]]\nwhat = 'calls'\ncontest = 'call'\nfigure = 'us'\nours = 'ours'\nbeside = 'theirs'\nless = 1000.0\n\
             missed = 'the clock alone takes one'\n\
             [[aim]]\nwhat = 'µs'\ncontest = 'call'\nfigure = 'us'\nours = 'ours'\nat_most = 3.0\n",
        )
        .unwrap();
        let page = page(&[("cores", "2".to_owned())], &aims, &[contest(), sheet()]);
        for line in [
            "| cores | 2 |",
            "| laps: ours beside theirs | at least 5x | 10.0x | held |",
            "| calls: ours beside theirs | 1,000x less | 250x less | missed: the clock alone takes one |",
            "| µs: ours | at most 3 | 2.0 | held |",
            "| theirs | 20.0 | 15.0 | 21.0 | 30 % | 0.10x |",
            "| a call, µs | 2.0 | 500 |",
            "![race](charts/race.svg)",
            "9 rounds of 1,000, in turns.",
        ] {
            assert!(page.lines().any(|found| found == line), "`{line}` is not in\n{page}");
        }
    }

    #[test]
    fn charts_show_every_contestant_in_light_and_dark() {
        for document in [contest(), sheet()] {
            let chart = chart::draw(&document);
            assert!(chart.contains("prefers-color-scheme: dark"), "{chart}");
            assert_eq!(chart.matches("class=\"bar").count(), 2, "{chart}");
        }
    }
}
