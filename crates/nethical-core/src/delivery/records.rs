//! The record of deliveries, for people who ask what became of a message.
//!
//! Every process appends to `deliveries/current.jsonl` in its home, one line for each delivery that came to its
//! end, and for the first failed attempt of one that is tried again. Lines go out in one write each time, so those
//! of several processes do not mix. When the file is large it gets the time as its name, and the oldest files
//! go. This is a record, not an account: what is lost with a killed process are its last lines, never a delivery.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::delivery::{Delivery, runtime};
use crate::event::{Event, EventId, Family, Level, Timestamp};
use crate::fork::PerProcess;

const CURRENT: &str = "current.jsonl";

/// Bytes at which a new file begins.
const FILE_BYTES: u64 = 8 << 20;

/// Bytes of all files.
const ALL_BYTES: u64 = 64 << 20;

/// A larger event is not kept with its record; if it failed, it is among the dead letters.
const EVENT_BYTES: usize = 64 << 10;

/// Deliveries that are also kept in memory, per destination.
const IN_MEMORY: usize = 1_000;

/// One line of the record.
#[derive(Debug, Clone)]
pub struct Record {
    /// What became of it.
    pub delivery: Delivery,
    /// The event, unless it was too large to be kept.
    pub event: Option<Event>,
}

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    #[serde(flatten)]
    delivery: Cow<'a, Delivery>,
    event: Option<Kept<'a>>,
}

/// An event in its line.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    at: Timestamp,
    level: Level,
    family: Cow<'a, str>,
    /// As text: the same bytes come back.
    json: Cow<'a, str>,
}

impl Kept<'_> {
    fn event(&self, id: &str) -> Option<Event> {
        let family = [Family::Logs, Family::Alerts, Family::Runs]
            .into_iter()
            .find(|one| one.as_str() == self.family)?;
        Some(Event::new(EventId::parse(id)?, self.at, self.level, family, self.json.as_bytes()))
    }
}

/// The records of one destination.
pub(crate) struct Records {
    recent: Mutex<VecDeque<Delivery>>,
    log: Option<Arc<Writer>>,
}

impl Records {
    /// In memory, and under `home` if there is one.
    pub(crate) fn new(home: Option<PathBuf>) -> Self {
        Self { recent: Mutex::default(), log: home.map(|home| Writer::at(&home)) }
    }

    /// Keep one.
    pub(crate) fn push(&self, delivery: &Delivery, event: &Event) {
        {
            let mut recent = lock(&self.recent);
            if recent.len() >= IN_MEMORY {
                recent.pop_front();
            }
            recent.push_back(delivery.clone());
        }
        if let Some(log) = &self.log {
            log.push(delivery, event);
        }
    }

    /// The latest in memory, oldest first.
    pub(crate) fn recent(&self) -> Vec<Delivery> {
        lock(&self.recent).iter().cloned().collect()
    }

    /// Write down what is not written yet. Blocks for as long as the disk takes.
    pub(crate) fn write(&self) {
        if let Some(log) = &self.log {
            log.drain();
        }
    }
}

/// Writes the records of this process in one home.
struct Writer {
    folder: PathBuf,
    pending: Mutex<Vec<u8>>,
    is_scheduled: AtomicBool,
    /// Held while writing, so that lines keep their order.
    writing: Mutex<()>,
}

static WRITERS: PerProcess<Mutex<HashMap<PathBuf, Arc<Writer>>>> = PerProcess::new();

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writer {
    fn at(home: &Path) -> Arc<Self> {
        let new = || Self {
            folder: folder(home),
            pending: Mutex::default(),
            is_scheduled: AtomicBool::new(false),
            writing: Mutex::default(),
        };
        let mut writers = lock(WRITERS.get(Mutex::default));
        Arc::clone(writers.entry(home.to_owned()).or_insert_with(|| Arc::new(new())))
    }

    /// Never waits for the disk.
    fn push(self: &Arc<Self>, delivery: &Delivery, event: &Event) {
        let json = (event.json().len() <= EVENT_BYTES).then(|| String::from_utf8_lossy(event.json()));
        let family = event.family().as_str().into();
        let kept = json.map(|json| Kept { at: event.at(), level: event.level(), family, json });
        let line = Line { delivery: Cow::Borrowed(delivery), event: kept };
        {
            let mut pending = lock(&self.pending);
            // More than a disk takes in seconds: it does not take any, and a record is not worth the memory.
            if pending.len() < FILE_BYTES as usize && serde_json::to_writer(&mut *pending, &line).is_ok() {
                pending.push(b'\n');
            }
        }
        if !self.is_scheduled.swap(true, Ordering::AcqRel) {
            let writer = Arc::clone(self);
            match runtime::handle() {
                Ok(runtime) => drop(runtime.spawn_blocking(move || writer.drain())),
                Err(_) => writer.drain(),
            }
        }
    }

    fn drain(&self) {
        let _writing = lock(&self.writing);
        self.is_scheduled.store(false, Ordering::Release);
        let lines = std::mem::take(&mut *lock(&self.pending));
        if !lines.is_empty()
            && let Err(error) = self.append(&lines)
        {
            let folder = self.folder.display();
            tracing::debug!(target: "nethical", "{folder}: a record of deliveries is lost: {error}");
        }
    }

    fn append(&self, lines: &[u8]) -> io::Result<()> {
        let path = self.folder.join(CURRENT);
        let open = || OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        let mut file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
                open()?
            }
            file => file?,
        };
        file.write_all(lines)?;
        if file.metadata()?.len() >= FILE_BYTES {
            let name = format!("{:016x}.jsonl", Timestamp::now().as_microsecond());
            fs::rename(&path, self.folder.join(name))?;
            self.retain()?;
        }
        Ok(())
    }

    fn retain(&self) -> io::Result<()> {
        let files = files(&self.folder)?;
        let mut total = 0;
        for path in files.iter().rev() {
            total += fs::metadata(path).map_or(0, |metadata| metadata.len());
            if total > ALL_BYTES {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

fn folder(home: &Path) -> PathBuf {
    home.join("deliveries")
}

/// The files, oldest first.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed?,
    };
    let ours = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "jsonl");
    let mut files: Vec<_> = listed.filter_map(|entry| Some(entry.ok()?.path())).filter(ours).collect();
    // Numbers come before `current`.
    files.sort_unstable();
    Ok(files)
}

