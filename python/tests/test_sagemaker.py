"""Runs in SageMaker, against moto: what arrives, read back by the AWS SDK for Python."""

import pickle

import boto3
import pytest
from moto.server import ThreadedMotoServer

import nethical
from nethical.integrations.ml_platforms import InMemoryIntegration, MLPlatformManager, SageMakerIntegration


@pytest.fixture(scope="module")
def moto():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def aws(moto, monkeypatch):
    for name, value in {
        "AWS_ENDPOINT_URL": moto,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    return lambda service: boto3.client(service, region_name="us-east-1", endpoint_url=moto)


def test_a_run_arrives_whole(aws, tmp_path):
    s3, client = aws("s3"), aws("sagemaker")
    s3.create_bucket(Bucket="models")
    model = tmp_path / "model.bin"
    model.write_bytes(bytes(range(256)) * (9 << 12))
    with SageMakerIntegration(bucket="models", tags={"team": "ml"}) as platform:
        run = platform.start_run("fraud_detection", "xgb")
        platform.log_parameters(run, {"max_depth": 5, "eta": 0.2, "nested": {"a": "b"}})
        for step in range(25):
            platform.log_metrics(run, {"train:rmse": 1 / (step + 1)}, step=step)
        platform.log_artifact(run, "s3://elsewhere/model.tar.gz")
        platform.log_artifact(run, model)
        assert platform.end_run(run, "completed", wait=30)
        status = platform.status()
        assert (status["confirmed"], status["dead_lettered"], status["waiting"]) == (status["accepted"], 0, 0)
    found = client.describe_trial_component(TrialComponentName=run)
    assert found["Status"]["PrimaryStatus"] == "Completed"
    assert found["Parameters"]["max_depth"] == {"NumberValue": 5.0}
    assert found["Parameters"]["nested.a"] == {"StringValue": "b"}
    assert found["OutputArtifacts"]["model.tar.gz"]["Value"] == "s3://elsewhere/model.tar.gz"
    key = f"nethical/{run}/model.bin"
    assert found["OutputArtifacts"]["model.bin"]["Value"] == f"s3://models/{key}"
    assert s3.get_object(Bucket="models", Key=key)["Body"].read() == model.read_bytes()
    (metric,) = found["Metrics"]
    assert (metric["MetricName"], metric["Count"]) == ("train:rmse", 25)
    (trial,) = client.list_trials(TrialComponentName=run)["TrialSummaries"]
    assert trial["TrialName"] == run
    (listed,) = aws("cloudwatch").list_metrics(Namespace="Nethical")["Metrics"]
    assert [one["Name"] for one in listed["Dimensions"]] == ["ExperimentName"]


def test_a_manager_keeps_it_beside_others(aws):
    with MLPlatformManager() as runs:
        runs.add_platform("sagemaker", SageMakerIntegration())
        runs.add_platform("memory", InMemoryIntegration())
        ids = runs.start_run_all("ensemble_model", "run_001")
        assert set(ids) == {"sagemaker", "memory"}
        runs.log_metrics_all(ids, {"accuracy": 0.96})
        runs.end_run_all(ids, "completed")
    found = aws("sagemaker").describe_trial_component(TrialComponentName=ids["sagemaker"])
    assert found["Status"]["PrimaryStatus"] == "Completed"


def test_a_training_job_is_started(aws):
    role = "arn:aws:iam::123456789012:role/SageMakerRole"
    training = {"image": "train:1", "output_path": "s3://b/out", "hyperparameters": {"max_depth": 5, "eta": 0.2}}
    with SageMakerIntegration(role=role, training=training) as platform:
        run = platform.start_run("fraud", "xgb")
        assert platform.flush()
    job = aws("sagemaker").describe_training_job(TrainingJobName=run)
    assert (job["RoleArn"], job["HyperParameters"]) == (role, {"max_depth": "5", "eta": "0.2"})


def test_without_training_it_is_said_once(script):
    done = script("""
from nethical.integrations.ml_platforms import SageMakerIntegration
SageMakerIntegration("us-west-2").close()
SageMakerIntegration("us-west-2", "arn:aws:iam::123456789012:role/SageMakerRole").close()
""")
    assert (done.returncode, done.stderr.count("no training job is started")) == (0, 1)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"region": "us east"}, "region"),
        ({"role": "SageMakerRole"}, "role"),
        ({"bucket": "s3://b"}, "bucket"),
        ({"namespace": "AWS/x"}, "namespace"),
        ({"dimensions": ["Host"]}, "ExperimentName"),
        ({"training": {"image": "i", "output_path": "s3://b/o"}}, "role"),
        (
            {"training": {"image": "i", "output_path": "s3://b/o", "hyperparameters": {"b": [1, 2]}}},
            "`training.hyperparameters.b`: expected text, a number, or a truth value",
        ),
        ({"name": "a\x1b"}, "cannot be the name"),
    ],
)
def test_wrong_options_are_told_at_once(aws, options, text):
    with pytest.raises(nethical.ConfigError, match=text):
        SageMakerIntegration(**options)


def test_it_can_be_pickled_and_shown(aws):
    platform = SageMakerIntegration("us-west-2", bucket="models")
    again = pickle.loads(pickle.dumps(platform))
    assert (again.region, again.role, again.bucket) == ("us-west-2", None, "models")
    assert repr(again) == repr(platform) == "SageMakerIntegration(region='us-west-2')"
    platform.close()
    again.close()
