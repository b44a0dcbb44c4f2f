//! The syslog destination and the real receivers, measured: `cargo run --release --example syslog_speed`.
//!
//! ```text
//! syslog_speed stream COUNT     lines over TCP and TLS to each: do all arrive, in order, and at what price
//! syslog_speed json COUNT       the same, and the prices as JSON
//! syslog_speed restart COUNT    the receiver is killed and restarted in mid-stream: what is lost
//! syslog_speed udp COUNT        a burst of datagrams, paced and not: which share arrives
//! ```

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench"
)]

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nethical_core::delivery::{Connector, Full, Ledger, QueueLimits, Settings, SpoolSettings};
use nethical_core::event::{Level, LogEntry, Metadata, Rules};
use nethical_destinations::connect;
use nethical_destinations::syslog::{Framing, Protocol, Rfc, SyslogConfig};
use testkit::peers::{Kind, Server, Setup};

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let count = arguments.get(1).and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    match arguments.first().map(String::as_str) {
        Some("stream") => streams(count).iter().for_each(|streamed| say(&streamed.to_string())),
        Some("json") => say(&json(&streams(count)).to_string()),
        Some("restart") => each(|kind| restart(kind, count)),
        Some("udp") => each(|kind| [20_000, 0].iter().for_each(|&pace| udp(kind, pace, count))),
        _ => say("stream, json, restart or udp, and how many lines"),
    }
}

fn streams(count: usize) -> Vec<Streamed> {
    let ways = [(Protocol::Tcp, true), (Protocol::Tls, true), (Protocol::Tcp, false), (Protocol::Tls, false)];
    let each = |kind| ways.map(|(protocol, text_only)| stream(kind, protocol, text_only, count));
    Kind::ALL.into_iter().flat_map(each).collect()
}

/// Seconds of processor time for each stream: ours, ours without the calls, and the receivers'.
fn json(streams: &[Streamed]) -> serde_json::Value {
    let of = |seconds: fn(&Streamed) -> f64| -> serde_json::Map<_, _> {
        streams.iter().map(|one| (one.key(), seconds(one).into())).collect()
    };
    let (ours, delivery) = (of(|one| one.all), of(|one| one.delivery));
    serde_json::json!({
        "results": { "nethical": ours, "nethical, delivery alone": delivery, "the receiver": of(|one| one.theirs) },
    })
}

fn each(run: impl Fn(Kind)) {
    Kind::ALL.into_iter().for_each(run);
}

fn say(text: &str) {
    println!("{text}");
}

fn open(config: SyslogConfig) -> Connector {
    let full = Full::Block(Duration::from_secs(120));
    let settings = Settings {
        queue: QueueLimits { full, ..QueueLimits::default() },
        spool: SpoolSettings::off(),
        observer: Arc::new(|_| {}),
        ..Settings::default()
    };
    connect(Arc::new(config), "syslog", settings).unwrap()
}

fn config(server: &Server, protocol: Protocol) -> SyslogConfig {
    let ports = server.ports();
    let port = match protocol {
        Protocol::Udp => ports.udp_5424,
        Protocol::Tls => ports.tls,
        _ => ports.tcp,
    };
    SyslogConfig {
        port: Some(port),
        rfc: Rfc::Rfc5424,
        framing: if protocol == Protocol::Udp { Framing::Auto } else { Framing::Octet },
        ca_file: (protocol == Protocol::Tls).then(|| server.ca_file()),
        ..SyslogConfig::new("127.0.0.1", protocol)
    }
}

/// Some 300 bytes on the wire each.
fn entry(number: usize) -> LogEntry {
    let metadata = Metadata::new().with("memory_mb", 1500).with("host_group", "train").with("ratio", 0.75);
    let message = format!("{number} High memory usage on one of the machines that train the larger model");
    LogEntry::new(Level::Warning, message, "monitor").with(metadata)
}

fn log(connector: &Connector, number: usize) {
    connector.send(entry(number).encode(&Rules::default()).event).unwrap();
}

fn start(kind: Kind, text_only: bool) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    // As JSON a receiver writes all that it has understood, as text only what the line says.
    let setup = Setup { text_only, ..Setup::default() };
    let server = Server::start(kind, folder.path(), setup).unwrap();
    (folder, server)
}

/// Seconds of processor time of this process; of its delivery thread alone.
fn own_cpu() -> (f64, f64) {
    let seconds = |path: &Path| {
        let stat = std::fs::read_to_string(path).unwrap_or_default();
        let rest = stat.rsplit(')').next().unwrap();
        rest.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>()
            / 100.0
    };
    let threads = std::fs::read_dir("/proc/self/task").unwrap().map(|thread| thread.unwrap().path());
    let is_delivery =
        |path: &PathBuf| std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name == "nethical\n");
    let delivery = threads.filter(is_delivery).map(|path| seconds(&path.join("stat"))).sum();
    (seconds(Path::new("/proc/self/stat")), delivery)
}

/// Bytes that a receiver's system holds for it on this port.
fn unread(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{port:04X}");
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let rows = rows.filter(|row| row[1].ends_with(&local) && row[3] == "01");
    rows.map(|row| usize::from_str_radix(row[4].rsplit(':').next().unwrap(), 16).unwrap()).sum()
}

