//! What happens to a run, as it travels.
//!
//! ```text
//! {"run":"local-0194…","time":1795436588004,"change":{"metrics":{"values":{"loss":0.5},"step":3}}}
//! ```
//!
//! The time is milliseconds since 1970, fixed when the program said so. A number that JSON does not know is one
//! of the strings `"NaN"`, `"Infinity"` and `"-Infinity"`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::event::json::quote;
use crate::event::{Event, EventId, Family, Level, RunStatus, Timestamp};

/// One change of one run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunUpdate {
    /// The id of the run, as its `start_run` returned it.
    pub run: String,
    /// When, in milliseconds since 1970.
    pub time: i64,
    /// What.
    pub change: RunChange,
}

/// What happens to a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunChange {
    /// It begins.
    Start(RunStart),
    /// It goes on after its end, or in another process.
    Resume {},
    /// It gets parameters.
    Params(Pairs<Value>),
    /// It gets a point for each of some metrics.
    Metrics(RunMetrics),
    /// It gets tags, in the place of those with the same names.
    Tags(Pairs<String>),
    /// It gets a file, or a folder of files.
    Artifact(RunArtifact),
    /// It ends.
    End {
        /// How.
        status: RunStatus,
    },
}

/// How a run begins.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RunStart {
    /// The experiment that it belongs to.
    pub experiment: String,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Tags that it has from the start.
    pub tags: Pairs<String>,
}

/// A point for each of some metrics. The numbers are kept as they were written, so that none loses a bit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunMetrics {
    /// The numbers, by the names of their metrics.
    pub values: Pairs<Box<RawValue>>,
    /// The step, if the program counts any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<i64>,
}

/// A file or folder of a run, as it waits on this machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunArtifact {
    /// Where it is to be in the run: a folder, with `/` between names; empty for the top.
    pub folder: String,
    /// Where it is on this machine: a file or a folder.
    pub source: String,
    /// Whether `source` is a copy of ours, to be removed when it has been delivered.
    pub copied: bool,
    /// The files: all of a folder's, or the one.
    pub files: Vec<ArtifactFile>,
}

/// One file of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactFile {
    /// Its path below `source`, with `/` between names. For a single file, its name.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// When it was last changed, in nanoseconds since 1970; zero for a copy.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub modified: i64,
    /// SHA-256 of its content, in hexadecimal; empty for a copy.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// Names and values in the order in which they were given: an object in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs<T>(pub Vec<(String, T)>);

impl<T> Default for Pairs<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> FromIterator<(String, T)> for Pairs<T> {
    fn from_iter<I: IntoIterator<Item = (String, T)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl<T: Serialize> Serialize for Pairs<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<T>);
        impl<'de, T: DeserializeOwned> Visitor<'de> for Visit<T> {
            type Value = Pairs<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(0));
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Visit(PhantomData))
    }
}

impl RunArtifact {
    /// Where its files are to be in the run.
    pub fn paths(&self) -> impl Iterator<Item = String> {
        self.files.iter().map(|file| self.path_of(file))
    }

    /// Where one of its files is to be in the run.
    pub fn path_of(&self, file: &ArtifactFile) -> String {
        if self.folder.is_empty() { file.path.clone() } else { format!("{}/{}", self.folder, file.path) }
    }
}

impl RunUpdate {
    /// A change of now.
    pub fn now(run: impl Into<String>, change: RunChange) -> Self {
        Self { run: run.into(), time: Timestamp::now().as_millisecond(), change }
    }

    /// As it is delivered.
    ///
    /// # Errors
    /// If it cannot be written as JSON, which no update that was made here can cause.
    pub fn to_event(&self) -> Result<Event, serde_json::Error> {
        let at = Timestamp::from_millisecond(self.time).unwrap_or_else(|_| Timestamp::now());
        Ok(event(at, &serde_json::to_vec(self)?))
    }

