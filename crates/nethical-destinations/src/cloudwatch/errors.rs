//! What CloudWatch Logs answers, and what it means for the events.

use nethical_core::delivery::{Error, Kind};

use crate::support::aws::{Context, Fault};

/// Sort what became of a call. `about_events`: the call carried events, so a wrong parameter is one of theirs.
pub(super) fn sort(fault: Fault, context: &Context<'_>, about_events: bool) -> Error {
    let Fault::Answer(answer) = &fault else { return fault.sorted(context) };
    let Context { action, resource } = *context;
    let text = format!("{action} on {resource}: {}: {}", answer.code, answer.message);
    let names = ["logGroupName", "logStreamName"].iter().any(|name| answer.message.contains(name));
    match (&*answer.code, answer.status) {
        // "A parameter is specified incorrectly."
        ("InvalidParameterException" | "ValidationException" | "SerializationException", _)
            if about_events && !names =>
        {
            Error::refused("cloudwatch.invalid", text)
                .with_hint("see what the entry has that CloudWatch does not take")
        }
        ("InvalidParameterException" | "ValidationException", _) => {
            Error::config("cloudwatch.invalid_setting", text)
                .with_hint("see `log_group`, `log_stream` and the options beside them")
        }
        (_, 413) => Error::refused("cloudwatch.too_large", text)
            .with_hint("a proxy in between may take less than CloudWatch"),
        // "You have reached the maximum number of resources that can be created."
        ("LimitExceededException", _) => Error::unavailable("cloudwatch.limit", text)
            .with_hint("delete log groups that nobody needs, or ask for a higher quota in Service Quotas"),
        // "Multiple concurrent requests to update the same resource were in conflict."
        ("OperationAbortedException", _) => {
            Error::unavailable("cloudwatch.conflict", text).with_hint("nothing to do: it is tried again")
        }
        // "The specified resource does not exist."
        ("ResourceNotFoundException", _) => Error::unavailable("cloudwatch.not_found", text)
            .with_hint("nothing to do if it was just created: it takes a moment until all of AWS knows it"),
        _ => fault.sorted(context),
    }
}

/// The log group or stream is missing, and is not to be created. "The specified log stream does not exist."
pub(super) fn missing(fault: &Fault, group: &str, stream: &str, region: &str) -> Error {
    let is_stream = matches!(fault, Fault::Answer(answer) if answer.message.contains("log stream"));
    let text = match is_stream {
        true => format!("log group `{group}` in {region} has no log stream `{stream}`"),
        false => format!("there is no log group `{group}` in {region}"),
    };
    Error::config("cloudwatch.not_found", text)
        .with_hint("create it, or leave out `create = false`; see whether `region` is the right one")
}

/// Something else answered.
pub(super) fn not_an_answer(url: &str) -> Error {
    let text = format!("{url} answered with success, but not as CloudWatch Logs does");
    Error::new(Kind::Unavailable, "cloudwatch.no_answer", text)
        .with_hint("see `endpoint_url`, `AWS_ENDPOINT_URL` and whether a proxy answers")
}

/// "Log events [...] can't be older than 14 days."
pub(super) fn too_old() -> Error {
    Error::refused("cloudwatch.too_old", "CloudWatch takes no entries that are older than 14 days")
        .with_hint("write old entries to another destination, such as `jsonl`")
}

/// "[...] or older than the retention period of the log group."
pub(super) fn expired() -> Error {
    Error::refused("cloudwatch.expired", "the entry is older than what the log group keeps")
        .with_hint("raise the retention of the log group")
}

/// "None of the log events in the batch can be more than 2 hours in the future."
pub(super) fn too_new() -> Error {
    Error::refused(
        "cloudwatch.too_new",
        "the entry's time is more than two hours ahead of CloudWatch's clock",
    )
    .with_hint("see the clock of the machine, and whether local time was taken for UTC")
}

/// Times are counted from 1970.
pub(super) fn before_1970() -> Error {
    Error::refused(
        "cloudwatch.before_1970",
        "the entry's time is before 1970, which CloudWatch cannot write down",
    )
    .with_hint("see where the time of the entry comes from")
}
