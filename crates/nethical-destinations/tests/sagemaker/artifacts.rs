//! Artifacts, recorded and uploaded.

use std::fs;
use std::sync::{Arc, Mutex};

use nethical_core::delivery::{Notice, SpoolSettings};
use nethical_core::tracking::{ArtifactOptions, RunStatus};
use nethical_receivers::sagemaker::{SageMaker, Trouble};
use serde_json::json;
use testkit::until;

use crate::{PATIENCE, all_delivered, artifacts, config, open, open_watched, open_with, start, with_bucket};

const MIB: usize = 1 << 20;

/// Bytes of which no two parts are alike.
fn content(size: usize) -> Vec<u8> {
    (0..size as u32 / 4).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn addresses_are_recorded_and_files_and_folders_uploaded() {
    let fake = SageMaker::start().unwrap();
    let platform = open(with_bucket(&fake));
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    fs::create_dir_all(data.join("sub dir")).unwrap();
    fs::write(data.join("a+b.txt"), "a").unwrap();
    fs::write(data.join("sub dir/ü.txt"), "").unwrap();
    let run = start(&*platform, "e", None);
    let usual = ArtifactOptions::default();
    platform.log_artifact(&run, "s3://other/model.tar.gz".as_ref(), &usual).unwrap();
    platform.log_artifact(&run, "s3://another/model.tar.gz".as_ref(), &usual).unwrap();
    platform
        .log_artifact(&run, &data.join("a+b.txt"), &ArtifactOptions { folder: Some("in"), copy: false })
        .unwrap();
    platform.log_artifact(&run, &data, &usual).unwrap();
    fs::write(data.join("sub dir/ü.txt"), "changed after the call").unwrap();
    all_delivered(&*platform);
    let outputs = fake.components().remove(&run).unwrap().outputs;
    assert_eq!(outputs["model.tar.gz"], json!({ "Value": "s3://other/model.tar.gz" }));
    assert_eq!(outputs["s3://another/model.tar.gz"], json!({ "Value": "s3://another/model.tar.gz" }));
    assert_eq!(outputs["in/a+b.txt"], json!({ "Value": format!("s3://models/nethical/{run}/in/a+b.txt") }));
    assert_eq!(outputs["data"], json!({ "Value": format!("s3://models/nethical/{run}/data/") }));
    let object = |path: &str| fake.object("models", &format!("nethical/{run}/{path}")).unwrap();
    assert_eq!((object("in/a+b.txt"), object("data/a+b.txt")), (b"a".to_vec(), b"a".to_vec()));
    assert_eq!(object("data/sub dir/ü.txt"), b"");
    assert_eq!(fake.violations(), Vec::<String>::new());
}

#[test]
fn an_artifact_of_a_run_that_has_just_begun_waits_for_its_start_without_an_alarm() {
    let fake = SageMaker::start().unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&told);
    let observer = move |notice: &Notice| seen.lock().unwrap().push(notice.to_string());
    let platform = open_watched(config(&fake), SpoolSettings::off(), observer);
    let run = start(&*platform, "e", None);
    platform.log_artifact(&run, "s3://other/model".as_ref(), &ArtifactOptions::default()).unwrap();
    // Nothing hurries the start, which waits for its batch to fill up.
    until("the artifact has arrived", || artifacts(&*platform).ledger.confirmed == 1);
    assert!(artifacts(&*platform).last_error.is_none(), "{:?}", artifacts(&*platform).last_error);
    assert_eq!(*told.lock().unwrap(), Vec::<String>::new());
}

#[test]
fn a_file_goes_in_parts_and_only_the_part_that_failed_is_sent_again() {
    let fake = SageMaker::start().unwrap();
    let platform = open(with_bucket(&fake));
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("model.bin");
    fs::write(&file, content(17 * MIB)).unwrap();
    // More failures than one delivery has tries.
    fake.behave(|behaviour| behaviour.failing_parts = [(3, 8)].into());
    let run = start(&*platform, "e", None);
    platform.log_artifact(&run, &file, &ArtifactOptions::default()).unwrap();
    all_delivered(&*platform);
    assert!(fake.object("models", &format!("nethical/{run}/model.bin")).unwrap() == content(17 * MIB));
    let calls = fake.calls();
    assert_eq!(
        (calls["UploadPart"], calls["CreateMultipartUpload"], calls["CompleteMultipartUpload"]),
        (3 + 8, 1, 1)
    );
    assert_eq!((fake.open_uploads(), fake.violations()), (0, Vec::new()));
}

