//! Points of metrics: `BatchPutMetrics` and `PutMetricData`.

use std::io::Read;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::limits::{self, Refused, object, refused};
use super::state::{Datum, Point, State};

const DAY: f64 = 86_400.0;

/// Whether a time is within what is taken: 14 days ago to two hours ahead.
fn is_of_now(time: f64) -> bool {
    let now = Timestamp::now().as_second() as f64;
    (now - 14.0 * DAY..=now + 7_200.0).contains(&time)
}

fn number(value: &Map<String, Value>, key: &str) -> Option<f64> {
    value.get(key)?.as_f64()
}

/// Put points to a component. Faults of single points are answered by their places.
pub(super) fn put_points(state: &mut State, body: &[u8]) -> Result<Value, Refused> {
    let bad = |text: &str| refused("ValidationException", text);
    let body = object(body, &["TrialComponentName", "MetricData"])?;
    let name = limits::name(&body, "TrialComponentName", 120)?;
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(bad("the name of the component must be in lower case"));
    }
    let points = body.get("MetricData").and_then(Value::as_array);
    let points = points.filter(|points| (1..=10).contains(&points.len()));
    let points = points.ok_or_else(|| bad("metricData must have length from 1 to 10"))?;
    let points: Option<Vec<_>> = points.iter().map(point).collect();
    let points = points.ok_or_else(|| bad("a member of metricData is outside its constraints"))?;
    if !state.components.contains_key(&name) {
        return Err(refused(
            "ResourceNotFoundException",
            &format!("Trial Component '{name}' does not exist."),
        ));
    }
    let mut errors = Vec::new();
    for (index, point) in points.into_iter().enumerate() {
        let draw = state.draw();
        let is_poison = state.behaviour.poison.as_ref().is_some_and(|poison| point.name.contains(poison));
        let code = match state.behaviour.failed_points_per_mille {
            _ if is_poison || !is_of_now(point.time) => Some("VALIDATION_ERROR"),
            failed if draw < failed && draw.is_multiple_of(2) => Some("INTERNAL_ERROR"),
            failed if draw < failed => Some("CONFLICT_ERROR"),
            _ => None,
        };
        match (code, state.components.get_mut(&name)) {
            (Some(code), _) => errors.push(json!({ "Code": code, "MetricIndex": index })),
            (None, Some(component)) => component.points.push(point),
            (None, None) => {}
        }
    }
    Ok(if errors.is_empty() { json!({}) } else { json!({ "Errors": errors }) })
}

fn point(value: &Value) -> Option<Point> {
    let value = value.as_object()?;
    let known = ["MetricName", "Timestamp", "Step", "Value"];
    let name = value.get("MetricName")?.as_str()?.to_owned();
    let fits =
        (1..=255).contains(&name.chars().count()) && value.keys().all(|key| known.contains(&key.as_str()));
    let step = value.get("Step")?.as_i64().filter(|step| (0..=i64::from(i32::MAX)).contains(step))?;
    let (time, number) = (number(value, "Timestamp")?, number(value, "Value")?);
    fits.then_some(Point { name, value: number, step, time })
}

/// Put data to CloudWatch: all of them or none.
pub(super) fn put_data(state: &mut State, body: &[u8], compressed: bool) -> Result<Value, Refused> {
    let bad = |text: &str| refused("InvalidParameterValue", text);
    if body.len() > 1 << 20 {
        return Err(refused("RequestEntityTooLargeException", "the request is larger than 1 MB"));
    }
    let mut plain = Vec::new();
    let read = if compressed {
        flate2::read::GzDecoder::new(body).read_to_end(&mut plain)
    } else {
        plain.extend_from_slice(body);
        Ok(0)
    };
    read.map_err(|error| refused("SerializationException", &error.to_string()))?;
    let body = object(&plain, &["Namespace", "MetricData"])?;
    let namespace = body.get("Namespace").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !(1..=255).contains(&namespace.len()) || namespace.starts_with(':') {
        return Err(bad("The value for parameter Namespace is invalid."));
    }
    let data =
        body.get("MetricData").and_then(Value::as_array).filter(|data| (1..=1_000).contains(&data.len()));
    let data =
        data.ok_or_else(|| bad("The collection MetricData must not have a size greater than 1000."))?;
    if data.iter().any(|datum| datum.get("Value").is_some() && datum.get("Values").is_some()) {
        let text =
            "The parameters MetricData.member.1.Value and MetricData.member.1.Values are mutually exclusive.";
        return Err(refused("InvalidParameterCombination", text));
    }
    let poison = state.behaviour.poison.clone();
    let mut taken = Vec::with_capacity(data.len());
    for (index, datum) in data.iter().enumerate() {
        let datum = self::datum(datum, &namespace, compressed);
        let datum = datum.filter(|datum| poison.as_ref().is_none_or(|poison| !datum.name.contains(poison)));
        let text = format!("The parameter MetricData.member.{}.Value is invalid.", index + 1);
        taken.push(datum.ok_or_else(|| bad(&text))?);
    }
    state.data.extend(taken);
    Ok(json!({}))
}

fn datum(value: &Value, namespace: &str, compressed: bool) -> Option<Datum> {
    let value = value.as_object()?;
    let known = ["MetricName", "Dimensions", "Timestamp", "Value", "Unit", "StorageResolution"];
    if !value.keys().all(|key| known.contains(&key.as_str())) {
        return None;
    }
    let name = value
        .get("MetricName")?
        .as_str()
        .filter(|name| (1..=255).contains(&name.chars().count()))?
        .to_owned();
    let number = number(value, "Value").filter(|number| number.abs() <= 2_f64.powi(360))?;
    let time = self::number(value, "Timestamp").filter(|time| is_of_now(*time))?;
    let dimensions = value.get("Dimensions")?.as_array().filter(|some| some.len() <= 30)?;
    let dimension = |dimension: &Value| {
        let (name, value) = (dimension.get("Name")?.as_str()?, dimension.get("Value")?.as_str()?);
        let fits = (1..=255).contains(&name.len()) && (1..=1_024).contains(&value.len());
        (fits && name.is_ascii() && value.is_ascii()).then(|| (name.to_owned(), value.to_owned()))
    };
    let dimensions = dimensions.iter().map(dimension).collect::<Option<_>>()?;
    Some(Datum { namespace: namespace.to_owned(), name, value: number, dimensions, time, compressed })
}
