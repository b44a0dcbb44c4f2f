//! Regions, and where a service is in each.

use nethical_core::delivery::{Error, Kind};
use url::Url;

use super::Environment;
use crate::support::http::{Failure, Phase};
use crate::support::options::nearest;

/// Regions as of this build, to recognise a slip of the pen. An unknown one is tried all the same.
const REGIONS: &str = "af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 \
    ap-south-2 ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 \
    ap-southeast-7 ca-central-1 ca-west-1 cn-north-1 cn-northwest-1 eu-central-1 eu-central-2 eu-north-1 \
    eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 eusc-de-east-1 il-central-1 me-central-1 me-south-1 \
    mx-central-1 sa-east-1 us-east-1 us-east-2 us-gov-east-1 us-gov-west-1 us-west-1 us-west-2";

/// The region to use where there is no other word.
const USUAL: &str = "us-east-1";

fn known() -> impl Iterator<Item = &'static str> {
    REGIONS.split_whitespace()
}

/// Whether this can be the name of a region: it becomes part of a host name.
pub(crate) fn is_region(text: &str) -> bool {
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    let plain = bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-');
    plain && bytes.len() < 64 && ends(bytes.first()) && ends(bytes.last())
}

/// The region: as configured, else `AWS_REGION`, `AWS_DEFAULT_REGION`, that of the profile, `us-east-1`.
pub(crate) fn region(configured: Option<&str>, environment: &Environment, profile: Option<&str>) -> String {
    let named = || environment.var("AWS_REGION").or_else(|| environment.var("AWS_DEFAULT_REGION"));
    let of_profile = || environment.profile(profile).region;
    let found = configured.map(str::to_owned).or_else(named).or_else(of_profile);
    found.filter(|region| is_region(region)).unwrap_or_else(|| USUAL.to_owned())
}

/// What the addresses of services look like.
pub(crate) const ADDRESS: &str = "start it with `https://` and the host, without a user and a password";

/// Whether this can be the address of a service: requests are signed, so a user in it would only be shown to people.
pub(crate) fn is_address(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
    })
}

/// The address without a user and a password.
fn without_user(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return url.to_owned() };
    // They fail only where there is no host, and so no user.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

/// A service, as AWS calls it in different places.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServiceName {
    /// Before the region in the name of its host: `logs`.
    host: &'static str,
    /// In signatures.
    signing: &'static str,
    /// After `AWS_ENDPOINT_URL_`: its id, and what people take for it.
    variables: &'static [&'static str],
}

/// CloudWatch Logs.
pub(crate) const LOGS: ServiceName =
    ServiceName { host: "logs", signing: "logs", variables: &["CLOUDWATCH_LOGS", "LOGS"] };
/// The Security Token Service.
pub(crate) const STS: ServiceName = ServiceName { host: "sts", signing: "sts", variables: &["STS"] };
/// SageMaker: what creates and describes.
pub(crate) const SAGEMAKER: ServiceName =
    ServiceName { host: "api.sagemaker", signing: "sagemaker", variables: &["SAGEMAKER"] };
/// SageMaker Metrics.
pub(crate) const SAGEMAKER_METRICS: ServiceName =
    ServiceName { host: "metrics.sagemaker", signing: "sagemaker", variables: &["SAGEMAKER_METRICS"] };
/// CloudWatch: metrics.
pub(crate) const CLOUDWATCH: ServiceName =
    ServiceName { host: "monitoring", signing: "monitoring", variables: &["CLOUDWATCH"] };
/// The Simple Storage Service.
pub(crate) const S3: ServiceName = ServiceName { host: "s3", signing: "s3", variables: &["S3"] };

/// Where a service is.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    service: ServiceName,
    region: String,
    url: String,
    /// Whether somebody named the address, rather than the region.
    custom: bool,
}

