//! What W&B refuses, among the dead letters of all destinations: listed and shown by the same commands.

use std::collections::BTreeMap;
use std::path::Path;

use md5::{Digest, Md5};
use nethical_core::delivery::{DeadLetter, DeadLetters, Error, SpoolSettings};
use nethical_core::event::{
    ArtifactFile, Event, EventId, Family, Level, RunArtifact, RunChange, RunMetrics, RunUpdate, Timestamp,
};
use serde_json::value::RawValue;

use super::json;
use super::log::record::Artifact;

/// Letters that are kept in memory where nothing may be written to the disk.
const IN_MEMORY: usize = 1 << 20;

/// Keeps what was refused.
pub(crate) struct Refusals {
    destination: String,
    letters: DeadLetters,
}

impl std::fmt::Debug for Refusals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Refusals").field("destination", &self.destination).finish_non_exhaustive()
    }
}

impl Refusals {
    /// Those of this platform.
    pub(crate) fn new(destination: &str, spool: &SpoolSettings) -> Self {
        let on = spool.enabled != Some(false) && SpoolSettings::is_allowed();
        let home = on.then(|| spool.directory()).flatten();
        Self { destination: destination.to_owned(), letters: DeadLetters::new(IN_MEMORY, home) }
    }

    /// A row: its line, and its number in the log at `log`.
    pub(crate) fn row(&self, run: &str, log: &Path, number: u64, line: &str, error: &Error) {
        if let Some((at, change)) = row(line) {
            self.keep(run, at, change, &format!("{}\nrow {number}", log.display()), error);
        }
    }

    /// An artifact: its record, that record's number in the log at `log`, and when the run began, in seconds since 1970.
    pub(crate) fn artifact(&self, log: &Path, number: i64, begun: f64, artifact: &Artifact, error: &Error) {
        let change = RunChange::Artifact(kept(artifact));
        let place = format!("{}\nrecord {number}", log.display());
        self.keep(&artifact.run_id, moment(begun), change, &place, error);
    }

    fn keep(&self, run: &str, at: Timestamp, change: RunChange, place: &str, error: &Error) {
        let update = RunUpdate { run: run.to_owned(), time: at.as_millisecond(), change };
        // What was made here is JSON.
        let Ok(json) = serde_json::to_vec(&update) else { return };
        let event = Event::new(id(at, place), at, Level::Info, Family::Runs, &json);
        let letter = DeadLetter { event, error: error.clone(), attempts: 1, at: Timestamp::now() };
        self.letters.push(&self.destination, letter);
    }
}

/// The same place in the same log has the same id, so what is refused again after a restart is one letter.
fn id(at: Timestamp, place: &str) -> EventId {
    let mut bytes: [u8; 16] = Md5::digest(place).into();
    let millis = u64::try_from(at.as_millisecond()).unwrap_or(0).to_be_bytes();
    let [.., a, b, c, d, e, f] = millis;
    let [_, _, _, _, _, _, version, seven, variant, ..] = bytes;
    let head = [a, b, c, d, e, f, version & 0x0f | 0x70, seven, variant & 0x3f | 0x80];
    bytes.iter_mut().zip(head).for_each(|(byte, fixed)| *byte = fixed);
    EventId::from_bytes(bytes)
}

/// When a row was logged, and what.
fn row(line: &str) -> Option<(Timestamp, RunChange)> {
    let mut values: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&json::quoted(line)).ok()?;
    let number = |raw: Box<RawValue>| raw.get().parse::<f64>().ok();
    let step = values.remove("_step").and_then(number).map(|step| step as i64);
    let seconds = values.remove("_timestamp").and_then(number).unwrap_or_default();
    values.remove("_runtime");
    let values = values.into_iter().collect();
    Some((moment(seconds), RunChange::Metrics(RunMetrics { values, step })))
}

fn moment(seconds: f64) -> Timestamp {
    Timestamp::from_microsecond((seconds * 1e6) as i64).unwrap_or_default()
}

fn kept(artifact: &Artifact) -> RunArtifact {
    let contents = artifact.manifest.iter().flat_map(|manifest| &manifest.contents);
    let file = |entry: &super::log::record::ManifestEntry| ArtifactFile {
        path: entry.path.clone(),
        size: u64::try_from(entry.size).unwrap_or(0),
        modified: 0,
        digest: String::new(),
    };
    let files = contents.map(file).collect();
    RunArtifact { folder: String::new(), source: artifact.name.clone(), copied: true, files }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_kept_with_its_numbers_and_has_the_same_id_each_time() {
        let line =
            r#"{"loss":NaN,"deep":{"x":[1,Infinity]},"_step":7,"_runtime":1.5,"_timestamp":1700000000.25}"#;
        let (at, change) = row(line).unwrap();
        assert_eq!(at.as_millisecond(), 1_700_000_000_250);
        let RunChange::Metrics(metrics) = change else { panic!("{change:?}") };
        let shown: Vec<_> =
            metrics.values.0.iter().map(|(name, raw)| format!("{name}={}", raw.get())).collect();
        assert_eq!(shown, [r#"deep={"x":[1,"Infinity"]}"#, r#"loss="NaN""#]);
        assert_eq!(metrics.step, Some(7));
        assert_eq!(id(at, "log\nrow 7"), id(at, "log\nrow 7"));
        assert_ne!(id(at, "log\nrow 7"), id(at, "log\nrow 8"));
        assert!(EventId::new() > id(at, "log\nrow 7"), "ids sort by time");
        let mut text = [0; 36];
        assert_eq!(id(at, "x").encode(&mut text).as_bytes()[14], b'7', "RFC 9562: version 7");
    }
}
