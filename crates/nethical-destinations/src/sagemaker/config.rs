use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use aws_credential_types::Credentials;
use nethical_core::delivery::Error;
use nethical_core::fork::PerProcess;
use schemars::JsonSchema;
use serde::Deserialize;

use super::limits;
use super::runs::{SageMaker, lock};
use super::training::TrainingConfig;
use crate::support::aws::{ADDRESS, is_address, is_region};

/// Options of `sagemaker`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SageMakerConfig {
    /// The region. Without it `AWS_REGION`, `AWS_DEFAULT_REGION`, that of the profile, `us-east-1`.
    pub region: Option<String>,
    /// The ARN of the role that training jobs run as.
    pub role: Option<String>,
    /// The profile whose credentials are used. Without it the usual search of AWS tools.
    pub profile: Option<String>,
    /// The address of every service, for emulators. Without it `AWS_ENDPOINT_URL_SAGEMAKER`,
    /// `AWS_ENDPOINT_URL_SAGEMAKER_METRICS`, `AWS_ENDPOINT_URL_CLOUDWATCH`, `AWS_ENDPOINT_URL_S3`,
    /// `AWS_ENDPOINT_URL`, those of the region.
    pub endpoint_url: Option<String>,
    /// The S3 bucket that files and folders of this machine are uploaded to.
    pub bucket: Option<String>,
    /// What the keys of uploaded files begin with.
    pub prefix: String,
    /// Whether metrics are put to the component of the run, where Studio shows them.
    pub experiment_metrics: bool,
    /// Whether metrics are put to CloudWatch.
    pub cloudwatch_metrics: bool,
    /// The CloudWatch namespace of metrics.
    pub namespace: String,
    /// What tells metrics apart in CloudWatch, which bills each combination: `ExperimentName`, `TrialName`,
    /// `TrialComponentName`.
    pub dimensions: Vec<Dimension>,
    /// Dimensions with fixed values.
    pub extra_dimensions: BTreeMap<String, String>,
    /// Tags of what is created.
    pub tags: BTreeMap<String, String>,
    /// The training job that each run is to start.
    pub training: Option<TrainingConfig>,
    /// The most that the program gives a request, in all; without it the usual deadlines.
    #[serde(skip)]
    pub request_timeout: Option<Duration>,
    /// Keys that the program gives, instead of those that are found.
    #[serde(skip)]
    pub(super) credentials: Option<Credentials>,
    /// What the connectors of one platform have in common, while one of them is open.
    #[serde(skip)]
    shared: Arc<PerProcess<Mutex<Weak<SageMaker>>>>,
}

/// A dimension of a metric whose value is that of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Dimension {
    /// The experiment.
    ExperimentName,
    /// The trial: the same as the run.
    TrialName,
    /// The component: the same as the run.
    TrialComponentName,
}

impl Dimension {
    /// As CloudWatch shows it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::ExperimentName => "ExperimentName",
            Self::TrialName => "TrialName",
            Self::TrialComponentName => "TrialComponentName",
        }
    }
}

impl Default for SageMakerConfig {
    fn default() -> Self {
        Self {
            region: None,
            role: None,
            profile: None,
            endpoint_url: None,
            bucket: None,
            prefix: "nethical".to_owned(),
            experiment_metrics: true,
            cloudwatch_metrics: true,
            namespace: "Nethical".to_owned(),
            dimensions: vec![Dimension::ExperimentName],
            extra_dimensions: BTreeMap::new(),
            tags: BTreeMap::new(),
            training: None,
            request_timeout: None,
            credentials: None,
            shared: Arc::default(),
        }
    }
}

/// An option that cannot be meant as it is.
pub(super) struct Wrong {
    pub(super) key: &'static str,
    pub(super) message: String,
    pub(super) hint: String,
}

/// [`Wrong`], where there is one.
pub(super) fn wrong(key: &'static str, message: impl Into<String>, hint: &str) -> Option<Wrong> {
    Some(Wrong { key, message: message.into(), hint: hint.to_owned() })
}

impl SageMakerConfig {
    /// Use these keys, and look for no others. `session_token` is for temporary ones.
    #[must_use]
    pub fn with_keys(
        mut self,
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
        session_token: Option<String>,
    ) -> Self {
        let (id, secret) = (access_key_id.into(), secret_access_key.into());
        self.credentials = Some(Credentials::new(id, secret, session_token, None, "nethical"));
        self
    }

    /// SageMaker as these options see it: the same for all who have it open.
    pub(super) fn sagemaker(&self) -> Result<Arc<SageMaker>, Error> {
        let mut shared = lock(self.shared.get(Mutex::default));
        if let Some(open) = shared.upgrade() {
            return Ok(open);
        }
        let opened = Arc::new(SageMaker::open(self)?);
        *shared = Arc::downgrade(&opened);
        Ok(opened)
    }

    /// The first option that cannot work. Touches nothing.
    pub(super) fn fault(&self) -> Option<Wrong> {
        self.place_fault().or_else(|| self.metrics_fault()).or_else(|| self.training_fault())
    }

