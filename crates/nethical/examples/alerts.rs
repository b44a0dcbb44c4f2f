//! Alerts: said once while they last, and when they are over; and a monitor that raises one by itself.
//!
//! They go to a file here. For a channel of Slack say `type = "slack"` and `webhook_url = "${SLACK_WEBHOOK_URL}"`.
//!
//! ```console
//! $ cargo run --example alerts
//! $ cat alerts.jsonl
//! ```

use std::error::Error;
use std::time::Duration;

use nethical::Config;

const CONFIG: &str = r#"
[alerts.ops]
type = "jsonl"
filepath = "alerts.jsonl"

[[routes]]
severity = ["error", "critical"]
to = ["ops"]

[[monitors]]
metric = "accuracy"
condition = "<"
threshold = 0.9
severity = "error"
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let config: Config = CONFIG.parse()?;
    let nethical = config.open()?;
    let alerts = nethical.alerts();
    for free in [3, 2, 1] {
        // Of one key, so it is one alert, whose repetitions are counted.
        let message = format!("{free} GB are left on /dev/sda1");
        alerts.critical("Disk full", &message).field("free_gb", free).key("disk").send();
    }
    alerts.resolve("disk");

    for accuracy in [0.94, 0.91, 0.87] {
        nethical.monitoring().observe("accuracy", accuracy);
    }
    assert!(nethical.close(Duration::from_secs(5)));
    Ok(())
}
