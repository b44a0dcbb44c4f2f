//! Log entries to every destination of a configuration: here a file of JSON Lines, and warnings to another.
//!
//! ```console
//! $ cargo run --example logs
//! $ cat app.jsonl
//! ```

#![allow(clippy::print_stdout, reason = "an example")]

use std::error::Error;
use std::time::Duration;

use nethical::{Config, Level, fields};

const CONFIG: &str = r#"
[logging.app]
type = "jsonl"
filepath = "app.jsonl"

[logging.warnings]
type = "jsonl"
filepath = "warnings.jsonl"
level = "warning"
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let config: Config = CONFIG.parse()?; // or Config::load("nethical.toml")
    let nethical = config.open()?;
    let logs = nethical.logs();
    logs.log(Level::Info, "Training begins", "trainer", fields! { epochs: 3, "data.rows": 60_000 });
    logs.log(Level::Warning, "High memory usage", "monitor", fields! { memory_mb: 1500 });

    // What became of the entries, for each destination.
    assert!(logs.flush_all(Duration::from_secs(5)));
    for status in logs.statuses() {
        println!("{}: {} written", status.name, status.ledger.confirmed);
    }
    nethical.close(Duration::from_secs(5));
    Ok(())
}
