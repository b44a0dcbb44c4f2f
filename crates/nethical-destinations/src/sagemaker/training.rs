//! Training jobs: what they are to be.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::config::{SageMakerConfig, Wrong, wrong};
use super::names;

/// A training job that each run starts.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainingConfig {
    /// The address of the image in a registry, with the program that trains.
    #[serde(default)]
    pub image: Option<String>,
    /// The name or ARN of an algorithm, instead of an image.
    #[serde(default)]
    pub algorithm: Option<String>,
    /// Where the job puts its results: `s3://bucket/prefix`.
    pub output_path: String,
    /// The type of machine.
    #[serde(default = "default_instance_type")]
    pub instance_type: String,
    /// How many machines.
    #[serde(default = "default_instance_count")]
    #[schemars(range(min = 1, max = 1_000))]
    pub instance_count: u32,
    /// GB of disk for each machine.
    #[serde(default = "default_volume_gb")]
    #[schemars(range(min = 1, max = 16_384))]
    pub volume_gb: u32,
    /// Seconds after which the job is stopped.
    #[serde(default = "default_max_runtime")]
    #[schemars(range(min = 1, max = 2_419_200))]
    pub max_runtime_seconds: u32,
    /// Where each channel of input is: `train = "s3://bucket/data"`.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// What the program is told.
    #[serde(default)]
    pub hyperparameters: BTreeMap<String, HyperParameter>,
    /// The environment of the program.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Seconds between looks at a job that is under way.
    #[serde(default = "default_poll")]
    #[schemars(range(min = 1, max = 3_600))]
    pub poll_seconds: u32,
}

/// The value of a hyperparameter.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected text, a number, or a truth value")]
pub enum HyperParameter {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// A text.
    Text(String),
}

impl HyperParameter {
    /// SageMaker takes texts only.
    fn text(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Text(value) => value.clone(),
        }
    }
}

fn default_instance_type() -> String {
    "ml.m5.large".to_owned()
}

const fn default_instance_count() -> u32 {
    1
}

const fn default_volume_gb() -> u32 {
    30
}

const fn default_max_runtime() -> u32 {
    86_400
}

const fn default_poll() -> u32 {
    30
}

impl TrainingConfig {
    /// The first option that cannot work.
    pub(super) fn fault(&self) -> Option<Wrong> {
        const KEY: &str = "training";
        let is_s3 = |address: &str| {
            address.strip_prefix("s3://").is_some_and(|rest| !rest.is_empty()) && address.len() <= 1_024
        };
        if self.image.is_some() == self.algorithm.is_some() {
            return wrong(
                KEY,
                "a training job has either an image or an algorithm",
                "set `image` or `algorithm`",
            );
        }
        if self.image.as_ref().is_some_and(|image| image.is_empty() || image.len() > 255)
            || self.algorithm.as_ref().is_some_and(|name| name.is_empty() || name.len() > 170)
        {
            return wrong(
                KEY,
                "this is no image or algorithm",
                "use 1 to 255 characters for an image, 1 to 170 for an algorithm",
            );
        }
        if !is_s3(&self.output_path) {
            return wrong(
                KEY,
                format!("`{}` is no place in S3", self.output_path),
                "use `s3://bucket/prefix` for `output_path`",
            );
        }
        let ranges = [
            (self.instance_count, 1_000),
            (self.volume_gb, 16_384),
            (self.max_runtime_seconds, 2_419_200),
            (self.poll_seconds, 3_600),
        ];
        if ranges.iter().any(|(value, most)| !(1..=*most).contains(value)) {
            let hint = "1 to 1000 machines, 1 to 16384 GB, 1 to 2419200 seconds of work, a look every 1 to 3600 seconds";
            return wrong(KEY, "a number is out of its range", hint);
        }
        let is_channel = |name: &str| {
            (1..=64).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        };
        if self.inputs.len() > 20
            || !self.inputs.iter().all(|(name, address)| is_channel(name) && is_s3(address))
        {
            return wrong(
                KEY,
                "these inputs cannot be channels",
                "use at most 20, each `name = \"s3://bucket/prefix\"`",
            );
        }
        let fits = |name: &str, value: &str| {
            !name.is_empty()
                && name.chars().count() <= 256
                && value.chars().count() <= 2_500
                && !value.contains('\n')
        };
        if self.hyperparameters.len() > 100
            || !self.hyperparameters.iter().all(|(name, value)| fits(name, &value.text()))
        {
            return wrong(
                KEY,
                "these hyperparameters cannot be set",
                "use at most 100, with names of at most 256 and values of at most 2500 characters on one line",
            );
        }
        if self.environment.len() > 100
            || !self.environment.iter().all(|(name, value)| is_variable(name) && value.chars().count() <= 512)
        {
            return wrong(
                KEY,
                "this environment cannot be set",
                "use at most 100 variables of letters, digits and `_`, with at most 512 characters",
            );
        }
        None
    }
}

fn is_variable(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=512).contains(&name.len())
        && name.bytes().all(known)
        && !name.starts_with(|first: char| first.is_ascii_digit())
}

/// The body of `CreateTrainingJob`. The job is called like the run.
pub(super) fn create(
    config: &SageMakerConfig,
    training: &TrainingConfig,
    run: &str,
    experiment: &str,
    shown: &str,
) -> Value {
    let mut algorithm = json!({ "TrainingInputMode": "File" });
    if let Some(object) = algorithm.as_object_mut() {
        object.extend(training.image.iter().map(|image| ("TrainingImage".to_owned(), json!(image))));
        object.extend(training.algorithm.iter().map(|name| ("AlgorithmName".to_owned(), json!(name))));
    }
    let hyperparameters: Map<_, _> =
        training.hyperparameters.iter().map(|(name, value)| (name.clone(), value.text().into())).collect();
    let mut body = json!({
        "TrainingJobName": run,
        "AlgorithmSpecification": algorithm,
        "RoleArn": config.role,
        "OutputDataConfig": { "S3OutputPath": training.output_path },
        "ResourceConfig": {
            "InstanceType": training.instance_type,
            "InstanceCount": training.instance_count,
            "VolumeSizeInGB": training.volume_gb,
        },
        "StoppingCondition": { "MaxRuntimeInSeconds": training.max_runtime_seconds },
        "HyperParameters": hyperparameters,
        "ExperimentConfig": {
            "ExperimentName": experiment,
            "TrialName": run,
            "TrialComponentDisplayName": names::shown(shown),
        },
    });
    if let Some(object) = body.as_object_mut() {
        if !training.inputs.is_empty() {
            object.insert("InputDataConfig".to_owned(), training.inputs.iter().map(channel).collect());
        }
        if !training.environment.is_empty() {
            object.insert("Environment".to_owned(), json!(training.environment));
        }
        if !config.tags.is_empty() {
            object.insert("Tags".to_owned(), super::wire::tags(&config.tags));
        }
    }
    body
}

fn channel((name, address): (&String, &String)) -> Value {
    let source =
        json!({ "S3DataType": "S3Prefix", "S3Uri": address, "S3DataDistributionType": "FullyReplicated" });
    json!({ "ChannelName": name, "DataSource": { "S3DataSource": source } })
}
