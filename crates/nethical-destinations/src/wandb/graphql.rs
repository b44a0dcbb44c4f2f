//! The GraphQL operations, as pure functions from what is wanted to a body, and from an answer to what is in it.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::summary::Metrics;
use super::upload::members;

const UPSERT: &str = "mutation UpsertBucket($id: String, $name: String, $project: String, $entity: String, \
$groupName: String, $displayName: String, $notes: String, $config: JSONString, $host: String, $program: String, \
$jobType: String, $tags: [String!], $summaryMetrics: JSONString) { upsertBucket(input: {id: $id, name: $name, \
modelName: $project, entityName: $entity, groupName: $groupName, displayName: $displayName, notes: $notes, \
config: $config, host: $host, jobProgram: $program, jobType: $jobType, tags: $tags, \
summaryMetrics: $summaryMetrics}) { bucket { id name displayName historyLineCount project { name entity { name } } } \
inserted } }";

const RESUME: &str = "query RunResumeStatus($project: String, $entity: String, $name: String!) { \
model(name: $project, entityName: $entity) { id name entity { id name } bucket(name: $name, missingOk: true) { id name \
displayName logLineCount historyLineCount eventsLineCount historyTail eventsTail summaryMetrics config tags notes \
wandbConfig(keys: [\"t\"]) } } }";

const VIEWER: &str = "query Viewer { viewer { id entity username teams { edges { node { name } } } } }";

const FEATURES: &str = "query ServerFeaturesQuery { serverInfo { features { name isEnabled } } }";

const PROJECT: &str = "query Project($entity: String, $project: String!) { project(name: $project, entityName: $entity) { id name } }";

const RUN_FILES: &str = "mutation CreateRunFiles($entity: String!, $project: String!, $run: String!, $files: [String!]!) { \
createRunFiles(input: {entityName: $entity, projectName: $project, runName: $run, files: $files}) { runID \
uploadHeaders files { name uploadUrl } } }";

const CREATE_ARTIFACT: &str = "mutation CreateArtifact($input: CreateArtifactInput!) { createArtifact(input: $input) { \
artifact { id state artifactSequence { id latestArtifact { id versionIndex } } } } }";

const CREATE_MANIFEST: &str = "mutation CreateArtifactManifest($name: String!, $digest: String!, $artifactID: ID!, \
$baseArtifactID: ID, $entityName: String!, $projectName: String!, $runName: String!, $includeUpload: Boolean!, \
$type: ArtifactManifestType) { createArtifactManifest(input: {name: $name, digest: $digest, artifactID: $artifactID, \
baseArtifactID: $baseArtifactID, entityName: $entityName, projectName: $projectName, runName: $runName, type: $type}) { \
artifactManifest { id file { id name uploadUrl @include(if: $includeUpload) uploadHeaders @include(if: $includeUpload) } } } }";

const CREATE_FILES: &str = "mutation CreateArtifactFiles($input: CreateArtifactFilesInput!) { \
createArtifactFiles(input: $input) { files { edges { node { id name displayName uploadUrl uploadHeaders \
uploadMultipartUrls { uploadID uploadUrlParts { partNumber uploadUrl } } storagePath artifact { id } } } } } }";

const COMPLETE_MULTIPART: &str = "mutation CompleteMultipartUploadArtifact($completeMultipartAction: CompleteMultipartAction!, \
$completedParts: [UploadPartsInput!]!, $artifactID: ID!, $storagePath: String!, $uploadID: String!) { \
completeMultipartUploadArtifact(input: {completeMultipartAction: $completeMultipartAction, completedParts: $completedParts, \
artifactID: $artifactID, storagePath: $storagePath, uploadID: $uploadID}) { digest } }";

const COMMIT_ARTIFACT: &str = "mutation CommitArtifact($artifactID: ID!) { commitArtifact(input: {artifactID: $artifactID}) { \
artifact { id digest } } }";

fn operation(name: &str, query: &str, variables: &Value) -> Vec<u8> {
    json!({ "operationName": name, "query": query, "variables": variables }).to_string().into_bytes()
}

