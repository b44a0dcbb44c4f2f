"""CloudWatch Logs, against moto: what arrives, read back by the AWS SDK for Python."""

import json
import pickle
from datetime import datetime, timedelta, timezone

import boto3
import pytest
from moto.server import ThreadedMotoServer

import nethical
from nethical.integrations.logging_connectors import CloudWatchConnector, LogAggregator, LogEntry, LogLevel


@pytest.fixture(scope="module")
def moto():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def aws(moto, monkeypatch, tmp_path):
    for name, value in {
        "AWS_ENDPOINT_URL": moto,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NETHICAL_HOME": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    return boto3.client("logs", region_name="us-east-1", endpoint_url=moto)


def messages(client, group, stream):
    found = client.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)
    return [event["message"] for event in found["events"]]


def entry(message="m", at=None, **metadata):
    return LogEntry(at or datetime.now(timezone.utc), LogLevel.INFO, message, "worker", metadata)


def test_entries_arrive_as_their_json_in_order(aws):
    connector = CloudWatchConnector(log_group="arrive", log_stream="production", region="us-east-1", batch_size=100)
    entries = [entry(f"Processing item {number}", item=number) for number in range(150)]
    assert all(connector.send(one) for one in entries)
    assert connector.flush()
    assert messages(aws, "arrive", "production") == [one.to_json() for one in entries]
    status = connector.status()
    assert (status["accepted"], status["confirmed"], status["waiting"]) == (150, 150, 0)
    connector.close()


def test_a_group_is_created_as_asked(aws):
    with CloudWatchConnector("asked", "s-{date}", retention_days=30, tags={"team": "ml"}) as connector:
        connector.send(entry())
    (group,) = aws.describe_log_groups(logGroupNamePrefix="asked")["logGroups"]
    assert group["retentionInDays"] == 30
    assert aws.list_tags_log_group(logGroupName="asked")["tags"] == {"team": "ml"}
    today = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    assert len(messages(aws, "asked", f"s-{today}")) == 1


def test_entries_that_are_too_new_are_dead_letters(aws):
    connector = CloudWatchConnector("new", "s")
    connector.send(entry("tomorrow", datetime.now(timezone.utc) + timedelta(days=1)))
    assert connector.flush()
    (letter,) = connector.dead_letters()
    assert "ahead of CloudWatch's clock" in str(letter["error"])
    connector.close()


def test_an_aggregator_sends_there_beside_others(aws, tmp_path):
    path = tmp_path / "nethical.toml"
    path.write_text('[logging.cloudwatch]\nlog_group = "configured"\nlog_stream = "s"\nregion = "us-east-1"\n')
    logs = LogAggregator.from_config(path)
    logs.add_connector(CloudWatchConnector("added", "s"))
    assert logs.log(LogLevel.WARNING, "High memory usage", "monitor", memory_mb=1500)
    assert logs.close_all()
    for group in ("configured", "added"):
        (found,) = messages(aws, group, "s")
        assert json.loads(found)["metadata"] == {"memory_mb": 1500}


def test_two_without_a_name_do_not_share_what_waits(aws):
    with CloudWatchConnector("first", "s") as first, CloudWatchConnector("second", "s") as second:
        first.send(entry("one"))
        second.send(entry("two"))
    assert json.loads(messages(aws, "first", "s")[0])["message"] == "one"
    assert len(messages(aws, "first", "s")) == len(messages(aws, "second", "s")) == 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"log_group": "a b"}, "log group"),
        ({"log_stream": "a:b"}, "log stream"),
        ({"log_stream": "{day}"}, "log stream"),
        ({"region": "us east"}, "region"),
        ({"batch_size": 0}, "batch_size"),
        ({"retention_days": 2}, "2 days"),
        ({"log_group_class": "cheap"}, "log_group_class|cheap"),
        ({"endpoint_url": "localhost:4566"}, "address"),
    ],
)
def test_wrong_options_are_told_at_once(aws, options, text):
    with pytest.raises(nethical.ConfigError, match=text):
        CloudWatchConnector(**{"log_group": "g", "log_stream": "s", **options})


def test_it_can_be_pickled_and_shown(aws):
    connector = CloudWatchConnector("g", "s", batch_size=7)
    again = pickle.loads(pickle.dumps(connector))
    assert (again.log_group, again.log_stream, again.region, again.batch_size) == ("g", "s", "us-east-1", 7)
    assert repr(again) == repr(connector)
    connector.close()
    again.close()
