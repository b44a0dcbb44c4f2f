//! What the figures are meant to be, as `bench/aims.toml` says.

use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::report::figure;
use super::results::{Document, Entry};
use crate::workspace::Workspace;

/// One figure of ours, beside one of another's or beside a limit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Aim {
    what: String,
    contest: String,
    /// The figure of a sheet; a contest has but one.
    figure: Option<String>,
    ours: String,
    beside: Option<String>,
    /// At least this many times theirs.
    faster: Option<f64>,
    /// At most theirs divided by this.
    less: Option<f64>,
    /// At most this much, in the figure's unit.
    at_most: Option<f64>,
    /// Why it is missed, and what the limit is.
    missed: Option<String>,
}

#[derive(Deserialize)]
struct File {
    aim: Vec<Aim>,
}

/// Those of this workspace.
pub(super) fn read(workspace: &Workspace) -> Result<Vec<Aim>> {
    let path = workspace.root().join("bench/aims.toml");
    parse(&fs::read_to_string(&path).with_context(|| format!("could not read `{}`", path.display()))?)
}

pub(super) fn parse(text: &str) -> Result<Vec<Aim>> {
    Ok(toml::from_str::<File>(text).context("`bench/aims.toml` is wrong")?.aim)
}

impl Aim {
    /// A row of the page: what, the aim, what was measured, and whether it held.
    pub(super) fn row(&self, documents: &[Document]) -> String {
        if let Some(limit) = self.at_most {
            return self.limited(limit, documents);
        }
        let aim = match (self.faster, self.less) {
            (Some(times), _) => format!("at least {}x", trimmed(times)),
            (None, Some(times)) if times < 1.0 => format!("at most {}x", trimmed(1.0 / times)),
            (None, times) => format!("{}x less", trimmed(times.unwrap_or(1.0))),
        };
        let (measured, verdict) = match self.ratio(documents) {
            None => ("not measured".to_owned(), String::new()),
            Some(ratio) => {
                let held = ratio >= self.faster.or(self.less).unwrap_or(1.0);
                let shown = match (self.faster, self.less) {
                    (None, Some(times)) if times < 1.0 => format!("{}x", trimmed(1.0 / ratio)),
                    (None, Some(_)) => format!("{}x less", figure(ratio)),
                    _ if ratio < 10.0 => format!("{ratio:.2}x"),
                    _ => format!("{}x", figure(ratio)),
                };
                (shown, self.verdict(held))
            }
        };
        let beside = self.beside.as_deref().unwrap_or_default();
        format!("| {}: {} beside {beside} | {aim} | {measured} | {verdict} |", self.what, self.ours)
    }

    fn limited(&self, limit: f64, documents: &[Document]) -> String {
        let found = self.value(documents, &self.ours);
        let (measured, verdict) = match found {
            None => ("not measured".to_owned(), String::new()),
            Some(value) => (figure(value), self.verdict(value <= limit)),
        };
        format!("| {}: {} | at most {} | {measured} | {verdict} |", self.what, self.ours, trimmed(limit))
    }

    fn verdict(&self, held: bool) -> String {
        if held {
            return "held".to_owned();
        }
        format!("missed: {}", self.missed.as_deref().unwrap_or("no reason known"))
    }

    /// The figure of this name in the sheet.
    fn value(&self, documents: &[Document], name: &str) -> Option<f64> {
        entry(self.document(documents)?, name)?.figure(self.figure.as_deref()?)
    }

    fn document<'d>(&self, documents: &'d [Document]) -> Option<&'d Document> {
        documents.iter().find(|document| document.contest == self.contest)
    }

    /// How many times better ours is.
    fn ratio(&self, documents: &[Document]) -> Option<f64> {
        let beside = self.beside.as_deref()?;
        if self.figure.is_none() {
            let document = self.document(documents)?;
            return Some(entry(document, &self.ours)?.speed / entry(document, beside)?.speed);
        }
        let times = self.value(documents, &self.ours)? / self.value(documents, beside)?;
        Some(if self.faster.is_some() { times } else { 1.0 / times })
    }
}

fn entry<'d>(document: &'d Document, name: &str) -> Option<&'d Entry> {
    document.contestants.iter().find(|entry| entry.name == name)
}

fn trimmed(times: f64) -> String {
    if times.fract() == 0.0 { figure(times).trim_end_matches(".0").to_owned() } else { format!("{times:.2}") }
}

#[cfg(test)]
mod tests {
    use super::super::contests;
    use super::super::sheets::SHEETS;
    use super::*;

    #[test]
    fn every_aim_is_of_something_that_is_measured() {
        let workspace = Workspace::find().unwrap();
        let names: Vec<_> = contests(&workspace).iter().map(|contest| contest.name).collect();
        for aim in read(&workspace).unwrap() {
            let known = names.iter().chain(SHEETS.iter().map(|sheet| &sheet.name));
            assert!(known.into_iter().any(|name| *name == aim.contest), "{}", aim.contest);
            let said = [aim.faster, aim.less, aim.at_most].iter().flatten().count();
            assert_eq!(said, 1, "{}: one of `faster`, `less` and `at_most`", aim.what);
            assert_eq!(aim.beside.is_none(), aim.at_most.is_some(), "{}: beside whom?", aim.what);
        }
    }
}
