//! Any answer of any service that is spoken to by HTTP: status, headers and body.
#![no_main]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use nethical_core::delivery::{Batch, Destination, Error, MAX_RETRY_AFTER, runtime};
use nethical_core::event::{Event, Message, RunUpdate, Timestamp};
use nethical_destinations::Validated;
use nethical_destinations::api::ApiConfig;
use nethical_destinations::cloudwatch::CloudWatchConfig;
use nethical_destinations::discord::DiscordConfig;
use nethical_destinations::http::HttpConfig;
use nethical_destinations::mlflow::MlflowConfig;
use nethical_destinations::sagemaker::SageMakerConfig;
use nethical_destinations::slack::SlackConfig;

/// In every address and key; never in what is said of an answer.
const SECRET: &str = "pL4nt3d";

/// The answer to whatever is asked.
static ANSWER: Mutex<Vec<u8>> = Mutex::new(Vec::new());

fuzz_target!(|input: &[u8]| {
    let [which, status, rest @ ..] = input else { return };
    // A text that knows the secret may say it.
    if rest.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()) {
        return;
    }
    *ANSWER.lock().expect("no panic") = answer(*status, rest);
    let (destination, event) = &destinations()[usize::from(*which) % destinations().len()];
    let batch: Batch = [event.clone()].into_iter().collect();
    let (one, other) = (Arc::clone(destination), Arc::clone(destination));
    match runtime::wait(async move { one.deliver(&batch).await }).expect("a runtime") {
        Err(error) => check(&error),
        Ok(receipt) => {
            assert!(receipt.pause.is_none_or(|pause| pause <= MAX_RETRY_AFTER), "{:?}", receipt.pause);
            receipt.refused.iter().for_each(|refusal| {
                assert_eq!(refusal.index, 0);
                check(&refusal.error);
            });
        }
    }
    if let Err(error) = runtime::wait(async move { other.probe().await }).expect("a runtime") {
        check(&error);
    }
});

fn check(error: &Error) {
    assert!(!error.message().is_empty() && !error.message().contains('\n'), "{error:?}");
    assert!(error.retry_after().is_none_or(|pause| pause <= MAX_RETRY_AFTER), "{error:?}");
    assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
}

/// Headers up to an empty line, and a body. Its length is told, or every wrong one would cost half a minute.
fn answer(status: u8, rest: &[u8]) -> Vec<u8> {
    const STATUSES: [u16; 16] = [200, 201, 204, 302, 400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 502, 503];
    let status = STATUSES[usize::from(status) % STATUSES.len()];
    let end = rest.windows(2).position(|two| two == b"\n\n");
    let (headers, body) = end.map_or((&[][..], rest), |end| (&rest[..end], &rest[end + 2..]));
    let mut bytes = format!("HTTP/1.1 {status} Said\r\nconnection: close\r\n").into_bytes();
    for line in headers.split(|byte| *byte == b'\n') {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default().to_ascii_lowercase();
        let frames = [b"content-length".as_slice(), b"transfer-encoding", b"connection"];
        if line.contains(&b':') && !frames.contains(&name.trim_ascii()) {
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\r\n");
        }
    }
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

type Spoken = (Arc<dyn Destination>, Event);

fn destinations() -> &'static [Spoken] {
    static OPEN: OnceLock<Vec<Spoken>> = OnceLock::new();
    OPEN.get_or_init(|| {
        let at = format!("http://{}", serve());
        let hook = |path: &str| format!("{at}/{path}/{SECRET}").parse().expect("an address");
        let message = || Message::new("fuzz", serde_json::json!({ "a": 1 })).encode().event;
        let point = || RunUpdate::metrics_event("run", Timestamp::now(), &[("loss", 1.0)], Some(1));
        let mut logs = CloudWatchConfig::new("g", "s").with_keys("AKID", SECRET, None);
        logs.endpoint_url = Some(at.clone());
        let mut runs = SageMakerConfig::default().with_keys("AKID", SECRET, None);
        runs.endpoint_url = Some(at.clone());
        let mut mlflow = MlflowConfig::new(&at);
        mlflow.token = Some(SECRET.to_owned());
        let all: [(Box<dyn Validated>, Event); 7] = [
            (Box::new(ApiConfig::new(hook("api"))), message()),
            (Box::new(logs), message().to_entry().expect("a message")),
            (Box::new(DiscordConfig::new(hook("api/webhooks/1"))), message()),
            (Box::new(HttpConfig::new(hook("hook"))), message()),
            (Box::new(mlflow), point()),
            (Box::new(runs), point()),
            (Box::new(SlackConfig::new(hook("services/T0/B0"))), message()),
        ];
        all.map(|(config, event)| (config.open().expect("it opens"), event)).into()
    })
}

/// A server that gives the answer to whoever asks.
fn serve() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(say(&stream))));
    address
}

fn say(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    let mut stream = stream;
    stream.write_all(&ANSWER.lock().expect("no panic"))
}
