//! What SageMaker, CloudWatch and S3 answer, and what it means for the updates.

use nethical_core::delivery::{Error, Kind};

use crate::support::aws::{Answer, Context, Fault};

/// Sort what became of a call.
pub(super) fn sort(fault: Fault, context: &Context<'_>) -> Error {
    let Fault::Answer(answer) = &fault else { return fault.sorted(context) };
    let Context { action, resource } = *context;
    let text = format!("{action} on {resource}: {}: {}", answer.code, answer.message);
    match &*answer.code {
        // "Resource being access is not found."
        code if says_missing(code, &answer.message) => Error::refused("sagemaker.not_found", text)
            .with_hint("see whether the start of the run is among the dead letters, and replay both"),
        // "The input fails to satisfy the constraints specified by an AWS service." "The value of an input parameter is bad
        // or out-of-range." "Parameters that cannot be used together were used together."
        "ValidationException"
        | "ValidationError"
        | "SerializationException"
        | "InvalidParameterValue"
        | "InvalidParameterValueException"
        | "InvalidParameterCombination"
        | "InvalidParameterCombinationException"
        | "MissingParameter"
        | "MissingRequiredParameterException" => Error::refused("sagemaker.invalid", text)
            .with_hint("see what the update has that AWS does not take"),
        // "There was a conflict when you attempted to modify a SageMaker entity such as an Experiment or Artifact."
        "ConflictException" => {
            Error::unavailable("sagemaker.conflict", text).with_hint("nothing to do: it is tried again")
        }
        // "You have exceeded an SageMaker resource limit. For example, you might have too many training jobs created."
        "ResourceLimitExceeded" => Error::unavailable("sagemaker.limit", text)
            .with_hint("delete what nobody needs, or ask for a higher quota in Service Quotas"),
        // "The specified bucket does not exist."
        "NoSuchBucket" => {
            Error::config("sagemaker.no_bucket", text).with_hint("create the bucket, or correct `bucket`")
        }
        // "The bucket you are attempting to access must be addressed using the specified endpoint." "The authorization
        // header that you provided is not valid": signed for another region.
        "PermanentRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException"
        | "TemporaryRedirect" => Error::config("sagemaker.bucket_region", text)
            .with_hint("set `region` to that of the bucket, or use a bucket of this region"),
        // "Your proposed upload exceeds the maximum allowed object size."
        "EntityTooLarge" | "EntityTooSmall" | "InvalidPartOrder" | "KeyTooLongError" | "InvalidArgument"
        | "InvalidRequest" => {
            Error::refused("sagemaker.upload", text).with_hint("see the name and the size of the file")
        }
        // "The Content-MD5 or checksum value that you specified did not match what the server received." "Your socket
        // connection to the server was not read from or written to within the timeout period."
        "BadDigest"
        | "XAmzContentSHA256Mismatch"
        | "XAmzContentChecksumMismatch"
        | "RequestTimeout"
        | "IncompleteBody"
        | "OperationAborted" => Error::unavailable("sagemaker.upload_broken", text)
            .with_hint("nothing to do: the part is sent again"),
        _ => fault.sorted(context),
    }
}

/// S3 does not know an upload that it has just begun.
pub(super) fn forgotten(bucket: &str, key: &str) -> Error {
    let text = format!(
        "s3:PutObject on bucket `{bucket}`: the upload of `{key}` in parts is forgotten as soon as it is begun"
    );
    Error::unavailable("sagemaker.upload_forgotten", text)
        .with_hint("see whether a rule of the bucket ends uploads at once; it is tried again")
}

/// Whether the same call may go better in a moment.
pub(super) fn is_passing(fault: &Fault, context: &Context<'_>) -> bool {
    match fault {
        Fault::Answer(answer) if answer.code == "ConflictException" => true,
        Fault::Answer(answer) => {
            let sorted = answer.sorted(context);
            matches!(sorted.kind(), Kind::RateLimited(_)) || answer.status >= 500 || is_broken(answer)
        }
        Fault::Failed(error) => error.is_in_doubt(),
    }
}

fn is_broken(answer: &Answer) -> bool {
    ["BadDigest", "XAmzContentSHA256Mismatch", "RequestTimeout", "IncompleteBody", "OperationAborted"]
        .contains(&&*answer.code)
}

/// Whether something is there already that was to be created: "Experiment names must be unique within an AWS account and
/// region. Experiment with name (e) already exists."
pub(super) fn is_there(fault: &Fault) -> bool {
    let Fault::Answer(answer) = fault else { return false };
    let said = ["already exist", "must be unique", "already associated"]
        .iter()
        .any(|text| answer.message.contains(text));
    answer.code == "ResourceInUse" || answer.code == "ValidationException" && said
}

/// Whether something is not there: "Requested resource not found."
pub(super) fn is_missing(fault: &Fault) -> bool {
    let Fault::Answer(answer) = fault else { return false };
    says_missing(&answer.code, &answer.message)
}

fn says_missing(code: &str, message: &str) -> bool {
    let said = ["not found", "does not exist", "Could not find"].iter().any(|said| message.contains(said));
    matches!(code, "ResourceNotFound" | "ResourceNotFoundException") || code == "ValidationException" && said
}

/// The bytes are those of no update.
pub(super) fn unreadable(error: &serde_json::Error) -> Error {
    Error::refused("sagemaker.unreadable", format!("this is no change of a run: {error}"))
        .with_hint("the spool may be damaged, or written by a later version")
}

/// Something else answered.
pub(super) fn not_an_answer(action: &str, url: &str) -> Error {
    let text = format!("{url} answered {action} with success, but not as AWS does");
    Error::unavailable("sagemaker.no_answer", text)
        .with_hint("see `endpoint_url`, `AWS_ENDPOINT_URL` and whether a proxy answers")
}

/// "is not within [14 days ago, 2 hours from now]"
pub(super) fn out_of_time(late: bool) -> Error {
    let (code, text) = if late {
        ("sagemaker.too_old", "AWS takes no points that are older than 14 days")
    } else {
        ("sagemaker.too_new", "the point is more than two hours ahead of the clock")
    };
    Error::refused(code, text).with_hint("see the clock of the machine, and how long the point had to wait")
}

/// An error of one point of `BatchPutMetrics`.
pub(super) fn of_point(code: &str, metric: &str, run: &str) -> Error {
    let text = format!("sagemaker:BatchPutMetrics on `{run}`: the metric `{metric}`: {code}");
    match code {
        // "The metric data failed validation."
        "VALIDATION_ERROR" => {
            Error::refused("sagemaker.metric", text).with_hint("see the name of the metric and its time")
        }
        // "The maximum amount of metrics per resource is exceeded."
        "METRIC_LIMIT_EXCEEDED" => Error::refused("sagemaker.metric_limit", text)
            .with_hint("log fewer different metrics in one run, or set `experiment_metrics = false`"),
        // "An internal error occured." "Multiple requests attempted to modify the same data simultaneously."
        _ => Error::unavailable("sagemaker.metric_unfinished", text)
            .with_hint("nothing to do: it is sent again"),
    }
}

/// What was to be uploaded is not as it was.
pub(super) fn changed(path: &str, what: &str) -> Error {
    Error::refused("artifact_changed", format!("{path} {what} since it was logged"))
        .with_hint("log it when it is written whole, or with a copy")
}
