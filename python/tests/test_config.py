"""Aggregators from a configuration."""

import json
import pickle
from pathlib import Path

import pytest

import nethical
from nethical.integrations.logging_connectors import LogAggregator, LogConnector, LogLevel

TOML = """
[logging.jsonl]
filepath = "logs/app.jsonl"
buffer_size = 10

[logging.errors]
type = "jsonl"
filepath = "${PLACE:-logs}/errors.jsonl"
level = "error"

[redaction]
also = ["internal_ref"]
"""


def use(logs):
    for level in (LogLevel.INFO, LogLevel.ERROR):
        assert logs.log(level, level.value, "s", internal_ref=7, plain=1)
    assert logs.close_all()


def test_a_file(tmp_path, monkeypatch, lines):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLACE", "elsewhere")
    Path("nethical.toml").write_text(TOML)
    logs = LogAggregator.from_config("nethical.toml")
    assert all(isinstance(connector, LogConnector) for connector in logs.connectors)
    assert [(one.name, one.kind) for one in logs.connectors] == [("jsonl", "jsonl"), ("errors", "jsonl")]
    use(logs)
    assert [entry["message"] for entry in lines(tmp_path / "logs/app.jsonl")] == ["INFO", "ERROR"]
    (entry,) = lines(tmp_path / "elsewhere/errors.jsonl")
    assert entry["metadata"] == {"internal_ref": "[REDACTED]", "plain": 1}


def test_a_dict_in_the_guides_shape(tmp_path, lines):
    config = {"logging": {"enabled": True, "jsonl": {"filepath": tmp_path / "a.jsonl", "buffer_size": 10}}}
    with LogAggregator.from_config(config) as logs:
        use(logs)
    assert len(lines(tmp_path / "a.jsonl")) == 2
    assert LogAggregator.from_config({"logging": {"enabled": False, "jsonl": {"filepath": "x"}}}).connectors == []
    assert LogAggregator.from_config({}).connectors == []


def test_json_files(tmp_path, lines):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"logging": {"jsonl": {"filepath": str(tmp_path / "a.jsonl")}}}))
    with LogAggregator.from_config(path) as logs:
        use(logs)
    assert len(lines(tmp_path / "a.jsonl")) == 2


@pytest.mark.parametrize(
    ("config", "texts"),
    [
        ({"logging": {"jsonl": {"filepat": "x"}}}, ["filepat", "filepath"]),
        ({"logging": {"jsonl": {"filepath": "x", "buffer_size": "ten"}}}, ["buffer_size"]),
        ({"logging": {"josnl": {"filepath": "x"}}}, ["josnl", "jsonl"]),
        ({"logging": {"jsonl": {"filepath": "${NOT_THERE_AT_ALL}/x"}}}, ["NOT_THERE_AT_ALL"]),
    ],
)
def test_faults_name_what_is_meant(config, texts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(nethical.ConfigError) as caught:
        LogAggregator.from_config(config)
    assert all(text in str(caught.value) for text in texts) and caught.value.code == "config.invalid"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(nethical.ConfigError, match="none.toml"):
        LogAggregator.from_config(tmp_path / "none.toml")


def test_a_destination_that_cannot_be_opened(tmp_path):
    with pytest.raises(nethical.NethicalError, match="directory"):
        LogAggregator.from_config({"logging": {"jsonl": {"filepath": str(tmp_path)}}})


@pytest.mark.parametrize("wrong", [None, 7, ["logging"]])
def test_other_things(wrong):
    with pytest.raises(TypeError, match="a path or a dict"):
        LogAggregator.from_config(wrong)


def test_pickles_with_its_rules(tmp_path, lines):
    path = tmp_path / "a.jsonl"
    config = {"logging": {"jsonl": {"filepath": str(path)}}, "redaction": {"also": ["internal_ref"]}}
    first = LogAggregator.from_config(config)
    second = pickle.loads(pickle.dumps(first))
    for logs in (first, second):
        use(logs)
    assert [entry["metadata"]["internal_ref"] for entry in lines(path)] == ["[REDACTED]"] * 4


def test_subclasses(tmp_path):
    class Mine(LogAggregator):
        pass

    with Mine.from_config({"logging": {"jsonl": {"filepath": str(tmp_path / "a.jsonl")}}}) as logs:
        assert isinstance(logs, Mine)
