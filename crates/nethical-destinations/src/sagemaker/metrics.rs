//! Points of metrics, to the component of their run and to CloudWatch.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{StreamExt, stream};
use nethical_core::delivery::{Error, Refusal, Unfinished, runtime};
use nethical_core::event::{EventId, RunChange, RunMetrics, Timestamp};
use serde_json::{Value, json};

use super::component::Component;
use super::deliver::{Item, Outcome};
use super::runs::{SageMaker, lock};
use super::wire::{self, Point};
use super::{errors, limits};
use crate::support::aws::Context;

/// Requests to the component of one run that are under way together.
const AT_ONCE: usize = 4;
/// Times that a point is sent again within one delivery, because only it was not taken.
const ROUNDS: u32 = 4;
/// Times in all that a point may be in conflict before it is taken for the point that is at fault.
const CONFLICTS: u32 = 20;
/// "We recommend compressing": bodies from this size on, as the SDKs do.
const COMPRESSED_FROM: usize = 10_240;
const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// What is done of an update with metrics.
#[derive(Debug, Default)]
pub(super) struct Progress {
    points: Vec<Point>,
    /// Which points the component has.
    put: Vec<bool>,
    /// Which points CloudWatch has.
    sent: Vec<bool>,
    conflicts: u32,
}

/// An update whose points the component has.
#[derive(Debug)]
pub(super) struct Measured {
    index: usize,
    id: EventId,
    dimensions: Value,
}

/// A point under way: its update and its place there.
#[derive(Clone)]
struct Outgoing {
    index: usize,
    id: EventId,
    place: usize,
    point: Point,
}

fn numbers(metrics: &RunMetrics) -> impl Iterator<Item = (&str, f64)> {
    metrics.values.0.iter().map(|(name, raw)| {
        let value = match raw.get() {
            "\"NaN\"" => f64::NAN,
            "\"Infinity\"" => f64::INFINITY,
            "\"-Infinity\"" => f64::NEG_INFINITY,
            number => number.parse().unwrap_or(f64::NAN),
        };
        (name.as_str(), value)
    })
}

/// Put the points of a run to its component, ten a call. What is taken is remembered, so that only the rest is repeated.
pub(super) async fn to_component(
    sagemaker: &SageMaker,
    run: &str,
    items: &[Item],
    component: &mut Component,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let measured = note(sagemaker, items, component, outcome);
    if sagemaker.config.experiment_metrics {
        put_all(sagemaker, run, outgoing(sagemaker, &measured), outcome).await?;
    }
    if sagemaker.config.cloudwatch_metrics {
        let dimensions = wire::dimensions(&sagemaker.config, run, component.experiment.as_deref());
        let measured = measured.into_iter().filter(|(index, _)| !outcome.is_refused(*index));
        let measured: Vec<_> =
            measured.map(|(index, id)| Measured { index, id, dimensions: dimensions.clone() }).collect();
        outcome.measured = measured;
    }
    Ok(())
}

/// Give every new point its step, and count what cannot be sent. Returns the updates with metrics.
fn note(
    sagemaker: &SageMaker,
    items: &[Item],
    component: &mut Component,
    outcome: &mut Outcome,
) -> Vec<(usize, EventId)> {
    let now = Timestamp::now().as_millisecond();
    let mut measured = Vec::new();
    let mut progress = lock(&sagemaker.progress);
    for Item { index, id, update } in items {
        let RunChange::Metrics(metrics) = &update.change else { continue };
        if update.time < now - 14 * DAY_MS || update.time > now + 2 * HOUR_MS {
            outcome.refuse(*index, errors::out_of_time(update.time < now));
            continue;
        }
        measured.push((*index, *id));
        progress.entry(*id).or_insert_with(|| {
            let mut points = Vec::new();
            for (name, value) in numbers(metrics) {
                if !value.is_finite() || value.abs() > limits::LARGEST {
                    component.count_not_finite(name, value);
                }
                let step = component.step(name, metrics.step);
                if value.is_finite() {
                    points.push(Point { name: name.to_owned(), value, step, time: update.time });
                }
            }
            let none = vec![false; points.len()];
            Progress { points, put: none.clone(), sent: none, conflicts: 0 }
        });
    }
    measured
}

