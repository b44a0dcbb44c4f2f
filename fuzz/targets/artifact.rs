//! Any answer of a place that takes artifacts: S3, Google Cloud Storage, Azure and MLflow's own proxy, whole and in parts.
#![no_main]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use nethical_core::delivery::{Batch, runtime};
use nethical_core::event::{Event, RunChange, RunUpdate};
use nethical_core::tracking::{ArtifactOptions, artifact};
use nethical_destinations::Validated;
use nethical_destinations::mlflow::MlflowConfig;
use nethical_destinations::sagemaker::SageMakerConfig;
use nethical_fuzz::{SECRET, Service, alone, answer, is_sound, knows_secret, pass_on};
use nethical_receivers::sagemaker::SageMaker;

/// Where an MLflow server says that artifacts go. The number is the id of the run.
const PLACES: [&str; 4] = [
    "s3://bucket/1/artifacts",
    "gs://bucket/1/artifacts",
    "wasbs://box@account.blob.core.windows.net/1/artifacts",
    "mlflow-artifacts:/1/run/artifacts",
];

fuzz_target!(
    init: {
        let origin = mlflow().origin();
        let azure = format!("AccountName=account;AccountKey=a2V5;BlobEndpoint={origin}/account");
        alone(Path::new("/nonexistent"), &[
            ("AWS_ACCESS_KEY_ID", "AKID"),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_REGION", "us-east-1"),
            ("MLFLOW_S3_ENDPOINT_URL", &origin),
            ("STORAGE_EMULATOR_HOST", &origin),
            ("AZURE_STORAGE_CONNECTION_STRING", &azure),
            ("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true"),
            ("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "1"),
        ]);
    },
    |input: &[u8]| {
        let [which, status, rest @ ..] = input else { return };
        if knows_secret(rest) {
            return;
        }
        let (place, after) = (usize::from(*which) % 5, usize::from(*which / 5) % 8);
        // Hashing a large one takes half a second.
        let large = *which >= 240;
        let said = answer(*status, rest);
        match PLACES.get(place) {
            Some(_) => {
                mlflow().once(after, said);
                deliver(&MlflowConfig::new(mlflow().origin()), &update(&place.to_string(), large));
            }
            None => {
                sagemaker().once(after, said);
                let mut config = SageMakerConfig::default().with_keys("AKIDTEST", "secret", None);
                config.endpoint_url = Some(sagemaker().origin());
                config.bucket = Some("bucket".to_owned());
                deliver(&config, &update("run", large));
            }
        }
    }
);

fn deliver(config: &dyn Validated, event: &Event) {
    let destination = config.open().expect("it opens");
    let batch: Batch = [event.clone()].into_iter().collect();
    match runtime::wait(async move { destination.deliver(&batch).await }).expect("a runtime") {
        Err(error) => is_sound(&error),
        Ok(receipt) => {
            receipt.refused.iter().for_each(|refusal| is_sound(&refusal.error));
            receipt.unfinished.iter().for_each(|unfinished| is_sound(&unfinished.error));
        }
    }
}

/// An artifact of a run: a file that goes in one piece, or one that is too large for that.
fn update(run: &str, large: bool) -> Event {
    let change = RunChange::Artifact(
        artifact::take(
            &file(large),
            &ArtifactOptions { folder: None, copy: false },
            Path::new("/nonexistent"),
        )
        .expect("it is there"),
    );
    RunUpdate { run: run.to_owned(), time: 1_700_000_000_000, change }.to_event().expect("it can be written")
}

fn file(large: bool) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder").keep();
        fs::write(folder.join("small.bin"), "small").expect("room");
        File::create(folder.join("large.bin")).expect("room").set_len((8 << 20) + 1).expect("room");
        folder
    });
    folder.join(if large { "large.bin" } else { "small.bin" })
}

/// A server of MLflow's, and every store: what they say if all is well.
fn mlflow() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(|| Service::start(Box::new(usual)))
}

fn usual(request: &[u8]) -> Vec<u8> {
    let line =
        String::from_utf8_lossy(request.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
    let run = line.split_once("run_id=").and_then(|(_, rest)| rest.get(..1)?.parse::<usize>().ok());
    if let Some(place) = run.and_then(|run| PLACES.get(run)) {
        return answer(
            0,
            format!("\n\n{{\"run\":{{\"info\":{{\"artifact_uri\":\"{place}\"}}}}}}").as_bytes(),
        );
    }
    if line.contains("/mpu/create") {
        let part = format!("{}/part", mlflow().origin());
        let body = format!(
            "{{\"upload_id\":\"u\",\"credentials\":[{{\"url\":\"{part}\",\"part_number\":1,\"headers\":{{}}}}]}}"
        );
        return answer(0, format!("\n\n{body}").as_bytes());
    }
    let began = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
    let body = if line.contains("uploads") {
        began
    } else {
        "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"
    };
    answer(1, format!("etag: \"e\"\n\n{body}").as_bytes())
}

/// A receiver of SageMaker's and S3's, behind what may answer in its place.
fn sagemaker() -> &'static Service {
    static SERVICE: OnceLock<(Service, SageMaker)> = OnceLock::new();
    let (service, _) = SERVICE.get_or_init(|| {
        let receiver = SageMaker::start().expect("a port");
        receiver.create_run("experiment", "run");
        receiver.create_bucket("bucket");
        let address = receiver.address();
        (Service::start(Box::new(move |request| pass_on(address, request))), receiver)
    });
    service
}
