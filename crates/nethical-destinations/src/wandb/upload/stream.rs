//! Sending rows: one request, and what becomes of it.

use std::sync::Arc;

use nethical_core::delivery::{Error, Kind, runtime};
use tokio::time::Instant;

use super::super::api::zipped;
use super::super::assembly::{Assembly, Line};
use super::super::graphql::{self, Query};
use super::super::wire::{self, Chunk, Lines};
use super::{Next, Uploader, contact, tell};

/// Lines of measurements, and of the console, in one request.
const MOST_LINES: usize = 10_000;

/// What of an assembly goes into one request: the place of the first line, and how many.
struct Plan {
    history: (u64, usize),
    events: (u64, usize),
    output: (u64, usize),
    /// Changes of the summary, if there are any.
    summary: Option<u64>,
    uploaded: Vec<String>,
    exit: Option<i32>,
}

impl Plan {
    fn body(&self, assembly: &Assembly, summary: impl Fn(&Assembly) -> String) -> Vec<u8> {
        let summary = self.summary.map(|_| summary(assembly));
        let Self { history, events, output, .. } = self;
        let chunk = Chunk {
            history: Lines {
                offset: history.0,
                content: assembly.lines.iter().take(history.1).map(|line| line.text.as_str()).collect(),
            },
            events: lines(*events, &assembly.events),
            output: lines(*output, &assembly.output),
            summary: summary.as_deref(),
            uploaded: &self.uploaded,
            exit: self.exit,
        };
        chunk.body()
    }
}

fn lines((offset, count): (u64, usize), lines: &std::collections::VecDeque<String>) -> Lines<'_> {
    Lines { offset, content: lines.iter().take(count).map(String::as_str).collect() }
}

impl Uploader {
    /// Sends what there is, if it is time.
    pub(super) async fn stream(&mut self) -> Result<Next, Error> {
        let now = Instant::now();
        let (last, ends) = (self.is_read(), self.artifact.is_none() && self.waiting_artifacts.is_empty());
        let Some(assembly) = &self.assembly else { return Ok(Next::Again) };
        let fresh = !assembly.lines.is_empty()
            || !assembly.events.is_empty()
            || !assembly.output.is_empty()
            || assembly.summary_changes > self.summarised
            || !self.uploaded.is_empty();
        let (turn, heartbeat) = (self.pace.next(last), self.pace.heartbeat());
        if !(fresh || last && ends || now >= heartbeat) {
            return Ok(Next::Wait(heartbeat));
        }
        if now < turn {
            return Ok(Next::Wait(turn));
        }
        self.send(last, ends).await
    }

    /// One request. It says how the run ended if nothing `else` is to come.
    async fn send(&mut self, last: bool, else_done: bool) -> Result<Next, Error> {
        let Some(contact) = &self.contact else { return Ok(Next::Again) };
        let Some(assembly) = self.assembly.take() else { return Ok(Next::Again) };
        let (place, gzip) = (contact.place.clone(), contact.gzip);
        let plan = self.plan(&assembly, contact, last && else_done);
        let (before, not_ours) = (self.before.clone(), self.behind.names.clone());
        let summary = move |assembly: &Assembly| match &before {
            Some(before) => before.summary(assembly, &not_ours),
            None => assembly.summary(),
        };
        let built = runtime::blocking(move || {
            let body = plan.body(&assembly, summary);
            (assembly, if gzip { zipped(&body) } else { body }, plan)
        });
        let (assembly, body, plan) = built.await?;
        self.assembly = Some(assembly);
        let now = Instant::now();
        self.pace.sent(now, last);
        match self.job.api.stream(&place, body, gzip).await {
            Ok((answer, spread)) => {
                self.pace.hold(now + spread.unwrap_or_default());
                self.taken(&plan, answer.stopped.unwrap_or(false));
                Ok(if plan.exit.is_some() { Next::Done } else { Next::Again })
            }
            Err(error) => self.not_taken(error, plan.history.1).await,
        }
    }

    fn plan(&self, assembly: &Assembly, contact: &contact::Contact, may_end: bool) -> Plan {
        let history = count_of(assembly, self.at_most);
        let [events, output] = [&assembly.events, &assembly.output].map(|lines| lines.len().min(MOST_LINES));
        let left =
            (assembly.lines.len() - history, assembly.events.len() - events, assembly.output.len() - output);
        Plan {
            history: (self.state.first_line.unwrap_or(0) + self.sent, history),
            events: (contact.first_event + self.events_sent, events),
            output: (contact.first_output + self.output_sent, output),
            summary: Some(assembly.summary_changes).filter(|changes| *changes > self.summarised),
            uploaded: self.uploaded.clone(),
            exit: (may_end && left == (0, 0, 0)).then(|| exit_code(assembly)),
        }
    }

