//! The records of a `.wandb` file: the parts of W&B's protobuf schema that are used here.
//!
//! Field numbers are those of `wandb` 0.31. What a message has beyond these fields is skipped by the decoder,
//! and a record of a kind that is not listed is [`Kind`]-less: it is kept where it is and never written.

use prost::{Message, Oneof};

/// One entry of the log.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Record {
    /// Counted from 1.
    #[prost(int64, tag = "1")]
    pub(crate) num: i64,
    #[prost(oneof = "Kind", tags = "2, 3, 5, 6, 7, 8, 12, 13, 17, 18, 21")]
    pub(crate) kind: Option<Kind>,
}

/// What an entry says.
#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Kind {
    #[prost(message, tag = "2")]
    History(History),
    #[prost(message, tag = "3")]
    Summary(Update),
    #[prost(message, tag = "5")]
    Config(Update),
    #[prost(message, tag = "6")]
    Files(Files),
    #[prost(message, tag = "7")]
    Stats(Stats),
    #[prost(message, tag = "8")]
    Artifact(Artifact),
    #[prost(message, tag = "12")]
    Metric(Metric),
    #[prost(message, tag = "13")]
    Output(OutputRaw),
    #[prost(message, tag = "17")]
    Run(Run),
    #[prost(message, tag = "18")]
    Exit(Exit),
    #[prost(message, tag = "21")]
    Header(Header),
}

/// One row, or more of the row before where `step` is missing.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct History {
    #[prost(message, repeated, tag = "1")]
    pub(crate) item: Vec<Item>,
    #[prost(message, optional, tag = "2")]
    pub(crate) step: Option<Step>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Step {
    #[prost(int64, tag = "1")]
    pub(crate) num: i64,
}

/// A key and its value. `value_json` is what everybody writes; newer clients may write one of the others.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Item {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(string, repeated, tag = "2")]
    pub(crate) nested_key: Vec<String>,
    #[prost(bool, optional, tag = "3")]
    pub(crate) none: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    pub(crate) boolean: Option<bool>,
    #[prost(sint64, optional, tag = "5")]
    pub(crate) integer: Option<i64>,
    #[prost(double, optional, tag = "6")]
    pub(crate) number: Option<f64>,
    #[prost(string, optional, tag = "7")]
    pub(crate) text: Option<String>,
    #[prost(string, optional, tag = "8")]
    pub(crate) json: Option<String>,
    #[prost(string, tag = "16")]
    pub(crate) value_json: String,
}

impl Item {
    /// One whose value is this JSON text.
    pub(crate) fn new(key: impl Into<String>, value_json: impl Into<String>) -> Self {
        Self { key: key.into(), value_json: value_json.into(), ..Self::default() }
    }

    /// Where its value belongs.
    pub(crate) fn path(&self) -> &[String] {
        if self.nested_key.is_empty() { std::slice::from_ref(&self.key) } else { &self.nested_key }
    }

    /// Its value as JSON text, however it was written.
    pub(crate) fn value(&self) -> String {
        if !self.value_json.is_empty() {
            return self.value_json.clone();
        }
        if let Some(json) = &self.json {
            return json.clone();
        }
        let mut out = Vec::new();
        match (self.boolean, self.integer, self.number, &self.text) {
            (Some(value), ..) => return value.to_string(),
            (_, Some(value), ..) => return value.to_string(),
            (_, _, Some(value), _) => super::super::json::number(value, &mut out),
            (_, _, _, Some(text)) => super::super::json::text(text, &mut out),
            _ => return "null".to_owned(),
        }
        String::from_utf8(out).unwrap_or_default()
    }
}

/// Changes of the summary, or of the configuration.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Update {
    #[prost(message, repeated, tag = "1")]
    pub(crate) update: Vec<Item>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) remove: Vec<Item>,
}