fn outgoing(sagemaker: &SageMaker, measured: &[(usize, EventId)]) -> Vec<Outgoing> {
    let progress = lock(&sagemaker.progress);
    let of = |(index, id): &(usize, EventId)| {
        let (index, id) = (*index, *id);
        let known = progress.get(&id);
        let points = known.into_iter().flat_map(|known| known.points.iter().zip(&known.put).enumerate());
        let left = points.filter(|(_, (_, put))| !**put);
        left.map(move |(place, (point, _))| Outgoing { index, id, place, point: point.clone() })
            .collect::<Vec<_>>()
    };
    measured.iter().flat_map(of).collect()
}

/// Send points until each is taken or refused, or the service is at fault.
async fn put_all(
    sagemaker: &SageMaker,
    run: &str,
    mut left: Vec<Outgoing>,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    for round in 0..ROUNDS {
        if round > 0 {
            tokio::time::sleep(Duration::from_millis(50 << round)).await;
        }
        let chunks: Vec<_> = left.chunks(limits::POINTS).map(<[_]>::to_vec).collect();
        let put = stream::iter(chunks).map(|chunk| put(sagemaker, run, chunk)).buffer_unordered(AT_ONCE);
        let results: Vec<_> = put.collect().await;
        let (mut fault, mut again) = (None, Vec::new());
        for result in results {
            match result {
                Ok((refused, unfinished)) => {
                    refused.into_iter().for_each(|(point, error)| outcome.refuse(point.index, error));
                    again.extend(unfinished);
                }
                Err(error) => fault = Some(error),
            }
        }
        if let Some(error) = fault {
            return Err(error);
        }
        let Some((_, error)) = again.last().filter(|_| round + 1 == ROUNDS || again.is_empty()) else {
            left = again.into_iter().map(|(point, _)| point).collect();
            if left.is_empty() {
                return Ok(());
            }
            continue;
        };
        return Err(error.clone());
    }
    Ok(())
}

type Failed = Vec<(Outgoing, Error)>;

/// One call for at most ten points. Returns those that were refused, and those that are to be sent again.
async fn put(sagemaker: &SageMaker, run: &str, points: Vec<Outgoing>) -> Result<(Failed, Failed), Error> {
    let resource = format!("component `{run}`");
    let context = Context { action: "sagemaker:BatchPutMetrics", resource: &resource };
    let (mut refused, mut again, mut parts) = (Vec::new(), Vec::new(), vec![points]);
    while let Some(part) = parts.pop() {
        let body = wire::put_points(run, part.iter().map(|outgoing| &outgoing.point));
        match sagemaker.api.put_points(&context, &body).await {
            Ok(answer) => {
                let url = sagemaker.api.metrics_url();
                let errors =
                    wire::point_errors(&answer).ok_or_else(|| errors::not_an_answer(context.action, url))?;
                settle(sagemaker, run, part, &errors, &mut refused, &mut again);
            }
            Err(error) if error.is_endpoint_fault() => return Err(error),
            Err(error) => match &part[..] {
                [] => {}
                [one] => refused.push((one.clone(), error)),
                some => {
                    let (first, rest) = some.split_at(some.len() / 2);
                    parts.extend([rest.to_vec(), first.to_vec()]);
                }
            },
        }
    }
    Ok((refused, again))
}

/// Note which points were taken, and sort those that were not.
fn settle(
    sagemaker: &SageMaker,
    run: &str,
    points: Vec<Outgoing>,
    errors: &[(usize, String)],
    refused: &mut Failed,
    again: &mut Failed,
) {
    let mut progress = lock(&sagemaker.progress);
    for (number, outgoing) in points.into_iter().enumerate() {
        let Some(known) = progress.get_mut(&outgoing.id) else { continue };
        let Some((_, code)) = errors.iter().find(|(index, _)| *index == number) else {
            known.put.iter_mut().skip(outgoing.place).take(1).for_each(|put| *put = true);
            continue;
        };
        let error = errors::of_point(code, &outgoing.point.name, run);
        known.conflicts += u32::from(code == "CONFLICT_ERROR");
        if error.is_endpoint_fault() && known.conflicts < CONFLICTS {
            again.push((outgoing, error));
        } else {
            let error = Error::refused("sagemaker.metric", error.message()).with_hint(
                "see the name of the metric and its time; others of the same update may have arrived",
            );
            refused.push((outgoing, error));
        }
    }
}