    /// The server has so many lines more.
    fn taken(&mut self, plan: &Plan, stopped: bool) {
        let change = self.job.turns.succeeded();
        tell(&self.job.observer, &self.job.name, change);
        self.summarised = plan.summary.unwrap_or(self.summarised);
        self.uploaded.clear();
        self.at_most = self.at_most.map(|most| most * 2).filter(|most| *most < 100_000);
        let (Plan { history, events, output, .. }, Some(assembly)) = (plan, &mut self.assembly) else {
            return;
        };
        self.sent += history.1 as u64;
        self.events_sent += events.1 as u64;
        self.output_sent += output.1 as u64;
        assembly.events.drain(..events.1);
        assembly.output.drain(..output.1);
        let sent = assembly.lines.drain(..history.1);
        let (records, bytes) =
            sent.fold((0, 0), |(records, bytes), line| (records + line.records, bytes + line.text.len()));
        assembly.line_bytes -= bytes;
        let rows = self.sent;
        let newly = self.job.progress.look(|known| !known.stopped) && stopped;
        self.job.progress.change(|known| {
            known.confirmed += records;
            known.rows = rows;
            known.stopped |= stopped;
        });
        if newly {
            tracing::warn!(target: "nethical", "{}: somebody asked for this run to be stopped", self.job.name);
        }
    }

    /// The server did not take it: because of the rows, or because of itself.
    async fn not_taken(&mut self, error: Error, count: usize) -> Result<Next, Error> {
        match error.code() {
            "wandb.not_found" => {
                return if self.is_gone().await? { Err(self.gone()) } else { Err(error) };
            }
            "wandb.refused" if count > 1 => {
                self.at_most = Some(count / 2);
                return Ok(Next::Again);
            }
            "wandb.refused" if count == 1 => {}
            _ => return Err(error),
        }
        let Some(line) = self.assembly().and_then(|assembly| assembly.lines.front()) else {
            return Err(error);
        };
        let hollow = hollow(&line.text);
        if line.text == hollow {
            return Err(error);
        }
        let (number, refused) = (self.sent, line.text.clone());
        // It is among the dead letters before anything else has its place.
        self.keep_row(number, refused, &error).await?;
        if !self.state.hollow.contains(&number) {
            self.state.hollow.push(number);
        }
        self.save_state().await?;
        let records = self.assembly.as_mut().map_or(0, |assembly| empty_first(assembly, hollow));
        self.job.progress.change(|known| known.refused += records);
        let change = self.job.turns.refused(&error);
        tell(&self.job.observer, &self.job.name, change);
        Ok(Next::Again)
    }

    async fn keep_row(&self, number: u64, line: String, error: &Error) -> Result<(), Error> {
        let run = self.place().map_or_else(String::new, |place| place.run);
        let (refusals, directory) = (Arc::clone(&self.job.refusals), self.job.directory.clone());
        let error = error.clone();
        runtime::blocking(move || refusals.row(&run, directory.log(), number, &line, &error)).await
    }

    fn gone(&self) -> Error {
        let run = self.place().map_or_else(String::new, |place| place.run);
        let text = format!("wandb: the server does not have the run `{run}` any more");
        let hint = format!("its rows are kept in {}", self.job.directory.path().display());
        Error::new(Kind::Gone, "wandb.run_gone", text).with_hint(hint)
    }

    async fn is_gone(&self) -> Result<bool, Error> {
        let Some(place) = self.place() else { return Ok(false) };
        let found: graphql::Resumed = self.job.api.query(Query::Resume, &contact::names(&place)).await?;
        Ok(found.model.is_none_or(|model| model.bucket.is_none()))
    }
}

/// What the server is to be told when everything else has arrived.
fn exit_code(assembly: &Assembly) -> i32 {
    let unended = if assembly.is_own() { 255 } else { 1 };
    assembly.exit.map_or(unended, |exit| exit.exit_code)
}

/// How many lines go into one request: so many bytes, and at least one line.
fn count_of(assembly: &Assembly, at_most: Option<usize>) -> usize {
    let mut bytes = 0;
    let fits = |line: &&Line| {
        bytes += line.text.len();
        bytes <= wire::MOST_BYTES
    };
    let count = assembly.lines.iter().take_while(fits).count();
    let count = count.max(usize::from(!assembly.lines.is_empty()));
    at_most.map_or(count, |most| count.min(most.max(1)))
}

/// Takes the values out of the first row: nothing may be left out, or the rows behind it would be in the wrong place.
/// Says how many records it was made of.
fn empty_first(assembly: &mut Assembly, hollow: String) -> u64 {
    let Some(line) = assembly.lines.front_mut() else { return 0 };
    assembly.line_bytes = assembly.line_bytes + hollow.len() - line.text.len();
    line.text = hollow;
    std::mem::take(&mut line.records)
}

/// A row without its values: what keeps the place of one that the server refuses.
fn hollow(line: &str) -> String {
    let step = graphql::step_of(line).unwrap_or(0);
    format!("{{\"_step\":{step}}}")
}
