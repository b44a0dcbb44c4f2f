//! From the records of a run log to what is sent: lines of history, the configuration, the summary.
//!
//! A row is whole when the next one begins, when the log ends, or when its writer says that it gets no more.
//! Lines are numbered by their place in the log, so the same log gives the same lines whoever reads it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;

use super::graphql::step_of;
use super::json;
use super::log::reader::{Damage, Next, Reader};
use super::log::record::{Artifact, Exit, History, Item, Kind, OutputRaw, Record, Run, Stats, Step, name_of};
use super::summary::{Metrics, Summary};
use super::tree::Tree;

/// Who writes our logs.
pub(crate) const PRODUCER: &str = "nethical";

/// A row that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: String,
    /// Records that it was made of.
    pub(crate) records: u64,
}

/// A row that may still get more.
#[derive(Debug, Default)]
struct Open {
    items: Vec<Item>,
    records: u64,
    step: i64,
    /// The number of its first record.
    num: u64,
}

/// What was read of a run log, and not sent yet.
#[derive(Debug)]
pub(crate) struct Assembly {
    reader: Reader,
    /// A row that was read before rows were wanted.
    held: Option<(u64, History)>,
    /// Whether we wrote it: then the summary follows the rows.
    own: bool,
    /// The run, once it is known.
    pub(crate) run: Option<Run>,
    pub(crate) config: Tree,
    pub(crate) metrics: Metrics,
    summary: Summary,
    /// Changes of the summary.
    pub(crate) summary_changes: u64,
    /// Records that change what `UpsertBucket` says.
    pub(crate) described: u64,
    /// Whole rows.
    pub(crate) lines: VecDeque<Line>,
    /// Bytes of them.
    pub(crate) line_bytes: usize,
    open: Option<Open>,
    last_step: i64,
    /// Added to steps.
    step_shift: i64,
    pub(crate) events: VecDeque<String>,
    pub(crate) output: VecDeque<String>,
    unfinished_output: [String; 2],
    /// With the numbers of their records.
    pub(crate) artifacts: VecDeque<(i64, Artifact)>,
    /// Paths below `files/`.
    pub(crate) files: Vec<String>,
    /// Records that named them.
    pub(crate) file_records: u64,
    pub(crate) exit: Option<Exit>,
    /// Records of kinds that are not known, by name.
    pub(crate) unknown: BTreeMap<String, u64>,
    /// The number of the last record that was read.
    pub(crate) read: u64,
}

impl Assembly {
    /// Opens a log and reads up to its first row.
    ///
    /// # Errors
    /// If it cannot be read, or is none.
    pub(crate) fn open(log: &Path) -> io::Result<Self> {
        Self::of(Reader::open(log)?)
    }

