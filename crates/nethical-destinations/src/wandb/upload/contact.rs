//! Telling the server of the run, and learning where it is.

use std::sync::Arc;

use nethical_core::delivery::{Error, Kind, runtime};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::api::Place;
use super::super::assembly::Assembly;
use super::super::graphql::{Existing, Query, Resumed, Upsert, Upserted, step_of, time_of};
use super::super::json;
use super::super::log::record::Run;
use super::before::{Before, Behind};
use super::{Next, Uploader, tell};

/// Seconds by which a server that writes numbers in a way of its own may be off.
const SAME_TIME: f64 = 0.01;

/// What the server said of the run.
#[derive(Debug)]
pub(super) struct Contact {
    pub(super) place: Place,
    /// Its id there.
    storage_id: String,
    pub(super) gzip: bool,
    /// Lines of other files that it had before.
    pub(super) first_event: u64,
    pub(super) first_output: u64,
}

/// The variables by which a run is found.
pub(super) fn names(place: &Place) -> Value {
    json!({ "entity": place.entity, "project": place.project, "name": place.run })
}

impl Uploader {
    /// The first words with the server. Nothing is sent before it is known where the first row belongs.
    pub(super) async fn make_contact(&mut self) -> Result<Next, Error> {
        let Some(run) = self.assembly().and_then(|assembly| assembly.run.clone()) else {
            return match self.job.recording {
                Some(_) => Ok(Next::Wait(Instant::now() + self.job.rhythm.heartbeat)),
                None => Err(self.without_run()),
            };
        };
        let fresh = self.state.first_line.is_none();
        let mut asks = !fresh || !run.resume.is_empty() || run.resumed || self.job.recording.is_none();
        let mut existing = if asks { self.existing(&run).await? } else { None };
        if fresh && !self.announced {
            check_resume(&run, existing.as_ref())?;
        }
        if fresh && !goes_on(&run) && self.is_used_again(existing.as_ref()) {
            // As for a run that is being written: it goes on behind those rows, and describes itself anew.
            (asks, existing) = (false, None);
        }
        let goes_on = goes_on(&run) || self.job.recording.is_some();
        self.before = match &existing {
            Some(existing) if fresh => goes_on.then(|| Before::of(existing)),
            Some(existing) => Before::read(self.job.directory.path(), existing),
            None => None,
        }
        .map(Arc::new);
        if let (Some(existing), Some(assembly)) = (&existing, &mut self.assembly) {
            take_over(assembly, existing);
        }
        self.announced = true;
        let upsert = self.upsert(&run, None).await?;
        let count = upsert.bucket.history_line_count.unwrap_or(0);
        if count > 0 && !asks {
            // Its id is that of a run that was there: its rows go behind those.
            existing = self.existing(&run).await?;
            self.before = existing.as_ref().map(|existing| Arc::new(Before::of(existing)));
        }
        let bucket = upsert.bucket;
        let place =
            Place { entity: bucket.project.entity.name, project: bucket.project.name, run: bucket.name };
        if fresh {
            self.begin_at(count, existing.as_ref(), &place).await?;
        }
        let gzip = self.job.api.takes_gzip().await;
        let existing = existing.unwrap_or_default();
        self.go_on_at(count, &existing).await?;
        self.steps_open =
            self.sent == 0 && self.before.as_ref().is_some_and(|before| before.highest.is_some());
        self.settle_steps().await?;
        let named = place.clone();
        self.job.progress.change(|known| known.place = Some(named));
        self.contact = Some(Contact {
            place,
            storage_id: bucket.id,
            gzip,
            first_event: existing.events_line_count.unwrap_or(0),
            first_output: existing.log_line_count.unwrap_or(0),
        });
        Ok(Next::Again)
    }

    fn without_run(&self) -> Error {
        let path = self.job.directory.log().display();
        let text = format!("wandb: {path} does not say which run it is of");
        Error::new(Kind::Gone, "wandb.no_run", text)
            .with_hint("its process ended before anything was written")
    }

    async fn existing(&self, run: &Run) -> Result<Option<Existing>, Error> {
        let entity = self.entity(run);
        let variables = json!({ "entity": entity, "project": self.project(run), "name": run.run_id });
        let found: Resumed = self.job.api.query(Query::Resume, &variables).await?;
        Ok(found.model.and_then(|model| model.bucket))
    }

    /// Whether the server has rows under this id from before this log began: none of them is of it.
    fn is_used_again(&self, existing: Option<&Existing>) -> bool {
        let began = self.assembly().map_or(0.0, Assembly::started);
        existing.and_then(Existing::last_time).is_some_and(|last| last < began)
    }

    fn entity(&self, run: &Run) -> Option<String> {
        Some(&run.entity).filter(|entity| !entity.is_empty()).cloned().or_else(|| self.job.target.0.clone())
    }

