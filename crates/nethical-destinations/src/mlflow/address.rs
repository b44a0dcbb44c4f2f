//! Where a tracking server is.

use crate::support::aws::{Environment, is_region};

/// A tracking server: an address, or one that SageMaker manages.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// Without user, and without a `/` at the end.
    base: String,
    /// The user and password in it.
    user: Option<(String, String)>,
    managed: Option<Managed>,
}

/// A server that SageMaker manages, by its ARN.
#[derive(Debug, Clone)]
pub(crate) struct Managed {
    pub(super) arn: String,
    pub(super) region: String,
    /// The header that says which one is meant.
    pub(super) header: &'static str,
    /// What signatures call the service.
    pub(super) service: &'static str,
}

impl Address {
    /// Read a `tracking_uri`.
    pub(super) fn parse(uri: &str, environment: &Environment) -> Result<Self, String> {
        if uri.starts_with("arn:") {
            return managed(uri, environment);
        }
        let (scheme, rest) = uri.split_once("://").ok_or("it has no scheme")?;
        if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
            return Err(format!("`{scheme}://` is not spoken; `http://` and `https://` are"));
        }
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, host) = match host.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, host),
        };
        if host.is_empty() || rest.contains(['?', '#', ' ']) {
            return Err("it is no whole address".to_owned());
        }
        let user = user.map(|user| {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            (decoded(name), decoded(password))
        });
        let base = format!("{scheme}://{host}{}", path.trim_end_matches('/'));
        Ok(Self { base, user, managed: None })
    }

    /// The text of a URI with its password left out.
    pub(super) fn without_secrets(uri: &str) -> String {
        match uri.split_once("://").map(|(scheme, rest)| (scheme, rest.rsplit_once('@'))) {
            Some((scheme, Some((_, rest)))) => format!("{scheme}://{rest}"),
            _ => uri.to_owned(),
        }
    }

    /// The address of a path under it.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The same on another host and port, if one is named.
    pub(super) fn url_on(&self, host: &str, path: &str) -> String {
        if host.is_empty() {
            return self.url(path);
        }
        let (scheme, rest) = self.base.split_once("://").unwrap_or(("http", ""));
        let prefix = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default();
        format!("{scheme}://{host}{prefix}{path}")
    }

    /// As people may see it.
    pub(super) fn shown(&self) -> &str {
        self.managed.as_ref().map_or(&self.base, |managed| &managed.arn)
    }

    /// The user and password in the address.
    pub(super) fn user(&self) -> Option<&(String, String)> {
        self.user.as_ref()
    }

    /// Whether SageMaker manages it.
    pub(super) fn managed(&self) -> Option<&Managed> {
        self.managed.as_ref()
    }

    /// Whether the server is on this machine.
    pub(super) fn is_here(&self) -> bool {
        let host =
            self.base.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        ["localhost", "[::1]", "0.0.0.0"].contains(&name) || name.starts_with("127.")
    }
}

/// `arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/name`
fn managed(arn: &str, environment: &Environment) -> Result<Address, String> {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let [_, partition, service, region, _, resource] = parts[..] else {
        return Err("the ARN is not whole".into());
    };
    let Some((kind, name)) = resource.split_once('/') else { return Err("the ARN names no server".into()) };
    if service != "sagemaker" || name.is_empty() || !is_region(region) {
        return Err("the ARN is not one of SageMaker's".into());
    }
    if !["aws", "aws-us-gov"].contains(&partition) {
        return Err(format!("SageMaker has no MLflow in the partition `{partition}`"));
    }
    let (header, service, host) = match kind {
        "mlflow-tracking-server" => (
            "x-mlflow-sm-tracking-server-arn",
            "sagemaker-mlflow",
            format!("{region}.experiments.sagemaker.aws"),
        ),
        "mlflow-app" => ("x-sm-mlflow-app-arn", "sagemaker", format!("mlflow.sagemaker.{region}.app.aws")),
        _ => return Err(format!("`{kind}` is neither `mlflow-tracking-server` nor `mlflow-app`")),
    };
    let custom = environment.var("SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT");
    let base = custom.map_or_else(|| format!("https://{host}"), |url| url.trim_end_matches('/').to_owned());
    let managed = Managed { arn: arn.to_owned(), region: region.to_owned(), header, service };
    Ok(Address { base, user: None, managed: Some(managed) })
}

/// Text with `%41` as what it stands for.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = (first == b'%').then(|| tail.get(..2)).flatten();
        let value = digits.and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        bytes.push(value.unwrap_or(first));
        rest = if value.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(uri: &str) -> Result<Address, String> {
        Address::parse(uri, &Environment::from([]))
    }

    #[test]
    fn users_and_prefixes_are_kept_apart() {
        let address = parse("https://ann:p%40ss@mlflow.example.com:8443/team/a/").unwrap();
        assert_eq!(address.url("/api"), "https://mlflow.example.com:8443/team/a/api");
        assert_eq!(address.url_on("other:1", "/api"), "https://other:1/team/a/api");
        assert_eq!(address.user(), Some(&("ann".to_owned(), "p@ss".to_owned())));
        assert_eq!(address.shown(), "https://mlflow.example.com:8443/team/a");
        assert!(!address.is_here());
        for here in
            ["http://localhost:5000", "http://127.0.0.1:5000/x", "http://[::1]:5000", "http://localhost"]
        {
            assert!(parse(here).unwrap().is_here(), "{here}");
        }
    }

    #[test]
    fn what_is_no_server_says_why() {
        for wrong in ["mlruns", "sqlite:///x.db", "http://", "file:///x", "http://a b", "arn:aws:s3:::bucket"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_managed_server_is_where_its_region_has_it() {
        let address = parse("arn:aws:sagemaker:eu-west-1:123456789012:mlflow-tracking-server/team").unwrap();
        assert_eq!(address.url("/x"), "https://eu-west-1.experiments.sagemaker.aws/x");
        assert_eq!(address.managed().unwrap().service, "sagemaker-mlflow");
        let app = parse("arn:aws:sagemaker:eu-west-1:123456789012:mlflow-app/app-1").unwrap();
        assert_eq!(app.url(""), "https://mlflow.sagemaker.eu-west-1.app.aws");
        assert_eq!(app.managed().unwrap().header, "x-sm-mlflow-app-arn");
    }
}
