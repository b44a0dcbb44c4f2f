//! Carrying out what a batch asks for, run by run.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use nethical_core::delivery::{Batch, Error, Receipt, Refusal, Unfinished, runtime};
use nethical_core::event::{EventId, RunChange, RunStart, RunUpdate};
use nethical_core::tracking::RunStatus;
use serde_json::Value;

use super::component::Component;
use super::limits;
use super::metrics::{self, Measured};
use super::runs::{Known, SageMaker};
use super::wire;
use super::{artifacts, jobs};

/// Runs that are served at the same time.
const AT_ONCE: usize = 4;

/// A change of a run, and where it stands in the batch.
pub(super) struct Item {
    pub(super) index: usize,
    pub(super) id: EventId,
    pub(super) update: RunUpdate,
}

/// What became of the changes of a run.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) refused: Vec<Refusal>,
    pub(super) unfinished: Option<Unfinished>,
    /// Points for CloudWatch.
    pub(super) measured: Vec<Measured>,
    /// Artifacts that are in their place: by update, the name and what SageMaker is to know of it.
    pub(super) outputs: HashMap<usize, (String, Value)>,
}

impl Outcome {
    pub(super) fn refuse(&mut self, index: usize, error: Error) {
        if !self.is_refused(index) {
            self.refused.push(Refusal { index, error });
        }
    }

    pub(super) fn is_refused(&self, index: usize) -> bool {
        self.refused.iter().any(|refusal| refusal.index == index)
    }
}

/// Deliver a batch.
pub(super) async fn deliver(
    sagemaker: &Arc<SageMaker>,
    batch: &Batch,
    of_artifacts: bool,
) -> Result<Receipt, Error> {
    let events = batch.clone();
    let (runs, mut refused) = runtime::blocking(move || sort(&events)).await?;
    let served = stream::iter(runs)
        .map(|(run, items)| serve(sagemaker, run, items, of_artifacts))
        .buffer_unordered(AT_ONCE);
    let outcomes: Vec<_> = served.collect().await;
    let (mut left, mut fault, mut measured) = (Vec::new(), None, Vec::new());
    for outcome in outcomes {
        refused.extend(outcome.refused);
        measured.extend(outcome.measured);
        if let Some(unfinished) = outcome.unfinished {
            left.extend(unfinished.indices);
            fault = Some(unfinished.error);
        }
    }
    let sent = metrics::to_cloudwatch(sagemaker, measured).await;
    refused.extend(sent.refused);
    if let Some(unfinished) = sent.unfinished {
        left.extend(unfinished.indices);
        fault = Some(unfinished.error);
    }
    left.sort_unstable();
    left.dedup();
    left.retain(|index| !refused.iter().any(|refusal| refusal.index == *index));
    let done = |index: &usize| left.binary_search(index).is_err();
    sagemaker.forget((0..batch.len()).filter(done).filter_map(|index| Some(batch.get(index)?.id())));
    match fault.filter(|_| !left.is_empty()) {
        None => Ok(Receipt { refused, ..Receipt::default() }),
        Some(error) if left.len() == batch.len() => Err(error),
        Some(error) => {
            let unfinished = Some(Unfinished { indices: left, error });
            Ok(Receipt { refused, unfinished, ..Receipt::default() })
        }
    }
}

type Runs = Vec<(String, Vec<Item>)>;

/// The changes by run, in their order, and what is no change.
fn sort(batch: &Batch) -> (Runs, Vec<Refusal>) {
    let (mut runs, mut refused): (Runs, _) = (Vec::new(), Vec::new());
    for (index, event) in batch.iter().enumerate() {
        let update = match event.run() {
            Ok(update) => update,
            Err(error) => {
                refused.push(Refusal { index, error: super::errors::unreadable(&error) });
                continue;
            }
        };
        let item = Item { index, id: event.id(), update };
        match runs.iter_mut().rev().find(|(run, _)| *run == item.update.run) {
            Some((_, items)) => items.push(item),
            None => runs.push((item.update.run.clone(), vec![item])),
        }
    }
    (runs, refused)
}

/// Carry out the changes of one run.
async fn serve(sagemaker: &Arc<SageMaker>, run: String, items: Vec<Item>, of_artifacts: bool) -> Outcome {
    let mut outcome = Outcome::default();
    let served = changes(sagemaker, &run, &items, of_artifacts, &mut outcome).await;
    if let Err(error) = served {
        let left: Vec<_> =
            items.iter().map(|item| item.index).filter(|index| !outcome.is_refused(*index)).collect();
        if error.is_endpoint_fault() {
            outcome.unfinished = Some(Unfinished { indices: left, error });
            outcome.measured.clear();
        } else {
            left.into_iter().for_each(|index| outcome.refuse(index, error.clone()));
        }
    }
    let ended =
        matches!(items.last(), Some(Item { update: RunUpdate { change: RunChange::End { .. }, .. }, .. }));
    if ended && outcome.unfinished.is_none() {
        sagemaker.let_go(&run);
    }
    outcome
}

