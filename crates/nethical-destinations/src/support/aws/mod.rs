//! What every AWS service needs: credentials, signatures, endpoints, and what its errors mean.
//!
//! [`Service::call`] is the one path: sign, send, and where the answer says that the credentials have
//! expired or that the clock is wrong, put that right and try once more.

#[cfg(feature = "aws-profiles")]
mod chain;
mod credentials;
mod endpoint;
mod environment;
mod errors;
mod identity;
mod profile;
mod sign;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use nethical_core::delivery::{Error, runtime};

pub(crate) use self::credentials::Provider;
pub(crate) use self::endpoint::{
    ADDRESS, CLOUDWATCH, Endpoint, LOGS, S3, SAGEMAKER, SAGEMAKER_METRICS, STS, ServiceName, is_address,
    is_region, region,
};
pub(crate) use self::environment::Environment;
pub(crate) use self::errors::{Answer, Context, Fault, element};
use self::sign::Clock;
pub(crate) use self::sign::{Signing, sign_at, sign_now};
use crate::support::http::{Client, Request, Response};

/// Keys for AWS that a program has at hand.
pub(crate) use aws_credential_types::Credentials;

/// One AWS service, as one set of credentials sees it.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    http: Client,
    credentials: Arc<Provider>,
    endpoint: Arc<Endpoint>,
    clock: Arc<Clock>,
}

/// One operation of a service.
pub(crate) struct Call {
    /// `POST`.
    pub(crate) method: &'static str,
    /// What follows the address of the service, encoded: without a `/` at the start, and with its query.
    pub(crate) path: String,
    /// Headers beside those that HTTP and the signature need.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body, of whatever type the headers say.
    pub(crate) body: Bytes,
}

impl Call {
    /// A POST to the address of the service.
    pub(crate) fn post(headers: Vec<(&'static str, String)>, body: impl Into<Bytes>) -> Self {
        Self { method: "POST", path: String::new(), headers, body: body.into() }
    }

    /// An operation in the protocol AWS JSON 1.1.
    pub(crate) fn json(target: String, body: impl Into<Bytes>) -> Self {
        let kind = ("content-type", "application/x-amz-json-1.1".to_owned());
        Self::post(vec![kind, ("x-amz-target", target)], body)
    }
}

impl Service {
    pub(crate) fn new(http: Client, credentials: Arc<Provider>, endpoint: Endpoint) -> Self {
        Self { http, credentials, endpoint: Arc::new(endpoint), clock: Arc::default() }
    }

    /// Where its requests go.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The same credentials and clock at another service.
    pub(crate) fn at(&self, endpoint: Endpoint) -> Self {
        Self { endpoint: Arc::new(endpoint), ..self.clone() }
    }

    /// Make the call. Returns an answer of success.
    ///
    /// # Errors
    /// What kept it from being answered, or the error that AWS answered.
    pub(crate) async fn call(&self, call: Call) -> Result<Response, Fault> {
        let fault = match self.attempt(&call).await {
            Err(Fault::Answer(fault)) => fault,
            other => return other,
        };
        let again = if fault.is_expired() {
            self.credentials.forget().await;
            true
        } else {
            fault.is_clock() && self.clock.learn(fault.date, Timestamp::now())
        };
        if again { self.attempt(&call).await } else { Err(Fault::Answer(fault)) }
    }

    async fn attempt(&self, call: &Call) -> Result<Response, Fault> {
        let credentials = self.credentials.get().await?;
        let request = self.request(call, credentials).await?;
        let response = self.http.send(request).await.map_err(|failure| self.endpoint.failure(&failure))?;
        if response.is_success() { Ok(response) } else { Err(Fault::Answer(Answer::read(&response))) }
    }

    /// The signed request. Hashing a large body takes milliseconds, so it is not done on the delivery thread.
    async fn request(&self, call: &Call, credentials: Credentials) -> Result<Request, Error> {
        let mut headers: Vec<_> =
            call.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let (body, endpoint, now) = (call.body.clone(), Arc::clone(&self.endpoint), self.clock.now());
        let (method, url) = (call.method, format!("{}{}", endpoint.url(), call.path));
        runtime::blocking(move || {
            let signing = Signing {
                method,
                url: &url,
                region: endpoint.region(),
                service: endpoint.signing_name(),
                with_digest: endpoint.signing_name() == "s3",
            };
            let signed = sign_at(&signing, &headers, &body, credentials, now)?;
            headers.extend(signed);
            Ok(Request { method, url, headers, body })
        })
        .await?
    }
}
