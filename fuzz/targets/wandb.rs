//! An upload of a W&B run: any answer to any of its requests, or any notes in its directory.
#![no_main]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use nethical_core::delivery::{SpoolSettings, runtime};
use nethical_destinations::Validated;
use nethical_destinations::wandb::{SyncOutcome, Syncer, WandbConfig};
use nethical_fuzz::{SECRET, Service, alone, answer, is_sound, knows_secret, offline_wandb, pass_on};
use nethical_receivers::wandb::Wandb;

/// Requests of a whole upload.
const REQUESTS: usize = 16;

fuzz_target!(
    init: alone(Path::new("/nonexistent"), &[]),
    |input: &[u8]| {
        let [what, status, rest @ ..] = input else { return };
        if knows_secret(rest) {
            return;
        }
        let (service, behind) = service();
        let receiver = Wandb::start().expect("a port");
        *behind.lock().unwrap() = Some(receiver.address());
        match usize::from(*what) {
            0 => upload(service, Some(rest)),
            1 => {
                service.always(answer(*status, rest));
                probe(service);
            }
            after => {
                service.once((after - 2) % REQUESTS, answer(*status, rest));
                upload(service, None);
            }
        }
    }
);

type Behind = Arc<Mutex<Option<SocketAddr>>>;

fn service() -> &'static (Service, Behind) {
    static SERVICE: OnceLock<(Service, Behind)> = OnceLock::new();
    SERVICE.get_or_init(|| {
        let behind = Behind::default();
        let known = Arc::clone(&behind);
        let usual = move |request: &[u8]| pass_on(known.lock().unwrap().expect("one is there"), request);
        (Service::start(Box::new(usual)), behind)
    })
}

fn config(service: &Service) -> WandbConfig {
    let mut config = WandbConfig::new("p");
    config.base_url = Some(service.origin());
    config.api_key = Some(SECRET.repeat(6));
    config.entity = Some("team".to_owned());
    config.upload_interval = 0.0;
    config
}

fn probe(service: &Service) {
    let opened = config(service).open().expect("it opens");
    if let Err(error) = runtime::wait(async move { opened.probe().await }).expect("a runtime") {
        is_sound(&error);
    }
}

fn upload(service: &Service, notes: Option<&[u8]>) {
    let folder = tempfile::tempdir().expect("a folder");
    copy(sound(), folder.path());
    if let Some(notes) = notes {
        service.once(usize::MAX - 1, Vec::new());
        fs::write(folder.path().join("nethical.json"), notes).expect("room");
    }
    let mut syncer = Syncer::new("wandb", &config(service), &SpoolSettings::off(), Some(Arc::new(|_| {})))
        .expect("there is a key");
    syncer.add(folder.path()).expect("a run is there");
    let end = Instant::now() + Duration::from_millis(400);
    while !syncer.is_done() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(2));
    }
    for report in syncer.finish(Duration::ZERO) {
        match report.outcome {
            SyncOutcome::Failed(error) | SyncOutcome::Pending(Some(error)) => is_sound(&error),
            _ => {}
        }
    }
}

/// The directory of a run.
fn sound() -> &'static Path {
    static SOUND: OnceLock<PathBuf> = OnceLock::new();
    SOUND.get_or_init(|| offline_wandb(&tempfile::tempdir().expect("a folder").keep()).1)
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).expect("a folder");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("room");
        }
    }
}
