//! What this process keeps on disk: its spool, those it adopted, and the dead letters.
//!
//! A process has one store for each home that its destinations name, and usually one home. Its spool is a
//! directory that nobody else owns: one that an ended process left, else a new one. Every few seconds
//! it looks for further directories whose process has ended, and adopts those in which something waits for a
//! destination that is open here. An adopted one is let go when nothing in it is left for us.

use std::collections::{HashMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::delivery::backlog::Backlog;
use crate::delivery::spooled::Spooled;
use crate::delivery::status::{self, Status};
use crate::delivery::{Error, Ledger, runtime};
use crate::fork::PerProcess;
use crate::spool::storage::Disk;
use crate::spool::{DestinationId, Directory, Home, Options, Spool};

/// How often it is written down what the destinations do.
const STATUS_PAUSE: Duration = Duration::from_secs(1);

/// It is written down anew after this time even if nothing happened, so that a reader sees who is alive.
const STATUS_AGE: Duration = Duration::from_secs(10);

/// How long a destination that is opened again waits for its predecessor to let go.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// Directories of ended processes are looked for every so many times.
const ADOPTION_PAUSES: u64 = 5;

/// When directories with nothing for us are looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The disk side of one home in this process.
pub(crate) struct Store {
    home: Home,
    spool: Spool,
    /// Locked as long as the process lives.
    directory: Directory,
    attached: Mutex<Vec<Attached>>,
    watched: Mutex<Vec<Weak<dyn Reports>>>,
    /// What was last written down, and when.
    written: Mutex<Option<(Instant, Counts)>>,
    adopted: Mutex<Vec<Adopted>>,
    /// Directories in which there was nothing for us, until a destination is opened or some time has passed.
    looked_at: Mutex<(Instant, HashSet<PathBuf>)>,
}

/// Accounts, and whether deliveries fail, of each destination.
type Counts = Vec<(Ledger, bool)>;

/// Something that can say what it is doing.
pub(crate) trait Reports: Send + Sync {
    /// What it is doing.
    fn report(&self) -> Status;
}

/// A destination that is open in this process.
struct Attached {
    key: String,
    backlog: Weak<Spooled>,
}

/// A directory that an ended process left.
struct Adopted {
    spool: Spool,
    directory: Directory,
    /// Which of its destinations we deliver, and as which of their sources.
    sources: Vec<(DestinationId, Weak<Spooled>, u32)>,
}

/// The stores of this process by their homes.
static STORES: PerProcess<Mutex<HashMap<PathBuf, Arc<Store>>>> = PerProcess::new();

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The home that the environment names: `$NETHICAL_HOME`, else the user's state directory.
pub(crate) fn default_home() -> Option<PathBuf> {
    Home::default_path(|name| std::env::var(name).ok())
}

/// Whether the environment allows a spool: `NETHICAL_SPOOL` is not `off`.
pub(crate) fn is_allowed() -> bool {
    !std::env::var("NETHICAL_SPOOL")
        .is_ok_and(|value| ["off", "0", "false", "no"].contains(&value.to_lowercase().as_str()))
}

impl Store {
    /// This process's store in a home; `options` count for the first who asks.
    pub(crate) fn at(home: &Path, options: &Options) -> Result<Arc<Self>, Error> {
        let mut stores = lock(STORES.get(Mutex::default));
        if let Some(store) = stores.get(home) {
            return Ok(Arc::clone(store));
        }
        let store = Arc::new(Self::open(home, options.clone())?);
        stores.insert(home.to_owned(), Arc::clone(&store));
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
        let directory = home.adopt_one().and_then(|found| found.map_or_else(|| home.create(), Ok));
        let directory = directory.map_err(|error| failed(&error))?;
        let (spool, recovery) =
            Spool::open(Arc::new(Disk), directory.path(), options).map_err(|error| failed(&error))?;
        if !recovery.is_clean() {
            tracing::warn!(target: "nethical", "{}: {recovery}", directory.path().display());
        }
        Ok(Self {
            home,
            spool,
            directory,
            attached: Mutex::default(),
            watched: Mutex::default(),
            written: Mutex::default(),
            adopted: Mutex::default(),
            looked_at: Mutex::new((Instant::now(), HashSet::new())),
        })
    }

    /// The backlog of a destination. Where the key is in use here already, a number is added to it.
    pub(crate) fn backlog(&self, key: &str) -> Result<Arc<Spooled>, Error> {
        let failed =
            |error: crate::spool::SpoolError| Error::unavailable("spool.destination", error.to_string());
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
        lock(&self.looked_at).1.clear();
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

    /// The key of a destination that has no name: its type and a hash of what identifies it. The hash is
    /// salted, so that a web address that is a secret cannot be guessed from it.
    pub(crate) fn key_of(&self, kind: &str, identity: &str) -> String {
        let salt = salt(self.home.path());
        let digest = Sha256::new_with_prefix(salt).chain_update(identity.as_bytes()).finalize();
        let short: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("{kind}-{short}")
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
        let statuses: Vec<_> = watched.iter().map(|reports| reports.report()).collect();
        let mut written = lock(&self.written);
        let counts: Vec<_> =
            statuses.iter().map(|status| (status.ledger, status.down_for.is_some())).collect();
        let is_news =
            written.as_ref().is_none_or(|(when, last)| *last != counts || when.elapsed() > STATUS_AGE);
        // A disk that does not take it leaves the last one, which says when it was written.
        if is_news && status::write(self.directory.path(), &statuses).is_ok() {
            *written = Some((Instant::now(), counts));
        }
    }

    /// Let go of what is empty, and adopt what ended processes left for destinations of ours.
    pub(crate) fn adopt(&self) {
        self.release();
        let open: Vec<_> = {
            let attached = lock(&self.attached);
            let live = |other: &Attached| Some((other.key.clone(), other.backlog.upgrade()?));
            attached.iter().filter_map(live).filter(|(_, backlog)| backlog.is_open()).collect()
        };
        if open.is_empty() {
            return;
        }
        let options = self.spool.options().clone();
        for directory in self.free_directories() {
            let Ok((spool, _)) = Spool::open(Arc::new(Disk), directory.path(), options.clone()) else {
                continue;
            };
            let sources = take_over(&spool, &open);
            if sources.is_empty() {
                lock(&self.looked_at).1.insert(directory.path().to_owned());
            }
            lock(&self.adopted).push(Adopted { spool, directory, sources });
        }
        // Those with nothing for us go at once.
        self.release();
    }

    fn free_directories(&self) -> Vec<Directory> {
        let mut looked_at = lock(&self.looked_at);
        if looked_at.0.elapsed() > LOOK_AGAIN {
            *looked_at = (Instant::now(), HashSet::new());
        }
        self.home.adopt_unless(|path| looked_at.1.contains(path)).unwrap_or_default()
    }

    fn release(&self) {
        let mut adopted = lock(&self.adopted);
        let all = std::mem::take(&mut *adopted);
        for mut one in all {
            one.sources.retain(|(_, backlog, number)| {
                backlog.upgrade().is_some_and(|backlog| backlog.is_open() && !backlog.release_source(*number))
            });
            if one.sources.is_empty() {
                one.let_go();
            } else {
                adopted.push(one);
            }
        }
    }
}

impl Adopted {
    /// Free for others, or gone if nothing waits in it for anybody.
    fn let_go(self) {
        let empty = self.spool.stats().destinations.iter().all(|destination| destination.waiting.events == 0);
        self.spool.close();
        drop(self.spool);
        if empty {
            let _ = self.directory.remove();
        }
    }
}

/// Have our destinations also deliver what waits for them in this spool.
fn take_over(spool: &Spool, open: &[(String, Arc<Spooled>)]) -> Vec<(DestinationId, Weak<Spooled>, u32)> {
    let stats = spool.stats();
    let waiting = stats.destinations.iter().filter(|destination| destination.waiting.events > 0);
    let taken = waiting.filter_map(|destination| {
        let (_, backlog) = open.iter().find(|(key, _)| *key == destination.key)?;
        let number = backlog.add_source(spool, destination.id).ok()?;
        Some((destination.id, Arc::downgrade(backlog), number))
    });
    taken.collect()
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

/// Adopt, in every home of this process, what ended processes left for destinations that are open.
pub fn adopt() {
    let stores: Vec<_> =
        STORES.existing().map_or_else(Vec::new, |stores| lock(stores).values().cloned().collect());
    stores.iter().for_each(|store| store.adopt());
}
