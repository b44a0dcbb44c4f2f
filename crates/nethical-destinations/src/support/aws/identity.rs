//! Who AWS takes us for.

use std::time::Duration;

use bytes::Bytes;

use super::errors::element;
use super::{Call, Endpoint, Environment, STS, Service};

/// How long people wait to learn it. It is a help, and nothing depends on it.
const PATIENCE: Duration = Duration::from_secs(5);

impl Service {
    /// The ARN of the identity that requests are made as, which needs no permission (STS `GetCallerIdentity`).
    pub(crate) async fn identity(&self, environment: &Environment) -> Option<String> {
        let endpoint = Endpoint::new(STS, self.endpoint().region(), self.endpoint().emulator(), environment);
        let headers = vec![("content-type", "application/x-www-form-urlencoded; charset=utf-8".to_owned())];
        let body = Bytes::from_static(b"Action=GetCallerIdentity&Version=2011-06-15");
        let sts = self.at(endpoint);
        let asked = tokio::time::timeout(PATIENCE, sts.call(Call::post(headers, body))).await;
        let response = asked.ok()?.ok()?;
        element(&String::from_utf8_lossy(&response.body), "Arn").map(str::to_owned)
    }
}
