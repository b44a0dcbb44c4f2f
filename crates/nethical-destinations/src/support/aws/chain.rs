//! The sources of credentials that `aws-config` knows: SSO, `credential_process`, assumed roles, web
//! identity, containers, instances. They go through our own HTTP client.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use super::credentials::Search;
use crate::support::http::{Client, Phase, Request, Response};

/// Ask them one after the other. The error is for people; none if there simply are no credentials.
pub(super) async fn find(search: &Search) -> Result<Credentials, Option<String>> {
    let http = search.http.clone();
    let config = ProviderConfig::without_region()
        .with_behavior_version(Some(BehaviorVersion::latest()))
        .with_region(Some(Region::new(search.region.clone())))
        .with_http_client(http_client_fn(move |settings, _| {
            let usual = |limit: Option<Duration>| limit.unwrap_or(Duration::from_secs(5));
            let limit = usual(settings.connect_timeout()) + usual(settings.read_timeout());
            SharedHttpConnector::new(Connection { http: http.clone(), limit })
        }));
    let found = match &search.profile {
        Some(profile) => {
            let provider = ProfileFileCredentialsProvider::builder().profile_name(profile).configure(&config);
            provider.build().provide_credentials().await
        }
        None => {
            let chain = DefaultCredentialsChain::builder().region(Region::new(search.region.clone()));
            chain.configure(config).build().await.provide_credentials().await
        }
    };
    found.map_err(|error| match error {
        CredentialsError::CredentialsNotLoaded(_) => None,
        error => Some(innermost(&error)),
    })
}

/// The text of the first cause. What the chain says around it is about itself.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

#[derive(Debug)]
struct Connection {
    http: Client,
    limit: Duration,
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (http, limit) = (self.http.clone(), self.limit);
        HttpConnectorFuture::new(async move {
            let request = translate(&request);
            let answer = tokio::time::timeout(limit, http.send(request)).await;
            let answer = answer.map_err(|_| ConnectorError::timeout("no answer in time".into()))?;
            let response = answer.map_err(|failure| match failure.phase() {
                Phase::Request => ConnectorError::user(failure.to_string().into()),
                _ => ConnectorError::io(failure.to_string().into()),
            })?;
            translate_back(response)
        })
    }
}

fn translate(request: &HttpRequest) -> Request {
    let method = match request.method() {
        "GET" => "GET",
        "PUT" => "PUT",
        _ => "POST",
    };
    let headers = request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let url = request.uri().to_owned();
    let body = request.body().bytes().map(Bytes::copy_from_slice).unwrap_or_default();
    Request { method, url, headers, body }
}

fn translate_back(response: Response) -> Result<HttpResponse, ConnectorError> {
    let wrong = |what: String| ConnectorError::io(what.into());
    let status = StatusCode::try_from(response.status).map_err(|error| wrong(error.to_string()))?;
    let mut translated = HttpResponse::new(status, SdkBody::from(response.body));
    for (name, value) in response.headers {
        // One odd header of an answer is no reason to do without it.
        let _ = translated.headers_mut().try_append(name, value);
    }
    Ok(translated)
}
