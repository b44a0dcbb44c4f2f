//! Objects into a bucket: whole, or in parts (API reference of Amazon S3).

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use nethical_core::delivery::Error;

use super::api::{Again, again};
use super::errors;
use super::uploads::{Multipart, Part};
use crate::support::aws::{Call, Context, Fault, Service, element};
use crate::support::http::Response;

/// A bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket<'a> {
    pub(super) service: &'a Service,
    pub(super) name: &'a str,
}

/// What became of the end of an upload in parts.
pub(super) enum Completed {
    Whole,
    /// S3 does not know the upload any more: it is to begin anew.
    Forgotten,
}

/// The code and the message of an error, if this is one.
fn failure(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.split_once("<Error>")?;
    Some((element(rest, "Code").unwrap_or_default(), element(rest, "Message").unwrap_or_default()))
}

/// CRC-32 of some bytes, as S3 writes it.
pub(super) fn crc(bytes: &[u8]) -> String {
    STANDARD.encode(crc32fast::hash(bytes).to_be_bytes())
}

/// A key or a value of a query, encoded.
fn encoded(text: &str, slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || slash && byte == b'/' {
            out.push(char::from(byte));
        } else {
            // A string takes all that is written.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

impl Bucket<'_> {
    async fn call(
        &self,
        action: &'static str,
        method: &'static str,
        path: String,
        headers: Vec<(&'static str, String)>,
        body: Bytes,
    ) -> Result<Response, Fault> {
        let resource = self.resource();
        let call = || Call { method, path: path.clone(), headers: headers.clone(), body: body.clone() };
        again(self.service, Again { context: Context { action, resource: &resource }, call: &call }).await
    }

    fn resource(&self) -> String {
        format!("bucket `{}`", self.name)
    }

    fn sort(&self, action: &'static str, fault: Fault) -> Error {
        errors::sort(fault, &Context { action, resource: &self.resource() })
    }

    /// Put a whole object.
    pub(super) async fn put(&self, key: &str, body: Bytes) -> Result<(), Error> {
        const ACTION: &str = "s3:PutObject";
        let headers = vec![
            ("content-type", "application/octet-stream".to_owned()),
            ("x-amz-checksum-crc32", crc(&body)),
        ];
        let put = self.call(ACTION, "PUT", encoded(key, true), headers, body).await;
        put.map(drop).map_err(|fault| self.sort(ACTION, fault))
    }

    /// Begin an upload in parts. Returns its id.
    pub(super) async fn begin(&self, key: &str) -> Result<String, Error> {
        const ACTION: &str = "s3:PutObject";
        let headers = vec![
            ("content-type", "application/octet-stream".to_owned()),
            ("x-amz-checksum-algorithm", "CRC32".to_owned()),
        ];
        let path = format!("{}?uploads=", encoded(key, true));
        let begun = self.call(ACTION, "POST", path, headers, Bytes::new()).await;
        let answer = begun.map_err(|fault| self.sort(ACTION, fault))?;
        let id = element(&String::from_utf8_lossy(&answer.body), "UploadId").map(str::to_owned);
        id.ok_or_else(|| errors::not_an_answer(ACTION, self.service.endpoint().url()))
    }

    /// Put a part. `None`: S3 does not know the upload any more.
    pub(super) async fn part(
        &self,
        key: &str,
        id: &str,
        number: u32,
        body: Bytes,
    ) -> Result<Option<Part>, Error> {
        const ACTION: &str = "s3:PutObject";
        let crc = crc(&body);
        let path = format!("{}?partNumber={number}&uploadId={}", encoded(key, true), encoded(id, false));
        let put = self.call(ACTION, "PUT", path, vec![("x-amz-checksum-crc32", crc.clone())], body).await;
        match put {
            Ok(answer) => {
                let etag = answer.header("etag").filter(|etag| !etag.is_empty()).map(str::to_owned);
                let url = self.service.endpoint().url();
                etag.map(|etag| Some(Part { etag, crc })).ok_or_else(|| errors::not_an_answer(ACTION, url))
            }
            Err(fault) if fault.code() == Some("NoSuchUpload") => Ok(None),
            Err(fault) => Err(self.sort(ACTION, fault)),
        }
    }

    /// Make an object of the parts.
    pub(super) async fn complete(&self, key: &str, upload: &Multipart) -> Result<Completed, Error> {
        const ACTION: &str = "s3:PutObject";
        let mut body =
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">".to_owned();
        for (number, Part { etag, crc }) in &upload.parts {
            let etag = etag.replace('&', "&amp;").replace('<', "&lt;");
            let part = "<Part><PartNumber>{}</PartNumber>";
            let part = part.replace("{}", &number.to_string());
            let _ = write!(body, "{part}<ETag>{etag}</ETag><ChecksumCRC32>{crc}</ChecksumCRC32></Part>");
        }
        body.push_str("</CompleteMultipartUpload>");
        let path = format!("{}?uploadId={}", encoded(key, true), encoded(&upload.id, false));
        let headers = vec![("content-type", "application/xml".to_owned())];
        let completed = self.call(ACTION, "POST", path, headers, body.into()).await;
        match completed {
            Ok(answer) => self.is_whole(ACTION, &answer).map(|()| Completed::Whole),
            Err(fault) if matches!(fault.code(), Some("NoSuchUpload" | "InvalidPart")) => {
                Ok(Completed::Forgotten)
            }
            Err(fault) => Err(self.sort(ACTION, fault)),
        }
    }

    /// "A processing error can occur after the initial 200 OK response has been sent": it stands in the body then.
    fn is_whole(&self, action: &'static str, answer: &Response) -> Result<(), Error> {
        let text = String::from_utf8_lossy(&answer.body);
        match failure(&text) {
            None if element(&text, "ETag").is_some() => Ok(()),
            None => Err(errors::not_an_answer(action, self.service.endpoint().url())),
            Some((code, said)) => {
                let text = format!("{action} on {}: {code}: {said}", self.resource());
                Err(Error::unavailable("sagemaker.upload_broken", text)
                    .with_hint("nothing to do: it is tried again"))
            }
        }
    }

    /// Give an upload in parts up. S3 bills what is left of it until somebody does.
    pub(super) async fn abort(&self, key: &str, id: &str) -> Result<(), Error> {
        const ACTION: &str = "s3:AbortMultipartUpload";
        let path = format!("{}?uploadId={}", encoded(key, true), encoded(id, false));
        match self.call(ACTION, "DELETE", path, Vec::new(), Bytes::new()).await {
            Err(fault) if fault.code() == Some("NoSuchUpload") => Ok(()),
            aborted => aborted.map(drop).map_err(|fault| self.sort(ACTION, fault)),
        }
    }

    /// Whether the bucket is there, in this region and for this identity.
    pub(super) async fn look(&self) -> Result<(), Error> {
        const ACTION: &str = "s3:ListBucket";
        let looked =
            self.call(ACTION, "GET", "?list-type=2&max-keys=1".to_owned(), Vec::new(), Bytes::new()).await;
        looked.map(drop).map_err(|fault| self.sort(ACTION, fault))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_after_a_success_is_one() {
        let error = "<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code><Message>m</Message></Error>";
        assert_eq!(failure(error), Some(("InternalError", "m")));
        assert_eq!(
            failure("<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"),
            None
        );
    }

    #[test]
    fn keys_and_checksums_are_written_as_s3_does() {
        assert_eq!(encoded("a b/ü+~.txt", true), "a%20b/%C3%BC%2B~.txt");
        assert_eq!(encoded("a/b", false), "a%2Fb");
        assert_eq!(crc(b"123456789"), "y/Q5Jg==");
    }
}