/// The run itself. A later one replaces what it names.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Run {
    #[prost(string, tag = "1")]
    pub(crate) run_id: String,
    #[prost(string, tag = "2")]
    pub(crate) entity: String,
    #[prost(string, tag = "3")]
    pub(crate) project: String,
    #[prost(message, optional, tag = "4")]
    pub(crate) config: Option<Update>,
    #[prost(message, optional, tag = "5")]
    pub(crate) summary: Option<Update>,
    #[prost(string, tag = "6")]
    pub(crate) run_group: String,
    #[prost(string, tag = "7")]
    pub(crate) job_type: String,
    #[prost(string, tag = "8")]
    pub(crate) display_name: String,
    #[prost(string, tag = "9")]
    pub(crate) notes: String,
    #[prost(string, repeated, tag = "10")]
    pub(crate) tags: Vec<String>,
    #[prost(string, tag = "12")]
    pub(crate) sweep_id: String,
    #[prost(string, tag = "13")]
    pub(crate) host: String,
    #[prost(int64, tag = "14")]
    pub(crate) starting_step: i64,
    #[prost(message, optional, tag = "17")]
    pub(crate) start_time: Option<Time>,
    #[prost(bool, tag = "18")]
    pub(crate) resumed: bool,
    #[prost(string, tag = "24")]
    pub(crate) resume: String,
}

/// Seconds and nanoseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Time {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

impl Time {
    /// As a number of seconds.
    pub(crate) fn as_f64(self) -> f64 {
        self.seconds as f64 + f64::from(self.nanos) / 1e9
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Exit {
    #[prost(int32, tag = "1")]
    pub(crate) exit_code: i32,
    #[prost(int32, tag = "2")]
    pub(crate) runtime: i32,
    #[prost(bool, tag = "3")]
    pub(crate) not_complete: bool,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Header {
    #[prost(message, optional, tag = "1")]
    pub(crate) version_info: Option<VersionInfo>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct VersionInfo {
    #[prost(string, tag = "1")]
    pub(crate) producer: String,
    #[prost(string, tag = "2")]
    pub(crate) min_consumer: String,
}

/// Files below `files/` that belong to the run.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Files {
    #[prost(message, repeated, tag = "1")]
    pub(crate) files: Vec<FileItem>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct FileItem {
    #[prost(string, tag = "1")]
    pub(crate) path: String,
    /// 0 now, 1 at the end, 2 whenever it changes.
    #[prost(int32, tag = "2")]
    pub(crate) policy: i32,
    /// 0 other, 1 W&B's own, 2 media, 3 artifact.
    #[prost(int32, tag = "3")]
    pub(crate) file_type: i32,
}

/// Measurements of the machine, which the official client takes.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Stats {
    #[prost(message, optional, tag = "2")]
    pub(crate) timestamp: Option<Time>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) item: Vec<Item>,
}

/// A piece of console output.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct OutputRaw {
    /// 0 standard error, 1 standard output.
    #[prost(int32, tag = "1")]
    pub(crate) output_type: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) timestamp: Option<Time>,
    #[prost(string, tag = "3")]
    pub(crate) line: String,
}

