//! Training jobs: followed while this process lives, and stopped on demand.

use std::sync::Arc;
use std::time::Duration;

use nethical_core::delivery::{Error, runtime};
use nethical_core::event::{RunChange, Timestamp};
use nethical_core::tracking::RunStatus;
use serde_json::{Value, json};

use super::deliver::{Item, Outcome};
use super::runs::{Known, SageMaker};
use super::wire::{self, Point};
use super::{errors, limits};
use crate::support::aws::Context;

/// A training job of a run.
#[derive(Debug, Default, Clone)]
pub(super) struct Job {
    /// Somebody looks after it.
    followed: bool,
    /// It came to its end, and the run shows it.
    ended: bool,
}

/// What a job says of itself.
#[derive(Debug)]
struct Seen {
    /// "TrainingJobStatus: InProgress | Completed | Failed | Stopping | Stopped"
    status: String,
    reason: Option<String>,
    end: Option<Value>,
    model: Option<String>,
    metrics: Vec<Point>,
}

impl Seen {
    fn read(answer: &Value) -> Option<Self> {
        let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let metric = |metric: &Value| {
            let seconds = metric.get("Timestamp").and_then(Value::as_f64);
            Some(Point {
                name: metric.get("MetricName")?.as_str()?.to_owned(),
                value: metric.get("Value")?.as_f64().filter(|value| value.is_finite())?,
                step: 0,
                time: seconds
                    .map_or_else(|| Timestamp::now().as_millisecond(), |seconds| (seconds * 1_000.0) as i64),
            })
        };
        let metrics = answer.get("FinalMetricDataList").and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            status: text("/TrainingJobStatus")?,
            reason: text("/FailureReason").or_else(|| text("/SecondaryStatus")),
            end: answer.get("TrainingEndTime").filter(|time| time.is_number()).cloned(),
            model: text("/ModelArtifacts/S3ModelArtifacts"),
            metrics: metrics.filter_map(metric).collect(),
        })
    }

    fn is_end(&self) -> bool {
        matches!(&*self.status, "Completed" | "Failed" | "Stopped")
    }
}

/// After the changes of a run: stop its job if the run was killed, and see that somebody follows it.
pub(super) async fn follow_up(
    sagemaker: &Arc<SageMaker>,
    run: &str,
    items: &[Item],
    known: &mut Known,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let Some(training) = &sagemaker.config.training else { return Ok(()) };
    let resumed = items.iter().any(|item| matches!(item.update.change, RunChange::Resume {}));
    let killed = |item: &&Item| matches!(item.update.change, RunChange::End { status: RunStatus::Killed });
    let killed = items.iter().find(killed);
    if (resumed || killed.is_some()) && known.job.is_none() && describe(sagemaker, run).await?.is_some() {
        known.job = Some(Job::default());
    }
    if known.job.is_none() {
        return Ok(());
    }
    if let Some(item) = killed
        && let Err(error) = stop(sagemaker, run).await
    {
        if error.is_endpoint_fault() {
            return Err(error);
        }
        outcome.refuse(item.index, error);
    }
    if items.iter().any(|item| matches!(item.update.change, RunChange::End { .. })) {
        look(sagemaker, run, known).await?;
    }
    if let Some(job) = known.job.as_mut().filter(|job| !job.followed && !job.ended) {
        job.followed = true;
        let wait = Duration::from_secs(u64::from(training.poll_seconds));
        runtime::handle()?.spawn(follow(
            Arc::downgrade(sagemaker),
            run.to_owned(),
            sagemaker.known(run),
            wait,
        ));
    }
    Ok(())
}

