//! Writes sound files into the corpus, for the fuzzer to start from: `seeds CORPUS`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nethical_core::event::{Level, LogEntry, Metadata, Rules};
use nethical_core::spool::{DeadLetter, DeadLetterLog, Durability, Fate, Options, Retention, Spool};
use nethical_destinations::webhook::sign;
use nethical_fuzz::{Memory, offline_wandb};

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
    kept(&corpus);
    uploads(&corpus);
}

/// Files that are read where they are, by the number of the file.
fn kept(corpus: &Path) {
    let key = "0123456789".repeat(4);
    let credentials: [(u8, &str); 9] = [
        (0, &format!("machine 127.0.0.1\n  login user\n  password {key}\n")),
        (1, "[mlflow]\nmlflow_tracking_username = ann\nmlflow_tracking_password = pw\n"),
        (2, "[default]\nregion = eu-west-1 # here\ns3 =\n  x = 1\n[profile p]\nrole_arn = r\n"),
        (3, "[default]\naws_access_key_id = ID\naws_secret_access_key = KEY\naws_session_token = T\n"),
        (4, "ref: refs/heads/main\n"),
        (5, "[core]\n[remote \"origin\"]\n\turl = https://ann:pw@example.com/x.git\n"),
        (6, "# pack-refs\n1234 refs/heads/main\n"),
        (7, "../src/.git\n"),
        (8, "gitdir: ../src/.git\n"),
    ];
    for (number, (which, text)) in credentials.iter().enumerate() {
        put(corpus, "credentials", number, &[&[*which], text.as_bytes()].concat());
    }
    let names = "log-20261125T190000.123456Z.jsonl\nlog-20261125T190000.123457Z.jsonl.gz\nlog-20261125T190000.1Z.jsonl\nother\nlog-20261125T190000.123456Z.jsonl.zst.tmp";
    put(corpus, "rotation", 0, &[b"\0", names.as_bytes()].concat());
    put(corpus, "rotation", 1, &[b"\x07", names.as_bytes()].concat());
    put(corpus, "store", 0, &[0, 0, 0, 100, 1]);
    put(corpus, "store", 1, &[1, 0, 16, 0, 13, 0, 32, 8, 255, 1, 0]);
    let notes: [(u8, &str); 3] = [
        (0, r#"{"experiment":"e","run_id":"r","artifact_uri":"mlflow-artifacts:/1/r"}"#),
        (100, r#"{"r":{"stamp":"s","points":3,"done":false}}"#),
        (
            200,
            r#"{"done":[],"started":{"run/a.bin":{"id":"u","part_bytes":8388608,"parts":{"1":{"etag":"e","crc":"AAAAAA=="}}}}}"#,
        ),
    ];
    for (number, (which, text)) in notes.iter().enumerate() {
        put(corpus, "notes", number, &[&[*which], text.as_bytes()].concat());
    }
}

/// What is answered to uploads, by the place and the number of the request and the number of the status; and what is sent to
/// receivers.
fn uploads(corpus: &Path) {
    let error = "<Error><Code>NoSuchUpload</Code><Message>no</Message></Error>";
    let artifact: [(u8, u8, &str); 8] = [
        (0, 0, "\n\n{\"run\":{\"info\":{\"artifact_uri\":\"s3://bucket/1\"}}}"),
        (245, 0, "\n\n<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"),
        (246, 6, &format!("\n\n{error}")),
        (7, 0, "etag: e\n\n"),
        (
            8,
            0,
            "\n\n{\"upload_id\":\"u\",\"credentials\":[{\"url\":\"http://127.0.0.1:9/p\",\"part_number\":1}]}",
        ),
        (8, 4, "\n\n{\"error_code\":\"NOT_IMPLEMENTED\",\"message\":\"no\"}"),
        (9, 7, &format!("\n\n{error}")),
        (254, 7, &format!("\n\n{error}")),
    ];
    for (number, (which, status, text)) in artifact.iter().enumerate() {
        put(corpus, "artifact", number, &[&[*which, *status], text.as_bytes()].concat());
    }
    let wandb: [(u8, u8, &str); 7] = [
        (0, 0, r#"{"first_line":1,"step_shift":3,"base_url":"","artifacts":[2],"hollow":[0]}"#),
        (
            1,
            0,
            "\n\n{\"data\":{\"viewer\":{\"entity\":\"team\",\"username\":\"ann\",\"teams\":{\"edges\":[]}}}}",
        ),
        (
            2,
            0,
            "\n\n{\"data\":{\"model\":{\"bucket\":{\"historyLineCount\":1,\"historyTail\":\"[]\",\"config\":\"{}\"}}}}",
        ),
        (
            3,
            0,
            "\n\n{\"data\":{\"upsertBucket\":{\"bucket\":{\"id\":\"i\",\"name\":\"r\",\"historyLineCount\":2,\"project\":{\"name\":\"p\",\"entity\":{\"name\":\"team\"}}}}}}",
        ),
        (4, 0, "\n\n{\"errors\":[{\"message\":\"no\",\"path\":[\"upsertBucket\"]}]}"),
        (
            6,
            0,
            "ratelimit-remaining: 1\nratelimit-reset: 1\n\n{\"exitcode\":null,\"limits\":{},\"stopped\":true}",
        ),
        (8, 8, "\n\nconflict"),
    ];
    let receiver: [(u8, &str); 7] = [
        (
            0,
            "<13>1 2026-11-26T07:00:00.000000Z host app 1 - [a@1 b=\"c\"] text\n<13>Nov 26 07:00:00 host app: text\n",
        ),
        (0, "12 <13>1 - - - -"),
        (
            1,
            "{\"text\":\"a\",\"blocks\":[{\"type\":\"section\",\"text\":{\"type\":\"mrkdwn\",\"text\":\"b\"}}]}",
        ),
        (
            2,
            "{\"content\":\"a\",\"embeds\":[{\"title\":\"b\",\"fields\":[{\"name\":\"c\",\"value\":\"d\"}]}]}",
        ),
        (
            3,
            "{\"logGroupName\":\"g\",\"logStreamName\":\"s\",\"logEvents\":[{\"timestamp\":1,\"message\":\"m\"}]}",
        ),
        (
            8,
            "{\"operationName\":\"UpsertBucket\",\"query\":\"q\",\"variables\":{\"name\":\"r\",\"project\":\"p\"}}",
        ),
        (9, "{\"files\":{\"wandb-history.jsonl\":{\"offset\":0,\"content\":[\"{\\\"_step\\\":0}\"]}}}"),
    ];
    for (number, (which, text)) in receiver.iter().enumerate() {
        put(corpus, "receiver", number, &[&[*which], text.as_bytes()].concat());
    }
    for (number, (which, status, text)) in wandb.iter().enumerate() {
        put(corpus, "wandb", number, &[&[*which, *status], text.as_bytes()].concat());
    }
}

/// What services answer, by the number of the destination and that of the status.
fn answers(corpus: &Path) {
    let said: [(u8, u8, &str); 9] = [
        (0, 12, "retry-after: 2\n\n"),
        (1, 0, "\n\n{\"rejectedLogEventsInfo\":{\"tooOldLogEventEndIndex\":1}}"),
        (1, 4, "\n\n{\"__type\":\"ThrottlingException\",\"message\":\"Rate exceeded\"}"),
        (
            2,
            12,
            "x-ratelimit-reset-after: 0.5\nx-ratelimit-scope: shared\n\n{\"retry_after\":0.5,\"global\":true}",
        ),
        (
            2,
            4,
            "\n\n{\"code\":50035,\"errors\":{\"embeds\":{\"0\":{\"title\":{\"_errors\":[{\"code\":\"X\"}]}}}}}",
        ),
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

fn run_log() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let (id, directory) = offline_wandb(folder.path());
    fs::read(directory.join(format!("run-{id}.wandb"))).expect("a log")
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
