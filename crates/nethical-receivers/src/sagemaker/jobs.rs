//! Training jobs.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::limits::{self, Refused, invalid, object, refused};
use super::state::{Job, State};

const FIELDS: [&str; 10] = [
    "TrainingJobName",
    "AlgorithmSpecification",
    "RoleArn",
    "OutputDataConfig",
    "ResourceConfig",
    "StoppingCondition",
    "HyperParameters",
    "ExperimentConfig",
    "InputDataConfig",
    "Environment",
];

pub(super) fn create(state: &mut State, body: &[u8]) -> Result<Value, Refused> {
    let known: Vec<_> = FIELDS.iter().chain(&["Tags"]).copied().collect();
    let body = object(body, &known)?;
    let name = limits::name(&body, "TrainingJobName", 63)?;
    violation(&body).map_or(Ok(()), |what| Err(invalid(what)))?;
    limits::tags(&body)?;
    if state.behaviour.no_jobs {
        let text = "The account-level service limit 'ml.m5.large for training job usage' is 0 Instances.";
        return Err(refused("ResourceLimitExceeded", text));
    }
    if state.jobs.contains_key(&name) {
        return Err(refused(
            "ResourceInUse",
            "Training job names must be unique within an AWS account and region.",
        ));
    }
    state.jobs.insert(name.clone(), Job { request: body.into(), ..Job::default() });
    Ok(json!({ "TrainingJobArn": format!("arn:aws:sagemaker:us-east-1:123456789012:training-job/{name}") }))
}

/// What is outside a limit.
fn violation(body: &Map<String, Value>) -> Option<&'static str> {
    let text = |value: &Value, most| value.as_str().is_some_and(|text| limits::is_line(text, most));
    let map = |key: &str, most: usize, most_key: usize, most_value: usize| {
        body.get(key).is_none_or(|map| {
            map.as_object().is_some_and(|map| {
                map.len() <= most
                    && map
                        .iter()
                        .all(|(name, value)| limits::is_line(name, most_key) && text(value, most_value))
            })
        })
    };
    let at = |pointer: &str| {
        body.get(pointer.split('/').next()?)?.pointer(pointer.find('/').and_then(|at| pointer.get(at..))?)
    };
    let is_s3 =
        |value: &Value| value.as_str().is_some_and(|text| text.starts_with("s3://") && text.len() <= 1_024);
    let algorithm = [at("AlgorithmSpecification/TrainingImage"), at("AlgorithmSpecification/AlgorithmName")];
    let checks = [
        (
            body.get("RoleArn")
                .is_some_and(|role| text(role, 2_048) && role.as_str().is_some_and(|role| role.len() >= 20)),
            "roleArn",
        ),
        (at("OutputDataConfig/S3OutputPath").is_some_and(is_s3), "outputDataConfig.s3OutputPath"),
        (algorithm.iter().flatten().count() == 1, "algorithmSpecification"),
        (
            at("AlgorithmSpecification/TrainingInputMode").is_some(),
            "algorithmSpecification.trainingInputMode",
        ),
        (at("ResourceConfig/InstanceType").is_some_and(Value::is_string), "resourceConfig.instanceType"),
        (
            at("ResourceConfig/InstanceCount").and_then(Value::as_u64).is_some_and(|count| count >= 1),
            "resourceConfig.instanceCount",
        ),
        (
            at("StoppingCondition/MaxRuntimeInSeconds")
                .and_then(Value::as_u64)
                .is_some_and(|seconds| seconds >= 1),
            "stoppingCondition",
        ),
        (map("HyperParameters", 100, 256, 2_500), "hyperParameters"),
        (map("Environment", 100, 512, 512), "environment"),
        (
            body.get("InputDataConfig")
                .is_none_or(|some| some.as_array().is_some_and(|some| (1..=20).contains(&some.len()))),
            "inputDataConfig",
        ),
    ];
    checks.iter().find(|(good, _)| !good).map(|(_, what)| *what)
}

fn find<'s>(state: &'s mut State, body: &[u8]) -> Result<(String, &'s mut Job), Refused> {
    let body = object(body, &["TrainingJobName"])?;
    let name = limits::name(&body, "TrainingJobName", 63)?;
    match state.jobs.get_mut(&name) {
        Some(job) => Ok((name, job)),
        None => Err(refused("ValidationException", "Requested resource not found.")),
    }
}

pub(super) fn describe(state: &mut State, body: &[u8]) -> Result<Value, Refused> {
    let statuses = state.behaviour.job_statuses.clone();
    let (name, job) = find(state, body)?;
    let said = statuses.get(job.looks).or(statuses.last()).map_or("InProgress", String::as_str);
    job.looks += 1;
    let status = if job.stopped && said == "InProgress" { "Stopped" } else { said };
    let mut answer =
        json!({ "TrainingJobName": name, "TrainingJobStatus": status, "SecondaryStatus": status });
    if let Some(object) =
        answer.as_object_mut().filter(|_| ["Completed", "Failed", "Stopped"].contains(&status))
    {
        let now = Timestamp::now().as_second();
        object.insert("TrainingEndTime".to_owned(), json!(now));
        let model = json!({ "S3ModelArtifacts": format!("s3://models/{name}/output/model.tar.gz") });
        object.insert("ModelArtifacts".to_owned(), model);
        let metric = json!({ "MetricName": "train:loss", "Value": 0.25, "Timestamp": now });
        object.insert("FinalMetricDataList".to_owned(), json!([metric]));
        if status == "Failed" {
            object.insert("FailureReason".to_owned(), json!("AlgorithmError: exit code 1"));
        }
    }
    Ok(answer)
}

pub(super) fn stop(state: &mut State, body: &[u8]) -> Result<Value, Refused> {
    let (_, job) = find(state, body)?;
    job.stopped = true;
    Ok(json!({}))
}
