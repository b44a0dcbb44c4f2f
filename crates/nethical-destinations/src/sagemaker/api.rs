//! The four services, and calls to them.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nethical_core::delivery::Error;
use serde_json::Value;

use super::config::SageMakerConfig;
use super::errors;
use crate::support::aws::{
    self, Call, Context, Endpoint, Environment, Fault, Provider, Service, ServiceName,
};
use crate::support::http::{Client, Deadlines, Response};

/// Bytes of an answer that are read: a component with all its parameters.
const MAX_ANSWER: usize = 4 << 20;
/// Tries of one call in one delivery: after that the connector waits, and all that is done stays done.
const TRIES: u32 = 6;
/// The longest wait before the second try; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait of all.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How long the transfer of one part of a file may take.
const TRANSFER: Duration = Duration::from_secs(300);

/// The services, as one set of credentials sees them.
#[derive(Debug, Clone)]
pub(super) struct Api {
    pub(super) control: Service,
    metrics: Service,
    monitoring: Service,
    /// S3, at the bucket, if there is one.
    pub(super) bucket: Option<Service>,
    pub(super) environment: Environment,
}

/// A call that may be made again.
pub(super) struct Again<'a> {
    pub(super) context: Context<'a>,
    pub(super) call: &'a (dyn Fn() -> Call + Sync),
}

impl Api {
    /// Get ready; nothing is asked yet.
    pub(super) fn open(config: &SageMakerConfig) -> Result<Self, Error> {
        let environment = Environment::default();
        let region = aws::region(config.region.as_deref(), &environment, config.profile.as_deref());
        let http = Client::new(Deadlines::default().within(config.request_timeout))?.reading(MAX_ANSWER);
        let credentials = Arc::new(match &config.credentials {
            Some(credentials) => Provider::given(credentials.clone()),
            None => {
                Provider::found(environment.clone(), config.profile.clone(), region.clone(), http.clone())
            }
        });
        let endpoint =
            |name: ServiceName| Endpoint::new(name, &region, config.endpoint_url.as_deref(), &environment);
        let control = Service::new(http, Arc::clone(&credentials), endpoint(aws::SAGEMAKER));
        let deadlines = Deadlines { first_byte: TRANSFER, total: TRANSFER, ..Deadlines::default() };
        let bucket = config.bucket.as_deref().map(|bucket| {
            let at = endpoint(aws::S3).bucket(bucket);
            Ok::<_, Error>(Service::new(Client::new(deadlines)?.reading(MAX_ANSWER), credentials, at))
        });
        Ok(Self {
            metrics: control.at(endpoint(aws::SAGEMAKER_METRICS)),
            monitoring: control.at(endpoint(aws::CLOUDWATCH)),
            control,
            bucket: bucket.transpose()?,
            environment,
        })
    }

    /// The region.
    pub(super) fn region(&self) -> &str {
        self.control.endpoint().region()
    }

    /// An operation of SageMaker. Returns the JSON of its success.
    ///
    /// # Errors
    /// What kept it from being answered, or the error that was answered.
    pub(super) async fn ask(&self, context: &Context<'_>, body: &Value) -> Result<Value, Fault> {
        let operation = context.action.trim_start_matches("sagemaker:");
        let body = Bytes::from(body.to_string());
        let call = || Call::json(format!("SageMaker.{operation}"), body.clone());
        let response = again(&self.control, Again { context: *context, call: &call }).await?;
        // Operations without a result are answered with nothing.
        let text = if response.body.is_empty() { &b"{}"[..] } else { &response.body };
        let answer = serde_json::from_slice(text).ok().filter(Value::is_object);
        answer.ok_or_else(|| errors::not_an_answer(context.action, self.control.endpoint().url()).into())
    }

    /// The same, with the error sorted.
    ///
    /// # Errors
    /// What it means for the updates.
    pub(super) async fn do_it(&self, context: &Context<'_>, body: &Value) -> Result<Value, Error> {
        self.ask(context, body).await.map_err(|fault| errors::sort(fault, context))
    }

    /// `BatchPutMetrics`. Returns the bytes of its answer.
    pub(super) async fn put_points(&self, context: &Context<'_>, body: &Value) -> Result<Bytes, Error> {
        let body = Bytes::from(body.to_string());
        let call = || Call {
            method: "PUT",
            path: "BatchPutMetrics".to_owned(),
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.clone(),
        };
        let answer = again(&self.metrics, Again { context: *context, call: &call }).await;
        Ok(answer.map_err(|fault| errors::sort(fault, context))?.body)
    }

    /// Where metrics are put to.
    pub(super) fn metrics_url(&self) -> &str {
        self.metrics.endpoint().url()
    }

    /// `PutMetricData`, with a body that is compressed if `gzip` says so.
    pub(super) async fn put_data(&self, context: &Context<'_>, body: Bytes, gzip: bool) -> Result<(), Error> {
        let call = || {
            let mut headers = vec![
                ("content-type", "application/x-amz-json-1.0".to_owned()),
                ("x-amz-target", "GraniteServiceVersion20100801.PutMetricData".to_owned()),
            ];
            if gzip {
                headers.push(("content-encoding", "gzip".to_owned()));
            }
            Call::post(headers, body.clone())
        };
        let answer = again(&self.monitoring, Again { context: *context, call: &call }).await;
        answer.map(drop).map_err(|fault| errors::sort(fault, context))
    }
}

/// Make a call, and make it again where it may go better in a moment.
pub(super) async fn again(service: &Service, again: Again<'_>) -> Result<Response, Fault> {
    let Again { context, call } = again;
    let mut tries = 0;
    loop {
        tries += 1;
        let fault = match service.call(call()).await {
            Err(fault) => fault,
            answered => return answered,
        };
        // Nobody knows how long the next silence lasts.
        let most = if matches!(fault, Fault::Failed(_)) { TRIES / 2 } else { TRIES };
        if tries >= most || !errors::is_passing(&fault, &context) {
            return Err(fault);
        }
        let asked = match &fault {
            Fault::Answer(answer) => answer.sorted(&context).retry_after(),
            Fault::Failed(_) => None,
        };
        if asked.is_some_and(|asked| asked > LONGEST_WAIT) {
            return Err(fault);
        }
        tokio::time::sleep(asked.unwrap_or_default().max(wait(tries))).await;
    }
}

/// Anything up to a wait that doubles with each try.
fn wait(tries: u32) -> Duration {
    let longest = FIRST_WAIT.saturating_mul(1 << (tries - 1).min(16)).min(LONGEST_WAIT);
    let chance = RandomState::new().build_hasher().finish() % 1_000;
    longest.mul_f64(chance as f64 / 1_000.0)
}
