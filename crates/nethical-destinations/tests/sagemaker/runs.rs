//! Experiments, trials, components, parameters, tags and status.

use nethical_core::event::Metadata;
use nethical_core::tracking::{RunStatus, StartRun};
use nethical_receivers::sagemaker::{SageMaker, Trouble};
use serde_json::json;

use crate::{PATIENCE, all_delivered, config, open, start, status};

#[test]
fn a_run_is_one_trial_with_one_component_and_shows_how_it_stands() {
    let fake = SageMaker::start().unwrap();
    let platform = open(config(&fake));
    let tags = [("team", "ml")];
    let run = platform
        .start_run(&StartRun { experiment: "Fraud detection_v2", name: Some("BERT base"), tags: &tags })
        .unwrap();
    assert!(run.starts_with("bert-base-2"), "{run}");
    platform
        .log_parameters(&run, &Metadata::new().with("depth", 5).with("eta", 0.2).with("api_key", "s"))
        .unwrap();
    platform.set_tags(&run, &[("stage", "dev")]).unwrap();
    assert!(platform.flush(PATIENCE));
    let before = fake.components()[&run].clone();
    assert_eq!(before.status, Some(json!({ "PrimaryStatus": "InProgress" })));
    platform.end_run(&run, RunStatus::Completed, None).unwrap();
    all_delivered(&*platform);

    let experiments = fake.experiments();
    let (experiment, trials) = experiments.first_key_value().unwrap();
    assert!(experiment.starts_with("fraud-detection-v2-"), "{experiment}");
    assert_eq!((experiments.len(), trials.len()), (1, 1));
    let about = fake.experiment(experiment).unwrap();
    assert_eq!(
        (&about["DisplayName"], &about["Description"]),
        (&json!("Fraud-detection-v2"), &json!("Fraud detection_v2"))
    );
    let component = fake.components().remove(&run).unwrap();
    assert_eq!(component.display_name.as_deref(), Some("BERT-base"));
    assert_eq!(component.trials.iter().collect::<Vec<_>>(), [&run]);
    assert_eq!(component.status, Some(json!({ "PrimaryStatus": "Completed" })));
    assert_eq!(component.parameters["depth"], json!({ "NumberValue": 5.0 }));
    assert_eq!(component.parameters["api_key"], json!({ "StringValue": "[REDACTED]" }));
    assert!(component.end.unwrap().as_f64() >= component.start.unwrap().as_f64());
    for (name, value) in [
        ("team", "ml"),
        ("stage", "dev"),
        ("nethical:name", "BERT base"),
        ("nethical:experiment", "Fraud detection_v2"),
    ] {
        assert_eq!(component.tags[name], value);
    }
    assert_eq!(fake.violations(), Vec::<String>::new());
    // One update for the parameters, one for the end.
    assert_eq!(fake.calls()["UpdateTrialComponent"], 2);
}

#[test]
fn dropped_answers_create_nothing_twice() {
    let fake = SageMaker::start().unwrap();
    let platform = open(config(&fake));
    fake.behave(|behaviour| behaviour.next = vec![Trouble::DropAnswer; 4].into());
    let run = start(&*platform, "e", None);
    assert!(platform.flush(PATIENCE));
    fake.behave(|behaviour| (behaviour.dropped_per_mille, behaviour.throttled_per_mille) = (150, 150));
    for number in 0..10 {
        let run = start(&*platform, "e", Some(&format!("r{number}")));
        platform.log_parameters(&run, &Metadata::new().with("n", number)).unwrap();
        platform.end_run(&run, RunStatus::Failed, None).unwrap();
    }
    platform.end_run(&run, RunStatus::Killed, None).unwrap();
    all_delivered(&*platform);
    assert!(fake.troubles().1 > 5, "{:?}", fake.troubles());
    assert_eq!(fake.experiments()["e"].len(), 11);
    let components = fake.components();
    assert_eq!(components.len(), 11);
    for (name, component) in &components {
        assert_eq!(component.trials.len(), 1);
        let wanted = if *name == run { "Stopped" } else { "Failed" };
        assert_eq!(component.status.as_ref().unwrap()["PrimaryStatus"], wanted);
        assert_eq!(component.parameters.len(), usize::from(*name != run));
    }
    assert_eq!(fake.violations(), Vec::<String>::new());
}

