//! Anything sent to the receivers that tests run against: bytes to one for syslog, a body to those that speak HTTP, or a
//! whole request.
#![no_main]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use nethical_fuzz::alone;
use nethical_receivers::cloudwatch::CloudWatch;
use nethical_receivers::discord::Discord;
use nethical_receivers::sagemaker::SageMaker;
use nethical_receivers::slack::Slack;
use nethical_receivers::syslog::{Receiver, parse};
use nethical_receivers::wandb::Wandb;

struct Receivers {
    slack: Slack,
    discord: Discord,
    cloudwatch: CloudWatch,
    sagemaker: SageMaker,
    wandb: Wandb,
}

fuzz_target!(
    init: alone(Path::new("/nonexistent"), &[]),
    |input: &[u8]| {
        let [which, bytes @ ..] = input else { return };
        let known = receivers();
        let (to, line) = match which % 16 {
            0 => return syslog(bytes),
            1 => (known.slack.address(), "POST /services/T0/B0/x HTTP/1.1\r\ncontent-type: application/json"),
            2 => (known.discord.address(), "POST /api/webhooks/1/x HTTP/1.1\r\ncontent-type: application/json"),
            3 => (known.cloudwatch.address(), "POST / HTTP/1.1\r\nx-amz-target: Logs_20140328.PutLogEvents"),
            4 => (known.cloudwatch.address(), "POST / HTTP/1.1\r\nx-amz-target: Logs_20140328.CreateLogGroup"),
            5 => (known.sagemaker.address(), "POST / HTTP/1.1\r\nx-amz-target: SageMaker.CreateTrialComponent"),
            6 => (known.sagemaker.address(), "PUT /metrics/BatchPutMetrics HTTP/1.1\r\nx: y"),
            7 => (known.sagemaker.address(), "POST /bucket/key?uploadId=u HTTP/1.1\r\nx: y"),
            8 => (known.wandb.address(), "POST /graphql HTTP/1.1\r\nauthorization: Basic YXBpOg=="),
            9 => (known.wandb.address(), "POST /files/e/p/r/file_stream HTTP/1.1\r\nx: y"),
            10 => (known.wandb.address(), "POST /files/e/p/r/file_stream HTTP/1.1\r\ncontent-encoding: gzip"),
            11 => return send(known.slack.address(), bytes),
            12 => return send(known.discord.address(), bytes),
            13 => return send(known.cloudwatch.address(), bytes),
            14 => return send(known.sagemaker.address(), bytes),
            _ => return send(known.wandb.address(), bytes),
        };
        let head = format!("{line}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", bytes.len());
        send(to, &[head.as_bytes(), bytes].concat());
    }
);

fn syslog(bytes: &[u8]) {
    static RECEIVER: OnceLock<Receiver> = OnceLock::new();
    let receiver = RECEIVER.get_or_init(|| Receiver::tcp().expect("a port"));
    // What is no message is malformed.
    let _ = parse(bytes);
    send(receiver.address(), bytes);
}

fn receivers() -> &'static Receivers {
    static RECEIVERS: OnceLock<Receivers> = OnceLock::new();
    RECEIVERS.get_or_init(|| Receivers {
        slack: Slack::start().expect("a port"),
        discord: Discord::start().expect("a port"),
        cloudwatch: CloudWatch::start().expect("a port"),
        sagemaker: SageMaker::start().expect("a port"),
        wandb: Wandb::start().expect("a port"),
    })
}

/// All of it, until the other side has nothing more to say.
fn send(to: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(to).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(1))).expect("a socket");
    // It may hang up before it has read everything.
    let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
    let _ = stream.read_to_end(&mut Vec::new());
}