    fn place_fault(&self) -> Option<Wrong> {
        if let Some(region) = self.region.as_deref().filter(|region| !is_region(region)) {
            return wrong("region", format!("`{region}` is no region"), "use its code, such as `us-east-1`");
        }
        if self.endpoint_url.as_deref().is_some_and(|url| !is_address(url)) {
            return wrong("endpoint_url", "this is no address of a service".to_owned(), ADDRESS);
        }
        if let Some(role) = self.role.as_deref().filter(|role| !is_role(role)) {
            let hint = "use its ARN, such as `arn:aws:iam::123456789012:role/SageMakerRole`";
            return wrong("role", format!("`{role}` is no role"), hint);
        }
        if let Some(bucket) = self.bucket.as_deref().filter(|bucket| !is_bucket(bucket)) {
            let hint = "use its name alone, without `s3://`, and say in `prefix` where in it";
            return wrong("bucket", format!("`{bucket}` is no bucket"), hint);
        }
        if self.prefix.len() > 512
            || self.prefix.starts_with('/')
            || self.prefix.chars().any(char::is_control)
        {
            let hint = "use at most 512 bytes, and no `/` at the start";
            return wrong("prefix", "the prefix cannot be one of keys in S3", hint);
        }
        let check = |(name, value): (&String, &String)| limits::check_tag(name, value).err();
        if let Some(error) = self.tags.iter().find_map(check) {
            return wrong("tags", error.message(), error.hint().unwrap_or_default());
        }
        // Two are ours.
        if self.tags.len() > limits::TAGS - 2 {
            return wrong("tags", format!("{} are too many tags", self.tags.len()), "use at most 48");
        }
        None
    }

    fn metrics_fault(&self) -> Option<Wrong> {
        let named = |text: &str, most| (1..=most).contains(&text.chars().count()) && text.is_ascii();
        if !named(&self.namespace, 255)
            || self.namespace.starts_with([':'])
            || self.namespace.starts_with("AWS/")
        {
            let hint = "use 1 to 255 characters, not starting with `:` or `AWS/`";
            return wrong("namespace", format!("`{}` is no namespace", self.namespace), hint);
        }
        if self.dimensions.len() + self.extra_dimensions.len() > 30 {
            return wrong("dimensions", "there are more than 30 dimensions", "CloudWatch takes at most 30");
        }
        let fits = |(name, value): (&String, &String)| {
            named(name, 255) && !name.starts_with(':') && named(value, 1_024)
        };
        if !self.extra_dimensions.iter().all(fits) {
            let hint =
                "use names of 1 to 255 and values of 1 to 1024 ASCII characters, no name starting with `:`";
            return wrong("extra_dimensions", "these dimensions cannot be set", hint);
        }
        None
    }

    fn training_fault(&self) -> Option<Wrong> {
        let training = self.training.as_ref()?;
        if self.role.is_none() {
            return wrong(
                "role",
                "training jobs need a role",
                "set `role` to the ARN of the role that they run as",
            );
        }
        training.fault()
    }
}

/// `arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+`
fn is_role(arn: &str) -> bool {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let [start, partition, service, region, account, role] = parts[..] else { return false };
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@-_/".contains(&byte);
    start == "arn"
        && partition.starts_with("aws")
        && (service, region) == ("iam", "")
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && role.strip_prefix("role").is_some_and(|name| name.len() > 1 && name.bytes().all(known))
        && arn.len() <= 2_048
}

fn is_bucket(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().copied().all(known)
        && ends(bytes.first())
        && ends(bytes.last())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::options::Options;

    fn key(toml: &str) -> &'static str {
        let config = Options::from_toml(toml).unwrap().read::<SageMakerConfig>().unwrap();
        config.fault().map_or("fine", |wrong| wrong.key)
    }

    #[test]
    fn what_cannot_work_is_said_where_it_stands() {
        let cases = [
            ("", "fine"),
            ("region = 'us east'", "region"),
            ("endpoint_url = 'localhost'", "endpoint_url"),
            ("role = 'SageMakerRole'", "role"),
            ("role = 'arn:aws:iam::123456789012:role/SageMakerRole'", "fine"),
            ("bucket = 's3://b'", "bucket"),
            ("prefix = '/x'", "prefix"),
            ("namespace = ''", "namespace"),
            ("namespace = ':x'", "namespace"),
            ("namespace = 'AWS/x'", "namespace"),
            ("extra_dimensions = { team = '' }", "extra_dimensions"),
            ("tags = { 'aws:x' = '' }", "tags"),
            ("[training]\nimage = 'i'\noutput_path = 's3://b/o'", "role"),
        ];
        for (toml, expected) in cases {
            assert_eq!(key(toml), expected, "{toml}");
        }
        assert_eq!(key(&format!("namespace = '{}'", "n".repeat(255))), "fine");
        assert_eq!(key(&format!("namespace = '{}'", "n".repeat(256))), "namespace");
        let dimensions = |count: usize| {
            let some: Vec<_> = (0..count).map(|number| format!("d{number} = 'x'")).collect();
            format!("extra_dimensions = {{ {} }}", some.join(", "))
        };
        assert_eq!((key(&dimensions(29)), key(&dimensions(30))), ("fine", "dimensions"));
    }
}