/// How a metric is drawn and summed up.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Metric {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) glob_name: String,
    #[prost(string, tag = "4")]
    pub(crate) step_metric: String,
    #[prost(int32, tag = "5")]
    pub(crate) step_metric_index: i32,
    #[prost(message, optional, tag = "6")]
    pub(crate) options: Option<MetricOptions>,
    #[prost(message, optional, tag = "7")]
    pub(crate) summary: Option<MetricSummary>,
    #[prost(int32, tag = "8")]
    pub(crate) goal: i32,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct MetricOptions {
    #[prost(bool, tag = "1")]
    pub(crate) step_sync: bool,
    #[prost(bool, tag = "2")]
    pub(crate) hidden: bool,
    #[prost(bool, tag = "3")]
    pub(crate) defined: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct MetricSummary {
    #[prost(bool, tag = "1")]
    pub(crate) min: bool,
    #[prost(bool, tag = "2")]
    pub(crate) max: bool,
    #[prost(bool, tag = "3")]
    pub(crate) mean: bool,
    #[prost(bool, tag = "4")]
    pub(crate) best: bool,
    #[prost(bool, tag = "5")]
    pub(crate) last: bool,
    #[prost(bool, tag = "6")]
    pub(crate) none: bool,
    #[prost(bool, tag = "7")]
    pub(crate) copy: bool,
    #[prost(bool, tag = "8")]
    pub(crate) first: bool,
}

/// Files that are versioned together.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Artifact {
    #[prost(string, tag = "1")]
    pub(crate) run_id: String,
    #[prost(string, tag = "2")]
    pub(crate) project: String,
    #[prost(string, tag = "3")]
    pub(crate) entity: String,
    #[prost(string, tag = "4")]
    pub(crate) artifact_type: String,
    #[prost(string, tag = "5")]
    pub(crate) name: String,
    #[prost(string, tag = "6")]
    pub(crate) digest: String,
    #[prost(string, tag = "7")]
    pub(crate) description: String,
    #[prost(string, tag = "8")]
    pub(crate) metadata: String,
    #[prost(bool, tag = "9")]
    pub(crate) user_created: bool,
    #[prost(bool, tag = "10")]
    pub(crate) use_after_commit: bool,
    #[prost(string, repeated, tag = "11")]
    pub(crate) aliases: Vec<String>,
    #[prost(message, optional, tag = "12")]
    pub(crate) manifest: Option<Manifest>,
    #[prost(bool, tag = "14")]
    pub(crate) finalize: bool,
    #[prost(string, tag = "15")]
    pub(crate) client_id: String,
    #[prost(string, tag = "16")]
    pub(crate) sequence_client_id: String,
    #[prost(string, tag = "17")]
    pub(crate) base_id: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Manifest {
    #[prost(int32, tag = "1")]
    pub(crate) version: i32,
    #[prost(string, tag = "2")]
    pub(crate) storage_policy: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) storage_policy_config: Vec<PolicyItem>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) contents: Vec<ManifestEntry>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct PolicyItem {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(string, tag = "2")]
    pub(crate) value_json: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct ManifestEntry {
    /// Its name in the artifact.
    #[prost(string, tag = "1")]
    pub(crate) path: String,
    /// The MD5 of its bytes, in base64.
    #[prost(string, tag = "2")]
    pub(crate) digest: String,
    /// An address, for files that stay where they are.
    #[prost(string, tag = "3")]
    pub(crate) reference: String,
    #[prost(int64, tag = "4")]
    pub(crate) size: i64,
    #[prost(string, tag = "6")]
    pub(crate) local_path: String,
    #[prost(string, tag = "7")]
    pub(crate) birth_artifact_id: String,
    #[prost(bool, tag = "8")]
    pub(crate) skip_cache: bool,
}

/// The names of the kinds that are not listed above, by field number.
pub(crate) fn name_of(field: u32) -> String {
    let known = match field {
        4 => "output",
        9 => "tbrecord",
        10 => "alert",
        11 => "telemetry",
        20 => "final",
        22 => "footer",
        23 => "preempting",
        24 => "noop_link_artifact",
        25 => "use_artifact",
        26 => "environment",
        27 => "output_logger",
        100 => "request",
        _ => return format!("field {field}"),
    };
    known.to_owned()
}

/// The field number of what an entry says, for entries of unknown kinds.
pub(crate) fn field_of(mut record: &[u8]) -> Option<u32> {
    use prost::encoding::{DecodeContext, decode_key, skip_field};
    while !record.is_empty() {
        let (tag, wire) = decode_key(&mut record).ok()?;
        if !matches!(tag, 1 | 16 | 19 | 200) {
            return Some(tag);
        }
        skip_field(wire, tag, &mut record, DecodeContext::default()).ok()?;
    }
    None
}
