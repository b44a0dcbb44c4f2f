//! Measurements that yield several figures at once: time in the caller, rate, memory, bytes.
//!
//! A script under `python/benches` or an example measures, each contestant in processes of its own, and prints
//! `{"results": {"CONTESTANT": {"FIGURE": ...}}}` with the medians. The first contestant is ours.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::terminal;
use crate::venv::Venv;
use crate::workspace::Workspace;

/// One measurement and its figures. [`SHEETS`](super::sheets::SHEETS) are all of them.
pub(super) struct Sheet {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// The key in the script's output, what people read, and by what the value is multiplied for it.
    pub(super) figures: &'static [(&'static str, &'static str, f64)],
    /// Runs the script, small if told so, and gives what it printed.
    pub(super) measure: fn(&Workspace, &Venv, bool) -> Result<String>,
}

#[derive(Deserialize)]
struct Output {
    #[serde(default = "once")]
    rounds: usize,
    results: Map<String, Value>,
}

const fn once() -> usize {
    1
}

/// Measures with the package in the virtual environment, prints a table, and writes `target/bench/NAME.json`; a quick run
/// does not replace a real one.
pub(super) fn run(workspace: &Workspace, sheet: &Sheet, quick: bool) -> Result<()> {
    let output = (sheet.measure)(workspace, &Venv::at(workspace), quick)?;
    let output: Output = serde_json::from_str(&output).context("the script's output is no result")?;
    complete(sheet, &output.results)?;
    let header: Vec<&str> = [""].into_iter().chain(output.results.keys().map(String::as_str)).collect();
    terminal::table(&header, table(sheet, &output.results), 1);
    let few = if quick { ", too few to say how fast anything is" } else { "" };
    terminal::result(&format!("medians of {} rounds, in turns{few}", output.rounds));
    let figures: Vec<Value> =
        sheet.figures.iter().map(|(key, shown, _)| json!({ "key": key, "shown": shown })).collect();
    let contestants: Vec<Value> = output
        .results
        .iter()
        .map(|(name, found)| json!({ "name": name, "figures": scaled(sheet, found) }))
        .collect();
    let document = json!({
        "contest": sheet.name, "about": sheet.about, "rounds": output.rounds, "quick": quick, "figures": figures,
        "contestants": contestants,
    });
    let path = workspace.bench().join(format!("{}{}.json", sheet.name, if quick { ".quick" } else { "" }));
    let text = serde_json::to_string_pretty(&document).context("could not encode the results")?;
    fs::write(&path, text + "\n").with_context(|| format!("could not write `{}`", path.display()))
}

/// Everybody has every figure.
fn complete(sheet: &Sheet, results: &Map<String, Value>) -> Result<()> {
    for (name, found) in results {
        for (key, _, _) in sheet.figures {
            ensure!(found.get(*key).is_some_and(Value::is_number), "`{key}` of `{name}` was not measured");
        }
    }
    Ok(())
}

fn scaled(sheet: &Sheet, found: &Value) -> Map<String, Value> {
    let value = |(key, _, scale): &(&str, &str, f64)| {
        Some(((*key).to_owned(), Value::from(found.get(*key)?.as_f64()? * scale)))
    };
    sheet.figures.iter().filter_map(value).collect()
}

fn table(sheet: &Sheet, results: &Map<String, Value>) -> Vec<Vec<String>> {
    let row = |(key, shown, scale): &(&str, &str, f64)| {
        let figure = |found: &Value| {
            let value = found.get(*key).and_then(Value::as_f64).unwrap_or(f64::NAN) * scale;
            super::report::figure(value)
        };
        [(*shown).to_owned()].into_iter().chain(results.values().map(figure)).collect()
    };
    sheet.figures.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sheets::SHEETS;
    use super::*;

    #[test]
    fn figures_stand_side_by_side() {
        let results = json!({
            "nethical": { "start_and_end_s": 0.002, "bytes_per_row": 150.0 },
            "wandb": { "start_and_end_s": 0.4, "bytes_per_row": 3000.0 },
        });
        let table = table(&SHEETS[0], results.as_object().unwrap());
        assert_eq!(table[2], ["start and end, ms", "2.0", "400"]);
        assert_eq!(table[5], ["bytes on disk / row", "150", "3,000"]);
    }
}
