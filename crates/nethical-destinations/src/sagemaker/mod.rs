//! Amazon SageMaker: experiments, their metrics and artifacts, and training jobs.

mod api;
mod artifacts;
mod component;
mod config;
mod deliver;
mod errors;
mod jobs;
mod limits;
mod metrics;
mod names;
mod probe;
mod runs;
mod s3;
mod training;
mod uploads;
mod wire;

use std::sync::{Arc, Once};
use std::time::Duration;

use async_trait::async_trait;
use nethical_core::delivery::{Batch, Destination, Error, Profile, Receipt, Schedule, Settings};
use nethical_core::event::{Family, Redaction, RunStart, Timestamp};
use nethical_core::tracking::{Backend, Platform, StartRun};
use serde_json::Value;

pub use self::config::{Dimension, SageMakerConfig};
use self::runs::SageMaker;
pub use self::training::{HyperParameter, TrainingConfig};
use crate::support::platform;
use crate::{Descriptor, Validated};

/// Amazon SageMaker.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "sagemaker",
    families: &[Family::Runs],
    summary: "Keep runs in Amazon SageMaker, and start training jobs",
    docs: include_str!("docs.md"),
    example: include_str!("example.toml"),
    schema: || schemars::schema_for!(SageMakerConfig),
    parse: |options| {
        let config = options.read::<SageMakerConfig>()?;
        match config.fault() {
            None => Ok(Arc::new(config)),
            Some(wrong) => Err(options.error_at(wrong.key, wrong.message).with_hint(wrong.hint)),
        }
    },
};

/// Updates that close a batch before its age does: as many points as one request to CloudWatch takes.
const BATCH: usize = limits::DATA;

/// Updates in one batch, which may be of many runs.
const MOST: usize = 5_000;

impl Validated for SageMakerConfig {
    fn identity(&self) -> Option<String> {
        let Self { region, profile, endpoint_url, bucket, prefix, namespace, .. } = self;
        let optional =
            [region, profile, endpoint_url, bucket].map(|option| option.as_deref().unwrap_or_default());
        Some([&optional, [prefix.as_str(), namespace].as_slice()].concat().join("\n"))
    }

    /// Reads the profile files for the region, and what TLS trusts; reaches nothing.
    fn open(&self) -> Result<Arc<dyn Destination>, Error> {
        if let Some(wrong) = self.fault() {
            return Err(Error::config("sagemaker.option", wrong.message).with_hint(wrong.hint));
        }
        Ok(Arc::new(Delivery { sagemaker: self.sagemaker()?, of_artifacts: false }))
    }

    fn settings(&self, usual: Settings) -> Settings {
        Settings { batch_size: BATCH, ..usual }
    }

    fn platform(
        self: Arc<Self>,
        name: &str,
        settings: Settings,
        redaction: &Redaction,
    ) -> Option<Result<Arc<dyn Platform>, Error>> {
        if self.training.is_none() {
            say_once(name);
        }
        let (runs, apart) = (Arc::new(Runs { config: Arc::clone(&self) }), Arc::clone(&self));
        let artifacts =
            move || Ok(Arc::new(Delivery { sagemaker: apart.sagemaker()?, of_artifacts: true }) as _);
        Some(platform::open_apart(self, artifacts, runs, name, settings, redaction))
    }
}

/// The first of the process is told what its runs are not.
fn say_once(name: &str) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        tracing::warn!(
            target: "nethical",
            hint = "set `training` with an image or algorithm and an output path, and `role`, to start training jobs",
            "{name}: runs are tracked as experiments, and no training job is started"
        );
    });
}

struct Delivery {
    sagemaker: Arc<SageMaker>,
    /// Only artifacts come this way, and the starts of their runs another.
    of_artifacts: bool,
}

#[async_trait]
impl Destination for Delivery {
    /// What is there is not created again, and a change that comes again changes nothing. A point that was sent and not
    /// answered may be there twice.
    fn profile(&self) -> Profile {
        Profile {
            max_events: if self.of_artifacts { 1 } else { MOST },
            max_bytes: 4 << 20,
            repeat_safe: true,
            retry: Schedule { first: Duration::from_millis(200), cap: Duration::from_secs(10) },
            ..Profile::default()
        }
    }

    async fn deliver(&self, batch: &Batch) -> Result<Receipt, Error> {
        deliver::deliver(&self.sagemaker, batch, self.of_artifacts).await
    }

    async fn probe(&self) -> Result<String, Error> {
        probe::probe(&self.sagemaker).await
    }
}

/// What SageMaker adds to the calls of a program.
#[derive(Debug)]
struct Runs {
    config: Arc<SageMakerConfig>,
}

impl Backend for Runs {
    fn kind(&self) -> &'static str {
        DESCRIPTOR.name
    }

    /// The name of its trial, its component and its job.
    fn new_id(&self, start: &RunStart) -> String {
        names::run(wire::called(start), Timestamp::now())
    }

    fn begin(&self, key: &str, _start: &RunStart, _time: i64) -> Result<Option<String>, Error> {
        self.config.sagemaker()?.starts.expect(key);
        Ok(None)
    }

    fn outlives_process(&self) -> bool {
        self.config.training.is_some()
    }

    fn check_start(&self, start: &StartRun<'_>) -> Result<(), Error> {
        if start.experiment.trim().is_empty() {
            return Err(Error::refused("sagemaker.name", "the experiment has no name")
                .with_hint("name what the runs have in common"));
        }
        // Two are ours.
        if start.tags.len() + self.config.tags.len() > limits::TAGS - 2 {
            let text = format!("{} are too many tags for a run", start.tags.len());
            return Err(Error::refused("sagemaker.tag", text)
                .with_hint("use at most 48, with those of the configuration"));
        }
        Ok(())
    }

    fn check_resume(&self, run: &str) -> Result<(), Error> {
        if names::is_run(run) {
            return Ok(());
        }
        Err(Error::refused("sagemaker.run_id", format!("`{run}` is no name of a run in SageMaker"))
            .with_hint("use what `start_run` returned: the name of its trial component, in lower case"))
    }

    fn check_parameter(&self, name: &str, value: &Value, _before: Option<&Value>) -> Result<(), Error> {
        limits::check_parameter(name)?;
        if value.as_str().is_some_and(|text| text.chars().count() > limits::PARAMETER_TEXT) {
            let most = limits::PARAMETER_TEXT;
            tracing::warn!(target: "nethical", "sagemaker: the parameter `{name}` is cut: SageMaker keeps {most} characters");
        }
        Ok(())
    }

    fn check_metric(&self, name: &str, _value: f64, step: Option<i64>) -> Result<(), Error> {
        limits::check_metric(name, step)
    }

    fn check_tag(&self, name: &str, value: &str) -> Result<(), Error> {
        limits::check_tag(name, value)
    }

    fn check_artifact(&self, path: &str) -> Result<(), Error> {
        if self.config.bucket.is_none() {
            return Err(artifacts::no_bucket());
        }
        // "The key name is a sequence of Unicode characters with UTF-8 encoding of up to 1,024 bytes long."
        if self.config.prefix.len() + names::JOB + path.len() + 2 > 1_024 {
            return Err(Error::refused(
                "sagemaker.key",
                format!("the path `{path}` is too long for a key in S3"),
            )
            .with_hint("use shorter names, or a shorter `prefix`"));
        }
        Ok(())
    }

    fn takes_address(&self, address: &str) -> bool {
        let known = ["s3://", "https://", "http://"].iter().any(|start| address.starts_with(start));
        known && address.chars().count() <= limits::ARTIFACT_VALUE && !address.chars().any(char::is_control)
    }
}