    fn project(&self, run: &Run) -> String {
        let own = Some(&run.project).filter(|project| !project.is_empty());
        own.or(self.job.target.1.as_ref()).cloned().unwrap_or_else(|| "uncategorized".to_owned())
    }

    /// The whole description, each time: the server replaces what it has.
    async fn upsert(&mut self, run: &Run, id: Option<&str>) -> Result<Upsert, Error> {
        let Some(assembly) = &self.assembly else { return Err(self.without_run()) };
        let described = assembly.described;
        let given = |text: &str| Some(text).filter(|text| !text.is_empty()).map(str::to_owned);
        let variables = json!({
            "id": id,
            "name": run.run_id,
            "project": self.project(run),
            "entity": self.entity(run),
            "groupName": given(&run.run_group),
            "displayName": given(&run.display_name),
            "notes": given(&run.notes),
            "config": config(assembly),
            "host": given(&run.host),
            "program": null,
            "jobType": given(&run.job_type),
            "tags": (!run.tags.is_empty()).then(|| self.tags(run, assembly)),
            "summaryMetrics": null,
        });
        let upserted: Upserted = self.job.api.query(Query::Upsert, &variables).await?;
        let upsert =
            upserted.upsert.ok_or_else(|| super::super::errors::not_an_answer(Query::Upsert.name()))?;
        let change = self.job.turns.succeeded();
        tell(&self.job.observer, &self.job.name, change);
        (self.described, self.described_at) = (described, Some(Instant::now()));
        let newly = described - std::mem::replace(&mut self.confirmed_described, described);
        self.job.progress.change(|known| known.confirmed += newly);
        Ok(upsert)
    }

    /// All that are to be there. Logs of others repeat what was there, unless somebody took it away.
    fn tags(&self, run: &Run, assembly: &Assembly) -> Vec<String> {
        let before = self.before.as_ref().filter(|_| assembly.is_own());
        before.map_or_else(|| run.tags.clone(), |before| before.tags(&run.tags))
    }

    /// Tells the server what has changed.
    pub(super) async fn describe(&mut self) -> Result<(), Error> {
        let Some(run) = self.assembly().and_then(|assembly| assembly.run.clone()) else { return Ok(()) };
        let Some(contact) = &self.contact else { return Ok(()) };
        let id = contact.storage_id.clone();
        self.upsert(&run, Some(&id)).await.map(drop)
    }

    /// Where the first row of this log belongs, decided once and written down before any row is sent.
    async fn begin_at(
        &mut self,
        count: u64,
        existing: Option<&Existing>,
        place: &Place,
    ) -> Result<(), Error> {
        let line = existing.map_or(count, |existing| existing.history_line_count.unwrap_or(count));
        let resumes = self.assembly().and_then(|assembly| assembly.run.as_ref()).is_some_and(goes_on);
        // A log that says nothing of going on holds the run from its start, of which the server has a part.
        let behind = resumes || self.before.is_some() || self.job.recording.is_some();
        self.state.first_line = Some(if behind { line } else { 0 });
        self.state.entity.clone_from(&place.entity);
        self.state.project.clone_from(&place.project);
        self.state.base_url = self.job.api.base_url().to_owned();
        if let Some(before) = self.before.clone() {
            let directory = self.job.directory.clone();
            let written = runtime::blocking(move || before.write(directory.path())).await?;
            written.map_err(|error| self.unwritable(&error))?;
        }
        self.save_state().await
    }

    /// Where the first row says step 0, steps go on behind those that are there. Says whether that is settled now;
    /// a run that is being written may not have its first row yet.
    pub(super) async fn settle_steps(&mut self) -> Result<bool, Error> {
        let highest = self.before.as_ref().and_then(|before| before.highest).filter(|_| self.steps_open);
        let (Some(highest), Some(assembly)) = (highest, &mut self.assembly) else { return Ok(false) };
        let first = assembly.first_step();
        if first.is_none() && self.job.recording.is_some() {
            return Ok(false);
        }
        let shift = if first.is_none_or(|first| first == 0) { highest + 1 } else { 0 };
        assembly.shift_steps(shift);
        self.state.step_shift = shift;
        self.save_state().await?;
        self.steps_open = false;
        Ok(true)
    }