impl Endpoint {
    /// The endpoint of a service in a region: at `configured`, else `AWS_ENDPOINT_URL_<SERVICE>`, else
    /// `AWS_ENDPOINT_URL`, else where the region has it.
    pub(crate) fn new(
        service: ServiceName,
        region: &str,
        configured: Option<&str>,
        environment: &Environment,
    ) -> Self {
        let own = || {
            let mut names = service.variables.iter();
            names.find_map(|name| environment.var(&format!("AWS_ENDPOINT_URL_{name}")))
        };
        let custom =
            configured.map(str::to_owned).or_else(own).or_else(|| environment.var("AWS_ENDPOINT_URL"));
        let url =
            custom.clone().unwrap_or_else(|| format!("https://{}.{region}.{}", service.host, suffix(region)));
        let url = format!("{}/", without_user(&url).trim_end_matches('/'));
        Self { service, region: region.to_owned(), url, custom: custom.is_some() }
    }

    /// The address of a bucket, at the endpoint of S3: a host of its own where that can be.
    pub(crate) fn bucket(&self, bucket: &str) -> Self {
        let url = match self.url.strip_prefix("https://").filter(|_| !self.custom && !bucket.contains('.')) {
            Some(rest) => format!("https://{bucket}.{rest}"),
            None => format!("{}{bucket}/", self.url),
        };
        Self { url, ..self.clone() }
    }

    /// What signatures call the service.
    pub(crate) const fn signing_name(&self) -> &'static str {
        self.service.signing
    }

    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The address, if somebody named one that is not Amazon's own: an emulator has every service there.
    pub(crate) fn emulator(&self) -> Option<&str> {
        Some(self.url.as_str()).filter(|url| self.custom && !url.contains(".amazonaws."))
    }

    /// What it means that a request was not answered.
    pub(crate) fn failure(&self, failure: &Failure) -> Error {
        let Self { url, region, .. } = self;
        let reached = match failure.phase() {
            Phase::Head | Phase::Body => "no whole answer from",
            _ => "cannot reach",
        };
        let text = format!("{reached} {url}: {failure}");
        let (kind, code, hint) = match failure.phase() {
            Phase::Lookup if !self.custom && !known().any(|name| name == region) => {
                let hint = nearest(region, known()).map(|name| format!("did you mean `{name}`?"));
                let hint = hint.unwrap_or_else(|| "use the code of a region, such as `us-east-1`".to_owned());
                let text = format!("there is no region `{region}`: {url} has no address");
                return Error::config("aws.unknown_region", text).with_hint(hint);
            }
            Phase::Lookup => (
                Kind::Unavailable,
                "aws.lookup",
                "see whether this machine can resolve names (DNS), or reach AWS only through a proxy (`HTTPS_PROXY`)",
            ),
            Phase::Request => (
                Kind::Config,
                "aws.request",
                "see whether `endpoint_url` is a whole address, such as `https://logs.example.com`",
            ),
            Phase::Tls => {
                (Kind::Unavailable, "aws.tls", "see `SSL_CERT_FILE`, and whether a proxy stands in between")
            }
            Phase::Connect => (
                Kind::Unavailable,
                "aws.connect",
                "see whether a firewall or a proxy (`HTTPS_PROXY`) stands in between; a private network needs a VPC endpoint or a NAT gateway",
            ),
            Phase::Head | Phase::Body => (
                Kind::Unavailable,
                "aws.no_answer",
                "entries wait and are sent again; some may arrive twice, with the same `id`",
            ),
        };
        let error = Error::new(kind, code, text).with_hint(hint);
        if failure.is_in_doubt() { error.in_doubt() } else { error }
    }
}

/// The domain of the partition that a region belongs to.
fn suffix(region: &str) -> &'static str {
    match region.split('-').next().unwrap_or_default() {
        "cn" => "amazonaws.com.cn",
        "eusc" => "amazonaws.eu",
        _ if region.starts_with("us-isob-") => "sc2s.sgov.gov",
        _ if region.starts_with("us-iso-") => "c2s.ic.gov",
        _ => "amazonaws.com",
    }
}
