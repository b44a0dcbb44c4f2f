//! Writes sound files into the corpus, for the fuzzer to start from: `seeds CORPUS`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nethical_core::event::{Level, LogEntry, Metadata, Rules};
use nethical_core::spool::{DeadLetter, DeadLetterLog, Durability, Fate, Options, Retention, Spool};
use nethical_destinations::webhook::sign;
use nethical_fuzz::Memory;

const ALL: u8 = 7;

fn main() {
    let corpus = PathBuf::from(std::env::args().nth(1).expect("usage: seeds CORPUS"));
    let files = spool();
    for (number, (path, bytes)) in files.iter().enumerate() {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("seg") => put(&corpus, "segment", number, &[&[ALL], &bytes[..]].concat()),
            Some("cursor") => put(&corpus, "cursor", number, &slots(bytes)),
            _ => {}
        }
    }
    for (number, (_, bytes)) in dead().iter().enumerate() {
        put(&corpus, "dead_letters", number, &[&[ALL], &bytes[..]].concat());
    }
    for (number, entry) in [entry("hello"), entry("é\n\"\u{1F600}")].iter().enumerate() {
        put(&corpus, "event", number, &entry.encode(&Rules::default()).event.to_stored());
    }
    put(&corpus, "run_log", 0, &[&[3], &run_log()[..]].concat());
    put(&corpus, "run_log", 1, &[&[0], &run_log()[..]].concat());
    let toml = "path = \"a.jsonl\" # here\nmax_bytes = 1_000\n[metadata]\nlist = [1, 2.5, true, \"x\"]\nat = 2026-01-31T12:00:00Z\n";
    let json = "{\"path\": \"a.jsonl\", /* here */ \"max_bytes\": 1000, \"list\": [1, 2.5, true, null, \"\\u00e9\"],}";
    put(&corpus, "options", 0, &[b"\0", toml.as_bytes()].concat());
    put(&corpus, "options", 1, &[b"\x01", json.as_bytes()].concat());
    signature(&corpus);
    answers(&corpus);
    let whole = "[logging.jsonl]\nfilepath = 'a'\nlevel = 'error'\n[alerts.ops]\ntype = 'http'\nurl = 'https://example.com/x'\n[[routes]]\nseverity = ['error']\nto = ['ops']\n[[monitors]]\nmetric = 'loss'\ncondition = '>'\nthreshold = 2.0\nhold = 60\n[spool]\ndurability = 'every'\n[redaction]\nalso = ['x']\n";
    put(&corpus, "config", 0, &[b"\0", whole.as_bytes()].concat());
    let guide = r#"{"logging": {"enabled": true, "syslog": {"host": "${HOST:-localhost}", "port": 514}}}"#;
    put(&corpus, "config", 1, &[b"\x01", guide.as_bytes()].concat());
    put(&corpus, "home", 0, b"\0{}");
}

/// What services answer, by the number of the destination and that of the status.
fn answers(corpus: &Path) {
    let said: [(u8, u8, &str); 9] = [
        (0, 12, "retry-after: 2\n\n"),
        (1, 0, "\n\n{\"rejectedLogEventsInfo\":{\"tooOldLogEventEndIndex\":1}}"),
        (1, 4, "\n\n{\"__type\":\"ThrottlingException\",\"message\":\"Rate exceeded\"}"),
        (2, 12, "x-ratelimit-reset-after: 0.5\nx-ratelimit-scope: shared\n\n{\"retry_after\":0.5,\"global\":true}"),
        (2, 4, "\n\n{\"code\":50035,\"errors\":{\"embeds\":{\"0\":{\"title\":{\"_errors\":[{\"code\":\"X\"}]}}}}}"),
        (3, 14, "retry-after: Wed, 21 Oct 2099 07:28:00 GMT\ndate: Wed, 21 Oct 2099 07:27:00 GMT\n\n"),
        (4, 4, "\n\n{\"error_code\":\"INVALID_PARAMETER_VALUE\",\"message\":\"no\"}"),
        (5, 0, "\n\n{\"Errors\":[{\"Code\":\"METRIC_LIMIT_EXCEEDED\",\"MetricIndex\":0}]}"),
        (6, 5, "\n\ninvalid_payload"),
    ];
    for (number, (which, status, text)) in said.iter().enumerate() {
        put(corpus, "answer", number, &[&[*which, *status], text.as_bytes()].concat());
    }
}

