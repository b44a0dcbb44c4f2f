//! What this process keeps on disk: its spool, those it adopted, and the dead letters.
//!
//! A process has one store for each home and durability that its destinations ask for, and usually one. Its
//! spool is a directory that nobody else owns: one in which an ended process left nothing waiting, else a new
//! one. When a destination is opened, and every few seconds, it looks for directories whose process has ended,
//! and adopts those in which something waits for a destination that is open here (`adoption`).

mod adoption;

use std::collections::{HashMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::delivery::backlog::Backlog;
use crate::delivery::spooled::Spooled;
use crate::delivery::status::{self, DestinationReport, Status};
use crate::delivery::{Error, runtime};
use crate::fork::PerProcess;
use crate::spool::storage::Disk;
use crate::spool::{DestinationStats, Directory, HandedOver, Home, Options, Spool, SpoolError, inspect};
use adoption::Adopted;

/// How often it is written down what the destinations do.
const STATUS_PAUSE: Duration = Duration::from_secs(1);

/// How long a destination that is opened again waits for its predecessor to let go.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// Directories of ended processes are looked for every so many times.
const ADOPTION_PAUSES: u64 = 5;

/// The disk side of one home in this process.
pub(crate) struct Store {
    home: Home,
    spool: Spool,
    /// Locked as long as the process lives.
    directory: Directory,
    attached: Mutex<Vec<Attached>>,
    watched: Mutex<Vec<Weak<dyn Reports>>>,
    /// The last reports, by key: of this process, and of the one whose directory it is.
    last: Mutex<HashMap<String, DestinationReport>>,
    adopted: Mutex<Vec<Adopted>>,
    /// Directories in which there was nothing for us, until a destination is opened or some time has passed.
    looked_at: Mutex<(Instant, HashSet<PathBuf>)>,
    /// Held by whoever adopts: a directory in the hands of one would not be seen by another.
    adopting: Mutex<()>,
    /// Counts that were handed over to our spool and are in none of its notes yet; whether they are counted by
    /// the destination that is open.
    handing: Mutex<Vec<(HandedOver, bool)>>,
}

/// Something that can say what it is doing.
pub(crate) trait Reports: Send + Sync {
    /// What it is doing.
    fn report(&self) -> Status;

    /// Whether it has let go of its backlog on disk.
    fn is_finished(&self) -> bool;
}

/// A destination that is open in this process.
struct Attached {
    key: String,
    backlog: Weak<Spooled>,
}

/// The stores of this process by their homes and durabilities: a destination that asks for `Every` is not
/// to get less because another one was opened first, nor that one an fsync for each of its events.
static STORES: PerProcess<Mutex<Stores>> = PerProcess::new();

type Stores = HashMap<(PathBuf, u8), Arc<Store>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The home that the environment names: `$NETHICAL_HOME`, else the user's state directory. A relative one is below the
/// directory in which this process was when it first asked: where a daemon goes afterwards changes nothing.
pub(crate) fn default_home() -> Option<PathBuf> {
    static BELOW: OnceLock<PathBuf> = OnceLock::new();
    let below = BELOW.get_or_init(|| std::env::current_dir().unwrap_or_default());
    Home::default_path(|name| std::env::var_os(name)).map(|home| below.join(home))
}

/// Whether the environment allows a spool: `NETHICAL_SPOOL` is not `off`.
pub(crate) fn is_allowed() -> bool {
    !std::env::var("NETHICAL_SPOOL")
        .is_ok_and(|value| ["off", "0", "false", "no"].contains(&value.to_lowercase().as_str()))
}

impl Store {
    /// This process's store of this durability in a home; the other `options` count for the first who asks.
    pub(crate) fn at(home: &Path, options: &Options) -> Result<Arc<Self>, Error> {
        let place = (home.to_owned(), options.durability as u8);
        let mut stores = lock(STORES.get(Mutex::default));
        if let Some(store) = stores.get(&place) {
            return Ok(Arc::clone(store));
        }
        let store = Arc::new(Self::open(home, options.clone())?);
        store.write_status();
        stores.insert(place, Arc::clone(&store));
        runtime::handle()?.spawn(keep(Arc::downgrade(&store)));
        Ok(store)
    }

    fn open(path: &Path, options: Options) -> Result<Self, Error> {
        let failed = |error: &dyn std::fmt::Display| {
            Error::unavailable("spool.open", format!("cannot keep events in {}: {error}", path.display()))
                .with_hint(
                    "name a directory that this user may write in $NETHICAL_HOME, or set NETHICAL_SPOOL=off",
                )
        };
        let home = Home::new(Arc::new(Disk), path);
        let directory = home.adopt_one(is_drained).and_then(|found| found.map_or_else(|| home.create(), Ok));
        let directory = directory.map_err(|error| failed(&error))?;
        let (spool, recovery) =
            Spool::open(Arc::new(Disk), directory.path(), options).map_err(|error| failed(&error))?;
        if !recovery.is_clean() {
            tracing::warn!(target: "nethical", "{}: {recovery}", directory.path().display());
        }
        let last = last_reports(directory.path());
        let handing = adoption::take_in_leftovers(&spool, directory.path());
        Ok(Self {
            home,
            spool,
            directory,
            attached: Mutex::default(),
            watched: Mutex::default(),
            last: Mutex::new(last),
            adopted: Mutex::default(),
            looked_at: Mutex::new((Instant::now(), HashSet::new())),
            adopting: Mutex::default(),
            handing: Mutex::new(handing),
        })
    }

    /// The backlog of a destination. Where the key is in use here already, a number is added to it.
    pub(crate) fn backlog(&self, key: &str) -> Result<Arc<Spooled>, Error> {
        let failed = |error: SpoolError| Error::unavailable("spool.destination", error.to_string());
        self.wait_for_end(key);
        let mut attached = lock(&self.attached);
        attached.retain(|other| other.backlog.upgrade().is_some_and(|backlog| !backlog.is_finished()));
        let in_use = |key: &str| attached.iter().any(|other| other.key == key);
        let key = (1_u32..)
            .map(|number| if number == 1 { key.to_owned() } else { format!("{key}#{number}") })
            .find(|key| !in_use(key))
            .unwrap_or_default();
        let backlog = Spooled::new(self.spool.clone(), key.clone()).map_err(failed)?;
        let backlog = Arc::new(backlog);
        attached.push(Attached { key, backlog: Arc::downgrade(&backlog) });
        drop(attached);
        lock(&self.looked_at).1.clear();
        // At once, so that also a program that ends soon delivers what earlier ones left.
        self.adopt();
        Ok(backlog)
    }

    /// A destination of this key that is just being closed still holds its backlog for a moment.
    fn wait_for_end(&self, key: &str) {
        let same = |other: &Attached| (other.key == key).then(|| other.backlog.upgrade())?;
        let closing: Vec<_> = lock(&self.attached).iter().filter_map(same).collect();
        for backlog in closing.iter().filter(|backlog| !backlog.is_open()) {
            backlog.wait_finished(Instant::now() + END_PATIENCE);
        }
    }

    /// Where its spool is.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Also write down what this one is doing.
    pub(crate) fn watch(&self, reports: &Arc<dyn Reports>) {
        lock(&self.watched).push(Arc::downgrade(reports));
    }

    /// Write down what the destinations are doing, for other processes to read.
    pub(crate) fn write_status(&self) {
        let watched: Vec<_> = {
            let mut watched = lock(&self.watched);
            watched.retain(|other| other.strong_count() > 0);
            watched.iter().filter_map(Weak::upgrade).collect()
        };
        let mut last = lock(&self.last);
        let mut reports = Vec::with_capacity(watched.len());
        for one in watched {
            let report = DestinationReport::from(&one.report());
            last.insert(report.key.clone(), report.clone());
            if !one.is_finished() {
                reports.push(report);
            }
        }
        let attended: Vec<_> = reports.iter().map(|report| report.key.clone()).collect();
        reports.extend(
            self.unattended(&self.spool, &last, |other| attended.iter().any(|key| **key == *other.key)),
        );
        // A disk that does not take it leaves the last one, which says when it was written.
        let _ = status::write(self.directory.path(), reports);
        let known = last.clone();
        drop(last);
        lock(&self.adopted).iter().for_each(|one| self.write_status_of(one, &known));
    }

    /// Write down, in a directory that we adopted, what we do not tell in our own.
    fn write_status_of(&self, one: &Adopted, last: &HashMap<String, DestinationReport>) {
        let is_attended = |other: &DestinationStats| {
            let ours = one.sources.iter().find(|source| source.id == other.id);
            ours.and_then(|source| source.backlog.upgrade()).is_some_and(|backlog| !backlog.is_finished())
        };
        let _ = status::write(one.directory.path(), self.unattended(&one.spool, last, is_attended));
    }

    /// What is in a spool of ours for destinations that are not open here.
    fn unattended(
        &self,
        spool: &Spool,
        last: &HashMap<String, DestinationReport>,
        is_attended: impl Fn(&DestinationStats) -> bool,
    ) -> Vec<DestinationReport> {
        // So that nobody opens one of them meanwhile, who would find its reader taken.
        let _guard = lock(&self.attached);
        let destinations = spool.stats().destinations.into_iter().filter(|other| !is_attended(other));
        let report = |DestinationStats { id, key, .. }| {
            let reader = spool.reader(id, Arc::new(|| {})).ok()?;
            Some(DestinationReport::unattended(&key, &reader.note(), reader.waiting(), last.get(&*key)))
        };
        destinations.filter_map(report).collect()
    }

    /// Make durable what was accepted, and write down how things stand. `false` if the disk did not take it
    /// in time.
    fn sync(&self, patience: Duration) -> bool {
        let durable = self.spool.sync(patience);
        self.write_status();
        durable
    }

    /// What waits in directories of ours for destinations that are not open here: the last owner of a
    /// directory had others than we have, or they were closed.
    fn orphans(&self) -> Vec<Status> {
        let open: HashSet<String> = {
            let attached = lock(&self.attached);
            let live =
                |other: &&Attached| other.backlog.upgrade().is_some_and(|backlog| !backlog.is_finished());
            attached.iter().filter(live).map(|other| other.key.clone()).collect()
        };
        let mut found =
            status::waiting_in(&self.spool, self.directory.path(), |one| !open.contains(&*one.key));
        for adopted in lock(&self.adopted).iter() {
            let ours = |one: &DestinationStats| adopted.sources.iter().any(|source| source.id == one.id);
            found.extend(status::waiting_in(&adopted.spool, adopted.directory.path(), |one| !ours(one)));
        }
        found
    }
}

/// Whether nothing waits in the spool in this directory, so that it may be ours for long.
fn is_drained(directory: &Path) -> bool {
    let looked = inspect(Arc::new(Disk), directory);
    looked.is_ok_and(|(backlogs, _)| backlogs.iter().all(|backlog| backlog.waiting.events == 0))
}

/// The key by which a home knows a destination that has no name: its type and a hash of what identifies it. The hash is
/// salted, so that a web address that is a secret cannot be guessed from it.
pub fn key_of(home: &Path, kind: &str, identity: &str) -> String {
    let digest = Sha256::new_with_prefix(salt(home)).chain_update(identity.as_bytes()).finalize();
    let short: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{kind}-{short}")
}

/// Random bytes that stay with a home; others every time where the disk does not keep them.
fn salt(home: &Path) -> Vec<u8> {
    const SALT: &str = "salt";
    let path = home.join(SALT);
    let mut fresh = [0; 16];
    let _ = getrandom::fill(&mut fresh);
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let _ = created.and_then(|mut file| file.write_all(&fresh));
    fs::read(&path).unwrap_or_else(|_| fresh.to_vec())
}

/// The store's own work beside delivery.
async fn keep(store: Weak<Store>) {
    for second in 1_u64.. {
        tokio::time::sleep(STATUS_PAUSE).await;
        let Some(store) = store.upgrade() else { return };
        let work = move || {
            store.write_status();
            if second.is_multiple_of(ADOPTION_PAUSES) {
                store.adopt();
            }
        };
        // What cannot be done now is done later.
        let _ = runtime::blocking(work).await;
    }
}

fn last_reports(directory: &Path) -> HashMap<String, DestinationReport> {
    let reports = status::read(directory).map_or_else(Vec::new, |last| last.destinations);
    reports.into_iter().map(|report| (report.key.clone(), report)).collect()
}

fn stores() -> Vec<((PathBuf, u8), Arc<Store>)> {
    let all = |stores: &Mutex<Stores>| {
        lock(stores).iter().map(|(place, store)| (place.clone(), Arc::clone(store))).collect()
    };
    STORES.existing().map_or_else(Vec::new, all)
}

/// Adopt, in every home of this process, what ended processes left for destinations that are open. Says
/// from how many directories; all are looked at, also those in which there was nothing a moment ago.
pub fn adopt() -> usize {
    let look = |(_, store): &(_, Arc<Store>)| {
        lock(&store.looked_at).1.clear();
        store.adopt()
    };
    stores().iter().map(look).sum()
}

/// Make durable what waits on disk, in every home of this process, and write down how things stand: what a
/// program does at its end. `false` if a disk did not take everything within `patience`.
pub fn sync(patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    let late = |store: &Store| !store.sync(deadline.saturating_duration_since(Instant::now()));
    stores().iter().filter(|(_, store)| late(store)).count() == 0
}

/// Write down how things stand in this home, if it is one of this process's.
pub(crate) fn write_status_in(home: &Path) {
    stores()
        .iter()
        .filter(|(_, store)| store.home.path() == home)
        .for_each(|(_, store)| store.write_status());
}

/// What waits in directories of this process for destinations that are not open in it.
pub fn orphans() -> Vec<Status> {
    stores().iter().flat_map(|(_, store)| store.orphans()).collect()
}

/// The homes in which destinations of this process keep events.
pub fn homes() -> Vec<PathBuf> {
    let mut homes: Vec<_> = stores().into_iter().map(|((home, _), _)| home).collect();
    homes.sort_unstable();
    homes.dedup();
    homes
}