/// The numbers of the lines that arrived, in the order in which they were written.
fn numbers(server: &Server) -> Vec<usize> {
    let file = BufReader::new(std::fs::File::open(server.out()).unwrap());
    let number = |line: String| {
        let before = line.split(" High memory").next()?;
        before.rsplit(|found: char| !found.is_ascii_digit()).next()?.parse().ok()
    };
    file.lines().map_while(Result::ok).filter_map(number).collect()
}

/// What a stream of lines came to; times in seconds of processor time.
struct Streamed {
    kind: Kind,
    protocol: Protocol,
    text_only: bool,
    count: usize,
    arrived: usize,
    in_order: bool,
    rate: f64,
    /// Of the program itself, which makes the entries.
    making: f64,
    all: f64,
    delivery: f64,
    theirs: f64,
}

impl Streamed {
    const fn writing(&self) -> &'static str {
        if self.text_only { "text" } else { "json" }
    }

    fn key(&self) -> String {
        format!("{}_{}_{}", self.kind.name(), self.protocol.as_str().to_lowercase(), self.writing())
            .replace('-', "_")
    }
}

impl fmt::Display for Streamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, arrived, in_order, rate, making, all, delivery, theirs, .. } = self;
        let (name, way, writing) = (self.kind.name(), self.protocol.as_str(), self.writing());
        write!(
            f,
            "{name:<9} {way} writing {writing}: sent {count}, arrived {arrived}, in order: {in_order}; {rate:.0} lines/s; "
        )?;
        write!(
            f,
            "cpu ours {all:.2} s ({:.0} %, beside {making:.2} s for making the entries), ",
            100.0 * all / theirs
        )?;
        write!(
            f,
            "of which delivery {delivery:.2} s ({:.0} %); theirs {theirs:.2} s",
            100.0 * delivery / theirs
        )
    }
}

fn stream(kind: Kind, protocol: Protocol, text_only: bool, count: usize) -> Streamed {
    let (_folder, server) = start(kind, text_only);
    let connector = open(config(&server, protocol));
    // What the program does itself is not ours: it makes the entries.
    let before = own_cpu().0;
    (0..count).for_each(|number| drop(std::hint::black_box(entry(number))));
    let making = own_cpu().0 - before;
    let (ours, theirs, began) = (own_cpu(), server.cpu(), Instant::now());
    (0..count).for_each(|number| log(&connector, number));
    assert!(connector.flush(Duration::from_secs(300)));
    let (all, delivery) = own_cpu();
    let rate = count as f64 / began.elapsed().as_secs_f64();
    server.settle();
    let theirs = server.cpu() - theirs;
    let arrived = numbers(&server);
    let in_order = arrived.iter().copied().eq(0..arrived.len());
    let (all, delivery, arrived) = (all - making - ours.0, delivery - ours.1, arrived.len());
    Streamed { kind, protocol, text_only, count, arrived, in_order, rate, making, all, delivery, theirs }
}

fn restart(kind: Kind, count: usize) {
    let (_folder, mut server) = start(kind, true);
    let connector = open(config(&server, Protocol::Tcp));
    let (began, mut held) = (Instant::now(), 0);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (0..count).for_each(|number| log(&connector, number)));
        while connector.status().unwrap().ledger.sent < count as u64 / 2 {
            std::thread::sleep(Duration::from_millis(1));
        }
        // Stopped first, so that what its system holds can be seen.
        let pid = rustix::process::Pid::from_raw(server.pid() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        std::thread::sleep(Duration::from_millis(500));
        held = unread(server.ports().tcp);
        server.kill().unwrap();
        std::thread::sleep(Duration::from_secs(1));
        server.restart().unwrap();
        writer.join().unwrap();
    });
    assert!(connector.flush(Duration::from_secs(120)), "{:?}", connector.status());
    let Ledger { sent, accepted, waiting, .. } = connector.status().unwrap().ledger;
    server.settle();
    let mut arrived = numbers(&server);
    let all = arrived.len();
    arrived.sort_unstable();
    arrived.dedup();
    let gap: Vec<_> = (0..count).filter(|number| arrived.binary_search(number).is_err()).collect();
    let one_gap = gap.last().zip(gap.first()).is_none_or(|(last, first)| last - first < gap.len() + 2);
    say(&format!(
        "{:<9} killed in mid-stream: accepted {accepted}, sent {sent}, waiting {waiting}; arrived {}, of these twice {}, lost {} \
         (in one piece: {one_gap}), its system held {held} bytes, {:.0} for each lost; {:.1} s",
        kind.name(),
        arrived.len(),
        all - arrived.len(),
        gap.len(),
        held as f64 / gap.len() as f64,
        began.elapsed().as_secs_f64()
    ));
}

fn udp(kind: Kind, pace: u32, count: usize) {
    let (_folder, server) = start(kind, true);
    let connector = open(SyslogConfig { datagrams_per_second: pace, ..config(&server, Protocol::Udp) });
    let began = Instant::now();
    (0..count).for_each(|number| log(&connector, number));
    assert!(connector.flush(Duration::from_secs(120)));
    let spent = began.elapsed().as_secs_f64();
    server.settle();
    let arrived = numbers(&server).len();
    let pace = if pace == 0 { "unpaced".to_owned() } else { format!("paced at {pace}/s") };
    say(&format!(
        "{:<9} UDP {pace}: sent {count} in {spent:.1} s, arrived {arrived}, {:.1} %",
        kind.name(),
        100.0 * arrived as f64 / count as f64
    ));
}