/// Signed messages: with one secret, and with a list of signatures.
fn signature(corpus: &Path) {
    let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let keys = [key.parse().expect("a secret")];
    let signed = sign(&keys, "msg_1", 1_700_000_000, b"{}").expect("an id without a dot");
    for (number, signature) in [signed.clone(), format!("v1a,odd v1, {signed}")].iter().enumerate() {
        let text = format!("{key}\nmsg_1\n1700000000\n{signature}\n{{}}");
        put(corpus, "signature", number, text.as_bytes());
    }
}

/// A run of W&B's that was only written: rows of several values, one of two calls, and everything else.
fn run_log() -> Vec<u8> {
    use nethical_core::delivery::{Settings, SpoolSettings};
    use nethical_core::tracking::{Platform, RunStatus, StartRun};
    use nethical_destinations::wandb::{MetricDefinition, Mode, Row, Wandb, WandbConfig};
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = WandbConfig::new("p");
    (config.mode, config.directory) = (Some(Mode::Offline), Some(folder.path().to_owned()));
    let settings = Settings { spool: SpoolSettings::off(), ..Settings::default() };
    let runs = Wandb::open(&config, "wandb", settings, &Default::default()).unwrap();
    let id = runs.start_run(&StartRun { experiment: "e", name: Some("n"), tags: &[("a", "b")] }).unwrap();
    runs.log_parameters(&id, &Metadata::new().with("lr", 0.1)).unwrap();
    let definition = MetricDefinition { name: "v/*", step_metric: Some("x"), summary: &["min"], hidden: false };
    runs.define_metric(&id, &definition).unwrap();
    for step in [0, 0, 7] {
        let mut row = Row::default();
        row.number("loss", f64::NAN);
        row.integer("x", step);
        row.json("deep", "{\"y\":[1,-Infinity]}");
        runs.log(&id, &row, Some(step)).unwrap();
    }
    runs.end_run(&id, RunStatus::Failed, Some(std::time::Duration::from_secs(10))).unwrap();
    std::fs::read(runs.directory(&id).unwrap().unwrap().join(format!("run-{id}.wandb"))).expect("a log")
}

fn entry(message: &str) -> LogEntry {
    let metadata = Metadata::new().with("answer", 42).with("ratio", 0.5);
    LogEntry::new(Level::Info, message, "seeds").with(metadata)
}

fn put(corpus: &Path, target: &str, number: usize, bytes: &[u8]) {
    let folder = corpus.join(target);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(format!("seed-{number}")), bytes).expect("a file");
}

/// The beginnings of the three slots, one behind the other and equally long.
fn slots(bytes: &[u8]) -> Vec<u8> {
    let length = |slot: &[u8]| u32::from_le_bytes(slot[8..12].try_into().unwrap()) as usize;
    let longest = bytes.chunks(20 * 1024).map(length).max().unwrap_or_default();
    let slots = bytes.chunks(20 * 1024).map(|slot| {
        let mut part = slot[..longest.min(slot.len())].to_vec();
        part.resize(longest, 0);
        part
    });
    [vec![ALL]].into_iter().chain(slots).flatten().collect()
}

/// A spool with a sealed segment, one that grows, and two positions.
fn spool() -> Vec<(PathBuf, Vec<u8>)> {
    let memory = Memory::default();
    let options = Options { durability: Durability::Every, segment_bytes: 400, ..Options::default() };
    let (spool, _) = Spool::open(Arc::new(memory.clone()), Path::new("/s"), options).unwrap();
    let ids = ["one", "two"].map(|key| spool.destination(key).unwrap());
    let reader = spool.reader(ids[1], Arc::new(|| {})).unwrap();
    for number in 0..12_u8 {
        spool.append(&[number; 40], &ids[usize::from(number % 2)..]).unwrap();
    }
    let entries = reader.read(6, 1 << 20).unwrap();
    let settled: Vec<_> = entries.iter().map(|entry| entry.seq).filter(|seq| seq.get() % 3 != 0).collect();
    reader.ack_noting(&settled, b"note".to_vec());
    assert!(spool.close());
    memory.files()
}

fn dead() -> Vec<(PathBuf, Vec<u8>)> {
    let memory = Memory::default();
    let log = DeadLetterLog::open(Arc::new(memory.clone()), Path::new("/d"), Retention::default()).unwrap();
    for id in ["a", "b"] {
        let payload = entry(id).encode(&Rules::default()).event.to_stored();
        let letter = DeadLetter {
            destination: "slack".into(),
            id: id.into(),
            reason: "refused".into(),
            payload,
            ..DeadLetter::default()
        };
        log.append(&letter).unwrap();
    }
    log.mark("slack", "a", Fate::Replayed).unwrap();
    memory.files()
}
