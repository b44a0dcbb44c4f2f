"""Files that are moved away, compressed and deleted, and the schemas of their lines."""

import gzip
import json
import pickle
import time
from datetime import datetime

import pytest

import nethical
from nethical.integrations.logging_connectors import JSONFileConnector, LogEntry, LogLevel


def entry(message, **metadata):
    return LogEntry(datetime.now(), LogLevel.WARNING, message, "monitor", metadata)


def test_rotated_files_are_compressed_and_hold_everything(tmp_path):
    path = tmp_path / "app.jsonl"
    connector = JSONFileConnector(path, 10, rotate_bytes=10_000, compress="gzip")
    connector = pickle.loads(pickle.dumps(connector))
    for number in range(500):
        connector.send(entry(str(number)))
    connector.close()
    archived = sorted(tmp_path.glob("app-*.jsonl.gz"))
    assert len(archived) > 5
    assert sorted(tmp_path.iterdir()) == sorted([path, *archived])
    text = "".join(gzip.decompress(file.read_bytes()).decode() for file in archived) + path.read_text()
    assert [json.loads(line)["message"] for line in text.splitlines()] == [str(number) for number in range(500)]


def test_only_the_newest_are_kept(tmp_path):
    with JSONFileConnector(tmp_path / "app.jsonl", 10, rotate_bytes=5_000, keep_files=2, keep_days=7) as connector:
        for number in range(300):
            connector.send(entry(str(number)))
    assert len(list(tmp_path.glob("app-*.jsonl"))) == 2


def test_an_old_file_is_moved_away(tmp_path):
    path = tmp_path / "app.jsonl"
    for message in ("first", "second"):
        with JSONFileConnector(path, rotate_hours=1e-6) as connector:
            connector.send(entry(message))
        time.sleep(0.05)  # Longer than a file may be old.
    (archived,) = tmp_path.glob("app-*.jsonl")
    assert "first" in archived.read_text() and "second" in path.read_text()


def written(tmp_path, schema):
    path = tmp_path / "app.jsonl"
    with JSONFileConnector(path, schema=schema) as connector:
        connector.send(entry("High memory", memory_mb=1500, nested={"a": [1, None]}))
    return json.loads(path.read_text())


def test_ecs(tmp_path):
    line = written(tmp_path, "ecs")
    assert list(line)[:3] == ["@timestamp", "log.level", "message"]
    assert (line["log.level"], line["labels"]) == ("warning", {"memory_mb": 1500, "nested_a": "[1,null]"})


def test_otel(tmp_path):
    (logs,) = written(tmp_path, "otel")["resourceLogs"]
    (record,) = logs["scopeLogs"][0]["logRecords"]
    assert (record["severityNumber"], record["body"]) == (13, {"stringValue": "High memory"})
    attributes = {one["key"]: one["value"] for one in record["attributes"]}
    assert attributes["memory_mb"] == {"intValue": "1500"}


def test_flat(tmp_path):
    line = written(tmp_path, "flat")
    assert (line["level"], line["memory_mb"], line["nested.a"]) == ("WARNING", 1500, [1, None])


def test_what_counts_only_with_rotation_is_told(tmp_path):
    with pytest.raises(nethical.ConfigError, match="compress counts only") as caught:
        JSONFileConnector(tmp_path / "a.jsonl", compress="zstd")
    assert "rotate_bytes" in caught.value.hint