/// The name of the operation in a body, for errors.
pub(super) fn query(name: Query, variables: &Value) -> Vec<u8> {
    let text = match name {
        Query::Upsert => UPSERT,
        Query::Resume => RESUME,
        Query::Viewer => VIEWER,
        Query::Features => FEATURES,
        Query::Project => PROJECT,
        Query::RunFiles => RUN_FILES,
        Query::CreateArtifact => CREATE_ARTIFACT,
        Query::CreateManifest => CREATE_MANIFEST,
        Query::CreateFiles => CREATE_FILES,
        Query::CompleteMultipart => COMPLETE_MULTIPART,
        Query::CommitArtifact => COMMIT_ARTIFACT,
    };
    operation(name.name(), text, variables)
}

/// Which operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Query {
    Upsert,
    Resume,
    Viewer,
    Features,
    Project,
    RunFiles,
    CreateArtifact,
    CreateManifest,
    CreateFiles,
    CompleteMultipart,
    CommitArtifact,
}

impl Query {
    /// As the server knows it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Upsert => "UpsertBucket",
            Self::Resume => "RunResumeStatus",
            Self::Viewer => "Viewer",
            Self::Features => "ServerFeaturesQuery",
            Self::Project => "Project",
            Self::RunFiles => "CreateRunFiles",
            Self::CreateArtifact => "CreateArtifact",
            Self::CreateManifest => "CreateArtifactManifest",
            Self::CreateFiles => "CreateArtifactFiles",
            Self::CompleteMultipart => "CompleteMultipartUploadArtifact",
            Self::CommitArtifact => "CommitArtifact",
        }
    }
}

/// An answer: data, errors, or both.
#[derive(Debug, Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    errors: Vec<Complaint>,
}

#[derive(Debug, Deserialize)]
struct Complaint {
    #[serde(default)]
    message: String,
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said<T> {
    /// This.
    Data(T),
    /// No, in the server's words.
    Complaint(String),
    /// Nothing that can be understood.
    Nonsense,
}

/// Reads an answer.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Said<T> {
    let Ok(answer) = serde_json::from_slice::<Answer<'_>>(body) else { return Said::Nonsense };
    if let Some(complaint) = answer.errors.first() {
        return Said::Complaint(complaint.message.clone());
    }
    let data = answer.data.and_then(|data| serde_json::from_str(data.get()).ok());
    data.map_or(Said::Nonsense, Said::Data)
}

/// The server's words in an answer of whatever status.
pub(super) fn complaint(body: &[u8]) -> Option<String> {
    let answer = serde_json::from_slice::<Answer<'_>>(body).ok()?;
    answer.errors.into_iter().map(|complaint| complaint.message).find(|message| !message.is_empty())
}

/// `upsertBucket`.
#[derive(Debug, Deserialize)]
pub(super) struct Upserted {
    #[serde(rename = "upsertBucket")]
    pub(super) upsert: Option<Upsert>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Upsert {
    pub(super) bucket: Bucket,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bucket {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) history_line_count: Option<u64>,
    pub(super) project: Project,
}

#[derive(Debug, Deserialize)]
pub(super) struct Project {
    pub(super) name: String,
    pub(super) entity: Entity,
}

#[derive(Debug, Deserialize)]
pub(super) struct Entity {
    pub(super) name: String,
}

/// `model` of `RunResumeStatus`.
#[derive(Debug, Deserialize)]
pub(super) struct Resumed {
    pub(super) model: Option<Model>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Model {
    pub(super) bucket: Option<Existing>,
}

/// A run that the server has.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Existing {
    pub(super) history_line_count: Option<u64>,
    pub(super) events_line_count: Option<u64>,
    pub(super) log_line_count: Option<u64>,
    history_tail: Option<String>,
    config: Option<String>,
    summary_metrics: Option<String>,
    pub(super) tags: Option<Vec<String>>,
}

impl Existing {
    /// The step of its last row.
    pub(super) fn last_step(&self) -> Option<i64> {
        step_of(self.tail().last()?)
    }

    /// When its last row was logged, in seconds since 1970.
    pub(super) fn last_time(&self) -> Option<f64> {
        time_of(self.tail().last()?)
    }

