//! The handle of one destination.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nethical::delivery::{Full, QueueLimits, Rejected, Settings};
use nethical::destinations::jsonl::JsonlConfig;
use nethical::destinations::memory::{Memory, MemoryConfig};
use nethical::destinations::{Validated, connect};
use nethical::event::{Event, Rules};
use nethical::fork::PerProcess;
use nethical::{Connector as Core, Error};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::feed::FeedSource;
use crate::shapes::{Dict, shape};
use crate::spool::SpoolOptions;
use crate::{entry, errors, kinds, notices, process, report, wait};

/// Feeds one destination: what `JSONFileConnector` and the others are made of.
#[pyclass(frozen, module = "nethical._core")]
pub(crate) struct Connector {
    /// Only empty while it is dropped.
    handle: Option<Arc<Handle>>,
}

/// What waits and closes go through, without the GIL.
pub(crate) struct Handle {
    core: Arc<Core>,
    feed: Option<Arc<FeedSource>>,
    memory: Option<Arc<PerProcess<MemoryConfig>>>,
    closed: AtomicBool,
    repaired: AtomicU64,
}

impl Handle {
    fn new(core: Arc<Core>) -> Self {
        Self { core, feed: None, memory: None, closed: AtomicBool::new(false), repaired: AtomicU64::new(0) }
    }

    /// The connector itself.
    pub(crate) const fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Deliver what waits, and have a connector that is written in Python flush as well.
    pub(crate) fn flush(&self, deadline: std::time::Instant) -> bool {
        self.core.flush(wait::left(deadline)) && self.feed.as_ref().is_none_or(|feed| feed.flush(deadline))
    }

    /// Close it.
    pub(crate) fn close(&self, deadline: std::time::Instant) -> bool {
        self.closed.store(true, Ordering::Relaxed);
        self.core.close(wait::left(deadline))
    }
}

shape! {
    /// How much may wait in memory, as Python says it.
    pub(crate) struct QueueOptions as "Queue" {
        max_queue: usize,
        when_full: String,
        block_timeout: f64,
    }
}

impl QueueOptions {
    pub(crate) fn settings(self) -> PyResult<Settings> {
        if self.block_timeout.is_nan() || self.block_timeout < 0.0 {
            let text = format!("block_timeout is {}: use 0 or more seconds", self.block_timeout);
            return Err(PyValueError::new_err(text));
        }
        let full = match self.when_full.as_str() {
            "drop_newest" => Full::DropNewest,
            "drop_oldest" => Full::DropOldest,
            "block" => Full::Block(wait::patience(self.block_timeout)?),
            other => {
                let text = format!("when_full is {other:?}: use 'drop_newest', 'drop_oldest' or 'block'");
                return Err(PyValueError::new_err(text));
            }
        };
        if self.max_queue == 0 {
            return Err(PyValueError::new_err("max_queue is 0: use 1 or more"));
        }
        let queue = QueueLimits { max_events: self.max_queue, full, ..QueueLimits::default() };
        Ok(Settings { queue, observer: notices::observer(), ..Settings::default() })
    }
}

#[pymethods]
impl Connector {
    /// To a file of JSON lines. `options` are those of a configuration, but for the path, which need not be UTF-8.
    #[staticmethod]
    fn jsonl(
        py: Python<'_>,
        name: String,
        filepath: PathBuf,
        options: Dict<'_>,
        queue: QueueOptions,
        spool: SpoolOptions,
    ) -> PyResult<Self> {
        options.set_item("filepath", "")?;
        let config = JsonlConfig { filepath: JsonlConfig::new(filepath).filepath, ..kinds::read(&options)? };
        let settings = Settings { spool: spool.settings()?, ..queue.settings()? };
        Self::open(py, name, Arc::new(config), settings)
    }

    /// To memory.
    #[staticmethod]
    fn memory(py: Python<'_>, name: String, max_events: usize, queue: QueueOptions) -> PyResult<Self> {
        kinds::check_name(py, &name)?;
        // A child has memory of its own: its parent's may be locked for ever.
        let memory = Arc::new(PerProcess::new());
        let opened = Arc::clone(&memory);
        let core = Core::open(name, queue.settings()?, move || {
            opened
                .get(|| {
                    let mut config = MemoryConfig::default();
                    config.max_events = max_events;
                    config
                })
                .open()
        });
        let handle = Handle::new(Arc::new(core.map_err(|error| errors::exception(py, &error))?));
        Ok(Self { handle: Some(Arc::new(Handle { memory: Some(memory), ..handle })) })
    }

