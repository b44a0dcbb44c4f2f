//! Which service a request is for, over HTTP.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::limits::Refused;
use super::state::State;
use super::{Trouble, control, metrics, s3};
use crate::http::{Answer, Handler, Request};

/// An answer of success.
pub(super) struct Done(Answer);

impl From<Answer> for Done {
    fn from(answer: Answer) -> Self {
        Self(answer)
    }
}

impl From<Value> for Done {
    fn from(value: Value) -> Self {
        Self(Answer::json(200, &value))
    }
}

/// How a service writes its errors.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Xml,
}

type Operate = fn(&mut State, &str, &Request) -> Result<Done, Refused>;

/// A call: its name, what signatures call its service, how errors are written, and what does it.
struct Call<'r> {
    operation: &'r str,
    service: &'static str,
    form: Form,
    operate: Operate,
}

fn call(request: &Request) -> Call<'_> {
    let target = request.header("x-amz-target").unwrap_or_default();
    let kind = request.header("content-type").unwrap_or_default();
    if let Some(operation) = target.strip_prefix("SageMaker.") {
        let operate: Operate = |state, operation, request| {
            state.allow(&format!("sagemaker:{operation}"))?;
            control::operate(state, operation, &request.body).map(Done::from)
        };
        return Call { operation, service: "sagemaker", form: Form::Json, operate };
    }
    if target == "GraniteServiceVersion20100801.PutMetricData" {
        let operate: Operate = |state, _, request| {
            state.allow("cloudwatch:PutMetricData")?;
            let compressed = request.header("content-encoding") == Some("gzip");
            metrics::put_data(state, &request.body, compressed).map(Done::from)
        };
        return Call { operation: "PutMetricData", service: "monitoring", form: Form::Json, operate };
    }
    if (&*request.method, request.path()) == ("PUT", "/BatchPutMetrics") {
        let operate: Operate = |state, _, request| {
            state.allow("sagemaker:BatchPutMetrics")?;
            metrics::put_points(state, &request.body).map(Done::from)
        };
        return Call { operation: "BatchPutMetrics", service: "sagemaker", form: Form::Json, operate };
    }
    if kind.starts_with("application/x-www-form-urlencoded") {
        let operate: Operate = |state, _, request| {
            let (status, text) = state.behaviour.access.caller(request);
            Ok(Answer::new(status).body(text).into())
        };
        return Call { operation: "GetCallerIdentity", service: "sts", form: Form::Xml, operate };
    }
    Call { operation: s3::operation(request), service: "s3", form: Form::Xml, operate: s3::operate }
}

impl Handler for Mutex<State> {
    fn answer(&self, request: Request) -> Answer {
        let mut state = self.lock().unwrap_or_else(PoisonError::into_inner);
        let Call { operation, service, form, operate } = call(&request);
        let trouble = state.trouble(operation);
        match trouble {
            Some(Trouble::Throttle) => {
                return error(form, &("ThrottlingException", "Rate exceeded".to_owned()));
            }
            Some(Trouble::Unavailable) => return error(form, &("ServiceUnavailable", String::new())),
            Some(Trouble::DropRequest) => return Answer::close(),
            Some(Trouble::DropAnswer) | None => {}
        }
        let done = state.identify(&request, service).and_then(|()| operate(&mut state, operation, &request));
        match done {
            Ok(_) if trouble.is_some() => Answer::close(),
            Ok(Done(answer)) => answer,
            Err(refused) => {
                if is_violation(&refused) {
                    state.violations.push(format!("{operation}: {}: {}", refused.0, refused.1));
                }
                error(form, &refused)
            }
        }
    }
}

/// Whether the request was outside a limit, rather than early, late, forbidden or unlucky.
fn is_violation((code, message): &Refused) -> bool {
    let of_limits = [
        "ValidationException",
        "SerializationException",
        "InvalidParameterValue",
        "InvalidArgument",
        "InvalidRequest",
        "EntityTooSmall",
        "BadDigest",
        "XAmzContentSHA256Mismatch",
        "RequestEntityTooLargeException",
        "UnknownOperationException",
        "InvalidSignatureException",
        "IncompleteSignatureException",
        "MissingAuthenticationTokenException",
        "KeyTooLongError",
    ];
    of_limits.contains(code) && !message.contains("already exists") && !message.contains("not found")
}

fn error(form: Form, (code, message): &Refused) -> Answer {
    let status = match *code {
        "ServiceUnavailable" => 503,
        "InternalError" => 500,
        "AccessDenied" => 403,
        "NoSuchBucket" | "NoSuchUpload" => 404,
        _ => 400,
    };
    match form {
        Form::Json => Answer::json(status, &json!({ "__type": code, "message": message })),
        Form::Xml => Answer::new(status)
            .header("content-type", "application/xml")
            .body(format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>")),
    }
}
