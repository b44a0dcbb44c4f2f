//! A run of an experiment in a file that `mlflow ui` opens.
//!
//! ```console
//! $ cargo run --example runs --features mlflow-embedded
//! $ mlflow ui
//! ```

use std::error::Error;
use std::time::Duration;

use nethical::{Config, fields};

fn main() -> Result<(), Box<dyn Error>> {
    // An address such as `http://localhost:5000` in its place is a server; other platforms may stand beside it.
    let config: Config = "[runs.mlflow]\ntracking_uri = 'sqlite:///mlflow.db'".parse()?;
    let nethical = config.open()?;
    let run = nethical.runs().start("spirals", Some("first"));
    run.parameters(&fields! { learning_rate: 0.1, optimizer: "sgd" });
    for step in 0_i32..100 {
        let loss = 0.9 * (-0.05 * f64::from(step)).exp();
        run.metrics(&[("loss", loss)], Some(step.into()));
    }
    std::fs::write("weights.txt", "0.25 0.75\n")?;
    run.artifact("weights.txt");
    drop(run); // ends it: completed, or failed if this is because of a panic
    assert!(nethical.close(Duration::from_secs(30)));
    Ok(())
}
