//! Signature Version 4, computed from a request as it came ("Create a signed AWS API request" in the IAM User Guide).

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::Refused;
use crate::http::Request;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What a request says of its signature.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) key: String,
    /// `20260301T123456Z`
    pub(super) date: String,
    day: String,
    region: String,
    service: String,
    /// Names of the headers that are signed, in their order.
    headers: Vec<String>,
    signature: String,
}

fn incomplete(what: &str) -> Refused {
    Refused::new("IncompleteSignatureException", format!("Authorization header requires {what}."))
}

fn mismatch() -> Refused {
    Refused::new(
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and \
         signing method. Consult the service documentation for details.",
    )
}

impl Signature {
    /// Read it from the headers.
    pub(super) fn of(request: &Request) -> Result<Self, Refused> {
        let Some(text) = request.header("authorization").and_then(|text| text.strip_prefix(ALGORITHM)) else {
            return Err(Refused::new("MissingAuthenticationTokenException", "Missing Authentication Token"));
        };
        let part = |name: &str| {
            let parts = text.split(',').map(str::trim);
            parts
                .filter_map(|part| part.split_once('='))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
        };
        let scope: Vec<_> = part("Credential").unwrap_or_default().split('/').collect();
        let &[key, day, region, service, "aws4_request"] = scope.as_slice() else {
            return Err(incomplete("'Credential' parameter"));
        };
        let headers = part("SignedHeaders").ok_or_else(|| incomplete("'SignedHeaders' parameter"))?;
        let signature = part("Signature").ok_or_else(|| incomplete("'Signature' parameter"))?;
        let date = request.header("x-amz-date").ok_or_else(|| incomplete("existence of 'X-Amz-Date'"))?;
        Ok(Self {
            key: key.to_owned(),
            date: date.to_owned(),
            day: day.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            headers: headers.split(';').map(str::to_owned).collect(),
            signature: signature.to_owned(),
        })
    }

    /// Whether it is made for this service, and for the day of the request.
    pub(super) fn is_for(&self, service: &str) -> Result<(), Refused> {
        if self.service != service {
            let message = format!("Credential should be scoped to correct service: '{service}'.");
            return Err(Refused::new("InvalidSignatureException", message));
        }
        if !self.date.starts_with(&self.day) {
            let message =
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP";
            return Err(Refused::new("InvalidSignatureException", message));
        }
        Ok(())
    }

    /// Whether it is that of the request, made with this secret.
    pub(super) fn verify(&self, request: &Request, secret: &str) -> Result<(), Refused> {
        let must_be_signed = |name: &str| name == "host" || name.starts_with("x-amz-");
        let unsigned =
            request.headers.iter().find(|(name, _)| must_be_signed(name) && !self.headers.contains(name));
        if let Some((name, _)) = unsigned {
            let message = format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.");
            return Err(Refused::new("InvalidSignatureException", message));
        }
        let scope = format!("{}/{}/{}/aws4_request", self.day, self.region, self.service);
        let canonical = self.canonical(request)?;
        let text = format!("{ALGORITHM}\n{}\n{scope}\n{}", self.date, hex(&Sha256::digest(canonical)));
        let steps = [self.day.as_str(), &self.region, &self.service, "aws4_request", &text];
        let start = format!("AWS4{secret}").into_bytes();
        let computed = steps.iter().fold(start, |key, step| hmac(&key, step.as_bytes()));
        if hex(&computed) == self.signature { Ok(()) } else { Err(mismatch()) }
    }