#[test]
fn no_parameter_is_lost_whether_the_server_merges_or_replaces() {
    for replaces in [false, true] {
        let fake = SageMaker::start().unwrap();
        fake.behave(|behaviour| (behaviour.replaces, behaviour.conflicts_per_mille) = (replaces, 200));
        let platform = open(config(&fake));
        let run = start(&*platform, "e", None);
        for number in 0..310 {
            platform.log_parameters(&run, &Metadata::new().with(format!("p{number}"), number)).unwrap();
            if number % 50 == 0 {
                assert!(platform.flush(PATIENCE));
            }
            if number == 299 {
                assert!(platform.flush(PATIENCE));
                assert_eq!(fake.components()[&run].parameters.len(), 300);
                assert!(!fake.components()[&run].parameters.contains_key("nethical.overflow"));
            }
        }
        platform.log_artifact(&run, "s3://b/model".as_ref(), &Default::default()).unwrap();
        all_delivered(&*platform);
        let other = open(config(&fake));
        other.resume_run(&run).unwrap();
        other.log_parameters(&run, &Metadata::new().with("p0", "new")).unwrap();
        other.end_run(&run, RunStatus::Completed, None).unwrap();
        all_delivered(&*other);
        let component = fake.components().remove(&run).unwrap();
        assert_eq!(component.parameters.len(), 300, "replaces: {replaces}");
        assert_eq!(component.parameters["p0"], json!({ "StringValue": "new" }));
        assert_eq!(component.parameters["p298"], json!({ "NumberValue": 298.0 }));
        let overflow = component.parameters["nethical.overflow"]["StringValue"].as_str().unwrap();
        assert!(overflow.starts_with("11 more: p299=299.0, "), "{overflow}");
        assert_eq!(component.outputs["model"], json!({ "Value": "s3://b/model" }));
        assert!(component.start.is_some() && component.display_name.is_some());
        assert_eq!(fake.violations(), Vec::<String>::new());
    }
}

#[test]
fn what_cannot_be_right_fails_at_the_call_and_costs_nothing_else() {
    let fake = SageMaker::start().unwrap();
    let platform = open(config(&fake));
    let run = start(&*platform, &"é".repeat(400), Some(&"x".repeat(400)));
    let code = |result: Result<(), nethical_core::delivery::Error>| result.unwrap_err().code();
    assert_eq!(
        code(platform.log_parameters(&run, &Metadata::new().with("k".repeat(321), 1))),
        "sagemaker.name"
    );
    assert_eq!(code(platform.log_metrics(&run, &[(&"m".repeat(256), 1.0)], None)), "sagemaker.name");
    assert_eq!(code(platform.log_metrics(&run, &[("m", 1.0)], Some(-1))), "sagemaker.step");
    assert_eq!(code(platform.set_tags(&run, &[("a", "x,y")])), "sagemaker.tag");
    assert_eq!(code(platform.resume_run("Not_A_Run")), "sagemaker.run_id");
    let unnamed = platform.start_run(&StartRun { experiment: " ", ..StartRun::default() });
    assert_eq!(unnamed.unwrap_err().code(), "sagemaker.name");
    platform.log_parameters(&run, &Metadata::new().with("k".repeat(320), "v\n".repeat(2_000))).unwrap();
    platform.log_metrics(&run, &[(&"m".repeat(255), 1.0)], Some(i64::from(i32::MAX))).unwrap();
    platform.set_tags(&run, &[(&"t".repeat(128), &"v".repeat(256))]).unwrap();
    all_delivered(&*platform);
    assert_eq!(fake.components()[&run].points.len(), 1);
    assert_eq!(fake.violations(), Vec::<String>::new());
}

#[test]
fn too_many_tags_are_refused_alone() {
    let fake = SageMaker::start().unwrap();
    let platform = open(config(&fake));
    let run = start(&*platform, "e", None);
    for number in 0..60 {
        platform.set_tags(&run, &[(&format!("t{number}"), "x")]).unwrap();
    }
    platform.log_parameters(&run, &Metadata::new().with("depth", 1)).unwrap();
    assert!(platform.flush(PATIENCE));
    let component = fake.components().remove(&run).unwrap();
    assert!(component.tags.len() >= 50 && component.parameters.contains_key("depth"));
    let ledger = status(&*platform).ledger;
    assert_eq!((ledger.dead_lettered, ledger.confirmed), (12, 50));
}

#[test]
fn a_run_that_is_not_there_is_refused_with_a_hint() {
    let fake = SageMaker::start().unwrap();
    let platform = open(config(&fake));
    platform.resume_run("nobody").unwrap();
    platform.log_metrics("nobody", &[("loss", 1.0)], None).unwrap();
    assert!(platform.flush(PATIENCE));
    let status = status(&*platform);
    assert_eq!(status.ledger.dead_lettered, 2);
    assert!(status.last_error.unwrap().hint().unwrap().contains("replay both"));
}
