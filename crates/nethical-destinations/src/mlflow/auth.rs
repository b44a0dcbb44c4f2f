//! In whose name the server is asked.

use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as STANDARD;
use bytes::Bytes;
use nethical_core::delivery::{Error, runtime};

use super::MlflowConfig;
use super::address::{Address, Managed};
use crate::support::aws::{Environment, Provider, Signing, sign_now};
use crate::support::http::{Client, Request};

/// In whose name the server is asked.
#[derive(Debug)]
pub(super) enum Auth {
    /// In nobody's.
    None,
    /// With this header: basic, or a token.
    Header(Hidden),
    /// With the signature of AWS.
    Aws(Box<(Managed, Provider)>),
}

/// A text that is never shown.
pub(super) struct Hidden(String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl Auth {
    /// As options, address, environment and `~/.mlflow/credentials` say, in this order. A user with a password counts
    /// more than a token, as with MLflow's own client.
    pub(super) fn find(
        config: &MlflowConfig,
        address: &Address,
        environment: &Environment,
        http: &Client,
    ) -> Self {
        if let Some(managed) = address.managed() {
            let (profile, region) = (config.profile.clone(), managed.region.clone());
            let provider = Provider::found(environment.clone(), profile, region, http.clone());
            return Self::Aws(Box::new((managed.clone(), provider)));
        }
        let own = config.username.clone().zip(Some(config.password.clone().unwrap_or_default()));
        let user = own.filter(|_| config.password.is_some()).or_else(|| address.user().cloned());
        let token = config.token.clone();
        // A token that the program gives is not overruled by a user whom only the environment knows.
        let user = user.or_else(|| if token.is_some() { None } else { known_user(config, environment) });
        let token = token.or_else(|| environment.var("MLFLOW_TRACKING_TOKEN"));
        match (user, token) {
            (Some((name, password)), _) => Self::Header(Hidden(format!(
                "Basic {}",
                STANDARD.encode(format!("{name}:{password}").as_bytes())
            ))),
            (None, Some(token)) => Self::Header(Hidden(format!("Bearer {token}"))),
            (None, None) => Self::None,
        }
    }

    /// Add to a request what says who asks.
    pub(super) async fn apply(&self, request: &mut Request) -> Result<(), Error> {
        match self {
            Self::None => {}
            Self::Header(value) => request.headers.push(("authorization".to_owned(), value.0.clone())),
            Self::Aws(aws) => {
                let (managed, provider) = &**aws;
                request.headers.push((managed.header.to_owned(), managed.arn.clone()));
                let credentials = provider.get().await?;
                let (method, url, headers) = (request.method, request.url.clone(), request.headers.clone());
                let (region, body): (String, Bytes) = (managed.region.clone(), request.body.clone());
                let service = managed.service;
                let signed = runtime::blocking(move || {
                    let signing = Signing { method, url: &url, region: &region, service, with_digest: true };
                    sign_now(&signing, &headers, &body, credentials)
                });
                request.headers.extend(signed.await??);
            }
        }
        Ok(())
    }

    /// Whether every request must be whole in memory, to be signed.
    pub(super) const fn signs(&self) -> bool {
        matches!(self, Self::Aws(..))
    }
}

/// The user that the environment names, or `~/.mlflow/credentials`; each of name and password by itself.
fn known_user(config: &MlflowConfig, environment: &Environment) -> Option<(String, String)> {
    let home = environment.var("HOME").map(PathBuf::from);
    let file = home.and_then(|home| std::fs::read_to_string(home.join(".mlflow/credentials")).ok());
    let file = file.unwrap_or_default();
    let find = |name: &str| environment.var(&name.to_uppercase()).or_else(|| setting(&file, name));
    let name = config.username.clone().or_else(|| find("mlflow_tracking_username"))?;
    Some((name, find("mlflow_tracking_password")?))
}

/// A setting in the section `[mlflow]`.
fn setting(text: &str, wanted: &str) -> Option<String> {
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            inside = section.trim_end_matches(']').trim() == "mlflow";
        } else if inside
            && let Some((name, value)) = line.split_once(['=', ':'])
            && name.trim() == wanted
        {
            return Some(value.trim().to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::aws::{Credentials, sign_at};
    use crate::support::http::Deadlines;

    fn header(config: &MlflowConfig, environment: &Environment) -> String {
        let Ok(address) = config.address(environment) else { panic!("an address") };
        let http = Client::new(Deadlines::default()).unwrap();
        match Auth::find(config, &address, environment, &http) {
            Auth::None => "none".to_owned(),
            Auth::Header(value) => value.0,
            Auth::Aws(aws) => aws.0.arn,
        }
    }

    #[test]
    fn a_user_with_a_password_counts_more_than_a_token() {
        let none = Environment::from([]);
        let config = MlflowConfig::new("http://localhost:5000");
        assert_eq!(header(&config, &none), "none");
        let both = [
            ("MLFLOW_TRACKING_USERNAME", "ann"),
            ("MLFLOW_TRACKING_PASSWORD", "p"),
            ("MLFLOW_TRACKING_TOKEN", "t"),
        ];
        assert_eq!(header(&config, &Environment::from(both)), format!("Basic {}", STANDARD.encode(b"ann:p")));
        let half = [("MLFLOW_TRACKING_USERNAME", "ann"), ("MLFLOW_TRACKING_TOKEN", "t")];
        assert_eq!(header(&config, &Environment::from(half)), "Bearer t");
        let own = MlflowConfig { token: Some("mine".into()), ..config };
        assert_eq!(header(&own, &Environment::from(both)), "Bearer mine");
        let address = MlflowConfig::new("http://bob:q@localhost:5000");
        assert_eq!(
            header(&address, &Environment::from(both)),
            format!("Basic {}", STANDARD.encode(b"bob:q"))
        );
    }

    #[test]
    fn the_credentials_file_is_read_and_the_environment_wins() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".mlflow")).unwrap();
        let text = "[other]\nmlflow_tracking_username = no\n[mlflow]\nmlflow_tracking_username = ann\nmlflow_tracking_password = p=1\n";
        std::fs::write(home.path().join(".mlflow/credentials"), text).unwrap();
        let path = home.path().to_str().unwrap();
        let config = MlflowConfig::new("http://localhost:5000");
        assert_eq!(
            header(&config, &Environment::from([("HOME", path)])),
            format!("Basic {}", STANDARD.encode(b"ann:p=1"))
        );
        let vars = Environment::from([("HOME", path), ("MLFLOW_TRACKING_USERNAME", "eve")]);
        assert_eq!(header(&config, &vars), format!("Basic {}", STANDARD.encode(b"eve:p=1")));
    }

    /// The signatures are those that `sagemaker-mlflow` 0.5.0 makes of these requests, keys and this time.
    #[test]
    fn managed_servers_get_the_signature_that_awss_own_plugin_makes() {
        const ARN: &str = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/team";
        let environment = Environment::from([]);
        let app = ARN.replace("mlflow-tracking-server", "mlflow-app");
        let signature = |arn: &str, method, path: &str, body: &str, token: Option<&str>| {
            let address = Address::parse(arn, &environment).unwrap();
            let managed = address.managed().unwrap();
            let mut headers = vec![(managed.header.to_owned(), arn.to_owned())];
            if !body.is_empty() {
                headers.push(("content-type".to_owned(), "application/json".to_owned()));
            }
            let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
            let keys = Credentials::new("AKIDEXAMPLE", secret, token.map(str::to_owned), None, "test");
            let url = address.url(&format!("/api/2.0/mlflow/{path}"));
            let (region, service) = (&*managed.region, managed.service);
            let signing = Signing { method, url: &url, region, service, with_digest: true };
            let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_772_368_496);
            let signed = sign_at(&signing, &headers, body.as_bytes(), keys, now).unwrap();
            let value = |name: &str| signed.iter().find(|(known, _)| known == name).unwrap().1.clone();
            assert_eq!(value("x-amz-date"), "20260301T123456Z");
            value("authorization").rsplit_once("Signature=").unwrap().1.to_owned()
        };
        let create = r#"{"experiment_id":"1"}"#;
        let named = "experiments/get-by-name?experiment_name=a%20b%2Fc";
        for (arn, method, path, body, token, wanted) in [
            (
                ARN,
                "POST",
                "runs/create",
                create,
                None,
                "6c3254dbce540e99ad82929e2f96f47865da199baa15f0399b7f34448e7171ec",
            ),
            (ARN, "GET", named, "", None, "49a4fe889419f6af7696256b6e62e261726d856d226c50e64fa7407f9b75c46b"),
            (
                &app,
                "POST",
                "runs/create",
                "{}",
                None,
                "9faff43d95e87ae0d17b4928fb5046df8e29e3908763900295def9f2ff96ab38",
            ),
            (
                ARN,
                "POST",
                "runs/create",
                create,
                Some("TOKEN"),
                "680806a4abf5de558741ac43a908bd9b1f761a1b3b9c21452603646132e6882b",
            ),
        ] {
            assert_eq!(signature(arn, method, path, body, token), wanted, "{method} {path}");
        }
    }
}
