//! Uploads with a rhythm and parts that no user can choose.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::ZonedDateTime;
use nethical_core::delivery::SpoolSettings;
use nethical_core::spool::Durability;
use nethical_receivers::wandb::{Trouble, Wandb};

use super::*;
use crate::wandb::artifact::ArtifactSpec;
use crate::wandb::log::record::Run;
use crate::wandb::uploads::{Means, Upload, Uploads};

const PATIENCE: Duration = Duration::from_secs(60);

struct World {
    server: Wandb,
    folder: tempfile::TempDir,
    uploads: Arc<Uploads>,
}

impl World {
    fn new(heartbeat: Duration, parts: Parts) -> Self {
        let (server, folder) = (Wandb::start().unwrap(), tempfile::tempdir().unwrap());
        let spool = SpoolSettings { home: Some(folder.path().join("home")), ..SpoolSettings::default() };
        let uploads = Uploads::new(Means {
            name: "wandb".into(),
            api: Some(Api::new(&server.url(), &"0".repeat(40))),
            rhythm: Rhythm { interval: Duration::from_millis(5), heartbeat },
            parts,
            refusals: Arc::new(Refusals::new("wandb", &spool)),
            observer: Arc::new(|_| {}),
            breaker: Default::default(),
            registry: None,
            target: (None, None),
        });
        Self { server, folder, uploads }
    }

    fn start(&self, id: &str) -> (Arc<Recording>, Upload) {
        let run = Run { run_id: id.to_owned(), project: "p".to_owned(), ..Run::default() };
        let directory = RunDirectory::create(self.folder.path(), id, false, &ZonedDateTime::now()).unwrap();
        let recording = Arc::new(Recording::start(directory, run, Durability::None).unwrap());
        let upload = self.uploads.add(&recording, Vec::new()).unwrap();
        (recording, upload)
    }

    fn times(&self, operation: &str) -> Vec<Instant> {
        let calls = self.server.calls();
        calls.iter().filter(|call| call.operation == operation).map(|call| call.at).collect()
    }
}

#[test]
fn a_run_that_logs_nothing_gives_signs_of_life() {
    let heartbeat = Duration::from_millis(60);
    let world = World::new(heartbeat, Parts::default());
    let begun = Instant::now();
    let (recording, upload) = world.start("quiet");
    while world.server.run("quiet").is_none_or(|run| run.heartbeats < 3) && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(5));
    }
    let run = world.server.run("quiet").unwrap();
    assert!(run.heartbeats >= 3, "{run:?}");
    assert_eq!((run.state, run.history.len()), ("running", 0));
    // Each may have been underway for a while, so they are seen at other distances than they were sent.
    let pauses = world.times("file_stream").len() as u32 - 1;
    assert!(begun.elapsed() >= heartbeat * pauses, "{pauses} in {:?}", begun.elapsed());
    recording.end(0).unwrap();
    assert!(upload.flush(Instant::now() + PATIENCE));
    assert_eq!(world.server.run("quiet").unwrap().exit_code, Some(0));
    assert_eq!(world.server.violations(), Vec::<String>::new());
}

#[test]
fn a_large_file_goes_in_parts_and_a_failed_one_is_sent_again() {
    let world = World::new(PATIENCE, Parts { from: 1_000, size: 400 });
    let (recording, upload) = world.start("r");
    let folder = world.folder.path().join("model");
    std::fs::create_dir(&folder).unwrap();
    let bytes: Vec<u8> = (0..1_000_u32).map(|number| (number % 251) as u8).collect();
    std::fs::write(folder.join("large"), &bytes).unwrap();
    std::fs::write(folder.join("small"), &bytes[..999]).unwrap();
    world.server.behave(|behaviour| {
        let troubles = [Trouble::Status(503), Trouble::DropAnswer, Trouble::RateLimited(0.01)];
        behaviour.next.insert("put".to_owned(), troubles.into());
    });
    let (number, _) = recording.artifact(&folder, &ArtifactSpec::default()).unwrap();
    recording.end(0).unwrap();
    assert!(upload.flush(Instant::now() + PATIENCE));
    assert_eq!(world.server.violations(), Vec::<String>::new());
    let [artifact] = world.server.artifacts().try_into().unwrap();
    assert!(artifact.committed);
    assert_eq!((artifact.files["large"].as_slice(), artifact.files["small"].len()), (bytes.as_slice(), 999));
    assert_eq!(
        world.times("put").len(),
        3 + 3 + 1 + 1,
        "parts, the three that failed, the small file, the manifest"
    );
    assert_eq!(world.times("CompleteMultipartUploadArtifact").len(), 1);
    let known = upload.progress.known();
    assert!(matches!(known.artifacts[&number], ArtifactState::Committed(_)), "{known:?}");
}

#[test]
fn what_an_artifact_is_refused_for_stands_among_the_dead_letters() {
    use nethical_core::spool::{DeadLetterLog, Disk, Filter, Home, Retention};
    let world = World::new(PATIENCE, Parts::default());
    let (recording, upload) = world.start("r");
    let file = world.folder.path().join("weights");
    std::fs::write(&file, "before").unwrap();
    world.server.behave(|behaviour| {
        behaviour.next.insert("CreateArtifact".to_owned(), [Trouble::Status(422)].into());
    });
    recording.artifact(&file, &ArtifactSpec { name: Some("bert"), ..ArtifactSpec::default() }).unwrap();
    recording.end(0).unwrap();
    assert!(upload.flush(Instant::now() + PATIENCE));
    let home = Home::new(Arc::new(Disk), world.folder.path().join("home"));
    let log = DeadLetterLog::open(Arc::new(Disk), &home.dead_letters(), Retention::default()).unwrap();
    let [letter] = log.list(&Filter::default(), 10).unwrap().try_into().unwrap();
    assert_eq!((letter.destination.as_str(), letter.reason.as_str()), ("wandb", "wandb.refused"));
    let event = nethical_core::event::Event::from_stored(&letter.payload).unwrap();
    let update = event.run().unwrap();
    let nethical_core::event::RunChange::Artifact(artifact) = update.change else { panic!("{update:?}") };
    assert_eq!(
        (update.run.as_str(), artifact.source.as_str(), artifact.files[0].path.as_str()),
        ("r", "bert", "weights")
    );
    assert_eq!(upload.ledger().dead_lettered, 1);
}
