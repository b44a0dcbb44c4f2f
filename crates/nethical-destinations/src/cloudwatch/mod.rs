//! Amazon CloudWatch Logs.

mod config;
mod errors;
mod stream;
mod wire;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use nethical_core::delivery::{
    Batch, Destination, Error, Kind, Profile, Receipt, Refusal, Settings, Unfinished, runtime,
};
use nethical_core::event::{Family, Timestamp};

pub use self::config::{CloudWatchConfig, LogGroupClass};
use self::stream::StreamName;
use self::wire::Put;
use crate::support::aws::{self, Call, Context, Endpoint, Environment, Fault, Provider, Service};
use crate::support::http::{Client, Deadlines, Response};
use crate::{Descriptor, Validated};

/// Amazon CloudWatch Logs.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "cloudwatch",
    families: &[Family::Logs, Family::Alerts],
    summary: "Send to a log stream of Amazon CloudWatch Logs",
    docs: include_str!("docs.md"),
    example: include_str!("example.toml"),
    schema: || schemars::schema_for!(CloudWatchConfig),
    parse: |options| {
        let config = options.read::<CloudWatchConfig>()?;
        match config.fault() {
            None => Ok(Arc::new(config)),
            Some(wrong) => Err(options.error_at(wrong.key, wrong.message).with_hint(wrong.hint)),
        }
    },
};

impl Validated for CloudWatchConfig {
    fn identity(&self) -> Option<String> {
        let Self { log_group, log_stream, region, profile, endpoint_url, .. } = self;
        let optional = [region, profile, endpoint_url].map(|option| option.as_deref().unwrap_or_default());
        Some([[log_group.as_str(), log_stream.as_str()].as_slice(), &optional].concat().join("\n"))
    }

    /// Reads the profile files for the region, and what TLS trusts; reaches nothing.
    fn open(&self) -> Result<Arc<dyn Destination>, Error> {
        if let Some(wrong) = self.fault() {
            return Err(Error::config("cloudwatch.option", wrong.message).with_hint(wrong.hint));
        }
        let environment = Environment::default();
        let region = aws::region(self.region.as_deref(), &environment, self.profile.as_deref());
        let http = Client::new(Deadlines::default().within(self.request_timeout))?;
        let endpoint = Endpoint::new(aws::LOGS, &region, self.endpoint_url.as_deref(), &environment);
        let credentials = match &self.credentials {
            Some(credentials) => Provider::given(credentials.clone()),
            None => Provider::found(environment.clone(), self.profile.clone(), region, http.clone()),
        };
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Ok(Arc::new(CloudWatch {
            stream: Arc::new(StreamName::new(&self.log_stream, &host, std::process::id())),
            service: Service::new(http, Arc::new(credentials), endpoint),
            environment,
            retention_owed: AtomicBool::new(false),
            config: self.clone(),
        }))
    }

    fn settings(&self, usual: Settings) -> Settings {
        Settings { batch_size: self.batch_size, ..usual }
    }
}

struct CloudWatch {
    config: CloudWatchConfig,
    stream: Arc<StreamName>,
    service: Service,
    environment: Environment,
    /// The log group was created and does not know yet how long to keep its entries.
    retention_owed: AtomicBool,
}

#[async_trait]
impl Destination for CloudWatch {
    /// At least once: what was sent and not answered is sent again, with the same `id` in it.
    fn profile(&self) -> Profile {
        Profile {
            max_events: wire::MAX_EVENTS,
            max_bytes: wire::MAX_BYTES,
            event_overhead: wire::OVERHEAD,
            repeat_safe: true,
            log_entries: true,
            ..Profile::default()
        }
    }

    async fn deliver(&self, batch: &Batch) -> Result<Receipt, Error> {
        let (events, stream) = (batch.clone(), Arc::clone(&self.stream));
        let (puts, mut refused) = runtime::blocking(move || wire::plan(&events, &stream)).await?;
        let mut left = VecDeque::from(puts);
        while let Some(put) = left.pop_front() {
            match self.put(batch, &put).await {
                Ok(rejected) => refused.extend(rejected),
                Err(error) if error.is_endpoint_fault() => {
                    let rest = left.iter().flat_map(|put| &put.indices);
                    let indices: Vec<_> = put.indices.iter().chain(rest).copied().collect();
                    if indices.len() == batch.len() {
                        return Err(error);
                    }
                    return Ok(Receipt {
                        refused,
                        unfinished: Some(Unfinished { indices, error }),
                        ..Receipt::all()
                    });
                }
                Err(error) => match put.halves() {
                    Some([first, rest]) => {
                        left.push_front(rest);
                        left.push_front(first);
                    }
                    None => refused
                        .extend(put.indices.iter().map(|&index| Refusal { index, error: error.clone() })),
                },
            }
        }
        Ok(Receipt { refused, ..Receipt::all() })
    }

