//! The syslog destination and the real receivers, measured: `cargo run --release --example syslog_speed`.
//!
//! ```text
//! syslog_speed stream COUNT     lines over TCP and TLS to each: do all arrive, in order, and at what price
//! syslog_speed restart COUNT    the receiver is killed and restarted in mid-stream: what is lost
//! syslog_speed udp COUNT        a burst of datagrams, paced and not: which share arrives
//! ```

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a bench")]

use std::io::{BufRead, BufReader, Write};
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
        Some("stream") => {
            each(|kind| [Protocol::Tcp, Protocol::Tls].iter().for_each(|&way| stream(kind, way, count)))
        }
        Some("restart") => each(|kind| restart(kind, count)),
        Some("udp") => each(|kind| [20_000, 0].iter().for_each(|&pace| udp(kind, pace, count))),
        _ => say("stream, restart or udp, and how many lines"),
    }
}

fn each(run: impl Fn(Kind)) {
    Kind::ALL.into_iter().for_each(run);
}

fn say(text: &str) {
    writeln!(std::io::stdout(), "{text}").unwrap();
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
fn log(connector: &Connector, number: usize) {
    let metadata = Metadata::new().with("memory_mb", 1500).with("host_group", "train").with("ratio", 0.75);
    let message = format!("{number} High memory usage on one of the machines that train the larger model");
    let entry = LogEntry::new(Level::Warning, message, "monitor").with(metadata);
    connector.send(entry.encode(&Rules::default()).event).unwrap();
}

fn start(kind: Kind) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup { text_only: true, ..Setup::default() };
    let server = Server::start(kind, folder.path(), setup).unwrap();
    (folder, server)
}

/// Seconds of processor time of this process.
fn own_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let rest = stat.rsplit(')').next().unwrap();
    rest.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// The numbers of the lines that arrived, in the order in which they were written.
fn numbers(server: &Server) -> Vec<usize> {
    let file = BufReader::new(std::fs::File::open(server.out()).unwrap());
    let number =
        |line: String| line.split(' ').find(|word| !word.is_empty()).and_then(|word| word.parse().ok());
    file.lines().map_while(Result::ok).filter_map(number).collect()
}

fn stream(kind: Kind, protocol: Protocol, count: usize) {
    let (_folder, server) = start(kind);
    let connector = open(config(&server, protocol));
    let (ours, theirs, began) = (own_cpu(), server.cpu(), Instant::now());
    (0..count).for_each(|number| log(&connector, number));
    assert!(connector.flush(Duration::from_secs(120)));
    let (ours, spent) = (own_cpu() - ours, began.elapsed().as_secs_f64());
    server.settle();
    let theirs = server.cpu() - theirs;
    let arrived = numbers(&server);
    let in_order = arrived.iter().copied().eq(0..arrived.len());
    say(&format!(
        "{:<9} {}: sent {count}, arrived {}, in order: {in_order}; {:.0} lines/s; cpu ours {ours:.2} s, theirs {theirs:.2} s, \
         {:.0} %",
        kind.name(),
        protocol.as_str(),
        arrived.len(),
        count as f64 / spent,
        100.0 * ours / theirs
    ));
}

fn restart(kind: Kind, count: usize) {
    let (_folder, mut server) = start(kind);
    let connector = open(config(&server, Protocol::Tcp));
    let began = Instant::now();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (0..count).for_each(|number| log(&connector, number)));
        while connector.status().unwrap().ledger.sent < count as u64 / 2 {
            std::thread::sleep(Duration::from_millis(1));
        }
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
         (about {} KiB, in one piece: {one_gap}); {:.1} s",
        kind.name(),
        arrived.len(),
        all - arrived.len(),
        gap.len(),
        gap.len() * 300 / 1024,
        began.elapsed().as_secs_f64()
    ));
}

fn udp(kind: Kind, pace: u32, count: usize) {
    let (_folder, server) = start(kind);
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