async fn changes(
    sagemaker: &Arc<SageMaker>,
    run: &str,
    items: &[Item],
    of_artifacts: bool,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    if of_artifacts {
        sagemaker.starts.wait(run).await;
    }
    let shared = sagemaker.known(run);
    let mut known = shared.lock().await;
    start(sagemaker, run, items, &mut known, outcome).await?;
    if known.component.is_none() {
        let loaded =
            if of_artifacts { sagemaker.load_when_there(run).await } else { sagemaker.load(run).await };
        known.component = Some(loaded?);
    }
    if let Some(component) = &mut known.component {
        metrics::to_component(sagemaker, run, items, component, outcome).await?;
    }
    drop(known);
    // This may take long, and others have something to do for the run meanwhile.
    artifacts::upload(sagemaker, run, items, &shared, outcome).await?;
    let mut known = shared.lock().await;
    tag(sagemaker, run, items, &known, outcome).await?;
    update(sagemaker, run, items, &mut known, outcome).await?;
    artifacts::discard(items, outcome).await?;
    jobs::follow_up(sagemaker, run, items, &mut known, outcome).await
}

async fn start(
    sagemaker: &SageMaker,
    run: &str,
    items: &[Item],
    known: &mut Known,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    for item in items {
        let RunChange::Start(start) = &item.update.change else { continue };
        match sagemaker.create(run, start, item.update.time, known).await {
            Err(error) if !error.is_endpoint_fault() => {
                sagemaker.came(run, false);
                outcome.refuse(item.index, error);
            }
            created => {
                created?;
                sagemaker.came(run, true);
            }
        }
    }
    Ok(())
}

/// Set the tags, all at once; where that is refused, one change after the other.
async fn tag(
    sagemaker: &SageMaker,
    run: &str,
    items: &[Item],
    known: &Known,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let Some(component) = &known.component else { return Ok(()) };
    let of = |item: &Item| match &item.update.change {
        RunChange::Tags(tags) => Some((item.index, tags.0.clone())),
        _ => None,
    };
    let changes: Vec<_> = items.iter().filter_map(of).collect();
    let all: BTreeMap<_, _> = changes.iter().flat_map(|(_, tags)| tags.iter().cloned()).collect();
    if all.is_empty() {
        return Ok(());
    }
    if all.len() <= limits::TAGS {
        match sagemaker.add_tags(run, &component.arn, wire::tags(&all)).await {
            Err(error) if !error.is_endpoint_fault() => {}
            done => return done,
        }
    }
    for (index, tags) in changes {
        let tags: BTreeMap<_, _> = tags.into_iter().collect();
        match sagemaker.add_tags(run, &component.arn, wire::tags(&tags)).await {
            Err(error) if !error.is_endpoint_fault() => outcome.refuse(index, error),
            done => done?,
        }
    }
    Ok(())
}

/// Update the component once; where that is refused, once for each change, so that only what is refused is lost.
async fn update(
    sagemaker: &SageMaker,
    run: &str,
    items: &[Item],
    known: &mut Known,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let Some(before) = known.component.clone() else { return Ok(()) };
    let taken = |outcome: &Outcome, item: &&Item| !outcome.is_refused(item.index);
    let mut after = before.clone();
    items
        .iter()
        .filter(|item| taken(outcome, item))
        .for_each(|item| apply(&mut after, item, outcome, known.job.is_some()));
    match sagemaker.update(run, &known.sent, &after).await {
        Err(error) if !error.is_endpoint_fault() => {}
        done => {
            done?;
            warn_of_overflow(run, &before, &after);
            known.sent = after.clone();
            known.component = Some(after);
            return Ok(());
        }
    }
    let mut now = before;
    for item in items {
        if outcome.is_refused(item.index) {
            continue;
        }
        let mut next = now.clone();
        apply(&mut next, item, outcome, known.job.is_some());
        match sagemaker.update(run, &known.sent, &next).await {
            Err(error) if !error.is_endpoint_fault() => outcome.refuse(item.index, error),
            done => {
                done?;
                known.sent = next.clone();
                now = next;
            }
        }
    }
    known.component = Some(now);
    Ok(())
}

/// Take over a change. While a job is under way the run stands as the job does.
fn apply(component: &mut Component, item: &Item, outcome: &Outcome, has_job: bool) {
    if let Some((name, artifact)) = outcome.outputs.get(&item.index) {
        component.add_output(name.clone(), artifact.clone());
    }
    match &item.update.change {
        RunChange::Params(parameters) => {
            parameters.0.iter().for_each(|(name, value)| component.set(name, value));
        }
        RunChange::Resume {} if !has_job => component.set_status(RunStatus::Running),
        RunChange::End { status } if !has_job => {
            component.set_status(*status);
            component.end = Some(wire::seconds(item.update.time));
        }
        _ => {}
    }
}

fn warn_of_overflow(run: &str, before: &Component, after: &Component) {
    let (before, now) = (before.overflow(), after.overflow());
    if before == 0 && now > 0 {
        tracing::warn!(
            target: "nethical",
            hint = "log fewer parameters in one run, or a file of them as an artifact",
            "sagemaker: {now} parameters of `{run}` do not fit: a run has room for {}; `nethical.overflow` names them",
            limits::PARAMETERS
        );
    }
}

/// A component that begins.
pub(super) fn fresh(start: &RunStart, time: i64) -> Component {
    let mut component = Component {
        shown: super::names::shown(wire::called(start)),
        experiment: Some(super::names::experiment(&start.experiment)),
        start: Some(wire::seconds(time)),
        ..Component::default()
    };
    component.set_status(RunStatus::Running);
    component
}