    /// Puts an entry that is too old to be taken, which shows all that a delivery would meet.
    async fn probe(&self) -> Result<String, Error> {
        let stream = self.stream.at(Timestamp::now().as_millisecond());
        let body = Bytes::from(wire::probe_body(&self.config.log_group, &stream));
        let found = self.put_body(&stream, body).await;
        let identity = self.service.identity(&self.environment).await;
        match found {
            Ok(_) => Ok(format!(
                "log group {}, log stream {stream} in {}{}",
                self.config.log_group,
                self.service.endpoint().region(),
                identity.map(|arn| format!(", as {arn}")).unwrap_or_default()
            )),
            Err(error) => Err(name_identity(error, identity)),
        }
    }
}

impl CloudWatch {
    async fn put(&self, batch: &Batch, put: &Put) -> Result<Vec<Refusal>, Error> {
        let (events, chosen, group) = (batch.clone(), put.clone(), self.config.log_group.clone());
        let body = runtime::blocking(move || wire::body(&events, &chosen, &group)).await?;
        let response = self.put_body(&put.stream, body.into()).await?;
        let url = self.service.endpoint().url();
        wire::rejections(&response.body, put).ok_or_else(|| errors::not_an_answer(url))
    }

    /// Put; where the log stream is missing, create it and put once more.
    async fn put_body(&self, stream: &str, body: Bytes) -> Result<Response, Error> {
        let context = Context { action: "logs:PutLogEvents", resource: &self.resource(stream) };
        if self.retention_owed.load(Ordering::Relaxed) {
            self.set_retention().await;
        }
        let answer = match self.call(&context, body.clone()).await {
            Err(fault) if fault.code() == Some("ResourceNotFoundException") => {
                if !self.config.create {
                    let region = self.service.endpoint().region();
                    return Err(errors::missing(&fault, &self.config.log_group, stream, region));
                }
                self.create(stream).await?;
                self.call(&context, body).await
            }
            answer => answer,
        };
        answer.map_err(|fault| errors::sort(fault, &context, true))
    }

    async fn call(&self, context: &Context<'_>, body: impl Into<Bytes>) -> Result<Response, Fault> {
        let operation = context.action.trim_start_matches("logs:");
        self.service.call(Call::json(format!("Logs_20140328.{operation}"), body)).await
    }

    /// What an error is about.
    fn resource(&self, stream: &str) -> String {
        let region = self.service.endpoint().region();
        format!("log group `{}`, log stream `{stream}` in {region}", self.config.log_group)
    }

    /// Create the log stream, and its group if that is missing too.
    async fn create(&self, stream: &str) -> Result<(), Error> {
        let resource = self.resource(stream);
        let group = &self.config.log_group;
        let context = Context { action: "logs:CreateLogStream", resource: &resource };
        let answer = match self.call(&context, wire::create_stream(group, stream)).await {
            Err(fault) if fault.code() == Some("ResourceNotFoundException") => {
                self.create_group().await?;
                self.call(&context, wire::create_stream(group, stream)).await
            }
            answer => answer,
        };
        unless_there(answer, &context)?;
        Ok(())
    }

    async fn create_group(&self) -> Result<(), Error> {
        let resource = format!("log group `{}`", self.config.log_group);
        let context = Context { action: "logs:CreateLogGroup", resource: &resource };
        let created = unless_there(self.call(&context, wire::create_group(&self.config)).await, &context)?;
        // Somebody else's group keeps what it was told.
        if created && self.config.retention_days.is_some() {
            self.retention_owed.store(true, Ordering::Relaxed);
            self.set_retention().await;
        }
        Ok(())
    }

    /// Entries are delivered all the same where this fails; it is tried again unless it is forbidden.
    async fn set_retention(&self) {
        let Some(days) = self.config.retention_days else { return };
        let resource = format!("log group `{}`", self.config.log_group);
        let context = Context { action: "logs:PutRetentionPolicy", resource: &resource };
        let done = self.call(&context, wire::retention(&self.config.log_group, days)).await;
        let error = done.err().map(|fault| errors::sort(fault, &context, false));
        let again = error
            .as_ref()
            .is_some_and(|error| matches!(error.kind(), Kind::Unavailable | Kind::RateLimited(_)));
        self.retention_owed.store(again, Ordering::Relaxed);
        if let Some(error) = error.filter(|_| !again) {
            let hint = error.hint().unwrap_or_default();
            tracing::warn!(target: "nethical", hint, "entries are kept for ever: {error}");
        }
    }
}

/// Whether something was created; `false` if it was there already.
fn unless_there(answer: Result<Response, Fault>, context: &Context<'_>) -> Result<bool, Error> {
    match answer {
        Ok(_) => Ok(true),
        Err(fault) if fault.code() == Some("ResourceAlreadyExistsException") => Ok(false),
        Err(fault) => Err(errors::sort(fault, context, false)),
    }
}

/// Say whose permissions are not enough, where AWS did not.
fn name_identity(error: Error, identity: Option<String>) -> Error {
    match identity {
        Some(arn) if error.kind() == Kind::Unauthorized && !error.message().contains(&arn) => {
            let named = Error::new(error.kind(), error.code(), format!("{error} (as {arn})"));
            match error.hint() {
                Some(hint) => named.with_hint(hint),
                None => named,
            }
        }
        _ => error,
    }
}
