//! The clock of this process, which can be set.

use std::sync::atomic::{AtomicI64, Ordering};

static AHEAD: AtomicI64 = AtomicI64::new(0);

/// Show a time so many seconds from the true one, to everything in this process.
pub(super) fn set_ahead(seconds: i64) {
    AHEAD.store(seconds, Ordering::SeqCst);
}

/// In the place of the C library's, which the standard library would ask.
///
/// # Safety
/// As the C library's: `time` points to a place for the answer.
#[unsafe(no_mangle)]
#[expect(unreachable_pub, reason = "it is reached by its name")]
#[expect(unsafe_code, reason = "the only way to set a clock without setting that of the machine")]
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> libc::c_int {
    // SAFETY: the same call with the same arguments, past the C library.
    let result = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
    if result == 0 && clock == libc::CLOCK_REALTIME {
        // SAFETY: the system has just written there.
        unsafe { (*time).tv_sec += AHEAD.load(Ordering::SeqCst) };
    }
    result as libc::c_int
}