    /// The request in the form that is hashed.
    fn canonical(&self, request: &Request) -> Result<String, Refused> {
        let mut text = format!("{}\n{}\n{}\n", request.method, self.path(request), query(request));
        for name in &self.headers {
            let values: Vec<_> = request
                .headers
                .iter()
                .filter(|(key, _)| key == name)
                .map(|(_, value)| value.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect();
            if values.is_empty() {
                return Err(mismatch());
            }
            text.push_str(&format!("{name}:{}\n", values.join(",")));
        }
        text.push_str(&format!("\n{}\n{}", self.headers.join(";"), payload(request)?));
        Ok(text)
    }

    /// S3 takes the path as it came, every other service encodes it once more.
    fn path(&self, request: &Request) -> String {
        let path = request.path();
        if self.service == "s3" {
            return path.to_owned();
        }
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(byte);
        path.bytes()
            .map(|byte| if is_plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect()
    }
}

fn query(request: &Request) -> String {
    let Some((_, query)) = request.target.split_once('?') else { return String::new() };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<_> = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    pairs.sort_unstable();
    pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
}

/// The hash of the body; what a header says of it must be true.
fn payload(request: &Request) -> Result<String, Refused> {
    let hash = hex(&Sha256::digest(&request.body));
    match request.header("x-amz-content-sha256") {
        Some(said) if said == "UNSIGNED-PAYLOAD" => Ok(said.to_owned()),
        Some(said) if said != hash => Err(Refused::new(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )),
        _ => Ok(hash),
    }
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    // A key of any length is one.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Request {
        Request {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            head: Vec::new(),
            body: body.as_bytes().to_vec(),
            connection: 0,
            at: Instant::now(),
        }
    }

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    /// What botocore 1.43.11 makes of a request to CloudWatch Logs.
    fn signed(body: &str) -> Request {
        let authorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/logs/aws4_request, \
            SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, \
            Signature=b7e8fb3f245ba0188fc029eab6f2be956b4b1c0f6960462243cf65351462886f";
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("host", "logs.us-east-1.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
            ("x-amz-security-token", "TOKEN"),
            ("x-amz-target", "Logs_20140328.PutLogEvents"),
            ("authorization", authorization),
        ];
        request("POST", "/", &headers, body)
    }

    #[test]
    fn a_signature_of_botocore_is_right_and_no_other_body_or_secret_has_it() {
        let right = signed("{\"a\":1}");
        let signature = Signature::of(&right).unwrap();
        signature.verify(&right, SECRET).unwrap();
        assert_eq!(signature.verify(&right, "guess"), Err(mismatch()));
        assert_eq!(signature.verify(&signed("{\"a\":2}"), SECRET), Err(mismatch()));
        assert!(signature.is_for("logs").is_ok() && signature.is_for("sts").is_err());
    }

    #[test]
    fn each_header_of_amazon_must_be_signed() {
        let mut more = signed("{\"a\":1}");
        more.headers.push(("x-amz-acl".to_owned(), "public-read".to_owned()));
        let refused = Signature::of(&more).unwrap().verify(&more, SECRET).unwrap_err();
        assert!(refused.message.contains("'x-amz-acl'"), "{refused:?}");
    }

    /// "GET Object" and "GET Bucket (List Objects)", the examples of the S3 API reference.
    #[test]
    fn the_examples_of_s3_are_right() {
        const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for (target, headers, signature) in [
            (
                "/test.txt",
                "host;range;x-amz-content-sha256;x-amz-date",
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
            (
                "/?max-keys=2&prefix=J",
                "host;x-amz-content-sha256;x-amz-date",
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ] {
            let authorization = format!(
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders={headers}, \
                 Signature={signature}"
            );
            let mut all = vec![
                ("host", "examplebucket.s3.amazonaws.com"),
                ("x-amz-content-sha256", EMPTY),
                ("x-amz-date", "20130524T000000Z"),
                ("authorization", &authorization),
            ];
            if headers.contains("range") {
                all.push(("range", "bytes=0-9"));
            }
            let request = request("GET", target, &all, "");
            Signature::of(&request)
                .unwrap()
                .verify(&request, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
                .unwrap();
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let none = request("POST", "/", &[], "");
        assert_eq!(Signature::of(&none).unwrap_err().code, "MissingAuthenticationTokenException");
        let half = request("POST", "/", &[("authorization", "AWS4-HMAC-SHA256 Credential=A/b")], "");
        assert_eq!(Signature::of(&half).unwrap_err().code, "IncompleteSignatureException");
    }
}
