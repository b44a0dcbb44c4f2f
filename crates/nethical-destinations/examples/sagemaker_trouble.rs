//! SageMaker on a bad day: 5,000 metric calls with a tenth of all requests throttled and points that fail alone, an
//! artifact of 200 MB whose parts fail, and runs whose creation is not answered. Prints what arrived.
//!
//! ```console
//! $ cargo run --release -p nethical-destinations --example sagemaker_trouble
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a program for developers"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nethical_core::delivery::Settings;
use nethical_core::event::Redaction;
use nethical_core::tracking::{ArtifactOptions, Platform, RunStatus, StartRun};
use nethical_destinations::Validated;
use nethical_destinations::sagemaker::SageMakerConfig;
use nethical_receivers::aws::{ACCESS_KEY, SECRET_KEY};
use nethical_receivers::sagemaker::{SageMaker, Trouble};

const CALLS: i64 = 5_000;
const ARTIFACT: usize = 200_000_000;
const PATIENCE: Duration = Duration::from_secs(300);

fn open(fake: &SageMaker, home: &std::path::Path) -> Arc<dyn Platform> {
    fake.create_bucket("models");
    let mut config = SageMakerConfig::default().with_keys(ACCESS_KEY, SECRET_KEY, None);
    (config.endpoint_url, config.bucket) = (Some(fake.url()), Some("models".to_owned()));
    let mut usual = Settings { observer: Arc::new(|_| {}), ..Settings::default() };
    usual.spool.home = Some(home.to_owned());
    let settings = config.settings(usual);
    Arc::new(config).platform("sagemaker", settings, &Redaction::default()).unwrap().unwrap()
}

fn start(platform: &dyn Platform) -> String {
    platform.start_run(&StartRun { experiment: "e", ..StartRun::default() }).unwrap()
}

fn metrics(fake: &SageMaker, platform: &dyn Platform) {
    fake.behave(|behaviour| (behaviour.throttled_per_mille, behaviour.failed_points_per_mille) = (100, 50));
    let (run, begun) = (start(platform), Instant::now());
    for step in 0..CALLS {
        platform.log_metrics(&run, &[("loss", step as f64)], Some(step)).unwrap();
    }
    let logged = begun.elapsed();
    assert!(platform.flush(PATIENCE), "{:?}", platform.statuses());
    let points = fake.components()[&run].points.clone();
    let steps: BTreeSet<_> = points.iter().map(|point| point.step).collect();
    let (throttled, _) = fake.troubles();
    println!(
        "{CALLS} calls in {logged:?}, delivered in {:?}, {throttled} requests throttled",
        begun.elapsed()
    );
    println!(
        "points {}, different steps {}, data in CloudWatch {}",
        points.len(),
        steps.len(),
        fake.data().len()
    );
    assert_eq!((steps.len(), fake.data().len()), (CALLS as usize, CALLS as usize));
}

fn artifact(fake: &SageMaker, platform: &dyn Platform, place: &std::path::Path) {
    fake.behave(|behaviour| *behaviour = Default::default());
    fake.behave(|behaviour| behaviour.failing_parts = [(7, 5)].into());
    let content: Vec<u8> = (0..ARTIFACT as u32 / 4).flat_map(u32::to_le_bytes).collect();
    let file = place.join("model.bin");
    std::fs::write(&file, &content).unwrap();
    let (run, before, begun) = (start(platform), fake.calls(), Instant::now());
    platform.log_artifact(&run, &file, &ArtifactOptions::default()).unwrap();
    assert!(platform.flush(PATIENCE), "{:?}", platform.statuses());
    let count = |name: &str| {
        let of = |calls: &std::collections::BTreeMap<String, u64>| calls.get(name).copied().unwrap_or(0);
        of(&fake.calls()) - of(&before)
    };
    let whole = fake.object("models", &format!("nethical/{run}/model.bin")).unwrap() == content;
    println!(
        "{} MB in {:?}: {} parts sent, 5 of them failed, {} begun, {} completed, whole: {whole}",
        ARTIFACT / 1_000_000,
        begun.elapsed(),
        count("UploadPart"),
        count("CreateMultipartUpload"),
        count("CompleteMultipartUpload")
    );
    assert!(whole && fake.open_uploads() == 0);
}

fn creation(fake: &SageMaker, platform: &dyn Platform) {
    let before = fake.components().len();
    // One answer of each call that creates something gets lost.
    for lost in 0..4 {
        fake.behave(|behaviour| behaviour.next = vec![Trouble::DropAnswer; lost + 1].into());
        let run = start(platform);
        platform.end_run(&run, RunStatus::Completed, Some(PATIENCE)).unwrap();
        assert_eq!(fake.components()[&run].trials.len(), 1);
    }
    let (experiments, components) = (fake.experiments(), fake.components().len() - before);
    println!(
        "4 runs after 10 answers that got lost: experiments {}, components {components}",
        experiments.len()
    );
    assert_eq!((experiments.len(), components), (1, 4));
}

fn main() {
    let (fake, home) = (SageMaker::start().unwrap(), tempfile::tempdir().unwrap());
    let platform = open(&fake, home.path());
    metrics(&fake, &*platform);
    artifact(&fake, &*platform, home.path());
    creation(&fake, &*platform);
    let ledgers: Vec<_> = platform.statuses().iter().map(|status| status.ledger).collect();
    assert!(ledgers.iter().all(|ledger| ledger.balances() && ledger.dead_lettered == 0), "{ledgers:?}");
    println!("violations of limits: {}", fake.violations().len());
    assert!(fake.violations().is_empty());
}
