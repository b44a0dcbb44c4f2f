//! Connectors that are written in Python.
//!
//! Each has one Python thread, which asks [`Feed::next`] for work, and so calls the object's methods
//! one at a time. The thread is Python's own (not the engine's), so that no Rust frame lies below
//! the object's code when the interpreter ends.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use nethical::Error;
use nethical::delivery::{Batch, Destination, Profile, Receipt, Refusal, runtime};
use nethical::event::Event;
use nethical::fork::PerProcess;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tokio::sync::oneshot;

use crate::wait;

/// One object, and what feeds it in each process.
pub(crate) struct FeedSource {
    target: Arc<Py<PyAny>>,
    feeds: PerProcess<Arc<Channel>>,
}

impl FeedSource {
    pub(crate) fn new(target: Py<PyAny>) -> Self {
        Self { target: Arc::new(target), feeds: PerProcess::new() }
    }

    fn channel(&self) -> Arc<Channel> {
        Arc::clone(self.feeds.get(|| Arc::new(Channel::new(Arc::clone(&self.target)))))
    }

    /// The destination that feeds the object in this process.
    pub(crate) fn destination(&self) -> Arc<dyn Destination> {
        Arc::new(ToPython(self.channel()))
    }

    /// Start the object's thread in this process, unless it runs.
    pub(crate) fn start(&self) -> Result<(), Error> {
        Channel::start(&self.channel())
    }

    /// Have the object flush. `false` if it fails to, or not by the deadline.
    pub(crate) fn flush(&self, deadline: Instant) -> bool {
        let Some(channel) = self.feeds.existing() else { return true };
        let (reply, answer) = sync_channel(1);
        let reply = move |refused: Vec<Refused>| {
            let _ = reply.send(refused.is_empty());
        };
        Channel::start(channel).is_ok()
            && channel.push(Job { task: Task::Flush, reply: Box::new(reply) })
            && answer.recv_timeout(wait::left(deadline)).unwrap_or(false)
    }
}

/// A place in the batch, and why it was refused.
type Refused = (usize, String);

type Reply = Box<dyn FnOnce(Vec<Refused>) + Send>;

/// What the object's thread is to do.
enum Task {
    Deliver(Batch),
    Flush,
    Close,
}

struct Job {
    task: Task,
    reply: Reply,
}

/// Between the engine and the object's thread.
struct Channel {
    target: Arc<Py<PyAny>>,
    started: AtomicBool,
    jobs: Mutex<Jobs>,
    news: Condvar,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    /// Who waits for what is being done now.
    reply: Option<Reply>,
    closed: bool,
}

impl Channel {
    fn new(target: Arc<Py<PyAny>>) -> Self {
        Self { target, started: AtomicBool::new(false), jobs: Mutex::default(), news: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hand over a job. `false`: the object is closed.
    fn push(&self, job: Job) -> bool {
        let mut jobs = self.lock();
        if jobs.closed {
            return false;
        }
        jobs.closed = matches!(job.task, Task::Close);
        jobs.waiting.push_back(job);
        drop(jobs);
        self.news.notify_one();
        true
    }

    /// Wait for a job; `None` when the last one is done.
    fn take(&self) -> Option<Task> {
        let jobs = self.lock();
        let mut jobs = self
            .news
            .wait_while(jobs, |jobs| jobs.waiting.is_empty() && !jobs.closed)
            .unwrap_or_else(PoisonError::into_inner);
        let job = jobs.waiting.pop_front()?;
        jobs.reply = Some(job.reply);
        Some(job.task)
    }

    /// Start the thread, unless it runs.
    fn start(channel: &Arc<Self>) -> Result<(), Error> {
        if channel.started.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let started = Python::try_attach(|py| {
            let work = py.import("nethical._feed")?.getattr("work")?;
            let feed = Bound::new(py, Feed(Arc::clone(channel)))?;
            py.import("_thread")?
                .call_method1("start_new_thread", (work, (feed, channel.target.bind(py))))?;
            Ok::<_, PyErr>(())
        });
        let failure = match started {
            Some(Ok(())) => return Ok(()),
            Some(Err(error)) => error.to_string(),
            None => "the interpreter has ended".to_owned(),
        };
        channel.started.store(false, Ordering::Release);
        Err(Error::unavailable("python.no_thread", format!("cannot start the connector's thread: {failure}")))
    }
}

/// The engine's side.
struct ToPython(Arc<Channel>);

impl ToPython {
    async fn ask(&self, task: Task) -> Result<Vec<Refused>, Error> {
        let channel = Arc::clone(&self.0);
        runtime::blocking(move || Channel::start(&channel)).await??;
        let (reply, answer) = oneshot::channel();
        let reply = move |refused: Vec<Refused>| {
            let _ = reply.send(refused);
        };
        let gone = || Error::unavailable("python.closed", "the connector's thread has ended");
        if !self.0.push(Job { task, reply: Box::new(reply) }) {
            return Err(gone());
        }
        answer.await.map_err(|_| gone())
    }
}

#[async_trait]
impl Destination for ToPython {
    /// Small batches: one that is under way cannot be told apart when the program has to end. Local: what
    /// the object does is not known, so its entries go through the disk only where that is asked for.
    fn profile(&self) -> Profile {
        Profile { max_events: 16, local: true, ..Profile::default() }
    }

    async fn deliver(&self, batch: &Batch) -> Result<Receipt, Error> {
        let refused = self.ask(Task::Deliver(batch.clone())).await?;
        let refusal = |(index, why): Refused| {
            let error = Error::refused("python.send_failed", why)
                .with_hint("see the method that is named, which is not Nethical's");
            Refusal { index, error }
        };
        Ok(Receipt { refused: refused.into_iter().map(refusal).collect(), ..Receipt::all() })
    }

    async fn probe(&self) -> Result<String, Error> {
        Ok("is a Python object".to_owned())
    }

    async fn close(&self) {
        // Whatever the object says, it is not used any more.
        let _ = self.ask(Task::Close).await;
    }
}

/// What to do, and the events that it is about: their ids and their bytes.
type Next<'py> = (&'static str, Vec<(String, Bound<'py, PyBytes>)>);

/// The object's thread's side.
#[pyclass(frozen, module = "nethical._core")]
pub(crate) struct Feed(Arc<Channel>);

#[pymethods]
impl Feed {
    /// Wait for something to do: `("deliver", [(id, line), ...])`, `("flush", [])` or `("close", [])`; None at the end.
    fn next<'py>(&self, py: Python<'py>) -> Option<Next<'py>> {
        let task = py.detach(|| self.0.take())?;
        Some(match task {
            Task::Deliver(batch) => {
                let item = |event: &Event| (event.id().to_string(), PyBytes::new(py, event.json()));
                ("deliver", batch.iter().map(item).collect())
            }
            Task::Flush => ("flush", Vec::new()),
            Task::Close => ("close", Vec::new()),
        })
    }

    /// Say what became of it: places and reasons of what failed.
    fn done(&self, refused: Vec<Refused>) {
        let reply = self.0.lock().reply.take();
        if let Some(reply) = reply {
            reply(refused);
        }
    }
}