    /// Leaves out what the server has, after a look whether it is ours.
    async fn go_on_at(&mut self, count: u64, existing: &Existing) -> Result<(), Error> {
        let first = self.state.first_line.unwrap_or(0);
        let Some(mut there) = count.checked_sub(first) else {
            return Err(self.other_rows(&format!("it has {count} rows, and had {first} when this log began")));
        };
        let shift = self.state.step_shift;
        let ended = self.job.recording.is_none();
        let (before, behind) = (self.before.clone(), &mut self.behind);
        let Some(assembly) = &mut self.assembly else { return Ok(()) };
        assembly.shift_steps(shift);
        let mut last_line = None;
        let (mut records, rows) = (0, there);
        while there > 0 {
            if assembly.lines.is_empty() && !read_more(assembly, ended, before.as_deref(), behind)? {
                return Err(self.other_rows(&format!("it has {there} rows more than this log")));
            }
            if let Some(line) = assembly.lines.pop_front() {
                assembly.line_bytes -= line.text.len();
                records += line.records;
                last_line = Some(line.text);
                there -= 1;
            }
        }
        let (step, time) = (last_line.as_deref().and_then(step_of), last_line.as_deref().and_then(time_of));
        if let (Some(ours), Some(theirs)) = (step, existing.last_step())
            && ours != theirs
        {
            return Err(self.other_rows(&format!("its last step is {theirs}, and ours is {ours}")));
        }
        if let (Some(ours), Some(theirs)) = (time, existing.last_time())
            && (ours - theirs).abs() > SAME_TIME
        {
            return Err(self.other_rows("its last row was logged at another time than ours"));
        }
        let hollow = self.state.hollow.iter().filter(|line| **line < rows).count() as u64;
        self.sent = rows;
        self.job.progress.change(|known| {
            known.rows = rows;
            known.refused += hollow.min(records);
            known.confirmed += records - hollow.min(records);
        });
        Ok(())
    }

    fn other_rows(&self, what: &str) -> Error {
        let text = format!("wandb: the run at the server has rows that are not of this log: {what}");
        let hint = format!(
            "somebody else wrote to the run; ours are kept in {}",
            self.job.directory.path().display()
        );
        Error::new(Kind::Gone, "wandb.other_writer", text).with_hint(hint)
    }
}

/// Reads on until there is a row; false where the log has none any more.
fn read_more(
    assembly: &mut Assembly,
    ended: bool,
    before: Option<&Before>,
    behind: &mut Behind,
) -> Result<bool, Error> {
    loop {
        assembly
            .read(super::wire::MOST_BYTES)
            .map_err(|error| Error::new(Kind::Gone, "wandb.log", error.to_string()))?;
        if ended && assembly.lines.is_empty() {
            assembly.close_row();
        }
        let read = assembly.lines.len();
        before.iter().for_each(|before| before.sift(assembly, 0, behind));
        if read == 0 || !assembly.lines.is_empty() {
            return Ok(read > 0);
        }
    }
}

/// Whether this log says that it goes on with a run.
fn goes_on(run: &Run) -> bool {
    run.resumed || run.starting_step > 0 || matches!(run.resume.as_str(), "must" | "allow" | "auto")
}

/// What `resume` allows.
fn check_resume(run: &Run, existing: Option<&Existing>) -> Result<(), Error> {
    let id = &run.run_id;
    match (run.resume.as_str(), existing) {
        ("must", None) => {
            let text = format!("wandb: there is no run `{id}` to go on with");
            Err(Error::new(Kind::Gone, "wandb.resume_must", text)
                .with_hint("see its id, entity and project, or use resume='allow'"))
        }
        ("never", Some(_)) => {
            let text = format!("wandb: there is a run `{id}` already");
            Err(Error::new(Kind::Gone, "wandb.resume_never", text)
                .with_hint("use another id, or resume='allow' to go on with it"))
        }
        _ => Ok(()),
    }
}

/// The configuration and the metrics of the run that is there stay, unless ours say something else.
fn take_over(assembly: &mut Assembly, existing: &Existing) {
    assembly.metrics.add_below(existing.metrics());
    let ours: Vec<(String, String)> =
        assembly.config.entries().map(|(name, value)| (name.to_owned(), value)).collect();
    let theirs = existing.config();
    if theirs.is_empty() {
        return;
    }
    let mut merged = super::super::tree::Tree::default();
    for (name, value) in theirs.into_iter().chain(ours) {
        merged.set(&[name], value);
    }
    assembly.config = merged;
}

/// The configuration as `UpsertBucket` takes it. Without `_wandb.value.t` the official client would say later
/// that there is no such run.
fn config(assembly: &Assembly) -> String {
    let mut out = b"{\"_wandb\":{\"value\":{\"t\":{},\"m\":".to_vec();
    assembly.metrics.write(&mut out);
    out.extend_from_slice(b"}}");
    for (name, value) in assembly.config.entries() {
        out.push(b',');
        json::text(name, &mut out);
        out.extend_from_slice(b":{\"value\":");
        out.extend_from_slice(value.as_bytes());
        out.push(b'}');
    }
    out.push(b'}');
    String::from_utf8(out).unwrap_or_default()
}