/// Put points to CloudWatch, a thousand a call, whatever runs they are of.
pub(super) async fn to_cloudwatch(sagemaker: &SageMaker, measured: Vec<Measured>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut parts = data(sagemaker, &measured);
    parts.reverse();
    while let Some(part) = parts.pop() {
        match send(sagemaker, &part).await {
            Ok(()) => mark_sent(sagemaker, &part),
            Err(error) if error.is_endpoint_fault() => {
                let left = parts.iter().chain([&part]).flatten().map(|datum| datum.index);
                outcome.unfinished = Some(Unfinished { indices: left.collect(), error });
                break;
            }
            Err(error) => match &part[..] {
                [] => {}
                [one] => outcome.refused.push(Refusal { index: one.index, error }),
                some => {
                    let (first, rest) = some.split_at(some.len() / 2);
                    parts.extend([rest.to_vec(), first.to_vec()]);
                }
            },
        }
    }
    outcome
}

/// A datum under way.
#[derive(Clone)]
struct Datum {
    index: usize,
    id: EventId,
    place: usize,
    json: String,
}

/// The data that CloudWatch does not have, in parts that one call holds.
fn data(sagemaker: &SageMaker, measured: &[Measured]) -> Vec<Vec<Datum>> {
    let progress = lock(&sagemaker.progress);
    let (mut parts, mut bytes): (Vec<Vec<Datum>>, usize) = (Vec::new(), 0);
    for Measured { index, id, dimensions } in measured {
        let Some(known) = progress.get(id) else { continue };
        for (place, (point, sent)) in known.points.iter().zip(&known.sent).enumerate() {
            if *sent || point.value.abs() > limits::LARGEST {
                continue;
            }
            let datum =
                Datum { index: *index, id: *id, place, json: wire::datum(point, dimensions).to_string() };
            let size = datum.json.len() + 1;
            let fits =
                |part: &&mut Vec<Datum>| part.len() < limits::DATA && bytes + size <= limits::DATA_BYTES;
            match parts.last_mut().filter(fits) {
                Some(part) => {
                    bytes += size;
                    part.push(datum);
                }
                None => {
                    bytes = size + 512;
                    parts.push(vec![datum]);
                }
            }
        }
    }
    parts
}

async fn send(sagemaker: &SageMaker, data: &[Datum]) -> Result<(), Error> {
    let namespace = json!(sagemaker.config.namespace).to_string();
    let data: Vec<_> = data.iter().map(|datum| datum.json.as_str()).collect();
    let body = format!("{{\"Namespace\":{namespace},\"MetricData\":[{}]}}", data.join(","));
    let gzip = body.len() >= COMPRESSED_FROM;
    let body = if gzip { runtime::blocking(move || compressed(&body)).await? } else { body.into() };
    let resource = format!("namespace `{}`", sagemaker.config.namespace);
    let context = Context { action: "cloudwatch:PutMetricData", resource: &resource };
    sagemaker.api.put_data(&context, body, gzip).await
}

fn compressed(body: &str) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::default());
    // A vector takes all that is written.
    let _ = encoder.write_all(body.as_bytes());
    encoder.finish().unwrap_or_default().into()
}

fn mark_sent(sagemaker: &SageMaker, data: &[Datum]) {
    let mut progress = lock(&sagemaker.progress);
    for datum in data {
        if let Some(known) = progress.get_mut(&datum.id) {
            known.sent.iter_mut().skip(datum.place).take(1).for_each(|sent| *sent = true);
        }
    }
}
