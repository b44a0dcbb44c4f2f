//! Whether a delivery would work: every permission is tried with something that is not there, so nothing is changed.

use nethical_core::delivery::{Error, Kind};
use serde_json::{Value, json};

use super::runs::SageMaker;
use super::s3::Bucket;
use super::{errors, names};
use crate::support::aws::Context;

/// A name that no run has.
const NOBODY: &str = "nethical-check-of-what-is-not-there";

/// Who we are, what we may, and where artifacts go.
pub(super) async fn probe(sagemaker: &SageMaker) -> Result<String, Error> {
    let identity = sagemaker.api.control.identity(&sagemaker.api.environment).await;
    let mut denied = Vec::new();
    for (action, body) in calls() {
        note(tried(sagemaker, action, &body).await, action, &mut denied)?;
    }
    if sagemaker.config.training.is_some() {
        let body = json!({ "TrainingJobName": NOBODY });
        for action in ["sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob"] {
            note(tried(sagemaker, action, &body).await, action, &mut denied)?;
        }
    }
    if sagemaker.config.experiment_metrics {
        note(try_points(sagemaker).await, "sagemaker:BatchPutMetrics", &mut denied)?;
    }
    if sagemaker.config.cloudwatch_metrics {
        note(try_data(sagemaker).await, "cloudwatch:PutMetricData", &mut denied)?;
    }
    if let Some((service, name)) = sagemaker.api.bucket.as_ref().zip(sagemaker.config.bucket.as_deref()) {
        try_bucket(Bucket { service, name }, sagemaker, &mut denied).await?;
    }
    let who = identity.map(|arn| format!(", as {arn}")).unwrap_or_default();
    if denied.is_empty() {
        let bucket =
            sagemaker.config.bucket.as_ref().map(|bucket| format!(", bucket {bucket}")).unwrap_or_default();
        return Ok(format!("SageMaker in {}{bucket}{who}", sagemaker.api.region()));
    }
    let text = format!("not allowed in {}{who}: {}", sagemaker.api.region(), denied.join(", "));
    let hint = format!(
        "allow {} in the IAM policy of this identity",
        denied.iter().map(|action| format!("`{action}`")).collect::<Vec<_>>().join(", ")
    );
    Err(Error::new(Kind::Unauthorized, "aws.access_denied", text).with_hint(hint))
}

/// Calls that are answered with "not found" by whoever allows them.
fn calls() -> Vec<(&'static str, Value)> {
    vec![
        ("sagemaker:DescribeTrialComponent", json!({ "TrialComponentName": NOBODY })),
        ("sagemaker:DescribeTrial", json!({ "TrialName": NOBODY })),
        ("sagemaker:UpdateTrialComponent", json!({ "TrialComponentName": NOBODY })),
        ("sagemaker:CreateTrial", json!({ "TrialName": NOBODY, "ExperimentName": NOBODY })),
        ("sagemaker:AssociateTrialComponent", json!({ "TrialComponentName": NOBODY, "TrialName": NOBODY })),
    ]
}

async fn tried(sagemaker: &SageMaker, action: &'static str, body: &Value) -> Result<(), Error> {
    let context = Context { action, resource: "*" };
    match sagemaker.api.ask(&context, body).await {
        Ok(_) => Ok(()),
        Err(fault) if errors::is_missing(&fault) => Ok(()),
        Err(fault) => Err(errors::sort(fault, &context)),
    }
}

/// A permission that is missing is noted; that something is not there is what was asked for; the rest is an error.
fn note(tried: Result<(), Error>, action: &'static str, denied: &mut Vec<&'static str>) -> Result<(), Error> {
    match tried {
        Err(error) if error.code() == "aws.access_denied" => denied.push(action),
        Err(error) if error.is_endpoint_fault() => return Err(error),
        _ => {}
    }
    Ok(())
}

/// Points for a component that is not there.
async fn try_points(sagemaker: &SageMaker) -> Result<(), Error> {
    let context = Context { action: "sagemaker:BatchPutMetrics", resource: "*" };
    let point = super::wire::Point { name: "check".to_owned(), value: 0.0, step: 0, time: 0 };
    sagemaker
        .api
        .put_points(&context, &super::wire::put_points(NOBODY, std::iter::once(&point)))
        .await
        .map(drop)
}

/// A datum that has a value and values, which cannot be.
async fn try_data(sagemaker: &SageMaker) -> Result<(), Error> {
    let context = Context { action: "cloudwatch:PutMetricData", resource: "*" };
    let datum = json!({ "MetricName": "check", "Value": 0.0, "Values": [0.0] });
    let body = json!({ "Namespace": sagemaker.config.namespace, "MetricData": [datum] }).to_string();
    sagemaker.api.put_data(&context, body.into(), false).await
}

/// An upload in parts that is given up at once leaves nothing.
async fn try_bucket(
    bucket: Bucket<'_>,
    sagemaker: &SageMaker,
    denied: &mut Vec<&'static str>,
) -> Result<(), Error> {
    // Without the right to list it a bucket may still take objects.
    match bucket.look().await {
        Err(error) if error.code() != "aws.access_denied" => return Err(error),
        _ => {}
    }
    let key = format!("{}/{NOBODY}", sagemaker.config.prefix);
    debug_assert!(names::is_run(NOBODY));
    let begun = bucket.begin(&key).await;
    if let Ok(id) = &begun {
        note(bucket.abort(&key, id).await, "s3:AbortMultipartUpload", denied)?;
    }
    note(begun.map(drop), "s3:PutObject", denied)
}
