//! The table of `docs/faults.md`: what becomes of events at each destination under each fault.
//!
//! A cell opens the destination, lets the fault come upon the first event, feeds it more meanwhile, ends the fault after
//! the second failed attempt, and sees what arrived. A trial takes all cells of a destination and fails where one
//! differs from the page; only the caller's time is a figure of the run. `cargo xtask faults` writes the page.

mod cell;
mod clock;
mod disk;
mod line;
mod page;
mod wandb;
mod web;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, RwLock};

use nethical_destinations::Descriptor;
use nethical_receivers::syslog::tls::Authority;

pub(crate) use self::disk::is_done_as_child;
pub(crate) use self::page::write;
use crate::peers;

/// Starts something that is to come back to where it was: at an address below those that the system gives to others, who
/// could have it while it is away.
fn at_own_address<T>(start: impl Fn(SocketAddr) -> io::Result<T>) -> T {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let address = || {
        let number = std::process::id().wrapping_mul(97) + NEXT.fetch_add(1, Ordering::Relaxed);
        SocketAddr::from((Ipv4Addr::LOCALHOST, 20_000 + (number % 12_000) as u16))
    };
    std::iter::repeat_with(address).take(100).find_map(|address| start(address).ok()).unwrap()
}

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Refused,
    ResetInRequest,
    ResetInAnswer,
    Silence,
    SlowDrip,
    RateLimitedFor,
    RateLimited,
    Broken,
    UnavailableUntil,
    Redirect,
    Gone,
    Unauthorized,
    HugeBody,
    GarbageBody,
    AnswerDropped,
    NoSuchName,
    ExpiredCertificate,
    ClockJump,
    DiskFull,
}

impl Fault {
    pub(crate) const ALL: [(Self, &str, &str); 19] = [
        (Self::Refused, "connection refused", "nobody listens"),
        (
            Self::ResetInRequest,
            "reset in request",
            "the connection is reset before the whole request was read",
        ),
        (
            Self::ResetInAnswer,
            "reset in answer",
            "the request is done, and the answer breaks off in its body",
        ),
        (Self::Silence, "silence", "the request is read, and nothing comes back"),
        (
            Self::SlowDrip,
            "slow drip",
            "the request is done, and the answer comes a byte at a time, for minutes",
        ),
        (Self::RateLimitedFor, "429 with a hint", "`Retry-After: 1`"),
        (Self::RateLimited, "429 without", "no word about when to come again"),
        (Self::Broken, "500", ""),
        (Self::UnavailableUntil, "503 with a date", "`Retry-After` names a time two seconds ahead"),
        (Self::Redirect, "302", "to another host, which is not to see what was sent"),
        (Self::Gone, "410", ""),
        (Self::Unauthorized, "401", ""),
        (Self::HugeBody, "huge body", "the request is done, and the answer is a success of 64 MiB"),
        (Self::GarbageBody, "garbage body", "200 with a page of somebody else"),
        (Self::AnswerDropped, "answer dropped after apply", "the request is done, and the connection closed"),
        (Self::NoSuchName, "DNS failure", "the name does not resolve; this does not end"),
        (Self::ExpiredCertificate, "expired certificate", ""),
        (
            Self::ClockJump,
            "clock jump",
            "the clock of the process goes 25 hours ahead, and after the first event to an hour behind",
        ),
        (Self::DiskFull, "disk full", "no byte can be written until all events were handed over"),
    ];
}

/// What a cell says.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Row {
    pub(crate) outcome: String,
    /// Attempts at the first event, where they can be counted.
    pub(crate) attempts: Option<usize>,
    /// 99 of 100 calls took no longer, in nanoseconds.
    pub(crate) p99: u64,
    pub(crate) lost: u64,
    pub(crate) duplicated: usize,
}

/// A cell, or why there is none.
pub(crate) type Cell = Result<Row, &'static str>;

/// While a clock jumps nothing else is tried in this process.
static JUMPING: RwLock<()> = RwLock::new(());

/// Whom this process trusts instead of the public authorities.
fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::new().unwrap())
}

/// Before there are threads: trust our own authority. Its file is gone when what is returned is dropped.
pub(crate) fn trust() -> impl Drop {
    let file = tempfile::Builder::new().prefix("faults-ca-").suffix(".pem").tempfile().unwrap();
    std::fs::write(file.path(), authority().certificate()).unwrap();
    #[expect(unsafe_code, reason = "nothing else of this process runs yet")]
    // SAFETY: there is one thread.
    unsafe {
        std::env::set_var("SSL_CERT_FILE", file.path());
    }
    file.into_temp_path()
}

/// Every cell of a destination is as the page says.
pub(crate) fn check(descriptor: &'static Descriptor) {
    if descriptor.name == "mlflow" {
        // Started by this process, which lives as long as its children.
        let _shared = testkit::mlflow::Mlflow::shared();
    }
    let stands = if descriptor.name == "syslog" { line::STANDS } else { &[descriptor.name] };
    for &stand in stands {
        let cells = run(stand);
        page::check(stand, &cells);
    }
}

fn run(stand: &str) -> Vec<Cell> {
    if page::is_to_be_written() {
        // One by one, so that none slows down the caller of another.
        let _alone = JUMPING.write().unwrap();
        return Fault::ALL.iter().map(|(fault, ..)| cell(stand, *fault)).collect();
    }
    let others = std::thread::scope(|scope| {
        let _calm = JUMPING.read().unwrap();
        let waiting = Fault::ALL
            .map(|(fault, ..)| (fault != Fault::ClockJump).then(|| scope.spawn(move || cell(stand, fault))));
        waiting.map(|cell| cell.map(|cell| cell.join().unwrap()))
    });
    let _alone = JUMPING.write().unwrap();
    others.into_iter().map(|cell| cell.unwrap_or_else(|| self::cell(stand, Fault::ClockJump))).collect()
}

fn cell(stand: &str, fault: Fault) -> Cell {
    match (stand, fault) {
        ("memory", Fault::DiskFull) => Err("nothing is written"),
        (_, Fault::DiskFull) => disk::in_child(stand),
        _ => here(stand, fault, None),
    }
}

/// A cell in this process. With a disk, everything is kept there.
fn here(stand: &str, fault: Fault, disk: Option<&disk::Disk>) -> Cell {
    match stand {
        "wandb" => wandb::cell(fault, disk),
        "jsonl" | "memory" => Ok(cell::run(&disk::set_up(stand, fault, disk)?, fault, disk)),
        _ if line::STANDS.contains(&stand) => Ok(cell::run(&line::set_up(stand, fault)?, fault, disk)),
        _ => Ok(cell::run(&web::set_up(stand, peers::start(stand), fault)?, fault, disk)),
    }
}
