//! Carrying out what a batch asks for, run by run.

use std::collections::HashSet;

use futures_util::{StreamExt, stream};
use nethical_core::delivery::{Batch, Error, Receipt, Refusal, Unfinished, runtime};
use nethical_core::tracking::artifact;
use serde_json::{Value, json};

use super::server::{Known, Server};
use super::wire::{self, Chunk, RunPlan, Step};

/// Runs that are looked after at the same time.
const AT_ONCE: usize = 4;

/// What became of the updates of one run.
#[derive(Default)]
struct Fate {
    refused: Vec<Refusal>,
    unfinished: Option<Unfinished>,
}

/// Deliver a batch, once.
pub(super) async fn deliver(server: &Server, batch: &Batch) -> Result<Receipt, Error> {
    let events = batch.clone();
    let (plans, unreadable) = runtime::blocking(move || wire::plan(&events)).await?;
    let fates: Vec<_> =
        stream::iter(plans).map(|plan| carry_out(server, plan)).buffer_unordered(AT_ONCE).collect().await;
    let mut refused = unreadable;
    let mut unfinished: Option<Unfinished> = None;
    for fate in fates {
        refused.extend(fate.refused);
        match (&mut unfinished, fate.unfinished) {
            (Some(all), Some(more)) => all.indices.extend(more.indices),
            (none, some) => *none = none.take().or(some),
        }
    }
    let mut seen = HashSet::new();
    refused.retain(|refusal| seen.insert(refusal.index));
    if let Some(unfinished) = &mut unfinished {
        unfinished.indices.retain(|index| seen.insert(*index));
        unfinished.indices.sort_unstable();
        if unfinished.indices.len() == batch.len() {
            return Err(unfinished.error.clone());
        }
    }
    let unfinished = unfinished.filter(|unfinished| !unfinished.indices.is_empty());
    Ok(Receipt { refused, unfinished, ..Receipt::default() })
}

async fn carry_out(server: &Server, plan: RunPlan) -> Fate {
    let mut fate = Fate::default();
    let mut steps = plan.steps.into_iter();
    while let Some(step) = steps.next() {
        match take(server, &plan.run, &step).await {
            Ok(refused) => fate.refused.extend(refused),
            Err(error) => {
                let indices = step.events().into_iter().chain(steps.flat_map(|step| step.events()));
                if error.is_endpoint_fault() {
                    fate.unfinished = Some(Unfinished { indices: indices.collect(), error });
                } else {
                    fate.refused.extend(indices.map(|index| Refusal { index, error: error.clone() }));
                }
                break;
            }
        }
    }
    fate
}

/// One step. A refusal as an error is one of the whole run.
async fn take(server: &Server, run: &str, step: &Step) -> Result<Vec<Refusal>, Error> {
    match step {
        Step::Start { start, time, .. } => {
            let created = server.create_run(run, start, *time, true).await;
            if created.as_ref().is_err_and(|error| !error.is_endpoint_fault()) {
                server.give_up(run);
            }
            created.map(|_| Vec::new())
        }
        Step::Resume { .. } => {
            let known = server.resolve(run).await?;
            update(server, json!({ "run_id": known.id, "status": "RUNNING" })).await
        }
        Step::End { status, time, .. } => {
            let known = server.resolve(run).await?;
            let status = wire::status(*status);
            update(server, json!({ "run_id": known.id, "status": status, "end_time": time.max(&0) })).await
        }
        Step::Log(chunk) => {
            let mut chunk = chunk.clone();
            for item in &mut chunk.items {
                if let Some(parent) = item.local_parent()
                    && let Some(id) = server.parent(&parent).await?
                {
                    item.set_parent(&id);
                }
            }
            log(server, &server.resolve(run).await?, chunk).await
        }
        Step::Artifact { event, artifact: wanted } => {
            server.awaited.wait(run).await;
            let known = server.resolve(run).await?;
            match super::artifacts::upload(server, &known, wanted).await {
                Ok(()) => {
                    let done = wanted.clone();
                    runtime::blocking(move || artifact::discard(&done)).await?;
                    Ok(Vec::new())
                }
                Err(error) if error.is_endpoint_fault() || is_about_the_run(&error) => Err(error),
                Err(error) => Ok(vec![Refusal { index: *event, error }]),
            }
        }
    }
}

async fn update(server: &Server, body: Value) -> Result<Vec<Refusal>, Error> {
    let wanted = body.get("status").cloned();
    let answer = server.post("runs/update", body).await?;
    if answer.pointer("/run_info/status").cloned() == wanted {
        return Ok(Vec::new());
    }
    let text = format!(
        "the run did not get the status {} at {}",
        wanted.unwrap_or_default(),
        server.address.shown()
    );
    Err(Error::unavailable("mlflow.status", text)
        .with_hint("see whether the server is a version that is supported"))
}

/// Log a chunk; what is refused is narrowed down by halves.
async fn log(server: &Server, run: &Known, chunk: Chunk) -> Result<Vec<Refusal>, Error> {
    let (mut left, mut refused) = (vec![chunk], Vec::new());
    while let Some(chunk) = left.pop() {
        let body = chunk.body(&run.id).into();
        match server.call("POST", "runs/log-batch", Some(body)).await {
            Ok(_) => {}
            Err(error) if error.is_endpoint_fault() || is_about_the_run(&error) => return Err(error),
            Err(error) => match (chunk.halves(), chunk.items.first()) {
                (Some([first, rest]), _) => left.extend([rest, first]),
                // A single row that is there already is what was to be written: all of it is its key.
                (None, Some(_)) if error.code() == "mlflow.there_already" => {}
                (None, Some(item)) => refused.push(Refusal { index: item.event, error }),
                (None, None) => {}
            },
        }
    }
    Ok(refused)
}

/// Whether nothing of the run would be taken.
fn is_about_the_run(error: &Error) -> bool {
    ["mlflow.deleted", "mlflow.not_found", "mlflow.unknown_run"].contains(&error.code())
}
