//! Objects, whole and in parts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::limits::{Refused, refused};
use super::server::Done;
use super::state::{State, Upload};
use crate::http::{Answer, Request};

/// The least bytes of a part that is not the last.
const PART: usize = 5 << 20;

/// What a request is about.
struct At {
    bucket: String,
    key: String,
}

impl At {
    /// `/bucket/a/key`
    fn of(request: &Request) -> Self {
        let path = request.path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        Self { bucket: bucket.to_owned(), key: decoded(key) }
    }
}

fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        match (byte, hex) {
            (b'%', Some(hex)) => {
                out.push(hex);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The name of an operation, for counts and troubles.
pub(super) fn operation(request: &Request) -> &'static str {
    let has = |name: &str| request.query(name).is_some();
    match &*request.method {
        "PUT" if has("partNumber") => "UploadPart",
        "PUT" => "PutObject",
        "POST" if has("uploads") => "CreateMultipartUpload",
        "POST" => "CompleteMultipartUpload",
        "DELETE" => "AbortMultipartUpload",
        _ => "ListObjectsV2",
    }
}

pub(super) fn operate(state: &mut State, operation: &str, request: &Request) -> Result<Done, Refused> {
    let action = match operation {
        "AbortMultipartUpload" => "s3:AbortMultipartUpload",
        "ListObjectsV2" => "s3:ListBucket",
        _ => "s3:PutObject",
    };
    state.allow(action).map_err(|(_, message)| refused("AccessDenied", &message))?;
    let at = At::of(request);
    if !state.buckets.contains_key(&at.bucket) {
        return Err(refused("NoSuchBucket", "The specified bucket does not exist"));
    }
    if state.behaviour.bucket_elsewhere {
        let text =
            "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'";
        return Err(refused("AuthorizationHeaderMalformed", text));
    }
    is_whole(request)?;
    match operation {
        "PutObject" => put(state, at, request),
        "CreateMultipartUpload" => begin(state, at),
        "UploadPart" => part(state, request),
        "CompleteMultipartUpload" => complete(state, at, request),
        "AbortMultipartUpload" => abort(state, request),
        _ => Ok(Answer::new(200).body("<ListBucketResult></ListBucketResult>").into()),
    }
}

/// Whether the body is what the digests in the head say.
fn is_whole(request: &Request) -> Result<(), Refused> {
    let hex: String = Sha256::digest(&request.body).iter().map(|byte| format!("{byte:02x}")).collect();
    if request.header("x-amz-content-sha256") != Some(&*hex) {
        let text = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        return Err(refused("XAmzContentSHA256Mismatch", text));
    }
    match request.header("x-amz-checksum-crc32") {
        Some(sum) if sum != crc(&request.body) => {
            Err(refused("BadDigest", "The CRC32 you specified did not match the calculated checksum."))
        }
        _ => Ok(()),
    }
}

fn crc(bytes: &[u8]) -> String {
    STANDARD.encode(crc32fast::hash(bytes).to_be_bytes())
}

fn etag(bytes: &[u8]) -> String {
    format!("\"{:08x}{:08x}\"", crc32fast::hash(bytes), bytes.len())
}

fn put(state: &mut State, at: At, request: &Request) -> Result<Done, Refused> {
    if at.key.is_empty() || at.key.len() > 1_024 {
        return Err(refused("KeyTooLongError", "Your key is too long"));
    }
    let etag = etag(&request.body);
    state.buckets.entry(at.bucket).or_default().insert(at.key, request.body.clone());
    Ok(Answer::new(200).header("etag", etag).into())
}

fn begin(state: &mut State, at: At) -> Result<Done, Refused> {
    let id = format!("upload+{}/{}=", state.calls.values().sum::<u64>(), state.uploads.len());
    let body = format!(
        "<InitiateMultipartUploadResult><Bucket>{}</Bucket><UploadId>{id}</UploadId></InitiateMultipartUploadResult>",
        at.bucket
    );
    state.uploads.insert(id, Upload { bucket: at.bucket, key: at.key, ..Upload::default() });
    Ok(Answer::new(200).body(body).into())
}

fn upload<'s>(state: &'s mut State, request: &Request) -> Result<(String, &'s mut Upload), Refused> {
    let id = decoded(request.query("uploadId").unwrap_or_default());
    match state.uploads.get_mut(&id) {
        Some(upload) => Ok((id, upload)),
        None => Err(refused("NoSuchUpload", "The specified multipart upload does not exist.")),
    }
}

fn part(state: &mut State, request: &Request) -> Result<Done, Refused> {
    let number = request.query("partNumber").and_then(|number| number.parse().ok());
    let number: u64 = number.filter(|number| (1..=10_000).contains(number)).ok_or_else(|| {
        refused("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
    })?;
    if let Some(left) = state.behaviour.failing_parts.get_mut(&number).filter(|left| **left > 0) {
        *left -= 1;
        return Err(refused("InternalError", "We encountered an internal error. Please try again."));
    }
    let Some(sum) = request.header("x-amz-checksum-crc32").map(str::to_owned) else {
        return Err(refused("InvalidRequest", "The upload was created using the crc32 checksum mode."));
    };
    let etag = etag(&request.body);
    let (_, upload) = upload(state, request)?;
    upload.parts.insert(number, (request.body.clone(), etag.clone(), sum));
    Ok(Answer::new(200).header("etag", etag).into())
}

fn complete(state: &mut State, at: At, request: &Request) -> Result<Done, Refused> {
    if state.behaviour.forgotten_uploads > 0 {
        state.behaviour.forgotten_uploads -= 1;
        let id = decoded(request.query("uploadId").unwrap_or_default());
        state.uploads.remove(&id);
    }
    let text = String::from_utf8_lossy(&request.body).into_owned();
    let (id, upload) = upload(state, request)?;
    let named: Vec<_> = text.split("<Part>").skip(1).collect();
    if named.len() != upload.parts.len() || (&upload.bucket, &upload.key) != (&at.bucket, &at.key) {
        return Err(refused("InvalidPart", "One or more of the specified parts could not be found."));
    }
    let mut whole = Vec::new();
    let last = upload.parts.len();
    for (place, (text, (number, (bytes, etag, sum)))) in named.iter().zip(&upload.parts).enumerate() {
        let said = [
            format!("<PartNumber>{number}</PartNumber>"),
            format!("<ETag>{etag}</ETag>"),
            format!("<ChecksumCRC32>{sum}</ChecksumCRC32>"),
        ];
        if !said.iter().all(|said| text.contains(said)) {
            return Err(refused(
                "InvalidPart",
                "The part may not have been uploaded, or its tag does not match.",
            ));
        }
        if bytes.len() < PART && place + 1 < last {
            return Err(refused(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
            ));
        }
        whole.extend_from_slice(bytes);
    }
    state.uploads.remove(&id);
    state.buckets.entry(at.bucket).or_default().insert(at.key, whole);
    let body = "<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>";
    Ok(Answer::new(200).body(body).into())
}

fn abort(state: &mut State, request: &Request) -> Result<Done, Refused> {
    let (id, _) = upload(state, request)?;
    state.uploads.remove(&id);
    Ok(Answer::new(204).into())
}
