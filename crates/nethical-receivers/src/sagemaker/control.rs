//! Experiments, trials and components.

use serde_json::{Map, Value, json};

use super::limits::{self, Refused, invalid, object, refused};
use super::state::{Component, State, Trial};
use super::{Behaviour, jobs};

const ACCOUNT: &str = "arn:aws:sagemaker:us-east-1:123456789012";

pub(super) fn operate(state: &mut State, operation: &str, body: &[u8]) -> Result<Value, Refused> {
    match operation {
        "CreateExperiment" => create_experiment(state, body),
        "CreateTrial" => create_trial(state, body),
        "DescribeTrial" => describe_trial(state, body),
        "CreateTrialComponent" => create_component(state, body),
        "DescribeTrialComponent" => describe_component(state, body),
        "UpdateTrialComponent" => update_component(state, body),
        "AssociateTrialComponent" => associate(state, body),
        "AddTags" => add_tags(state, body),
        "CreateTrainingJob" => jobs::create(state, body),
        "DescribeTrainingJob" => jobs::describe(state, body),
        "StopTrainingJob" => jobs::stop(state, body),
        other => Err(refused("UnknownOperationException", other)),
    }
}

fn there(what: &str, name: &str) -> Refused {
    refused(
        "ValidationException",
        &format!(
            "{what} names must be unique within an AWS account and region. {what} with name ({name}) already exists."
        ),
    )
}

fn missing(what: &str, name: &str) -> Refused {
    refused("ResourceNotFound", &format!("{what} '{name}' does not exist."))
}

fn create_experiment(state: &mut State, body: &[u8]) -> Result<Value, Refused> {
    let body = object(body, &["ExperimentName", "DisplayName", "Description", "Tags"])?;
    let name = limits::name(&body, "ExperimentName", 120)?;
    limits::display_name(&body)?;
    limits::line(&body, "Description", 3_072)?;
    limits::tags(&body)?;
    if state.experiments.contains_key(&name) {
        return Err(there("Experiment", &name));
    }
    state.experiments.insert(name.clone(), body.into());
    Ok(json!({ "ExperimentArn": format!("{ACCOUNT}:experiment/{name}") }))
}

fn create_trial(state: &mut State, body: &[u8]) -> Result<Value, Refused> {
    let body = object(body, &["TrialName", "DisplayName", "ExperimentName", "MetadataProperties", "Tags"])?;
    let name = limits::name(&body, "TrialName", 120)?;
    let experiment = limits::name(&body, "ExperimentName", 120)?;
    limits::display_name(&body)?;
    limits::tags(&body)?;
    if !state.experiments.contains_key(&experiment) {
        return Err(missing("Experiment", &experiment));
    }
    if state.trials.contains_key(&name) {
        return Err(there("Trial", &name));
    }
    state.trials.insert(name.clone(), Trial { experiment });
    Ok(json!({ "TrialArn": format!("{ACCOUNT}:experiment-trial/{name}") }))
}

fn describe_trial(state: &State, body: &[u8]) -> Result<Value, Refused> {
    let body = object(body, &["TrialName"])?;
    let name = limits::name(&body, "TrialName", 120)?;
    let trial = state.trials.get(&name).ok_or_else(|| missing("Trial", &name))?;
    Ok(json!({ "TrialName": name, "ExperimentName": trial.experiment }))
}

const FIELDS: [&str; 10] = [
    "TrialComponentName",
    "DisplayName",
    "Status",
    "StartTime",
    "EndTime",
    "Parameters",
    "InputArtifacts",
    "OutputArtifacts",
    "MetadataProperties",
    "Tags",
];

/// What a request says of a component.
fn said(body: &Map<String, Value>) -> Result<Component, Refused> {
    const STATUSES: [&str; 5] = ["InProgress", "Completed", "Failed", "Stopping", "Stopped"];
    let status = body.get("Status").cloned();
    if let Some(status) = &status {
        let status = status.as_object().ok_or_else(|| invalid("status"))?;
        limits::line(status, "Message", 1_024)?;
        let primary = status.get("PrimaryStatus").and_then(Value::as_str).unwrap_or_default();
        if !STATUSES.contains(&primary) || status.len() > 2 {
            return Err(invalid("status.primaryStatus"));
        }
    }
    let time = |key: &str| match body.get(key) {
        Some(time) if !time.is_number() => Err(refused("SerializationException", key)),
        time => Ok(time.cloned()),
    };
    Ok(Component {
        display_name: limits::display_name(body)?,
        status,
        start: time("StartTime")?,
        end: time("EndTime")?,
        parameters: limits::entries(body, "Parameters", 300, 320, limits::is_parameter)?,
        inputs: limits::entries(body, "InputArtifacts", 60, 128, limits::is_artifact)?,
        outputs: limits::entries(body, "OutputArtifacts", 60, 128, limits::is_artifact)?,
        tags: limits::tags(body)?.into_iter().collect(),
        ..Component::default()
    })
}

