//! How much of what was written the other side's system has not acknowledged.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Bytes that are unsent or unacknowledged (`SIOCOUTQ`, tcp(7) and unix(7)); known also after the
/// connection broke. For a unix socket at least as many as were not read.
#[expect(unsafe_code, reason = "there is no safe way to ask a socket this")]
pub(super) fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open as long as it is borrowed, and the call writes one int.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result == 0 { Ok(usize::try_from(bytes).unwrap_or(0)) } else { Err(io::Error::last_os_error()) }
}
