use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nethical_core::delivery::Error;
use nethical_core::fork::PerProcess;
use schemars::JsonSchema;
use serde::Deserialize;

use super::address::Address;
use super::server::Server;
use super::target::Target;
use crate::support::aws::Environment;

/// Options of `mlflow`.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MlflowConfig {
    /// The address of the tracking server, the ARN of a managed one in SageMaker, or a file of this machine:
    /// `sqlite:///mlflow.db`. Without it `MLFLOW_TRACKING_URI`, and without that the file `mlflow.db` in the folder in
    /// which the program runs.
    pub tracking_uri: Option<String>,
    /// The user for basic authentication. Without it the one in the address, `MLFLOW_TRACKING_USERNAME`, the one in
    /// `~/.mlflow/credentials`.
    pub username: Option<String>,
    /// The password of that user. Without it `MLFLOW_TRACKING_PASSWORD` or that in `~/.mlflow/credentials`.
    #[schemars(extend("writeOnly" = true))]
    pub password: Option<String>,
    /// A token, used where there is no user with a password. Without it `MLFLOW_TRACKING_TOKEN`.
    #[schemars(extend("writeOnly" = true))]
    pub token: Option<String>,
    /// Seconds that the start of a run waits for the server; then the run is created later. 0: it never waits.
    pub start_timeout: StartTimeout,
    /// Certificates to trust instead of the system's, in PEM. Without it `MLFLOW_TRACKING_SERVER_CERT_PATH`.
    pub ca_file: Option<PathBuf>,
    /// Our certificate and its key, in one PEM file. Without it `MLFLOW_TRACKING_CLIENT_CERT_PATH`.
    pub client_cert: Option<PathBuf>,
    /// `true`: whoever answers is believed to be the server. Without it `MLFLOW_TRACKING_INSECURE_TLS`.
    pub insecure_tls: Option<bool>,
    /// The AWS profile for managed servers and artifacts in S3. Without it the usual search of AWS tools.
    pub profile: Option<String>,
    /// The most that the program gives a request, in all; without it the usual deadlines.
    #[serde(skip)]
    pub request_timeout: Option<Duration>,
    /// What the program calls itself in `mlflow.source.name`, instead of how it was started.
    #[serde(skip)]
    pub source_name: Option<String>,
    /// Where ids are kept that the server gave: nowhere, or in a home. Not said: in the usual one.
    #[serde(skip)]
    pub(super) home: Option<Option<PathBuf>>,
    /// What the connections and the runs of this process have in common.
    #[serde(skip)]
    pub(super) server: Arc<PerProcess<Result<Arc<Server>, Error>>>,
    /// The same for a file.
    #[cfg(feature = "mlflow-embedded")]
    #[serde(skip)]
    pub(super) store: Arc<PerProcess<Result<Arc<super::store::Store>, Error>>>,
}

/// Seconds from 0 to an hour.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StartTimeout(#[schemars(range(min = 0, max = 3_600))] pub f64);

impl Default for StartTimeout {
    fn default() -> Self {
        Self(2.0)
    }
}

impl StartTimeout {
    /// As a duration.
    pub fn get(self) -> Duration {
        Duration::try_from_secs_f64(self.0).unwrap_or_default()
    }
}

/// An option that cannot be meant as it is.
pub(super) struct Wrong {
    pub(super) key: &'static str,
    pub(super) message: String,
    pub(super) hint: String,
}

impl MlflowConfig {
    /// The usual options for the server at this address, or this file.
    pub fn new(tracking_uri: impl Into<String>) -> Self {
        Self { tracking_uri: Some(tracking_uri.into()), ..Self::default() }
    }

    /// Where the server is.
    pub(super) fn address(&self, environment: &Environment) -> Result<Address, Wrong> {
        match self.target(environment)? {
            Target::Server(address) => Ok(address),
            Target::Store(path) => Err(Wrong {
                key: "tracking_uri",
                message: format!("{} is a file, not a server", path.display()),
                hint: "name a server: `http://localhost:5000`".to_owned(),
            }),
        }
    }

    /// The first option that cannot work. Reads the environment, touches nothing.
    pub(super) fn fault(&self) -> Option<Wrong> {
        if self.password.is_some() && self.username.is_none() {
            let message = "there is a password, and no `username` that it belongs to".to_owned();
            return Some(Wrong { key: "password", message, hint: "set `username` too".to_owned() });
        }
        self.target(&Environment::default()).err()
    }
}

impl fmt::Debug for MlflowConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |value: &Option<String>| value.as_ref().map(|_| "[REDACTED]");
        f.debug_struct("MlflowConfig")
            .field("tracking_uri", &self.tracking_uri.as_deref().map(Address::without_secrets))
            .field("username", &self.username)
            .field("password", &hidden(&self.password))
            .field("token", &hidden(&self.token))
            .field("start_timeout", &self.start_timeout)
            .field("ca_file", &self.ca_file)
            .field("client_cert", &self.client_cert)
            .field("insecure_tls", &self.insecure_tls)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::options::Options;

    #[test]
    fn secrets_are_never_shown() {
        let mut config = MlflowConfig::new("https://ann:hunter2@mlflow.example.com/x");
        (config.password, config.token) = (Some("hunter2".into()), Some("hunter2".into()));
        assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
        assert!(!crate::Validated::identity(&config).unwrap().contains("hunter2"));
        let wrong = MlflowConfig::new("ftp://ann:hunter2@mlflow.example.com").fault().unwrap();
        assert!(!wrong.message.contains("hunter2"), "{}", wrong.message);
    }

    #[test]
    fn what_cannot_be_a_server_is_said_where_it_stands() {
        let parse = |text: &str| (super::super::DESCRIPTOR.parse)(&Options::from_toml(text).unwrap());
        assert!(parse("tracking_uri = 'http://localhost:5000'").is_ok());
        let error = parse("tracking_uri = 'mlruns'").unwrap_err();
        assert!(error.to_string().contains("`mlruns` is no MLflow server"), "{error}");
        assert!(parse("tracking_uri = 'http://a'\npassword = 'x'").is_err());
    }
}