    /// To an object that is written in Python.
    #[staticmethod]
    fn custom(
        py: Python<'_>,
        name: String,
        target: Py<PyAny>,
        queue: QueueOptions,
        spool: SpoolOptions,
    ) -> PyResult<Self> {
        kinds::check_name(py, &name)?;
        let feed = Arc::new(FeedSource::new(target));
        let opened = Arc::clone(&feed);
        // The object is in this process: it need not wait long for company.
        let batch_age = Duration::from_millis(20);
        let settings = Settings { batch_age, spool: spool.settings()?, ..queue.settings()? };
        let core = Core::open(name, settings, move || Ok(opened.destination()));
        let handle = Handle::new(Arc::new(core.map_err(|error| errors::exception(py, &error))?));
        Ok(Self { handle: Some(Arc::new(Handle { feed: Some(feed), ..handle })) })
    }

    /// Start the thread of an object that is written in Python. Python gives none at the end of the
    /// program, so this is not left to the first entry.
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        let Some(feed) = &self.handle(py)?.feed else { return Ok(()) };
        feed.start().map_err(|error| errors::exception(py, &error))
    }

    /// Its name in warnings and accounts.
    #[getter]
    fn name(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.handle(py)?.core.name().to_owned())
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.handle(py)?.closed.load(Ordering::Relaxed))
    }

    /// Hand over an entry. False if the queue is full and gives up new entries.
    fn send(&self, py: Python<'_>, entry: &Bound<'_, PyAny>) -> PyResult<bool> {
        process::arm(py);
        let handle = self.handle(py)?;
        let encoded = entry::encode(entry, &Rules::default())?;
        if encoded.repairs > 0 {
            handle.repaired.fetch_add(1, Ordering::Relaxed);
        }
        match offer(py, &handle.core, encoded.event) {
            Ok(()) => Ok(true),
            Err(Rejected::Full) => Ok(false),
            Err(Rejected::Closed) => Err(handle.core.status().map_or_else(
                |error| errors::exception(py, &error),
                |_| errors::closed(py, handle.core.name()),
            )),
        }
    }

    /// Its accounts.
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Dict<'py>> {
        let handle = self.handle(py)?;
        // To know the oldest may take reading a file.
        let status = py.detach(|| handle.core.status()).map_err(|error| errors::exception(py, &error))?;
        let dict = report::status(py, &status)?;
        dict.set_item("repaired", handle.repaired.load(Ordering::Relaxed))?;
        Ok(dict)
    }

    /// Its dead letters, oldest first.
    fn dead_letters<'py>(&self, py: Python<'py>) -> PyResult<Vec<Dict<'py>>> {
        self.handle(py)?.core.dead_letters().iter().map(|letter| report::dead_letter(py, letter)).collect()
    }

    /// The latest deliveries that came to their end, oldest first.
    fn recent_deliveries<'py>(&self, py: Python<'py>) -> PyResult<Vec<Dict<'py>>> {
        let recent = self.handle(py)?.core.recent_deliveries();
        recent.iter().map(|delivery| report::delivery(py, delivery)).collect()
    }

    /// See whether a delivery would work, without delivering anything. Returns what was found, for people.
    fn probe(&self, py: Python<'_>) -> PyResult<String> {
        let core = Arc::clone(&self.handle(py)?.core);
        wait::interruptibly(py, move || core.probe())?.map_err(|error| errors::exception(py, &error))
    }

    /// The lines that memory got, oldest first.
    fn lines<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let events = self.kept(py)?.map(|memory| memory.events()).unwrap_or_default();
        Ok(events.iter().map(|event| PyBytes::new(py, event.json())).collect())
    }

    /// Forget the lines that memory got.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(memory) = self.kept(py)? {
            memory.clear();
        }
        Ok(())
    }
}

impl Connector {
    /// Open a destination and the handle to it.
    pub(crate) fn open(
        py: Python<'_>,
        name: String,
        config: Arc<dyn Validated>,
        settings: Settings,
    ) -> PyResult<Self> {
        kinds::check_name(py, &name)?;
        // With the GIL held: it is short, and a fork cannot come in between.
        let core = connect(config, name, settings).map_err(|error: Error| errors::exception(py, &error))?;
        Ok(Self::from_core(Arc::new(core)))
    }

    /// The handle of a connector that is open.
    pub(crate) fn from_core(core: Arc<Core>) -> Self {
        Self { handle: Some(Arc::new(Handle::new(core))) }
    }

    pub(crate) fn handle(&self, py: Python<'_>) -> PyResult<&Arc<Handle>> {
        self.handle.as_ref().ok_or_else(|| errors::closed(py, "connector"))
    }

    fn kept(&self, py: Python<'_>) -> PyResult<Option<Memory>> {
        Ok(self.handle(py)?.memory.as_ref().and_then(|memory| memory.existing()).map(MemoryConfig::memory))
    }
}

/// Hand over an event, without the GIL if that means to wait: for room, or for the disk.
pub(crate) fn offer(py: Python<'_>, core: &Core, event: Event) -> Result<(), Rejected> {
    if core.would_block() { py.detach(|| core.send(event)) } else { core.send(event) }
}

impl Drop for Connector {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            wait::drop_elsewhere(handle);
        }
    }
}