    /// The highest step of it that is told: its last rows may be out of order.
    pub(super) fn highest_step(&self) -> Option<i64> {
        let summed_up = self.summary_metrics.as_deref().and_then(step_of);
        self.tail().iter().filter_map(|row| step_of(row)).chain(summed_up).max()
    }

    fn tail(&self) -> Vec<String> {
        self.history_tail.as_deref().and_then(|tail| serde_json::from_str(tail).ok()).unwrap_or_default()
    }

    /// Its summary: names, and values as JSON.
    pub(super) fn summary(&self) -> Vec<(String, String)> {
        let members = members(self.summary_metrics.as_deref().unwrap_or("{}"));
        members.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
    }

    /// The metrics that it defines.
    pub(super) fn metrics(&self) -> Metrics {
        let config = self.config.as_deref().and_then(|text| serde_json::from_str(text).ok());
        config.as_ref().map(defined).unwrap_or_default()
    }

    /// Its configuration: names, and values as JSON.
    pub(super) fn config(&self) -> Vec<(String, String)> {
        #[derive(Deserialize)]
        struct Wrapped {
            value: Box<RawValue>,
        }
        let text = self.config.as_deref().unwrap_or("{}");
        let read: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
        let read = read.into_iter().filter(|(name, _)| name != "_wandb");
        let value = |(name, value): (String, Value)| {
            let wrapped: Wrapped = serde_json::from_value(value).ok()?;
            Some((name, wrapped.value.get().to_owned()))
        };
        read.filter_map(value).collect()
    }
}

/// The metrics that a configuration defines.
fn defined(config: &Value) -> Metrics {
    let list = config.pointer("/_wandb/value/m").and_then(Value::as_array);
    Metrics::read(list.map(Vec::as_slice).unwrap_or_default())
}

/// `_step` in a line of history.
pub(super) fn step_of(line: &str) -> Option<i64> {
    #[derive(Deserialize)]
    struct Line {
        #[serde(rename = "_step")]
        step: Option<f64>,
    }
    let line: Line = serde_json::from_str(&super::json::quoted(line)).ok()?;
    line.step.map(|step| step as i64)
}

/// `_timestamp` in a line of history.
pub(super) fn time_of(line: &str) -> Option<f64> {
    #[derive(Deserialize)]
    struct Line {
        #[serde(rename = "_timestamp")]
        time: Option<f64>,
    }
    let line: Line = serde_json::from_str(&super::json::quoted(line)).ok()?;
    line.time
}

/// `viewer`.
#[derive(Debug, Deserialize)]
pub(super) struct Viewed {
    pub(super) viewer: Option<Viewer>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Viewer {
    #[serde(default)]
    pub(super) entity: Option<String>,
    #[serde(default)]
    pub(super) username: Option<String>,
    #[serde(default)]
    teams: Option<Edges<Entity>>,
}

impl Viewer {
    /// The entities to which this key can write, as far as it is told.
    pub(super) fn entities(&self) -> Vec<&str> {
        let own = [&self.entity, &self.username].into_iter().flatten().map(String::as_str);
        let teams = self.teams.iter().flat_map(|teams| &teams.edges).map(|edge| edge.node.name.as_str());
        let mut all: Vec<&str> = own.chain(teams).collect();
        all.dedup();
        all
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Edges<T> {
    pub(super) edges: Vec<Edge<T>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Edge<T> {
    pub(super) node: T,
}

/// `serverInfo` of `ServerFeaturesQuery`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Features {
    server_info: Option<ServerInfo>,
}

#[derive(Debug, Deserialize)]
struct ServerInfo {
    #[serde(default)]
    features: Vec<Feature>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feature {
    name: String,
    #[serde(default)]
    is_enabled: bool,
}

impl Features {
    /// Whether the server lists this one.
    pub(super) fn has(&self, name: &str) -> bool {
        let features = self.server_info.iter().flat_map(|info| &info.features);
        features.into_iter().any(|feature| feature.name == name && feature.is_enabled)
    }
}

/// `project` of `Project`.
#[derive(Debug, Deserialize)]
pub(super) struct FoundProject {
    pub(super) project: Option<Value>,
}

/// `createRunFiles`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunFiles {
    pub(super) create_run_files: Option<Urls>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Urls {
    #[serde(default)]
    pub(super) upload_headers: Vec<String>,
    pub(super) files: Vec<Target>,
}

/// Where bytes are put, and with which headers (`name:value`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) upload_url: Option<String>,
    pub(super) upload_headers: Vec<String>,
    pub(super) upload_multipart_urls: Option<Multipart>,
    pub(super) storage_path: Option<String>,
    pub(super) artifact: Option<Id>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Id {
    pub(super) id: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Multipart {
    #[serde(rename = "uploadID")]
    pub(super) upload_id: String,
    #[serde(rename = "uploadUrlParts")]
    pub(super) parts: Vec<PartUrl>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartUrl {
    pub(super) part_number: u64,
    pub(super) upload_url: String,
}

/// `createArtifact`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreatedArtifact {
    pub(super) create_artifact: Option<ArtifactOf>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ArtifactOf {
    pub(super) artifact: ArtifactState,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ArtifactState {
    pub(super) id: String,
    #[serde(default)]
    pub(super) state: String,
    #[serde(default)]
    artifact_sequence: Option<Sequence>,
}

impl ArtifactState {
    /// The version before it.
    pub(super) fn base(&self) -> Option<&str> {
        let latest = self.artifact_sequence.as_ref()?.latest_artifact.as_ref()?;
        Some(latest.id.as_str()).filter(|id| *id != self.id)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sequence {
    latest_artifact: Option<Id>,
}

/// `createArtifactManifest`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreatedManifest {
    pub(super) create_artifact_manifest: Option<ManifestOf>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ManifestOf {
    pub(super) artifact_manifest: ManifestId,
}

#[derive(Debug, Deserialize)]
pub(super) struct ManifestId {
    pub(super) id: String,
    #[serde(default)]
    pub(super) file: Option<Target>,
}

/// `createArtifactFiles`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreatedFiles {
    pub(super) create_artifact_files: Option<FilesOf>,
}

#[derive(Debug, Deserialize)]
pub(super) struct FilesOf {
    pub(super) files: Edges<Target>,
}

/// An answer of which only the success counts.
#[derive(Debug, Deserialize)]
pub(super) struct Anything {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_data_complaints_or_nonsense() {
        let body = br#"{"data":{"upsertBucket":{"bucket":{"id":"x","name":"r","displayName":null,"historyLineCount":3,
            "project":{"name":"p","entity":{"name":"e"}}},"inserted":true}}}"#;
        let Said::Data(Upserted { upsert: Some(upsert) }) = read(body) else { panic!() };
        assert_eq!(upsert.bucket.history_line_count, Some(3));
        let refused = br#"{"errors":[{"message":"no such entity","path":["upsertBucket"]}],"data":{"upsertBucket":null}}"#;
        assert!(matches!(read::<Upserted>(refused), Said::Complaint(text) if text == "no such entity"));
        assert_eq!(complaint(refused).as_deref(), Some("no such entity"));
        for nonsense in [&b"<html>"[..], b"", b"[]", br#"{"data":5}"#] {
            assert!(matches!(read::<Upserted>(nonsense), Said::Nonsense));
        }
    }

    #[test]
    fn the_last_step_of_a_run_is_found_also_among_bare_numbers() {
        let existing = |tail: &str| Existing { history_tail: Some(tail.to_owned()), ..Existing::default() };
        assert_eq!(existing(r#"["{\"loss\":NaN,\"_step\":41}"]"#).last_step(), Some(41));
        assert_eq!(existing("[]").last_step(), None);
        let config = Existing {
            config: Some(
                r#"{"lr":{"value":0.1},"net":{"value":{"a":[1]}},"_wandb":{"value":{}}}"#.to_owned(),
            ),
            ..Existing::default()
        };
        assert_eq!(config.config(), [("lr".into(), "0.1".into()), ("net".into(), r#"{"a":[1]}"#.into())]);
    }
}