    /// A point for each of some metrics at `at`, as it is delivered: [`to_event`](Self::to_event) without detours.
    pub fn metrics_event(run: &str, at: Timestamp, values: &[(&str, f64)], step: Option<i64>) -> Event {
        let mut json = Vec::with_capacity(96 + run.len() + values.len() * 40);
        json.extend_from_slice(b"{\"run\":");
        quote(&mut json, run);
        json.extend_from_slice(b",\"time\":");
        json.extend_from_slice(itoa::Buffer::new().format(at.as_millisecond()).as_bytes());
        json.extend_from_slice(b",\"change\":{\"metrics\":{\"values\":");
        for (index, (name, value)) in values.iter().enumerate() {
            json.push(if index == 0 { b'{' } else { b',' });
            quote(&mut json, name);
            json.push(b':');
            number(&mut json, *value);
        }
        json.extend_from_slice(if values.is_empty() { b"{}" } else { b"}" });
        if let Some(step) = step {
            json.extend_from_slice(b",\"step\":");
            json.extend_from_slice(itoa::Buffer::new().format(step).as_bytes());
        }
        json.extend_from_slice(b"}}}");
        event(at, &json)
    }
}

fn event(at: Timestamp, json: &[u8]) -> Event {
    Event::new(EventId::at(at), at, Level::Info, Family::Runs, json)
}

/// A number in the shortest form that reads back the same, or the name of one that JSON does not know.
fn number(json: &mut Vec<u8>, value: f64) {
    let text = if value.is_nan() {
        "\"NaN\""
    } else if value.is_infinite() {
        if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" }
    } else {
        return json.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    };
    json.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(event: &Event) -> RunUpdate {
        event.run().unwrap()
    }

    #[test]
    fn metrics_come_back_to_the_last_bit() {
        let at = Timestamp::from_millisecond(1_795_436_588_004).unwrap();
        let values = [
            ("loss", 0.1 + 0.2),
            ("tiny", 5e-324),
            ("nan", f64::NAN),
            ("up", f64::INFINITY),
            ("down", f64::NEG_INFINITY),
            ("\"é\"", 1.0),
        ];
        let update = read(&RunUpdate::metrics_event("r", at, &values, Some(-3)));
        let RunChange::Metrics(metrics) = update.change else { panic!("{update:?}") };
        assert_eq!((update.run.as_str(), update.time, metrics.step), ("r", 1_795_436_588_004, Some(-3)));
        let texts: Vec<_> = metrics.values.0.iter().map(|(name, raw)| (name.as_str(), raw.get())).collect();
        assert_eq!(
            texts,
            [
                ("loss", "0.30000000000000004"),
                ("tiny", "5e-324"),
                ("nan", "\"NaN\""),
                ("up", "\"Infinity\""),
                ("down", "\"-Infinity\""),
                ("\"é\"", "1.0"),
            ]
        );
        let none = read(&RunUpdate::metrics_event("r", at, &[], None));
        assert!(
            matches!(none.change, RunChange::Metrics(RunMetrics { step: None, values }) if values.0.is_empty())
        );
    }

    #[test]
    fn every_change_comes_back() {
        let tags = Pairs(vec![("b".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())]);
        let file = ArtifactFile { path: "m.pkl".into(), size: 3, modified: 0, digest: String::new() };
        let artifact = RunArtifact {
            folder: String::new(),
            source: "/tmp/m.pkl".into(),
            copied: true,
            files: vec![file],
        };
        let changes = [
            RunChange::Start(RunStart { experiment: "e".into(), name: None, tags: tags.clone() }),
            RunChange::Resume {},
            RunChange::Params(Pairs(vec![("depth".to_owned(), 10.into())])),
            RunChange::Tags(tags),
            RunChange::Artifact(artifact),
            RunChange::End { status: RunStatus::Killed },
        ];
        for change in changes {
            let update = RunUpdate::now("r", change);
            let event = update.to_event().unwrap();
            assert_eq!(serde_json::to_string(&read(&event)).unwrap().as_bytes(), event.json());
            assert_eq!(Event::from_stored(&event.to_stored()).unwrap().family(), Family::Runs);
        }
    }
}
