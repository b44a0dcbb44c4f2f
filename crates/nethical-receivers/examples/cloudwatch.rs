//! A CloudWatch Logs to send to: prints its address, and at the end of its input what it got, as JSON.

use std::io::{Read, Write};

use nethical_receivers::cloudwatch::CloudWatch;
use serde_json::json;

fn main() -> std::io::Result<()> {
    let receiver = CloudWatch::start()?;
    receiver.create("bench", "bench");
    let mut out = std::io::stdout();
    writeln!(out, "{}", receiver.url())?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    let held = receiver.events("bench", "bench").len();
    let report =
        json!({ "events": held, "calls": receiver.counts().calls, "violations": receiver.violations() });
    writeln!(out, "{report}")
}
