//! `docs/faults.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;

use super::{Cell, Fault, Row};

/// Says that the page is to be written instead of read.
const WRITE: &str = "FAULTS_WRITE";

static DONE: Mutex<BTreeMap<&str, Vec<String>>> = Mutex::new(BTreeMap::new());

fn path() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "docs", "faults.md"].iter().collect()
}

pub(super) fn is_to_be_written() -> bool {
    std::env::var_os(WRITE).is_some()
}

/// The page says the same, but for the caller's time; or it will.
pub(super) fn check(stand: &'static str, cells: &[Cell]) {
    let lines: Vec<_> = Fault::ALL.iter().zip(cells).map(|((_, name, _), cell)| line(name, cell)).collect();
    if is_to_be_written() {
        DONE.lock().unwrap().insert(stand, lines);
        return;
    }
    let page = std::fs::read_to_string(path()).unwrap_or_default();
    let section = page.split("\n## ").find_map(|section| section.strip_prefix(&format!("{stand}\n")));
    let said: Vec<_> = section.unwrap_or_default().lines().filter(|line| line.starts_with("| ")).collect();
    let said: Vec<_> = said.iter().skip(1).map(|line| without_time(line)).collect();
    let seen: Vec<_> = lines.iter().map(|line| without_time(line)).collect();
    let differs: Vec<_> = seen.iter().filter(|line| !said.contains(line)).collect();
    assert!(
        seen == said,
        "{stand}: docs/faults.md does not say\n{differs:#?}\n`cargo xtask faults` writes the page"
    );
}

fn line(name: &str, cell: &Cell) -> String {
    match cell {
        Err(reason) => format!("| {name} | n/a: {reason} | | | | |"),
        Ok(Row { outcome, attempts, p99, lost, duplicated }) => {
            let attempts = attempts.map_or_else(|| "–".to_owned(), |attempts| attempts.to_string());
            format!("| {name} | {outcome} | {attempts} | {} | {lost} | {duplicated} |", time(*p99))
        }
    }
}

/// A figure of the run is not compared.
fn without_time(line: &str) -> String {
    let cells: Vec<_> = line.split(" | ").collect();
    let kept = cells.iter().enumerate().filter(|(place, _)| *place != 3);
    kept.map(|(_, cell)| *cell).collect::<Vec<_>>().join(" | ")
}

fn time(nanos: u64) -> String {
    match nanos {
        0..1_000_000 => format!("{:.1} µs", nanos as f64 / 1e3),
        _ => format!("{:.1} ms", nanos as f64 / 1e6),
    }
}

/// Write the page, if that was asked for.
pub(crate) fn write() {
    if !is_to_be_written() {
        return;
    }
    let mut page = include_str!("page.md").to_owned();
    page.push_str("\n| fault | what happens |\n|---|---|\n");
    for (_, name, what) in Fault::ALL {
        writeln!(page, "| {name} | {what} |").unwrap();
    }
    for (stand, lines) in &*DONE.lock().unwrap() {
        write!(page, "\n## {stand}\n\n| fault | outcome | attempts | caller's p99 | lost | duplicated |\n")
            .unwrap();
        page.push_str("|---|---|---|---|---|---|\n");
        lines.iter().for_each(|line| writeln!(page, "{line}").unwrap());
    }
    std::fs::write(path(), page).unwrap();
}