    /// The same with a log that is open.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn of(reader: Reader) -> io::Result<Self> {
        let mut assembly = Self {
            reader,
            held: None,
            own: false,
            run: None,
            config: Tree::default(),
            metrics: Metrics::default(),
            summary: Summary::default(),
            summary_changes: 0,
            described: 0,
            lines: VecDeque::new(),
            line_bytes: 0,
            open: None,
            last_step: -1,
            step_shift: 0,
            events: VecDeque::new(),
            output: VecDeque::new(),
            unfinished_output: Default::default(),
            artifacts: VecDeque::new(),
            files: Vec::new(),
            file_records: 0,
            exit: None,
            unknown: BTreeMap::new(),
            read: 0,
        };
        assembly.read_head()?;
        Ok(assembly)
    }

    /// Reads on up to the first row, or as far as the log goes.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn read_head(&mut self) -> io::Result<()> {
        while self.held.is_none() && self.read_one(true)? {}
        Ok(())
    }

    /// Adds to the steps of all rows from now on.
    pub(crate) const fn shift_steps(&mut self, by: i64) {
        self.step_shift = by;
    }

    /// The step of the first row, as it stands in the log.
    pub(crate) fn first_step(&self) -> Option<i64> {
        let (_, history) = self.held.as_ref()?;
        step_in(&history.item).or(history.step.map(|step| step.num))
    }

    /// Reads on, until there are rows of so many bytes or the log ends.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn read(&mut self, bytes: usize) -> io::Result<()> {
        if let Some((num, history)) = self.held.take() {
            self.row(num, history);
        }
        while self.line_bytes < bytes && self.read_one(false)? {}
        Ok(())
    }

    /// Whether everything that stands in the log so far was read.
    pub(crate) fn row_is_open(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.num)
    }

    /// The row that is open gets no more.
    pub(crate) fn close_row(&mut self) {
        let Some(open) = self.open.take() else { return };
        let text = render(&open.items, open.step);
        self.line_bytes += text.len();
        self.lines.push_back(Line { text, records: open.records });
    }

    fn read_one(&mut self, hold_rows: bool) -> io::Result<bool> {
        match self.reader.next()? {
            Next::End => Ok(false),
            Next::Unknown(field) => {
                self.read += 1;
                let name = field.map_or_else(|| "unreadable".to_owned(), name_of);
                *self.unknown.entry(name).or_default() += 1;
                Ok(true)
            }
            Next::Record(record) => {
                self.take(*record, hold_rows);
                Ok(true)
            }
        }
    }

    fn take(&mut self, record: Record, hold_rows: bool) {
        let num = u64::try_from(record.num).unwrap_or(0);
        self.read = if num > 0 { num } else { self.read + 1 };
        let num = self.read;
        let Some(kind) = record.kind else { return };
        match kind {
            Kind::Header(header) => {
                self.own = header.version_info.is_some_and(|version| version.producer.starts_with(PRODUCER));
            }
            Kind::Run(run) => self.describe(run),
            Kind::Config(update) => {
                update
                    .update
                    .iter()
                    .for_each(|item| self.config.set(item.path(), json::strict(&item.value())));
                update.remove.iter().for_each(|item| self.config.remove(item.path()));
                self.described += 1;
            }
            Kind::Metric(metric) => {
                self.metrics.define(metric);
                self.described += 1;
            }
            Kind::Summary(update) => {
                // Ours repeat what rows say, for readers that do not look at rows.
                if !self.own {
                    update.update.iter().for_each(|item| self.summary.set(item));
                }
                update.remove.iter().for_each(|item| self.summary.remove(item));
                self.summary_changes += 1;
            }
            Kind::History(history) if hold_rows => self.held = Some((num, history)),
            Kind::History(history) => self.row(num, history),
            Kind::Stats(stats) => self.events.push_back(event(&stats, self.started())),
            Kind::Output(output) => self.console(&output),
            Kind::Files(files) => {
                self.file_records += 1;
                for file in files.files {
                    if !self.files.contains(&file.path) {
                        self.files.push(file.path);
                    }
                }
            }
            Kind::Artifact(artifact) => self.artifacts.push_back((record.num, artifact)),
            Kind::Exit(exit) => {
                self.close_row();
                if self.own {
                    let runtime = format!("{{\"runtime\":{}}}", exit.runtime);
                    self.summary.note(&self.metrics, "_wandb", &runtime);
                    self.summary_changes += 1;
                }
                self.exit = Some(exit);
            }
        }
    }

    fn describe(&mut self, run: Run) {
        for item in run.config.iter().flat_map(|config| &config.update) {
            self.config.set(item.path(), json::strict(&item.value()));
        }
        for item in run.summary.iter().flat_map(|summary| &summary.update) {
            self.summary.set(item);
        }
        self.described += 1;
        match &mut self.run {
            Some(known) => update(known, run),
            none => *none = Some(run),
        }
    }

    fn row(&mut self, num: u64, history: History) {
        let goes_on = history.step.is_none() && self.own;
        if let Some(open) = self.open.as_mut().filter(|_| goes_on) {
            open.records += 1;
            note_all(&mut self.summary, &self.metrics, self.own, &history.item);
            open.items.extend(history.item);
            self.summary_changes += 1;
            return;
        }
        self.close_row();
        let numbered = step_in(&history.item).or(history.step.map(|Step { num }| num));
        let step = numbered
            .map_or_else(|| self.last_step.saturating_add(1), |step| step.saturating_add(self.step_shift));
        self.last_step = step;
        note_all(&mut self.summary, &self.metrics, self.own, &history.item);
        self.summary_changes += 1;
        self.open = Some(Open { items: history.item, records: 1, step, num });
        if !self.own {
            self.close_row();
        }
    }

    /// Whether we wrote it.
    pub(crate) const fn is_own(&self) -> bool {
        self.own
    }

    /// The summary as it stands: one line.
    pub(crate) fn summary(&self) -> String {
        let mut out = vec![b'{'];
        for (name, value) in self.summary.entries() {
            if out.len() > 1 {
                out.push(b',');
            }
            json::text(&name, &mut out);
            out.push(b':');
            if name == "_step" && self.step_shift != 0 {
                json::integer(self.last_step, &mut out);
            } else {
                out.extend_from_slice(value.as_bytes());
            }
        }
        out.push(b'}');
        String::from_utf8(out).unwrap_or_default()
    }

    /// When the run began, in seconds since 1970.
    pub(crate) fn started(&self) -> f64 {
        self.run.as_ref().and_then(|run| run.start_time).map_or(0.0, |time| time.as_f64())
    }

    /// What could not be read.
    pub(crate) const fn damage(&self) -> Damage {
        self.reader.damage()
    }

    /// Bytes at the end that are no whole record.
    pub(crate) fn torn(&self) -> u64 {
        self.reader.torn()
    }

    fn console(&mut self, output: &OutputRaw) {
        let index = usize::from(output.output_type == 1);
        let Some(begun) = self.unfinished_output.get_mut(index) else { return };
        begun.push_str(&output.line);
        let mark = if index == 0 { "ERROR " } else { "" };
        let time = output.timestamp.and_then(|time| jiff::Timestamp::new(time.seconds, time.nanos).ok());
        let time = time.map_or_else(String::new, |time| time.strftime("%Y-%m-%dT%H:%M:%S.%6f ").to_string());
        while let Some((line, rest)) = begun.split_once('\n') {
            self.output.push_back(format!("{mark}{time}{}", line.trim_end_matches('\r')));
            *begun = rest.to_owned();
        }
    }
}