/// Which deliveries; what is not given does not matter.
#[derive(Debug, Clone, Default)]
pub struct RecordFilter {
    /// To this destination.
    pub destination: Option<String>,
    /// With this id, or one that begins like this.
    pub id: Option<String>,
    /// That have come this far.
    pub status: Option<super::DeliveryStatus>,
}

impl RecordFilter {
    fn matches(&self, delivery: &Delivery) -> bool {
        self.destination.as_ref().is_none_or(|name| *name == delivery.destination)
            && self.id.as_ref().is_none_or(|id| delivery.delivery_id.starts_with(id.as_str()))
            && self.status.is_none_or(|status| status == delivery.status)
    }
}

/// The deliveries that are on record in a home, the latest first, at most `limit`. Of each only the last state.
///
/// # Errors
/// If the folder cannot be listed. A home without one has no record. Lines that cannot be read are left out.
pub fn deliveries(home: &Path, filter: &RecordFilter, limit: usize) -> io::Result<Vec<Record>> {
    let (mut seen, mut found) = (std::collections::HashSet::new(), Vec::new());
    for path in files(&folder(home))?.iter().rev() {
        let Ok(file) = File::open(path) else { continue };
        let lines: Vec<_> = BufReader::new(file).split(b'\n').map_while(Result::ok).collect();
        for line in lines.iter().rev() {
            let Ok(Line { delivery, event }) = serde_json::from_slice(line) else { continue };
            let is_last = seen.insert((delivery.destination.clone(), delivery.delivery_id.clone()));
            if is_last && filter.matches(&delivery) {
                let event = event.and_then(|kept| kept.event(&delivery.delivery_id));
                found.push(Record { delivery: delivery.into_owned(), event });
            }
            if found.len() >= limit {
                return Ok(found);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::delivery::DeliveryStatus;
    use crate::event::Message;

    fn push(records: &Records, event: &Event, status: DeliveryStatus) {
        let delivery = Delivery::pending(event.id().to_string(), "hook", Some("https://x.test/…"));
        records.push(&delivery.with_status(status), event);
        records.write();
    }

    #[test]
    fn another_process_sees_the_last_state_and_the_event() {
        let home = tempfile::tempdir().unwrap();
        let records = Records::new(Some(home.path().to_owned()));
        let events: Vec<_> = ["a", "b"]
            .map(|name| Message::new(name, serde_json::json!({ "é": [1.5] })).encode().event)
            .into();
        push(&records, &events[0], DeliveryStatus::Retrying);
        push(&records, &events[1], DeliveryStatus::Failed);
        push(&records, &events[0], DeliveryStatus::Success);
        let found = deliveries(home.path(), &RecordFilter::default(), 10).unwrap();
        let states: Vec<_> = found.iter().map(|record| record.delivery.status).collect();
        assert_eq!(states, [DeliveryStatus::Success, DeliveryStatus::Failed]);
        let event = found[0].event.as_ref().unwrap();
        assert_eq!(
            (event.json(), event.id(), event.family()),
            (events[0].json(), events[0].id(), Family::Alerts)
        );
        let failed = RecordFilter { status: Some(DeliveryStatus::Failed), ..RecordFilter::default() };
        assert_eq!(deliveries(home.path(), &failed, 10).unwrap().len(), 1);
        let id = RecordFilter { id: Some(events[1].id().to_string()), ..RecordFilter::default() };
        assert_eq!(
            deliveries(home.path(), &id, 10).unwrap()[0].delivery.delivery_id,
            events[1].id().to_string()
        );
        let mode = fs::metadata(folder(home.path()).join(CURRENT)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(records.recent().len(), 3);
    }

    #[test]
    fn the_record_is_bounded_and_a_torn_line_costs_only_itself() {
        let home = tempfile::tempdir().unwrap();
        let records = Records::new(Some(home.path().to_owned()));
        let event = Message::new("a", serde_json::json!("x".repeat(50_000))).encode().event;
        for _ in 0..1_500 {
            push(&records, &event, DeliveryStatus::Success);
        }
        let sizes = files(&folder(home.path()))
            .unwrap()
            .iter()
            .map(|path| fs::metadata(path).unwrap().len())
            .sum::<u64>();
        assert!(sizes <= ALL_BYTES + 2 * FILE_BYTES, "{sizes}");
        fs::write(folder(home.path()).join(CURRENT), b"{\"delivery_id\":\n").unwrap();
        assert_eq!(deliveries(home.path(), &RecordFilter::default(), 10).unwrap().len(), 1);
    }
}
