//! Ending in good order when somebody asks for it.

use std::process;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// At the first SIGINT or SIGTERM run `finish` and end; at the second one end at once. The exit code
/// is the usual 128 plus the signal's number. At each SIGHUP run `reopen`: whoever rotates files sends it. When a
/// terminal is closed it comes too, and the end of the input right after it.
pub(crate) fn watch(
    finish: impl FnOnce() + Send + 'static,
    reopen: impl Fn() + Send + 'static,
) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let mut finish = Some(finish);
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if signal == SIGHUP {
                reopen();
                continue;
            }
            match finish.take() {
                None => process::exit(128 + signal),
                Some(finish) => end_by(finish, signal),
            }
        }
    })?;
    Ok(())
}

/// Leave it to another thread to end the process.
pub(crate) fn wait_for_the_end() -> ! {
    loop {
        thread::park();
    }
}

fn end_by(finish: impl FnOnce() + Send + 'static, signal: i32) {
    let started = thread::Builder::new().spawn(move || {
        finish();
        process::exit(128 + signal);
    });
    if started.is_err() {
        process::exit(128 + signal);
    }
}
