//! The one background thread of a process.
//!
//! All workers run on it. It is started on first use, and anew in a forked child. It only ever waits:
//! what would keep it busy or block it (files, callbacks) goes to the runtime's blocking pool.

use std::cell::Cell;
use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};

use crate::delivery::Error;
use crate::fork::PerProcess;

static RUNTIME: PerProcess<Result<Handle, Error>> = PerProcess::new();

thread_local! {
    static OURS: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread delivers, or opens what delivers. What the libraries that it uses log about a delivery must not be
/// delivered in turn, or each attempt would make more to deliver.
pub fn is_ours() -> bool {
    OURS.try_with(Cell::get).unwrap_or(true)
}

/// What every thread of ours begins with.
fn begin() {
    OURS.set(true);
    block_broken_pipes();
}

/// A receiver that closes its connection is to end no program, also none that took `SIGPIPE` back to what it does by
/// default, as filters written in Python like to: on these threads such a write is only an error.
fn block_broken_pipes() {
    let mut signals = std::mem::MaybeUninit::uninit();
    #[expect(unsafe_code, reason = "the mask of a thread can only be set through libc")]
    // SAFETY: the set is made before it is read, and lives as long as it is.
    unsafe {
        libc::sigemptyset(signals.as_mut_ptr());
        libc::sigaddset(signals.as_mut_ptr(), libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, signals.as_ptr(), std::ptr::null_mut());
    }
}

/// Do work of the delivery on a thread of the program.
pub(super) fn as_ours<T>(work: impl FnOnce() -> T) -> T {
    let before = OURS.replace(true);
    let done = work();
    OURS.set(before);
    done
}

/// The runtime of this process.
///
/// # Errors
/// If the system gives no thread.
pub fn handle() -> Result<Handle, Error> {
    RUNTIME.get(start).clone()
}

fn start() -> Result<Handle, Error> {
    let failed = |error: std::io::Error| {
        Error::unavailable("runtime.no_thread", format!("cannot start the delivery thread: {error}"))
            .with_hint("see the limits on processes and threads (`ulimit -u`, `pids.max`)")
    };
    let runtime = Builder::new_current_thread()
        .enable_all()
        .thread_name("nethical-file")
        .thread_keep_alive(Duration::from_secs(10))
        .on_thread_start(begin)
        .build()
        .map_err(failed)?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("nethical".to_owned())
        .spawn(move || {
            begin();
            runtime.block_on(std::future::pending::<()>());
        })
        .map_err(failed)?;
    Ok(handle)
}

/// Run work that may block without keeping the background thread from the other destinations.
///
/// # Errors
/// If the work panicked.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        Error::unavailable("runtime.panicked", format!("a background task failed: {error}"))
            .with_hint("this is a fault of Nethical's, please report it")
    })
}

/// Wait for `work` from a thread that is not the runtime's, also inside somebody else's runtime.
///
/// # Errors
/// If the runtime cannot be started, or the work panicked.
pub fn wait<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, Error> {
    let (done, result) = std::sync::mpsc::sync_channel(1);
    handle()?.spawn(async move {
        let _ = done.send(work.await);
    });
    result.recv().map_err(|_| Error::unavailable("runtime.panicked", "a background task failed"))
}
