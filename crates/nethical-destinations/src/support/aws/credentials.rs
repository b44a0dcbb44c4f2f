//! Whose name requests are made in.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use nethical_core::delivery::{Error, Kind, runtime};
use tokio::sync::Mutex;

use super::Environment;
#[cfg(feature = "aws-profiles")]
use super::chain;
use crate::support::http::Client;

/// How long before their end credentials are replaced.
const EARLY: Duration = Duration::from_secs(300);

/// Finds credentials, keeps them while they are good, and replaces them before they expire.
///
/// The order is that of the AWS tools: a profile that was asked for; keys in the environment; the keys of
/// the usual profile; then whatever else the AWS tools know, where that is built in.
#[derive(Debug)]
pub(crate) struct Provider {
    source: Source,
    kept: Mutex<Option<Credentials>>,
}

#[derive(Debug)]
enum Source {
    Given(Credentials),
    Found(Search),
}

/// Where to look.
#[derive(Debug, Clone)]
pub(super) struct Search {
    pub(super) environment: Environment,
    /// The profile that was asked for.
    pub(super) profile: Option<String>,
    #[cfg_attr(not(feature = "aws-profiles"), expect(dead_code, reason = "only other sources need it"))]
    pub(super) region: String,
    #[cfg_attr(not(feature = "aws-profiles"), expect(dead_code, reason = "only other sources need it"))]
    pub(super) http: Client,
}

impl Provider {
    /// These, for good.
    pub(crate) fn given(credentials: Credentials) -> Self {
        Self { source: Source::Given(credentials), kept: Mutex::default() }
    }

    /// Those that the environment leads to.
    pub(crate) fn found(
        environment: Environment,
        profile: Option<String>,
        region: String,
        http: Client,
    ) -> Self {
        let search = Search { environment, profile, region, http };
        Self { source: Source::Found(search), kept: Mutex::default() }
    }

    /// Credentials that are good now.
    pub(crate) async fn get(&self) -> Result<Credentials, Error> {
        let search = match &self.source {
            Source::Given(credentials) => return Ok(credentials.clone()),
            Source::Found(search) => search,
        };
        let mut kept = self.kept.lock().await;
        let good_for =
            |credentials: &Credentials, at: SystemTime| credentials.expiry().is_none_or(|expiry| expiry > at);
        let now = SystemTime::now();
        if let Some(credentials) = kept.as_ref().filter(|kept| good_for(kept, now + EARLY)) {
            return Ok(credentials.clone());
        }
        match search.find().await {
            Ok(credentials) => Ok(kept.insert(credentials).clone()),
            // The old ones serve to their end, even where nobody gives new ones for the moment.
            Err(error) => kept.clone().filter(|kept| good_for(kept, now)).ok_or(error),
        }
    }

    /// They were refused as expired: look for others.
    pub(super) async fn forget(&self) {
        *self.kept.lock().await = None;
    }
}

impl Search {
    async fn find(&self) -> Result<Credentials, Error> {
        let search = self.clone();
        let local = runtime::blocking(move || search.local()).await?;
        match local {
            Some(credentials) => Ok(credentials),
            None => self.elsewhere().await,
        }
    }

    /// Keys in the environment or in a profile.
    fn local(&self) -> Option<Credentials> {
        let var = |name| self.environment.var(name);
        let keys = || self.environment.profile(self.profile.as_deref()).keys;
        if self.profile.is_some() {
            return keys();
        }
        match (var("AWS_ACCESS_KEY_ID"), var("AWS_SECRET_ACCESS_KEY")) {
            (Some(id), Some(secret)) => {
                Some(Credentials::new(id, secret, var("AWS_SESSION_TOKEN"), None, "environment"))
            }
            _ => keys(),
        }
    }

    #[cfg(feature = "aws-profiles")]
    async fn elsewhere(&self) -> Result<Credentials, Error> {
        chain::find(self).await.map_err(|cause| self.missing(cause.as_deref()))
    }

    #[cfg(not(feature = "aws-profiles"))]
    async fn elsewhere(&self) -> Result<Credentials, Error> {
        let profile = self.environment.profile(self.profile.as_deref());
        let cause = profile.other.map(|other| {
            format!("the profile works with `{other}`, which needs a build with the feature `aws-profiles`")
        });
        Err(self.missing(cause.as_deref()))
    }

    fn missing(&self, cause: Option<&str>) -> Error {
        let (name, hint) = (self.environment.profile_name(self.profile.as_deref()), self.hint());
        let text = match (cause, &self.profile) {
            (Some(cause), _) => format!("no AWS credentials (profile `{name}`): {cause}"),
            (None, Some(_)) => format!(
                "no AWS credentials: none in profile `{name}`, and the environment is not looked at, since that \
                 profile was asked for"
            ),
            (None, None) => {
                format!("no AWS credentials: no keys in the environment, and none in profile `{name}`")
            }
        };
        Error::new(Kind::Unauthorized, "aws.no_credentials", text).with_hint(hint)
    }

    fn hint(&self) -> String {
        let profile = self.environment.profile(self.profile.as_deref());
        let name = self.environment.profile_name(self.profile.as_deref());
        match profile.other {
            Some("sso_session" | "sso_start_url") => format!("sign in: `aws sso login --profile {name}`"),
            Some(other) => format!("see `{other}` of profile `{name}` in `~/.aws/config`"),
            None if self.profile.is_some() => {
                let why = if profile.exists { "has no keys" } else { "does not exist" };
                format!(
                    "profile `{name}` {why} in `~/.aws/config` and `~/.aws/credentials`: run `aws configure \
                     --profile {name}`, or leave `profile` out to use the keys of the environment"
                )
            }
            None if name != "default" && !profile.exists => {
                format!("there is no profile `{name}` in `~/.aws/config` or `~/.aws/credentials`")
            }
            None => {
                "set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or run `aws configure`, or give the \
                     machine, container or function a role"
                    .to_owned()
            }
        }
    }
}