#[test]
fn an_upload_that_s3_forgot_begins_anew() {
    let fake = SageMaker::start().unwrap();
    fake.behave(|behaviour| behaviour.forgotten_uploads = 1);
    let platform = open(with_bucket(&fake));
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("model.bin");
    fs::write(&file, content(9 * MIB)).unwrap();
    let run = start(&*platform, "e", None);
    platform.log_artifact(&run, &file, &ArtifactOptions::default()).unwrap();
    all_delivered(&*platform);
    assert_eq!((fake.calls()["CreateMultipartUpload"], fake.open_uploads()), (2, 0));
}

#[test]
fn an_s3_that_forgets_every_upload_is_asked_again_after_a_while() {
    let fake = SageMaker::start().unwrap();
    fake.behave(|behaviour| behaviour.forgotten_uploads = u32::MAX);
    let platform = open(with_bucket(&fake));
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("model.bin");
    fs::write(&file, content(9 * MIB)).unwrap();
    let run = start(&*platform, "e", None);
    platform.log_artifact(&run, &file, &ArtifactOptions::default()).unwrap();
    let code = || platform.statuses().iter().find_map(|status| Some(status.last_error.clone()?.code()));
    until("the fault is shown", || code() == Some("sagemaker.upload_forgotten"));
    fake.behave(|behaviour| behaviour.forgotten_uploads = 0);
    all_delivered(&*platform);
    assert!(fake.object("models", &format!("nethical/{run}/model.bin")).unwrap() == content(9 * MIB));
}

#[test]
fn a_later_process_sends_the_parts_that_are_missing() {
    let fake = SageMaker::start().unwrap();
    let (place, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let spool = || SpoolSettings { home: Some(home.path().to_owned()), ..SpoolSettings::default() };
    let file = place.path().join("model.bin");
    fs::write(&file, content(17 * MIB)).unwrap();
    let config = with_bucket(&fake);
    fake.behave(|behaviour| behaviour.failing_parts = [(3, 1_000)].into());
    let first = open_with(config.clone(), spool());
    let run = start(&*first, "e", None);
    first.log_artifact(&run, &file, &ArtifactOptions::default()).unwrap();
    first.end_run(&run, RunStatus::Completed, None).unwrap();
    let parts = || fake.calls().get("UploadPart").copied().unwrap_or_default();
    until("the last part has failed more than once", || parts() > 4);
    first.close(std::time::Duration::from_millis(1));
    until("what was under way has ended", || first.statuses().iter().all(|status| status.closed));
    drop(first);
    let before = fake.calls()["UploadPart"];
    fake.behave(|behaviour| behaviour.failing_parts.clear());
    let second = open_with(config, spool());
    assert!(second.flush(PATIENCE), "{:?}", second.statuses());
    assert_eq!(fake.calls()["UploadPart"] - before, 1);
    assert!(fake.object("models", &format!("nethical/{run}/model.bin")).unwrap() == content(17 * MIB));
    assert_eq!(fake.components()[&run].status, Some(json!({ "PrimaryStatus": "Completed" })));
    let kept = home.path().join("runs/artifacts");
    assert_eq!(fs::read_dir(kept).unwrap().count(), 0);
}

#[test]
fn what_changed_is_refused_and_what_has_nowhere_to_go_fails_at_the_call() {
    let fake = SageMaker::start().unwrap();
    let platform = open(with_bucket(&fake));
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("model.bin");
    fs::write(&file, "before").unwrap();
    fake.behave(|behaviour| behaviour.always = Some(Trouble::Unavailable));
    let run = start(&*platform, "e", None);
    platform.log_artifact(&run, &file, &ArtifactOptions { folder: None, copy: false }).unwrap();
    fs::write(&file, "after!").unwrap();
    fake.behave(|behaviour| behaviour.always = None);
    assert!(platform.flush(PATIENCE));
    let status = artifacts(&*platform);
    assert_eq!(status.ledger.dead_lettered, 1);
    assert_eq!(status.last_error.unwrap().code(), "artifact_changed");
    assert_eq!(fake.keys("models"), Vec::<String>::new());

    let without = open(config(&fake));
    let run = start(&*without, "e", None);
    let error = without.log_artifact(&run, &file, &ArtifactOptions::default()).unwrap_err();
    assert_eq!(error.code(), "sagemaker.no_upload");
    let error = without.log_artifact(&run, "ftp://x/y".as_ref(), &ArtifactOptions::default()).unwrap_err();
    assert_eq!(error.code(), "artifact.address");
}
