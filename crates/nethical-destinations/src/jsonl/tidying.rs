//! When [`Tidy`] runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nethical_core::delivery::{Error, runtime};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::tidy::Tidy;

/// How long after opening the file what others left is looked at. What lives shorter leaves it to the next one.
const FIRST: Duration = Duration::from_secs(5);

/// How long the end waits for what is being compressed; the rest is done by whoever opens the file next.
const CLOSING: Duration = Duration::from_secs(10);

/// Runs one [`Tidy`] after the other, in the background.
pub(super) struct Tidying {
    work: Arc<Work>,
    /// Whether anything was moved away by this process.
    rotated: AtomicBool,
}

struct Work {
    tidy: Tidy,
    wanted: AtomicBool,
    turn: Mutex<()>,
}

impl Tidying {
    /// Plan the first one.
    pub(super) fn start(tidy: Tidy) -> Result<Self, Error> {
        let work = Arc::new(Work { tidy, wanted: AtomicBool::new(true), turn: Mutex::default() });
        let first = Arc::downgrade(&work);
        runtime::handle()?.spawn(async move {
            sleep(FIRST).await;
            if let Some(work) = first.upgrade() {
                work.run().await;
            }
        });
        Ok(Self { work, rotated: AtomicBool::new(false) })
    }

    /// Run one soon: a file was moved away.
    pub(super) fn wake(&self) {
        self.rotated.store(true, Ordering::Release);
        self.work.wanted.store(true, Ordering::Release);
        tokio::spawn(Arc::clone(&self.work).run());
    }

    /// Finish what was begun, or give it up.
    pub(super) async fn finish(&self) {
        if self.rotated.load(Ordering::Acquire) {
            let _ = timeout(CLOSING, Arc::clone(&self.work).run()).await;
        }
        self.work.tidy.stop();
    }
}

impl Drop for Tidying {
    fn drop(&mut self) {
        self.work.tidy.stop();
    }
}

impl Work {
    /// Run, unless one that began after this was asked for has done it all.
    async fn run(self: Arc<Self>) {
        let _turn = self.turn.lock().await;
        if !self.wanted.swap(false, Ordering::AcqRel) {
            return;
        }
        let work = Arc::clone(&self);
        if let Ok(Err(error)) = runtime::blocking(move || work.tidy.run()).await {
            let hint = error.hint().unwrap_or_default();
            tracing::warn!(target: "nethical", hint, "files that were moved away stay as they are: {error}");
        }
    }
}
