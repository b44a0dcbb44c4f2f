//! What `nethical check` finds.

use nethical_core::delivery::Error;
use nethical_destinations::sagemaker::SageMakerConfig;
use nethical_receivers::sagemaker::{SageMaker, Trouble};

use crate::{config, open, with_bucket};

fn check(config: SageMakerConfig) -> Result<String, Error> {
    open(config).probe()
}

#[test]
fn it_says_who_and_where_and_changes_nothing() {
    let fake = SageMaker::start().unwrap();
    let found = check(with_bucket(&fake)).unwrap();
    assert_eq!(found, "SageMaker in us-east-1, bucket models, as arn:aws:iam::123456789012:user/tester");
    assert!(fake.experiments().is_empty() && fake.components().is_empty() && fake.data().is_empty());
    assert!(fake.keys("models").is_empty() && fake.open_uploads() == 0);
}

#[test]
fn every_missing_permission_is_named_at_once() {
    let fake = SageMaker::start().unwrap();
    let all = [
        "sagemaker:DescribeTrialComponent",
        "sagemaker:DescribeTrial",
        "sagemaker:UpdateTrialComponent",
        "sagemaker:CreateTrial",
        "sagemaker:AssociateTrialComponent",
        "sagemaker:BatchPutMetrics",
        "cloudwatch:PutMetricData",
        "s3:PutObject",
    ];
    fake.behave(|behaviour| behaviour.access.denied = all.map(str::to_owned).into());
    let error = check(with_bucket(&fake)).unwrap_err();
    assert_eq!(error.code(), "aws.access_denied");
    assert!(error.message().contains("user/tester"), "{error}");
    for action in all {
        assert!(error.hint().unwrap().contains(&format!("`{action}`")), "{action}: {error:?}");
    }
}

#[test]
fn a_bucket_that_is_missing_or_elsewhere_is_told_from_a_service_that_is_down() {
    let fake = SageMaker::start().unwrap();
    let mut wrong = config(&fake);
    wrong.bucket = Some("nowhere".to_owned());
    assert_eq!(check(wrong).unwrap_err().code(), "sagemaker.no_bucket");
    fake.behave(|behaviour| behaviour.bucket_elsewhere = true);
    let error = check(with_bucket(&fake)).unwrap_err();
    assert_eq!(error.code(), "sagemaker.bucket_region");
    assert!(error.message().contains("eu-west-1"), "{error}");
    fake.behave(|behaviour| behaviour.always = Some(Trouble::Unavailable));
    assert_eq!(check(config(&fake)).unwrap_err().code(), "aws.unavailable");
}
