use std::collections::BTreeMap;
use std::time::Duration;

use aws_credential_types::Credentials;
use schemars::JsonSchema;
use serde::Deserialize;

use super::stream::StreamName;
use crate::support::aws::{ADDRESS, is_address, is_region};

/// Options of `cloudwatch`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloudWatchConfig {
    /// The log group.
    pub log_group: String,
    /// The log stream. `{date}`, `{host}` and `{pid}` stand for the entry's day in UTC, the name of the
    /// machine and the number of the process.
    pub log_stream: String,
    /// The region. Without it `AWS_REGION`, `AWS_DEFAULT_REGION`, that of the profile, `us-east-1`.
    #[serde(default)]
    pub region: Option<String>,
    /// Entries that are sent at once; fewer are sent after a second, or at a flush.
    #[serde(default = "default_batch_size")]
    #[schemars(range(min = 1, max = 10_000))]
    pub batch_size: usize,
    /// The profile whose credentials are used. Without it the usual search of AWS tools.
    #[serde(default)]
    pub profile: Option<String>,
    /// The address of the service, for emulators and private networks. Without it `AWS_ENDPOINT_URL_LOGS`,
    /// `AWS_ENDPOINT_URL`, that of the region.
    #[serde(default)]
    pub endpoint_url: Option<String>,
    /// Whether a missing log group or stream is created.
    #[serde(default = "yes")]
    pub create: bool,
    /// Days that a created log group keeps its entries. Without it for ever.
    #[serde(default)]
    pub retention_days: Option<u32>,
    /// Tags of a created log group.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The class of a created log group.
    #[serde(default)]
    pub log_group_class: LogGroupClass,
    /// The most that the program gives a request, in all; without it the usual deadlines.
    #[serde(skip)]
    pub request_timeout: Option<Duration>,
    /// Keys that the program gives, instead of those that are found.
    #[serde(skip)]
    pub(super) credentials: Option<Credentials>,
}

/// What a log group can do, and costs (CloudWatch Logs User Guide, "Log classes").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogGroupClass {
    /// Everything.
    #[default]
    Standard,
    /// Half the price, without live tail, metric filters and subscriptions.
    InfrequentAccess,
}

impl LogGroupClass {
    /// As the API writes it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::InfrequentAccess => "INFREQUENT_ACCESS",
        }
    }
}

const fn default_batch_size() -> usize {
    100
}

const fn yes() -> bool {
    true
}

/// Days that a log group can keep its entries (API reference, `PutRetentionPolicy`).
const RETENTIONS: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

/// An option that cannot be meant as it is.
pub(super) struct Wrong {
    pub(super) key: &'static str,
    pub(super) message: String,
    pub(super) hint: String,
}

impl CloudWatchConfig {
    /// The usual options for this log stream.
    pub fn new(log_group: impl Into<String>, log_stream: impl Into<String>) -> Self {
        Self {
            log_group: log_group.into(),
            log_stream: log_stream.into(),
            region: None,
            batch_size: default_batch_size(),
            profile: None,
            endpoint_url: None,
            create: yes(),
            retention_days: None,
            tags: BTreeMap::new(),
            log_group_class: LogGroupClass::default(),
            request_timeout: None,
            credentials: None,
        }
    }

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

    /// The first option that cannot work. Touches nothing.
    pub(super) fn fault(&self) -> Option<Wrong> {
        let wrong = |key, message: String, hint: &str| Some(Wrong { key, message, hint: hint.to_owned() });
        if !is_group(&self.log_group) {
            let hint = "use 1 to 512 of letters, digits and `_ - / . #`, not starting with `aws/`";
            return wrong("log_group", format!("`{}` is no name of a log group", self.log_group), hint);
        }
        if let Err(why) = StreamName::check(&self.log_stream) {
            let hint = "use 1 to 512 characters, no `:` or `*`; `{date}`, `{host}` and `{pid}` are filled in";
            return wrong(
                "log_stream",
                format!("`{}` is no name of a log stream: {why}", self.log_stream),
                hint,
            );
        }
        if let Some(region) = self.region.as_deref().filter(|region| !is_region(region)) {
            return wrong("region", format!("`{region}` is no region"), "use its code, such as `us-east-1`");
        }
        if !(1..=10_000).contains(&self.batch_size) {
            return wrong("batch_size", format!("batch_size is {}", self.batch_size), "use 1 to 10000");
        }
        if self.endpoint_url.as_deref().is_some_and(|url| !is_address(url)) {
            return wrong("endpoint_url", "this is no address of a service".to_owned(), ADDRESS);
        }
        if let Some(days) = self.retention_days.filter(|days| !RETENTIONS.contains(days)) {
            let next = RETENTIONS.into_iter().find(|known| *known > days).unwrap_or(3653);
            let message = format!("CloudWatch cannot keep entries for {days} days");
            return wrong("retention_days", message, &format!("the next longer time is {next}"));
        }
        let is_tag = |(key, value): (&String, &String)| {
            (1..=128).contains(&key.chars().count())
                && value.chars().count() <= 256
                && !key.starts_with("aws:")
        };
        if self.tags.len() > 50 || !self.tags.iter().all(is_tag) {
            let hint = "use at most 50, with keys of 1 to 128 characters and values of at most 256";
            return wrong("tags", "these tags cannot be set".to_owned(), hint);
        }
        None
    }
}

fn is_group(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/#".contains(&byte);
    (1..=512).contains(&name.len()) && name.bytes().all(known) && !name.starts_with("aws/")
}
