//! What a program says with the macros of `tracing`, delivered. Other layers may stand beside this one.
//!
//! ```console
//! $ cargo run --example tracing
//! $ cat app.jsonl
//! ```

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use nethical::{Config, TracingLayer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

fn main() -> Result<(), Box<dyn Error>> {
    let config: Config = "[logging.jsonl]\nfilepath = 'app.jsonl'".parse()?;
    let nethical = config.open()?;
    tracing_subscriber::registry().with(TracingLayer::new(Arc::clone(nethical.logs()))).try_init()?;

    let epoch = tracing::info_span!("epoch", number = 3).entered();
    tracing::warn!(target: "monitor", memory_mb = 1500, "High memory usage");
    drop(epoch);
    assert!(nethical.close(Duration::from_secs(5)));
    Ok(())
}
