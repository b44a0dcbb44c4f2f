//! Where runs are looked for, and which one is meant.

use std::path::{Path, PathBuf};

use nethical::config::{Section, find};
use nethical::destinations::Validated;
use nethical::destinations::mlflow::MlflowConfig;
use nethical::destinations::stored::{Point, Stored};
use nethical::destinations::wandb::WandbConfig;
use nethical::{Config, ExperimentRun};
use serde_json::Value;

use crate::failure::Failure;

/// A place that holds runs.
pub(super) struct Place {
    pub(super) path: PathBuf,
    stored: Stored,
}

/// A run, and where it stands.
pub(super) struct Found<'p> {
    pub(super) place: &'p Place,
    pub(super) run: ExperimentRun,
}

/// Open what was asked for, else what is usual and there.
pub(super) fn open(asked: &[PathBuf], config: Option<&Path>) -> Result<Vec<Place>, Failure> {
    let paths = if asked.is_empty() { usual(config)? } else { asked.to_vec() };
    if paths.is_empty() {
        let hint = "`nethical run start` begins one; or name a file or folder with --in PATH";
        return Err(Failure::usage("there are no runs here: neither `mlflow.db` nor `wandb/`", hint));
    }
    let place = |path: PathBuf| {
        let path = path
            .to_str()
            .and_then(|text| text.strip_prefix("sqlite:///"))
            .map_or(path.clone(), PathBuf::from);
        Ok(Place { stored: Stored::open(&path)?, path })
    };
    paths.into_iter().map(place).collect()
}

fn usual(config: Option<&Path>) -> Result<Vec<PathBuf>, Failure> {
    let config = find(config).map(Config::load).transpose()?;
    let configured = config.iter().flat_map(|config| config.section(Section::Runs));
    let mut paths: Vec<_> = configured.filter_map(|one| one.stored()).collect();
    if paths.is_empty() {
        let others = [MlflowConfig::default().stored(), WandbConfig::default().stored()];
        paths.extend(others.into_iter().flatten());
    }
    paths.retain(|path| path.exists());
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// Every run, the newest first.
pub(super) fn all(places: &[Place]) -> Result<Vec<Found<'_>>, Failure> {
    let mut found = Vec::new();
    for place in places {
        found.extend(place.stored.runs()?.into_iter().map(|run| Found { place, run }));
    }
    found.sort_by_key(|found| std::cmp::Reverse(found.run.start_time));
    Ok(found)
}

/// The run with this id, the start of an id, or a name.
pub(super) fn one<'p>(places: &'p [Place], word: &str) -> Result<Found<'p>, Failure> {
    let mut found = all(places)?;
    let is_exact =
        |found: &Found<'_>| found.run.run_id == word || found.run.run_name.as_deref() == Some(word);
    let exact = found.iter().any(is_exact);
    found.retain(|found| if exact { is_exact(found) } else { found.run.run_id.starts_with(word) });
    if found.len() > 1 {
        let ids: Vec<_> = found.iter().take(5).map(|found| found.run.run_id.as_str()).collect();
        let text = format!("{} runs are called `{word}`", found.len());
        return Err(Failure::usage(text, format!("name one by its id: {}", ids.join(", "))));
    }
    let none = || {
        Failure::usage(format!("there is no run `{word}`"), "`nethical runs list` shows those that there are")
    };
    found.pop().ok_or_else(none)
}

impl Found<'_> {
    /// Every value of a metric, by step and time.
    pub(super) fn history(&self, metric: &str) -> Result<Vec<Point>, Failure> {
        Ok(self.place.stored.history(&self.run.run_id, metric)?)
    }

    /// What it is called, in few letters.
    pub(super) fn label(&self) -> String {
        self.run.run_name.clone().unwrap_or_else(|| short(&self.run.run_id).to_owned())
    }

    /// Everything about it, and this.
    pub(super) fn to_json_with(&self, more: impl IntoIterator<Item = (String, Value)>) -> Value {
        let mut about = self.run.to_dict();
        if let Some(about) = about.as_object_mut() {
            about.insert("place".to_owned(), self.place.path.display().to_string().into());
            about.extend(more);
        }
        about
    }

    /// Everything about it.
    pub(super) fn to_json(&self) -> Value {
        self.to_json_with([])
    }
}

/// Enough of an id to tell it from others.
pub(super) fn short(id: &str) -> &str {
    id.get(..id.len().min(13)).unwrap_or(id)
}

/// The metrics that were asked for, all of which some run must have; without any the first one.
pub(super) fn metrics(asked: &[String], runs: &[&ExperimentRun]) -> Result<Vec<String>, Failure> {
    let known: Vec<_> =
        runs.iter().flat_map(|run| run.metrics.iter().map(|(name, _)| name.as_str())).collect();
    if let Some(unknown) = asked.iter().find(|name| !known.contains(&name.as_str())) {
        let mut names = known.clone();
        names.sort_unstable();
        names.dedup();
        let hint =
            format!("there are {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") });
        return Err(Failure::usage(format!("there is no metric `{unknown}`"), hint));
    }
    if !asked.is_empty() {
        return Ok(asked.to_vec());
    }
    let usual = known.iter().find(|name| name.contains("loss")).or_else(|| known.first());
    Ok(usual.map(|name| (*name).to_owned()).into_iter().collect())
}