/// Takes over what a later record says.
fn update(known: &mut Run, later: Run) {
    let Run { run_group, job_type, display_name, notes, tags, host, entity, project, .. } = later;
    let texts = [
        (&mut known.run_group, run_group),
        (&mut known.job_type, job_type),
        (&mut known.display_name, display_name),
        (&mut known.notes, notes),
        (&mut known.host, host),
        (&mut known.entity, entity),
        (&mut known.project, project),
    ];
    for (old, new) in texts.into_iter().filter(|(_, new)| !new.is_empty()) {
        *old = new;
    }
    known.tags = tags;
}

fn note_all(summary: &mut Summary, metrics: &Metrics, own: bool, items: &[Item]) {
    if !own {
        return;
    }
    for item in items {
        if let [name] = item.path() {
            summary.note(metrics, name, &item.value_json);
        }
    }
}

fn step_in(items: &[Item]) -> Option<i64> {
    let item = items.iter().find(|item| matches!(item.path(), [name] if name == "_step"))?;
    let value = item.value();
    value.parse().ok().or_else(|| step_of(&format!("{{\"_step\":{value}}}")))
}

/// A row as one line of JSON. Of two values of one name the later one counts.
fn render(items: &[Item], step: i64) -> String {
    let mut tree = Tree::default();
    let mut out =
        Vec::with_capacity(items.iter().map(|item| item.key.len() + item.value_json.len() + 5).sum());
    let plain = items.iter().all(|item| item.nested_key.is_empty() && !item.value_json.is_empty());
    if plain && items.iter().filter(|item| item.key == "_step").count() == 1 {
        for item in items {
            out.push(if out.is_empty() { b'{' } else { b',' });
            json::text(&item.key, &mut out);
            out.push(b':');
            if item.key == "_step" {
                json::integer(step, &mut out);
            } else {
                out.extend_from_slice(item.value_json.as_bytes());
            }
        }
        out.push(b'}');
    } else {
        items.iter().for_each(|item| tree.set(item.path(), item.value()));
        tree.set(&["_step".to_owned()], step.to_string());
        tree.write(&mut out);
    }
    String::from_utf8(out).unwrap_or_default()
}

/// A measurement of the machine, as a line of `wandb-events.jsonl`.
fn event(stats: &Stats, started: f64) -> String {
    let time = stats.timestamp.map_or(0.0, |time| time.as_f64());
    let mut out = b"{\"_wandb\":true,\"_timestamp\":".to_vec();
    json::number(time, &mut out);
    out.extend_from_slice(b",\"_runtime\":");
    json::number((time - started).max(0.0), &mut out);
    for item in &stats.item {
        out.push(b',');
        json::text(&format!("system.{}", item.key), &mut out);
        out.push(b':');
        out.extend_from_slice(item.value().as_bytes());
    }
    out.push(b'}');
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
#[path = "assembly_tests.rs"]
mod tests;