fn create_component(state: &mut State, body: &[u8]) -> Result<Value, Refused> {
    let body = object(body, &FIELDS)?;
    let name = limits::name(&body, "TrialComponentName", 120)?;
    let component = said(&body)?;
    if state.components.contains_key(&name) {
        return Err(there("Trial Component", &name));
    }
    state.components.insert(name.clone(), component);
    Ok(json!({ "TrialComponentArn": arn(&name) }))
}

fn arn(name: &str) -> String {
    format!("{ACCOUNT}:experiment-trial-component/{name}")
}

fn describe_component(state: &State, body: &[u8]) -> Result<Value, Refused> {
    let body = object(body, &["TrialComponentName"])?;
    let name = limits::name(&body, "TrialComponentName", 120)?;
    let component = state.components.get(&name).ok_or_else(|| missing("Trial Component", &name))?;
    let mut counts: Vec<(&str, i64)> = Vec::new();
    for point in &component.points {
        match counts.iter_mut().find(|(name, _)| *name == point.name) {
            Some((_, count)) => *count += 1,
            None => counts.push((&point.name, 1)),
        }
    }
    let metrics: Vec<_> =
        counts.iter().map(|(name, count)| json!({ "MetricName": name, "Count": count })).collect();
    Ok(json!({
        "TrialComponentName": name, "TrialComponentArn": arn(&name), "DisplayName": component.display_name,
        "Status": component.status, "StartTime": component.start, "EndTime": component.end,
        "Parameters": component.parameters, "InputArtifacts": component.inputs,
        "OutputArtifacts": component.outputs, "Metrics": metrics,
    }))
}

fn update_component(state: &mut State, body: &[u8]) -> Result<Value, Refused> {
    let removed = ["ParametersToRemove", "InputArtifactsToRemove", "OutputArtifactsToRemove"];
    let known: Vec<_> = FIELDS.iter().take(8).chain(&removed).copied().collect();
    let body = object(body, &known)?;
    let name = limits::name(&body, "TrialComponentName", 120)?;
    let new = said(&body)?;
    let conflict = state.draw() < state.behaviour.conflicts_per_mille;
    let Behaviour { replaces, .. } = state.behaviour;
    let component = state.components.get_mut(&name).ok_or_else(|| missing("Trial Component", &name))?;
    if conflict {
        return Err(refused(
            "ConflictException",
            "There was a conflict when you attempted to modify the entity.",
        ));
    }
    let mut after = component.clone();
    let maps = [
        (&mut after.parameters, new.parameters, 300),
        (&mut after.inputs, new.inputs, 60),
        (&mut after.outputs, new.outputs, 60),
    ];
    for ((old, new, most), removed) in maps.into_iter().zip(removed) {
        let gone =
            body.get(removed).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        gone.for_each(|key| drop(old.remove(key)));
        if replaces {
            *old = new;
        } else {
            old.extend(new);
        }
        if old.len() > most {
            return Err(invalid("parameters or artifacts"));
        }
    }
    if replaces {
        (after.display_name, after.start) = (new.display_name, new.start);
    } else {
        after.display_name = new.display_name.or(after.display_name);
        after.start = new.start.or(after.start);
    }
    after.status = new.status.or(after.status);
    after.end = new.end.or(after.end);
    *component = after;
    Ok(json!({ "TrialComponentArn": arn(&name) }))
}

fn associate(state: &mut State, body: &[u8]) -> Result<Value, Refused> {
    let body = object(body, &["TrialComponentName", "TrialName"])?;
    let (name, trial) =
        (limits::name(&body, "TrialComponentName", 120)?, limits::name(&body, "TrialName", 120)?);
    if !state.trials.contains_key(&trial) {
        return Err(missing("Trial", &trial));
    }
    let component = state.components.get_mut(&name).ok_or_else(|| missing("Trial Component", &name))?;
    component.trials.insert(trial);
    Ok(json!({ "TrialComponentArn": arn(&name) }))
}

fn add_tags(state: &mut State, body: &[u8]) -> Result<Value, Refused> {
    let body = object(body, &["ResourceArn", "Tags"])?;
    let tags = limits::tags(&body)?;
    let resource = body.get("ResourceArn").and_then(Value::as_str).unwrap_or_default();
    let name = resource.rsplit('/').next().unwrap_or_default();
    let component = state.components.get_mut(name).filter(|_| resource == arn(name));
    let component = component.ok_or_else(|| missing("Resource", resource))?;
    component.tags.extend(tags);
    if component.tags.len() > 50 {
        return Err(refused("ValidationException", "The number of tags exceeds the limit of 50."));
    }
    Ok(json!({ "Tags": body.get("Tags") }))
}
