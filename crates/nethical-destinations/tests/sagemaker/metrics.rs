//! Points, to components and to CloudWatch.

use std::collections::BTreeSet;

use nethical_core::tracking::RunStatus;
use nethical_destinations::sagemaker::Dimension;
use nethical_receivers::sagemaker::SageMaker;
use serde_json::{Value, json};

use crate::{PATIENCE, all_delivered, config, open, start, status};

#[test]
fn five_thousand_points_arrive_once_each_through_throttles_and_faults_of_single_points() {
    let fake = SageMaker::start().unwrap();
    let platform = open(config(&fake));
    let runs = [start(&*platform, "one", None), start(&*platform, "two", None)];
    fake.behave(|behaviour| (behaviour.throttled_per_mille, behaviour.failed_points_per_mille) = (100, 50));
    for number in 0..5_000_i32 {
        let run = &runs[number as usize % 2];
        platform.log_metrics(run, &[("loss", f64::from(number))], None).unwrap();
    }
    runs.iter().for_each(|run| assert!(platform.end_run(run, RunStatus::Completed, None).unwrap()));
    all_delivered(&*platform);
    assert!(fake.troubles().0 > 30, "{:?}", fake.troubles());
    let components = fake.components();
    let mut seen = BTreeSet::new();
    for run in &runs {
        let points = &components[run].points;
        assert_eq!(points.len(), 2_500);
        assert_eq!(points.iter().map(|point| point.step).collect::<BTreeSet<_>>(), (0..2_500).collect());
        seen.extend(points.iter().map(|point| point.value as i64));
    }
    assert_eq!(seen, (0..5_000).collect());
    let data = fake.data();
    assert_eq!(data.len(), 5_000);
    assert_eq!(data.iter().map(|datum| datum.value as i64).collect::<BTreeSet<_>>(), (0..5_000).collect());
    let names: BTreeSet<_> = data.iter().map(|datum| datum.dimensions["ExperimentName"].as_str()).collect();
    assert_eq!(names, BTreeSet::from(["one", "two"]));
    assert!(data.iter().any(|datum| datum.compressed));
    assert_eq!(fake.violations(), Vec::<String>::new());
}

#[test]
fn numbers_that_aws_does_not_take_are_counted_and_recorded() {
    let fake = SageMaker::start().unwrap();
    let platform = open(config(&fake));
    let run = start(&*platform, "e", None);
    platform.log_metrics(&run, &[("loss", f64::NAN), ("acc", 0.5)], Some(3)).unwrap();
    platform.log_metrics(&run, &[("loss", f64::NAN)], Some(4)).unwrap();
    platform.log_metrics(&run, &[("loss", f64::NEG_INFINITY), ("big", 1e300)], None).unwrap();
    all_delivered(&*platform);
    let component = fake.components().remove(&run).unwrap();
    let recorded = component.parameters["nethical.not_finite"]["StringValue"].as_str().unwrap();
    let recorded: Value = serde_json::from_str(recorded).unwrap();
    assert_eq!(recorded, json!({ "loss": { "NaN": 2, "-Infinity": 1 }, "big": { "beyond 2^360": 1 } }));
    let points: Vec<_> = component.points.iter().map(|point| (&*point.name, point.step)).collect();
    assert_eq!(points, [("acc", 3), ("big", 0)]);
    assert_eq!(fake.data().iter().map(|datum| &*datum.name).collect::<Vec<_>>(), ["acc"]);
    assert_eq!(fake.violations(), Vec::<String>::new());
}

#[test]
fn namespace_and_dimensions_are_as_configured() {
    let fake = SageMaker::start().unwrap();
    let mut config = config(&fake);
    config.namespace = "Team/Training".to_owned();
    config.dimensions = vec![Dimension::ExperimentName, Dimension::TrialComponentName];
    config.extra_dimensions = [("Team".to_owned(), "ml".to_owned())].into();
    config.experiment_metrics = false;
    let platform = open(config);
    let run = start(&*platform, "e", None);
    platform.log_metrics(&run, &[("loss", 1.0)], None).unwrap();
    all_delivered(&*platform);
    let datum = fake.data().remove(0);
    assert_eq!(datum.namespace, "Team/Training");
    let wanted = [("ExperimentName", "e"), ("Team", "ml"), ("TrialComponentName", &run)];
    assert_eq!(datum.dimensions, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert!(fake.components()[&run].points.is_empty());
}

#[test]
fn another_process_goes_on_with_the_steps_and_the_experiment() {
    let fake = SageMaker::start().unwrap();
    let first = open(config(&fake));
    let run = start(&*first, "e", None);
    first.log_metrics(&run, &[("loss", 1.0)], None).unwrap();
    all_delivered(&*first);
    let second = open(config(&fake));
    second.resume_run(&run).unwrap();
    second.log_metrics(&run, &[("loss", 2.0)], None).unwrap();
    all_delivered(&*second);
    let steps: Vec<_> = fake.components()[&run].points.iter().map(|point| point.step).collect();
    assert_eq!(steps, [0, 1]);
    assert!(fake.data().iter().all(|datum| datum.dimensions["ExperimentName"] == "e"));
}

#[test]
fn a_point_that_is_refused_takes_only_its_update_along() {
    let fake = SageMaker::start().unwrap();
    fake.behave(|behaviour| behaviour.poison = Some("poison".to_owned()));
    let platform = open(config(&fake));
    let run = start(&*platform, "e", None);
    for number in 0..40 {
        let name = if number == 17 { "poison" } else { "loss" };
        platform.log_metrics(&run, &[(name, f64::from(number))], None).unwrap();
    }
    assert!(platform.flush(PATIENCE));
    let status = status(&*platform);
    assert_eq!((status.ledger.dead_lettered, status.ledger.confirmed), (1, 40));
    assert_eq!((fake.components()[&run].points.len(), fake.data().len()), (39, 39));
}