/// Look at a job until it has ended, or this process no longer delivers.
async fn follow(
    sagemaker: std::sync::Weak<SageMaker>,
    run: String,
    known: Arc<tokio::sync::Mutex<Known>>,
    wait: Duration,
) {
    loop {
        let Some(sagemaker) = sagemaker.upgrade() else { return };
        let looked = look(&sagemaker, &run, &mut *known.lock().await).await;
        match looked {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => {
                let hint = error.hint().unwrap_or_default();
                tracing::warn!(target: "nethical", hint, "sagemaker: the training job `{run}` cannot be followed: {error}");
                if !error.is_endpoint_fault() {
                    return;
                }
            }
        }
        drop(sagemaker);
        tokio::time::sleep(wait).await;
    }
}

/// Have the run show how its job stands. `true`: it has ended.
async fn look(sagemaker: &SageMaker, run: &str, known: &mut Known) -> Result<bool, Error> {
    if known.job.as_ref().is_none_or(|job| job.ended) {
        return Ok(true);
    }
    let Some(seen) = describe(sagemaker, run).await? else { return Ok(true) };
    let Some(before) = known.component.clone() else { return Ok(true) };
    if seen.is_end() && sagemaker.config.experiment_metrics && !seen.metrics.is_empty() {
        put_final(sagemaker, run, &seen.metrics).await?;
    }
    let mut after = before;
    show(&mut after, &seen);
    sagemaker.update(run, &known.sent, &after).await?;
    known.sent = after.clone();
    known.component = Some(after);
    if let Some(job) = known.job.as_mut().filter(|_| seen.is_end()) {
        (job.ended, job.followed) = (true, false);
    }
    Ok(seen.is_end())
}

fn show(component: &mut super::component::Component, seen: &Seen) {
    component.status = Some(seen.status.clone());
    component.message.clone_from(&seen.reason);
    if seen.is_end() {
        component.end = seen.end.clone().or_else(|| component.end.take());
        if let Some(model) = &seen.model {
            component.add_output("model".to_owned(), wire::artifact(model));
        }
    }
}

async fn put_final(sagemaker: &SageMaker, run: &str, points: &[Point]) -> Result<(), Error> {
    let resource = format!("component `{run}`");
    let context = Context { action: "sagemaker:BatchPutMetrics", resource: &resource };
    for some in points.chunks(limits::POINTS) {
        let answer = sagemaker.api.put_points(&context, &wire::put_points(run, some.iter())).await?;
        let errors = wire::point_errors(&answer)
            .ok_or_else(|| errors::not_an_answer(context.action, sagemaker.api.metrics_url()))?;
        for (index, code) in errors {
            let name = some.get(index).map_or("", |point| &point.name);
            let error = errors::of_point(&code, name, run);
            if error.is_endpoint_fault() {
                return Err(error);
            }
            tracing::warn!(target: "nethical", "{error}");
        }
    }
    Ok(())
}

/// How a job stands. `None`: there is none.
async fn describe(sagemaker: &SageMaker, run: &str) -> Result<Option<Seen>, Error> {
    let resource = format!("training job `{run}`");
    let context = Context { action: "sagemaker:DescribeTrainingJob", resource: &resource };
    match sagemaker.api.ask(&context, &json!({ "TrainingJobName": run })).await {
        Ok(answer) => {
            let seen = Seen::read(&answer);
            seen.map(Some)
                .ok_or_else(|| errors::not_an_answer(context.action, sagemaker.api.control.endpoint().url()))
        }
        Err(fault) if errors::is_missing(&fault) => Ok(None),
        Err(fault) => Err(errors::sort(fault, &context)),
    }
}

/// Stop a job. One that has ended is stopped.
async fn stop(sagemaker: &SageMaker, run: &str) -> Result<(), Error> {
    if describe(sagemaker, run).await?.is_none_or(|seen| seen.is_end() || seen.status == "Stopping") {
        return Ok(());
    }
    let resource = format!("training job `{run}`");
    let context = Context { action: "sagemaker:StopTrainingJob", resource: &resource };
    sagemaker.api.do_it(&context, &json!({ "TrainingJobName": run })).await.map(drop)
}
