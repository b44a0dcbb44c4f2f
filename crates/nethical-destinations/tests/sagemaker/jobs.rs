//! Training jobs.

use nethical_core::tracking::RunStatus;
use nethical_destinations::sagemaker::{HyperParameter, SageMakerConfig, TrainingConfig};
use nethical_receivers::sagemaker::SageMaker;
use serde_json::json;
use testkit::until;

use crate::{PATIENCE, all_delivered, config, open, start, status};

fn training(fake: &SageMaker) -> SageMakerConfig {
    let table = json!({
        "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1", "output_path": "s3://models/out",
        "poll_seconds": 1, "inputs": { "train": "s3://data/train" }, "environment": { "MODE": "fast" },
    });
    let mut training: TrainingConfig = serde_json::from_value(table).unwrap();
    training.hyperparameters.insert("max_depth".to_owned(), HyperParameter::Integer(5));
    training.hyperparameters.insert("eta".to_owned(), HyperParameter::Float(0.2));
    let mut config = config(fake);
    config.role = Some("arn:aws:iam::123456789012:role/SageMakerRole".to_owned());
    config.training = Some(training);
    config
}

#[test]
fn a_run_starts_a_job_and_shows_how_it_stands() {
    let fake = SageMaker::start().unwrap();
    fake.behave(|behaviour| behaviour.job_statuses = vec!["InProgress".to_owned(), "Completed".to_owned()]);
    let platform = open(training(&fake));
    let run = start(&*platform, "fraud_detection", Some("xgb"));
    assert!(platform.flush(PATIENCE));
    let request = fake.jobs().remove(&run).unwrap().request;
    let (experiment, _) = fake.experiments().pop_first().unwrap();
    assert_eq!(request["ExperimentConfig"]["ExperimentName"], experiment);
    assert_eq!(request["ExperimentConfig"]["TrialName"], run);
    assert_eq!(request["HyperParameters"], json!({ "eta": "0.2", "max_depth": "5" }));
    until("the run shows that its job has ended", || {
        fake.components()[&run].status.as_ref().is_some_and(|status| status["PrimaryStatus"] == "Completed")
    });
    let component = fake.components().remove(&run).unwrap();
    assert_eq!(
        component.outputs["model"],
        json!({ "Value": format!("s3://models/{run}/output/model.tar.gz") })
    );
    assert_eq!((&*component.points[0].name, component.points[0].value), ("train:loss", 0.25));
    assert!(component.end.is_some());
    platform.end_run(&run, RunStatus::Completed, None).unwrap();
    all_delivered(&*platform);
    assert!(!fake.jobs()[&run].stopped);
    assert_eq!(fake.violations(), Vec::<String>::new());
}

#[test]
fn a_killed_run_stops_its_job_and_another_end_does_not() {
    let fake = SageMaker::start().unwrap();
    let platform = open(training(&fake));
    let (killed, ended) = (start(&*platform, "e", None), start(&*platform, "e", None));
    platform.end_run(&killed, RunStatus::Killed, None).unwrap();
    platform.end_run(&ended, RunStatus::Completed, None).unwrap();
    all_delivered(&*platform);
    assert!(fake.jobs()[&killed].stopped && !fake.jobs()[&ended].stopped);
    let shown = |run: &String| fake.components()[run].status.clone().unwrap()["PrimaryStatus"].clone();
    assert_eq!((shown(&killed), shown(&ended)), (json!("Stopped"), json!("InProgress")));
    // Another process can still do it.
    let other = open(training(&fake));
    other.resume_run(&ended).unwrap();
    other.end_run(&ended, RunStatus::Killed, None).unwrap();
    all_delivered(&*other);
    assert!(fake.jobs()[&ended].stopped);
}

#[test]
fn a_run_whose_job_cannot_be_has_failed_and_says_why() {
    let fake = SageMaker::start().unwrap();
    fake.behave(|behaviour| behaviour.no_jobs = true);
    let platform = open(training(&fake));
    let run = start(&*platform, "e", None);
    assert!(platform.flush(PATIENCE));
    let shown = fake.components()[&run].status.clone().unwrap();
    assert_eq!(shown["PrimaryStatus"], "Failed");
    assert!(shown["Message"].as_str().unwrap().contains("service limit"), "{shown}");
    let status = status(&*platform);
    assert_eq!(status.ledger.dead_lettered, 1);
    assert_eq!(status.last_error.unwrap().code(), "sagemaker.no_job");
}
